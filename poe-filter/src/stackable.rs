//! A stack of filters that is put together at run time.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;

use crate::held::{Held, Left, Portion, written};
use crate::layer::{Give, RecordType, take};
use crate::origin::{Origin, join};
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
/// What is pending in a stack that changes next to the wire, the input of which no record was made, goes through the
/// changed stack from its start, but for the records that a filter in it has given to a layer above: these stay there.
/// A filter that stays goes on where it is, such as within a body; one that is taken off is as a new one. What is left of a packet that an upper filter has used in part stays in that filter,
/// which is to go on with it; of a stack that is replaced as a whole, it is pending as the packet that the layers
/// below write for it, or by itself if they do not read what they write. That its first filter holds more than its
/// `MaxBuffer` then is told by [`get_one`](Filter::get_one).
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
    /// What the record given last came from, once a layer above has asked for that.
    used: Option<Bytes>,
    records: PhantomData<fn(Out) -> In>,
}

#[derive(Debug)]
struct Slot {
    layer: Layer,
    /// Where the records came from that the layer holds.
    held: Held,
    /// Records that it has given to a layer that has been taken off.
    given_back: VecDeque<Box<dyn Any>>,
    /// Where these came from.
    given_back_held: VecDeque<Bytes>,
}

impl<In: 'static, Out: 'static> Stackable<In, Out> {
    /// A stack without layers.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Vec::new())
    }

    fn of(slots: Vec<Slot>) -> Self {
        Self { slots, origin: Origin::default(), used: None, records: PhantomData }
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
            self.rewind(0, |slots| slots.push(Slot::new(layer)));
            return Ok(());
        };
        check_pair(&last.layer, &layer)?;
        self.slots.push(Slot::new(layer));
        Ok(())
    }

    /// Takes the last layer off. It comes without the input that it held: the records that it had been given are what
    /// the stack gives next. The layers below go on where they are.
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
        if self.slots.len() < 2 || self.slots.last().is_some_and(|top| !top.given_back.is_empty()) {
            // These are not the records of the layer below.
            return self.take_out(self.slots.len(), Vec::pop);
        }
        let mut top = self.slots.pop()?;
        let octets = top.held_octets(&self.slots);
        if let Some(below) = self.slots.last_mut() {
            top.return_to(below, octets);
        }
        Some(top.layer)
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
        self.rewind(0, |slots| slots.insert(0, Slot::new(layer)));
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
        self.take_out(1, |slots| (!slots.is_empty()).then(|| slots.remove(0)))
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

    fn take_out(
        &mut self,
        stays: usize,
        take: impl FnOnce(&mut Vec<Slot>) -> Option<Slot>,
    ) -> Option<Layer> {
        let mut layer = self.rewind(stays, take)?.layer;
        layer.0.reset();
        Some(layer)
    }

    /// Changes the stack below the first layer that stays, and has what is pending go through it from its start: all up
    /// to the first filter that stays. That goes on where it is, and so what it has given is not to come to it again.
    fn rewind<T>(&mut self, stays: usize, change: impl FnOnce(&mut Vec<Slot>) -> T) -> T {
        if self.pending_len() == 0 {
            return change(&mut self.slots);
        }
        let count = self.slots.len();
        let upper = self.slots.iter().skip(stays);
        let filter = upper.take_while(|slot| slot.layer.0.octets().is_none()).count() + stays;
        let mut octets = Vec::new();
        for (index, slot) in self.slots[..count.min(filter + 1)].iter_mut().enumerate().rev() {
            if index != filter {
                octets.extend(slot.take_given_back_octets());
            }
            octets.push(slot.held.take_whole());
            if index > 0 {
                slot.layer.0.rewind();
            }
        }
        octets.push(if filter == 0 { self.take_unread() } else { self.wire_octets() });
        self.origin.take_all();
        if let Some(first) = self.slots.first_mut() {
            if filter > 0 {
                first.layer.0.reset();
            } else {
                // What the layers of a stack in it hold.
                let kept = first.layer.0.copy_octets();
                if !kept.is_empty() {
                    first.held.push(kept.clone(), kept);
                }
            }
        }
        let result = change(&mut self.slots);
        if let Some(first) = self.slots.first_mut() {
            // What it has kept.
            if first.layer.0.take_used().is_none() {
                self.origin.append(first.layer.0.copy_octets());
            }
            first.held = Held::default();
        }
        // What its first filter says to that is told with the next record.
        _ = self.feed(join(octets.into_iter()));
        result
    }

    /// Adds a chunk; gives the filter next to the wire, which has taken it or not.
    fn feed(&mut self, chunk: Bytes) -> Option<&mut Layer> {
        let first = self.slots.first_mut().map(|slot| &mut slot.layer);
        let Some((filter, before)) = first.and_then(|layer| {
            let octets = layer.0.octets()?;
            Some((layer, octets))
        }) else {
            self.origin.append(chunk);
            return None;
        };
        // A filter takes octets.
        _ = filter.0.get_one_start(&mut Some(chunk.clone()));
        if filter.0.octets() != Some(before) && filter.0.take_used().is_none() {
            self.origin.append(chunk);
        }
        Some(filter)
    }

    /// What is pending next to the wire.
    fn wire_octets(&self) -> Bytes {
        match self.slots.first() {
            Some(Slot { layer, .. }) if layer.0.octets().is_some() => layer.0.copy_octets(),
            _ => self.origin.copy_all(),
        }
    }

    fn next(&mut self, ended: bool) -> Result<Option<In>, FilterError> {
        self.check().map_err(FilterError::stream)?;
        let mut next = None;
        let wanted = self.used.take().is_some();
        let used = pull(&mut self.slots, &mut self.origin, Pull { ended, wanted }, &mut |record| {
            next = Some(take(record)?);
            Ok(())
        });
        if wanted {
            self.used = Some(used.as_ref().ok().cloned().flatten().unwrap_or_default());
        }
        used?;
        Ok(next)
    }
}

