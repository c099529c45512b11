//! Following files that grow, and are rotated, as logs are.

mod builder;
mod generation;
mod looking;
mod moves;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod network;
#[cfg_attr(not(any(target_os = "linux", target_os = "android")), path = "no_notifier.rs")]
mod notifier;
mod position;
mod rotated;
mod start;
mod tail;
mod wheel;

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::rc::Rc;

use bytes::Bytes;
use poe_kernel::{Name, SessionId};

pub use self::builder::FollowTailBuilder;
pub use self::position::Position;
use self::wheel::Wheel;
use crate::WheelId;

/// The events of a [`FollowTail`] wheel, for [`FollowTail::event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FollowTailEvent {
    /// A record has come (POE: `InputEvent`); carries [`Input`](crate::Input).
    Input,
    /// A file has ended within a record, which the filter makes one of all the same; carries [`Input`](crate::Input).
    Partial,
    /// Something failed (POE: `ErrorEvent`); carries [`IoError`](crate::IoError).
    Error,
    /// The next record is of another file, or of what was written after the file was truncated (POE: `ResetEvent`); carries
    /// the [`WheelId`].
    Reset,
    /// A poll has found nothing (POE: `IdleEvent`); carries the [`WheelId`].
    Idle,
}

/// Reads records from the end of a file, as they are written (POE: `POE::Wheel::FollowTail`).
///
/// A file that is followed by its name may be moved away and replaced, truncated, removed, and come back; it need not be there
/// yet. Each time that there is another file, or other contents, [`FollowTailEvent::Reset`] comes, then what is in it from the
/// start. What has been read before is not read again, and what had not been read yet when the file was moved away is read
/// first. What is no plain file, as a pipe, a socket or a terminal, is read as it comes; a pipe with a name is followed for as
/// long as it is open, though another one takes its name, as POE does.
///
/// Where the system tells of changes, they are read at once. Besides, the file is looked at in intervals, and where the system
/// does not tell, as of files on other machines, only then.
///
/// The wheel belongs to the session that was active when it was built, keeps it alive, and ends when it is dropped.
///
/// ```
/// use poe_session::prelude::*;
/// use poe_wheel::{FollowTail, Input};
/// use std::fs::File;
/// use std::io::Write;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let path = std::env::temp_dir().join(format!("follow-tail-{}", std::process::id()));
/// let mut log = File::create(&path)?;
/// writeln!(log, "an old line")?;
///
/// let kernel = Kernel::new()?;
/// let followed = path.clone();
/// Session::build(None::<FollowTail>)
///     .on_start(move |cx| -> HandlerResult {
///         *cx.heap = Some(FollowTail::build(&followed).input_event("line").spawn(cx.kernel)?);
///         writeln!(&log, "a new line")?;
///         Ok(())
///     })
///     .on("line", |cx, input: Input| {
///         assert_eq!(input.record, "a new line");
///         *cx.heap = None;
///     })
///     .spawn(&kernel)?;
/// kernel.run()?;
/// # std::fs::remove_file(path)?;
/// # Ok(())
/// # }
/// ```
///
/// # What is sure
///
/// - Each record of a file that is moved away, within its directory or with its successor being there only after its last
///   record was written, comes once, in order, and before those of its successor. Where the system tells of changes, that goes
///   for files too that have had the name for a moment only.
/// - A file that has lost its name is followed for three more polls after that, or after it was last written to, as its writers
///   may learn late of it. What they write then comes after what is in the new file already. The new file is not begun with before it holds
///   something, or the old one is closed.
/// - A record that a file has ended within is never joined with the next file's. It comes as
///   [`FollowTailEvent::Partial`], or is told as a failure.
/// - A file that was truncated is known by its contents: each read begins up to 1 KiB before the last one's end, and what is there
///   must be what was. So it may be as long as before, or longer. Nothing before that is compared: a file that was written anew in
///   place, and holds the same there, is gone on with as if nothing had happened. What was truncated before it was read is lost,
///   and so is what is removed before it was opened.
/// - A file that gets its name back is gone on with where it was left.
/// - Where the name is a symbolic link, that it leads elsewhere is told by the system, and that something is done to what it leads
///   to is found by polls.
/// - A turn reads no more than 1024 records and 256 KiB.
#[must_use = "a wheel ends when it is dropped"]
pub struct FollowTail<In: 'static = Bytes> {
    wheel: Rc<Wheel<In>>,
}

impl FollowTail {
    /// A wheel for the file of this name, whose filter is a `Line` unless another is given (POE: `Filename`).
    pub fn build(path: impl Into<PathBuf>) -> FollowTailBuilder {
        FollowTailBuilder::file(path.into())
    }

    /// A wheel for a handle that is open already (POE: `Handle`): what is done to the name does not matter. The handle's own place
    /// in a plain file is neither used nor changed.
    pub fn build_handle(handle: impl AsFd + 'static) -> FollowTailBuilder {
        FollowTailBuilder::handle(Rc::new(handle))
    }
}

impl<In: 'static> FollowTail<In> {
    /// The wheel's identity, which its events carry (POE: `ID`).
    #[must_use]
    pub fn id(&self) -> WheelId {
        self.wheel.id
    }

    /// The session that the wheel belongs to.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.wheel.session
    }

    /// Sends one of the wheel's events under another name from now on (POE: `event`). A paused wheel stays paused.
    pub fn event(&self, event: FollowTailEvent, name: impl Into<Name>) {
        self.wheel.rename(event, Some(name.into()));
        if event == FollowTailEvent::Input {
            self.wheel.schedule();
        }
    }

    /// Sends one of the wheel's events no more (POE: `event` with an undefined name). Without [`FollowTailEvent::Input`], which
    /// POE insists on, nothing is read.
    pub fn event_end(&self, event: FollowTailEvent) {
        self.wheel.rename(event, None);
    }

    /// How many octets of the file are before the end of the last record that was delivered (POE: `tell`, which says how far was
    /// read). `None` when no file is open, or what is open has no places, as a pipe.
    #[must_use]
    pub fn tell(&self) -> Option<u64> {
        self.wheel.tell()
    }

    /// The same place, to be stored and gone on from with [`FollowTailBuilder::position`].
    ///
    /// # Errors
    ///
    /// When the octets before it, which tell the file from others, cannot be read.
    pub fn position(&self) -> io::Result<Option<Position>> {
        self.wheel.position()
    }

    /// Whether the system tells of changes, so that they are not waited for until the next poll.
    #[must_use]
    pub fn is_notified(&self) -> bool {
        self.wheel.is_notified()
    }

    /// Stops: nothing is read or looked at, and records already read are kept back, until [`Self::resume_input`].
    pub fn pause_input(&self) {
        self.wheel.pause_input();
    }

    /// Goes on. Records that were kept back come when the current handler has returned.
    pub fn resume_input(&self) {
        self.wheel.resume_input();
    }
}

impl<In: 'static> Drop for FollowTail<In> {
    fn drop(&mut self) {
        self.wheel.end();
    }
}

impl<In: 'static> fmt::Debug for FollowTail<In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.wheel, f)
    }
}
