//! How the wheel of each connection is made.

use std::fmt;
use std::rc::Rc;

use bytes::Bytes;
use poe_filter::Filter;
use poe_kernel::{Kernel, Name};
use poe_wheel::{ReadWrite, ReadWriteBuilder, WheelError};

use crate::{ComponentError, Driven};

type Filtered<In, Out> = Rc<dyn Fn(ReadWriteBuilder<Bytes, Bytes>) -> ReadWriteBuilder<In, Out>>;

/// The filters, marks and events of the wheels to come.
pub(crate) struct Plan<In: 'static, Out: 'static> {
    filters: Filtered<In, Out>,
    pub(crate) low_mark: Option<usize>,
    pub(crate) high_mark: Option<usize>,
    pub(crate) has_low: bool,
    pub(crate) has_high: bool,
    pub(crate) has_partial: bool,
}

/// The events of a component's wheels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventNames {
    pub(crate) input: &'static str,
    pub(crate) partial: &'static str,
    pub(crate) error: &'static str,
    pub(crate) flushed: &'static str,
    pub(crate) high: &'static str,
    pub(crate) low: &'static str,
}

impl Plan<Bytes, Bytes> {
    /// Lines.
    pub(crate) fn new() -> Self {
        Self {
            filters: Rc::new(|builder| builder),
            low_mark: None,
            high_mark: None,
            has_low: false,
            has_high: false,
            has_partial: false,
        }
    }
}

impl<In: 'static, Out: 'static> Plan<In, Out> {
    pub(crate) fn filter<F: Filter + 'static>(self, filter: F) -> Plan<F::In, F::Out> {
        self.with(move |builder| builder.filter(filter.fresh()))
    }

    pub(crate) fn input_filter<F: Filter + 'static>(self, filter: F) -> Plan<F::In, Out> {
        self.with(move |builder| builder.input_filter(filter.fresh()))
    }

    pub(crate) fn output_filter<F: Filter + 'static>(self, filter: F) -> Plan<In, F::Out> {
        self.with(move |builder| builder.output_filter(filter.fresh()))
    }

    /// All four of marks and their callbacks, or none.
    pub(crate) fn check(&self) -> Result<(), ComponentError> {
        match (self.low_mark, self.high_mark, self.has_low, self.has_high) {
            (None, None, false, false) => Ok(()),
            (Some(low), Some(high), true, true) if low > 0 && low < high => Ok(()),
            (Some(low), Some(high), true, true) => Err(WheelError::Marks { low, high }.into()),
            _ => Err(ComponentError::Incomplete {
                parameters: "the high and low marks and their two callbacks",
            }),
        }
    }

    pub(crate) fn spawn(
        &self,
        kernel: &Kernel,
        Driven { socket, driver }: Driven,
        events: EventNames,
    ) -> Result<ReadWrite<In, Out>, WheelError> {
        let mut builder = (self.filters)(ReadWrite::build(socket))
            .driver(driver)
            .input_event(Name::new(events.input))
            .error_event(Name::new(events.error))
            .flushed_event(Name::new(events.flushed));
        if self.has_partial {
            builder = builder.partial_event(Name::new(events.partial));
        }
        if let (Some(low), Some(high)) = (self.low_mark, self.high_mark) {
            builder = builder
                .low_mark(low)
                .high_mark(high)
                .low_event(Name::new(events.low))
                .high_event(Name::new(events.high));
        }
        builder.spawn(kernel)
    }

    fn with<I, O>(
        self,
        change: impl Fn(ReadWriteBuilder<In, Out>) -> ReadWriteBuilder<I, O> + 'static,
    ) -> Plan<I, O> {
        let filters = self.filters;
        Plan {
            filters: Rc::new(move |builder| change(filters(builder))),
            low_mark: self.low_mark,
            high_mark: self.high_mark,
            has_low: self.has_low,
            has_high: self.has_high,
            has_partial: self.has_partial,
        }
    }
}

impl<In: 'static, Out: 'static> fmt::Debug for Plan<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("low_mark", &self.low_mark)
            .field("high_mark", &self.high_mark)
            .finish_non_exhaustive()
    }
}
