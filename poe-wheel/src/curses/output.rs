//! Octets on their way to a terminal that may not take them at once.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How long the last of the output may take, in all.
const LAST: Duration = Duration::from_millis(200);

/// What is to be written, in order.
#[derive(Debug, Default)]
pub(super) struct Output {
    octets: Vec<u8>,
    written: usize,
}

impl Output {
    /// Where to put what is written next.
    pub(super) fn end(&mut self) -> &mut Vec<u8> {
        &mut self.octets
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Writes until all is written, which is true, or nothing more is taken.
    pub(super) fn write(&mut self, handle: &dyn AsFd) -> io::Result<bool> {
        while self.written < self.octets.len() {
            match nix::unistd::write(handle, &self.octets[self.written..]) {
                Ok(count) => self.written += count,
                Err(Errno::EAGAIN) => return Ok(false),
                Err(Errno::EINTR) => {}
                Err(error) => {
                    self.clear();
                    return Err(error.into());
                }
            }
        }
        self.octets.clear();
        self.written = 0;
        Ok(true)
    }

    /// Writes the rest, for which it waits a moment; what is not taken then, is not written.
    pub(super) fn finish(&mut self, handle: &dyn AsFd) {
        let deadline = Instant::now() + LAST;
        while matches!(self.write(handle), Ok(false)) {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut ready = [PollFd::new(handle.as_fd(), PollFlags::POLLOUT)];
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
            match poll(&mut ready, timeout) {
                Ok(1..) if !left.is_zero() => {}
                Err(Errno::EINTR) => {}
                _ => break,
            }
        }
        self.clear();
    }
}
