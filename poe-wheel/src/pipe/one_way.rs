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

    pub(super) fn make(kind: PipeKind) -> Result<Self, Failed> {
        match kind {
            PipeKind::Pipe => {
                let (read, write) = io::pipe().map_err(failed("pipe"))?;
                Self::from_handles(kind, read, write)
            }
            PipeKind::SocketPair => {
                let (read, write) = UnixStream::pair().map_err(failed("socketpair"))?;
                Self::from_sockets(kind, read, write)
            }
            PipeKind::Inet => {
                let (read, write) = inet::pair()?;
                Self::from_sockets(kind, read, write)
            }
        }
    }

    /// Sockets go both ways, unless each is shut down one way.
    fn from_sockets(
        kind: PipeKind,
        read: impl Into<OwnedFd>,
        write: impl Into<OwnedFd>,
    ) -> Result<Self, Failed> {
        let pipe = Self::from_handles(kind, read, write)?;
        let shut_down = |handle: &PipeHandle, how| SockRef::from(handle).shutdown(how);
        shut_down(&pipe.read, Shutdown::Write)
            .and_then(|()| shut_down(&pipe.write, Shutdown::Read))
            .map_err(failed("shutdown"))?;
        Ok(pipe)
    }

    fn from_handles(
        kind: PipeKind,
        read: impl Into<OwnedFd>,
        write: impl Into<OwnedFd>,
    ) -> Result<Self, Failed> {
        Ok(Self { read: PipeHandle::new(read)?, write: PipeHandle::new(write)?, kind })
    }
}
