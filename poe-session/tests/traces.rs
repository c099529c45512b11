//! Traces and assertions, and what is reported when a run ends.

mod common;

use std::cell::RefCell;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use poe_kernel::{AssertionFailed, Asserts, Cause, Delivery, Dispatch, Outcome, Traces};
use poe_session::prelude::*;

use crate::common::{assert_all_in, listening_kernel as kernel};

/// A program that does a little of everything.
fn run_program(kernel: &Kernel) {
    let (near, _far) = UnixStream::pair().unwrap();
    Session::build(Rc::new(near))
        .on_start(|cx| -> HandlerResult {
            cx.kernel.alias_set("main")?;
            cx.select_write(&cx.heap, "writable")?;
            cx.yield_event("step", 1_u32);
            cx.sig("USR1", "usr1")?;
            cx.kernel.signal(cx.session(), "MOOD", ())?;
            let timer = cx.delay_set("late", Duration::from_secs(1), ());
            cx.kernel.alarm_remove(timer)?;
            assert!(cx.kernel.alarm_remove(timer).is_err());
            Session::build(()).on_start(|cx| cx.detach_myself()).spawn(&mut *cx)?;
            cx.refcount_increment(cx.session(), "tag")?;
            Ok(())
        })
        .on("step", |cx, _: u32| -> HandlerResult {
            cx.kernel.alias_remove("main")?;
            cx.refcount_decrement(cx.session(), "tag")?;
            Ok(())
        })
        .on("writable", |cx, ready: Ready<UnixStream>| cx.select_end(&ready.handle, Mode::Write))
        .spawn(kernel)
        .unwrap();
    kernel.run().unwrap();
}

#[test]
fn nothing_is_said_unless_it_is_asked_for() {
    let (kernel, lines) = kernel(Traces::NONE, Asserts::NONE);
    run_program(&kernel);
    assert!(lines.borrow().is_empty(), "{:?}", lines.borrow());
}

#[test]
fn each_trace_says_its_own() {
    for (trace, parts) in [
        (
            Traces::EVENTS,
            [
                "<ev> event 0 \"step\" queued from session 1 to session 1 at poe-session/tests/traces.rs line ",
                "\"step\" (u32) dispatched to session 1 from session 1",
                "\"late\" of session 1 removed",
            ]
            .as_slice(),
        ),
        (Traces::FILES, &["<fh> descriptor ", "watched (Write) for session 1", "descriptor ready (Write)"]),
        (
            Traces::REFCNT,
            &["<rc> + alias \"main\" of session 1", "- alias \"main\"", "+ reference \"tag\" to session 1, now 1"],
        ),
        (Traces::RETVALS, &["<rv> alarm_remove fails: "]),
        (Traces::SIGNALS, &["<sg> signal USR1 watched by session 1 as \"usr1\"", "signal MOOD for session 1 reaches"]),
        (Traces::SESSIONS, &["<ss> session 2 created below session 1", "session 2 moved", "session 1 stops"]),
        (
            Traces::DESTROY,
            &["is dropped with the heap alloc::rc::Rc<std::os::unix::net::", "the options [Default] and handlers for [\"_start\", \"step\", \"writable\"]"],
        ),
        (Traces::PROFILE, &["step: 1 in "]),
        (Traces::STATISTICS, &["events dispatched in"]),
    ] {
        let (kernel, lines) = kernel(trace, Asserts::NONE);
        run_program(&kernel);
        assert_all_in(&lines, parts);
        let tags: Vec<String> = lines.borrow().iter().map(|line| line[..4].to_owned()).collect();
        assert!(tags.iter().all(|tag| *tag == tags[0]), "{trace}: {tags:?}");
    }
}

