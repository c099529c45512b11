//! Child processes: asked for by pid, told of once, and nobody else's waited for.

mod common;

use std::cell::{Cell, RefCell};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child as Process, Command, Stdio};
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::{Trace, never, seconds, traced_start};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal as Os, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use poe_kernel::{Asserts, Diagnostic, LoopKind, ReasonCause, SignalError, Traces, WatchChild};
use poe_session::prelude::*;

/// A kernel on each loop, with and without descriptors of processes.
fn kernels() -> Vec<Kernel> {
    let loops = [LoopKind::Polling, LoopKind::Poll, LoopKind::Select];
    let builders = loops.into_iter().flat_map(|kind| {
        [false, true].map(|by_signal| Kernel::builder().loop_kind(kind).use_sigchld(by_signal))
    });
    builders
        .map(|builder| builder.diagnostics(|diagnostic| panic!("{diagnostic}")).build().unwrap())
        .collect()
}

/// Children are the process's, not the thread's: these tests take turns.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A child that does something and ends.
fn child(script: &str) -> Process {
    Command::new("sh").args(["-c", script]).stdin(Stdio::null()).spawn().unwrap()
}

/// A child that waits to be killed, or for the end of the test.
fn waiting_child() -> Process {
    Command::new("sleep").arg("60").spawn().unwrap()
}

fn interrupt(pid: u32) {
    kill(Pid::from_raw(pid.cast_signed()), Os::SIGINT).unwrap();
}

