//! Buffered, filtered, flow-controlled input and output on a handle.

mod builder;
mod driving;
mod events;
mod filters;
mod later;
mod linger;
mod part;
mod reading;
mod wheel;
mod writing;

use std::fmt;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use poe_driver::{Driver, Wants};
use poe_filter::{Filter, IntoRecord};
use poe_kernel::{Name, SessionId};

pub use self::builder::ReadWriteBuilder;
pub(crate) use self::filters::Decode;
pub use self::linger::Lingering;
pub(crate) use self::part::{Part, Whole};
use self::wheel::Wheel;
pub(crate) use self::wheel::with_buffer;
use crate::{WheelError, WheelId};

/// The events of a [`ReadWrite`] wheel, for [`ReadWrite::event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReadWriteEvent {
    /// A record has come (POE: `InputEvent`); carries [`Input`](crate::Input).
    Input,
    /// The input has ended within a record, which the filter makes one of all the same; carries [`Input`](crate::Input).
    Partial,
    /// Something failed, or the input has ended (POE: `ErrorEvent`); carries [`IoError`](crate::IoError).
    Error,
    /// All output has gone (POE: `FlushedEvent`); carries the [`WheelId`].
    Flushed,
    /// More output is queued than the high mark (POE: `HighEvent`); carries the [`WheelId`].
    High,
    /// No more output is queued than the low mark, after the high one had been reached (POE: `LowEvent`); carries the
    /// [`WheelId`].
    Low,
}

/// Reads records from a handle and writes records to it (POE: `POE::Wheel::ReadWrite`).
///
/// Input is read when there is some, made into records by a filter, and each record is sent to the session at once.
/// Output is queued by [`put`](Self::put) and written at the end of the turn, all of it in one go; what the handle does
/// not take waits.
///
/// The wheel belongs to the session that was active when it was built, and ends when it is dropped: watches end, no
/// event comes any more, and output still queued is discarded.
///
/// ```
/// use poe_session::prelude::*;
/// use poe_wheel::{Input, IoError, ReadWrite};
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kernel = Kernel::new()?;
/// let (ours, mut theirs) = UnixStream::pair()?;
/// theirs.write_all(b"hello\n")?;
/// theirs.shutdown(std::net::Shutdown::Write)?;
///
/// Session::build(None::<ReadWrite>)
///     .on_start(move |cx| -> HandlerResult {
///         let wheel = ReadWrite::build(ours.try_clone()?)
///             .input_event("line")
///             .error_event("error")
///             .flushed_event("flushed")
///             .spawn(cx.kernel)?;
///         *cx.heap = Some(wheel);
///         Ok(())
///     })
///     .on("line", |cx, input: Input| cx.heap.as_ref().map(|wheel| wheel.put(input.record)).unwrap_or(false))
///     .on("error", |_, error: IoError| assert!(error.is_eof()))
///     .on("flushed", |cx, _: poe_wheel::WheelId| *cx.heap = None)
///     .spawn(&kernel)?;
/// kernel.run()?;
///
/// drop(kernel);
/// let mut echo = [0; 7];
/// theirs.read_exact(&mut echo)?;
/// assert_eq!(&echo, b"hello\r\n");
/// # Ok(())
/// # }
/// ```
#[must_use = "a wheel ends when it is dropped"]
pub struct ReadWrite<In: 'static = Bytes, Out: 'static = Bytes> {
    wheel: Rc<Wheel<In, Out>>,
}

impl ReadWrite {
    /// A wheel that reads from and writes to one handle, and whose filter is a `Line` unless another is given.
    pub fn build(handle: impl AsFd + 'static) -> ReadWriteBuilder<Bytes, Bytes> {
        let handle: Rc<dyn AsFd> = Rc::new(handle);
        ReadWriteBuilder::new(Some(Rc::clone(&handle)), Some(handle))
    }

    /// A wheel that reads from one handle and writes to another (POE: `InputHandle`, `OutputHandle`).
    pub fn build_pair(
        input: impl AsFd + 'static,
        output: impl AsFd + 'static,
    ) -> ReadWriteBuilder<Bytes, Bytes> {
        ReadWriteBuilder::new(Some(Rc::new(input)), Some(Rc::new(output)))
    }
}

