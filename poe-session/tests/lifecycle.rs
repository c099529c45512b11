//! How sessions begin and end, and who is told in which order.

mod common;

use std::cell::Cell;
use std::rc::Rc;

use common::{Drops, Trace, kernel, millis, never, seconds, traced, traced_start};
use poe_kernel::SpawnError;
use poe_session::prelude::*;

// Conformance: KRD-01, SES-02
#[test]
fn creation_runs_start_then_child_of_each_level_inside_out() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    traced_start(&trace, "P", move |cx| {
        let t2 = t.clone();
        traced_start(&t, "M", move |cx| {
            for name in ["G", "G2"] {
                traced(&t2, name).spawn(&mut *cx).unwrap();
            }
        })
        .spawn(&mut *cx)
        .unwrap();
        t.log("create returns");
    })
    .spawn(&kernel)
    .unwrap();
    assert_eq!(
        trace.take(),
        [
            "P start(K)",
            "M start(P)",
            "G start(M)",
            "M child create G G",
            "G2 start(M)",
            "M child create G2 G2",
            "P child create M M",
            "create returns"
        ]
    );
    kernel.run().unwrap();
    // Those without work go last marked first, parents in the same sweep after their children.
    assert_eq!(
        trace.take(),
        [
            "G2 stop",
            "M child stop G2 G2",
            "G stop",
            "M child stop G G",
            "M stop",
            "P child stop M M",
            "P stop"
        ]
    );
}

// Conformance: KRD-01
#[test]
fn a_child_that_yields_once_outlives_the_rest_of_its_parents_start() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    traced_start(&trace, "P", move |cx| {
        let t2 = t.clone();
        traced_start(&t, "C", |cx| cx.yield_event("go", ()))
            .on("go", move |_, ()| t2.log("C go"))
            .spawn(&mut *cx)
            .unwrap();
        t.log("P rest");
    })
    .spawn(&kernel)
    .unwrap();
    kernel.run().unwrap();
    assert_eq!(
        trace.take(),
        [
            "P start(K)",
            "C start(P)",
            "P child create C C",
            "P rest",
            "C go",
            "C stop",
            "P child stop C C",
            "P stop"
        ]
    );
}

#[test]
fn a_parent_without_work_waits_for_its_children() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    traced_start(&trace, "P", move |cx| {
        traced_start(&t, "C", |cx| {
            cx.delay_set("later", seconds(5), ());
        })
        .on("later", |_, ()| {})
        .spawn(&mut *cx)
        .unwrap();
    })
    .spawn(&kernel)
    .unwrap();
    while kernel.get_event_count() > 1 {
        kernel.run_one_timeslice().unwrap();
    }
    assert_eq!(kernel.session_count(), 2);
    kernel.run().unwrap();
    assert_eq!(trace.take()[3..], ["C stop", "P child stop C C", "P stop"]);
}

#[test]
fn sessions_whose_last_event_came_in_order_stop_in_the_reverse_order() {
    let (kernel, trace) = (kernel(), Trace::default());
    for name in ["1", "2", "3", "4"] {
        traced(&trace, name).spawn(&kernel).unwrap();
    }
    kernel.run().unwrap();
    assert_eq!(trace.take()[4..], ["4 stop", "3 stop", "2 stop", "1 stop"]);
}

#[test]
fn term_to_the_middle_kills_leaf_first_without_gain_or_parent() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    let p = traced_start(&trace, "P", move |cx| {
        cx.alias_set("p").unwrap();
        let t = t.clone();
        let t2 = t.clone();
        let m = traced_start(&t, "M", move |cx| {
            cx.alias_set("m").unwrap();
            traced_start(&t2, "G", |cx| cx.alias_set("g").unwrap()).spawn(&mut *cx).unwrap();
        })
        .spawn(&mut *cx)
        .unwrap();
        cx.signal(m, "TERM", ()).unwrap();
        cx.delay("end", seconds(1), ());
    })
    .on("end", |_, ()| {})
    .spawn(&kernel)
    .unwrap();
    trace.take();
    while kernel.is_live(p) && kernel.session_count() > 1 {
        kernel.run_one_timeslice().unwrap();
    }
    assert_eq!(trace.take(), ["G stop", "M child stop G G", "M stop", "P child stop M M"]);
    kernel.run().unwrap();
}

