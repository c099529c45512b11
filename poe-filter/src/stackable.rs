//! A stack of filters that is put together at run time.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;

use crate::layer::{Give, RecordType, take};
use crate::origin::{Held, Origin, join};
use crate::{ConfigError, Filter, FilterError, IntoLayer, Layer, Sink};

/// A stack of filters and [transforms](crate::Transform) that can change at any time. POE's
/// `POE::Filter::Stackable`.
///
/// The first layer is nearest to the wire: input goes from the first to the last, output from the
/// last to the first. A stack without layers passes octets on as they are, as
/// [`Stream`](crate::Stream) does. `In` and `Out` are the records of the last layer.
///
/// Layers are put on at run time, and so it is checked at run time that they fit: a layer that does
/// not take what its neighbour gives is refused. Where the layers are known beforehand,
/// [`then`](Filter::then) has the compiler check them, and is faster.
///
/// What is pending in a stack that changes, the input of which no record was made, goes through the
/// changed stack from its start. That its first filter holds more than its `MaxBuffer` is told by
/// [`get_one`](Filter::get_one).
///
/// ```
/// use bytes::Bytes;
/// use poe_filter::{Filter, Grep, Line, RecordBlock, Stackable};
///
/// let mut stack = Stackable::<Vec<Bytes>, Vec<Bytes>>::new();
/// stack.push(Line::literal("!")?)?;
/// stack.push(Grep::both(|line: &Bytes| !line.is_empty()))?;
/// stack.push(RecordBlock::<Bytes>::new(2)?)?;
/// stack.check()?;
/// assert_eq!(stack.filter_types(), ["Line", "Grep", "RecordBlock"]);
/// assert_eq!(stack.get("a!!b!c!".into())?, [["a", "b"]]);
/// assert_eq!(stack.get_pending(), "c!");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Stackable<In = Bytes, Out = Bytes> {
    slots: Vec<Slot>,
    origin: Origin,
    records: PhantomData<fn(Out) -> In>,
}

#[derive(Debug)]
struct Slot {
    layer: Layer,
    /// Where the records came from that the layer holds.
    held: Held,
}

impl<In: 'static, Out: 'static> Stackable<In, Out> {
    /// A stack without layers.
    #[must_use]
    pub fn new() -> Self {
        Self { slots: Vec::new(), origin: Origin::default(), records: PhantomData }
    }

    /// Puts a layer behind the last one, farthest from the wire.
    ///
    /// ```
    /// use poe_filter::{Line, Map, Stackable};
    ///
    /// let mut stack: Stackable = Stackable::new();
    /// stack.push(Line::new())?;
    /// let error = stack.push(Map::both(|number: u32| number + 1)).unwrap_err();
    /// assert!(error.to_string().contains("u32"));
    /// assert_eq!(stack.filter_types(), ["Line"]);
    /// # Ok::<(), poe_filter::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError::LayerMismatch`], and the stack stays what it was.
    pub fn push<Kind>(&mut self, layer: impl IntoLayer<Kind>) -> Result<(), ConfigError> {
        let layer = layer.into_layer();
        let Some(last) = self.slots.last() else {
            self.rewind(|slots| slots.push(Slot::new(layer)));
            return Ok(());
        };
        check_pair(&last.layer, &layer)?;
        self.slots.push(Slot::new(layer));
        Ok(())
    }

    /// Takes the last layer off. It comes without the input that it held, which the others parse.
    ///
    /// ```
    /// use poe_filter::{Line, Stackable};
    ///
    /// let mut stack: Stackable = Stackable::new();
    /// stack.push(Line::new())?;
    /// assert_eq!(stack.pop().unwrap().name(), "Line");
    /// assert!(stack.pop().is_none());
    /// # Ok::<(), poe_filter::ConfigError>(())
    /// ```
    pub fn pop(&mut self) -> Option<Layer> {
        let (_, upper) = self.slots.split_first()?;
        if !upper.is_empty() && upper.iter().all(|slot| slot.held.len() == 0) {
            // The filter next to the wire has all that is pending, and goes on where it is.
            let mut layer = self.slots.pop()?.layer;
            layer.0.reset();
            return Some(layer);
        }
        self.take_out(Vec::pop)
    }

    /// Puts a layer before the first one, next to the wire.
    ///
    /// ```
    /// use poe_filter::{Block, Line, Stackable};
    ///
    /// let mut stack: Stackable = Stackable::new();
    /// stack.push(Line::new())?;
    /// stack.unshift(Block::new())?;
    /// assert_eq!(stack.filter_types(), ["Block", "Line"]);
    /// # Ok::<(), poe_filter::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError::LayerMismatch`], and the stack stays what it was.
    pub fn unshift<Kind>(&mut self, layer: impl IntoLayer<Kind>) -> Result<(), ConfigError> {
        let layer = layer.into_layer();
        if let Some(first) = self.slots.first() {
            check_pair(&layer, &first.layer)?;
        }
        self.rewind(|slots| slots.insert(0, Slot::new(layer)));
        Ok(())
    }

