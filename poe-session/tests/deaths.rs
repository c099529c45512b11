//! Handlers that fail: who is told, who is stopped, and what `run` returns.

mod common;

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use common::{Trace, fail, kernel, never, seconds, traced, traced_start};
use poe_kernel::{Asserts, Cause, Death, Diagnostic, SharedDeath};
use poe_session::prelude::*;

fn death(result: Result<(), KernelError>) -> SharedDeath {
    match result {
        Err(KernelError::Died(death)) => death,
        other => panic!("{other:?}"),
    }
}

// Conformance: KRX-01, KRX-04
#[test]
fn a_handled_death_lets_the_session_live_on() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    traced_start(&trace, "S", |cx| {
        cx.sig("DIE", "died").unwrap();
        cx.yield_event("fail", ());
    })
    .on("fail", |cx, ()| {
        cx.delay("later", seconds(1), ());
        fail("oops")
    })
    .on("died", {
        let t = trace.clone();
        move |cx, signal: Signal| {
            let death: &Death = signal.death().unwrap();
            assert_eq!(signal.name, Name::new("DIE"));
            assert_eq!((death.session, death.sender), (cx.session(), cx.session()));
            assert_eq!(death.event, Name::new("fail"));
            assert_eq!(death.caller.state, Some(Name::new("_start")));
            assert!(death.caller.location.file().ends_with("deaths.rs"));
            assert!(matches!(&death.cause, Cause::Error(e) if e.to_string() == "oops"));
            t.log("died");
            cx.sig_ignore("DIE");
            cx.sig_handled();
        }
    })
    .on("later", move |_, ()| t.log("later"))
    .spawn(&kernel)
    .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["S start(K)", "died", "later", "S stop"]);
}

#[test]
fn an_unhandled_death_kills_descendants_and_ancestors_then_all_and_leaves_run() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    traced_start(&trace, "P", move |cx| {
        traced_start(&t, "S", |cx| cx.alias_set("s").unwrap()).spawn(&mut *cx).unwrap();
        let t2 = t.clone();
        traced_start(&t, "C", move |cx| {
            cx.yield_event("fail", ());
            traced_start(&t2, "G", |cx| cx.alias_set("g").unwrap()).spawn(cx).unwrap();
        })
        .on("fail", |_, ()| fail("oops"))
        .spawn(cx)
        .unwrap();
    })
    .spawn(&kernel)
    .unwrap();
    traced_start(&trace, "Q", |cx| {
        cx.delay("never", seconds(1), ());
    })
    .on("never", never::<_, ()>)
    .spawn(&kernel)
    .unwrap();
    trace.take();
    let death = death(kernel.run());
    assert_eq!(death.cause.to_string(), "oops");
    assert_eq!(
        trace.take(),
        [
            "G stop",
            "C child stop G G",
            "C stop",
            "P child stop C C",
            "S parent(P,K)",
            "P stop",
            "S stop",
            "Q stop"
        ]
    );
    assert_eq!(kernel.session_count(), 0);
    // And nothing of it is left for the next run.
    traced(&trace, "next").spawn(&kernel).unwrap();
    kernel.run().unwrap();
}

#[test]
fn the_error_of_run_leads_to_the_handlers_own_error() {
    let kernel = kernel();
    Session::build(())
        .on_start(|_| -> HandlerResult { Err(std::io::Error::other("the cause").into()) })
        .spawn(&kernel)
        .unwrap();
    let error = kernel.run().unwrap_err();
    assert!(error.to_string().contains("_start") && error.to_string().contains("the cause"));
    let source = error.source().unwrap();
    assert!(source.is::<std::io::Error>(), "{source:?}");
}