impl Slot {
    fn new(layer: Layer) -> Self {
        let (held, given_back) = (Held::default(), VecDeque::new());
        Self { layer, held, given_back, given_back_held: VecDeque::new() }
    }

    /// Gives the records that the layer holds, which came from these octets, back to the one below.
    fn return_to(&mut self, below: &mut Self, octets: Vec<Bytes>) {
        let mut records = VecDeque::from(self.layer.0.take_records());
        let without = records.len().saturating_sub(octets.len());
        let mut held: VecDeque<_> =
            std::iter::repeat_n(Bytes::new(), without).chain(octets).collect();
        held.append(&mut below.given_back_held);
        records.append(&mut below.given_back);
        (below.given_back, below.given_back_held) = (records, held);
        self.held = Held::default();
        self.layer.0.reset();
    }

    fn take_given_back(&mut self) -> Option<(Box<dyn Any>, Bytes)> {
        let record = self.given_back.pop_front()?;
        Some((record, self.given_back_held.pop_front().unwrap_or_default()))
    }

    /// The octets of the records that the layer holds, on these layers.
    fn held_octets(&self, below: &[Slot]) -> Vec<Bytes> {
        self.held.octets(|part| written(&fresh(below), part)).collect()
    }

    /// Takes the octets of all records that the layer was given back.
    fn take_given_back_octets(&mut self) -> VecDeque<Bytes> {
        self.given_back = VecDeque::new();
        std::mem::take(&mut self.given_back_held)
    }

    /// Adds a record, made of these octets.
    fn hold(&mut self, record: &mut dyn Any) -> Result<Bytes, FilterError> {
        let layer = &mut self.layer.0;
        let Some([before, _]) = layer.content() else {
            layer.get_one_start(record)?;
            return Ok(Bytes::new());
        };
        let content = record.downcast_ref::<Option<Bytes>>().cloned().flatten().unwrap_or_default();
        layer.get_one_start(record)?;
        // A filter that is full does not take it.
        let is_taken = layer.content().is_some_and(|[after, _]| after > before);
        Ok(if is_taken { content } else { Bytes::new() })
    }

    /// What the layer has let go, if that is wanted.
    fn follow(&mut self, how: Pull) -> Vec<Portion> {
        let mut used = Vec::new();
        if self.held.len() > 0 {
            let left = match (self.layer.0.content(), self.layer.0.pending()) {
                (Some([left, before]), _) => Left::Octets { left, before },
                (None, pending) => Left::Records(pending.unwrap_or(0)),
            };
            if how.wanted {
                self.held.follow(left, &mut used);
            } else {
                self.held.follow(left, &mut Dropped);
            }
        }
        used
    }
}

/// What nobody wants to know.
struct Dropped;

impl Extend<Portion> for Dropped {
    fn extend<T: IntoIterator<Item = Portion>>(&mut self, portions: T) {
        portions.into_iter().for_each(drop);
    }
}

