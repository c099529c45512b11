//! Which octets the records came from that the filter next to the wire has given.

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
