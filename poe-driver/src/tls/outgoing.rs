//! Octets that are encrypted, and not all sent yet.

use std::cell::RefCell;
use std::io;
use std::mem;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;

use crate::calls::Calls;

/// What is to be sent as it is. When all of it has gone, no memory is held.
#[derive(Default)]
pub(super) struct Outgoing {
    octets: Vec<u8>,
    written: usize,
    /// How many octets of the user's are among it, and how many messages ended with them.
    pub(super) sealed: (usize, usize),
    calls: Calls,
}

impl Outgoing {
    pub(super) fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// What is added here goes behind all else.
    pub(super) fn octets(&mut self) -> &mut Vec<u8> {
        &mut self.octets
    }

    pub(super) fn clear(&mut self) {
        (self.octets, self.written, self.sealed) = (Vec::new(), 0, (0, 0));
    }

    /// Whether the handle has taken all.
    pub(super) fn flush(&mut self, handle: BorrowedFd<'_>) -> io::Result<bool> {
        let (count, result) = write(&mut self.calls, handle, &self.octets[self.written..]);
        self.written += count;
        if self.written == self.octets.len() {
            self.clear();
        }
        result.map(|()| self.is_empty())
    }

    /// Sends this at once, where nothing is to go before it, and keeps what the handle does not take.
    pub(super) fn send(
        &mut self,
        handle: BorrowedFd<'_>,
        octets: &[u8],
        sealed: (usize, usize),
    ) -> io::Result<bool> {
        let (count, result) = write(&mut self.calls, handle, octets);
        if count < octets.len() {
            self.octets.extend_from_slice(&octets[count..]);
            self.sealed = sealed;
        }
        result.map(|()| self.is_empty())
    }
}

/// Writes what the handle takes, and tells how much that was even if it fails then.
fn write(calls: &mut Calls, handle: BorrowedFd<'_>, octets: &[u8]) -> (usize, io::Result<()>) {
    let mut count = 0;
    while count < octets.len() {
        match calls.write(handle, &octets[count..]) {
            Ok(0) | Err(Errno::EAGAIN) => break,
            Ok(some) => count += some,
            Err(Errno::EINTR) => {}
            Err(error) => return (count, Err(error.into())),
        }
    }
    (count, Ok(()))
}

/// Memory to decrypt and to encrypt in, one for all connections of a thread.
pub(super) mod scratch {
    use std::thread::LocalKey;

    use super::{RefCell, mem};

    /// The largest that is kept.
    const LARGEST: usize = 256 * 1024;

    pub(in crate::tls) struct Scratch(&'static LocalKey<RefCell<Vec<u8>>>);

    thread_local! {
        static OF_READING: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        static OF_WRITING: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }

    /// Two, as what is read into is not filled with zeros each time.
    pub(in crate::tls) static READING: Scratch = Scratch(&OF_READING);
    pub(in crate::tls) static WRITING: Scratch = Scratch(&OF_WRITING);

    impl Scratch {
        /// What is in it is left from before.
        pub(in crate::tls) fn take(&self) -> Vec<u8> {
            self.0.try_with(|memory| mem::take(&mut *memory.borrow_mut())).unwrap_or_default()
        }

        pub(in crate::tls) fn give(&self, memory: Vec<u8>) {
            if memory.capacity() <= LARGEST {
                // Fails only while the thread ends.
                let _ = self.0.try_with(|mine| *mine.borrow_mut() = memory);
            }
        }
    }
}
