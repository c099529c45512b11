//! What the tests of files that are followed share: a directory that goes again, and sessions that follow one file.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use poe_session::prelude::*;
use poe_wheel::{FollowTail, FollowTailBuilder, Input, IoError, WheelId};

use super::once;

/// A directory of its own, removed with all that is in it.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("poe-tail-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file in it that holds this.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Adds to a file, which is created if need be.
pub fn append(path: impl AsRef<Path>, text: &str) {
    let mut file = File::options().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// What a wheel says, and `Do`, which a test says to itself.
#[derive(Debug)]
pub enum Event {
    Start,
    Input(Bytes),
    Partial(Bytes),
    Error(IoError),
    Reset,
    Idle,
    Do(&'static str),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::Input(record) => write!(f, "{}", record.escape_ascii()),
            Self::Partial(record) => write!(f, "partial {}", record.escape_ascii()),
            Self::Error(error) => write!(f, "error {error}"),
            Self::Reset => f.write_str("reset"),
            Self::Idle => f.write_str("idle"),
            Self::Do(what) => f.write_str(what),
        }
    }
}

pub type Heap = Option<FollowTail>;

/// Often enough for tests that wait for polls.
pub const POLL: Duration = Duration::from_millis(10);

/// With the events that `spawn` handles, but for `Partial` and `Idle`.
pub fn with_events<In: 'static>(builder: FollowTailBuilder<In>) -> FollowTailBuilder<In> {
    builder.input_event("input").error_event("error").reset_event("reset").poll_interval(POLL)
}

pub fn follow(path: impl AsRef<Path>) -> FollowTailBuilder {
    with_events(FollowTail::build(path.as_ref()))
}

/// A session whose heap is that wheel, and that passes on all its events.
pub fn spawn(
    kernel: &Kernel,
    builder: FollowTailBuilder,
    react: impl Fn(&mut Cx<'_, Heap>, Event) + 'static,
) -> SessionId {
    let builder = once(builder);
    let react = std::rc::Rc::new(react);
    let [r0, r1, r2, r3, r4, r5, r6] = std::array::from_fn(|_| std::rc::Rc::clone(&react));
    Session::build(None)
        .on_start(move |cx| {
            let wheel = builder().spawn(cx.kernel).unwrap();
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
        .on("reset", move |cx, wheel: WheelId| {
            expect_own(cx, wheel);
            r4(cx, Event::Reset);
        })
        .on("idle", move |cx, wheel: WheelId| {
            expect_own(cx, wheel);
            r5(cx, Event::Idle);
        })
        .on("do", move |cx, what: &'static str| r6(cx, Event::Do(what)))
        .spawn(kernel)
        .unwrap()
}

/// Every event says which wheel it is of, and none comes of a wheel that is gone.
fn expect_own(cx: &Cx<'_, Heap>, wheel: WheelId) {
    assert_eq!(cx.heap.as_ref().map(FollowTail::id), Some(wheel), "in {}", cx.event());
}

/// The wheel of a session that has one.
pub fn own<'a>(cx: &'a Cx<'_, Heap>) -> &'a FollowTail {
    cx.heap.as_ref().unwrap()
}
