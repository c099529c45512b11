//! A handle of a pipe.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::kind::{Failed, failed};

/// A handle of a pipe. Where one socket is both what a side reads from and what it writes to, both handles are that socket,
/// and it is closed when both are dropped.
#[derive(Debug)]
pub struct PipeHandle(Arc<File>);

impl PipeHandle {
    /// A handle that does not block.
    pub(super) fn new(handle: impl Into<OwnedFd>) -> Result<Self, Failed> {
        let handle = Self(Arc::new(File::from(handle.into())));
        handle.set_nonblocking(true).map_err(failed("fcntl"))?;
        Ok(handle)
    }

    /// Another handle on the same socket.
    pub(super) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// Whether reading and writing fail with `EWOULDBLOCK` when they would have to wait, as they do unless told otherwise.
    /// A program that is to inherit the handle may want to wait.
    ///
    /// Where one socket serves a side both ways, this is for both.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        Ok(rustix::io::ioctl_fionbio(self, nonblocking)?)
    }

    /// The descriptor alone, as for a child process's standard input. If the other handle of a side is the same socket and
    /// there still, this is a duplicate.
    ///
    /// ```
    /// use std::process::{Command, Stdio};
    ///
    /// use poe_wheel::pipe::OneWay;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let OneWay { read, write, .. } = OneWay::new()?;
    /// write.set_nonblocking(false)?;
    /// let mut child = Command::new("true").stdout(Stdio::from(write.into_owned()?)).spawn()?;
    /// # drop(read);
    /// # child.wait()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What the operating system says: there is no descriptor left for the duplicate.
    pub fn into_owned(self) -> io::Result<OwnedFd> {
        match Arc::try_unwrap(self.0) {
            Ok(file) => Ok(file.into()),
            Err(shared) => shared.try_clone().map(OwnedFd::from),
        }
    }
}

impl AsFd for PipeHandle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Read for PipeHandle {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(octets)
    }
}

impl Write for PipeHandle {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        (&*self.0).write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
