//! Sessions that leave their parents.

mod common;

use common::{Trace, kernel, seconds, traced, traced_start};
use poe_kernel::{DetachError, NoActiveSession};
use poe_session::prelude::*;

fn held(cx: &mut Cx<'_, ()>) {
    cx.delay("end", seconds(60), ());
}

#[test]
fn one_that_detaches_in_start_is_never_heard_of_by_its_creator() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    traced_start(&trace, "P", move |cx| {
        traced_start(&t, "D", |cx| cx.detach_myself().unwrap()).spawn(&mut *cx).unwrap();
        t.log("spawned");
    })
    .spawn(&kernel)
    .unwrap();
    kernel.run().unwrap();
    let lines = trace.take();
    assert_eq!(lines[..4], ["P start(K)", "D start(P)", "D parent(P,K)", "spawned"]);
    assert_eq!(lines[4..], ["P stop", "D stop"]);
}

// Conformance: KRD-03
#[test]
fn one_that_detaches_later_is_lost_first_and_told_then() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    let p = traced_start(&trace, "P", |cx| cx.yield_event("spawn", ()))
        .on("spawn", move |cx, ()| {
            let t2 = t.clone();
            traced_start(&t, "C", |cx| cx.yield_event("leave", ()))
                .on("leave", move |cx, ()| {
                    cx.detach_myself().unwrap();
                    t2.log("detached");
                    assert_eq!(cx.kernel.parent(cx.session()), Some(SessionId::KERNEL));
                    assert_eq!(cx.detach_myself(), Err(DetachError::TopLevel(cx.session())));
                })
                .spawn(&mut *cx)
                .unwrap();
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert!(!kernel.is_live(p));
    assert_eq!(
        trace.take()[..6],
        [
            "P start(K)",
            "C start(P)",
            "P child create C C",
            "P child leave C -",
            "C parent(P,K)",
            "detached"
        ]
    );
}

#[test]
fn the_tree_changes_after_both_were_told() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    let p = Session::build(())
        .on_start(move |cx| {
            let t = t.clone();
            let parent = cx.session();
            let child = Session::build(())
                .on_start(held)
                .on_parent(move |cx, told| {
                    assert_eq!((told.old, told.new), (parent, SessionId::KERNEL));
                    assert_eq!(cx.kernel.parent(cx.session()), Some(parent));
                    t.log("child told");
                })
                .on("end", |_, ()| {})
                .spawn(&mut *cx)
                .unwrap();
            cx.detach_child(child).unwrap();
            assert_eq!(cx.kernel.parent(child), Some(SessionId::KERNEL));
        })
        .on_child({
            let trace = trace.clone();
            move |cx, child| {
                if child.change == Change::Leave {
                    assert_eq!(cx.kernel.parent(child.session), Some(cx.session()));
                    trace.log("parent told");
                }
            }
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert!(!kernel.is_live(p));
    assert_eq!(trace.take(), ["parent told", "child told"]);
}

// Conformance: KRD-05, KRD-06, KRD-07
#[test]
fn three_children_with_three_grandchildren_detach_in_every_way() {
    let (kernel, trace) = (kernel(), Trace::default());
    const TREE: [(&str, [&str; 3]); 3] =
        [("1", ["1_1", "1_2", "1_3"]), ("2", ["2_1", "2_2", "2_3"]), ("3", ["3_1", "3_2", "3_3"])];
    let t = trace.clone();
    traced_start(&trace, "main", move |cx| {
        cx.alias_set("main").unwrap();
        for (name, below) in TREE {
            let t2 = t.clone();
            traced_start(&t, name, move |cx| {
                cx.alias_set(name).unwrap();
                for name in below {
                    traced_start(&t2, name, move |cx| cx.alias_set(name).unwrap())
                        .on("leave", |cx, ()| cx.detach_myself())
                        .spawn(&mut *cx)
                        .unwrap();
                }
            })
            .on("leave", |cx, ()| cx.detach_myself())
            .on("give", move |cx, ()| cx.detach_child(below[1]))
            .spawn(&mut *cx)
            .unwrap();
        }
        t.take();
    })
    .on("give", |cx, ()| cx.detach_child("2"))
    .spawn(&kernel)
    .unwrap();
    let step = |to: &'static str, event: &'static str| {
        kernel.post(to, event, ()).unwrap();
        kernel.run_one_timeslice().unwrap();
        trace.take()
    };
    assert_eq!(step("1_1", "leave"), ["1 child leave 1_1 -", "1_1 parent(1,K)"]);
    assert_eq!(step("1", "give"), ["1 child leave 1_2 -", "1_2 parent(1,K)"]);
    assert_eq!(step("1", "leave"), ["main child leave 1 -", "1 parent(main,K)"]);
    assert_eq!(step("main", "give"), ["main child leave 2 -", "2 parent(main,K)"]);
    kernel.run().unwrap();
    let lines = trace.take();
    let told: Vec<&str> =
        lines.iter().map(String::as_str).filter(|line| line.contains("child")).collect();
    // Breadth first, and backwards.
    assert_eq!(
        told,
        [
            "3 child stop 3_3 3_3",
            "3 child stop 3_2 3_2",
            "3 child stop 3_1 3_1",
            "2 child stop 2_3 2_3",
            "2 child stop 2_2 2_2",
            "2 child stop 2_1 2_1",
            "1 child stop 1_3 1_3",
            "main child stop 3 3"
        ]
    );
}

// Conformance: KRU-08, KRU-07, KRU-01
#[test]
fn what_cannot_be_detached_is_an_error() {
    let kernel = kernel();
    let stranger = Session::build(()).spawn(&kernel).unwrap();
    assert_eq!(kernel.detach_myself(), Err(NoActiveSession("detach_myself").into()));
    assert_eq!(kernel.detach_child(stranger), Err(NoActiveSession("detach_child").into()));
    let moved = kernel.move_child(stranger, SessionId::KERNEL);
    assert_eq!(moved, Err(NoActiveSession("move_child").into()));
    Session::build(())
        .on_start(move |cx| {
            let me = cx.session();
            assert_eq!(cx.detach_myself(), Err(DetachError::TopLevel(me)));
            let error = DetachError::NotAChild { child: stranger, parent: me };
            assert_eq!(cx.detach_child(stranger), Err(error));
            assert_eq!(cx.detach_child("nobody"), Err(DetachError::NoSession("nobody".into())));
            let child = Session::build(()).spawn(&mut *cx).unwrap();
            assert_eq!(cx.kernel.detach_child(child), Err(DetachError::Busy(me)));
            assert_eq!(cx.kernel.parent(child), Some(me));
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

#[test]
fn a_detached_child_no_longer_holds_its_parent() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    traced_start(&trace, "P", move |cx| {
        traced_start(&t, "C", held).on("end", |cx, ()| cx.detach_myself()).spawn(&mut *cx).unwrap();
        let child = cx.kernel.children(cx.session())[0];
        cx.detach_child(child).unwrap();
    })
    .spawn(&kernel)
    .unwrap();
    traced(&trace, "other").spawn(&kernel).unwrap();
    let error = kernel.run().unwrap_err();
    // Its `detach_myself` failed, because it was at the top: no parent dies with it.
    assert!(error.to_string().contains("is a child of the kernel already"), "{error}");
    let lines = trace.take();
    let place = |line: &str| lines.iter().position(|other| other == line).unwrap();
    assert!(place("P stop") < place("C stop"));
}

#[test]
fn a_child_may_be_given_to_another_session() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    traced_start(&trace, "P", move |cx| {
        let pool = traced(&t, "pool").spawn(&mut *cx).unwrap();
        let job = traced_start(&t, "job", held).on("end", |_, ()| {}).spawn(&mut *cx).unwrap();
        t.take();
        cx.move_child(job, pool).unwrap();
        assert_eq!(cx.kernel.parent(job), Some(pool));
        assert_eq!(cx.kernel.children(cx.session()), [pool]);
        assert_eq!(
            t.take(),
            ["P child leave job -", "pool child gain job -", "job parent(P,pool)"]
        );

        let parent = cx.session();
        let refused = cx.move_child(job, pool).unwrap_err();
        assert_eq!(refused, DetachError::NotAChild { child: job, parent });
        let refused = cx.move_child(pool, job).unwrap_err();
        assert_eq!(refused, DetachError::Cycle { child: pool, to: job });
        let refused = cx.move_child(pool, pool).unwrap_err();
        assert_eq!(refused, DetachError::Cycle { child: pool, to: pool });
        let refused = cx.move_child(pool, "nobody").unwrap_err();
        assert_eq!(refused, DetachError::NoSession("nobody".to_owned()));
        cx.move_child(pool, parent).unwrap();
        assert!(t.take().is_empty(), "it is there");
        cx.move_child(pool, SessionId::KERNEL).unwrap();
        assert_eq!(t.take(), ["P child leave pool -", "pool parent(P,K)"]);
    })
    .spawn(&kernel)
    .unwrap();
    kernel.run().unwrap();
    // The pool waits for the job.
    assert_eq!(trace.take(), ["P stop", "job stop", "pool child stop job job", "pool stop"]);
}

#[test]
fn a_child_whose_new_parent_goes_or_comes_below_it_goes_to_the_top() {
    for goes in [true, false] {
        let (kernel, trace) = (kernel(), Trace::default());
        let t = trace.clone();
        traced_start(&trace, "P", move |cx| {
            let t2 = t.clone();
            let moved = Session::build(())
                .on_start(held)
                .on("end", |_, ()| {})
                .on_parent(move |cx, told| {
                    t2.log(format!("moved from {} to {}", t2.name(told.old), t2.name(told.new)));
                    if told.new.is_kernel() {
                        return;
                    }
                    if goes {
                        cx.suspend(|kernel| kernel.session_stop(told.new)).unwrap();
                    } else {
                        cx.call("P", "put below", (told.new, cx.session())).unwrap()
                    }
                })
                .spawn(&mut *cx)
                .unwrap();
            let to = traced_start(&t, "to", held).on("end", |_, ()| {}).spawn(&mut *cx).unwrap();
            cx.alias_set("P").unwrap();
            t.take();
            cx.move_child(moved, to).unwrap();
            assert_eq!(cx.kernel.parent(moved), Some(SessionId::KERNEL));
            assert_eq!(cx.kernel.parent(to), if goes { None } else { Some(moved) });
        })
        .on("put below", |cx, (child, to): (SessionId, SessionId)| cx.move_child(child, to))
        .spawn(&kernel)
        .unwrap();
        let lines = trace.take();
        let told: Vec<_> = lines.iter().filter(|line| line.starts_with("moved")).collect();
        assert_eq!(told, ["moved from P to to", "moved from to to K"], "{lines:?}");
        kernel.run().unwrap();
    }
}
