//! The signal `CHLD`: whom it tells of which child.

use std::cell::{Cell, RefCell};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::rc::Rc;

use nix::sys::signal::Signal as Os;
use poe_session::prelude::*;

use crate::common::{Trace, millis, never, traced_start};
use crate::{alone, child, is_gone, kernels, terminate, until_ended, waiting_child};

/// Pids in order: of those whose events came, and of those that a `CHLD` told of.
type Told = (Vec<u32>, Vec<u32>);

/// Interrupts eight children, whom each of some sessions asks for while it watches `CHLD`; returns what each was told.
fn eight_children(kernel: &Kernel, watchers: usize) -> (Vec<u32>, Vec<Told>) {
    let children: Vec<u32> = (0..8).map(|_| waiting_child().id()).collect();
    let told: Vec<_> = (0..watchers).map(|_| Rc::new(RefCell::new(Told::default()))).collect();
    for (number, told) in told.iter().enumerate() {
        let (t, t2) = (told.clone(), told.clone());
        Session::build(())
            .on_start(move |cx| -> HandlerResult {
                cx.alias_set(number.to_string())?;
                cx.sig("CHLD", "chld")?;
                Ok(())
            })
            .on("look after", |cx, pid: u32| cx.sig_child(pid, "ended", ()))
            .on("ended", move |_, exit: ChildExit| {
                assert_eq!(exit.status.unwrap().signal(), Some(Os::SIGTERM as i32));
                t.borrow_mut().0.push(exit.pid);
            })
            .on("chld", move |cx, signal: Signal| {
                let mut told = t2.borrow_mut();
                // The bare ones, if any, are of children that other kernels look after.
                told.1.extend(signal.child().map(|exit| exit.pid));
                if told.1.len() == 8 {
                    cx.alias_remove(number.to_string()).unwrap();
                }
            })
            .spawn(kernel)
            .unwrap();
    }
    let c = children.clone();
    Session::build(())
        .on_start(move |cx| -> HandlerResult {
            for pid in &c {
                for number in 0..watchers {
                    cx.post(number.to_string(), "look after", *pid)?;
                }
            }
            cx.yield_event("terminate", c.clone());
            Ok(())
        })
        .on("terminate", |_, children: Vec<u32>| children.into_iter().for_each(terminate))
        .spawn(kernel)
        .unwrap();
    kernel.run().unwrap();
    let sorted = |mut pids: Vec<u32>| {
        pids.sort_unstable();
        pids
    };
    let told = told.iter().map(|told| {
        let (ended, signalled) = told.take();
        (sorted(ended), sorted(signalled))
    });
    let told = told.collect();
    (sorted(children), told)
}

// Conformance: KRG-01, KRG-04
#[test]
fn eight_children_that_are_killed_are_told_of_once_to_each_who_asked_and_by_chld() {
    let _alone = alone();
    for kernel in kernels() {
        for watchers in [1, 2] {
            let (children, told) = eight_children(&kernel, watchers);
            assert_eq!(told, vec![(children.clone(), children.clone()); watchers]);
            assert!(children.into_iter().all(is_gone));
        }
    }
}

#[test]
fn chld_comes_after_the_events_with_the_same_exit_in_it() {
    let _alone = alone();
    for kernel in kernels() {
        let trace = Trace::default();
        for name in ["a", "b"] {
            let (t, t2) = (trace.clone(), trace.clone());
            Session::build(())
                .on_start(move |cx| -> HandlerResult {
                    cx.alias_set(name)?;
                    cx.sig("CHLD", "chld")?;
                    Ok(())
                })
                .on("ask", |cx, pid: u32| cx.sig_child(pid, "ended", ()))
                .on("ended", move |_, exit: ChildExit| t.log(format!("{name} {}", exit.success())))
                .on("chld", move |cx, signal: Signal| {
                    if let Some(exit) = signal.child() {
                        t2.log(format!("{name} CHLD {}", exit.success()));
                        cx.alias_remove(name).unwrap();
                    }
                })
                .spawn(&kernel)
                .unwrap();
        }
        let pid = child("exit 0").id();
        for name in ["a", "b"] {
            kernel.call::<(), _>(name, "ask", pid).unwrap();
        }
        kernel.run().unwrap();
        assert_eq!(trace.take(), ["a true", "b true", "b CHLD true", "a CHLD true"]);
    }
}

