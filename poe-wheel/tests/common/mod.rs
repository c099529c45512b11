//! What the tests share: a watchdog, a record of what happened, and sessions that have one wheel.
#![allow(dead_code, unreachable_pub, reason = "no test uses all of this")]

pub mod children;
pub mod descriptors;
pub mod person;
pub mod sockets;
pub mod tails;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use poe_kernel::KernelBuilder;
use poe_session::prelude::*;
use poe_wheel::{Input, IoError, ReadWrite, ReadWriteBuilder, WheelId};

/// A kernel whose diagnostics are a failure.
pub fn kernel() -> Kernel {
    builder().diagnostics(|diagnostic| panic!("{diagnostic}")).build().unwrap()
}

/// A kernel to be. What the test has open from here on it must have closed at its end.
pub fn builder() -> KernelBuilder {
    descriptors::count();
    Kernel::builder()
}

/// Runs until no session is left; a test that does not come to that ends the process.
pub fn run(kernel: &Kernel) {
    let _watchdog = Watchdog::new();
    kernel.run().unwrap();
}

/// Runs for as long as a condition holds, and no longer than a test may take.
pub fn run_while(kernel: &Kernel, condition: impl FnMut() -> bool) {
    let _watchdog = Watchdog::new();
    kernel.run_while(condition).unwrap();
}

/// Ends the process when it lives for too long: a kernel that waits for ever runs no code that could fail.
pub struct Watchdog(Option<mpsc::Sender<()>>);

impl Watchdog {
    pub fn new() -> Self {
        let (sender, receiver) = mpsc::channel();
        let name = thread::current().name().unwrap_or("?").to_owned();
        thread::spawn(move || {
            if receiver.recv_timeout(Duration::from_secs(60)) == Err(RecvTimeoutError::Timeout) {
                let _ = writeln!(std::io::stderr(), "{name} takes too long");
                std::process::abort();
            }
        });
        Self(Some(sender))
    }
}

/// What happened, line by line.
#[derive(Clone, Debug, Default)]
pub struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub fn push(&self, line: impl fmt::Display) {
        self.0.borrow_mut().push(line.to_string());
    }

    /// The lines so far, which are forgotten.
    pub fn take(&self) -> Vec<String> {
        self.0.take()
    }

    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }
}

/// What a wheel says, and `Do`, which a test says to itself.
#[derive(Debug)]
pub enum Event {
    Start,
    Input(Bytes),
    Partial(Bytes),
    Error(IoError),
    Flushed,
    High,
    Low,
    Do(&'static str),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::Input(record) => write!(f, "input {}", record.escape_ascii()),
            Self::Partial(record) => write!(f, "partial {}", record.escape_ascii()),
            Self::Error(error) => write!(f, "error {} {}", error.operation, error.errno()),
            Self::Flushed => f.write_str("flushed"),
            Self::High => f.write_str("high"),
            Self::Low => f.write_str("low"),
            Self::Do(what) => f.write_str(what),
        }
    }
}

pub type Heap = Option<ReadWrite>;

/// What a test does about an event, in the session that has the wheel.
pub trait React: Fn(&mut Cx<'_, Heap>, Event) + 'static {}

impl<F: Fn(&mut Cx<'_, Heap>, Event) + 'static> React for F {}

/// A wheel over one handle, with the events that `spawn` handles.
pub fn wheel(handle: impl std::os::fd::AsFd + 'static) -> ReadWriteBuilder<Bytes, Bytes> {
    with_events(ReadWrite::build(handle))
}

pub fn with_events<In: 'static, Out: 'static>(
    builder: ReadWriteBuilder<In, Out>,
) -> ReadWriteBuilder<In, Out> {
    builder.input_event("input").error_event("error").flushed_event("flushed")
}

/// Marks with their events.
pub fn with_marks<In: 'static, Out: 'static>(
    builder: ReadWriteBuilder<In, Out>,
    low: usize,
    high: usize,
) -> ReadWriteBuilder<In, Out> {
    builder.low_mark(low).high_mark(high).low_event("low").high_event("high")
}

/// A session whose heap is that wheel, and that passes on all its events.
pub fn spawn(
    kernel: &Kernel,
    builder: ReadWriteBuilder<Bytes, Bytes>,
    react: impl React,
) -> SessionId {
    let builder = Cell::new(Some(builder));
    session(react, move |cx| builder.take().unwrap().spawn(cx.kernel).unwrap())
        .spawn(kernel)
        .unwrap()
}

/// The session, not spawned yet, for a wheel that is made in `_start`.
pub fn session(
    react: impl React,
    make: impl Fn(&mut Cx<'_, Heap>) -> ReadWrite + 'static,
) -> Session<Heap> {
    let react = Rc::new(react);
    let [r0, r1, r2, r3, r4, r5, r6, r7] = std::array::from_fn(|_| Rc::clone(&react));
    Session::build(None)
        .on_start(move |cx| {
            let wheel = make(cx);
            *cx.heap = Some(wheel);
            r0(cx, Event::Start);
        })
        .on("input", move |cx, input: Input| {
            expect_own(cx, input.wheel);
            r1(cx, Event::Input(input.record));
        })
        .on("partial", move |cx, input: Input| {
            expect_own(cx, input.wheel);
            r2(cx, Event::Partial(input.record));
        })
        .on("error", move |cx, error: IoError| {
            expect_own(cx, error.wheel);
            r3(cx, Event::Error(error));
        })
        .on("flushed", move |cx, wheel: WheelId| {
            expect_own(cx, wheel);
            r4(cx, Event::Flushed);
        })
        .on("high", move |cx, wheel: WheelId| {
            expect_own(cx, wheel);
            r5(cx, Event::High);
        })
        .on("low", move |cx, wheel: WheelId| {
            expect_own(cx, wheel);
            r6(cx, Event::Low);
        })
        .on("do", move |cx, what: &'static str| r7(cx, Event::Do(what)))
}

/// Every event says which wheel it is of, and none comes of a wheel that is gone.
fn expect_own(cx: &Cx<'_, Heap>, wheel: WheelId) {
    assert_eq!(cx.heap.as_ref().map(ReadWrite::id), Some(wheel), "in {}", cx.event());
}

/// The wheel of a session that has one.
pub fn own<'a>(cx: &'a Cx<'_, Heap>) -> &'a ReadWrite {
    cx.heap.as_ref().unwrap()
}

/// A pair of connected sockets.
pub fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().unwrap()
}

/// A pair, the second end of which has sent this and sends no more.
pub fn pair_with(octets: impl AsRef<[u8]>) -> (UnixStream, UnixStream) {
    let (ours, mut theirs) = pair();
    theirs.write_all(octets.as_ref()).unwrap();
    theirs.shutdown(Shutdown::Write).unwrap();
    (ours, theirs)
}

/// What has come, up to the end of the input.
pub fn read_all(mut from: impl Read) -> Vec<u8> {
    let mut octets = Vec::new();
    from.read_to_end(&mut octets).unwrap();
    octets
}

/// Fails for an event that no handler was given for, but for those that every session has.
pub fn refuse<H>(_: &mut Cx<'_, H>, event: Unhandled) -> HandlerResult {
    let name = event.event.as_str();
    if name.starts_with('_') { Ok(()) } else { Err(format!("event {name}").into()) }
}

/// Hands a value out once, to a closure that may only be called once but cannot say so.
pub fn once<T: 'static>(value: T) -> impl Fn() -> T {
    let cell = Cell::new(Some(value));
    move || cell.take().unwrap()
}

/// Says that a test is not made, and why, to whoever runs the tests.
pub fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
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
