//! A pipe that carries octets one way.

use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use socket2::SockRef;

use super::kind::{Failed, failed, first};
use super::{PipeError, PipeHandle, PipeKind, inet};

/// A pipe one way: what is written to one handle is read from the other (POE: `POE::Pipe::OneWay`).
///
/// ```
/// use poe_session::prelude::*;
/// use poe_wheel::pipe::OneWay;
/// use poe_wheel::prelude::*;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kernel = Kernel::new()?;
/// let OneWay { read, mut write, .. } = OneWay::new()?;
/// let worker = std::thread::spawn(move || {
///     use std::io::Write;
///     write.write_all(b"half way\nthere\n")
/// });
/// let read = std::cell::Cell::new(Some(read));
/// Session::build(None::<ReadWrite>)
///     .on_start(move |cx| -> HandlerResult {
///         let read = read.take().ok_or("started twice")?;
///         let wheel = ReadWrite::build(read).input_event("line").error_event("end").spawn(cx.kernel)?;
///         *cx.heap = Some(wheel);
///         Ok(())
///     })
///     .on("line", |_, input: Input| assert!(input.record == "half way" || input.record == "there"))
///     .on("end", |cx, error: IoError| {
///         assert!(error.is_eof());
///         *cx.heap = None;
///     })
///     .spawn(&kernel)?;
/// kernel.run()?;
/// # worker.join().map_err(|_| "the thread panicked")??;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct OneWay {
    /// The handle to read from.
    pub read: PipeHandle,
    /// The handle to write to.
    pub write: PipeHandle,
    kind: PipeKind,
}

impl OneWay {
    /// A pipe of the first kind that can be made: pipe, socketpair, inet.
    ///
    /// # Errors
    ///
    /// Why the first could not be made, if none can.
    pub fn new() -> Result<Self, PipeError> {
        first(&[PipeKind::Pipe, PipeKind::SocketPair, PipeKind::Inet], Self::make)
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

    /// What is read from and what is written to, both as the system makes them: they block.
    pub(crate) fn ends(kind: PipeKind) -> Result<(OwnedFd, OwnedFd), PipeError> {
        first(&[kind], Self::make_ends)
    }

    pub(super) fn make(kind: PipeKind) -> Result<Self, Failed> {
        let (read, write) = Self::make_ends(kind)?;
        Ok(Self { read: PipeHandle::new(read)?, write: PipeHandle::new(write)?, kind })
    }

    fn make_ends(kind: PipeKind) -> Result<(OwnedFd, OwnedFd), Failed> {
        match kind {
            PipeKind::Pipe => {
                let (read, write) = io::pipe().map_err(failed("pipe"))?;
                Ok((read.into(), write.into()))
            }
            PipeKind::SocketPair => one_way(UnixStream::pair().map_err(failed("socketpair"))?),
            PipeKind::Inet => one_way(inet::pair()?),
        }
    }
}

/// Sockets go both ways, unless each is shut down one way.
fn one_way<S: Into<OwnedFd>>((read, write): (S, S)) -> Result<(OwnedFd, OwnedFd), Failed> {
    let (read, write) = (read.into(), write.into());
    SockRef::from(&read)
        .shutdown(Shutdown::Write)
        .and_then(|()| SockRef::from(&write).shutdown(Shutdown::Read))
        .map_err(failed("shutdown"))?;
    Ok((read, write))
}
