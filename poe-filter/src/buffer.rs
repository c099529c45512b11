//! The input that a filter has not parsed yet.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::ops::Range;

use bytes::{Buf, Bytes};

use crate::FilterError;
use crate::chunk::Chunk;
#[cfg(feature = "http")]
use crate::shared::{Shared, Sharing};

/// Input in order: the start of an unfinished record, the chunk being parsed, and later chunks.
///
/// A record within one chunk is a slice of it. Only a record that is spread over several is put
/// together in `head`, each octet being copied once. All three are empty, and hold no memory, when
/// there is no input.
#[derive(Default)]
pub(crate) struct InputBuffer {
    /// The octets of an unfinished record that came with former chunks. Invariant: the parser has
    /// seen them all.
    head: Vec<u8>,
    /// The chunk being parsed.
    chunk: Chunk,
    /// Chunks that came before the ones before them were parsed. None is empty, and there is none
    /// if `chunk` is empty.
    later: VecDeque<Bytes>,
    /// How many octets `later` holds.
    later_len: usize,
}

impl InputBuffer {
    /// Adds a chunk. If more than `limit` octets are held then, that is an error, but they are held. If so many were
    /// held before, it is another one, and the chunk is not added.
    #[inline]
    pub(crate) fn append(&mut self, chunk: Bytes, limit: usize) -> Result<(), FilterError> {
        let held = self.len();
        if held > limit && !chunk.is_empty() {
            return Err(FilterError::BufferFull { held, limit });
        }
        let held = held + chunk.len();
        if !chunk.is_empty() {
            if self.chunk.is_empty() {
                self.chunk = chunk.into();
            } else {
                self.later_len += chunk.len();
                self.later.push_back(chunk);
            }
        }
        if held > limit { Err(FilterError::BufferTooLong { held, limit }) } else { Ok(()) }
    }

