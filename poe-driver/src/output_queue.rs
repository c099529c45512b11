//! Output that is not written yet.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::mem;
use std::os::fd::BorrowedFd;

use bytes::{Buf, Bytes};
use nix::errno::Errno;

use self::spare::Spare;
use crate::calls::Calls;
use crate::messages::Messages;

/// From this size on a chunk is queued as it is; smaller ones are copied together.
const LARGE: usize = 4 * 1024;

/// When the chunks copied together reach this size, they are left at that.
const FULL: usize = 64 * 1024;

/// How many chunks one system call writes at most.
const VECTOR: usize = 64;

/// A queue of output, for drivers: it copies small chunks together, keeps large ones as they are,
/// writes several with one system call, and knows which messages are out.
///
/// When everything is written, the queue holds no memory to speak of.
///
/// ```
/// use std::os::fd::AsFd;
/// use poe_driver::OutputQueue;
///
/// let (_reader, writer) = std::io::pipe()?;
/// let mut queue = OutputQueue::new();
/// queue.put_slice(b"hello");
/// queue.end_message();
/// assert_eq!((queue.octets(), queue.messages()), (5, 1));
/// assert_eq!(queue.flush(writer.as_fd())?, 0);
/// assert_eq!((queue.octets(), queue.messages()), (0, 0));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Default)]
pub struct OutputQueue {
    /// What goes out first. None is empty.
    chunks: VecDeque<Bytes>,
    /// Small chunks copied together, which go out after `chunks`.
    tail: Vec<u8>,
    /// How much of `tail` is out.
    tail_written: usize,
    octets: usize,
    messages: Messages,
    writes: Calls,
    empty: EmptyMessages,
}

/// Whether a message may have no octets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum EmptyMessages {
    /// In a stream there would be nothing of it.
    #[default]
    AreNone,
    AreSome,
    /// The message that is being put together has none so far.
    Begun,
}

impl OutputQueue {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty queue for messages that are sent one by one, some of which may have no octets.
    pub(crate) fn of_messages() -> Self {
        Self { empty: EmptyMessages::AreSome, ..Self::default() }
    }

    /// Adds octets to the message that is being put together, by copying them.
    #[inline]
    pub fn put_slice(&mut self, octets: &[u8]) {
        if octets.len() > self.tail.capacity() - self.tail.len() {
            self.extend_tail(octets.len());
        }
        self.tail.extend_from_slice(octets);
        self.octets += octets.len();
    }

    /// Adds a chunk to the message that is being put together. One of 4 KiB or more is not copied.
    #[inline]
    pub fn put_bytes(&mut self, chunk: Bytes) {
        if chunk.is_empty() {
            self.put_nothing();
        } else if chunk.len() < LARGE {
            self.put_slice(&chunk);
        } else {
            self.put_large(chunk);
        }
    }

    /// Adds a chunk and what ends it, as [`put_bytes`](Self::put_bytes) and
    /// [`put_slice`](Self::put_slice) do, but faster where both are short.
    #[inline(always)]
    pub fn put_ended(&mut self, chunk: Bytes, end: &[u8]) {
        let (count, room) = (chunk.len(), self.tail.capacity() - self.tail.len());
        // As most terminators are: two octets are stored, without a call that copies.
        if let Ok(pair) = <&[u8; 2]>::try_from(end)
            && (1..LARGE).contains(&count)
            && count + pair.len() <= room
        {
            self.tail.extend_from_slice(&chunk);
            self.tail.extend_from_slice(pair);
            self.octets += count + pair.len();
        } else {
            self.put_apart(chunk, end);
        }
    }

    #[inline(never)]
    fn put_apart(&mut self, chunk: Bytes, end: &[u8]) {
        self.put_bytes(chunk);
        self.put_slice(end);
    }

    #[cold]
    fn put_nothing(&mut self) {
        if self.empty == EmptyMessages::AreSome {
            self.empty = EmptyMessages::Begun;
        }
    }

    fn put_large(&mut self, chunk: Bytes) {
        self.close_tail();
        self.octets += chunk.len();
        self.chunks.push_back(chunk);
    }

    /// Ends the message that is being put together, and tells how many octets are queued. Without
    /// octets there is no message.
    #[inline]
    pub fn end_message(&mut self) -> usize {
        let is_empty = !self.messages.end(self.octets);
        if self.empty == EmptyMessages::Begun {
            self.empty = EmptyMessages::AreSome;
            if is_empty {
                self.messages.end_empty();
            }
        }
        self.octets
    }

