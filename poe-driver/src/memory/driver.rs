//! The driver.

use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::readiness::Readiness;
use super::state::Shared;
use super::{MemoryHandle, MemoryPeer};
use crate::{Driver, Get, OutputQueue, ReadBuffer};

/// A driver for tests: it reads from memory, writes to memory, and meets what faults it is to meet.
///
/// It does not care which handle it is called with. [`handle`](Self::handle) gives the one to watch.
///
/// ```
/// use std::os::fd::AsFd;
///
/// use poe_driver::memory::{Fault, Faults, Memory};
/// use poe_driver::{Driver, Get, ReadBuffer};
///
/// let (mut driver, peer) = Memory::pair()?;
/// let (handle, mut buffer) = (driver.handle(), ReadBuffer::new());
/// peer.send("hello");
/// peer.read_faults(Faults::script([Fault::WouldBlock]));
/// assert_eq!(driver.get(handle.as_fd(), &mut buffer)?, Get::Nothing);
/// assert_eq!(driver.get(handle.as_fd(), &mut buffer)?, Get::Octets("hello".into()));
///
/// peer.set_room(3);
/// driver.put("answer".into());
/// assert_eq!(driver.flush(handle.as_fd())?, 3);
/// assert_eq!(peer.received(), "ans");
/// assert_eq!(driver.flush(handle.as_fd())?, 0);
/// assert_eq!(peer.received(), "wer");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Memory {
    queue: OutputQueue,
    handle: MemoryHandle,
}

impl Memory {
    /// A driver, and the peer that it talks with.
    ///
    /// # Errors
    ///
    /// What the operating system says: there are no two descriptors for the handle to be watched.
    pub fn pair() -> io::Result<(Self, MemoryPeer)> {
        let (readiness, watched) = Readiness::new()?;
        let shared = Arc::new(Shared::new(readiness));
        let handle = MemoryHandle { shared: Arc::clone(&shared), watched };
        Ok((Self { queue: OutputQueue::new(), handle }, MemoryPeer::new(shared)))
    }

    /// The handle to watch.
    #[must_use]
    pub fn handle(&self) -> MemoryHandle {
        self.handle.clone()
    }
}

impl Driver for Memory {
    fn get(&mut self, _: BorrowedFd<'_>, buffer: &mut ReadBuffer) -> io::Result<Get> {
        let octets = buffer.read(usize::MAX, |space| {
            loop {
                match self.handle.read(space) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    done => return done,
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

    fn flush(&mut self, _: BorrowedFd<'_>) -> io::Result<usize> {
        while self.queue.octets() > 0 {
            match self.queue.consume(|octets| self.handle.write(octets)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(self.queue.octets())
    }

    fn get_out_octets(&self) -> usize {
        self.queue.octets()
    }

    fn get_out_messages_buffered(&self) -> usize {
        self.queue.messages()
    }

    fn shutdown_output(&mut self, _: BorrowedFd<'_>) -> io::Result<()> {
        self.handle.shutdown_output();
        Ok(())
    }

    fn discard_output(&mut self) -> usize {
        self.queue.clear()
    }
}