    /// How many octets are held.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.chunk.len() + self.later_len
    }

    /// The octets of an unfinished record that are in no chunk any more.
    #[inline]
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// The octets that follow the head.
    #[inline]
    pub(crate) fn chunk(&self) -> &[u8] {
        &self.chunk
    }

    /// Takes out the next of the records that were cut out of the chunk ahead.
    #[inline(always)]
    pub(crate) fn next_ahead(&mut self) -> Option<Bytes> {
        self.chunk.next_ahead()
    }

    /// Cuts records out of the chunk ahead, if it has the next one's start, and takes out the first; see [`Chunk::cut_ahead`].
    #[inline(always)]
    pub(crate) fn cut_ahead(
        &mut self,
        next: impl FnMut(&[u8], usize) -> Option<(Range<usize>, usize)>,
    ) -> Option<Bytes> {
        if self.head.is_empty() {
            self.chunk.cut_ahead(next);
        }
        self.next_ahead()
    }

    /// Where the chunk's first octet is, in all that it had.
    #[inline]
    pub(crate) fn parsed(&self) -> usize {
        self.chunk.parsed()
    }

    /// The octet `index` places behind the start of the chunk, be it in the next one.
    #[inline]
    pub(crate) fn octet(&self, index: usize) -> Option<u8> {
        match self.chunk.get(index) {
            Some(octet) => Some(*octet),
            None => self.later.front()?.get(index - self.chunk.len()).copied(),
        }
    }

    /// The octet at this place, counted from the first one.
    pub(crate) fn nth(&self, index: usize) -> Option<u8> {
        let Some(mut index) = index.checked_sub(self.head.len()) else {
            return self.head.get(index).copied();
        };
        for chunk in [&*self.chunk].into_iter().chain(self.later.iter().map(|chunk| &**chunk)) {
            match index.checked_sub(chunk.len()) {
                Some(rest) => index = rest,
                None => return chunk.get(index).copied(),
            }
        }
        None
    }

    /// Moves the chunk to the head, so that it is let go, and goes on to the next chunk; `false` if
    /// there is none.
    pub(crate) fn next_chunk(&mut self) -> bool {
        let chunk = self.drop_chunk();
        if !chunk.is_empty() {
            self.head.extend_from_slice(&chunk);
        }
        !self.chunk.is_empty()
    }

    /// Takes the first `count` octets out, in one piece; `None`, and nothing changes, if there are
    /// fewer.
    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> Option<Bytes> {
        if self.head.is_empty() {
            if count < self.chunk.len() {
                return Some(self.chunk.split_to(count, 0));
            }
            if count == self.chunk.len() {
                return Some(self.drop_chunk());
            }
        }
        self.take_spread(count)
    }

    /// Takes the first `count` octets out while the head is empty. Gives what they are in, and where they begin there;
    /// `None`, and nothing changes, if the chunk has no more than these.
    #[cfg(feature = "http")]
    #[inline(always)]
    pub(crate) fn take_shared(
        &mut self,
        count: usize,
        sharing: &mut Sharing,
    ) -> Option<(Shared, u32)> {
        let start = u32::try_from(self.chunk.parsed()).ok()?;
        if count >= self.chunk.len() {
            return None;
        }
        let shared = sharing.share(self.chunk.whole());
        self.chunk.advance(count);
        Some((shared, start))
    }

    /// Takes the first `line` octets out, in one piece, and drops the `terminator` octets behind
    /// them; `None`, and nothing changes, if there are fewer.
    #[inline]
    pub(crate) fn take_line(&mut self, line: usize, terminator: usize) -> Option<Bytes> {
        let count = line + terminator;
        if self.head.is_empty() && count < self.chunk.len() {
            return Some(self.chunk.split_to(line, terminator));
        }
        let mut record = self.take(count)?;
        record.truncate(line);
        Some(record)
    }

    /// Drops the first `prefix` octets, and takes the `count` octets behind them out, in one piece; `None`, and nothing
    /// changes, if there are fewer.
    #[inline]
    pub(crate) fn take_behind(&mut self, prefix: usize, count: usize) -> Option<Bytes> {
        let all = prefix.saturating_add(count);
        if self.head.is_empty() && all < self.chunk.len() {
            self.chunk.advance(prefix);
            return Some(self.chunk.split_to(count, 0));
        }
        let mut record = self.take(all)?;
        record.advance(prefix);
        Some(record)
    }

    #[cold]
    fn take_spread(&mut self, count: usize) -> Option<Bytes> {
        if count > self.len() {
            return None;
        }
        if count < self.head.len() {
            self.unparse_head();
            return Some(self.chunk.split_to(count, 0));
        }
        let mut record = mem::take(&mut self.head);
        while record.len() < count {
            let part = self.chunk.len().min(count - record.len());
            record.extend_from_slice(&self.chunk[..part]);
            self.advance_chunk(part);
        }
        Some(Bytes::from(record))
    }

    /// Drops up to `count` octets from the front, and tells how many.
    pub(crate) fn skip(&mut self, count: usize) -> usize {
        if count < self.head.len() {
            self.unparse_head();
        }
        let mut skipped = self.head.len().min(count);
        self.head = Vec::new();
        while skipped < count && !self.chunk.is_empty() {
            let part = self.chunk.len().min(count - skipped);
            self.advance_chunk(part);
            skipped += part;
        }
        skipped
    }

    /// Keeps only the last `count` octets of the head.
    pub(crate) fn shorten_head(&mut self, count: usize) {
        if self.head.len() > count {
            // A copy, so that the memory of a long head is given back.
            self.head = self.head[self.head.len() - count..].to_vec();
        }
    }

    /// A look at the first `count` octets, or fewer if there are fewer.
    #[inline]
    pub(crate) fn peek(&self, count: usize) -> Cow<'_, [u8]> {
        if self.head.is_empty() && (self.chunk.len() >= count || self.later.is_empty()) {
            return Cow::Borrowed(&self.chunk[..self.chunk.len().min(count)]);
        }
        if self.head.len() >= count {
            return Cow::Borrowed(&self.head[..count]);
        }
        Cow::Owned(self.octets().take(count).collect())
    }

    /// All octets in one piece, which takes copying unless they are in one already.
    pub(crate) fn join(&mut self) -> &[u8] {
        if self.head.is_empty() && self.later.is_empty() {
            return &self.chunk;
        }
        while self.next_chunk() {}
        &self.head
    }

    /// Takes everything out, in one piece.
    pub(crate) fn take_all(&mut self) -> Bytes {
        self.join();
        if self.head.is_empty() {
            mem::take(&mut self.chunk).into_bytes()
        } else {
            Bytes::from(mem::take(&mut self.head))
        }
    }

    /// A copy of everything.
    pub(crate) fn copy_all(&self) -> Bytes {
        if self.head.is_empty() && self.later.is_empty() {
            return self.chunk.to_bytes();
        }
        let mut all = Vec::with_capacity(self.len());
        all.extend_from_slice(&self.head);
        all.extend_from_slice(&self.chunk);
        self.later.iter().for_each(|chunk| all.extend_from_slice(chunk));
        all.into()
    }

    fn octets(&self) -> impl Iterator<Item = u8> {
        let later = self.later.iter().flatten();
        self.head.iter().chain(self.chunk.iter()).chain(later).copied()
    }

    /// Drops octets from the chunk, which is let go when it is empty: even an empty slice would keep
    /// its memory alive.
    fn advance_chunk(&mut self, count: usize) {
        if count == self.chunk.len() {
            self.drop_chunk();
        } else {
            self.chunk.advance(count);
        }
    }

    /// Takes the chunk out and puts the next one, if any, in its place.
    #[inline]
    fn drop_chunk(&mut self) -> Bytes {
        let next = if self.later.is_empty() { Bytes::new() } else { self.pop_later() };
        mem::replace(&mut self.chunk, next.into()).into_bytes()
    }

    #[cold]
    fn pop_later(&mut self) -> Bytes {
        let next = self.later.pop_front().unwrap_or_default();
        self.later_len -= next.len();
        if self.later.is_empty() {
            self.later = VecDeque::new();
        }
        next
    }

    /// Makes the head a chunk again.
    fn unparse_head(&mut self) {
        let head = Bytes::from(mem::take(&mut self.head));
        let chunk = mem::replace(&mut self.chunk, head.into()).into_bytes();
        if !chunk.is_empty() {
            self.later_len += chunk.len();
            self.later.push_front(chunk);
        }
    }
}