    /// How many octets are queued.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// How many messages are queued. One that is written in part counts, and so does one that is
    /// still being put together.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.messages.count(self.octets)
    }

    /// Writes until the queue is empty or the handle takes no more, and tells how many octets are
    /// left.
    ///
    /// # Errors
    ///
    /// What the system said, except that it was interrupted or would block. What was not written
    /// stays queued.
    pub fn flush(&mut self, handle: BorrowedFd<'_>) -> io::Result<usize> {
        while self.octets > 0 {
            match self.write_once(handle) {
                Ok(0) | Err(Errno::EAGAIN) => break,
                Ok(count) => self.advance(count),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.octets)
    }

    /// Takes the octets to be written next, not all of them necessarily, to `write`, which tells how
    /// many it took. This is for drivers that write to something else than a handle.
    ///
    /// ```
    /// use poe_driver::OutputQueue;
    ///
    /// let mut queue = OutputQueue::new();
    /// queue.put_slice(b"hello");
    /// queue.consume(|octets| Ok(octets.len() - 2))?;
    /// assert_eq!(queue.octets(), 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// That of `write`; nothing is taken then.
    pub fn consume(&mut self, write: impl FnOnce(&[u8]) -> io::Result<usize>) -> io::Result<usize> {
        let next = match self.chunks.front() {
            Some(chunk) => chunk,
            None => &self.tail[self.tail_written..],
        };
        let count = write(next)?.min(next.len());
        self.advance(count);
        Ok(count)
    }

    /// Takes the first message to `send`, in pieces; `None` if there is no message that is ended.
    pub(crate) fn first_message<R>(&self, send: impl FnOnce(&[IoSlice<'_>]) -> R) -> Option<R> {
        let mut left = self.messages.first_len()?;
        let mut slices = [IoSlice::new(&[]); VECTOR];
        let mut count = 0;
        let tail = &self.tail[self.tail_written..];
        let mut pieces = self.chunks.iter().map(|chunk| &chunk[..]).chain([tail]);
        while left > 0 && count < VECTOR {
            let Some(piece) = pieces.next() else { break };
            let piece = &piece[..piece.len().min(left)];
            slices[count] = IoSlice::new(piece);
            count += 1;
            left -= piece.len();
        }
        if left == 0 {
            return Some(send(&slices[..count]));
        }
        let mut whole: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let behind = pieces.flatten().copied().take(left);
        whole.extend(behind);
        Some(send(&[IoSlice::new(&whole)]))
    }

    /// Drops the first message, if there is one that is ended.
    pub(crate) fn drop_first_message(&mut self) {
        if let Some(count) = self.messages.pop_first() {
            self.drop_octets(count);
        }
    }

    /// Drops everything, and tells how many octets that was.
    pub fn clear(&mut self) -> usize {
        let octets = self.octets;
        self.advance(octets);
        self.messages = Messages::default();
        octets
    }

    fn write_once(&mut self, handle: BorrowedFd<'_>) -> nix::Result<usize> {
        let tail = &self.tail[self.tail_written..];
        if self.chunks.is_empty() {
            return self.writes.write(handle, tail);
        }
        let mut slices = [IoSlice::new(&[]); VECTOR];
        let chunks = self.chunks.iter().map(|chunk| &chunk[..]);
        // The tail is empty only if it is last, and an empty slice does no harm.
        let mut count = 0;
        for (slice, octets) in slices.iter_mut().zip(chunks.chain([tail])) {
            *slice = IoSlice::new(octets);
            count += 1;
        }
        nix::sys::uio::writev(handle, &slices[..count])
    }

    /// Notes that `count` octets are out.
    fn advance(&mut self, count: usize) {
        self.messages.advance(count);
        self.drop_octets(count);
    }

    fn drop_octets(&mut self, mut count: usize) {
        self.octets -= count;
        while count > 0 {
            let Some(chunk) = self.chunks.front_mut() else { break };
            if count < chunk.len() {
                chunk.advance(count);
                return;
            }
            count -= chunk.len();
            self.chunks.pop_front();
        }
        self.tail_written += count;
        if self.octets == 0 && self.messages.has_none_ended() {
            self.rest();
        }
    }

    /// Gives the memory of an empty queue back.
    fn rest(&mut self) {
        self.tail_written = 0;
        let (tail, ends) = (mem::take(&mut self.tail), self.messages.give_memory());
        spare::give(Spare { tail, ends });
        if self.chunks.capacity() > 0 {
            self.chunks = VecDeque::new();
        }
    }

    /// Sees to it that the tail may grow by `count` octets.
    #[cold]
    fn extend_tail(&mut self, count: usize) {
        if self.tail.len() + count > FULL {
            self.close_tail();
        }
        if self.tail.capacity() == 0 {
            let spare = spare::take();
            self.tail = spare.tail;
            self.messages.take_memory(spare.ends);
        }
    }

    /// Moves the octets copied together to the chunks.
    fn close_tail(&mut self) {
        if self.tail.len() > self.tail_written {
            let mut chunk = Bytes::from(mem::take(&mut self.tail));
            chunk.advance(self.tail_written);
            self.chunks.push_back(chunk);
        } else {
            self.tail.clear();
        }
        self.tail_written = 0;
    }
}

/// Tells sizes, as the octets may be many, or secret.
impl fmt::Debug for OutputQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputQueue")
            .field("octets", &self.octets)
            .field("messages", &self.messages())
            .finish_non_exhaustive()
    }
}

