//! How a `ReadWrite` wheel is to be.

use std::fmt;
use std::os::fd::AsFd;
use std::rc::Rc;

use bytes::Bytes;
use poe_driver::{Driver, SysRw};
use poe_filter::{Filter, Line};
use poe_kernel::{EventFor, Kernel, NoActiveSession};

use super::ReadWrite;
use super::events::{Events, Marks};
use super::filters::Filters;
use super::part::Part;
use super::wheel::{Handles, Wheel};
use crate::{Input, IoError, WheelError, WheelId};

/// Builds a [`ReadWrite`] wheel (POE: the parameters of `POE::Wheel::ReadWrite->new`).
#[must_use = "a wheel begins when it is spawned"]
pub struct ReadWriteBuilder<In: 'static = Bytes, Out: 'static = Bytes> {
    handles: Handles,
    driver: Option<Box<dyn Driver>>,
    filters: Filters<In, Out>,
    events: Events,
    low_mark: Option<usize>,
    high_mark: Option<usize>,
    part: Option<Part>,
}

impl ReadWriteBuilder<Bytes, Bytes> {
    pub(crate) fn new(input: Option<Rc<dyn AsFd>>, output: Option<Rc<dyn AsFd>>) -> Self {
        Self {
            handles: (input, output),
            part: None,
            driver: None,
            filters: Filters::Both(Box::new(Line::new())),
            events: Events::default(),
            low_mark: None,
            high_mark: None,
        }
    }
}

impl<In: 'static, Out: 'static> ReadWriteBuilder<In, Out> {
    /// The driver for both directions (POE: `Driver`); `SysRw` if none is given.
    pub fn driver(mut self, driver: impl Driver + 'static) -> Self {
        self.driver = Some(driver.boxed());
        self
    }

    /// The filter for both directions (POE: `Filter`); `Line` if none is given.
    pub fn filter<F: Filter + 'static>(self, filter: F) -> ReadWriteBuilder<F::In, F::Out> {
        self.with_filters(|_| Filters::Both(Box::new(filter)))
    }

    /// The filter for input (POE: `InputFilter`).
    pub fn input_filter<F: Filter + 'static>(self, filter: F) -> ReadWriteBuilder<F::In, Out> {
        self.with_filters(|filters| filters.with_input(Box::new(filter)))
    }

    /// The filter for output (POE: `OutputFilter`).
    pub fn output_filter<F: Filter + 'static>(self, filter: F) -> ReadWriteBuilder<In, F::Out> {
        self.with_filters(|filters| filters.with_output(Box::new(filter)))
    }

    /// The event for each record (POE: `InputEvent`). Without it nothing is read, and the end of file is not noticed.
    pub fn input_event(mut self, event: impl EventFor<Input<In>>) -> Self {
        self.events.input = Some(event.name());
        self
    }

    /// The event for a record that the input ended within. Without it, such a record is dropped, and the error event at
    /// the end of file says how much of it there was.
    pub fn partial_event(mut self, event: impl EventFor<Input<In>>) -> Self {
        self.events.partial = Some(event.name());
        self
    }

    /// The event for failures, the end of file among them (POE: `ErrorEvent`).
    pub fn error_event(mut self, event: impl EventFor<IoError>) -> Self {
        self.events.error = Some(event.name());
        self
    }

    /// The event for having written all that was put (POE: `FlushedEvent`).
    pub fn flushed_event(mut self, event: impl EventFor<WheelId>) -> Self {
        self.events.flushed = Some(event.name());
        self
    }

    /// How many octets of queued output are too many (POE: `HighMark`). Needs a low mark and its event too.
    pub fn high_mark(mut self, octets: usize) -> Self {
        self.high_mark = Some(octets);
        self
    }

    /// How many octets of queued output are few enough again (POE: `LowMark`). Needs a high mark and an event too.
    pub fn low_mark(mut self, octets: usize) -> Self {
        self.low_mark = Some(octets);
        self
    }

    /// The event for reaching the high mark (POE: `HighEvent`).
    pub fn high_event(mut self, event: impl EventFor<WheelId>) -> Self {
        self.events.high = Some(event.name());
        self
    }

    /// The event for sinking to the low mark after the high one was reached (POE: `LowEvent`).
    pub fn low_event(mut self, event: impl EventFor<WheelId>) -> Self {
        self.events.low = Some(event.name());
        self
    }

    /// Begins; the wheel belongs to the session that is active.
    ///
    /// # Errors
    ///
    /// [`WheelError::NoActiveSession`] outside a handler; [`WheelError::Marks`], [`WheelError::NoMarks`] and
    /// [`WheelError::NoLowEvent`] when the marks and their events do not go together; [`WheelError::Watch`] when the handle cannot be watched.
    #[track_caller]
    pub fn spawn(self, kernel: &Kernel) -> Result<ReadWrite<In, Out>, WheelError> {
        if kernel.active_session().is_kernel() {
            return Err(NoActiveSession("a ReadWrite wheel").into());
        }
        let marks = match (self.low_mark, self.high_mark) {
            (None, None) => None,
            (low, high) => Some(Marks::new(low.unwrap_or(0), high.unwrap_or(0))?),
        };
        let driver = self.driver.unwrap_or_else(|| Box::new(SysRw::new()));
        let told = (self.events, marks);
        let wheel = Wheel::begin(kernel, self.handles, driver, self.filters, told, self.part)?;
        Ok(ReadWrite { wheel })
    }

    /// Handles that were not known before, for a wheel that is part of another.
    pub(crate) fn part(mut self, handles: Handles, part: Part) -> Self {
        self.handles = handles;
        self.part = Some(part);
        self
    }

    /// Another driver around the one that would be.
    pub(crate) fn map_driver(
        mut self,
        change: impl FnOnce(Box<dyn Driver>) -> Box<dyn Driver>,
    ) -> Self {
        let driver = self.driver.take().unwrap_or_else(|| Box::new(SysRw::new()));
        self.driver = Some(change(driver));
        self
    }

    fn with_filters<I, O>(
        self,
        change: impl FnOnce(Filters<In, Out>) -> Filters<I, O>,
    ) -> ReadWriteBuilder<I, O> {
        ReadWriteBuilder {
            handles: self.handles,
            part: self.part,
            driver: self.driver,
            filters: change(self.filters),
            events: self.events,
            low_mark: self.low_mark,
            high_mark: self.high_mark,
        }
    }
}

impl<In: 'static, Out: 'static> fmt::Debug for ReadWriteBuilder<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadWriteBuilder")
            .field("driver", &self.driver)
            .field("events", &self.events)
            .field("low_mark", &self.low_mark)
            .field("high_mark", &self.high_mark)
            .finish_non_exhaustive()
    }
}
