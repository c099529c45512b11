//! Octets as they come.

use bytes::Bytes;

use crate::buffer::InputBuffer;
use crate::{Filter, FilterError, Sink};

/// Passes octets through unchanged. POE's `POE::Filter::Stream`.
///
/// All that was added since the last record is one record; it means nothing where one record ends
/// and the next begins. There are no limits and no parameters.
///
/// ```
/// use poe_filter::{Filter, Stream};
///
/// let mut filter = Stream::new();
/// filter.get_one_start("some".into())?;
/// filter.get_one_start("thing".into())?;
/// assert_eq!(filter.get_one()?.unwrap(), "something");
/// assert!(filter.get_one()?.is_none());
/// # Ok::<(), poe_filter::FilterError>(())
/// ```
#[derive(Debug, Default)]
pub struct Stream {
    buffer: InputBuffer,
}

impl Stream {
    /// A filter that passes everything through.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Filter for Stream {
    type In = Bytes;
    type Out = Bytes;

    fn get_one_start(&mut self, chunk: Bytes) -> Result<(), FilterError> {
        self.buffer.append(chunk, usize::MAX)
    }

    fn get_one(&mut self) -> Result<Option<Bytes>, FilterError> {
        let record = self.buffer.take_all();
        Ok((!record.is_empty()).then_some(record))
    }

    fn finish(&mut self) -> Result<Option<Bytes>, FilterError> {
        self.get_one()
    }

    fn put(&mut self, record: Bytes, sink: &mut dyn Sink) -> Result<(), FilterError> {
        sink.put_bytes(record);
        Ok(())
    }

    fn get_pending(&self) -> Bytes {
        self.buffer.copy_all()
    }

    fn pending_len(&self) -> usize {
        self.buffer.len()
    }

    fn take_pending(&mut self) -> Bytes {
        self.buffer.take_all()
    }

    fn fresh(&self) -> Box<dyn Filter<In = Bytes, Out = Bytes>> {
        Box::new(Self::new())
    }
}