#[test]
fn the_dead_its_descendants_and_its_ancestors_are_told_and_nobody_else() {
    let (kernel, trace) = (kernel(), Trace::default());
    fn watch(
        trace: &Trace,
        name: &'static str,
        below: impl Fn(&mut Cx<'_, ()>) + 'static,
    ) -> Session<()> {
        let t = trace.clone();
        Session::build(())
            .on_start(move |cx| {
                cx.alias_set(name).unwrap();
                cx.sig("DIE", "died").unwrap();
                below(cx);
            })
            .on("fail", |_, ()| fail("oops"))
            .on("died", move |cx, _: Signal| {
                t.log(name);
                if name == "descendant" {
                    cx.sig_handled();
                }
            })
    }
    let t = trace.clone();
    watch(&trace, "ancestor", move |cx| {
        let t2 = t.clone();
        watch(&t, "sibling", |_| {}).spawn(&mut *cx).unwrap();
        watch(&t, "dead", move |cx| {
            watch(&t2, "descendant", |_| {}).spawn(&mut *cx).unwrap();
        })
        .spawn(&mut *cx)
        .unwrap();
    })
    .spawn(&kernel)
    .unwrap();
    watch(&trace, "stranger", |_| {}).spawn(&kernel).unwrap();
    kernel.post("dead", "fail", ()).unwrap();
    kernel.run().unwrap();
    // One handled it, first of all; the others are called all the same.
    assert_eq!(trace.take(), ["descendant", "dead", "ancestor"]);
}

#[test]
fn a_panic_leaves_run_as_a_panic_and_the_kernel_is_usable() {
    let (kernel, trace) = (kernel(), Trace::default());
    traced(&trace, "S")
        .on("fail", |_, ()| -> HandlerResult { std::panic::panic_any(7_u32) })
        .spawn(&kernel)
        .unwrap();
    let t = trace.clone();
    let id = kernel.children(SessionId::KERNEL)[0];
    kernel.post(id, "fail", ()).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| kernel.run())).unwrap_err();
    assert_eq!(panic.downcast_ref::<u32>(), Some(&7));
    assert_eq!(trace.take()[1..], ["S stop"]);
    assert!(kernel.active_session().is_kernel());
    traced_start(&trace, "next", move |_| t.log("on")).spawn(&kernel).unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take()[1], "on");
}

#[test]
fn a_panic_may_be_handled_like_an_error() {
    let kernel = kernel();
    let seen = Rc::new(RefCell::new(String::new()));
    let s = seen.clone();
    Session::build(0_u32)
        .on_start(|cx| -> HandlerResult {
            cx.sig("DIE", "died")?;
            cx.yield_event("fail", ());
            Ok(())
        })
        .on("fail", |cx, ()| -> HandlerResult {
            *cx.heap = 1;
            panic!("boom")
        })
        .on("died", move |cx, signal: Signal| {
            *s.borrow_mut() = signal.death().unwrap().cause.to_string();
            assert_eq!(*cx.heap, 1);
            cx.sig_handled();
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(*seen.borrow(), "panic: boom");
}

// Conformance: KRX-08
#[test]
fn a_start_that_fails_still_creates_and_tells_and_dies_later() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    traced_start(&trace, "P", move |cx| {
        let t2 = t.clone();
        let child = traced(&t, "C")
            .on_start(move |cx| {
                t2.call(cx.session(), "C");
                fail("oops")
            })
            .spawn(&mut *cx)
            .unwrap();
        assert!(cx.kernel.is_live(child));
        t.log("spawn returns");
    })
    .spawn(&kernel)
    .unwrap();
    let death = death(kernel.run());
    assert_eq!(death.event, Name::new("_start"));
    assert_eq!(
        trace.take(),
        [
            "P start(K)",
            "P child create C -",
            "spawn returns",
            "C stop",
            "P child stop C C",
            "P stop"
        ]
    );
}

// Conformance: KRX-09
#[test]
fn an_event_behind_the_failing_one_is_still_delivered() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    traced_start(&trace, "S", |cx| {
        cx.yield_event("fail", ());
        cx.yield_event("behind", ());
    })
    .on("fail", |_, ()| fail("oops"))
    .on("behind", move |_, ()| t.log("behind"))
    .spawn(&kernel)
    .unwrap();
    death(kernel.run());
    assert_eq!(trace.take(), ["S start(K)", "behind", "S stop"]);
    kernel.run().unwrap();
}

