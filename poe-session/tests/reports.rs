//! What is reported when a run ends, whichever way it does; and each kind of assertion by itself.

mod common;

use std::cell::RefCell;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Child as Process, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use poe_kernel::{
    AssertionFailed, Asserts, Cause, EventLoop, Interest, Key, LoopKind, PostError, Readiness,
    Traces, Wake,
};
use poe_session::prelude::*;

use crate::common::{Lines, assert_all_in, listening_kernel};

/// A child process that goes on until it is let go.
fn cat() -> Process {
    let (input, output) = (Stdio::piped(), Stdio::null());
    Command::new("cat").stdin(input).stdout(output).spawn().unwrap()
}

/// How often something was said.
fn count(lines: &Lines, part: &str) -> usize {
    lines.borrow().iter().filter(|line| line.contains(part)).count()
}

const REPORTS: [&str; 3] =
    ["<pr> handlers by event", "<st> ", "goes on, and nobody is left to be told"];

/// What is said, once each, of a session that leaves a child process behind, which ends as `end` has it.
fn assert_reported(
    end: impl Fn(&mut Cx<'_, u32>) -> HandlerResult + 'static,
    run: impl FnOnce(&Kernel),
) {
    let (kernel, lines) = listening_kernel(Traces::PROFILE | Traces::STATISTICS, Asserts::DATA);
    let mut child = cat();
    Session::build(child.id())
        .on_start(|cx| -> HandlerResult {
            cx.sig_child(*cx.heap, "ended", ())?;
            cx.yield_event("end", ());
            Ok(())
        })
        .on("end", move |cx, ()| end(cx))
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    for part in REPORTS {
        assert_eq!(count(&lines, part), 1, "{part:?} in {lines:?}");
    }
    assert_all_in(&lines, &[&format!("child process {} goes on", child.id())]);
    assert!(child.wait().unwrap().success());
}

#[test]
fn an_end_by_stop_is_reported() {
    let stop = |cx: &mut Cx<'_, u32>| -> HandlerResult {
        cx.stop()?;
        Ok(())
    };
    assert_reported(stop, |kernel| kernel.run().unwrap());
}

#[test]
fn an_end_by_a_death_is_reported_before_the_death() {
    let die = |_: &mut Cx<'_, u32>| -> HandlerResult { Err("on purpose".into()) };
    assert_reported(die, |kernel| {
        assert!(matches!(kernel.run(), Err(KernelError::Died(_))));
    });
}

#[test]
fn an_end_by_a_panic_is_reported_before_the_panic() {
    let panic = |_: &mut Cx<'_, u32>| -> HandlerResult { panic!("on purpose") };
    assert_reported(panic, |kernel| {
        let run = std::panic::AssertUnwindSafe(|| kernel.run());
        assert!(std::panic::catch_unwind(run).is_err());
    });
}

#[test]
fn an_end_in_a_timeslice_is_reported() {
    let stop = |cx: &mut Cx<'_, u32>| -> HandlerResult {
        cx.stop()?;
        Ok(())
    };
    assert_reported(stop, |kernel| {
        while kernel.run_one_timeslice().unwrap() {}
        // It has ended once.
        assert!(!kernel.run_one_timeslice().unwrap());
        kernel.run().unwrap();
    });
    let die = |_: &mut Cx<'_, u32>| -> HandlerResult { Err("on purpose".into()) };
    assert_reported(die, |kernel| {
        assert!(matches!(kernel.run_while(|| true), Err(KernelError::Died(_))));
    });
}

#[test]
fn each_run_is_reported() {
    let (kernel, lines) = listening_kernel(Traces::STATISTICS, Asserts::NONE);
    for runs in 1..=3 {
        Session::build(()).on_start(|cx| cx.yield_event("work", ())).spawn(&kernel).unwrap();
        kernel.run().unwrap();
        assert_eq!(count(&lines, "<st> "), runs);
    }
}

#[test]
fn a_panic_of_who_is_told_of_the_end_ends_the_run_with_it() {
    let kernel = Kernel::builder()
        .traces(Traces::STATISTICS)
        .diagnostics(|_| panic!("who listens"))
        .build()
        .unwrap();
    Session::build(()).spawn(&kernel).unwrap();
    let run = std::panic::AssertUnwindSafe(|| kernel.run());
    let panic = std::panic::catch_unwind(run).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"who listens"));
    kernel.run().unwrap();
}