#[test]
fn a_child_created_in_stop_moves_up_silently() {
    let (kernel, trace) = (kernel(), Trace::default());
    let (t, t2) = (trace.clone(), trace.clone());
    let a = traced(&trace, "A")
        .on_stop(move |cx| {
            t.log("A stop");
            let n = traced_start(&t, "N", |cx| cx.yield_event("go", ()))
                .on("go", |_, ()| {})
                .spawn(&mut *cx)
                .unwrap();
            assert_eq!(cx.kernel.parent(n), Some(cx.session()));
        })
        .spawn(&kernel)
        .unwrap();
    while kernel.is_live(a) {
        kernel.run_one_timeslice().unwrap();
    }
    let n = kernel.children(SessionId::KERNEL)[0];
    assert_eq!(t2.name(n), "N");
    kernel.run().unwrap();
    assert_eq!(
        trace.take(),
        ["A start(K)", "A stop", "N start(A)", "A child create N N", "N stop"]
    );
}

// Conformance: SES-09
#[test]
fn the_kernel_is_active_outside_handlers_and_the_session_inside() {
    let kernel = kernel();
    let check = |cx: &mut Cx<'_, ()>| {
        assert_eq!(cx.kernel.active_session(), cx.session());
        assert_eq!(cx.kernel.active_event(), Some(cx.event()));
    };
    assert!(kernel.active_session().is_kernel() && kernel.active_event().is_none());
    Session::build(()).on_start(check).on_stop(check).spawn(&kernel).unwrap();
    assert!(kernel.active_session().is_kernel());
    kernel.run().unwrap();
    assert!(kernel.active_session().is_kernel() && kernel.active_event().is_none());
}

// Conformance: KRB-01, KRB-14, KRU-05
#[test]
fn ids_count_from_one_and_are_not_given_out_again() {
    let kernel = kernel();
    let first = Session::build(()).spawn(&kernel).unwrap();
    assert_eq!((first.number(), first.to_string()), (1, "1".to_owned()));
    assert_eq!(kernel.session_by_number(1), Some(first));
    assert_eq!(kernel.session_by_number(999), None);
    kernel.run().unwrap();
    assert!(!kernel.is_live(first));
    assert_eq!(kernel.session_by_number(1), None);
    let second = Session::build(()).spawn(&kernel).unwrap();
    assert_eq!(second.number(), 2);
    assert_ne!(first, second);
    assert!(kernel.post(first, "x", ()).is_err());
    kernel.run().unwrap();
}

#[test]
fn the_creator_can_post_to_a_session_that_has_nothing_else() {
    let (kernel, got) = (kernel(), Rc::new(Cell::new(0_u32)));
    let g = got.clone();
    let id = Session::build(()).on("in", move |_, n: u32| g.set(n)).spawn(&kernel).unwrap();
    kernel.post(id, "in", 7_u32).unwrap();
    kernel.run().unwrap();
    assert_eq!(got.get(), 7);
}

