//! The filters of a wheel: one for both directions, or one for each.

use std::any::Any;
use std::mem;

use bytes::Bytes;
use poe_driver::OutputQueue;
use poe_filter::{Filter, FilterError, Sink};

/// What a wheel parses its input and serializes its output with.
pub(super) enum Filters<In: 'static, Out: 'static> {
    Both(Box<dyn Both<In, Out>>),
    Each {
        input: Box<dyn Decode<In>>,
        output: Box<dyn Encode<Out>>,
    },
    /// Between two filters, while one is put in the other's place.
    Neither,
}

/// Whether what was pending could be handed over, and what was replaced.
pub(super) type Replaced<T> = (Result<(), FilterError>, T);

/// The half of a filter that makes records.
pub(crate) trait Decode<In> {
    fn feed(&mut self, chunk: Bytes) -> Result<(), FilterError>;
    fn decode(&mut self) -> Result<Option<In>, FilterError>;
    fn decode_rest(&mut self) -> Result<Option<In>, FilterError>;
    fn pending(&self) -> Bytes;
    fn count_pending(&self) -> usize;
    fn take_rest(&mut self) -> Bytes;
    fn decoder(&mut self) -> &mut dyn Any;
}

/// The half of a filter that takes records.
pub(super) trait Encode<Out> {
    fn encode(&mut self, record: Out, queue: &mut OutputQueue) -> Result<(), FilterError>;
    fn encoder(&mut self) -> &mut dyn Any;
}

/// Both halves of a filter.
pub(super) trait Both<In, Out>: Decode<In> + Encode<Out> {}

impl<F: Filter> Both<F::In, F::Out> for F {}

impl<F: Filter> Decode<F::In> for F {
    fn feed(&mut self, chunk: Bytes) -> Result<(), FilterError> {
        self.get_one_start(chunk)
    }

    fn decode(&mut self) -> Result<Option<F::In>, FilterError> {
        self.get_one()
    }

    fn decode_rest(&mut self) -> Result<Option<F::In>, FilterError> {
        self.finish()
    }

    fn pending(&self) -> Bytes {
        self.get_pending()
    }

    fn count_pending(&self) -> usize {
        self.pending_len()
    }

    fn take_rest(&mut self) -> Bytes {
        self.take_pending()
    }

    fn decoder(&mut self) -> &mut dyn Any {
        self.itself()
    }
}

impl<F: Filter> Encode<F::Out> for F {
    fn encode(&mut self, record: F::Out, queue: &mut OutputQueue) -> Result<(), FilterError> {
        // The filter and the queue are known here, so that nothing is between them.
        self.put(record, &mut Message(queue))
    }

    fn encoder(&mut self) -> &mut dyn Any {
        self.itself()
    }
}

macro_rules! input {
    ($self:expr, $filter:ident => $call:expr, $otherwise:expr) => {
        match $self {
            Filters::Both($filter) => $call,
            Filters::Each { input: $filter, .. } => $call,
            Filters::Neither => $otherwise,
        }
    };
}

impl<In: 'static, Out: 'static> Filters<In, Out> {
    pub(super) fn get_one_start(&mut self, chunk: Bytes) -> Result<(), FilterError> {
        input!(self, filter => filter.feed(chunk), Ok(()))
    }

    pub(super) fn get_one(&mut self) -> Result<Option<In>, FilterError> {
        input!(self, filter => filter.decode(), Ok(None))
    }

    pub(super) fn finish(&mut self) -> Result<Option<In>, FilterError> {
        input!(self, filter => filter.decode_rest(), Ok(None))
    }

    pub(super) fn get_pending(&self) -> Bytes {
        input!(self, filter => filter.pending(), Bytes::new())
    }

    pub(super) fn pending_len(&self) -> usize {
        input!(self, filter => filter.count_pending(), 0)
    }

    pub(super) fn take_pending(&mut self) -> Bytes {
        input!(self, filter => filter.take_rest(), Bytes::new())
    }

    /// Queues a record as one message.
    #[inline]
    pub(super) fn put(&mut self, record: Out, queue: &mut OutputQueue) -> Result<(), FilterError> {
        match self {
            Self::Both(filter) => filter.encode(record, queue)?,
            Self::Each { output, .. } => output.encode(record, queue)?,
            Self::Neither => {}
        }
        queue.end_message();
        Ok(())
    }

    /// The filter for input, if it is an `F`.
    pub(super) fn input_mut<F: 'static>(&mut self) -> Option<&mut F> {
        input!(self, filter => filter.decoder(), return None).downcast_mut()
    }

    /// The filter for output, if it is an `F`.
    pub(super) fn output_mut<F: 'static>(&mut self) -> Option<&mut F> {
        match self {
            Self::Both(filter) => filter.encoder(),
            Self::Each { output, .. } => output.encoder(),
            Self::Neither => return None,
        }
        .downcast_mut()
    }

    /// The same with another filter for input; for a wheel that does not run yet.
    pub(super) fn with_input<I>(self, input: Box<dyn Decode<I>>) -> Filters<I, Out> {
        match self {
            Self::Both(filter) => Filters::Each { input, output: filter },
            Self::Each { output, .. } => Filters::Each { input, output },
            Self::Neither => Filters::Neither,
        }
    }

    /// The same with another filter for output.
    pub(super) fn with_output<O>(self, output: Box<dyn Encode<O>>) -> Filters<In, O> {
        match self {
            Self::Both(filter) => Filters::Each { input: filter, output },
            Self::Each { input, .. } => Filters::Each { input, output },
            Self::Neither => Filters::Neither,
        }
    }

    /// Puts another filter in place of that for input, hands over what is pending, and gives back what is replaced.
    pub(super) fn replace_input(
        &mut self,
        mut input: Box<dyn Decode<In>>,
    ) -> Replaced<Option<Box<dyn Decode<In>>>> {
        let pending = self.take_pending();
        let handed_over = hand_over(&mut *input, pending);
        if let Self::Each { input: current, .. } = self {
            return (handed_over, Some(mem::replace(current, input)));
        }
        *self = mem::replace(self, Self::Neither).with_input(input);
        (handed_over, None)
    }

    pub(super) fn replace_output(
        &mut self,
        output: Box<dyn Encode<Out>>,
    ) -> Option<Box<dyn Encode<Out>>> {
        if let Self::Each { output: current, .. } = self {
            return Some(mem::replace(current, output));
        }
        *self = mem::replace(self, Self::Neither).with_output(output);
        None
    }

    pub(super) fn replace_both(&mut self, mut filter: Box<dyn Both<In, Out>>) -> Replaced<Self> {
        let handed_over = hand_over(&mut *filter, self.take_pending());
        (handed_over, mem::replace(self, Self::Both(filter)))
    }
}

fn hand_over<In>(
    input: &mut (impl Decode<In> + ?Sized),
    pending: Bytes,
) -> Result<(), FilterError> {
    if pending.is_empty() { Ok(()) } else { input.feed(pending) }
}

/// The message that a filter adds to.
struct Message<'a>(&'a mut OutputQueue);

impl Sink for Message<'_> {
    fn put_slice(&mut self, octets: &[u8]) {
        self.0.put_slice(octets);
    }

    fn put_bytes(&mut self, chunk: Bytes) {
        self.0.put_bytes(chunk);
    }

    #[inline(always)]
    fn put_ended(&mut self, chunk: Bytes, end: &[u8]) {
        self.0.put_ended(chunk, end);
    }
}
