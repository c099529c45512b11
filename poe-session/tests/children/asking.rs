//! What a session hears of the children that it asked for, and what that holds.

use std::cell::{Cell, RefCell};
use std::os::unix::process::ExitStatusExt;
use std::rc::Rc;

use nix::sys::signal::Signal as Os;
use poe_kernel::{Asserts, ReasonCause, SignalError};
use poe_session::prelude::*;

use crate::common::{Trace, millis, never, seconds, traced_start};
use crate::{alone, child, is_gone, kernels, terminate, until_ended, waiting_child};

// Conformance: KRG-07
#[test]
fn a_child_that_ends_is_told_of_with_its_status_and_what_was_given_along() {
    let _alone = alone();
    for kernel in kernels() {
        let trace = Trace::default();
        let t = trace.clone();
        let pid = Rc::new(Cell::new(0));
        let p = pid.clone();
        traced_start(&trace, "S", move |cx| {
            p.set(child("exit 5").id());
            cx.sig_child(p.get(), "ended", ("x", 7_u32)).unwrap();
            let causes = cx.kernel.why_alive(cx.session());
            let process = ReasonCause::Process { pid: p.get() };
            assert!(causes.iter().any(|reason| reason.cause == process), "{causes:?}");
        })
        .on("ended", move |cx, exit: ChildExit<(&str, u32)>| {
            assert!(cx.sender().is_kernel());
            assert_eq!(exit.pid, pid.get());
            assert_eq!(exit.status.map(ExitStatusExt::into_raw), Some(1280));
            assert_eq!(exit.args, ("x", 7));
            assert!(!exit.success() && is_gone(exit.pid));
            t.log("ended");
        })
        .spawn(&kernel)
        .unwrap();
        kernel.run().unwrap();
        assert_eq!(trace.take(), ["S start(K)", "ended", "S stop"], "{}", kernel.event_loop_name());
    }
}

#[test]
fn a_child_that_has_ended_before_keeps_its_status_for_the_one_who_asks() {
    let _alone = alone();
    for kernel in kernels() {
        let early = child("exit 3").id();
        until_ended(early);
        let told = Rc::new(Cell::new(0));
        let t = told.clone();
        Session::build(())
            .on_start(move |cx| -> HandlerResult {
                // Another watcher of children is on already, and takes nothing of it.
                cx.sig("CHLD", "chld")?;
                cx.sig_child(child("exit 4").id(), "ended", 4)?;
                Ok(())
            })
            .on("ended", move |cx, exit: ChildExit<i32>| -> HandlerResult {
                assert_eq!(exit.status.and_then(|status| status.code()), Some(exit.args));
                t.set(t.get() * 10 + exit.args);
                if exit.args == 4 {
                    cx.sig_child(early, "ended", 3)?;
                }
                Ok(())
            })
            .on("chld", |_, _: Signal| {})
            .spawn(&kernel)
            .unwrap();
        kernel.run().unwrap();
        assert_eq!(told.get(), 43);
        assert!(is_gone(early));
    }
}

// Conformance: KRG-05
#[test]
fn children_alone_keep_a_session_alive_until_the_last_has_ended() {
    let _alone = alone();
    for kernel in kernels() {
        let trace = Trace::default();
        let t = trace.clone();
        let children: Vec<u32> = (0..3).map(|_| waiting_child().id()).collect();
        let first = children[0];
        traced_start(&trace, "S", move |cx| {
            for &pid in &children {
                cx.sig_child(pid, "ended", children.clone()).unwrap();
            }
        })
        .on("ended", move |_, exit: ChildExit<Vec<u32>>| {
            let status = exit.status.unwrap();
            assert_eq!((status.code(), status.signal()), (None, Some(Os::SIGTERM as i32)));
            let place = exit.args.iter().position(|&pid| pid == exit.pid).unwrap();
            t.log(place);
            if let Some(&next) = exit.args.get(place + 1) {
                terminate(next);
            }
        })
        .spawn(&kernel)
        .unwrap();
        terminate(first);
        kernel.run().unwrap();
        assert_eq!(trace.take(), ["S start(K)", "0", "1", "2", "S stop"]);
    }
}

#[test]
fn asking_again_replaces_the_event_and_holds_once() {
    let _alone = alone();
    for kernel in kernels() {
        let told = Rc::new(Cell::new(0));
        let t = told.clone();
        let id = Session::build(())
            .on_start(|cx| -> HandlerResult {
                let pid = child("exit 0").id();
                cx.sig_child(pid, "old", 1)?;
                cx.sig_child(pid, "new", "two")?;
                Ok(())
            })
            .on("old", never::<_, ChildExit<i32>>)
            .on("new", move |cx, exit: ChildExit<&str>| {
                assert_eq!(exit.args, "two");
                t.set(t.get() + 1);
                cx.sig("IDLE", "idle").unwrap();
            })
            .on("idle", never::<_, Signal>)
            .spawn(&kernel)
            .unwrap();
        kernel.run().unwrap();
        assert_eq!(told.get(), 1);
        assert!(!kernel.is_live(id));
    }
}

