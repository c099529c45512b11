//! The driver's end.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::state::Shared;

/// What a [`Memory`](super::Memory) reads and writes, and what it is watched on: a descriptor that is readable when there is
/// something to read, and writable when there is room. Octets do not go through the descriptor.
///
/// A driver written elsewhere, or whatever else reads and writes, may be tried on it: it reads and writes like a socket
/// that does not block, with all the faults that the peer was told of.
///
/// ```
/// use std::io::{ErrorKind, Read};
///
/// use poe_driver::memory::{Fault, Faults, Memory};
///
/// let (driver, peer) = Memory::pair()?;
/// let mut handle = driver.handle();
/// let mut space = [0; 8];
/// assert_eq!(handle.read(&mut space).unwrap_err().kind(), ErrorKind::WouldBlock);
///
/// peer.read_faults(Faults::script([Fault::Interrupted, Fault::Short(2)]));
/// peer.send("hello");
/// assert_eq!(handle.read(&mut space).unwrap_err().kind(), ErrorKind::Interrupted);
/// assert_eq!(handle.read(&mut space)?, 2);
/// assert_eq!(handle.read(&mut space)?, 3);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct MemoryHandle {
    pub(super) shared: Arc<Shared>,
    pub(super) watched: Arc<UnixStream>,
}

impl MemoryHandle {
    pub(super) fn shutdown_output(&self) {
        self.shared.with(|state| state.is_shut_down = true);
    }
}

impl AsFd for MemoryHandle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watched.as_fd()
    }
}

impl Read for MemoryHandle {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.shared.with(|state| state.read(space))
    }
}

impl Write for MemoryHandle {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.shared.with(|state| state.write(octets))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
