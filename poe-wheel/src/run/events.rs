//! What a `Run` wheel says.

use std::process::ExitStatus;

use crate::WheelId;

/// The events of a [`Run`](crate::Run) wheel, for [`Run::event`](crate::Run::event).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunEvent {
    /// All that was put has gone to the child's standard input (POE: `StdinEvent`); carries the [`WheelId`].
    Stdin,
    /// A record of standard output has come (POE: `StdoutEvent`); carries [`Input`](crate::Input).
    Stdout,
    /// Standard output has ended within a record, which the filter makes one of all the same; carries
    /// [`Input`](crate::Input).
    StdoutPartial,
    /// A record of standard error has come (POE: `StderrEvent`); carries [`Input`](crate::Input).
    Stderr,
    /// Standard error has ended within a record; carries [`Input`](crate::Input).
    StderrPartial,
    /// Something failed, or a stream has ended (POE: `ErrorEvent`); carries [`IoError`](crate::IoError).
    Error,
    /// All outputs have ended (POE: `CloseEvent`); carries the [`WheelId`].
    Close,
    /// The child has ended; carries [`RunExit`].
    Exit,
    /// More output is queued for the child than the high mark; carries the [`WheelId`].
    High,
    /// No more output is queued for the child than the low mark, after the high one had been reached; carries the
    /// [`WheelId`].
    Low,
}

/// How a child has ended: the payload of a [`Run`](crate::Run) wheel's exit event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunExit {
    /// The child's process id, which by now may be another's; none of code in a thread.
    pub pid: Option<u32>,
    /// How it ended (POE: `$?`). `None` if others waited for it, so that nobody can tell any more.
    pub status: Option<ExitStatus>,
    /// The wheel whose child it was.
    pub wheel: WheelId,
}

impl RunExit {
    /// Whether the child is known to have ended as it should: with status 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }
}
