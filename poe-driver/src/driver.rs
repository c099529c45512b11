//! The interface of all drivers.

use std::any::Any;
use std::fmt::Debug;
use std::io;
use std::os::fd::BorrowedFd;

use bytes::Bytes;

use crate::{OutputQueue, ReadBuffer};

/// Moves octets between a handle and the program. POE's `POE::Driver`.
///
/// A driver does not own the handle and does not wait: it is called when the handle is ready, and
/// asked with [`wants`](Driver::wants) what to wait for. Input is handed over as it comes. Output is
/// queued by [`put`](Driver::put), or into [`output`](Driver::output), and written by
/// [`flush`](Driver::flush). As it has one queue, a driver serves one output handle.
///
/// # For those who write one
///
/// - [`get`](Driver::get) reads once. An interrupted read or write is tried again, and one that
///   would block is no error.
/// - Octets that a failed `flush` did not write stay in the queue; the
///   [`OutputQueue`] does the keeping.
/// - An error that is [recoverable](Driver::is_recoverable) has dropped what it was about.
/// - A driver that holds decoded input says so in [`has_input`](Driver::has_input), because the
///   handle may never become readable again.
///
/// ```
/// use std::os::fd::AsFd;
/// use poe_driver::{Driver, Get, ReadBuffer, SysRw};
///
/// let (reader, writer) = std::io::pipe()?;
/// let mut buffer = ReadBuffer::new();
/// let mut driver = SysRw::new();
///
/// assert_eq!(driver.put("hello".into()), 5);
/// assert_eq!(driver.flush(writer.as_fd())?, 0);
/// assert_eq!(driver.get(reader.as_fd(), &mut buffer)?, Get::Octets("hello".into()));
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait Driver: Any + Debug {
    /// Reads once.
    ///
    /// # Errors
    ///
    /// What the system said, except that it was interrupted or would block.
    fn get(&mut self, handle: BorrowedFd<'_>, buffer: &mut ReadBuffer) -> io::Result<Get>;

    /// The queue that output is put into. What more a driver holds on its own, such as octets that it
    /// has encrypted, is no business of it.
    ///
    /// It is lent as it is, rather than through methods of the driver, because a filter serializes
    /// into it record by record.
    ///
    /// ```
    /// use poe_driver::{Driver, SysRw};
    ///
    /// let mut driver = SysRw::new();
    /// driver.output().put_slice(b"one");
    /// driver.output().put_slice(b"\r\n");
    /// driver.output().end_message();
    /// assert_eq!(driver.get_out_octets(), 5);
    /// assert_eq!(driver.get_out_messages_buffered(), 1);
    /// ```
    fn output(&mut self) -> &mut OutputQueue;

    /// Queues a chunk as one message, and tells how many octets are queued then. An empty chunk is
    /// no message.
    fn put(&mut self, chunk: Bytes) -> usize {
        let queue = self.output();
        queue.put_bytes(chunk);
        queue.end_message();
        self.get_out_octets()
    }

    /// Writes what is queued until all is written or the handle takes no more, and tells how many
    /// octets are left.
    ///
    /// # Errors
    ///
    /// What the system said, except that it was interrupted or would block. What was not written
    /// stays queued.
    fn flush(&mut self, handle: BorrowedFd<'_>) -> io::Result<usize>;

    /// How many octets are queued.
    fn get_out_octets(&self) -> usize;

    /// How many messages are queued; one that is written in part counts.
    fn get_out_messages_buffered(&self) -> usize;

    /// What the driver waits for, besides the input that its user waits for.
    fn wants(&self) -> Wants {
        Wants { read: false, write: self.get_out_octets() > 0 }
    }

    /// Whether [`get`](Driver::get) has input to give without the handle becoming readable.
    fn has_input(&self) -> bool {
        false
    }

    /// Whether the driver goes on after this error of [`get`](Driver::get) or [`flush`](Driver::flush): one message was
    /// lost, and the others are none the worse. Of a stream nothing can be lost, so there an error is its end.
    fn is_recoverable(&self, error: &io::Error) -> bool {
        let _ = error;
        false
    }

    /// Tells the peer that no more output will come. This is for when the queue is empty; what is
    /// still queued can not be written afterwards.
    ///
    /// On a handle that is no connected socket, this does nothing: it is told by closing. A driver that has to write
    /// something for it, which the handle does not take at once, [wants](Driver::wants) to write, and
    /// [`flush`](Driver::flush) does the rest.
    ///
    /// # Errors
    ///
    /// What the system said, except that there is no connection to shut down.
    fn shutdown_output(&mut self, handle: BorrowedFd<'_>) -> io::Result<()>;

    /// Says what the driver's protocol has to say before the handle is closed in good order, as far as the handle takes it
    /// at once; nothing as a rule, and nothing while output is queued, as the order is not good then.
    ///
    /// # Errors
    ///
    /// What the system said, except that it was interrupted or would block.
    fn close(&mut self, handle: BorrowedFd<'_>) -> io::Result<()> {
        let _ = handle;
        Ok(())
    }

    /// Drops what is queued, and tells how many octets that was.
    fn discard_output(&mut self) -> usize;

    /// Takes the place of another driver on a handle in use: what that one has queued goes out first, as it would have
    /// without the change, and `input` is what it has read and nobody has used yet. For drivers that connections change
    /// over to, as with `STARTTLS`; others refuse.
    ///
    /// # Errors
    ///
    /// Gives `input` back, and leaves `previous` as it is: this driver takes no other's place, or that one is not to be
    /// replaced.
    fn take_over(&mut self, previous: &mut dyn Driver, input: Bytes) -> Result<(), Bytes> {
        let _ = previous;
        Err(input)
    }

    /// The driver in a box. One that is in a box already is not put into another, so that calling
    /// it takes no detour.
    fn boxed(self) -> Box<dyn Driver>
    where
        Self: Sized + 'static,
    {
        Box::new(self)
    }
}

impl Driver for Box<dyn Driver> {
    #[inline]
    fn get(&mut self, handle: BorrowedFd<'_>, buffer: &mut ReadBuffer) -> io::Result<Get> {
        (**self).get(handle, buffer)
    }

    #[inline]
    fn put(&mut self, chunk: Bytes) -> usize {
        (**self).put(chunk)
    }

    #[inline]
    fn output(&mut self) -> &mut OutputQueue {
        (**self).output()
    }

    #[inline]
    fn flush(&mut self, handle: BorrowedFd<'_>) -> io::Result<usize> {
        (**self).flush(handle)
    }

    #[inline]
    fn get_out_octets(&self) -> usize {
        (**self).get_out_octets()
    }

    #[inline]
    fn get_out_messages_buffered(&self) -> usize {
        (**self).get_out_messages_buffered()
    }

    #[inline]
    fn wants(&self) -> Wants {
        (**self).wants()
    }

    #[inline]
    fn has_input(&self) -> bool {
        (**self).has_input()
    }

    #[inline]
    fn is_recoverable(&self, error: &io::Error) -> bool {
        (**self).is_recoverable(error)
    }

    #[inline]
    fn shutdown_output(&mut self, handle: BorrowedFd<'_>) -> io::Result<()> {
        (**self).shutdown_output(handle)
    }

    #[inline]
    fn close(&mut self, handle: BorrowedFd<'_>) -> io::Result<()> {
        (**self).close(handle)
    }

    #[inline]
    fn discard_output(&mut self) -> usize {
        (**self).discard_output()
    }

    #[inline]
    fn take_over(&mut self, previous: &mut dyn Driver, input: Bytes) -> Result<(), Bytes> {
        (**self).take_over(previous, input)
    }

    fn boxed(self) -> Box<dyn Driver> {
        self
    }
}

/// What a read gave.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Get {
    /// Octets, at least one. Of a driver that keeps messages apart, these are one message, which may have none.
    Octets(Bytes),
    /// Nothing now: the read would have blocked.
    Nothing,
    /// Nothing ever again: the peer closed, or the file ends.
    Eof,
}

/// What a driver waits for, as told by [`Driver::wants`].
///
/// Whoever waits adds `read` while input is wanted. A driver asks for it by itself only if it has
/// to read before it can write.
///
/// ```
/// use poe_driver::{Driver, SysRw, Wants};
///
/// let mut driver = SysRw::new();
/// assert_eq!(driver.wants(), Wants { read: false, write: false });
/// driver.put("hello".into());
/// assert_eq!(driver.wants(), Wants { read: false, write: true });
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wants {
    /// The handle should be watched for input even if nobody wants any.
    pub read: bool,
    /// The handle should be watched for taking output.
    pub write: bool,
}