impl<In: 'static, Out: 'static> ReadWrite<In, Out> {
    /// Queues a record, to be written at the end of the turn. Whether as much as the high mark is queued now (false
    /// without marks): time to stop until [`ReadWriteEvent::Low`] comes.
    ///
    /// A record that the filter cannot serialize is reported as an error event. After a failed write, output is dropped.
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # use poe_wheel::{ReadWrite, WheelId};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// # let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    /// # let ours = std::cell::Cell::new(Some(ours));
    /// Session::build(None::<ReadWrite>)
    ///     .on_start(move |cx| -> HandlerResult {
    ///         let wheel = ReadWrite::build(ours.take().ok_or("started twice")?)
    ///             .low_mark(100)
    ///             .high_mark(1000)
    ///             .low_event("go on")
    ///             .spawn(cx.kernel)?;
    ///         while !wheel.put("as much as is good") {}
    ///         assert_eq!(wheel.get_driver_out_octets(), 1000);
    ///         *cx.heap = Some(wheel);
    ///         Ok(())
    ///     })
    ///     .on("go on", |cx, _: WheelId| *cx.heap = None)
    ///     .spawn(&kernel)?;
    /// kernel.run()?;
    /// # drop(theirs);
    /// # Ok(())
    /// # }
    /// ```
    pub fn put(&self, record: impl IntoRecord<Out>) -> bool {
        self.wheel.put(record.into_record())
    }

    /// The wheel's identity, which its events carry (POE: `ID`).
    #[must_use]
    pub fn id(&self) -> WheelId {
        self.wheel.id()
    }

