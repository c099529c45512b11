//! A filter with a layer on it.

use bytes::Bytes;

use crate::origin::{Held, Origin, join};
use crate::queue::Queue;
use crate::{Filter, FilterError, Sink, Transform};

/// A filter with a layer on it, made by [`then`](Filter::then).
///
/// Records are taken out of the filter below one by one, as the layer needs them, so that what no
/// record was made of is pending down there, as octets. Records that a layer has gathered
/// but not given yet, as in a [`RecordBlock`](crate::RecordBlock), are pending as the octets they
/// came from.
///
/// ```
/// use poe_filter::{Filter, Line, RecordBlock, Stream};
///
/// let mut pairs = Line::new().then(RecordBlock::new(2)?);
/// assert_eq!(pairs.get("a\nb\nc\nd".into())?, [["a", "b"]]);
/// assert_eq!(Stream::new().get(pairs.take_pending())?, ["c\nd"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Then<F, T> {
    lower: F,
    upper: T,
    /// Only of use, and else empty, if the upper layer gathers records.
    origin: Origin,
    held: Held,
}

impl<F: Filter, T: Transform<From = F::In, To = F::Out>> Then<F, T> {
    pub(crate) fn new(lower: F, upper: T) -> Self {
        Self { lower, upper, origin: Origin::default(), held: Held::default() }
    }

    /// The filter below.
    ///
    /// ```
    /// use poe_filter::{Block, Filter, Map};
    ///
    /// let mut filter = Block::new().then(Map::both(|block: bytes::Bytes| block));
    /// filter.get("junk1\0a".into())?;
    /// assert_eq!(filter.lower().junk_octets(), 4);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    pub fn lower(&self) -> &F {
        &self.lower
    }

    /// The layer on it.
    ///
    /// ```
    /// use poe_filter::{Filter, Line, RecordBlock};
    ///
    /// let filter = Line::new().then(RecordBlock::new(4)?);
    /// assert_eq!(filter.upper().blocksize(), 4);
    /// # Ok::<(), poe_filter::ConfigError>(())
    /// ```
    pub fn upper(&self) -> &T {
        &self.upper
    }

    /// The layer on it, to change its parameters.
    ///
    /// ```
    /// use poe_filter::{Filter, Grep, Line};
    ///
    /// let mut filter = Line::new().then(Grep::both(|line: &bytes::Bytes| !line.is_empty()));
    /// filter.upper_mut().modify_get(|line| line.len() > 1);
    /// assert_eq!(filter.get("a\nbc\n".into())?, ["bc"]);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    pub fn upper_mut(&mut self) -> &mut T {
        &mut self.upper
    }

    fn next(&mut self, ended: bool) -> Result<Option<T::In>, FilterError> {
        loop {
            let made = self.upper.get_one();
            if let Some(pending) = self.upper.pending() {
                self.held.release(pending);
            }
            if let Some(record) = made? {
                return Ok(Some(record));
            }
            let mut given = self.lower.get_one();
            if ended && matches!(given, Ok(None)) {
                given = self.lower.finish();
            }
            let gathers = self.upper.pending().is_some();
            let used = if gathers {
                let lower = &self.lower;
                self.origin
                    .take_used(lower.pending_len(), lower.pending_before(), || lower.get_pending())
            } else {
                Bytes::new()
            };
            match given? {
                Some(record) => {
                    self.upper.get_one_start(record);
                    if gathers {
                        self.held.push(used);
                    }
                }
                None => {
                    self.origin.starve();
                    if !ended {
                        return Ok(None);
                    }
                    let made = self.upper.finish();
                    if let Some(pending) = self.upper.pending() {
                        self.held.release(pending);
                    }
                    return made;
                }
            }
        }
    }
}

impl<F, T> Filter for Then<F, T>
where
    F: Filter + 'static,
    T: Transform<From = F::In, To = F::Out> + 'static,
{
    type In = T::In;
    type Out = T::Out;

    fn get_one_start(&mut self, chunk: Bytes) -> Result<(), FilterError> {
        if self.upper.pending().is_none() {
            return self.lower.get_one_start(chunk);
        }
        let added = self.lower.get_one_start(chunk.clone());
        if !matches!(added, Err(FilterError::BufferFull { .. })) {
            self.origin.append(chunk);
        }
        added
    }

    fn get_one(&mut self) -> Result<Option<T::In>, FilterError> {
        self.next(false)
    }

    fn finish(&mut self) -> Result<Option<T::In>, FilterError> {
        self.next(true)
    }

    fn put(&mut self, record: T::Out, sink: &mut dyn Sink) -> Result<(), FilterError> {
        let mut records = Queue::default();
        self.upper.put(record, &mut |record| records.push(record))?;
        if records.len() < 2 {
            return records.pop().map_or(Ok(()), |record| self.lower.put(record, sink));
        }
        // All or nothing: one of them may be refused.
        let mut chunks = Vec::<Bytes>::new();
        while let Some(record) = records.pop() {
            self.lower.put(record, &mut chunks)?;
        }
        chunks.into_iter().for_each(|chunk| sink.put_bytes(chunk));
        Ok(())
    }

    fn get_pending(&self) -> Bytes {
        join(self.held.iter().chain([self.lower.get_pending()]))
    }

    fn pending_len(&self) -> usize {
        self.held.len() + self.lower.pending_len()
    }

    fn take_pending(&mut self) -> Bytes {
        self.upper.reset();
        self.origin.take_all();
        let held = self.held.release(0);
        join([held, self.lower.take_pending()].into_iter())
    }

    fn pending_before(&self) -> usize {
        if self.held.len() == 0 { self.lower.pending_before() } else { 0 }
    }

    fn fresh(&self) -> Box<dyn Filter<In = T::In, Out = T::Out>> {
        Box::new(Then::new(self.lower.fresh(), self.upper.fresh()))
    }
}
