//! What the kernel and its sessions have to say besides errors.

use std::any::Any;
use std::fmt;
use std::fs::OpenOptions;
use std::io::Write;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::death::{Cause, Death, Panic};
use crate::{Caller, Kernel, KernelError, Name, SessionId, Traces};

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
    /// A trace that is on has something to say.
    Traced {
        /// Which trace.
        trace: Traces,
        /// The session concerned.
        session: SessionId,
        /// What happened.
        message: fmt::Arguments<'a>,
        /// Where: a line of the program, or of the kernel.
        location: &'static Location<'static>,
    },
    /// A session sent an event whose name is for the kernel's own, with [`Asserts::USAGE`](crate::Asserts::USAGE) on.
    ReservedName {
        /// Who sent it.
        sender: SessionId,
        /// The event.
        event: Name,
        /// Where it was sent.
        caller: Caller,
    },
    /// Something was left over when `run` ended, with [`Asserts::DATA`](crate::Asserts::DATA) on.
    Leak {
        /// The session that it was of.
        session: SessionId,
        /// What it is.
        what: &'a str,
        /// Where it came from.
        since: &'static Location<'static>,
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
            Self::Traced { trace, message, location, .. } => {
                let (file, line) = (location.file(), location.line());
                write!(f, "<{}> {message} at {file} line {line}", tag(*trace))
            }
            Self::ReservedName { sender, event, caller } => {
                write!(
                    f,
                    "session {sender} sent {event:?}, which is the kernel's own name, at {caller}"
                )
            }
            Self::Leak { session, what, since } => {
                write!(f, "left over of session {session}: {what} (since {since})")
            }
            Self::SecondDeath { death } => write!(f, "also: {death}"),
            Self::Undelivered { destination, event, caller } => {
                write!(f, "no session {destination:?} for event {event:?} posted at {caller}")
            }
            Self::Component { session, message } => write!(f, "session {session}: {message}"),
        }
    }
}

/// POE's mark for lines of a trace.
fn tag(trace: Traces) -> &'static str {
    match trace {
        Traces::EVENTS => "ev",
        Traces::FILES => "fh",
        Traces::REFCNT => "rc",
        Traces::RETVALS => "rv",
        Traces::SESSIONS => "ss",
        Traces::SIGNALS => "sg",
        Traces::DESTROY => "ds",
        Traces::PROFILE => "pr",
        _ => "st",
    }
}

pub(crate) type Listener = Box<dyn Fn(&Diagnostic<'_>)>;

pub(crate) fn to_standard_error(diagnostic: &Diagnostic<'_>) {
    write_line(&mut std::io::stderr(), diagnostic);
}

/// Writes to a file, which the first kernel of a process empties, and to which all then append (POE: `TRACE_FILENAME`).
pub(crate) fn to_file(path: PathBuf) -> Result<Listener, KernelError> {
    static EMPTIED: AtomicBool = AtomicBool::new(false);
    let open = || {
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        if !EMPTIED.swap(true, Ordering::Relaxed) {
            file.set_len(0)?;
        }
        Ok(file)
    };
    let opened = open();
    let file = opened.map_err(|source| KernelError::TraceFile { path, source })?;
    Ok(Box::new(move |diagnostic| write_line(&mut &file, diagnostic)))
}

fn write_line(to: &mut dyn Write, diagnostic: &Diagnostic<'_>) {
    let process = std::process::id();
    let mark = match diagnostic {
        Diagnostic::Traced { .. } => format!("=== {process} === "),
        _ => format!("{process}: "),
    };
    let mut text = String::new();
    for line in diagnostic.to_string().lines() {
        text.extend([&*mark, line, "\n"]);
    }
    // At once, so that lines of several processes stay lines; nowhere is left to say that it failed.
    let _ = to.write_all(text.as_bytes());
}

/// Passes a diagnostic on to the crate `tracing`; to be given to
/// [`KernelBuilder::diagnostics`](crate::KernelBuilder::diagnostics).
///
/// What traces say is of level `TRACE`, all else of level `WARN`; the target is `poe`. While [`Traces::EVENTS`] is on,
/// each handler runs in a span `handler` with the fields `session`, `sender` and `event`, so that what a program logs
/// there says by whom.
///
/// ```
/// use poe_kernel::{Kernel, Traces, to_tracing};
///
/// let kernel = Kernel::builder().traces(Traces::EVENTS).diagnostics(to_tracing).build()?;
/// kernel.run()?;
/// # Ok::<(), poe_kernel::KernelError>(())
/// ```
#[cfg(feature = "tracing")]
pub fn to_tracing(diagnostic: &Diagnostic<'_>) {
    match diagnostic {
        Diagnostic::Traced { trace, session, message, location } => {
            let (trace, session) = (tag(*trace), session.number());
            tracing::trace!(target: "poe", trace, session, file = location.file(), line = location.line(), "{message}");
        }
        _ => tracing::warn!(target: "poe", "{diagnostic}"),
    }
}

impl Kernel {
    /// Passes a diagnostic to whoever listens; for those who write sessions and components.
    ///
    /// A listener that panics ends the run with its panic, once what is being dispatched has returned.
    pub fn report(&self, diagnostic: &Diagnostic<'_>) {
        // The kernel may be halfway through something.
        let listen = || (self.inner.listener)(diagnostic);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(listen)) {
            self.listener_failed(panic);
        }
    }

    #[cold]
    fn listener_failed(&self, panic: Box<dyn Any + Send>) {
        if self.inner.is_fatal.get() {
            // It would be told of that, too.
            return;
        }
        let (session, state) = (self.active_session(), self.active_event());
        let event = state.unwrap_or_else(|| Name::new("_diagnostic"));
        let caller = Caller::new(Location::caller(), state);
        let cause = Cause::Panic(Panic::new(panic));
        self.halt(Arc::new(Death { session, sender: session, event, caller, cause }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_says_which_process_it_is_of() {
        let mut text = Vec::new();
        let location = Location::caller();
        let diagnostic = Diagnostic::Traced {
            trace: Traces::PROFILE,
            session: SessionId::KERNEL,
            message: format_args!("first\nsecond"),
            location,
        };
        write_line(&mut text, &diagnostic);
        let (process, at) = (std::process::id(), format!("{} line", location.file()));
        let text = String::from_utf8(text).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], format!("=== {process} === <pr> first"));
        assert!(lines[1].starts_with(&format!("=== {process} === second at {at}")), "{text}");
        assert_eq!(lines.len(), 2);
    }
}
