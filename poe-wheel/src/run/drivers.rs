//! The drivers of a child's streams.

use std::io;
use std::os::fd::BorrowedFd;

use poe_driver::{Driver, Get, OutputQueue, ReadBuffer, Wants};

/// Drivers for standard input or standard output alone.
#[derive(Debug, Default)]
pub(super) struct Drivers {
    pub(super) stdin: Option<Box<dyn Driver>>,
    pub(super) stdout: Option<Box<dyn Driver>>,
}

impl Drivers {
    /// The driver for both streams, the one that was for both serving what has none of its own.
    pub(super) fn over(self, stdio: Box<dyn Driver>) -> Box<dyn Driver> {
        let Self { stdin, stdout } = self;
        match (stdin, stdout) {
            (None, None) => stdio,
            (Some(writes), None) => Box::new(Each { reads: stdio, writes, wrote: false }),
            (None, Some(reads)) => Box::new(Each { reads, writes: stdio, wrote: false }),
            (Some(writes), Some(reads)) => Box::new(Each { reads, writes, wrote: false }),
        }
    }
}

/// One driver that reads, and another one that writes.
#[derive(Debug)]
struct Each {
    reads: Box<dyn Driver>,
    writes: Box<dyn Driver>,
    /// Which of them was at work last.
    wrote: bool,
}

impl Driver for Each {
    fn get(&mut self, handle: BorrowedFd<'_>, buffer: &mut ReadBuffer) -> io::Result<Get> {
        self.wrote = false;
        self.reads.get(handle, buffer)
    }

    fn output(&mut self) -> &mut OutputQueue {
        self.writes.output()
    }

    fn flush(&mut self, handle: BorrowedFd<'_>) -> io::Result<usize> {
        self.wrote = true;
        self.writes.flush(handle)
    }

    fn get_out_octets(&self) -> usize {
        self.writes.get_out_octets()
    }

    fn get_out_messages_buffered(&self) -> usize {
        self.writes.get_out_messages_buffered()
    }

    fn wants(&self) -> Wants {
        Wants { read: self.reads.wants().read, write: self.writes.wants().write }
    }

    fn has_input(&self) -> bool {
        self.reads.has_input()
    }

    fn is_recoverable(&self, error: &io::Error) -> bool {
        let worked = if self.wrote { &self.writes } else { &self.reads };
        worked.is_recoverable(error)
    }

    fn shutdown_output(&mut self, handle: BorrowedFd<'_>) -> io::Result<()> {
        self.writes.shutdown_output(handle)
    }

    fn close(&mut self, handle: BorrowedFd<'_>) -> io::Result<()> {
        self.writes.close(handle)
    }

    fn discard_output(&mut self) -> usize {
        self.writes.discard_output()
    }
}
