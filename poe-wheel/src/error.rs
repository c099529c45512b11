//! What wheels report: failures while they run as events, failures to begin as errors.

use std::fmt;
use std::io;
use std::path::PathBuf;

use nix::errno::Errno;
use poe_filter::FilterError;
use poe_kernel::{NoActiveSession, SignalError, WatchError};
use thiserror::Error;

use crate::{Address, RunStream, WheelId, listener};

/// The payload of a wheel's error event (POE: operation, errno, text, wheel id).
///
/// The end of file is reported as one of these, as in POE: operation `"read"`, [`Self::errno`] 0.
///
/// ```
/// # use poe_wheel::{IoError, ReadWrite};
/// # struct Heap { wheel: Option<ReadWrite> }
/// fn failed(cx: &mut poe_session::Cx<'_, Heap>, error: IoError) {
///     if error.is_recoverable() {
///         // One record was refused; the next one comes.
///         return;
///     }
///     if !error.is_eof() {
///         println!("connection lost: {error}");
///     }
///     cx.heap.wheel = None;
/// }
/// # let _ = failed;
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct IoError {
    /// What was being done:
    ///
    /// - `"read"`, by all wheels that do, the end of the input among it;
    /// - `"write"`, by all wheels that do;
    /// - `"shutdown"`, of the output;
    /// - `"filter"`, for input or output that the filter refuses;
    /// - `"handshake"`, of a driver that takes too long for one, told by components;
    /// - `"accept"`, for clients;
    /// - `"open"` and `"stat"`, for a file that is followed;
    /// - `"getaddrinfo"`, `"getservbyname"`, `"socket"`, `"setsockopt"`, `"bind"`, `"connect"` and `"getpeername"`, for a
    ///   connection to be made; where this end has a path, `"unlink"` and `"stat"`;
    /// - `"getaddrinfo"`, `"socket"`, `"setsockopt"`, `"bind"` and `"listen"`, for a name to be listened at, or bound to;
    /// - `"tcsetattr"`, `"fcntl"` and `"kill"`, for a terminal to be taken, and for the program to be stopped.
    pub operation: &'static str,
    /// What happened.
    pub cause: IoCause,
    /// The wheel it happened to.
    pub wheel: WheelId,
    /// Of a [`Run`](crate::Run) wheel, the stream that it happened to (POE: `"STDIN"`, `"STDOUT"`, `"STDERR"`).
    pub stream: Option<RunStream>,
    is_tried_again: bool,
}

/// Why an operation of a wheel failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum IoCause {
    /// The peer sends no more. `unfinished` octets of a record that was not complete were left over.
    Eof {
        /// How many octets.
        unfinished: usize,
    },
    /// A file that was followed has another in its place, and ended within a record.
    Unfinished {
        /// How many octets of the record there were.
        octets: usize,
    },
    /// The operating system said so, or the driver, whose error is inside this one.
    Os(io::Error),
    /// The filter could not make records of the input, or octets of the output.
    Filter(FilterError),
}

impl IoError {
    /// A failure of an operation, for a wheel that reports it, or a test of a handler.
    ///
    /// ```
    /// use poe_wheel::{IoCause, IoError, WheelId};
    ///
    /// let error = IoError::new("read", IoCause::Eof { unfinished: 0 }, WheelId::allocate());
    /// assert!(error.is_eof());
    /// ```
    #[must_use]
    pub fn new(operation: &'static str, cause: IoCause, wheel: WheelId) -> Self {
        Self { operation, cause, wheel, stream: None, is_tried_again: false }
    }

    /// The same, of a wheel that tries again by itself.
    pub(crate) fn tried_again(self) -> Self {
        Self { is_tried_again: true, ..self }
    }

    /// The operating system's error number; 0 at the end of file, and for a filter's error. A name that cannot be resolved
    /// has none, and counts as `EADDRNOTAVAIL` as in POE, so that 0 means nothing else; an error of a driver counts as
    /// `EPROTO`.
    #[must_use]
    pub fn errno(&self) -> i32 {
        match &self.cause {
            IoCause::Os(error) => error.raw_os_error().unwrap_or(match self.operation {
                "read" | "write" | "shutdown" => Errno::EPROTO as i32,
                "handshake" => Errno::ETIMEDOUT as i32,
                _ => Errno::EADDRNOTAVAIL as i32,
            }),
            IoCause::Eof { .. } | IoCause::Unfinished { .. } | IoCause::Filter(_) => 0,
        }
    }

    /// Whether the peer merely sends no more.
    #[must_use]
    pub fn is_eof(&self) -> bool {
        matches!(self.cause, IoCause::Eof { .. })
    }

    /// The kind of the operating system's error.
    #[must_use]
    pub fn kind(&self) -> Option<io::ErrorKind> {
        match &self.cause {
            IoCause::Os(error) => Some(error.kind()),
            IoCause::Eof { .. } | IoCause::Unfinished { .. } | IoCause::Filter(_) => None,
        }
    }