// Conformance: KRG-24
#[test]
fn a_child_of_other_means_is_announced_by_a_bare_chld_and_left_as_it_is() {
    let _alone = alone();
    for kernel in kernels() {
        let process = Rc::new(RefCell::new(None));
        let (p, p2) = (process.clone(), process.clone());
        let kind = kernel.event_loop_name();
        Session::build(0_u32)
            .on_start(move |cx| -> HandlerResult {
                cx.refcount_increment(cx.session(), "wait")?;
                cx.sig("CHLD", "chld")?;
                // One that is asked for, beside it.
                cx.sig_child(child("exit 1").id(), "ended", ())?;
                Ok(())
            })
            .on("ended", move |_, _: ChildExit| {
                let mut reader = Command::new("sh");
                reader.args(["-c", "exit 9"]).stdout(Stdio::piped());
                p.replace(Some(reader.spawn().unwrap()));
            })
            .on("chld", move |cx, signal: Signal| -> HandlerResult {
                if signal.child().is_some() {
                    return Ok(());
                }
                let mut process = p2.borrow_mut();
                if let Some(process) = process.as_mut() {
                    assert_eq!(process.wait()?.code(), Some(9), "{kind}");
                    cx.refcount_decrement(cx.session(), "wait")?;
                }
                Ok(())
            })
            .spawn(&kernel)
            .unwrap();
        kernel.run().unwrap();
        assert!(process.borrow().is_some());
    }
}

#[test]
fn the_first_watch_of_chld_is_told_of_a_child_that_has_ended_before() {
    let _alone = alone();
    for kernel in kernels() {
        let early = child("exit 3").id();
        until_ended(early);
        let told = Rc::new(Cell::new(None));
        let t = told.clone();
        Session::build(())
            .on_start(|cx| -> HandlerResult {
                cx.refcount_increment(cx.session(), "wait")?;
                Ok(cx.sig("CHLD", "chld")?)
            })
            .on("chld", move |cx, signal: Signal| -> HandlerResult {
                assert!(signal.child().is_none(), "nobody has waited for it");
                cx.sig_ignore("CHLD");
                cx.sig_child(early, "ended", ())?;
                Ok(cx.refcount_decrement(cx.session(), "wait").map(drop)?)
            })
            .on("ended", move |_, exit: ChildExit| t.set(exit.status.and_then(|it| it.code())))
            .spawn(&kernel)
            .unwrap();
        kernel.run().unwrap();
        assert_eq!(told.get(), Some(3), "{}", kernel.event_loop_name());
    }
}

// Conformance: KRG-20
#[test]
fn a_program_that_a_handler_waits_for_itself_is_nothing_to_tell() {
    let _alone = alone();
    for kernel in kernels() {
        let told = Rc::new(Cell::new(0));
        let t = told.clone();
        let run = || Command::new("true").status().unwrap().into_raw();
        Session::build(())
            .on_start(move |cx| -> HandlerResult {
                assert_eq!(run(), 0);
                cx.sig("CHLD", "chld")?;
                assert_eq!(run(), 0);
                cx.delay("later", millis(1), ());
                Ok(())
            })
            .on("later", move |cx, ()| {
                assert_eq!(run(), 0);
                cx.delay("end", millis(1), ());
            })
            .on("end", move |cx, ()| {
                cx.sig_ignore("CHLD");
                assert_eq!(run(), 0);
            })
            .on("chld", move |_, _: Signal| t.set(t.get() + 1))
            .spawn(&kernel)
            .unwrap();
        kernel.run().unwrap();
        assert_eq!(told.get(), 0);
    }
}

#[test]
fn a_watch_of_chld_holds_nobody_and_waits_for_nobody() {
    let _alone = alone();
    for kernel in kernels() {
        let mut process = waiting_child();
        let trace = Trace::default();
        let t = trace.clone();
        traced_start(&trace, "S", |cx| {
            cx.alias_set("s").unwrap();
            cx.sig("CHLD", "chld").unwrap();
            cx.sig("IDLE", "idle").unwrap();
        })
        .on("chld", never::<_, Signal>)
        .on("idle", move |_, _: Signal| t.log("idle"))
        .spawn(&kernel)
        .unwrap();
        kernel.run().unwrap();
        assert_eq!(trace.take(), ["S start(K)", "idle", "S stop"]);
        process.kill().unwrap();
        assert_eq!(process.wait().unwrap().signal(), Some(Os::SIGKILL as i32));
    }
}
