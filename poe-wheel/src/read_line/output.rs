//! Octets on their way to a terminal that may not take them at once.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How long the last of the output may take when the wheel goes, in all.
const LAST: Duration = Duration::from_millis(200);

/// A pipe that is writable takes that many octets without blocking.
const AT_ONCE: usize = 4096;

/// What is to be written, in order.
pub(crate) struct Output {
    handle: Rc<dyn AsFd>,
    waiting: RefCell<Vec<u8>>,
    /// Nobody takes anything any more.
    failed: Cell<bool>,
}

impl Output {
    pub(crate) fn new(handle: Rc<dyn AsFd>) -> Self {
        Self { handle, waiting: RefCell::default(), failed: Cell::default() }
    }

    pub(crate) fn handle(&self) -> &Rc<dyn AsFd> {
        &self.handle
    }

    pub(crate) fn push(&self, text: impl AsRef<[u8]>) {
        if !self.failed.get() {
            self.waiting.borrow_mut().extend_from_slice(text.as_ref());
        }
    }

    /// Gives up what waits, in the midst of a sequence maybe, which the next one ends.
    #[cfg(feature = "curses")]
    pub(crate) fn discard(&self) {
        self.waiting.borrow_mut().clear();
    }

    /// How many octets wait.
    pub(crate) fn octets(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// Writes until all is written, which is true, or nothing more is taken. It does not wait, though the handle may be one
    /// that does.
    pub(crate) fn write(&self) -> io::Result<bool> {
        let mut waiting = self.waiting.borrow_mut();
        let mut written = 0;
        let result = loop {
            let rest = &waiting[written..];
            if rest.is_empty() {
                break Ok(true);
            }
            if !self.is_ready(Duration::ZERO) {
                break Ok(false);
            }
            match nix::unistd::write(&self.handle, &rest[..rest.len().min(AT_ONCE)]) {
                Ok(count) => written += count,
                Err(Errno::EAGAIN) => break Ok(false),
                Err(Errno::EINTR) => {}
                Err(error) => {
                    written = waiting.len();
                    self.failed.set(true);
                    break Err(error.into());
                }
            }
        };
        waiting.drain(..written);
        result
    }

    /// Writes the rest, for which it waits a moment; what is not taken then, is not written.
    pub(crate) fn end(&self) {
        let deadline = Instant::now() + LAST;
        while matches!(self.write(), Ok(false)) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.is_ready(left) {
                break;
            }
        }
    }

    fn is_ready(&self, within: Duration) -> bool {
        let timeout = PollTimeout::try_from(within).unwrap_or(PollTimeout::ZERO);
        let mut ready = [PollFd::new(self.handle.as_fd(), PollFlags::POLLOUT)];
        // What cannot be asked is written to, and says itself what is wrong.
        !matches!(poll(&mut ready, timeout), Ok(0) | Err(Errno::EINTR))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_handle_that_blocks_is_not_waited_for() {
        crate::descriptors::count();
        let (mut reader, writer) = io::pipe().unwrap();
        let output = Output::new(Rc::new(writer));
        let text = "0123456789".repeat(100_000);
        output.push(&text);
        assert!(!output.write().unwrap());
        let left = output.octets();
        assert!(left > 0 && left < text.len(), "{left}");
        let mut came = vec![0; text.len() - left];
        reader.read_exact(&mut came).unwrap();
        let reading = std::thread::spawn(move || {
            reader.read_to_end(&mut came).unwrap();
            came
        });
        output.end();
        assert_eq!(output.octets(), 0);
        drop(output);
        assert_eq!(reading.join().unwrap(), text.as_bytes());
    }

    #[test]
    fn what_nobody_takes_is_an_error_once() {
        crate::descriptors::count();
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = Output::new(Rc::new(writer));
        output.push("text");
        assert!(output.write().is_err());
        output.push("more");
        assert!(output.write().unwrap());
    }
}
