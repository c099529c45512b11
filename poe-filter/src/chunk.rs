//! A chunk of input, and how much of it is parsed.

use std::ops::{Deref, Range};
use std::vec;

use bytes::{Buf, Bytes};

/// The octets of a chunk that are not parsed yet.
///
/// That records are cut off by moving a number on, rather than by shortening the `Bytes`, makes a
/// short line a third cheaper: counting a reference waits until all stores before it are done.
///
/// And dozens of records are cut out ahead of whoever asks for them, which halves the cost of a short one: what has just been
/// stored word by word, a processor waits for where it is moved on two words at a time. They are not parsed until they are
/// asked for: what is pending is what it would be without them.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    octets: Bytes,
    parsed: usize,
    /// Each with the place behind it and what ends it. None is left when anything else is parsed.
    ahead: vec::IntoIter<(Bytes, usize)>,
}

/// How many records are cut out ahead at most: what fits a small piece of memory.
const AHEAD: usize = 25;

/// Of fewer octets, too few records would come for it to be worth its while.
const WORTHWHILE: usize = 128;

impl Chunk {
    /// Takes out the next of the records that were cut out ahead.
    #[inline(always)]
    pub(crate) fn next_ahead(&mut self) -> Option<Bytes> {
        let (record, behind) = self.ahead.next()?;
        self.parsed = behind;
        Some(record)
    }

    /// Cuts out records ahead. `next` tells where in all the octets that there were the one is that begins at a place, if it
    /// does, and the place behind it. One with nothing behind it is left: it takes the whole chunk with it.
    #[inline(always)]
    pub(crate) fn cut_ahead(
        &mut self,
        mut next: impl FnMut(&[u8], usize) -> Option<(Range<usize>, usize)>,
    ) {
        let octets = &*self.octets;
        if octets.len() - self.parsed < WORTHWHILE {
            return;
        }
        let mut ahead = Vec::with_capacity(AHEAD);
        let mut start = self.parsed;
        while let Some((record, behind)) = next(octets, start) {
            if behind >= octets.len() {
                break;
            }
            ahead.push((self.octets.slice(record), behind));
            start = behind;
            if ahead.len() == ahead.capacity() {
                break;
            }
        }
        self.ahead = ahead.into_iter();
    }

    /// Takes octets from the front, and drops some behind them.
    #[inline]
    pub(crate) fn split_to(&mut self, count: usize, drop: usize) -> Bytes {
        debug_assert!(self.ahead.as_slice().is_empty());
        let end = self.parsed + count;
        let front = self.octets.slice(self.parsed..end);
        self.parsed = end + drop;
        front
    }

    /// Drops octets from the front, of which there must be more than `count`.
    #[inline]
    pub(crate) fn advance(&mut self, count: usize) {
        debug_assert!(self.ahead.as_slice().is_empty());
        self.parsed += count;
    }

    /// All octets that there were.
    #[cfg(feature = "http")]
    #[inline]
    pub(crate) fn whole(&self) -> &Bytes {
        &self.octets
    }

    /// How many of them have been dropped from the front.
    #[inline]
    pub(crate) fn parsed(&self) -> usize {
        self.parsed
    }

    /// The octets, as a chunk by themselves.
    #[inline]
    pub(crate) fn into_bytes(mut self) -> Bytes {
        self.octets.advance(self.parsed);
        self.octets
    }

    pub(crate) fn to_bytes(&self) -> Bytes {
        self.octets.slice(self.parsed..)
    }
}

impl From<Bytes> for Chunk {
    #[inline]
    fn from(octets: Bytes) -> Self {
        Self { octets, parsed: 0, ahead: vec::IntoIter::default() }
    }
}

impl Deref for Chunk {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.octets[self.parsed..]
    }
}