    /// Takes the first layer off. It comes without the input that it held, which the others parse.
    ///
    /// ```
    /// use poe_filter::{Block, Line, Stackable};
    ///
    /// let mut stack: Stackable = Stackable::new();
    /// stack.push(Block::new())?;
    /// stack.push(Line::new())?;
    /// assert_eq!(stack.shift().unwrap().name(), "Block");
    /// assert_eq!(stack.filter_types(), ["Line"]);
    /// # Ok::<(), poe_filter::ConfigError>(())
    /// ```
    pub fn shift(&mut self) -> Option<Layer> {
        self.take_out(|slots| (!slots.is_empty()).then(|| slots.remove(0)))
    }

    /// The layers, the first one being next to the wire.
    ///
    /// ```
    /// use poe_filter::{Line, Stackable};
    ///
    /// let mut stack: Stackable = Stackable::new();
    /// stack.push(Line::new())?;
    /// assert!(stack.filters().next().unwrap().downcast_ref::<Line>().is_some());
    /// # Ok::<(), poe_filter::ConfigError>(())
    /// ```
    pub fn filters(&self) -> impl DoubleEndedIterator<Item = &Layer> + ExactSizeIterator {
        self.slots.iter().map(|slot| &slot.layer)
    }

    /// The layers, to change their parameters.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use poe_filter::{Filter, Grep, Line, Stackable};
    ///
    /// let mut stack: Stackable = Stackable::new();
    /// stack.push(Line::new())?;
    /// stack.push(Grep::both(|_: &Bytes| true))?;
    /// let grep = stack.filters_mut().last().unwrap().downcast_mut::<Grep<Bytes>>().unwrap();
    /// grep.modify_get(|line| !line.is_empty());
    /// assert_eq!(stack.get("\na\n".into())?, ["a"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filters_mut(
        &mut self,
    ) -> impl DoubleEndedIterator<Item = &mut Layer> + ExactSizeIterator {
        self.slots.iter_mut().map(|slot| &mut slot.layer)
    }

    /// The names of the layers' types, the first one being next to the wire.
    #[must_use]
    pub fn filter_types(&self) -> Vec<&'static str> {
        self.filters().map(Layer::name).collect()
    }

    /// Looks whether the stack's ends fit: the first layer takes octets, and the last one
    /// has the records that the stack is said to have. Parsing and serializing fail while they do not.
    ///
    /// ```
    /// use poe_filter::{Line, Map, Stackable};
    ///
    /// let mut stack = Stackable::<usize, bytes::Bytes>::new();
    /// stack.push(Line::new())?;
    /// assert!(stack.check().is_err());
    /// stack.push(Map::new(|line: bytes::Bytes| line.len(), |line: bytes::Bytes| line))?;
    /// stack.check()
    /// # ?; Ok::<(), poe_filter::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError::LayerMismatch`].
    pub fn check(&self) -> Result<(), ConfigError> {
        let octets = RecordType::of::<Bytes>();
        let (below, above, first, last) = match (self.slots.first(), self.slots.last()) {
            (Some(first), Some(last)) => {
                let (first, last) = (&first.layer, &last.layer);
                (first.0.below(), last.0.above(), first.name(), last.name())
            }
            _ => ([octets; 2], [octets; 2], "an empty stack", "an empty stack"),
        };
        octets.check(below[0], "the wire")?;
        below[1].check(octets, first)?;
        above[0].check(RecordType::of::<In>(), last)?;
        RecordType::of::<Out>().check(above[1], "the user of the stack")
    }

    fn take_out(&mut self, take: impl FnOnce(&mut Vec<Slot>) -> Option<Slot>) -> Option<Layer> {
        let mut layer = self.rewind(take)?.layer;
        layer.0.reset();
        Some(layer)
    }

    /// Changes the stack, and has what is pending go through it from its start.
    fn rewind<T>(&mut self, change: impl FnOnce(&mut Vec<Slot>) -> T) -> T {
        if self.pending_len() == 0 {
            return change(&mut self.slots);
        }
        let pending = self.take_pending();
        let result = change(&mut self.slots);
        self.feed(pending);
        result
    }

    fn feed(&mut self, chunk: Bytes) {
        self.origin.append(chunk.clone());
        if let Some(first) = self.slots.first_mut()
            && first.layer.0.octets().is_some()
        {
            // A filter takes octets.
            _ = first.layer.0.get_one_start(&mut Some(chunk));
        }
    }

    fn next(&mut self, ended: bool) -> Result<Option<In>, FilterError> {
        self.check().map_err(FilterError::stream)?;
        let mut next = None;
        pull(&mut self.slots, &mut self.origin, ended, &mut |record| {
            next = Some(take(record)?);
            Ok(())
        })?;
        Ok(next)
    }
}

