//! Plain reading and writing.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::Shutdown;

use crate::calls::Calls;
use crate::{ConfigError, Driver, Get, OutputQueue, ReadBuffer};

/// How much is read at once unless told otherwise: 64 KiB. POE's `BlockSize`.
const DEFAULT_BLOCK_SIZE: usize = 64 * 1024;

/// Reads and writes plainly: for sockets, pipes, terminals, files. POE's `POE::Driver::SysRW`.
///
/// Its handle should be non-blocking. That a peer is gone shows as an error of
/// [`flush`](Driver::flush), for a Rust program ignores `SIGPIPE`. A full disk does too; where files may not grow beyond a limit
/// (`ulimit -f`), the system kills who does not ignore or catch `SIGXFSZ`.
///
/// ```
/// use std::os::fd::AsFd;
/// use std::os::unix::net::UnixStream;
/// use poe_driver::{Driver, Get, ReadBuffer, SysRw};
///
/// let (ours, theirs) = UnixStream::pair()?;
/// ours.set_nonblocking(true)?;
/// let mut driver = SysRw::new();
/// let mut buffer = ReadBuffer::new();
/// assert_eq!(driver.get(ours.as_fd(), &mut buffer)?, Get::Nothing);
/// drop(theirs);
/// assert_eq!(driver.get(ours.as_fd(), &mut buffer)?, Get::Eof);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct SysRw {
    queue: OutputQueue,
    block_size: usize,
    reads: Calls,
}

impl SysRw {
    /// A driver that reads up to 64 KiB at once.
    #[must_use]
    pub fn new() -> Self {
        Self { queue: OutputQueue::new(), block_size: DEFAULT_BLOCK_SIZE, reads: Calls::default() }
    }

    /// A driver with other parameters.
    pub fn builder() -> SysRwBuilder {
        SysRwBuilder { block_size: DEFAULT_BLOCK_SIZE }
    }
}

impl Default for SysRw {
    fn default() -> Self {
        Self::new()
    }
}

impl Driver for SysRw {
    fn get(&mut self, handle: BorrowedFd<'_>, buffer: &mut ReadBuffer) -> io::Result<Get> {
        let octets = buffer.read(self.block_size, |space| {
            loop {
                match self.reads.read(handle, space) {
                    Err(Errno::EINTR) => {}
                    done => return done.map_err(io::Error::from),
                }
            }
        });
        match octets {
            Ok(octets) if octets.is_empty() => Ok(Get::Eof),
            Ok(octets) => Ok(Get::Octets(octets)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Get::Nothing),
            Err(error) => Err(error),
        }
    }

    fn output(&mut self) -> &mut OutputQueue {
        &mut self.queue
    }

    fn flush(&mut self, handle: BorrowedFd<'_>) -> io::Result<usize> {
        self.queue.flush(handle)
    }

    fn get_out_octets(&self) -> usize {
        self.queue.octets()
    }

    fn get_out_messages_buffered(&self) -> usize {
        self.queue.messages()
    }

    fn shutdown_output(&mut self, handle: BorrowedFd<'_>) -> io::Result<()> {
        match nix::sys::socket::shutdown(handle.as_raw_fd(), Shutdown::Write) {
            Ok(()) | Err(Errno::ENOTSOCK | Errno::ENOTCONN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn discard_output(&mut self) -> usize {
        self.queue.clear()
    }
}

/// The parameters of a [`SysRw`].
///
/// ```
/// use poe_driver::{ConfigError, SysRw};
///
/// assert!(SysRw::builder().block_size(1024).build().is_ok());
/// assert_eq!(SysRw::builder().block_size(0).build().unwrap_err(), ConfigError::BlockSizeZero);
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct SysRwBuilder {
    block_size: usize,
}

impl SysRwBuilder {
    /// How much is read at once, in octets: 64 KiB by default. The [`ReadBuffer`] has a limit, too.
    pub fn block_size(mut self, octets: usize) -> Self {
        self.block_size = octets;
        self
    }

    /// Makes the driver.
    ///
    /// # Errors
    ///
    /// [`ConfigError::BlockSizeZero`].
    pub fn build(self) -> Result<SysRw, ConfigError> {
        if self.block_size == 0 {
            return Err(ConfigError::BlockSizeZero);
        }
        Ok(SysRw { block_size: self.block_size, ..SysRw::new() })
    }
}