#[test]
fn what_a_trace_has_begun_to_measure_ends_with_it() {
    let (kernel, _) = listening_kernel(Traces::PROFILE, Asserts::NONE);
    assert!(kernel.profile().is_some());
    kernel.set_traces(Traces::EVENTS);
    assert!(kernel.profile().is_none());
    kernel.set_traces(Traces::PROFILE);
    assert!(kernel.profile().is_some());
    // What was asked for by itself goes on until that is taken back.
    kernel.set_profiling(true);
    kernel.set_traces(Traces::NONE);
    assert!(kernel.profile().is_some());
    kernel.set_profiling(false);
    assert!(kernel.profile().is_none());
}

#[test]
fn a_heap_is_shown_where_that_was_asked_for_and_named_elsewhere() {
    #[derive(Debug)]
    struct Counted {
        #[expect(dead_code, reason = "shown")]
        count: u32,
    }
    let (kernel, lines) = listening_kernel(Traces::DESTROY, Asserts::NONE);
    let handlers = Handlers::new().show_heap();
    Session::with(&handlers, Counted { count: 1 }).spawn(&kernel).unwrap();
    // To change a handler keeps it.
    Session::build(Counted { count: 2 })
        .show_heap()
        .option(SessionOption::Trace, true)
        .option(SessionOption::Debug, true)
        .on_start(|cx| cx.state("later", |_, ()| {}))
        .spawn(&kernel)
        .unwrap();
    Nfa::build(Counted { count: 3 })
        .state("only", |state| state.on("in", |_, ()| {}))
        .show_heap()
        .spawn(&kernel, "only", "in")
        .unwrap();
    Session::build(Counted { count: 4 }).spawn(&kernel).unwrap();
    kernel.run().unwrap();
    assert_all_in(
        &lines,
        &[
            "session 1 is dropped with the heap Counted { count: 1 }, the options [Default] and",
            "session 2 is dropped with the heap Counted { count: 2 }, the options [Trace, Debug, Default] and \
             handlers for [\"_start\", \"later\"]",
            "session 3 is dropped with the heap Counted { count: 3 }, the options [] and",
            "::Counted, the options [Default] and handlers for [], created at poe-session/tests/reports.rs",
        ],
    );
    assert_eq!(count(&lines, "count: 4"), 0);
}

#[test]
fn a_heap_that_cannot_be_shown_ends_the_run_with_its_panic_and_harms_nothing_else() {
    struct Shy;
    impl std::fmt::Debug for Shy {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("not me")
        }
    }
    let (kernel, _) = listening_kernel(Traces::DESTROY, Asserts::NONE);
    Session::build(Shy).show_heap().spawn(&kernel).unwrap();
    let run = std::panic::AssertUnwindSafe(|| kernel.run());
    let panic = std::panic::catch_unwind(run).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"not me"));
    assert_eq!(kernel.session_count(), 0);
}