#[test]
fn a_child_that_is_no_longer_asked_for_is_left_to_others() {
    let _alone = alone();
    for kernel in kernels() {
        let process = Rc::new(RefCell::new(child("exit 6")));
        let pid = process.borrow().id();
        let id = Session::build(())
            .on_start(move |cx| -> HandlerResult {
                cx.sig_child_ignore(pid);
                cx.sig_child(pid, "ended", ())?;
                cx.sig_child_ignore(pid);
                cx.sig_child_ignore(pid);
                Ok(())
            })
            .on("ended", never::<_, ChildExit>)
            .spawn(&kernel)
            .unwrap();
        // Nothing holds the session.
        kernel.run().unwrap();
        assert!(!kernel.is_live(id));
        assert_eq!(process.borrow_mut().wait().unwrap().code(), Some(6));
    }
}

#[test]
fn one_session_that_no_longer_asks_takes_nothing_from_another() {
    let _alone = alone();
    for kernel in kernels() {
        let told = Rc::new(Cell::new(false));
        let pid = waiting_child().id();
        let ask = |quits: bool| {
            let t = told.clone();
            Session::build(())
                .on_start(move |cx| cx.sig_child(pid, "ended", ()))
                .on("quit", move |cx, ()| {
                    cx.sig_child_ignore(pid);
                    terminate(pid);
                })
                .on("ended", move |_, _: ChildExit| {
                    assert!(!quits);
                    t.set(true);
                })
                .spawn(&kernel)
                .unwrap()
        };
        let quitter = ask(true);
        ask(false);
        kernel.post(quitter, "quit", ()).unwrap();
        kernel.run().unwrap();
        assert!(told.get());
    }
}

#[test]
fn what_is_no_child_is_an_error() {
    let _alone = alone();
    for kernel in kernels() {
        let error = kernel.sig_child(1, "ended", ()).unwrap_err();
        assert!(matches!(error, SignalError::NoActiveSession(_)), "{error}");
        kernel.sig_child_ignore(1);
        let mut done = child("exit 0");
        done.wait().unwrap();
        let id = Session::build(())
            .on_start(move |cx| {
                for pid in [0, 1, done.id(), std::process::id(), u32::MAX] {
                    let error = cx.sig_child(pid, "ended", ()).unwrap_err();
                    assert!(matches!(error, SignalError::NotAChild { pid: of } if of == pid));
                    assert!(error.to_string().contains(&pid.to_string()), "{error}");
                }
            })
            .on("ended", never::<_, ChildExit>)
            .spawn(&kernel)
            .unwrap();
        kernel.run().unwrap();
        assert!(!kernel.is_live(id));
    }
}

#[test]
fn a_child_that_somebody_else_waits_for_has_ended_too() {
    let _alone = alone();
    for kernel in kernels() {
        let told = Rc::new(Cell::new(false));
        let t = told.clone();
        Session::build(())
            .on_start(|cx| -> HandlerResult {
                let mut process = child("exit 0");
                let asked = cx.sig_child(process.id(), "ended", ());
                process.wait()?;
                Ok(asked?)
            })
            .on("ended", move |_, exit: ChildExit| {
                assert_eq!(exit.status, None);
                assert!(!exit.success());
                t.set(true);
            })
            .spawn(&kernel)
            .unwrap();
        kernel.run().unwrap();
        assert!(told.get());
    }
}

#[test]
fn a_stopped_sessions_child_is_waited_for_nonetheless() {
    let _alone = alone();
    for kernel in kernels() {
        let pid = waiting_child().id();
        let id = Session::build(())
            .on_start(move |cx| cx.sig_child(pid, "ended", ()))
            .on("ended", never::<_, ChildExit>)
            .spawn(&kernel)
            .unwrap();
        Session::build(())
            .on_start(move |cx| -> HandlerResult {
                cx.refcount_increment(cx.session(), "wait")?;
                cx.sig("CHLD", "chld")?;
                cx.signal(id, "TERM", ())?;
                cx.yield_event("stopped", ());
                Ok(())
            })
            .on("stopped", move |cx, ()| {
                assert!(!cx.kernel.is_live(id));
                terminate(pid);
            })
            .on("chld", move |cx, signal: Signal| -> HandlerResult {
                if signal.child().is_some_and(|exit| exit.pid == pid) {
                    cx.refcount_decrement(cx.session(), "wait")?;
                }
                Ok(())
            })
            .spawn(&kernel)
            .unwrap();
        kernel.run().unwrap();
        assert!(is_gone(pid));
    }
}

