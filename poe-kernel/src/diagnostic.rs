//! What the kernel and its sessions have to say besides errors.

use std::fmt;
use std::io::Write;

use crate::death::Death;
use crate::{Caller, Kernel, Name, SessionId};

/// Something worth a line in a log, that is no error of any call.
///
/// By default each is written to standard error, as the original does; [`KernelBuilder::diagnostics`] takes them
/// instead.
///
/// [`KernelBuilder::diagnostics`]: crate::KernelBuilder::diagnostics
#[derive(Debug)]
#[non_exhaustive]
pub enum Diagnostic<'a> {
    /// A session with option `trace` was sent an event.
    Trace {
        /// The session.
        session: SessionId,
        /// The event.
        event: Name,
        /// Where it was sent.
        caller: Caller,
    },
    /// A session with option `debug` had a handler replaced.
    Redefined {
        /// The session.
        session: SessionId,
        /// The event whose handler was replaced.
        event: Name,
    },
    /// A session with option `default` was sent an event that it has no handler for.
    Unhandled {
        /// The session.
        session: SessionId,
        /// Who sent the event.
        sender: SessionId,
        /// The event.
        event: Name,
        /// Where it was sent.
        caller: Caller,
    },
    /// A handler failed while the failure of another was ending the run.
    SecondDeath {
        /// The second failure.
        death: &'a Death,
    },
    /// An event that another thread posted came when the session it was for was gone.
    Undelivered {
        /// The destination as it was given.
        destination: &'a str,
        /// The event.
        event: Name,
        /// Where it was posted.
        caller: Caller,
    },
    /// A component has something to report, as a connection's error that nobody handles.
    Component {
        /// The session concerned.
        session: SessionId,
        /// What happened.
        message: &'a str,
    },
}

impl fmt::Display for Diagnostic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trace { session, event, caller } => {
                write!(f, "session {session} -> {event} (from {caller})")
            }
            Self::Redefined { session, event } => {
                write!(f, "session {session}: handler of event {event:?} replaced")
            }
            Self::Unhandled { session, sender, event, caller } => write!(
                f,
                "session {session} has no handler for event {event:?} sent by session {sender} at {caller}"
            ),
            Self::SecondDeath { death } => write!(f, "also: {death}"),
            Self::Undelivered { destination, event, caller } => {
                write!(f, "no session {destination:?} for event {event:?} posted at {caller}")
            }
            Self::Component { session, message } => write!(f, "session {session}: {message}"),
        }
    }
}

pub(crate) type Listener = Box<dyn Fn(&Diagnostic<'_>)>;

pub(crate) fn to_standard_error(diagnostic: &Diagnostic<'_>) {
    // Nowhere is left to say that standard error is closed.
    let _ = writeln!(std::io::stderr(), "{}: {diagnostic}", std::process::id());
}

impl Kernel {
    /// Passes a diagnostic to whoever listens; for those who write sessions and components.
    pub fn report(&self, diagnostic: &Diagnostic<'_>) {
        (self.inner.listener)(diagnostic);
    }
}