/// Waits until a child has ended, and leaves it a zombie.
fn until_ended(pid: u32) {
    waitid(Id::Pid(Pid::from_raw(pid.cast_signed())), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
        .unwrap();
}

/// Whether a child has ended and been waited for.
fn is_gone(pid: u32) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
    waitid(Id::Pid(Pid::from_raw(pid.cast_signed())), flags) == Err(Errno::ECHILD)
}

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
            assert_eq!((status.code(), status.signal()), (None, Some(Os::SIGINT as i32)));
            let place = exit.args.iter().position(|&pid| pid == exit.pid).unwrap();
            t.log(place);
            if let Some(&next) = exit.args.get(place + 1) {
                interrupt(next);
            }
        })
        .spawn(&kernel)
        .unwrap();
        interrupt(first);
        kernel.run().unwrap();
        assert_eq!(trace.take(), ["S start(K)", "0", "1", "2", "S stop"]);
    }
}

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
                assert_eq!(exit.status.unwrap().signal(), Some(Os::SIGINT as i32));
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
            cx.yield_event("interrupt", c.clone());
            Ok(())
        })
        .on("interrupt", |_, children: Vec<u32>| children.into_iter().for_each(interrupt))
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
                    interrupt(pid);
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
                interrupt(pid);
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
                cx.delay("later", common::millis(1), ());
                Ok(())
            })
            .on("later", move |cx, ()| {
                assert_eq!(run(), 0);
                cx.delay("end", common::millis(1), ());
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
                cx.delay("tick", common::millis(1), (pid, 3_u32));
                Ok(())
            })
            .on("tick", move |cx, (pid, left): (u32, u32)| {
                t.log("tick");
                if left == 1 {
                    interrupt(pid);
                    cx.delay("never", seconds(60), ());
                } else {
                    cx.delay("tick", common::millis(1), (pid, left - 1));
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
fn children_are_their_kernels_and_one_that_several_ask_for_is_told_to_each() {
    let _alone = alone();
    for by_signal in [false, true] {
        let shared = waiting_child().id();
        let (asked_in, asked) = std::sync::mpsc::channel();
        let threads: Vec<_> = (1..=3)
            .map(|code| {
                let asked = asked_in.clone();
                std::thread::spawn(move || {
                    let kernel = Kernel::builder().use_sigchld(by_signal).build().unwrap();
                    Session::build(Vec::new())
                        .on_start(move |cx| -> HandlerResult {
                            cx.sig_child(child(&format!("exit {code}")).id(), "own", ())?;
                            cx.sig_child(shared, "shared", ())?;
                            asked.send(())?;
                            Ok(())
                        })
                        .on("own", move |cx, exit: ChildExit| {
                            cx.heap.push(exit.status.unwrap().code().unwrap() == code);
                        })
                        .on("shared", move |cx, exit: ChildExit| {
                            assert_eq!(exit.pid, shared);
                            let signal = exit.status.and_then(|status| status.signal());
                            cx.heap.push(signal == Some(Os::SIGINT as i32));
                        })
                        .on_stop(|cx| assert_eq!(*cx.heap, [true, true]))
                        .spawn(&kernel)
                        .unwrap();
                    kernel.run().unwrap();
                })
            })
            .collect();
        for _ in 0..3 {
            asked.recv().unwrap();
        }
        interrupt(shared);
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(is_gone(shared));
    }
}

#[test]
fn a_kernel_that_goes_gives_up_its_children() {
    let _alone = alone();
    for kernel in kernels() {
        let mut process = waiting_child();
        let pid = process.id();
        Session::build(())
            .on_start(move |cx| cx.sig_child(pid, "ended", ()))
            .on("ended", never::<_, ChildExit>)
            .spawn(&kernel)
            .unwrap();
        drop(kernel);
        process.kill().unwrap();
        assert_eq!(process.wait().unwrap().signal(), Some(Os::SIGKILL as i32));
    }
}

#[test]
fn without_descriptors_children_are_looked_after_by_sigchld() {
    let _alone = alone();
    let kernel = Kernel::new().unwrap();
    Session::build(0_u32)
        .on_start(|cx| -> HandlerResult {
            let children = [child("exit 0").id(), child("exit 0").id()];
            let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
            // Lower than any that could be had.
            setrlimit(Resource::RLIMIT_NOFILE, 1, hard)?;
            let refused = cx.sig_child(children[0], "ended", ());
            setrlimit(Resource::RLIMIT_NOFILE, soft, hard)?;
            assert!(matches!(refused, Err(SignalError::Os { .. })), "not even for a signal's pipe");
            cx.sig("CHLD", "chld")?;
            setrlimit(Resource::RLIMIT_NOFILE, 1, hard)?;
            let asked = children.map(|pid| cx.sig_child(pid, "ended", ()));
            setrlimit(Resource::RLIMIT_NOFILE, soft, hard)?;
            assert!(asked.iter().all(Result::is_ok), "{asked:?}");
            Ok(())
        })
        .on("ended", |cx, exit: ChildExit| {
            assert!(exit.success());
            *cx.heap += 1;
            cx.sig_ignore("CHLD");
        })
        .on("chld", |_, _: Signal| {})
        .on_stop(|cx| assert_eq!(*cx.heap, 2))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

#[test]
fn what_becomes_of_children_is_traced() {
    let _alone = alone();
    let lines = Rc::new(RefCell::new(Vec::new()));
    let l = lines.clone();
    let listener = move |diagnostic: &Diagnostic<'_>| l.borrow_mut().push(diagnostic.to_string());
    let kernel = Kernel::builder().traces(Traces::SIGNALS).diagnostics(listener).build().unwrap();
    let pid = child("exit 3").id();
    let mut left = waiting_child();
    let other = left.id();
    Session::build(())
        .on_start(move |cx| -> HandlerResult {
            cx.sig_child(pid, "ended", ())?;
            cx.sig_child(other, "ended", ())?;
            cx.sig_child_ignore(other);
            Ok(())
        })
        .on("ended", |_, exit: ChildExit| assert!(!exit.success()))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    let lines = lines.take().join("\n");
    for part in [
        format!("child process {pid} asked for by session 1"),
        format!("child process {other} no longer asked for by session 1"),
        format!("child process {pid} ended with exit status: 3, told session 1"),
    ] {
        assert!(lines.contains(&part), "{part}: {lines}");
    }
    left.kill().unwrap();
    left.wait().unwrap();
}

#[test]
fn a_child_that_outlives_all_sessions_is_left_over() {
    let _alone = alone();
    let leaks = Rc::new(RefCell::new(Vec::new()));
    let l = leaks.clone();
    let listener = move |diagnostic: &Diagnostic<'_>| match diagnostic {
        Diagnostic::Leak { what, since, .. } => l.borrow_mut().push((what.to_string(), *since)),
        other => panic!("{other}"),
    };
    let kernel = Kernel::builder().asserts(Asserts::DATA).diagnostics(listener).build().unwrap();
    let mut process = waiting_child();
    let pid = process.id();
    let id = Session::build(())
        .on_start(move |cx| cx.sig_child(pid, "ended", ()))
        .on("ended", never::<_, ChildExit>)
        .spawn(&kernel)
        .unwrap();
    kernel.signal(id, "TERM", ()).unwrap();
    kernel.run().unwrap();
    let [(what, since)] = &leaks.take()[..] else { panic!("one, and no other") };
    assert!(what.contains(&pid.to_string()), "{what}");
    assert!(since.file().ends_with("children.rs"), "{since}");
    drop(kernel);
    process.kill().unwrap();
    process.wait().unwrap();
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
            interrupt(p.get());
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