#[test]
fn a_failing_stop_ends_the_run_with_its_error() {
    let (kernel, trace) = (kernel(), Trace::default());
    traced_start(&trace, "other", |cx| {
        cx.delay("never", seconds(9), ());
    })
    .on("never", never::<_, ()>)
    .spawn(&kernel)
    .unwrap();
    Session::build(())
        .on_start(|cx| cx.sig("DIE", "died"))
        .on("died", never::<_, Signal>)
        .on_stop(|_| fail("in stop"))
        .spawn(&kernel)
        .unwrap();
    let death = death(kernel.run());
    assert_eq!((death.event, death.cause.to_string()), (Name::new("_stop"), "in stop".into()));
    assert_eq!(trace.take(), ["other start(K)", "other stop"]);
}

#[test]
fn a_failure_in_a_death_handler_ends_the_run_although_the_first_was_handled() {
    let kernel = kernel();
    Session::build(())
        .on_start(|cx| -> HandlerResult {
            cx.sig("DIE", "died")?;
            fail("first")
        })
        .on("died", |cx, _: Signal| {
            cx.sig_handled();
            fail("second")
        })
        .spawn(&kernel)
        .unwrap();
    assert_eq!(death(kernel.run()).cause.to_string(), "second");
}

#[test]
fn a_second_death_while_the_first_ends_the_run_is_reported() {
    let reported = Rc::new(RefCell::new(Vec::new()));
    let r = reported.clone();
    let kernel = Kernel::builder()
        .diagnostics(move |diagnostic| {
            assert!(matches!(diagnostic, Diagnostic::SecondDeath { .. }));
            r.borrow_mut().push(diagnostic.to_string());
        })
        .build()
        .unwrap();
    Session::build(())
        .on_start(|_| fail("first"))
        .on_stop(|_| fail("second"))
        .spawn(&kernel)
        .unwrap();
    let death = death(kernel.run());
    let all = format!("{death} {:?}", reported.borrow());
    assert!(all.contains("first") && all.contains("second"), "{all}");
}

#[test]
fn a_failure_after_the_session_was_stopped_is_not_lost() {
    let kernel = kernel();
    Session::build(())
        .on_start(|cx| {
            cx.stop().unwrap();
            fail("late")
        })
        .spawn(&kernel)
        .unwrap();
    assert_eq!(death(kernel.run()).cause.to_string(), "late");
}

#[test]
fn a_failure_of_a_session_that_is_stopped_before_its_death_came_is_not_lost() {
    let kernel = kernel();
    Session::build(())
        .on_start(|cx| {
            let id = cx.session();
            cx.yield_event("fail", ());
            // In the same pass as the failure, ahead of its DIE.
            cx.signal(id, "TERM", ())
        })
        .on("fail", |_, ()| fail("lost?"))
        .spawn(&kernel)
        .unwrap();
    assert_eq!(death(kernel.run()).cause.to_string(), "lost?");
}

#[test]
fn a_wrong_payload_is_a_death_that_names_event_types_and_place() {
    let kernel = kernel();
    let id = Session::build(()).on("n", |_, _: u32| {}).spawn(&kernel).unwrap();
    kernel.post(id, "n", "text").unwrap();
    let line = line!() - 1;
    let error = kernel.run().unwrap_err();
    for part in ["\"n\"", "u32", "&str", "deaths.rs", &format!(":{line}")] {
        assert!(error.to_string().contains(part), "{part} in {error}");
    }
    assert!(error.source().unwrap().downcast_ref::<CallError>().is_some());
}

#[test]
fn wrong_arguments_for_start_are_a_death_too() {
    let kernel = kernel();
    Session::build(()).on("_start", |_, _: u32| {}).spawn_with(&kernel, 1_u64).unwrap();
    assert_eq!(death(kernel.run()).event, Name::new("_start"));
}

#[test]
fn a_reply_nobody_asked_for_is_dropped_and_no_error() {
    let kernel = kernel();
    let id = Session::build(()).on("n", |_, ()| Reply(7_u32)).spawn(&kernel).unwrap();
    kernel.post(id, "n", ()).unwrap();
    kernel.run().unwrap();
}