/// New layers, as they are below a filter.
fn fresh(slots: &[Slot]) -> Stackable {
    Stackable::of(slots.iter().map(|slot| Slot::new(slot.layer.0.fresh())).collect())
}

/// Refuses a layer that does not fit on another.
fn check_pair(lower: &Layer, upper: &Layer) -> Result<(), ConfigError> {
    let ([gives, takes], [from, to]) = (lower.0.above(), upper.0.below());
    gives.check(from, lower.name())?;
    to.check(takes, upper.name())
}

/// How records are taken out.
#[derive(Debug, Clone, Copy)]
struct Pull {
    /// The input has ended.
    ended: bool,
    /// Somebody wants to know what they came from.
    wanted: bool,
}

/// Has the last of these layers give a record, and takes out of the ones below it no more than it
/// needs for that. Gives the octets that the record came from, or `None` if there is no record.
fn pull(
    slots: &mut [Slot],
    origin: &mut Origin,
    how: Pull,
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
    if let Some((mut record, octets)) = top.take_given_back() {
        give(&mut *record)?;
        return Ok(Some(octets));
    }
    if rest.is_empty() && top.layer.0.octets().is_some() {
        return pull_filter(top, origin, how.ended, give);
    }
    let below = Pull { wanted: how.wanted || top.layer.0.pending().is_some(), ..how };
    let came_from = |used: Vec<Portion>, rest: &[Slot]| {
        join(used.iter().map(|portion| portion.octets(|part| written(&fresh(rest), part))))
    };
    loop {
        let made = top.layer.0.get_one(give);
        let used = top.follow(how);
        if made? {
            return Ok(Some(came_from(used, rest)));
        }
        let mut content = Bytes::new();
        match pull(rest, origin, below, &mut |record| {
            content = top.hold(record)?;
            Ok(())
        })? {
            Some(octets) if below.wanted => top.held.push(octets, content),
            Some(_) => {}
            None if how.ended && top.layer.0.finish(give)? => {
                let used = top.follow(how);
                return Ok(Some(came_from(used, rest)));
            }
            None => {
                top.held.starve();
                return Ok(None);
            }
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
    let known = filter.take_used();
    let used = origin.take_used(filter.octets().unwrap_or(0), filter.octets_before());
    if made? {
        return Ok(Some(known.unwrap_or(used)));
    }
    origin.starve();
    Ok(None)
}

/// Serializes a record with the last of these layers, and what it becomes with the ones below.
fn put(
    slots: &mut [Slot],
    record: &mut dyn Any,
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
        match self.feed(chunk).and_then(|filter| filter.0.take_refused()) {
            Some(refused) => Err(refused),
            None => Ok(()),
        }
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
        let held = self.slots.iter().enumerate().rev().flat_map(|(place, slot)| {
            let given_back = slot.given_back_held.iter().cloned();
            given_back.chain(slot.held_octets(&self.slots[..place]))
        });
        join(held.chain([self.wire_octets()]))
    }

    fn pending_len(&self) -> usize {
        if self.slots.iter().any(|slot| slot.held.has_parts()) {
            return self.get_pending().len();
        }
        let given_back = |slot: &Slot| slot.given_back_held.iter().map(Bytes::len).sum::<usize>();
        let held = self.slots.iter().map(|slot| given_back(slot) + slot.held.octets_len());
        let first = self.slots.first().and_then(|slot| slot.layer.0.octets());
        held.sum::<usize>() + first.unwrap_or(self.origin.len())
    }

    fn take_pending(&mut self) -> Bytes {
        let pending = self.get_pending();
        self.origin.take_all();
        for slot in &mut self.slots {
            slot.take_given_back_octets();
            slot.held = Held::default();
            slot.layer.0.reset();
        }
        pending
    }

    fn take_unread(&mut self) -> Bytes {
        let wire = self.origin.take_all();
        match self.slots.first_mut() {
            Some(Slot { layer, .. }) if layer.0.octets().is_some() => layer.0.take_unread(),
            _ => wire,
        }
    }

    fn take_used(&mut self) -> Option<Bytes> {
        Some(self.used.replace(Bytes::new()).unwrap_or_default())
    }

    fn fresh(&self) -> Box<dyn Filter<In = In, Out = Out>> {
        let slots = self.filters().map(|layer| Slot::new(layer.0.fresh())).collect();
        Box::new(Self::of(slots))
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
