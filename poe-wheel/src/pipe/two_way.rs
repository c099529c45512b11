//! A pipe that carries octets both ways.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use super::kind::{Failed, failed, first};
use super::{OneWay, PipeError, PipeHandle, PipeKind, inet};

/// A pipe both ways, between a side `a` and a side `b` (POE: `POE::Pipe::TwoWay`).
///
/// Each side is for [`ReadWrite::build_pair`](crate::ReadWrite::build_pair). Of sockets, both handles of a side are one
/// descriptor.
///
/// ```
/// use std::io::{Read, Write};
///
/// use poe_wheel::pipe::TwoWay;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut pipe = TwoWay::new()?;
/// pipe.a_write.write_all(b"ping")?;
/// pipe.b_write.write_all(b"pong")?;
/// let mut octets = [0; 4];
/// pipe.b_read.read_exact(&mut octets)?;
/// assert_eq!(&octets, b"ping");
/// pipe.a_read.read_exact(&mut octets)?;
/// assert_eq!(&octets, b"pong");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TwoWay {
    /// What side `b` wrote.
    pub a_read: PipeHandle,
    /// For side `b` to read.
    pub a_write: PipeHandle,
    /// What side `a` wrote.
    pub b_read: PipeHandle,
    /// For side `a` to read.
    pub b_write: PipeHandle,
    kind: PipeKind,
}

impl TwoWay {
    /// A pipe of the first kind that can be made: socketpair, inet, pipe.
    ///
    /// # Errors
    ///
    /// Why the first could not be made, if none can.
    pub fn new() -> Result<Self, PipeError> {
        first(&[PipeKind::SocketPair, PipeKind::Inet, PipeKind::Pipe], Self::make)
    }

    /// A pipe of this kind.
    ///
    /// # Errors
    ///
    /// Why it could not be made.
    pub fn of(kind: PipeKind) -> Result<Self, PipeError> {
        first(&[kind], Self::make)
    }

    /// What it is made of.
    #[must_use]
    pub fn kind(&self) -> PipeKind {
        self.kind
    }

    fn make(kind: PipeKind) -> Result<Self, Failed> {
        match kind {
            PipeKind::Pipe => {
                let (there, back) = (OneWay::make(kind)?, OneWay::make(kind)?);
                Ok(Self {
                    a_read: back.read,
                    a_write: there.write,
                    b_read: there.read,
                    b_write: back.write,
                    kind,
                })
            }
            PipeKind::SocketPair => {
                let (a, b) = UnixStream::pair().map_err(failed("socketpair"))?;
                Self::from_sockets(kind, a, b)
            }
            PipeKind::Inet => {
                let (a, b) = inet::pair()?;
                Self::from_sockets(kind, a, b)
            }
        }
    }

    fn from_sockets(
        kind: PipeKind,
        a: impl Into<OwnedFd>,
        b: impl Into<OwnedFd>,
    ) -> Result<Self, Failed> {
        let (a, b) = (PipeHandle::new(a)?, PipeHandle::new(b)?);
        Ok(Self { a_read: a.share(), a_write: a, b_read: b.share(), b_write: b, kind })
    }
}
