//! Running again, in single turns, nested in a handler, and while a condition holds.

mod common;

use std::cell::Cell;
use std::rc::Rc;

use common::{Trace, elapsed, kernel, millis, seconds, traced, traced_start};
use poe_kernel::{NoSession, PostError, TimerError};
use poe_session::prelude::*;

// Conformance: KRS-04, LOP-05, SES-11
#[test]
fn run_may_be_entered_any_number_of_times() {
    let kernel =
        Kernel::builder().virtual_clock(common::start()).diagnostics(|_| {}).build().unwrap();
    for round in 0..5_u32 {
        let count = Rc::new(Cell::new(0));
        let c = count.clone();
        Session::build(())
            .option(SessionOption::Trace, true)
            .option(SessionOption::Default, true)
            .option(SessionOption::Debug, true)
            .on_start(|cx| -> HandlerResult {
                cx.sig("USR2", "signal")?;
                cx.yield_event("count", ());
                cx.delay("later", seconds(1), ());
                Ok(())
            })
            .on("count", move |cx, ()| {
                c.set(c.get() + 1);
                if c.get() < 10 {
                    cx.yield_event("count", ());
                }
            })
            .on("later", |_, ()| {})
            .spawn(&kernel)
            .unwrap();
        kernel.run().unwrap();
        assert_eq!((count.get(), kernel.session_count()), (10, 0));
        assert_eq!(elapsed(&kernel), u128::from(round + 1) * 1000);
        assert_eq!(kernel.get_event_count(), 0);
    }
}

#[test]
fn run_within_run_is_refused() {
    let kernel = kernel();
    Session::build(())
        .on_start(|cx| cx.yield_event("run", ()))
        .on("run", |cx, ()| {
            assert!(matches!(cx.suspend(|kernel| kernel.run()), Err(KernelError::AlreadyRunning)));
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

#[test]
fn a_turn_nested_in_a_handler_runs_others_and_does_not_collect_its_own_session() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    traced_start(&trace, "outer", |cx| cx.yield_event("nest", ()))
        .on("nest", move |cx, ()| {
            t.log("nest");
            for _ in 0..3 {
                cx.suspend(|kernel| kernel.run_one_timeslice()).unwrap();
            }
            assert!(cx.kernel.is_live(cx.session()));
            assert_eq!(cx.kernel.active_session(), cx.session());
            t.log("nested");
        })
        .spawn(&kernel)
        .unwrap();
    traced_start(&trace, "other", |cx| {
        cx.delay("go", millis(1), ());
    })
    .on("go", {
        let t = trace.clone();
        move |cx, ()| {
            t.log("go");
            cx.delay("end", seconds(1), ());
        }
    })
    .on("end", |_, ()| {})
    .spawn(&kernel)
    .unwrap();
    kernel.run().unwrap();
    assert_eq!(
        trace.take(),
        ["outer start(K)", "other start(K)", "nest", "go", "other stop", "nested", "outer stop"]
    );
}

#[test]
fn a_handler_may_wait_for_its_own_sessions_event_in_nested_turns() {
    let kernel = kernel();
    Session::build(false)
        .on_start(|cx| cx.yield_event("wait", ()))
        .on("wait", |cx, ()| {
            cx.delay("arrived", seconds(5), ());
            while !*cx.heap {
                assert!(cx.suspend(|kernel| kernel.run_one_timeslice()).unwrap());
            }
        })
        .on("arrived", |cx, ()| *cx.heap = true)
        .on_stop(|cx| assert!(*cx.heap))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(elapsed(&kernel), 5000);
}

#[test]
fn nested_turns_leave_the_outer_ones_limits_alone() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    let log = move |_: &mut Cx<'_, ()>, name: &'static str| t.log(name);
    Session::build(())
        .on_start(|cx| {
            cx.yield_event("nest", ());
            cx.yield_event("log", "behind");
        })
        .on("nest", {
            let t = trace.clone();
            move |cx, ()| {
                cx.yield_event("log", "posted");
                cx.alarm_set("log", common::start() - seconds(1), "past");
                cx.suspend(|kernel| kernel.run_one_timeslice()).unwrap();
                t.log("nested");
                cx.yield_event("log", "next pass");
                cx.alarm_set("log", common::start() - seconds(1), "past of the next pass");
            }
        })
        .on("log", log)
        .spawn(&kernel)
        .unwrap();
    kernel.run_one_timeslice().unwrap();
    assert_eq!(trace.take(), ["past", "behind", "posted", "nested"]);
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["past of the next pass", "next pass"]);
}

#[test]
fn run_while_stops_with_its_condition_or_its_sessions() {
    let kernel = kernel();
    let left = Rc::new(Cell::new(3));
    let l = left.clone();
    let id = Session::build(())
        .on_start(|cx| cx.yield_event("count", ()))
        .on("count", move |cx, ()| {
            l.set(l.get() - 1);
            cx.yield_event("count", ());
        })
        .spawn(&kernel)
        .unwrap();
    assert!(!kernel.run_while(|| left.get() > 0).unwrap());
    assert!(left.get() == 0 && kernel.is_live(id));
    kernel.signal(id, "TERM", ()).unwrap();
    assert!(kernel.run_while(|| true).unwrap());
    assert_eq!(kernel.session_count(), 0);
}

