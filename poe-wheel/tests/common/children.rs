//! Sessions that have one child.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use bytes::Bytes;
use poe_session::prelude::*;
use poe_wheel::{Input, IoError, Run, RunBuilder, RunExit, WheelId};

use super::Log;

/// What a child's wheel says, and `Do`, which a test says to itself.
#[derive(Debug)]
pub enum Event {
    Start,
    Stdin,
    Stdout(Bytes),
    StdoutPartial(Bytes),
    Stderr(Bytes),
    StderrPartial(Bytes),
    Error(IoError),
    Close,
    Exit(RunExit),
    High,
    Low,
    Do(&'static str),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::Stdin => f.write_str("stdin"),
            Self::Stdout(record) => write!(f, "out {}", record.escape_ascii()),
            Self::StdoutPartial(record) => write!(f, "part out {}", record.escape_ascii()),
            Self::Stderr(record) => write!(f, "err {}", record.escape_ascii()),
            Self::StderrPartial(record) => write!(f, "part err {}", record.escape_ascii()),
            Self::Error(error) => {
                let stream = error.stream.map_or("?".to_owned(), |stream| stream.to_string());
                write!(f, "error {} {} {stream}", error.operation, error.errno())
            }
            Self::Close => f.write_str("close"),
            Self::Exit(exit) => {
                write!(
                    f,
                    "exit {}",
                    exit.status.map_or("?".to_owned(), |status| status.to_string())
                )
            }
            Self::High => f.write_str("high"),
            Self::Low => f.write_str("low"),
            Self::Do(what) => f.write_str(what),
        }
    }
}

pub type Heap = Option<Run>;

/// All events but those of the outputs, which decide what the child has.
pub fn with_events<In: 'static, Out: 'static, Err: 'static>(
    builder: RunBuilder<In, Out, Err>,
) -> RunBuilder<In, Out, Err> {
    builder.error_event("error").close_event("close").exit_event("exit")
}

/// The same, and those of both outputs.
pub fn with_outputs(builder: RunBuilder) -> RunBuilder {
    with_events(builder)
        .stdout_event("out")
        .stderr_event("err")
        .stdout_partial_event("part out")
        .stderr_partial_event("part err")
}

/// A session whose heap is that wheel, and that passes on all its events. The wheel is dropped at the last event.
pub fn spawn(
    kernel: &Kernel,
    builder: RunBuilder,
    react: impl Fn(&mut Cx<'_, Heap>, Event) + 'static,
) -> SessionId {
    let builder = Cell::new(Some(builder));
    session(react, move |cx| builder.take().unwrap().spawn(cx.kernel).unwrap())
        .spawn(kernel)
        .unwrap()
}

/// The session, not spawned yet, for a wheel that is made in `_start`.
pub fn session(
    react: impl Fn(&mut Cx<'_, Heap>, Event) + 'static,
    make: impl Fn(&mut Cx<'_, Heap>) -> Run + 'static,
) -> Session<Heap> {
    let react = Rc::new(react);
    let [start, stdin, out, part_out, err, part_err] = std::array::from_fn(|_| Rc::clone(&react));
    let [error, close, exit, high, low, act] = std::array::from_fn(|_| Rc::clone(&react));
    Session::build(None)
        .on_start(move |cx| {
            let wheel = make(cx);
            *cx.heap = Some(wheel);
            start(cx, Event::Start);
        })
        .on("stdin", move |cx, wheel: WheelId| {
            expect_own(cx, wheel);
            stdin(cx, Event::Stdin);
        })
        .on("out", move |cx, input: Input| {
            expect_own(cx, input.wheel);
            out(cx, Event::Stdout(input.record));
        })
        .on("part out", move |cx, input: Input| {
            expect_own(cx, input.wheel);
            part_out(cx, Event::StdoutPartial(input.record));
        })
        .on("err", move |cx, input: Input| {
            expect_own(cx, input.wheel);
            err(cx, Event::Stderr(input.record));
        })
        .on("part err", move |cx, input: Input| {
            expect_own(cx, input.wheel);
            part_err(cx, Event::StderrPartial(input.record));
        })
        .on("error", move |cx, failure: IoError| {
            expect_own(cx, failure.wheel);
            error(cx, Event::Error(failure));
        })
        .on("close", move |cx, wheel: WheelId| {
            expect_own(cx, wheel);
            close(cx, Event::Close);
        })
        .on("exit", move |cx, ended: RunExit| {
            expect_own(cx, ended.wheel);
            assert!(!cx.heap.as_ref().unwrap().is_running());
            exit(cx, Event::Exit(ended));
        })
        .on("high", move |cx, wheel: WheelId| {
            expect_own(cx, wheel);
            high(cx, Event::High);
        })
        .on("low", move |cx, wheel: WheelId| {
            expect_own(cx, wheel);
            low(cx, Event::Low);
        })
        .on("do", move |cx, what: &'static str| act(cx, Event::Do(what)))
}

/// Every event says which wheel it is of, and none comes of a wheel that is gone.
fn expect_own(cx: &Cx<'_, Heap>, wheel: WheelId) {
    assert_eq!(cx.heap.as_ref().map(Run::id), Some(wheel), "in {}", cx.event());
}

/// The wheel of a session that has one.
pub fn own<'a>(cx: &'a Cx<'_, Heap>) -> &'a Run {
    cx.heap.as_ref().unwrap()
}

/// Runs a child to its end, and logs what its wheel says; the session lets go of it by itself.
pub fn record(kernel: &Kernel, builder: RunBuilder) -> Log {
    let log = Log::default();
    let l = log.clone();
    spawn(kernel, builder, move |_, event| l.push(event));
    log
}
