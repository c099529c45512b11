//! What a layer of a stack holds, and which octets it came from.

use std::any::Any;
use std::collections::VecDeque;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::Filter;
use crate::origin::join;

/// A record that a layer has been given, or a part of it.
#[derive(Debug)]
pub(crate) struct Portion {
    /// What the record came from; nothing for a part.
    octets: Bytes,
    /// The record itself, for a layer that is a filter.
    content: Bytes,
    is_part: bool,
}

impl Portion {
    /// The octets of a record, or what the layers below write for a part of one.
    pub(crate) fn octets(&self, written: impl Fn(&Bytes) -> Bytes) -> Bytes {
        if self.is_part { written(&self.content) } else { self.octets.clone() }
    }

    /// Where the record is in the octets that it came from, if it is a slice of them.
    fn place(&self) -> Option<Range<usize>> {
        let start = self.content.as_ptr().addr().checked_sub(self.octets.as_ptr().addr())?;
        let end = start.checked_add(self.content.len())?;
        (end <= self.octets.len()).then_some(start..end)
    }
}

/// How much of what a layer has been given has become no record yet.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Left {
    /// So many records.
    Records(usize),
    /// So many octets, and so many of them from before its latest record.
    Octets { left: usize, before: usize },
}

/// The records that a layer holds.
#[derive(Debug, Default)]
pub(crate) struct Held {
    portions: VecDeque<Portion>,
    /// How many octets these came from, but for parts.
    octets: usize,
    /// How many octets these are.
    content: usize,
    parts: usize,
    /// How many of the last ones, at most, are slices of the chunk that they came with.
    sliced: usize,
    /// How many of the first ones came before the record that the layer made last, and how many octets these are.
    passed: (usize, usize),
}

impl Held {
    /// Adds a record, which came from these octets; of a filter above, it is its next chunk.
    pub(crate) fn push(&mut self, octets: Bytes, content: Bytes) {
        self.octets += octets.len();
        self.content += content.len();
        self.portions.push_back(Portion { octets, content, is_part: false });
        self.sliced += 1;
    }

    /// Lets go of the chunk: what came with it is copied.
    pub(crate) fn starve(&mut self) {
        let sliced = std::mem::take(&mut self.sliced).min(self.portions.len());
        let copied = self.portions.len() - sliced;
        let mut all = BytesMut::new();
        for portion in self.portions.range(copied..) {
            all.extend_from_slice(&portion.octets);
            if portion.place().is_none() {
                all.extend_from_slice(&portion.content);
            }
        }
        let mut all = all.freeze();
        for portion in self.portions.range_mut(copied..) {
            let place = portion.place();
            portion.octets = all.split_to(portion.octets.len());
            portion.content = match place {
                Some(place) => portion.octets.slice(place),
                None => all.split_to(portion.content.len()),
            };
        }
    }

    /// Follows the layer; gives what that has let go to `used`.
    pub(crate) fn follow(&mut self, left: Left, used: &mut impl Extend<Portion>) {
        match left {
            Left::Records(left) => {
                while self.portions.len() > left {
                    used.extend(self.remove(0));
                }
            }
            Left::Octets { left: 0, .. } => {
                while !self.portions.is_empty() {
                    used.extend(self.remove(0));
                }
            }
            Left::Octets { left, before } => {
                self.cut(before, self.content.saturating_sub(left), used)
            }
        }
        if self.portions.is_empty() {
            self.portions = VecDeque::new();
        }
    }

    /// Cuts so many octets out.
    fn cut(&mut self, before: usize, mut count: usize, used: &mut impl Extend<Portion>) {
        if self.passed.1 > before {
            self.passed = (0, 0);
        }
        let mut index = self.passed.0;
        let mut before = before - self.passed.1;
        while count > 0
            && let Some(portion) = self.portions.get_mut(index)
        {
            let len = portion.content.len();
            if before > 0 && before >= len {
                before -= len;
                index += 1;
                self.passed = (index, self.passed.1 + len);
                continue;
            }
            if before == 0 && count >= len {
                count -= len;
                used.extend(self.remove(index));
                continue;
            }
            let end = len.min(before + count);
            let content = portion.content.slice(before..end);
            let rest = [portion.content.slice(..before), portion.content.slice(end..)];
            self.content -= content.len();
            count -= content.len();
            self.octets -= std::mem::take(&mut portion.octets).len();
            self.parts += usize::from(!portion.is_part);
            portion.is_part = true;
            portion.content = join(rest.into_iter());
            used.extend([Portion { octets: Bytes::new(), content, is_part: true }]);
            (before, index) = (0, index + 1);
        }
    }