    /// Whether the operation goes on after this: the filter has dropped one record, and takes the next; clients could not be
    /// accepted, or a file not opened, and the wheel tries again after a while; one datagram was lost, and others come and go.
    #[must_use]
    pub fn is_recoverable(&self) -> bool {
        match &self.cause {
            IoCause::Filter(error) => !error.is_fatal(),
            IoCause::Os(error) => {
                self.is_tried_again
                    || (self.operation == "accept" && listener::is_tried_again(error))
            }
            IoCause::Unfinished { .. } => true,
            IoCause::Eof { .. } => false,
        }
    }
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(stream) = self.stream {
            write!(f, "{stream}: ")?;
        }
        match &self.cause {
            IoCause::Eof { unfinished: 0 } => write!(f, "{}: end of file", self.operation),
            IoCause::Eof { unfinished } => {
                write!(f, "{}: end of file after {unfinished} octets of a record", self.operation)
            }
            IoCause::Unfinished { octets } => {
                write!(
                    f,
                    "{}: the file has ended after {octets} octets of a record",
                    self.operation
                )
            }
            IoCause::Os(error) => write!(f, "{}: {error}", self.operation),
            IoCause::Filter(error) => write!(f, "{}: {error}", self.operation),
        }
    }
}

impl std::error::Error for IoError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            IoCause::Eof { .. } | IoCause::Unfinished { .. } => None,
            IoCause::Os(error) => Some(error),
            IoCause::Filter(error) => Some(error),
        }
    }
}

/// Why a wheel could not begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WheelError {
    /// No session is active to own it.
    #[error(transparent)]
    NoActiveSession(#[from] NoActiveSession),
    /// Its handle could not be watched.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// A filter or a driver asked for something that cannot be done while it is called.
    #[error("the wheel is calling its filter or its driver; try again when that has returned")]
    Busy,
    /// The filter is of another type than the one asked for.
    #[error("the wheel's filter is no {wanted}; ask for the type that it was given")]
    OtherFilter {
        /// The type asked for.
        wanted: &'static str,
    },
    /// A driver cannot be put in the place of the present one.
    #[error(
        "the driver cannot take the present one's place; a connection changes over to one that encrypts, and not back"
    )]
    Driver,
    /// The marks do not go together (POE: "Water mark errors").
    #[error(
        "water marks {low} and {high} do not go together; the low one must be less, and both more than 0"
    )]
    Marks {
        /// The low mark.
        low: usize,
        /// The high mark.
        high: usize,
    },
    /// A mark's event without marks.
    #[error("{event} needs water marks; give high_mark and low_mark")]
    NoMarks {
        /// The event's parameter.
        event: &'static str,
    },
    /// Marks without an event for sinking to the low one (POE: "LowMark and LowEvent parameters require each-other").
    #[error("water marks need a low_event; without it nobody learns when to go on")]
    NoLowEvent,
    /// A socket could not be made.
    #[error("cannot {operation} {address}: {source}")]
    Socket {
        /// What was being done.
        operation: &'static str,
        /// The address.
        address: Address,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A wheel of datagrams was given another socket, as one of a stream.
    #[error(
        "a Udp wheel needs a datagram socket, and the one of {address} is none; a ReadWrite wheel reads and writes streams"
    )]
    NoDatagrams {
        /// The socket's own address.
        address: Address,
    },
    /// A wheel that has nothing to do without it (POE: "InputEvent required").
    #[error("a wheel that follows a file needs an input_event; without it nobody gets the records")]
    NoInputEvent,
    /// Several places to begin at (POE: "can't have Seek and SeekBack at the same time").
    #[error("seek, seek_back and position exclude one another; give one of them")]
    OnePlace,
    /// What was to be followed is a directory.
    #[error("cannot follow {}: it is a directory", path.as_deref().map_or("a handle".into(), |path| path.to_string_lossy()))]
    Directory {
        /// Its name, if it was given one.
        path: Option<PathBuf>,
    },
    /// A handle of which the operating system does not say what it is.
    #[error("cannot follow a handle: {source}")]
    Handle {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Parameters that exclude each other, or are none (POE croaks).
    #[error("{0}")]
    Parameters(&'static str),
    /// An event of a stream that the wheel does not have.
    #[error("the wheel has no {stream}; ask for it when the child is built")]
    NoStream {
        /// Which one.
        stream: &'static str,
    },
    /// A terminal could not be taken.
    #[cfg(feature = "curses")]
    #[error("cannot take the terminal: {operation}: {source}")]
    Terminal {
        /// What was being done: `"tcsetattr"`, `"fcntl"` or `"read"`.
        operation: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A child, or something that it needs, could not be had: no such program, no permission, no descriptors or processes left.
    #[error("cannot {operation} {target}: {source}")]
    Run {
        /// What was being done: `"start"`, `"open"`, `"enter"`, `"look up"`, `"fork for"` and so on.
        operation: &'static str,
        /// To what: a program, a file, a directory, a user.
        target: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A child could not be waited for, and was killed.
    #[error(transparent)]
    Child(#[from] SignalError),
    /// A host name could not be resolved.
    #[error("cannot resolve {host:?}: {source}")]
    Resolve {
        /// The name, and the port if it has one.
        host: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}
