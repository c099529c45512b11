//! Which octets the records came from that the filter next to the wire has given.

use std::mem;

use bytes::{Bytes, BytesMut};

use crate::buffer::InputBuffer;

/// The octets of the records that the lowest filter has given and an upper layer still holds.
///
/// A stack has to hand these over when it is replaced: no record of its own was made of them.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    /// Those at the start of what is pending in the lowest filter that came before its latest record. They are apart, so
    /// that it costs nothing to pass them over for each of many such records.
    before: Vec<u8>,
    /// The same octets as are pending behind these.
    pending: InputBuffer,
}

impl Origin {
    /// Follows a chunk that was added to the filter.
    pub(crate) fn append(&mut self, chunk: Bytes) {
        // Without a limit it is no error.
        _ = self.pending.append(chunk, usize::MAX);
    }

    /// Follows the filter, which has so many octets left, and so many of them `before` its latest record; gives what
    /// it has used up.
    pub(crate) fn take_used(&mut self, left: usize, before: usize) -> Bytes {
        let used = self.len().saturating_sub(left);
        if used == 0 {
            return Bytes::new();
        }
        if let Some(more) = before.checked_sub(self.before.len()).filter(|more| *more > 0) {
            self.before.extend_from_slice(&self.pending.take(more).unwrap_or_default());
        }
        let mut after = Bytes::from(match before {
            0 => mem::take(&mut self.before),
            before => self.before.split_off(before.min(self.before.len())),
        });
        if let Some(more) = used.checked_sub(after.len()) {
            return join([after, self.pending.take(more).unwrap_or_default()].into_iter());
        }
        let used = after.split_to(used);
        let rest = join([after, self.pending.take_all()].into_iter());
        self.append(rest);
        used
    }

    /// All that is pending.
    pub(crate) fn take_all(&mut self) -> Bytes {
        let before = Bytes::from(mem::take(&mut self.before));
        join([before, self.pending.take_all()].into_iter())
    }

    pub(crate) fn copy_all(&self) -> Bytes {
        join([Bytes::copy_from_slice(&self.before), self.pending.copy_all()].into_iter())
    }

    pub(crate) fn len(&self) -> usize {
        self.before.len() + self.pending.len()
    }

    /// Lets go of the chunk that the filter has parsed.
    pub(crate) fn starve(&mut self) {
        while self.pending.next_chunk() {}
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
