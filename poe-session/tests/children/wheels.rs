//! Children that a wheel watches.

use std::cell::Cell;
use std::rc::Rc;

use poe_kernel::{ReasonCause, SignalError, WatchChild};
use poe_session::prelude::*;

use crate::common::{Trace, traced_start};
use crate::{alone, child, is_gone, kernels, terminate, waiting_child};

/// A wheel that has a child, and logs its end.
struct Wheel {
    trace: Trace,
    panics: bool,
}

impl WatchChild for Wheel {
    fn child_ended(&self, kernel: &Kernel, exit: ChildExit) {
        assert!(!kernel.active_session().is_kernel());
        assert!(!self.panics, "on purpose");
        self.trace.log(format!("wheel {:?}", exit.status.and_then(|status| status.code())));
    }
}

#[test]
fn a_wheel_is_told_of_a_child_and_its_session_waits() {
    let _alone = alone();
    for kernel in kernels() {
        let trace = Trace::default();
        let (t, u) = (trace.clone(), trace.clone());
        traced_start(&trace, "S", move |cx| {
            let pid = child("exit 5").id();
            let wheel = || Rc::new(Wheel { trace: t.clone(), panics: false });
            cx.kernel.watch_child(cx.session(), pid, wheel()).unwrap();
            // There may be several of one session, and they are nothing to those that ask.
            cx.kernel.watch_child(cx.session(), pid, wheel()).unwrap();
            cx.sig_child(pid, "ended", ()).unwrap();
            let causes = cx.kernel.why_alive(cx.session());
            let process = ReasonCause::Process { pid };
            assert_eq!(causes.iter().filter(|reason| reason.cause == process).count(), 3);
        })
        .on("ended", move |_, _: ChildExit| u.log("ended"))
        .spawn(&kernel)
        .unwrap();
        kernel.run().unwrap();
        let expected = ["S start(K)", "wheel Some(5)", "wheel Some(5)", "ended", "S stop"];
        assert_eq!(trace.take(), expected, "{}", kernel.event_loop_name());
    }
}

#[test]
fn a_child_that_no_wheel_watches_any_more_is_waited_for() {
    let _alone = alone();
    for kernel in kernels() {
        let trace = Trace::default();
        let t = trace.clone();
        let pid = Rc::new(Cell::new(0));
        let p = pid.clone();
        traced_start(&trace, "S", move |cx| {
            p.set(waiting_child().id());
            let wheel: Rc<dyn WatchChild> = Rc::new(Wheel { trace: t.clone(), panics: false });
            cx.kernel.watch_child(cx.session(), p.get(), wheel.clone()).unwrap();
            cx.kernel.unwatch_child(p.get(), &wheel);
            cx.kernel.unwatch_child(p.get(), &wheel);
            terminate(p.get());
            cx.yield_event("look", ());
        })
        .on("look", move |cx, ()| {
            if !is_gone(pid.get()) {
                cx.delay("look", std::time::Duration::from_millis(5), ());
            }
        })
        .spawn(&kernel)
        .unwrap();
        kernel.run().unwrap();
        assert_eq!(trace.take(), ["S start(K)", "S stop"]);
    }
}

#[test]
fn a_wheel_that_panics_at_its_childs_end_is_a_death_of_its_session() {
    let _alone = alone();
    let kernel = Kernel::new().unwrap();
    let trace = Trace::default();
    let t = trace.clone();
    Session::build(())
        .on_start(move |cx| {
            let wheel = Rc::new(Wheel { trace: t.clone(), panics: true });
            cx.kernel.watch_child(cx.session(), child("exit 5").id(), wheel).unwrap();
            cx.sig("DIE", "died")
        })
        .on("died", |cx, signal: Signal| {
            assert!(signal.death().is_some());
            cx.sig_handled();
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    let outside = kernel.watch_child(SessionId::KERNEL, 1, Rc::new(Wheel { trace, panics: true }));
    assert!(matches!(outside, Err(SignalError::NoActiveSession(_))), "{outside:?}");
}
