//! Chunks that are records.

use bytes::{Bytes, BytesMut};

use crate::queue::Queue;
use crate::{Filter, FilterError, Sink};

/// Makes a record of each chunk, be it empty: for sources that keep messages apart, as datagram sockets do.
///
/// This is the one filter for which the division of its input means something. Of what is pending the division is lost when
/// it is [handed over](Filter::take_pending).
///
/// ```
/// use poe_filter::{Filter, Packet};
///
/// let mut filter = Packet::new();
/// for chunk in ["one", "", "two\nlines"] {
///     filter.get_one_start(chunk.into())?;
/// }
/// assert_eq!(filter.get_one()?.unwrap(), "one");
/// assert_eq!(filter.get_one()?.unwrap(), "");
/// assert_eq!(filter.get_one()?.unwrap(), "two\nlines");
/// assert!(filter.get_one()?.is_none());
/// # Ok::<(), poe_filter::FilterError>(())
/// ```
#[derive(Debug, Default)]
pub struct Packet {
    chunks: Queue<Bytes>,
}

impl Packet {
    /// A filter that passes chunks through, one by one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Filter for Packet {
    type In = Bytes;
    type Out = Bytes;

    fn get_one_start(&mut self, chunk: Bytes) -> Result<(), FilterError> {
        self.chunks.push(chunk);
        Ok(())
    }

    fn get_one(&mut self) -> Result<Option<Bytes>, FilterError> {
        Ok(self.chunks.pop())
    }

    fn finish(&mut self) -> Result<Option<Bytes>, FilterError> {
        self.get_one()
    }

    fn put(&mut self, record: Bytes, sink: &mut dyn Sink) -> Result<(), FilterError> {
        // A sink that keeps messages apart makes one of this even if there is nothing in it.
        sink.put_bytes(record);
        Ok(())
    }

    fn get_pending(&self) -> Bytes {
        let mut pending = BytesMut::with_capacity(self.pending_len());
        self.chunks.iter().for_each(|chunk| pending.extend_from_slice(chunk));
        pending.freeze()
    }

    fn pending_len(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }

    fn take_pending(&mut self) -> Bytes {
        let pending = self.get_pending();
        self.chunks = Queue::default();
        pending
    }

    fn fresh(&self) -> Box<dyn Filter<In = Bytes, Out = Bytes>> {
        Box::new(Self::new())
    }
}
