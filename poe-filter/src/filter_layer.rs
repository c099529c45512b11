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
    /// The sizes of the chunks of which some is pending, and maybe of some before them.
    sizes: VecDeque<usize>,
    /// What the filter said to the chunk that was added last.
    refused: Option<FilterError>,
}

impl<F: Filter> FilterLayer<F> {
    /// Makes a layer of a filter.
    pub fn new(filter: F) -> Self {
        Self { filter, sizes: VecDeque::new(), refused: None }
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

    pub(crate) fn fresh_layer(&self) -> FilterLayer<Box<dyn Filter<In = F::In, Out = F::Out>>> {
        FilterLayer::new(self.filter.fresh())
    }

    /// Of how many chunks nothing has become a record.
    fn untouched(&self) -> usize {
        let mut pending = self.filter.pending_len();
        let untouched = self.sizes.iter().rev().take_while(|size| {
            let whole = pending > 0 && **size <= pending;
            pending = pending.saturating_sub(**size);
            whole
        });
        untouched.count()
    }
}

impl<F: Filter + 'static> Transform for FilterLayer<F> {
    type From = Bytes;
    type In = F::In;
    type Out = F::Out;
    type To = Bytes;

    fn get_one_start(&mut self, record: Bytes) {
        self.sizes.push_back(record.len());
        self.refused = self.filter.get_one_start(record).err();
    }

    fn get_one(&mut self) -> Result<Option<F::In>, FilterError> {
        if let Some(refused) = self.refused.take() {
            return Err(refused);
        }
        let made = self.filter.get_one();
        let untouched = self.untouched();
        self.sizes.drain(..self.sizes.len() - untouched);
        made
    }

    fn finish(&mut self) -> Result<Option<F::In>, FilterError> {
        self.filter.finish()
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
        Some(self.untouched())
    }

    fn reset(&mut self) {
        self.filter.take_pending();
        self.sizes = VecDeque::new();
        self.refused = None;
    }

    fn fresh(&self) -> BoxedTransform<Bytes, F::In, F::Out, Bytes> {
        Box::new(self.fresh_layer())
    }
}
