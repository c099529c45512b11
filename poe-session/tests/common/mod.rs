//! What the tests share: a recorder of what happened, and sessions that record their own lives.
#![allow(dead_code, unreachable_pub, reason = "no test uses all of this")]

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use poe_kernel::{Asserts, EventLoop, Interest, KernelBuilder, Key, Readiness, Traces, Wake};
use poe_session::prelude::*;

/// What happened, line by line, and what the sessions are called in it.
#[derive(Clone, Default)]
pub struct Trace(Rc<Record>);

#[derive(Default)]
struct Record {
    lines: RefCell<Vec<String>>,
    names: RefCell<HashMap<SessionId, &'static str>>,
}

impl Trace {
    pub fn log(&self, line: impl ToString) {
        self.0.lines.borrow_mut().push(line.to_string());
    }

    /// The lines so far, which are forgotten.
    pub fn take(&self) -> Vec<String> {
        self.0.lines.take()
    }

    /// Calls a session by a name from now on.
    pub fn call(&self, session: SessionId, name: &'static str) {
        self.0.names.borrow_mut().insert(session, name);
    }

    pub fn name(&self, session: SessionId) -> &'static str {
        if session.is_kernel() {
            return "K";
        }
        self.0.names.borrow().get(&session).copied().unwrap_or("?")
    }
}

/// What a kernel had to say.
pub type Lines = Rc<RefCell<Vec<String>>>;

/// A kernel with these switches, and what it says.
pub fn listening_kernel(traces: Traces, asserts: Asserts) -> (Kernel, Lines) {
    let lines = Lines::default();
    let taken = lines.clone();
    let kernel = builder()
        .traces(traces)
        .asserts(asserts)
        .diagnostics(move |diagnostic| taken.borrow_mut().push(diagnostic.to_string()))
        .build()
        .unwrap();
    (kernel, lines)
}

#[track_caller]
pub fn assert_all_in(lines: &Lines, parts: &[&str]) {
    let text = lines.borrow().join("\n");
    for part in parts {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

/// A session that records its `_start`, `_stop`, `_child` and `_parent`.
pub fn traced(trace: &Trace, name: &'static str) -> Session<()> {
    traced_start(trace, name, |_| {})
}

/// As `traced`, with something to do in `_start`.
pub fn traced_start(
    trace: &Trace,
    name: &'static str,
    start: impl Fn(&mut Cx<'_, ()>) + 'static,
) -> Session<()> {
    let (t1, t2, t3, t4) = (trace.clone(), trace.clone(), trace.clone(), trace.clone());
    Session::build(())
        .on_start(move |cx| {
            t1.call(cx.session(), name);
            t1.log(format!("{name} start({})", t1.name(cx.sender())));
            start(cx);
            Reply(name)
        })
        .on_stop(move |_| {
            t2.log(format!("{name} stop"));
            Reply(name)
        })
        .on_child(move |cx, child: Child| {
            assert!(cx.sender().is_kernel());
            let value = child.value.downcast_ref::<&'static str>().copied().unwrap_or("-");
            let of = t3.name(child.session);
            t3.log(format!("{name} child {} {of} {value}", word(child.change)));
        })
        .on_parent(move |cx, parent: Parent| {
            assert!(cx.sender().is_kernel());
            let (old, new) = (t4.name(parent.old), t4.name(parent.new));
            t4.log(format!("{name} parent({old},{new})"));
        })
}

fn word(change: Change) -> &'static str {
    match change {
        Change::Create => "create",
        Change::Gain => "gain",
        Change::Stop => "stop",
        Change::Leave => "leave",
        _ => "?",
    }
}

/// A kernel on a virtual clock, so that timers take no time, whose diagnostics are a failure.
pub fn kernel() -> Kernel {
    builder().diagnostics(|diagnostic| panic!("{diagnostic}")).build().unwrap()
}

/// On the virtual clock.
pub fn builder() -> KernelBuilder {
    let builder = Kernel::builder().virtual_clock(start());
    // Miri has none of the calls that wait.
    if cfg!(miri) { builder.event_loop(Box::new(NoWait::default())) } else { builder }
}

/// An event loop that never waits, and says when it would have waited for ever.
#[derive(Debug, Default)]
pub struct NoWait(pub Rc<Cell<bool>>);

impl EventLoop for NoWait {
    fn name(&self) -> &'static str {
        "no wait"
    }

    fn add(&mut self, _: Rc<dyn AsFd>, _: Key, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn modify(&mut self, _: Key, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn delete(&mut self, _: Key) -> io::Result<()> {
        Ok(())
    }

    fn wait(&mut self, _: &mut Vec<Readiness>, timeout: Option<Duration>) -> io::Result<()> {
        self.0.set(timeout.is_none());
        Ok(())
    }

    fn waker(&self) -> Arc<dyn Wake> {
        #[derive(Debug)]
        struct Nobody;
        impl Wake for Nobody {
            fn wake(&self) {}
        }
        Arc::new(Nobody)
    }
}

/// When a virtual clock begins.
pub fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_000_000)
}

pub fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// How long a virtual clock has run, in milliseconds.
pub fn elapsed(kernel: &Kernel) -> u128 {
    kernel.time().duration_since(start()).unwrap().as_millis()
}

/// Counts its own drops.
#[derive(Clone, Default)]
pub struct Drops(Rc<Cell<usize>>);

impl Drops {
    pub fn count(&self) -> usize {
        self.0.get()
    }

    pub fn token(&self) -> Token {
        Token(self.clone())
    }
}

pub struct Token(Drops);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.0.set(self.0.0.get() + 1);
    }
}

/// Runs something when it is dropped.
pub struct OnDrop(Option<Box<dyn FnOnce()>>);

impl OnDrop {
    pub fn new(f: impl FnOnce() + 'static) -> Self {
        Self(Some(Box::new(f)))
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

/// A handler that must not run.
pub fn never<H, P>(cx: &mut Cx<'_, H>, _: P) {
    let _ = cx;
    unreachable!("a handler ran that must not");
}

/// What a handler returns that fails.
pub fn fail(message: &str) -> HandlerResult {
    Err(message.into())
}
