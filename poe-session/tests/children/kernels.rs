//! Children and their kernels: several of them, one that goes, one that has no descriptors, what one reports.

use std::cell::RefCell;
use std::os::unix::process::ExitStatusExt;
use std::rc::Rc;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal as Os;
use poe_kernel::{Asserts, Diagnostic, SignalError, Traces};
use poe_session::prelude::*;

use crate::common::never;
use crate::{alone, child, is_gone, kernels, terminate, waiting_child};

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
                            cx.heap.push(signal == Some(Os::SIGTERM as i32));
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
        terminate(shared);
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
    assert!(since.file().ends_with("children/kernels.rs"), "{since}");
    drop(kernel);
    process.kill().unwrap();
    process.wait().unwrap();
}