impl From<Bytes> for InputBuffer {
    fn from(octets: Bytes) -> Self {
        Self { chunk: octets.into(), ..Self::default() }
    }
}

/// Tells sizes, as the octets may be many, or secret.
impl fmt::Debug for InputBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InputBuffer").field("octets", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(chunks: &[&'static str]) -> InputBuffer {
        let mut buffer = InputBuffer::default();
        for chunk in chunks {
            buffer.append(Bytes::from_static(chunk.as_bytes()), usize::MAX).unwrap();
        }
        buffer
    }

    #[test]
    fn octets_come_out_in_order_however_they_are_held() {
        for heads in 0..4 {
            for count in 0..10 {
                let mut buffer = buffer(&["abc", "", "de", "fghi"]);
                for _ in 0..heads {
                    buffer.next_chunk();
                }
                assert_eq!(*buffer.peek(count), b"abcdefghi"[..count]);
                assert_eq!(buffer.nth(count), b"abcdefghi".get(count).copied());
                assert_eq!(buffer.take(count).unwrap(), "abcdefghi"[..count]);
                assert_eq!(buffer.len(), 9 - count);
                assert_eq!(buffer.copy_all(), "abcdefghi"[count..]);
                assert_eq!(buffer.skip(1), usize::from(count < 9));
                assert_eq!(buffer.take(100), None);
                assert_eq!(buffer.take_all(), "abcdefghi"[(count + 1).min(9)..]);
            }
        }
    }

    #[test]
    fn lines_lose_their_terminators() {
        for heads in 0..4 {
            let mut buffer = buffer(&["ab\r", "\nc", "d\r\n"]);
            for _ in 0..heads {
                buffer.next_chunk();
            }
            assert_eq!(buffer.take_line(2, 2).unwrap(), "ab");
            assert_eq!(buffer.take_line(2, 2).unwrap(), "cd");
            assert_eq!(buffer.take_line(0, 1), None);
        }
    }

    #[test]
    fn an_empty_buffer_holds_no_memory() {
        let mut buffer = buffer(&["abc", "def", "ghi"]);
        buffer.next_chunk();
        buffer.take(9).unwrap();
        assert_eq!((buffer.head.capacity(), buffer.later.capacity()), (0, 0));

        // A slice without octets would keep its chunk alive.
        let chunk = Bytes::from(vec![b'x'; 100]);
        for skip in [false, true] {
            buffer.append(chunk.clone(), usize::MAX).unwrap();
            if skip {
                buffer.skip(100);
            } else {
                drop(buffer.take(100));
            }
            assert!(chunk.is_unique());
        }
        buffer.append(chunk.slice(..0), usize::MAX).unwrap();
        assert!(chunk.is_unique());
    }

    #[test]
    fn only_sizes_are_shown() {
        assert_eq!(format!("{:?}", buffer(&["secret"])), "InputBuffer { octets: 6, .. }");
    }
}
