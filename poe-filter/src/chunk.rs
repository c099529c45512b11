//! A chunk of input, and how much of it is parsed.

use std::ops::Deref;

use bytes::{Buf, Bytes};

/// The octets of a chunk that are not parsed yet.
///
/// That records are cut off by moving a number on, rather than by shortening the `Bytes`, makes a
/// short line a third cheaper: counting a reference waits until all stores before it are done.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    octets: Bytes,
    parsed: usize,
}

impl Chunk {
    /// Takes octets from the front, and drops some behind them.
    #[inline]
    pub(crate) fn split_to(&mut self, count: usize, drop: usize) -> Bytes {
        let end = self.parsed + count;
        let front = self.octets.slice(self.parsed..end);
        self.parsed = end + drop;
        front
    }

    /// Drops octets from the front, of which there must be more than `count`.
    #[inline]
    pub(crate) fn advance(&mut self, count: usize) {
        self.parsed += count;
    }

    /// All octets that there were.
    #[cfg(feature = "http")]
    #[inline]
    pub(crate) fn whole(&self) -> &Bytes {
        &self.octets
    }

    /// How many of them have been dropped from the front.
    #[cfg(feature = "http")]
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
        Self { octets, parsed: 0 }
    }
}

impl Deref for Chunk {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.octets[self.parsed..]
    }
}