#[test]
fn stop_outside_run_ends_everything() {
    let (kernel, trace) = (kernel(), Trace::default());
    traced_start(&trace, "A", |cx| cx.yield_event("never", ()))
        .on("never", common::never::<_, ()>)
        .spawn(&kernel)
        .unwrap();
    kernel.stop().unwrap();
    assert_eq!(trace.take(), ["A start(K)", "A stop"]);
    assert_eq!((kernel.session_count(), kernel.get_event_count()), (0, 0));
    kernel.run().unwrap();
    traced(&trace, "B").spawn(&kernel).unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["B start(K)", "B stop"]);
}

#[test]
fn two_kernels_of_one_thread_know_nothing_of_each_other() {
    let (one, two) = (kernel(), kernel());
    assert_ne!(one.id(), two.id());
    let inner = two.clone();
    let ran = Rc::new(Cell::new(false));
    let r = ran.clone();
    Session::build(())
        .on_start(move |cx| {
            let id = Session::build(()).on_stop({
                let r = r.clone();
                move |_| r.set(true)
            });
            let id = id.spawn(&inner).unwrap();
            assert_eq!(id.number(), cx.session().number(), "each numbers its own");
            assert_ne!(id, cx.session());
            inner.run().unwrap();
            assert!(inner.active_session().is_kernel());
            assert_eq!(cx.kernel.active_session(), cx.session());
        })
        .spawn(&one)
        .unwrap();
    assert!(ran.get());
    one.run().unwrap();
}

#[test]
fn an_id_of_another_kernel_is_refused() {
    struct Known {
        session: SessionId,
        child: SessionId,
        timer: TimerId,
    }

    // The same in both, but for the kernel.
    let life = |kernel: &Kernel| {
        let (timer, child) = (Rc::new(Cell::new(TimerId::NONE)), Rc::new(Cell::new(None)));
        let (t, c) = (timer.clone(), child.clone());
        let session = Session::build(())
            .on_start(move |cx| -> HandlerResult {
                t.set(cx.delay_set("later", seconds(1), ()));
                let quiet = Session::build(()).on_start(|cx| cx.delay("later", seconds(1), ()));
                c.set(Some(quiet.on("later", |_, ()| {}).spawn(cx)?));
                Ok(())
            })
            .on("later", |_, ()| {})
            .on("stranger", |_, ()| -> () { panic!("it is another kernel's") })
            .on("TERM", |_, ()| -> () { panic!("it is another kernel's") })
            .spawn(kernel)
            .unwrap();
        Known { session, child: child.get().unwrap(), timer: timer.get() }
    };
    let told = Rc::new(Cell::new(0));
    let t = told.clone();
    let one = Kernel::builder().virtual_clock(common::start());
    let one = one.diagnostics(move |_| t.set(t.get() + 1)).build().unwrap();
    let two = kernel();
    let (mine, others) = (life(&one), life(&two));
    assert_eq!((mine.session.number(), others.session.number()), (1, 1));
    assert_eq!((mine.child.number(), others.child.number()), (2, 2));

    let stranger = others.session;
    assert!(!one.is_live(stranger) && two.is_live(stranger));
    let missing = NoSession { destination: "1".into(), event: Name::new("stranger") };
    assert_eq!(one.post(stranger, "stranger", ()), Err(PostError::NoSession(missing)));
    assert!(matches!(one.call::<(), _>(stranger, "stranger", ()), Err(CallError::NoSession(_))));
    one.signal(stranger, "TERM", ()).unwrap_err();
    one.refcount_increment(stranger, "tag").unwrap_err();
    one.poster().post(stranger, "stranger", ()).unwrap();
    assert!(one.why_alive(stranger).is_empty() && one.parent(stranger).is_none());
    assert!(one.children(stranger).is_empty());

    let ran = Rc::new(Cell::new(false));
    let r = ran.clone();
    Session::build(())
        .on_start(move |cx| {
            let (timer, session) = (others.timer, others.session);
            assert_eq!(cx.alarm_remove(timer).unwrap_err(), TimerError::Gone(timer));
            assert_eq!(cx.delay_adjust(timer, seconds(9)), Err(TimerError::Gone(timer)));
            cx.detach_child(others.child).unwrap_err();
            cx.post(session, "stranger", ()).unwrap_err();
            r.set(true);
        })
        .spawn(&one)
        .unwrap();
    assert!(ran.get() && one.is_live(mine.session) && one.is_live(mine.child));
    one.run().unwrap();
    assert_eq!(told.get(), 1, "what was posted from elsewhere is undelivered");
    two.run().unwrap();
    assert_eq!((elapsed(&one), elapsed(&two)), (1000, 1000));
}
