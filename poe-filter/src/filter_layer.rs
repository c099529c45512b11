//! A filter as an upper layer.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::{BoxedTransform, Filter, FilterError, Transform};

/// A filter that stands on another filter of octets, and takes its records for chunks.
///
/// What it serializes of one record is one record for the filter below.
///
/// ```
/// use poe_filter::{Block, Filter, FilterLayer, Line};
///
/// // Lines within blocks, as in a protocol whose packets carry a stream of text.
/// let mut filter = Block::new().then(FilterLayer::new(Line::literal("\n")?));
/// assert_eq!(filter.get("4\0one\n6\0two\nth4\0ree\n".into())?, ["one", "two", "three"]);
/// let mut out = Vec::<u8>::new();
/// filter.put("one".into(), &mut out)?;
/// assert_eq!(out, b"4\0one\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FilterLayer<F> {
    filter: F,
    /// The sizes of the chunks of which all is pending.
    sizes: VecDeque<usize>,
    /// Of these.
    total: usize,
    /// What the filter said to the chunk that was added last.
    refused: Option<FilterError>,
}

impl<F: Filter> FilterLayer<F> {
    /// Makes a layer of a filter.
    pub fn new(filter: F) -> Self {
        Self { filter, sizes: VecDeque::new(), total: 0, refused: None }
    }

    /// The filter.
    ///
    /// ```
    /// use poe_filter::{Filter, FilterLayer, Line};
    ///
    /// let layer = FilterLayer::new(Line::new());
    /// assert!(layer.filter().get_pending().is_empty());
    /// ```
    pub fn filter(&self) -> &F {
        &self.filter
    }

    pub(crate) fn filter_mut(&mut self) -> &mut F {
        &mut self.filter
    }

    pub(crate) fn take_refused(&mut self) -> Option<FilterError> {
        self.refused.take()
    }

    pub(crate) fn fresh_layer(&self) -> FilterLayer<Box<dyn Filter<In = F::In, Out = F::Out>>> {
        FilterLayer::new(self.filter.fresh())
    }

    /// Forgets the chunks of which all is pending, and keeps what is left of one that is partly used.
    pub(crate) fn rewind(&mut self) {
        let part = self.filter.pending_len().saturating_sub(self.total);
        let mut pending = self.filter.take_unread();
        pending.truncate(part.saturating_sub(self.filter.pending_len()));
        self.settle();
        self.refused = self.filter.get_one_start(pending).err();
    }

    /// Takes out what is pending, for the filter to get it again.
    pub(crate) fn take_unread(&mut self) -> Bytes {
        let pending = self.filter.take_unread();
        self.settle();
        self.refused = None;
        pending
    }

    /// Forgets the chunks of which something is no more pending.
    fn settle(&mut self) {
        let pending = self.filter.pending_len();
        if pending == 0 {
            self.sizes = VecDeque::new();
            self.total = 0;
        }
        while self.total > pending
            && let Some(size) = self.sizes.pop_front()
        {
            self.total -= size;
        }
    }
}

impl<F: Filter + 'static> Transform for FilterLayer<F> {
    type From = Bytes;
    type In = F::In;
    type Out = F::Out;
    type To = Bytes;

    fn get_one_start(&mut self, record: Bytes) {
        let size = record.len();
        self.refused = self.filter.get_one_start(record).err();
        if !matches!(self.refused, Some(FilterError::BufferFull { .. })) {
            self.sizes.push_back(size);
            self.total += size;
        }
    }

    fn get_one(&mut self) -> Result<Option<F::In>, FilterError> {
        if let Some(refused) = self.refused.take() {
            return Err(refused);
        }
        let made = self.filter.get_one();
        self.settle();
        made
    }

    fn finish(&mut self) -> Result<Option<F::In>, FilterError> {
        let made = self.filter.finish();
        self.settle();
        made
    }

    fn put(&mut self, record: F::Out, below: &mut dyn FnMut(Bytes)) -> Result<(), FilterError> {
        let mut chunks = Vec::<Bytes>::new();
        self.filter.put(record, &mut chunks)?;
        if chunks.len() > 1 {
            let mut all = BytesMut::with_capacity(chunks.iter().map(Bytes::len).sum());
            chunks.iter().for_each(|chunk| all.extend_from_slice(chunk));
            below(all.freeze());
        } else {
            chunks.into_iter().for_each(below);
        }
        Ok(())
    }

    fn pending(&self) -> Option<usize> {
        Some(self.sizes.len())
    }

    fn take_pending(&mut self) -> Vec<Bytes> {
        let mut pending = self.filter.take_pending();
        let mut records = Vec::with_capacity(self.sizes.len() + 1);
        let left = pending.split_to(pending.len().saturating_sub(self.total));
        if !left.is_empty() {
            records.push(left);
        }
        for size in &self.sizes {
            records.push(pending.split_to(pending.len().min(*size)));
        }
        self.settle();
        self.refused = None;
        records
    }

    fn octets(&self) -> Option<[usize; 2]> {
        Some([self.filter.pending_len(), self.filter.pending_before()])
    }

    fn reset(&mut self) {
        self.filter.take_pending();
        self.settle();
        self.refused = None;
    }

    fn fresh(&self) -> BoxedTransform<Bytes, F::In, F::Out, Bytes> {
        Box::new(self.fresh_layer())
    }
}