#[test]
fn what_a_stopped_session_asked_keeps_neither_the_others_nor_what_was_given_along() {
    let _alone = alone();
    for kernel in kernels() {
        let mut process = waiting_child();
        let pid = process.id();
        let given = Rc::new(());
        let kept = Rc::downgrade(&given);
        let given = Cell::new(Some(given));
        let asking = Session::build(())
            .on_start(move |cx| cx.sig_child(pid, "ended", given.take().unwrap()))
            .on("ended", never::<_, ChildExit<Rc<()>>>)
            .spawn(&kernel)
            .unwrap();
        Session::build(()).on_start(|cx| cx.alias_set("other")).spawn(&kernel).unwrap();
        kernel.signal(asking, "TERM", ()).unwrap();
        kernel.run_one_timeslice().unwrap();
        assert!(!kernel.is_live(asking));
        assert!(kept.upgrade().is_none());
        // Nobody waits for the child any more, and so the kernel is idle.
        kernel.run().unwrap();
        assert!(process.try_wait().unwrap().is_none());
        process.kill().unwrap();
        process.wait().unwrap();
    }
}

#[test]
fn the_kernel_is_not_idle_while_a_child_is_awaited() {
    let _alone = alone();
    for kernel in kernels() {
        let trace = Trace::default();
        let (t, t2) = (trace.clone(), trace.clone());
        traced_start(&trace, "S", |cx| {
            cx.alias_set("s").unwrap();
            cx.sig("IDLE", "idle").unwrap();
            cx.sig("ZOMBIE", "zombie").unwrap();
        })
        .on("idle", move |cx, _: Signal| {
            t.log("idle");
            cx.sig_handled();
            if cx.alias_resolve("asked").is_none() {
                // An awaited child is work: no ZOMBIE follows.
                cx.alias_set("asked").unwrap();
                cx.sig_child(child("exit 0").id(), "ended", ()).unwrap();
            }
        })
        .on("ended", move |_, _: ChildExit| t2.log("ended"))
        .on("zombie", {
            let t = trace.clone();
            move |_, _: Signal| t.log("zombie")
        })
        .spawn(&kernel)
        .unwrap();
        kernel.run().unwrap();
        let expected = ["S start(K)", "idle", "ended", "idle", "zombie", "S stop"];
        assert_eq!(trace.take(), expected);
    }
}

#[test]
fn a_handler_that_runs_turns_of_its_own_waits_for_a_child() {
    let _alone = alone();
    for kernel in kernels() {
        Session::build(false)
            .on_start(|cx| -> HandlerResult {
                cx.sig_child(child("exit 0").id(), "ended", ())?;
                while !*cx.heap {
                    cx.suspend(|kernel| kernel.run_one_timeslice())?;
                }
                Ok(())
            })
            .on("ended", |cx, _: ChildExit| *cx.heap = true)
            .on_stop(|cx| assert!(*cx.heap))
            .spawn(&kernel)
            .unwrap();
        kernel.run().unwrap();
    }
}

#[test]
fn timers_and_children_go_on_beside_each_other() {
    let _alone = alone();
    for kernel in kernels() {
        let trace = Trace::default();
        let (t, t2) = (trace.clone(), trace.clone());
        Session::build(())
            .on_start(|cx| -> HandlerResult {
                let pid = waiting_child().id();
                cx.sig_child(pid, "ended", ())?;
                cx.delay("tick", millis(1), (pid, 3_u32));
                Ok(())
            })
            .on("tick", move |cx, (pid, left): (u32, u32)| {
                t.log("tick");
                if left == 1 {
                    terminate(pid);
                    cx.delay("never", seconds(60), ());
                } else {
                    cx.delay("tick", millis(1), (pid, left - 1));
                }
            })
            .on("ended", move |cx, _: ChildExit| {
                t2.log("ended");
                cx.alarm_clear("never");
            })
            .on("never", never::<_, ()>)
            .spawn(&kernel)
            .unwrap();
        kernel.run().unwrap();
        assert_eq!(trace.take(), ["tick", "tick", "tick", "ended"]);
    }
}

#[test]
fn asking_for_what_is_no_child_can_be_a_fault() {
    let _alone = alone();
    let kernel = Kernel::builder().asserts(Asserts::RETVALS).build().unwrap();
    Session::build(())
        .on_start(|cx| assert!(cx.sig_child(1, "ended", ()).is_err()))
        .spawn(&kernel)
        .unwrap();
    let error = kernel.run().unwrap_err();
    assert!(error.to_string().contains("process 1 is no child"), "{error}");
}
