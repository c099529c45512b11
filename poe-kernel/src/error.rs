//! The errors of the kernel's methods, by what was being done.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::death::SharedDeath;
use crate::{Asserts, Caller, Name, SessionId, UnknownLoop};

/// Why the kernel could not start, or stopped early.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KernelError {
    /// The operating system refused the event loop something.
    #[error("event loop cannot {operation}: {source}")]
    EventLoop {
        /// What was being done.
        operation: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The environment asks for an event loop that there is not.
    #[error(transparent)]
    UnknownLoop(#[from] UnknownLoop),
    /// The file that `POE_TRACE_FILENAME` names cannot be written.
    #[error("cannot write traces to {}: {source}; see POE_TRACE_FILENAME", path.display())]
    TraceFile {
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A handler returned an error that no session handled (POE: an unhandled `DIE`).
    #[error(transparent)]
    Died(#[from] SharedDeath),
    /// Signals cannot come in after a fork.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// A session could not be created; so that a program of sessions needs no other error type.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// `run` was called in a handler of the kernel that it was to run.
    #[error("kernel is already running; a handler may run single timeslices through its context")]
    AlreadyRunning,
    /// All sessions were to be stopped, or a turn was to be run, by a handler that holds its session's heap, or was called by
    /// one that does: the session could be sent nothing.
    #[error(
        "session {0} can be sent nothing now: a handler of its own holds its heap; use cx, or cx.suspend"
    )]
    HeapHeld(SessionId),
}

/// What a session dies of when an assertion that is on finds a fault (POE: `ASSERT_…`).
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("assertion {assertion} failed: {message}")]
#[non_exhaustive]
pub struct AssertionFailed {
    /// Which assertion.
    pub assertion: Asserts,
    /// What it found.
    pub message: String,
}

/// The destination of an event is not there (POE: `ESRCH`).
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "no session {destination:?} to send event {event:?} to; it has stopped, is another kernel's, or the alias is not set"
)]
pub struct NoSession {
    /// The destination as it was given.
    pub destination: String,
    /// The event.
    pub event: Name,
}

/// Why an event was not posted.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PostError {
    /// The destination is not there.
    #[error(transparent)]
    NoSession(#[from] NoSession),
    /// As many events wait as [`KernelBuilder::max_events`](crate::KernelBuilder::max_events) allows.
    #[error(
        "{limit} posted events wait, as many as may; event {event:?} is to be posted again when some have been handled"
    )]
    QueueFull {
        /// The event.
        event: Name,
        /// How many may wait.
        limit: usize,
    },
}

/// Why a synchronous event gave no answer.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The destination is not there (POE: `ESRCH`).
    #[error(transparent)]
    NoSession(#[from] NoSession),
    /// The destination has neither a handler for the event nor a default one.
    #[error("session {session} has no handler for event {event:?}")]
    NoHandler {
        /// The session called.
        session: SessionId,
        /// The event.
        event: Name,
    },
    /// A handler up the stack holds the session's heap: it called through the kernel rather than its context.
    #[error(
        "session {session} cannot take event {event:?} now: a handler of its own holds its heap; call through cx"
    )]
    Busy {
        /// The session called.
        session: SessionId,
        /// The event.
        event: Name,
    },
    /// The handler takes another type of payload.
    #[error(
        "event {event:?} of session {session} takes {expected}, but was sent {sent} at {caller}"
    )]
    WrongPayload {
        /// The session called.
        session: SessionId,
        /// The event.
        event: Name,
        /// The type that the handler takes.
        expected: &'static str,
        /// The type that was sent.
        sent: &'static str,
        /// Where it was sent.
        caller: Caller,
    },
    /// The handler returned a value of another type.
    #[error(
        "event {event:?} of session {session} returned {returned}, but its caller at {caller} waits for {expected}"
    )]
    WrongReply {
        /// The session called.
        session: SessionId,
        /// The event.
        event: Name,
        /// The type that the caller waits for.
        expected: &'static str,
        /// The type that was returned.
        returned: &'static str,
        /// Where the call was made.
        caller: Caller,
    },
    /// The handler failed, and its session was sent `DIE` unless it is the caller's own.
    #[error("call failed: {0}")]
    Died(#[source] SharedDeath),
}

/// Why a session was not created.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpawnError {
    /// As many sessions live as a kernel can number.
    #[error("kernel already holds {0} sessions, as many as it can number")]
    TooMany(usize),
    /// The session that would be the parent could not be told: a handler of its own holds its heap.
    #[error(
        "session {0} cannot be told of a child now: its handler holds its heap; spawn through cx"
    )]
    ParentBusy(SessionId),
}