/// What a program dies of, in a kernel with these assertions.
fn assertion(
    asserts: Asserts,
    event_loop: Option<Box<dyn EventLoop>>,
    misuse: impl Fn(&mut Cx<'_, ()>) + 'static,
) -> Option<AssertionFailed> {
    let mut builder = Kernel::builder().asserts(asserts).diagnostics(|_| {}).max_events(10);
    if let Some(event_loop) = event_loop {
        builder = builder.event_loop(event_loop);
    }
    let kernel = builder.build().unwrap();
    Session::build(())
        .on_start(|cx| cx.yield_event("do", ()))
        .on("do", move |cx, ()| misuse(cx))
        .spawn(&kernel)
        .unwrap();
    // The other one, which misuse is done to.
    Session::build(())
        .on_start(|cx| cx.alias_set("other"))
        .on("ask", |_, ()| Reply(7))
        .spawn(&kernel)
        .unwrap();
    match kernel.run() {
        Ok(()) => None,
        Err(KernelError::Died(death)) => {
            let Cause::Error(error) = &death.cause else { panic!("{death}") };
            Some(error.downcast_ref::<AssertionFailed>().expect("an assertion").clone())
        }
        Err(error) => panic!("{error}"),
    }
}

fn all_but(switch: Asserts) -> Asserts {
    use Asserts as A;
    [A::DATA, A::EVENTS, A::FILES, A::RETVALS, A::USAGE, A::STATES]
        .into_iter()
        .filter(|&other| other != switch)
        .fold(A::NONE, |all, one| all | one)
}

#[test]
fn an_event_of_a_session_that_is_gone_is_a_fault_by_itself() {
    let misuse = |cx: &mut Cx<'_, ()>| {
        let me = cx.session();
        cx.suspend(|kernel| kernel.session_stop(me)).unwrap();
        let _ = cx.call::<i32, _>("other", "ask", ());
    };
    assert_eq!(assertion(all_but(Asserts::EVENTS), None, misuse), None);
    let failed = assertion(Asserts::EVENTS, None, misuse).unwrap();
    assert_eq!(failed.assertion, Asserts::EVENTS);
    assert!(failed.message.contains("is of a session that is gone"), "{failed}");
}

/// A loop that has no room for handles.
#[derive(Debug)]
struct Full(Box<dyn EventLoop>);

impl EventLoop for Full {
    fn name(&self) -> &'static str {
        "full"
    }

    fn add(&mut self, _: Rc<dyn AsFd>, _: Key, _: Interest) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn modify(&mut self, key: Key, modes: Interest) -> io::Result<()> {
        self.0.modify(key, modes)
    }

    fn delete(&mut self, key: Key) -> io::Result<()> {
        self.0.delete(key)
    }

    fn wait(&mut self, ready: &mut Vec<Readiness>, timeout: Option<Duration>) -> io::Result<()> {
        self.0.wait(ready, timeout)
    }

    fn waker(&self) -> Arc<dyn Wake> {
        self.0.waker()
    }
}

#[test]
fn a_loop_that_does_not_as_it_is_told_is_a_fault_by_itself() {
    let full = || -> Option<Box<dyn EventLoop>> {
        Some(Box::new(Full(LoopKind::default().start().unwrap())))
    };
    let watch = |cx: &mut Cx<'_, ()>| {
        let (near, _far) = UnixStream::pair().unwrap();
        assert!(cx.select_read(&Rc::new(near), "readable").is_err());
    };
    assert_eq!(assertion(all_but(Asserts::FILES), full(), watch), None);
    let failed = assertion(Asserts::FILES, full(), watch).unwrap();
    assert_eq!(failed.assertion, Asserts::FILES);
    assert!(failed.message.starts_with("select: "), "{failed}");
}

#[test]
fn that_the_queue_is_full_is_an_error_and_no_fault() {
    let refused = |cx: &mut Cx<'_, ()>| {
        let mut post = || cx.post("other", "ask", ());
        let refused = std::iter::repeat_with(&mut post).find_map(Result::err);
        assert!(matches!(refused, Some(PostError::QueueFull { limit: 10, .. })));
        let refused = cx.post_set("other", "ask", ()).unwrap_err();
        assert!(matches!(refused, PostError::QueueFull { .. }));
    };
    assert_eq!(assertion(Asserts::ALL, None, refused), None);
}

