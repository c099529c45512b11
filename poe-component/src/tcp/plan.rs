//! How the wheel of each connection is made.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use poe_filter::Filter;
use poe_kernel::{Kernel, Name};
use poe_wheel::{ReadWrite, ReadWriteBuilder, WheelError};

use super::ending::{HANDSHAKE_TIME, events};
use crate::{ComponentError, Driven};

type Filtered<In, Out> = Rc<dyn Fn(ReadWriteBuilder<Bytes, Bytes>) -> ReadWriteBuilder<In, Out>>;

/// The filters, marks and events of the wheels to come.
pub(crate) struct Plan<In: 'static, Out: 'static> {
    filters: Filtered<In, Out>,
    needs: Needs,
}

/// What wheels of any records may need.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Needs {
    pub(crate) low_mark: Option<usize>,
    pub(crate) high_mark: Option<usize>,
    /// The input stops between them.
    pub(crate) keeps_pace: bool,
    pub(crate) has_low: bool,
    pub(crate) has_high: bool,
    pub(crate) has_partial: bool,
    /// How long the handshake of a driver may take.
    pub(crate) handshake_time: Option<Duration>,
}

impl Plan<Bytes, Bytes> {
    /// Lines.
    pub(crate) fn new() -> Self {
        Self { filters: Rc::new(|builder| builder), needs: Needs::default() }
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

    pub(crate) fn needs(&mut self) -> &mut Needs {
        &mut self.needs
    }

    pub(super) fn handshake_time(&self) -> Duration {
        self.needs.handshake_time.unwrap_or(HANDSHAKE_TIME)
    }

    /// Has the input stop between these marks.
    pub(crate) fn keep_pace(&mut self, high: usize, low: usize) {
        self.needs.high_mark = Some(high);
        self.needs.low_mark = Some(low);
        self.needs.keeps_pace = true;
    }

    pub(super) fn keeps_pace(&self) -> bool {
        self.needs.keeps_pace
    }

    /// Both marks, and somebody to be told of the low one, or none of it. Of the high one `put` tells.
    pub(crate) fn check(&self) -> Result<(), ComponentError> {
        let Needs { low_mark, high_mark, has_low, has_high, keeps_pace, .. } = self.needs;
        match (low_mark, high_mark, has_low || keeps_pace, has_high) {
            (None, None, false, false) => Ok(()),
            (Some(low), Some(high), true, _) if low > 0 && low < high => Ok(()),
            (Some(low), Some(high), true, _) => Err(WheelError::Marks { low, high }.into()),
            _ => Err(ComponentError::Incomplete {
                parameters: "the high and low marks and the callback for the low one",
            }),
        }
    }

    /// Puts a wheel on a connection.
    pub(crate) fn spawn(
        &self,
        kernel: &Kernel,
        Driven { socket, driver }: Driven,
    ) -> Result<ReadWrite<In, Out>, WheelError> {
        let mut builder = (self.filters)(ReadWrite::build(socket))
            .input_event(Name::new(events::INPUT))
            .error_event(Name::new(events::ERROR))
            .flushed_event(Name::new(events::FLUSHED));
        if let Some(driver) = driver {
            builder = builder.driver(driver);
        }
        if self.needs.has_partial {
            builder = builder.partial_event(Name::new(events::PARTIAL));
        }
        if let (Some(low), Some(high)) = (self.needs.low_mark, self.needs.high_mark) {
            builder = builder.low_mark(low).high_mark(high).low_event(Name::new(events::LOW));
            if self.needs.has_high {
                builder = builder.high_event(Name::new(events::HIGH));
            }
        }
        builder.spawn(kernel)
    }

    fn with<I, O>(
        self,
        change: impl Fn(ReadWriteBuilder<In, Out>) -> ReadWriteBuilder<I, O> + 'static,
    ) -> Plan<I, O> {
        let filters = self.filters;
        Plan { filters: Rc::new(move |builder| change(filters(builder))), needs: self.needs }
    }
}

impl<In: 'static, Out: 'static> fmt::Debug for Plan<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("needs", &self.needs).finish_non_exhaustive()
    }
}
