//! A filter with a layer on it.

use std::any::Any;

use bytes::Bytes;

use crate::held::{Held, Left, Portion, written};
use crate::origin::{Origin, join};
use crate::queue::Queue;
use crate::{Filter, FilterError, Sink, Transform};

/// A filter with a layer on it, made by [`then`](Filter::then).
///
/// Records are taken out of the filter below one by one, as the layer needs them, so that what no
/// record was made of is pending down there, as octets. Records that a layer has gathered
/// but not given yet, as in a [`RecordBlock`](crate::RecordBlock), are pending as the octets they
/// came from. What is left of a record of which a filter above has used a part, as of a packet in a [`FilterLayer`](crate::FilterLayer),
/// is pending as the filter below writes it, or by itself if that one does not read what it writes.
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
    /// What the record given last came from, be it that another layer stands on this one.
    used: Vec<Portion>,
    /// The same if the upper layer gathers no records, and the lower one knows.
    passed: Vec<Bytes>,
}

impl<F: Filter, T: Transform<From = F::In, To = F::Out>> Then<F, T> {
    pub(crate) fn new(lower: F, upper: T) -> Self {
        let (origin, held) = (Origin::default(), Held::default());
        Self { lower, upper, origin, held, used: Vec::new(), passed: Vec::new() }
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
        self.used.clear();
        self.passed.clear();
        loop {
            let made = self.upper.get_one();
            self.follow();
            if let Some(record) = made? {
                return Ok(Some(record));
            }
            let mut given = self.lower.get_one();
            if ended && matches!(given, Ok(None)) {
                given = self.lower.finish();
            }
            let known = self.lower.take_used();
            let gathers = self.upper.pending().is_some();
            let used = match known {
                Some(known) => known,
                None if gathers => {
                    self.origin.take_used(self.lower.pending_len(), self.lower.pending_before())
                }
                None => Bytes::new(),
            };
            match given? {
                Some(record) if gathers => self.hold(record, used),
                Some(record) => {
                    self.upper.get_one_start(record);
                    if !used.is_empty() {
                        self.passed.push(used);
                    }
                }
                None => {
                    self.origin.starve();
                    self.held.starve();
                    (self.used, self.passed) = (Vec::new(), Vec::new());
                    if !ended {
                        return Ok(None);
                    }
                    let made = self.upper.finish();
                    self.follow();
                    return made;
                }
            }
        }
    }

    /// Adds a record, made of these octets, to an upper layer that gathers records.
    fn hold(&mut self, record: F::In, octets: Bytes) {
        let Some([before, _]) = self.upper.octets() else {
            self.upper.get_one_start(record);
            return self.held.push(octets, Bytes::new());
        };
        let content = (&record as &dyn Any).downcast_ref::<Bytes>().cloned().unwrap_or_default();
        self.upper.get_one_start(record);
        // A filter that is full does not take it.
        if content.is_empty() || self.upper.octets().is_some_and(|[after, _]| after > before) {
            self.held.push(octets, content);
        }
    }

    fn follow(&mut self) {
        if self.held.len() == 0 {
            return;
        }
        let left = match (self.upper.octets(), self.upper.pending()) {
            (Some([left, before]), _) => Left::Octets { left, before },
            (None, pending) => Left::Records(pending.unwrap_or(0)),
        };
        self.held.follow(left, &mut self.used);
    }

    fn held_octets(&self) -> impl Iterator<Item = Bytes> {
        self.held.octets(|content| written(&self.lower, content))
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
        if self.upper.pending().is_none() || self.lower.take_used().is_some() {
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
        join(self.held_octets().chain([self.lower.get_pending()]))
    }

    fn pending_len(&self) -> usize {
        let held = if self.held.has_parts() {
            self.held_octets().map(|octets| octets.len()).sum()
        } else {
            self.held.octets_len()
        };
        held + self.lower.pending_len()
    }

    fn take_pending(&mut self) -> Bytes {
        let held = join(self.held_octets());
        self.held = Held::default();
        self.upper.reset();
        self.origin.take_all();
        join([held, self.lower.take_pending()].into_iter())
    }

    fn pending_before(&self) -> usize {
        if self.held.len() == 0 { self.lower.pending_before() } else { 0 }
    }

    fn take_used(&mut self) -> Option<Bytes> {
        if self.upper.pending().is_some() {
            let octets = |portion: &Portion| portion.octets(|part| written(&self.lower, part));
            let used = join(self.used.iter().map(octets));
            self.used.clear();
            return Some(used);
        }
        self.lower.take_used().map(|more| join(self.passed.drain(..).chain([more])))
    }

    fn take_unread(&mut self) -> Bytes {
        // The upper layer keeps its records: the lower filter is where it is for having given them.
        self.origin.take_all();
        self.lower.take_unread()
    }

    fn fresh(&self) -> Box<dyn Filter<In = T::In, Out = T::Out>> {
        Box::new(Then::new(self.lower.fresh(), self.upper.fresh()))
    }
}