    fn remove(&mut self, index: usize) -> Option<Portion> {
        let portion = self.portions.remove(index)?;
        if index < self.passed.0 {
            self.passed = (0, 0);
        }
        self.octets -= portion.octets.len();
        self.content -= portion.content.len();
        self.parts -= usize::from(portion.is_part);
        Some(portion)
    }

    /// Lets go of the records that are held as a whole.
    pub(crate) fn take_whole(&mut self) -> Bytes {
        let portions = std::mem::take(&mut self.portions).into_iter();
        let (parts, whole): (Vec<_>, Vec<_>) = portions.partition(|portion| portion.is_part);
        self.octets = 0;
        self.passed = (0, 0);
        self.content = parts.iter().map(|part| part.content.len()).sum();
        self.portions = parts.into();
        join(whole.into_iter().map(|portion| portion.octets))
    }

    pub(crate) fn len(&self) -> usize {
        self.portions.len()
    }

    /// Whether there is a part of a record, the octets of which have to be written.
    pub(crate) fn has_parts(&self) -> bool {
        self.parts > 0
    }

    /// How many octets there are if there are no parts.
    pub(crate) fn octets_len(&self) -> usize {
        self.octets
    }

    /// The octets of each.
    pub(crate) fn octets(&self, written: impl Fn(&Bytes) -> Bytes) -> impl Iterator<Item = Bytes> {
        self.portions.iter().map(move |portion| portion.octets(&written))
    }
}

/// The octets of which a filter makes this record: what a new one of its kind writes for it, if it reads that as it was.
/// Else, as for blocks of one size, there are none, and the record stands for itself.
pub(crate) fn written<F: Filter + ?Sized>(filter: &F, record: &Bytes) -> Bytes {
    write(filter, record).unwrap_or_else(|| record.clone())
}

fn write<F: Filter + ?Sized>(filter: &F, record: &Bytes) -> Option<Bytes> {
    let mut another = filter.fresh();
    let mut record_put = Some(record.clone());
    let record_put: &mut dyn Any = &mut record_put;
    let record_put = record_put.downcast_mut::<Option<F::Out>>().and_then(Option::take)?;
    let mut octets = Vec::<u8>::new();
    another.put(record_put, &mut octets).ok()?;
    let octets = Bytes::from(octets);
    another.get_one_start(octets.clone()).ok()?;
    let read = another.get_one().ok()??;
    let is_same = (&read as &dyn Any).downcast_ref::<Bytes>() == Some(record);
    (is_same && another.pending_len() == 0).then_some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else each control frame in a message of many fragments takes as long as there are fragments.
    #[test]
    fn what_came_before_is_passed_over_once() {
        let mut held = Held::default();
        let mut used = Vec::new();
        let mut left = 0;
        let mut follow = |held: &mut Held, before| {
            held.follow(Left::Octets { left: before, before }, &mut used);
            std::mem::take(&mut used).into_iter().map(|portion| portion.octets).collect::<Vec<_>>()
        };
        for record in ["ab", "c", "d"] {
            held.push(record.into(), record.into());
            left += record.len();
            held.push("ping".into(), "ping".into());
            assert_eq!(follow(&mut held, left), ["ping"]);
        }
        assert_eq!((held.passed, held.len()), ((3, 4), 3));
        // One of them is let go, and then all.
        assert_eq!(follow(&mut held, 3).concat(), b"d");
        assert_eq!(held.passed, (2, 3));
        assert_eq!(follow(&mut held, 0).concat(), b"abc");
        assert_eq!((held.passed, held.len()), ((0, 0), 0));
    }
}