#[test]
fn a_spawn_that_would_need_the_heap_its_handler_holds_is_refused() {
    let kernel = kernel();
    Session::build(())
        .on_start(|cx| {
            let refused = Session::build(()).spawn(cx.kernel);
            assert_eq!(refused, Err(SpawnError::ParentBusy(cx.session())));
            assert_eq!(cx.kernel.session_count(), 1);
            Session::build(()).spawn(&mut *cx).unwrap();
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

#[test]
fn what_would_run_others_while_a_heap_is_held_is_refused_before_anything_has_happened() {
    let (kernel, trace) = (kernel(), Trace::default());
    let refused = |result: Result<(), KernelError>, held: SessionId| {
        let error = result.unwrap_err();
        assert!(matches!(error, KernelError::HeapHeld(session) if session == held), "{error}");
        assert!(error.to_string().contains("use cx"), "{error}");
    };
    let (t, t2, t3) = (trace.clone(), trace.clone(), trace.clone());
    let holder = traced_start(&trace, "holder", |cx| cx.alias_set("holder").unwrap())
        .on("own", move |cx, ()| {
            let (me, child) = (cx.session(), traced(&t, "child").spawn(&mut *cx).unwrap());
            t.take();
            cx.yield_event("later", ());
            let events = cx.kernel.get_event_count();
            refused(cx.kernel.stop(), me);
            refused(cx.kernel.session_stop(me), me);
            refused(cx.kernel.session_stop(child), me);
            refused(cx.kernel.run_one_timeslice().map(drop), me);
            refused(cx.kernel.run_while(|| panic!("nothing is run")).map(drop), me);
            assert_eq!((cx.kernel.session_count(), cx.kernel.get_event_count()), (3, events));
            // The same by another session, which holds nothing, while this one does.
            cx.kernel.call::<(), _>("other", "stop", me)
        })
        .on("later", move |cx, ()| {
            t2.log("holder later");
            cx.suspend(|kernel| kernel.run_one_timeslice()).unwrap();
            cx.stop()
        })
        .spawn(&kernel)
        .unwrap();
    traced_start(&trace, "other", |cx| cx.alias_set("other").unwrap())
        .on("stop", move |cx, holder: SessionId| {
            refused(cx.stop(), holder);
            refused(cx.suspend(|kernel| kernel.run_one_timeslice().map(drop)), holder);
            // This has nothing to tell the one that waits.
            let short = Session::build(()).spawn(&mut *cx).unwrap();
            cx.suspend(|kernel| kernel.session_stop(short)).unwrap();
            t3.log("other asked");
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run_one_timeslice().unwrap();
    trace.take();
    kernel.post(holder, "own", ()).unwrap();
    kernel.run().unwrap();
    assert_eq!(
        trace.take(),
        [
            "other child create ? -",
            "other child stop ? -",
            "other asked",
            "holder later",
            "child stop",
            "holder child stop child child",
            "other stop",
            "holder stop"
        ]
    );
}

// Conformance: KRD-08
#[test]
fn stop_goes_leaves_first_and_then_returns_to_its_caller() {
    let (kernel, trace) = (kernel(), Trace::default());
    fn chain(trace: &Trace, names: &'static [&'static str], cx: &mut Cx<'_, ()>) {
        if let [name, rest @ ..] = names {
            let t = trace.clone();
            traced_start(trace, name, move |cx| {
                cx.alias_set(name).unwrap();
                cx.delay("never", seconds(3600), ());
                chain(&t, rest, cx);
            })
            .on("never", never::<_, ()>)
            .spawn(cx)
            .unwrap();
        }
    }
    let (t, t2) = (trace.clone(), trace.clone());
    traced_start(&trace, "1", move |cx| {
        chain(&t, &["2", "3", "4"], cx);
        cx.yield_event("end", ());
        cx.delay("never", seconds(3600), ());
    })
    .on("never", never::<_, ()>)
    .on("end", move |cx, ()| {
        t2.take();
        cx.stop().unwrap();
        t2.log("stop returns");
        assert_eq!(cx.kernel.session_count(), 0);
        assert!(cx.post(cx.session(), "x", ()).is_err());
        cx.yield_event("x", ());
    })
    .spawn(&kernel)
    .unwrap();
    traced(&trace, "Q").spawn(&kernel).unwrap();
    kernel.run().unwrap();
    assert_eq!(
        trace.take(),
        [
            "4 stop",
            "3 child stop 4 4",
            "3 stop",
            "2 child stop 3 3",
            "2 stop",
            "1 child stop 2 2",
            "Q stop",
            "1 stop",
            "stop returns"
        ]
    );
    assert_eq!(kernel.get_event_count(), 0);
    assert_eq!(kernel.time(), common::start());
}

// Conformance: SES-10
#[test]
fn stop_destroys_all_heaps_but_the_running_one_at_once() {
    struct Owner {
        _token: common::Token,
        stops: Rc<Cell<u32>>,
        losses: Rc<Cell<u32>>,
    }
    let (kernel, drops) = (kernel(), Drops::default());
    let (stops, losses) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let heap = {
        let (drops, stops, losses) = (drops.clone(), stops.clone(), losses.clone());
        move || Owner { _token: drops.token(), stops: stops.clone(), losses: losses.clone() }
    };
    let heap = Rc::new(heap);
    let handlers = Handlers::new()
        .on("_start", {
            let heap = heap.clone();
            move |cx: &mut Cx<'_, Owner>, (handlers, left): (Handlers<Owner>, u32)| {
                cx.alias_set(format!("level {left}")).unwrap();
                cx.delay("never", seconds(3600), ());
                if left > 0 {
                    Session::with(&handlers, heap())
                        .spawn_with(cx, (handlers.clone(), left - 1))
                        .unwrap();
                }
            }
        })
        .on("end", {
            let drops = drops.clone();
            move |cx: &mut Cx<'_, Owner>, ()| {
                cx.stop().unwrap();
                assert_eq!(drops.count(), 3);
            }
        })
        .on_stop(|cx| cx.heap.stops.set(cx.heap.stops.get() + 1))
        .on_child(|cx, child| {
            if child.change == Change::Stop {
                cx.heap.losses.set(cx.heap.losses.get() + 1);
            }
        })
        .on_parent(never);
    let top =
        Session::with(&handlers, heap()).spawn_with(&kernel, (handlers.clone(), 3_u32)).unwrap();
    kernel.post(top, "end", ()).unwrap();
    kernel.run().unwrap();
    assert_eq!((stops.get(), losses.get(), drops.count()), (4, 3, 4));
    assert_eq!(kernel.session_count(), 0);
}

#[test]
fn a_session_spawned_by_a_handler_whose_session_was_stopped_is_the_kernels_child() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    traced_start(&trace, "A", move |cx| {
        cx.stop().unwrap();
        let n = traced_start(&t, "N", |cx| cx.alias_set("n").unwrap()).spawn(&mut *cx).unwrap();
        assert_eq!(cx.kernel.parent(n), Some(SessionId::KERNEL));
        assert_eq!(cx.kernel.children(SessionId::KERNEL), [n]);
    })
    .spawn(&kernel)
    .unwrap();
    // An orphan would not be reached by IDLE, and this would not return.
    for _ in 0..10 {
        kernel.run_one_timeslice().unwrap();
    }
    assert_eq!(trace.take(), ["A start(K)", "A stop", "N start(K)", "N stop"]);
    assert_eq!(kernel.session_count(), 0);
}

#[test]
fn dropping_the_kernel_frees_all_it_holds() {
    let drops = Drops::default();
    let kernel = kernel();
    let (left, right) = std::os::unix::net::UnixStream::pair().unwrap();
    let left = Rc::new(left);
    let weak = kernel.downgrade();
    {
        let (d, left) = (drops.clone(), left.clone());
        Session::build(drops.token())
            .on_start(move |cx| {
                cx.alias_set("alias").unwrap();
                cx.yield_event("posted", d.token());
                cx.delay("timer", millis(1), d.token());
                cx.select_read(&left, "read").unwrap();
                cx.sig("USR2", "signal").unwrap();
                cx.kernel.select_with(&left, Mode::Write, "write", Rc::new(d.token())).unwrap();
                let child = Session::build(d.token()).spawn(&mut *cx).unwrap();
                let d = d.clone();
                cx.refcount_increment(child, "tag").unwrap();
                cx.state("closure", move |_, ()| drop(d.token()));
            })
            .spawn(&kernel)
            .unwrap();
    }
    assert_eq!((drops.count(), Rc::strong_count(&left) > 1), (0, true));
    drop(kernel);
    assert!(weak.upgrade().is_none());
    assert_eq!(drops.count(), 5);
    assert_eq!(Rc::strong_count(&left), 1);
    drop(right);
}

#[test]
fn a_tree_of_any_depth_stops_without_a_deep_stack() {
    fn link(left: u32, scope: impl Scope) {
        Session::build(())
            .on("_start", |cx, left: u32| {
                cx.alias_set(format!("level {left}")).unwrap();
                if left > 0 {
                    cx.yield_event("link", left - 1);
                }
            })
            .on("link", |cx, left: u32| link(left, cx))
            .spawn_with(scope, left)
            .unwrap();
    }
    let kernel = kernel();
    link(20_000, &kernel);
    kernel.run().unwrap();
    assert_eq!(kernel.session_count(), 0);
}

// Conformance: KRD-09, LOP-05
#[test]
fn run_with_no_sessions_returns() {
    let kernel = kernel();
    kernel.run().unwrap();
    kernel.run().unwrap();
    assert!(!kernel.run_one_timeslice().unwrap());
}

#[test]
fn what_a_stopped_session_yields_is_not_queued() {
    let kernel = kernel();
    let ran = Rc::new(Cell::new(0));
    let r = ran.clone();
    Session::build(())
        .on_start(|cx| cx.yield_event("go", ()))
        .on("go", move |cx, ()| {
            r.set(r.get() + 1);
            let id = cx.session();
            cx.suspend(|kernel| kernel.session_stop(id)).unwrap();
            assert_eq!(cx.kernel.get_event_count(), 0);
            cx.yield_event("go", ());
            cx.yield_event("go", ());
            assert_eq!(cx.kernel.get_event_count(), 0);
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(ran.get(), 1);
}