// Conformance: KRU-01
#[test]
fn every_method_that_acts_for_the_active_session_is_a_fault_outside_of_one() {
    type Misuse = fn(&Kernel, &Rc<UnixStream>);
    let misuses: [(&str, Misuse); 26] = [
        ("yield_event", |k, _| assert!(k.yield_event("event", ()).is_err())),
        ("alarm", |k, _| assert!(k.alarm("event", k.time(), ()).is_err())),
        ("alarm_set", |k, _| assert!(k.alarm_set("event", k.time(), ()).is_err())),
        ("delay", |k, _| assert!(k.delay("event", Duration::ZERO, ()).is_err())),
        ("delay_set", |k, _| assert!(k.delay_set("event", Duration::ZERO, ()).is_err())),
        ("alarm_clear", |k, _| assert!(k.alarm_clear("event").is_empty())),
        ("alarm_remove_all", |k, _| assert!(k.alarm_remove_all().is_empty())),
        ("alarm_remove", |k, _| assert!(k.alarm_remove(TimerId::NONE).is_err())),
        ("alarm_adjust", |k, _| {
            let none = TimerId::NONE;
            assert!(k.alarm_adjust(none, Shift::Later(Duration::ZERO)).is_err());
        }),
        ("delay_adjust", |k, _| {
            assert!(k.delay_adjust(TimerId::NONE, Duration::ZERO).is_err());
        }),
        ("select_read", |k, handle| assert!(k.select_read(handle, "event").is_err())),
        ("select_write", |k, handle| assert!(k.select_write(handle, "event").is_err())),
        ("select_expedite", |k, handle| assert!(k.select_expedite(handle, "event").is_err())),
        ("select_end", |k, handle| k.select_end(handle, Mode::Read)),
        ("select_pause", |k, handle| assert!(!k.select_pause(handle, Mode::Read))),
        ("select_resume", |k, handle| assert!(!k.select_resume(handle, Mode::Write))),
        ("sig", |k, _| assert!(k.sig("USR1", "event").is_err())),
        ("sig_ignore", |k, _| k.sig_ignore("USR1")),
        ("sig_child", |k, _| assert!(k.sig_child(1, "event", ()).is_err())),
        ("sig_child_ignore", |k, _| k.sig_child_ignore(1)),
        ("detach_myself", |k, _| assert!(k.detach_myself().is_err())),
        ("detach_child", |k, _| assert!(k.detach_child(SessionId::KERNEL).is_err())),
        ("move_child", |k, _| {
            assert!(k.move_child(SessionId::KERNEL, SessionId::KERNEL).is_err());
        }),
        ("alias_remove", |k, _| assert!(k.alias_remove("nobody").is_err())),
        ("blocking", |k, _| assert!(k.blocking(|| (), "event").is_err())),
        ("blocking_wait", |k, _| assert!(k.blocking_wait(|| (), "event").is_err())),
    ];
    let (near, _far) = UnixStream::pair().unwrap();
    let handle = Rc::new(near);
    for (method, misuse) in misuses {
        // Without the switch there is the error alone, or nothing.
        for others in [Asserts::NONE, Asserts::STATES | Asserts::FILES | Asserts::EVENTS] {
            let (kernel, lines) = listening_kernel(Traces::NONE, others);
            misuse(&kernel, &handle);
            kernel.run().unwrap();
            assert!(lines.borrow().is_empty(), "{lines:?}");
        }
        for strict in [Asserts::USAGE, Asserts::ALL] {
            let (kernel, lines) = listening_kernel(Traces::NONE, strict);
            misuse(&kernel, &handle);
            let KernelError::Died(death) = kernel.run().unwrap_err() else { panic!("a death") };
            let text = death.to_string();
            assert!(text.contains(&format!("USAGE failed: {method}: ")), "{method}: {text}");
            assert!(text.contains("kernel") && text.contains("reports.rs"), "{text}");
            assert!(lines.borrow().is_empty(), "{method} is one fault: {lines:?}");
        }
    }
}

#[test]
fn what_a_handler_does_for_its_session_is_no_misuse() {
    let (kernel, lines) = listening_kernel(Traces::NONE, Asserts::USAGE);
    let told = Rc::new(RefCell::new(false));
    let is_told = told.clone();
    let (near, _far) = UnixStream::pair().unwrap();
    Session::build(Rc::new(near))
        .on_start(|cx| cx.yield_event("do", ()))
        .on("do", move |cx, ()| {
            assert!(cx.alarm_clear("event").is_empty() && cx.alarm_remove_all().is_empty());
            cx.select_end(&cx.heap, Mode::Read);
            assert!(!cx.select_pause(&cx.heap, Mode::Read));
            assert!(!cx.select_resume(&cx.heap, Mode::Read));
            cx.sig_ignore("USR1");
            cx.sig_child_ignore(1);
            *told.borrow_mut() = true;
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert!(*is_told.borrow() && lines.borrow().is_empty(), "{lines:?}");
}