    /// The session that the wheel belongs to.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.wheel.session()
    }

    /// Sends one of the wheel's events under another name from now on (POE: `event`). A paused wheel stays paused.
    ///
    /// # Errors
    ///
    /// [`WheelError::Watch`] when this makes the wheel read for the first time and its handle cannot be watched;
    /// [`WheelError::NoMarks`] for the events of marks that there are not.
    pub fn event(&self, event: ReadWriteEvent, name: impl Into<Name>) -> Result<(), WheelError> {
        self.wheel.rename(event, Some(name.into()))
    }

    /// Sends one of the wheel's events no more (POE: `event` with an undefined name). Without [`ReadWriteEvent::Input`]
    /// nothing is read, and so the end of file is not noticed.
    pub fn event_end(&self, event: ReadWriteEvent) {
        // Only naming an event can fail.
        let _ = self.wheel.rename(event, None);
    }

    /// Uses another filter for both directions from now on (POE: `set_filter`).
    ///
    /// Input that is pending goes to the new filter, exactly from the record on that follows the one being handled. Its
    /// records come when the handler has returned. Output already put stays as it was serialized.
    pub fn set_filter(&self, filter: impl Filter<In = In, Out = Out> + 'static) {
        self.wheel.set_filter(Box::new(filter));
    }

    /// As [`Self::set_filter`], for input alone (POE: `set_input_filter`).
    pub fn set_input_filter(&self, filter: impl Filter<In = In> + 'static) {
        self.wheel.set_input_filter(Box::new(filter));
    }

    /// Uses another filter for output from now on (POE: `set_output_filter`).
    pub fn set_output_filter(&self, filter: impl Filter<Out = Out> + 'static) {
        self.wheel.set_output_filter(Box::new(filter));
    }

    /// Changes the filter for input where it is, if it is an `F` (POE: `get_input_filter`, whose methods may then be called);
    /// mostly a [`Stackable`](poe_filter::Stackable), to put a layer on it or take one off.
    ///
    /// What it has pending stays there, and is read as the filter reads it now, from the record on that follows the one being
    /// handled. What it refuses then comes as an error event. A filter for both directions is changed for both.
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// use poe_filter::{Line, Map, Stackable};
    /// # use poe_wheel::{Input, IoError, ReadWrite};
    /// # use std::io::Write;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// # let (ours, mut theirs) = std::os::unix::net::UnixStream::pair()?;
    /// # let (ours, records) = (std::cell::Cell::new(Some(ours)), std::rc::Rc::default());
    /// # let seen: std::rc::Rc<std::cell::RefCell<Vec<_>>> = std::rc::Rc::clone(&records);
    /// theirs.write_all(b"hello\nloud\nhello\n")?;
    /// # drop(theirs);
    /// Session::build(None::<ReadWrite>)
    ///     .on_start(move |cx| -> HandlerResult {
    ///         let mut stack: Stackable = Stackable::new();
    ///         stack.push(Line::new())?;
    /// #       let ours = ours.take().ok_or("started twice")?;
    ///         let wheel =
    ///             ReadWrite::build(ours).filter(stack).input_event("line").error_event("error").spawn(cx.kernel)?;
    ///         *cx.heap = Some(wheel);
    ///         Ok(())
    ///     })
    ///     .on("line", move |cx, input: Input| -> HandlerResult {
    ///         if input.record == "loud"
    ///             && let Some(wheel) = &*cx.heap
    ///         {
    ///             wheel.with_input_filter_mut(|stack: &mut Stackable| {
    ///                 let upper = |line: bytes::Bytes| bytes::Bytes::from(line.to_ascii_uppercase());
    ///                 stack.push(Map::new(upper, |line: bytes::Bytes| line))
    ///             })??;
    ///         }
    ///         records.borrow_mut().push(input.record);
    ///         Ok(())
    ///     })
    ///     .on("error", |cx, _: IoError| *cx.heap = None)
    ///     .spawn(&kernel)?;
    /// kernel.run()?;
    /// assert_eq!(*seen.borrow(), ["hello", "loud", "HELLO"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`WheelError::OtherFilter`] if it is of another type, [`WheelError::Busy`] from within the filter or the driver.
    pub fn with_input_filter_mut<F: Filter + 'static, R>(
        &self,
        f: impl FnOnce(&mut F) -> R,
    ) -> Result<R, WheelError> {
        self.wheel.with_filter_mut(|filters| filters.input_mut(), f)
    }

    /// As [`Self::with_input_filter_mut`], the filter for output (POE: `get_output_filter`). What has been put stays as it was
    /// serialized.
    ///
    /// # Errors
    ///
    /// As for [`Self::with_input_filter_mut`].
    pub fn with_output_filter_mut<F: Filter + 'static, R>(
        &self,
        f: impl FnOnce(&mut F) -> R,
    ) -> Result<R, WheelError> {
        self.wheel.with_filter_mut(|filters| filters.output_mut(), f)
    }

    /// Goes on with a filter of other records: a wheel of another type, with this one's handles, events, marks, queued
    /// output and pending input.
    ///
    /// Its events keep their names. As a handler takes one type of record, give [`ReadWriteEvent::Input`] the name of
    /// another one with [`Self::event`]; records come when the present handler has returned.
    ///
    /// # Errors
    ///
    /// [`WheelError::Watch`] when the handle cannot be watched anew, [`WheelError::Busy`] from within the filter.
    pub fn with_filter<F: Filter + 'static>(
        self,
        filter: F,
    ) -> Result<ReadWrite<F::In, F::Out>, WheelError> {
        let wheel = self.wheel.succeed(Box::new(filter))?;
        Ok(ReadWrite { wheel })
    }

    /// Puts another driver in place of the present one, for a connection that changes over, as after `STARTTLS`.
    ///
    /// What was put before goes out as it would have; what was read and is no record yet, behind the record being handled,
    /// goes to the new driver.
    ///
    /// # Errors
    ///
    /// [`WheelError::Driver`] when the new one takes no other's place, or the present one is not to be replaced, as one
    /// that encrypts; nothing has changed then. [`WheelError::Busy`] from within the filter or the driver, and
    /// [`WheelError::Watch`] when the handle cannot be watched.
    pub fn set_driver(&self, driver: impl Driver) -> Result<(), WheelError> {
        self.wheel.set_driver(driver.boxed())
    }

    /// Asks the driver something, if it is a `D`, and is not calling.
    ///
    /// ```
    /// # use poe_driver::SysRw;
    /// # use poe_wheel::ReadWrite;
    /// fn is_plain(wheel: &ReadWrite) -> bool {
    ///     wheel.with_driver(|_: &SysRw| ()).is_some()
    /// }
    /// # let _ = is_plain;
    /// ```
    pub fn with_driver<D: Driver, R>(&self, f: impl FnOnce(&D) -> R) -> Option<R> {
        self.wheel.with_driver(f)
    }

    /// What the driver waits for, besides what the session wants. One that has to read is in the midst of a handshake, and
    /// sends nothing of what is put before that is done. Nothing while it is calling.
    ///
    /// ```
    /// # use poe_wheel::ReadWrite;
    /// fn shakes_hands(wheel: &ReadWrite) -> bool {
    ///     wheel.driver_wants().read
    /// }
    /// # let _ = shakes_hands;
    /// ```
    #[must_use]
    pub fn driver_wants(&self) -> Wants {
        self.wheel.driver_wants()
    }

    /// A copy of the input that is no record yet (POE: `get_input_filter->get_pending`).
    #[must_use]
    pub fn get_pending(&self) -> Bytes {
        self.wheel.pending()
    }

    /// Moves the high mark, in octets (POE: `set_high_mark`). False, and nothing changes, without marks or when it would
    /// not be above the low one.
    pub fn set_high_mark(&self, octets: usize) -> bool {
        self.wheel.set_marks(None, Some(octets))
    }

    /// Moves the low mark, in octets (POE: `set_low_mark`). False, and nothing changes, without marks or when it would
    /// not be between 0 and the high one.
    pub fn set_low_mark(&self, octets: usize) -> bool {
        self.wheel.set_marks(Some(octets), None)
    }

    /// How many octets of output are queued.
    #[must_use]
    pub fn get_driver_out_octets(&self) -> usize {
        self.wheel.out_octets()
    }

    /// How many messages of output are queued; with most filters, records.
    #[must_use]
    pub fn get_driver_out_messages(&self) -> usize {
        self.wheel.out_messages()
    }

    /// Stops the input: nothing is read, and records already read are kept back, until [`Self::resume_input`].
    pub fn pause_input(&self) {
        self.wheel.pause_input();
    }

    /// Lets input through again. Records that were kept back come when the current handler has returned.
    pub fn resume_input(&self) {
        self.wheel.resume_input();
    }

    /// Ends the input: nothing more is read, and what has been read but not handled is dropped (POE: `shutdown_input`).
    pub fn shutdown_input(&self) {
        self.wheel.shutdown_input();
    }

    /// Ends the output once all that is queued has gone (POE: `shutdown_output`, which loses it): the peer sees the end of
    /// file. A socket is shut down. An output handle of its own (see [`build_pair`](ReadWrite::build_pair)) is given up as
    /// well, and so a pipe is closed, unless the program keeps a share of it. Input goes on. What is put from now on is
    /// dropped.
    pub fn shutdown_output(&self) {
        self.wheel.shutdown_output();
    }

    /// Ends the wheel as [`drop`] does, but for a connection that the peer may still be sending to: closed at once, that would
    /// make the operating system throw away what the peer has not received yet.
    ///
    /// Input is dropped from now on. If there is some, or comes some, the output is shut down, and the connection is closed
    /// when the peer has ended its side; else when all output has left this machine; and anyway when `limit` is over. `None`
    /// when there is nothing to wait for: all that the peer has sent was handled and all output has left, or it has ended
    /// already. Output that is still queued is discarded, as by `drop`; so linger from [`ReadWriteEvent::Flushed`].
    pub fn linger(self, limit: Duration) -> Option<Lingering> {
        self.wheel.linger(limit)
    }

    /// Writes what is queued now instead of at the end of the turn (POE: `flush`). Events that follow from this come at
    /// the end of the turn all the same.
    pub fn flush(&self) {
        self.wheel.flush_now();
    }

    /// The handle that is read from.
    #[must_use]
    pub fn get_input_handle(&self) -> Rc<dyn AsFd> {
        let Some(input) = self.wheel.input_handle() else {
            unreachable!("only a part of a wheel has none")
        };
        input
    }

    /// The handle that is written to; none once [`Self::shutdown_output`] has closed it.
    #[must_use]
    pub fn get_output_handle(&self) -> Option<Rc<dyn AsFd>> {
        self.wheel.output_handle()
    }
}

impl<In: 'static, Out: 'static> Drop for ReadWrite<In, Out> {
    fn drop(&mut self) {
        self.wheel.end();
    }
}

impl<In: 'static, Out: 'static> fmt::Debug for ReadWrite<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.wheel, f)
    }
}