impl Slot {
    fn new(layer: Layer) -> Self {
        Self { layer, held: Held::default() }
    }

    /// The octets of the records that the layer has let go.
    fn release(&mut self) -> Bytes {
        self.held.release(self.layer.0.pending())
    }
}

/// Refuses a layer that does not fit on another.
fn check_pair(lower: &Layer, upper: &Layer) -> Result<(), ConfigError> {
    let ([gives, takes], [from, to]) = (lower.0.above(), upper.0.below());
    gives.check(from, lower.name())?;
    to.check(takes, upper.name())
}

/// Has the last of these layers give a record, and takes out of the ones below it no more than it
/// needs for that. Gives the octets that the record came from, or `None` if there is no record.
fn pull(
    slots: &mut [Slot],
    origin: &mut Origin,
    ended: bool,
    give: Give<'_>,
) -> Result<Option<Bytes>, FilterError> {
    let Some((top, rest)) = slots.split_last_mut() else {
        let chunk = origin.take_all();
        if chunk.is_empty() {
            return Ok(None);
        }
        give(&mut Some(chunk.clone()))?;
        return Ok(Some(chunk));
    };
    if rest.is_empty() && top.layer.0.octets().is_some() {
        return pull_filter(top, origin, ended, give);
    }
    loop {
        let made = top.layer.0.get_one(give);
        let released = top.release();
        if made? {
            return Ok(Some(released));
        }
        let layer = &mut top.layer.0;
        match pull(rest, origin, ended, &mut |record| layer.get_one_start(record))? {
            Some(octets) => top.held.push(octets),
            None if ended && layer.finish(give)? => return Ok(Some(top.release())),
            None => return Ok(None),
        }
    }
}

/// The same for the filter that is next to the wire.
fn pull_filter(
    slot: &mut Slot,
    origin: &mut Origin,
    ended: bool,
    give: Give<'_>,
) -> Result<Option<Bytes>, FilterError> {
    let filter = &mut slot.layer.0;
    let mut made = filter.get_one(give);
    if ended && matches!(made, Ok(false)) {
        made = filter.finish(give);
    }
    let used = origin.take_used(filter.octets().unwrap_or(0));
    if made? {
        return Ok(Some(used));
    }
    origin.starve();
    Ok(None)
}

/// Serializes a record with the last of these layers, and what it becomes with the ones below.
fn put(
    slots: &mut [Slot],
    record: &mut dyn std::any::Any,
    chunks: &mut Vec<Bytes>,
) -> Result<(), FilterError> {
    match slots.split_last_mut() {
        Some((top, rest)) => top.layer.0.put(record, &mut |record| put(rest, record, chunks)),
        None => {
            chunks.push(take(record)?);
            Ok(())
        }
    }
}

impl<In: 'static, Out: 'static> Filter for Stackable<In, Out> {
    type In = In;
    type Out = Out;

    fn get_one_start(&mut self, chunk: Bytes) -> Result<(), FilterError> {
        self.feed(chunk);
        Ok(())
    }

    fn get_one(&mut self) -> Result<Option<In>, FilterError> {
        self.next(false)
    }

    fn finish(&mut self) -> Result<Option<In>, FilterError> {
        self.next(true)
    }

    fn put(&mut self, record: Out, sink: &mut dyn Sink) -> Result<(), FilterError> {
        self.check().map_err(FilterError::stream)?;
        // All or nothing: one of the records that this one becomes may be refused.
        let mut chunks = Vec::new();
        put(&mut self.slots, &mut Some(record), &mut chunks)?;
        chunks.into_iter().for_each(|chunk| sink.put_bytes(chunk));
        Ok(())
    }

    fn get_pending(&self) -> Bytes {
        let held = self.slots.iter().rev().flat_map(|slot| slot.held.iter());
        join(held.chain([self.origin.copy_all()]))
    }

    fn pending_len(&self) -> usize {
        let held: usize = self.slots.iter().map(|slot| slot.held.len()).sum();
        held + self.origin.len()
    }

    fn take_pending(&mut self) -> Bytes {
        let held: Vec<Bytes> =
            self.slots.iter_mut().rev().map(|slot| slot.held.release(0)).collect();
        for slot in &mut self.slots {
            slot.layer.0.reset();
        }
        join(held.into_iter().chain([self.origin.take_all()]))
    }

    fn fresh(&self) -> Box<dyn Filter<In = In, Out = Out>> {
        let slots = self.filters().map(|layer| Slot::new(layer.0.fresh())).collect();
        Box::new(Self { slots, origin: Origin::default(), records: PhantomData })
    }
}

impl<In: 'static, Out: 'static> Default for Stackable<In, Out> {
    fn default() -> Self {
        Self::new()
    }
}

impl<In, Out> fmt::Debug for Stackable<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stackable").field("slots", &self.slots).finish_non_exhaustive()
    }
}