#[test]
fn a_failing_child_handler_kills_the_parent_and_not_the_child_alone() {
    // It fails again when the child stops: a second death, which is reported.
    let kernel = Kernel::builder().diagnostics(|_| {}).build().unwrap();
    let trace = Trace::default();
    let t = trace.clone();
    traced(&trace, "P")
        .on_start(move |cx| {
            traced(&t, "C").spawn(cx).unwrap();
        })
        .on_child(|_, _| fail("in child"))
        .spawn(&kernel)
        .unwrap();
    let error = kernel.run().unwrap_err();
    assert!(error.to_string().contains("in child"), "{error}");
    assert_eq!(trace.take(), ["C start(?)", "C stop", "P stop"]);
}

#[test]
fn a_death_outside_run_waits_for_it() {
    let kernel = kernel();
    let id = Session::build(()).on("fail", |_, ()| fail("oops")).spawn(&kernel).unwrap();
    assert!(matches!(kernel.call::<(), _>(id, "fail", ()), Err(CallError::Died(_))));
    assert!(kernel.is_live(id));
    assert_eq!(death(kernel.run()).cause.to_string(), "oops");
}

#[test]
fn single_timeslices_return_a_death_as_run_does() {
    let kernel = kernel();
    Session::build(()).on_start(|_| fail("oops")).spawn(&kernel).unwrap();
    let result = loop {
        match kernel.run_one_timeslice() {
            Ok(true) => {}
            other => break other,
        }
    };
    assert!(matches!(result, Err(KernelError::Died(_))), "{result:?}");
    assert_eq!(kernel.session_count(), 0);
}

#[test]
fn a_die_sent_by_hand_reaches_as_far_as_any_other() {
    let kernel = kernel();
    let told = Rc::new(Cell::new(0));
    let t = told.clone();
    let id = Session::build(())
        .on_start(|cx| cx.sig("DIE", "died"))
        .on("died", move |cx, signal: Signal| {
            assert!(signal.death().is_none());
            assert_eq!(signal.args::<&str>(), Some(&"by hand"));
            t.set(t.get() + 1);
            cx.sig_handled();
        })
        .spawn(&kernel)
        .unwrap();
    kernel.signal(id, "DIE", "by hand").unwrap();
    kernel.run().unwrap();
    assert_eq!(told.get(), 1);
}

#[test]
fn a_handler_that_waits_is_told_of_a_death_that_ends_the_run() {
    let kernel = kernel();
    Session::build(())
        .on_start(|cx| cx.alias_set("worker"))
        .on("work", |_, ()| -> HandlerResult { Err("cannot work".into()) })
        .spawn(&kernel)
        .unwrap();
    let (turns, told) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
    let (count, tell) = (Rc::clone(&turns), Rc::clone(&told));
    Session::build(())
        .on_start(|cx| cx.yield_event("wait", ()))
        .on("wait", move |cx, ()| -> HandlerResult {
            cx.post("worker", "work", ())?;
            let answered = || count.replace(count.get() + 1) > 100;
            let waited = cx.suspend(|kernel| kernel.run_while(|| !answered()));
            tell.set(matches!(waited, Err(KernelError::Died(_))));
            Ok(())
        })
        .spawn(&kernel)
        .unwrap();
    let Err(KernelError::Died(death)) = kernel.run() else { panic!("the death was lost") };
    assert_eq!(death.cause.to_string(), "cannot work");
    assert!(told.get() && turns.get() < 100, "{} turns", turns.get());
}

#[test]
fn nothing_is_dispatched_once_a_run_is_to_end() {
    let kernel = Kernel::builder().asserts(Asserts::DATA).build().unwrap();
    let session = Session::build(()).on("event", never::<(), ()>).spawn(&kernel).unwrap();
    kernel.post(session, "event", ()).unwrap();
    for priority in [Priority::High, Priority::Low] {
        kernel.post_with(priority, session, "event", ()).unwrap();
    }
    // There is nobody to die of it.
    kernel.post("nobody", "event", ()).unwrap_err();
    let error = kernel.run().unwrap_err();
    assert!(error.to_string().contains("nobody"), "{error}");
    assert_eq!((kernel.session_count(), kernel.get_event_count()), (0, 0));
}