#[test]
fn traces_are_switched_while_the_kernel_runs() {
    let (kernel, lines) = kernel(Traces::NONE, Asserts::NONE);
    Session::build(())
        .on_start(|cx| {
            cx.yield_event("unseen", ());
            cx.yield_event("on", ());
            cx.yield_event("seen", ());
        })
        .on("unseen", |_, ()| {})
        .on("on", |cx, ()| {
            assert_eq!(cx.kernel.set_traces(Traces::EVENTS), Traces::NONE);
        })
        .on("seen", |cx, ()| {
            assert_eq!(cx.kernel.set_traces(Traces::NONE), Traces::EVENTS);
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_all_in(&lines, &["\"seen\" (()) dispatched"]);
    assert!(!lines.borrow().iter().any(|line| line.contains("unseen")));
}

#[test]
fn a_delay_that_takes_the_place_of_another_is_told_of_as_both() {
    let (kernel, lines) = kernel(Traces::EVENTS, Asserts::NONE);
    Session::build(())
        .on_start(|cx| {
            cx.delay("tick", Duration::from_secs(2), ());
            cx.delay("tick", Duration::from_secs(1), ());
        })
        .spawn(&kernel)
        .unwrap();
    let told = |what: &str| {
        let is = |line: &&String| line.contains("\"tick\"") && line.contains(what);
        lines.borrow().iter().filter(is).count()
    };
    assert_eq!((told(" set, due in "), told(" removed")), (2, 1));
}

#[test]
fn a_listener_that_does_what_is_traced_does_not_go_round_in_circles() {
    let kernel: Rc<RefCell<Option<Kernel>>> = Rc::default();
    let its_own = kernel.clone();
    let count = Rc::new(RefCell::new(0));
    let counted = count.clone();
    let built = Kernel::builder()
        .traces(Traces::ALL)
        .diagnostics(move |_| {
            *counted.borrow_mut() += 1;
            if let Some(kernel) = &*its_own.borrow() {
                let _ = kernel.post(kernel.active_session(), "said", ());
                let _ = kernel.inspect();
            }
        })
        .build()
        .unwrap();
    *kernel.borrow_mut() = Some(built.clone());
    Session::build(()).on_start(|cx| cx.yield_event("last", ())).spawn(&built).unwrap();
    built.run_one_timeslice().unwrap();
    assert!(*count.borrow() > 0);
    kernel.take();
    built.run().unwrap();
}

fn dies(kernel: &Kernel, handler: impl Fn(&mut Cx<'_, ()>) + 'static) -> Option<AssertionFailed> {
    Session::build(())
        .on_start(|cx| cx.yield_event("do", ()))
        .on("do", move |cx, ()| handler(cx))
        .spawn(kernel)
        .unwrap();
    match kernel.run() {
        Ok(()) => None,
        Err(KernelError::Died(death)) => {
            assert_eq!(death.event, "do");
            let Cause::Error(error) = &death.cause else { panic!("{death}") };
            Some(error.downcast_ref::<AssertionFailed>().expect("an assertion").clone())
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn an_error_that_is_a_fault_is_a_death() {
    type Misuse = fn(&mut Cx<'_, ()>);
    let misuse: [(Asserts, Misuse); 6] = [
        (Asserts::RETVALS, |cx| assert!(cx.kernel.alias_remove("nobody").is_err())),
        (Asserts::RETVALS, |cx| assert!(cx.kernel.alarm_remove(TimerId::NONE).is_err())),
        (Asserts::DATA, |cx| assert!(cx.post("nobody", "event", ()).is_err())),
        (Asserts::DATA, |cx| assert!(cx.call::<(), _>("nobody", "event", ()).is_err())),
        (Asserts::DATA, |cx| assert!(cx.refcount_decrement(cx.session(), "none").is_err())),
        (Asserts::USAGE, |cx| assert!(cx.detach_child("nobody").is_err())),
    ];
    for (assertion, misuse) in misuse {
        let (silent, _) = kernel(Traces::NONE, Asserts::NONE);
        assert_eq!(dies(&silent, misuse), None);
        let (strict, _) = kernel(Traces::NONE, assertion);
        let failed = dies(&strict, misuse).expect("it dies");
        assert_eq!(failed.assertion, assertion);
        assert!(!failed.message.is_empty());
    }
}

#[test]
fn a_method_for_the_active_session_is_a_fault_outside_of_one() {
    let (kernel, _) = kernel(Traces::NONE, Asserts::USAGE);
    Session::build(()).on_start(|cx| cx.yield_event("do", ())).spawn(&kernel).unwrap();
    assert!(kernel.yield_event("event", ()).is_err());
    let KernelError::Died(death) = kernel.run().unwrap_err() else { panic!("a death") };
    assert!(death.to_string().contains("assertion USAGE failed: yield_event: "), "{death}");
}

#[test]
fn a_reserved_name_is_told_of() {
    let (kernel, lines) = kernel(Traces::NONE, Asserts::USAGE);
    Session::build(())
        .on_start(|cx| cx.yield_event("again", ()))
        .on("again", |cx, ()| {
            cx.yield_event("_child", ());
            cx.delay_set("_parent", Duration::from_secs(1), ());
            let _ = cx.call::<(), _>(cx.session(), "_stop", ());
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(lines.borrow().len(), 3);
    assert_all_in(
        &lines,
        &[
            "session 1 sent \"_child\", which is the kernel's own name, at ",
            "\"_parent\"",
            "\"_stop\"",
        ],
    );
}

#[test]
fn new_sessions_report_what_they_do_not_handle() {
    let (kernel, lines) = kernel(Traces::NONE, Asserts::STATES);
    Session::build(()).on_start(|cx| cx.yield_event("nobody", ())).spawn(&kernel).unwrap();
    kernel.run().unwrap();
    assert_all_in(&lines, &["has no handler for event \"nobody\""]);
}

#[test]
fn the_kernel_checks_its_own_tables() {
    let (kernel, lines) = kernel(Traces::NONE, Asserts::ALL);
    let (near, _far) = UnixStream::pair().unwrap();
    Session::build(Rc::new(near))
        .on_start(|cx| -> HandlerResult {
            cx.kernel.alias_set("main")?;
            cx.select_write(&cx.heap, "writable")?;
            cx.delay_set("late", Duration::from_secs(1), ());
            cx.delay("late", Duration::from_secs(2), ());
            Session::build(())
                .on_start(|cx| -> HandlerResult {
                    cx.post("main", "from below", ())?;
                    cx.refcount_increment(cx.sender(), "by another")?;
                    Ok(())
                })
                .spawn(&mut *cx)?;
            Ok(())
        })
        .on("from below", |cx, ()| {
            cx.select_end(&cx.heap, Mode::Write);
            cx.refcount_decrement(cx.session(), "by another").map(drop)
        })
        .on("late", |_, ()| {})
        .on("writable", |_, _: Ready<UnixStream>| {})
        .on("IDLE", |_, _: Signal| {})
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert!(lines.borrow().is_empty(), "{:?}", lines.borrow());
}

#[test]
fn a_heap_that_outlives_its_session_is_reported() {
    struct Mute;
    impl Dispatch for Mute {
        fn dispatch(&self, _: Delivery<'_>) -> Outcome {
            Ok(())
        }
    }
    let (kernel, lines) = kernel(Traces::NONE, Asserts::DATA);
    let kept: Rc<dyn Dispatch> = Rc::new(Mute);
    kernel.session_alloc(kept.clone(), ()).unwrap();
    Session::build(()).spawn(&kernel).unwrap();
    kernel.run().unwrap();
    assert_eq!(lines.borrow().len(), 1);
    assert_all_in(&lines, &["left over of session 1: its heap and handlers (", "traces.rs:"]);
}
