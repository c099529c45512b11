//! Which octets the records came from that a stack of filters holds.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::buffer::InputBuffer;

/// The octets of the records that the lowest filter has given and an upper layer still holds.
///
/// A stack has to hand these over when it is replaced: no record of its own was made of them.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    /// The same octets as are pending in the lowest filter.
    pending: InputBuffer,
}

impl Origin {
    /// Follows a chunk that was added to the filter.
    pub(crate) fn append(&mut self, chunk: Bytes) {
        // Without a limit it is no error.
        _ = self.pending.append(chunk, usize::MAX);
    }

    /// Follows the filter, which has so many octets left, and so many of them `before` its latest record; gives what
    /// it has used up. A `copy` of all that is left is needed only if there are some before.
    pub(crate) fn take_used(
        &mut self,
        left: usize,
        before: usize,
        copy: impl FnOnce() -> Bytes,
    ) -> Bytes {
        let used = self.pending.len().saturating_sub(left);
        if used == 0 {
            return Bytes::new();
        }
        if before == 0 {
            return self.pending.take(used).unwrap_or_default();
        }
        // From the midst of what is pending.
        let mut used = self.pending.take(before + used).unwrap_or_default();
        self.pending.take_all();
        self.append(copy());
        used.split_off(before.min(used.len()))
    }

    /// All that is pending.
    pub(crate) fn take_all(&mut self) -> Bytes {
        self.pending.take_all()
    }

    pub(crate) fn copy_all(&self) -> Bytes {
        self.pending.copy_all()
    }

    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Lets go of the chunk that the filter has parsed.
    pub(crate) fn starve(&mut self) {
        while self.pending.next_chunk() {}
    }
}

/// The octets of each record that a layer holds.
#[derive(Debug, Default)]
pub(crate) struct Held {
    records: VecDeque<Bytes>,
    /// How many octets these are.
    len: usize,
}

impl Held {
    pub(crate) fn push(&mut self, octets: Bytes) {
        self.len += octets.len();
        self.records.push_back(octets);
    }

    /// Keeps those of the last `count` records; gives the others.
    pub(crate) fn release(&mut self, count: usize) -> Bytes {
        let released = self.records.len().saturating_sub(count);
        let octets = if released == 1 {
            self.records.pop_front().unwrap_or_default()
        } else {
            join(self.records.drain(..released))
        };
        if self.records.is_empty() {
            self.records = VecDeque::new();
        }
        self.len -= octets.len();
        octets
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Bytes> {
        self.records.iter().cloned()
    }
}

/// Chunks in one piece, without copying if it is one.
pub(crate) fn join(chunks: impl Iterator<Item = Bytes>) -> Bytes {
    let mut chunks = chunks.filter(|chunk| !chunk.is_empty());
    let Some(first) = chunks.next() else { return Bytes::new() };
    let Some(second) = chunks.next() else { return first };
    let mut all = BytesMut::from(first);
    all.extend_from_slice(&second);
    chunks.for_each(|chunk| all.extend_from_slice(&chunk));
    all.freeze()
}