/// Why an alias was not set or removed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AliasError {
    /// Another session has it (POE: `EEXIST`).
    #[error("alias {alias:?} is in use by session {owner}")]
    InUse {
        /// The alias.
        alias: String,
        /// Who has it.
        owner: SessionId,
    },
    /// No session has it (POE: `ESRCH`).
    #[error("alias {alias:?} does not exist")]
    Unknown {
        /// The alias.
        alias: String,
    },
    /// Another session has it (POE: `EPERM`).
    #[error("alias {alias:?} belongs to session {owner}; only its owner may remove it")]
    NotYours {
        /// The alias.
        alias: String,
        /// Who has it.
        owner: SessionId,
    },
    /// The active session has stopped.
    #[error("alias {alias:?} has no session to name: session {session} has stopped")]
    Stopped {
        /// The alias.
        alias: String,
        /// The session that asked.
        session: SessionId,
    },
}

/// Why a timer could not be changed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimerError {
    /// No session is active, whose timer it could be.
    #[error(transparent)]
    NoActiveSession(#[from] NoActiveSession),
    /// It has fired or was removed (POE: `ESRCH`).
    #[error("timer {0} has fired or was removed")]
    Gone(crate::TimerId),
    /// It is another session's (POE: `EPERM`).
    #[error("timer {timer} belongs to session {owner}; only its owner may change it")]
    NotYours {
        /// The timer.
        timer: crate::TimerId,
        /// Whose it is.
        owner: SessionId,
    },
}

/// A method that acts for the active session was called when none was (POE: `ASSERT_USAGE`).
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{0} acts for the active session, and none is active; call it from a handler")]
pub struct NoActiveSession(pub &'static str);

/// Why a session was not moved in the tree.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DetachError {
    /// No session is active.
    #[error(transparent)]
    NoActiveSession(#[from] NoActiveSession),
    /// No such session (POE: `ESRCH`).
    #[error("no session {0:?} to detach")]
    NoSession(String),
    /// It is not a child of the active session (POE: `EPERM`).
    #[error("session {child} is not a child of session {parent}")]
    NotAChild {
        /// The session to detach.
        child: SessionId,
        /// The session that asked.
        parent: SessionId,
    },
    /// It would be below itself.
    #[error("session {to} is session {child} or below it, and cannot become its parent")]
    Cycle {
        /// The session to move.
        child: SessionId,
        /// Its parent to be.
        to: SessionId,
    },
    /// It is at the top already (POE: `EPERM`).
    #[error("session {0} is a child of the kernel already")]
    TopLevel(SessionId),
    /// Its parent's heap is held by a handler up the stack.
    #[error("session {0} cannot be told now: its handler holds its heap; detach through cx")]
    Busy(SessionId),
}

/// Why an extra reference was not counted.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefcountError {
    /// No such session (POE: `ESRCH`).
    #[error("no session {0} to count references to")]
    NoSession(SessionId),
    /// The tag's count is 0 already; the original would have made it negative.
    #[error("session {session} has no reference tagged {tag:?} to give back")]
    NotHeld {
        /// The session.
        session: SessionId,
        /// The tag.
        tag: Name,
    },
}

/// Why a handle is not watched.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WatchError {
    /// No session is active to watch for.
    #[error(transparent)]
    NoActiveSession(#[from] NoActiveSession),
    /// The operating system refused.
    #[error("cannot {operation} descriptor {descriptor}: {source}")]
    Os {
        /// What was being done.
        operation: &'static str,
        /// The descriptor.
        descriptor: i32,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// Why a signal is not watched, or is not of another class.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SignalError {
    /// No session is active to watch for.
    #[error(transparent)]
    NoActiveSession(#[from] NoActiveSession),
    /// The active session has been stopped, and nothing can reach it any more (POE is silent).
    #[error("session {0} has stopped, and cannot be told of anything")]
    Stopped(SessionId),
    /// This process has no such child, or it was waited for already (POE waits in vain).
    #[error(
        "process {pid} is no child to wait for: it is not one of this process, or was waited for"
    )]
    NotAChild {
        /// The process id as it was given.
        pid: u32,
    },
    /// The name begins with `SIG`, as no signal's does here (POE waits in vain).
    #[error("no signal is called {signal}; the one of the operating system is {name:?} here")]
    Prefixed {
        /// The name as it was given.
        signal: Name,
        /// The name to use instead.
        name: &'static str,
    },
    /// The signal is the kernel's own, and does what it does.
    #[error("what signal {signal} does cannot be changed: the kernel sends it itself")]
    Reserved {
        /// The signal.
        signal: Name,
    },
    /// The operating system refused to have the signal handled.
    #[error("cannot watch signal {signal}: {source}")]
    Os {
        /// The signal.
        signal: Name,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}
