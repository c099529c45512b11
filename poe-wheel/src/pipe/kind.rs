//! What a pipe is made of.

use std::fmt;
use std::io;

use thiserror::Error;

/// What a pipe is made of (POE: the type, one of `"pipe"`, `"socketpair"` and `"inet"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PipeKind {
    /// `pipe(2)`, once for each direction.
    Pipe,
    /// A pair of UNIX sockets.
    SocketPair,
    /// A TCP connection over the loopback interface, for where there is nothing else, and for programs that insist on one.
    Inet,
}

impl fmt::Display for PipeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pipe => "pipe",
            Self::SocketPair => "socketpair",
            Self::Inet => "inet",
        })
    }
}

/// Why a pipe could not be made.
///
/// Without descriptors, [`errno`](Self::errno) is `EMFILE` or `ENFILE`: close some, or raise the limit.
#[derive(Debug, Error)]
#[error("cannot make a pipe of kind {kind}: {operation}: {source}")]
#[non_exhaustive]
pub struct PipeError {
    /// What it was to be made of; where any would have done, what was tried first.
    pub kind: PipeKind,
    /// The system call that failed.
    pub operation: &'static str,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

impl PipeError {
    /// The operating system's error number.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        self.source.raw_os_error()
    }
}

/// A system call that failed.
pub(super) type Failed = (&'static str, io::Error);

/// Says which system call it was that failed.
pub(super) fn failed<E: Into<io::Error>>(operation: &'static str) -> impl FnOnce(E) -> Failed {
    move |error| (operation, error.into())
}

/// Makes the first of these that can be made.
pub(super) fn first<P>(
    kinds: &[PipeKind],
    make: impl Fn(PipeKind) -> Result<P, Failed>,
) -> Result<P, PipeError> {
    let mut first = None;
    for &kind in kinds {
        match make(kind) {
            Ok(pipe) => return Ok(pipe),
            Err((operation, source)) => {
                first.get_or_insert(PipeError { kind, operation, source });
            }
        }
    }
    Err(first.unwrap_or_else(|| unreachable!("one kind at least is tried")))
}