/// Memory that empty queues of this thread have given back, so that a busy one need not ask the
/// system and an idle one need not keep any.
mod spare {
    use super::{LARGE, RefCell};

    /// How many are kept.
    const COUNT: usize = 64;

    /// The capacity of a new tail.
    const NEW: usize = 256;

    /// The capacity of the largest tail that is kept.
    const LARGEST: usize = 4 * LARGE;

    /// The most messages that kept memory has room for.
    const MOST_ENDS: usize = 1024;

    /// What an empty queue has no use for.
    pub(super) struct Spare {
        pub(super) tail: Vec<u8>,
        pub(super) ends: Vec<u64>,
    }

    thread_local! {
        static SPARE: RefCell<Vec<Spare>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn take() -> Spare {
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten();
        spare.unwrap_or_else(|| Spare { tail: Vec::with_capacity(NEW), ends: Vec::new() })
    }

    pub(super) fn give(mut spare: Spare) {
        if spare.tail.capacity() == 0 || spare.tail.capacity() > LARGEST {
            return;
        }
        spare.tail.clear();
        if spare.ends.capacity() > MOST_ENDS {
            spare.ends = Vec::new();
        }
        // Fails only while the thread ends.
        let _ = SPARE.try_with(|spares| {
            let mut spares = spares.borrow_mut();
            if spares.len() < COUNT {
                spares.push(spare);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn an_empty_queue_holds_no_memory() {
        let null = std::fs::OpenOptions::new().write(true).open("/dev/null").unwrap();
        for clear in [false, true] {
            let mut queue = OutputQueue::new();
            for size in 0..200 {
                queue.put_slice(&vec![b'x'; 50 * size]);
                queue.end_message();
                queue.put_bytes(vec![b'y'; 50 * size].into());
                queue.end_message();
            }
            if clear {
                queue.clear();
            } else {
                assert_eq!(queue.flush(null.as_fd()).unwrap(), 0);
            }
            assert_eq!((queue.octets(), queue.messages()), (0, 0));
            assert_eq!((queue.tail.capacity(), queue.chunks.capacity()), (0, 0));
            assert_eq!(queue.messages.capacity(), 0);
        }
    }

    #[test]
    fn memory_of_one_queue_serves_the_next() {
        let mut queue = OutputQueue::new();
        queue.put_slice(&[b'x'; 1000]);
        let memory = queue.tail.as_ptr();
        queue.clear();
        let mut next = OutputQueue::new();
        next.put_slice(b"y");
        assert_eq!(next.tail.as_ptr(), memory);
    }

    #[test]
    fn small_chunks_are_copied_together_and_large_ones_are_not() {
        let mut queue = OutputQueue::new();
        let large = Bytes::from(vec![b'x'; LARGE]);
        for _ in 0..10 {
            queue.put_bytes(large.slice(1..));
        }
        assert_eq!((queue.chunks.len(), queue.tail.len()), (0, 10 * (LARGE - 1)));
        queue.put_bytes(large.clone());
        assert_eq!((queue.chunks.len(), queue.tail.len()), (2, 0));
        assert_eq!(queue.chunks[1].as_ptr(), large.as_ptr());
    }

    #[test]
    fn a_chunk_and_its_end_are_put_as_one_after_the_other() {
        let sizes = [0, 1, 2, 100, 300, LARGE - 1, LARGE, FULL];
        for empty in [EmptyMessages::AreNone, EmptyMessages::AreSome] {
            let queue = || OutputQueue { empty, ..OutputQueue::default() };
            let (mut together, mut apart) = (queue(), queue());
            for end in [&b""[..], b"\n", b"\r\n", b"\r\n."] {
                for size in sizes {
                    let chunk = Bytes::from(vec![b'x'; size]);
                    together.put_ended(chunk.clone(), end);
                    apart.put_bytes(chunk);
                    apart.put_slice(end);
                    assert_eq!(together.end_message(), apart.end_message());
                }
            }
            assert_eq!(together.messages, apart.messages);
            assert_eq!(octets(&together), octets(&apart));
        }
    }

    fn octets(queue: &OutputQueue) -> Vec<u8> {
        queue.chunks.iter().flatten().chain(&queue.tail).copied().collect()
    }

    #[test]
    fn only_sizes_are_shown() {
        let mut queue = OutputQueue::new();
        queue.put_slice(b"secret");
        assert_eq!(format!("{queue:?}"), "OutputQueue { octets: 6, messages: 1, .. }");
    }
}
