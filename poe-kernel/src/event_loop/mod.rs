//! Event loops: what tells the kernel that handles are ready, and waits.

mod poll;
mod polling;
mod select;
mod watched;

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use self::poll::PollLoop;
use self::polling::PollingLoop;
use self::select::SelectLoop;

/// The event loops that come with the kernel (POE: `POE::Loop::…`).
///
/// ```
/// use poe_kernel::{Kernel, LoopKind};
///
/// let kernel = Kernel::builder().loop_kind(LoopKind::Poll).build()?;
/// assert_eq!(kernel.event_loop_name(), "poll");
/// assert_eq!("POE::Loop::Select".parse(), Ok(LoopKind::Select));
/// # Ok::<(), poe_kernel::KernelError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoopKind {
    /// The operating system's best, by the crate `polling`: epoll, kqueue or event ports.
    #[default]
    Polling,
    /// `poll(2)`.
    Poll,
    /// `select(2)`, for descriptors up to 1023.
    Select,
}

impl LoopKind {
    /// Makes the loop.
    pub(crate) fn start(self) -> io::Result<Box<dyn EventLoop>> {
        Ok(match self {
            Self::Polling => Box::new(PollingLoop::new()?),
            Self::Poll => Box::new(PollLoop::new()?),
            Self::Select => Box::new(SelectLoop::new()?),
        })
    }
}

impl FromStr for LoopKind {
    type Err = UnknownLoop;

    /// Takes `polling`, `poll` and `select`, and the original's names for the last two, prefixes and all.
    fn from_str(name: &str) -> Result<Self, UnknownLoop> {
        let bare = name.rsplit("::").next().unwrap_or(name).to_ascii_lowercase();
        match bare.as_str() {
            "polling" | "epoll" | "kqueue" => Ok(Self::Polling),
            "poll" | "io_poll" => Ok(Self::Poll),
            "select" => Ok(Self::Select),
            _ => Err(UnknownLoop(name.to_owned())),
        }
    }
}

/// No event loop has this name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("no event loop is named {0:?}; there are \"polling\", \"poll\" and \"select\"")]
pub struct UnknownLoop(pub String);

/// A direction of readiness to watch a handle for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Mode {
    /// Something can be read, or the peer has gone (POE: `MODE_RD`).
    Read,
    /// Something can be written, or the peer has gone (POE: `MODE_WR`).
    Write,
    /// Urgent data can be read (POE: `MODE_EX`).
    Expedite,
}

impl Mode {
    /// All modes, in the order in which a turn dispatches them.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Expedite];
}

/// The modes that a handle is watched for, or is ready in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Watched or ready for reading.
    pub read: bool,
    /// Watched or ready for writing.
    pub write: bool,
    /// Watched or ready for urgent data.
    pub expedite: bool,
}

impl Interest {
    /// Whether a mode is among them.
    #[must_use]
    pub fn contains(self, mode: Mode) -> bool {
        match mode {
            Mode::Read => self.read,
            Mode::Write => self.write,
            Mode::Expedite => self.expedite,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    pub(crate) fn insert(&mut self, mode: Mode) {
        match mode {
            Mode::Read => self.read = true,
            Mode::Write => self.write = true,
            Mode::Expedite => self.expedite = true,
        }
    }
}

/// What a kernel knows a watched handle by in its loop; any value but `usize::MAX`.
pub type Key = usize;

/// A handle that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Readiness {
    /// The handle's key.
    pub key: Key,
    /// What it is ready for; a hang-up or an error counts as every mode that it is watched for.
    pub modes: Interest,
}

impl Readiness {
    /// Says that a handle is ready.
    #[must_use]
    pub fn new(key: Key, modes: Interest) -> Self {
        Self { key, modes }
    }
}

/// A bridge to something that waits for handles.
///
/// The kernel adds a handle when its first watcher comes, changes it when the union of the watched modes changes, and
/// deletes it when nothing is left to watch it for. Readiness is level-triggered: a handle is reported by each wait
/// for as long as it is ready.
///
/// An implementation
/// - keeps the share of the handle that `add` gives it until `delete`, so that the descriptor cannot be closed and
///   used again under it;
/// - reports hang-ups and errors as readiness for every watched mode;
/// - answers `add` with the operating system's error; `EPERM` means that the handle cannot be waited for because it is
///   always ready, as a regular file is, and the kernel then does without the loop;
/// - returns early from `wait` after the waker was called, once for any number of calls;
/// - runs no code that calls the kernel: the loop is borrowed meanwhile. Such code wakes it, and runs after `wait`.
pub trait EventLoop: fmt::Debug {
    /// The loop's name, as a user would choose it by.
    fn name(&self) -> &'static str;

    /// Begins to watch a handle.
    ///
    /// # Errors
    ///
    /// What the operating system says: `EPERM` for a handle that is always ready.
    fn add(&mut self, handle: Rc<dyn AsFd>, key: Key, modes: Interest) -> io::Result<()>;

    /// Changes what a handle is watched for; never to nothing.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    fn modify(&mut self, key: Key, modes: Interest) -> io::Result<()>;

    /// Ends the watch of a handle.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    fn delete(&mut self, key: Key) -> io::Result<()>;

    /// Begins anew in a child process, which shares its parent's descriptors: replaces the loop's own, without a change to
    /// what the parent waits for, and forgets all handles, which the kernel then adds again. Wakers that were given out
    /// wake the new loop.
    ///
    /// # Errors
    ///
    /// What the operating system says; [`io::ErrorKind::Unsupported`] for a loop that cannot do this, as all that leave it
    /// out.
    fn has_forked(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Waits until a handle is ready, the waker is called, or the time is over; `None` is for ever. Adds what is ready
    /// to the list. An interrupted wait may return early with nothing.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    fn wait(&mut self, ready: &mut Vec<Readiness>, timeout: Option<Duration>) -> io::Result<()>;

    /// Something that ends a wait from another thread.
    fn waker(&self) -> std::sync::Arc<dyn Wake>;
}

/// Ends the wait of an event loop from any thread.
pub trait Wake: fmt::Debug + Send + Sync {
    /// Has the wait that is on, or the next one, return at once.
    fn wake(&self);
}
