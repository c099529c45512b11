//! Event loops: what tells the kernel that handles are ready, and waits.

mod poll;
mod polling;
mod select;
#[cfg(feature = "testkit")]
pub mod testkit;
mod watched;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::str::FromStr;
use std::sync::Arc;
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
    /// Makes such a loop; for those who wrap it, the kernel makes its own.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn start(self) -> io::Result<Box<dyn EventLoop>> {
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

/// A bridge to something that waits for handles (POE: the methods of `POE::Loop`).
///
/// The kernel adds a handle when its first watcher comes, changes it when the union of the watched modes changes, and
/// deletes it when nothing is left to watch it for. There is no time watcher to set, as POE's bridges have: each wait is
/// told how long it may last.
///
/// # Contract
///
/// The feature `testkit` has a kit that checks all of this for any implementation.
///
/// 1. Readiness is level-triggered: each wait reports a handle once for as long as it is ready, in those watched modes
///    that it is ready for. One wait need not report all that are ready, if the following waits report the others.
/// 2. A hang-up or an error is readiness for reading and for writing, as far as these are watched. More modes than are
///    watched may be reported with one, and with nothing else.
/// 3. The share of the handle that `add` gives is kept until `delete`, and then dropped, so that the descriptor cannot be
///    closed and used again while it is watched. The end of the loop drops all of them, although its waker lives on.
/// 4. A handle that cannot be waited for because it is always ready, as a regular file is, is reported by each wait, or
///    `add` answers `EPERM`: then the kernel does without the loop.
/// 5. Descriptors are independent, although they may be of one file, and keys are what tells them apart: a deleted one is
///    reported no more, whatever becomes of its number or of other descriptors of its file.
/// 6. `modify` and `delete` of a key that is not watched are errors. Any other error is the operating system's.
/// 7. `wait` lasts no longer than it may, does not end before that without a reason, and gives no processor time away
///    while it lasts, however short or long the time is. It adds to the list that it is given. A signal is no error:
///    the wait may then end early.
/// 8. After the waker was called, at any moment and on any thread, the wait that is on returns, or else the next one at
///    once; once for any number of calls. A wake is reported as nothing. It neither blocks nor fails, even when the
///    loop is gone.
/// 9. [`descriptor`](EventLoop::descriptor), if it gives one, can be read whenever a wait would find something, a wake
///    included, and only then.
/// 10. No code runs that calls the kernel: the loop is borrowed meanwhile. Such code wakes it, and runs after `wait`.
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
    fn waker(&self) -> Arc<dyn Wake>;

    /// A descriptor that can be read whenever a wait would find something, if the loop has one: it lets the kernel run
    /// in somebody else's loop, [`Embedded`](crate::Embedded).
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl<L: EventLoop + ?Sized> EventLoop for Box<L> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn add(&mut self, handle: Rc<dyn AsFd>, key: Key, modes: Interest) -> io::Result<()> {
        (**self).add(handle, key, modes)
    }

    fn modify(&mut self, key: Key, modes: Interest) -> io::Result<()> {
        (**self).modify(key, modes)
    }

    fn delete(&mut self, key: Key) -> io::Result<()> {
        (**self).delete(key)
    }

    fn has_forked(&mut self) -> io::Result<()> {
        (**self).has_forked()
    }

    fn wait(&mut self, ready: &mut Vec<Readiness>, timeout: Option<Duration>) -> io::Result<()> {
        (**self).wait(ready, timeout)
    }

    fn waker(&self) -> Arc<dyn Wake> {
        (**self).waker()
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        (**self).descriptor()
    }
}

/// Ends the wait of an event loop from any thread.
pub trait Wake: fmt::Debug + Send + Sync {
    /// Has the wait that is on, or the next one, return at once.
    fn wake(&self);
}
