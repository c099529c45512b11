//! The memory that input is read into.

use std::fmt;
use std::io;
use std::mem;

use bytes::{Bytes, BytesMut};

/// How much one read can give: 64 KiB.
const DEFAULT_SIZE: usize = 64 * 1024;

/// One read buffer for all the handles of a thread.
///
/// What a read gives is a slice of the buffer, not a copy. If it is held no more when the next read
/// comes, that one uses the same memory. Otherwise the next reads go one behind the other, and when
/// little is left, the buffer leaves its memory to the slices and takes new memory. An idle
/// connection thus needs no buffer.
///
/// The other side of it: a few octets that are kept for long keep up to 64 KiB. Copy them.
///
/// ```
/// use poe_driver::ReadBuffer;
///
/// let mut buffer = ReadBuffer::new();
/// let octets = buffer.read(usize::MAX, |space| {
///     space[..5].copy_from_slice(b"hello");
///     Ok(5)
/// })?;
/// assert_eq!(octets, "hello");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct ReadBuffer {
    size: usize,
    /// What is behind the slices given away.
    free: BytesMut,
    /// All that was free when the last slice was given away. If that one is back, so is all of this:
    /// it is warm, and needs no filling with zeros.
    lent: Option<Bytes>,
    /// Slices are being held, and so are given away one behind the other.
    held: bool,
}

impl ReadBuffer {
    /// A buffer of 64 KiB. It takes no memory before the first read.
    #[must_use]
    pub fn new() -> Self {
        Self::with_size(DEFAULT_SIZE)
    }

    /// A buffer of this size, in octets. A read gives no more than that, and is offered no less than
    /// half of it.
    #[must_use]
    pub fn with_size(size: usize) -> Self {
        Self { size: size.max(1), free: BytesMut::new(), lent: None, held: false }
    }

    /// Offers memory for up to `limit` octets to `read`, which returns how many it wrote to the
    /// start of it, and gives these. No octets are an empty slice.
    ///
    /// # Errors
    ///
    /// That of `read`; the buffer is as before.
    ///
    /// # Panics
    ///
    /// If `read` claims to have written more than it was offered.
    pub fn read(
        &mut self,
        limit: usize,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<Bytes> {
        let size = self.size;
        self.make_room();
        let limit = limit.min(self.free.len());
        let count = read(&mut self.free[..limit])?;
        assert!(count <= limit, "read of {count} octets into {limit}");
        if count == 0 {
            return Ok(Bytes::new());
        }
        if self.held && count < size / 4 {
            return Ok(self.free.split_to(count).freeze());
        }
        let lent = mem::take(&mut self.free).freeze();
        let octets = lent.slice(..count);
        self.lent = Some(lent);
        Ok(octets)
    }

    /// Sees to memory for at least half of the size.
    #[inline]
    fn make_room(&mut self) {
        if let Some(lent) = self.lent.take() {
            match lent.try_into_mut() {
                Ok(free) => self.free = free,
                Err(_) => self.held = true,
            }
        }
        if self.free.len() < self.size.div_ceil(2) {
            self.renew();
        }
    }

    #[cold]
    fn renew(&mut self) {
        self.free.clear();
        if self.free.capacity() > 0 && self.free.try_reclaim(self.size) {
            self.free.resize(self.size, 0);
            self.held = false;
        } else {
            self.free = counted(self.size);
        }
    }
}

/// Memory that is counted from the beginning: to begin later takes memory for the counter, each time.
fn counted(size: usize) -> BytesMut {
    let mut memory = BytesMut::zeroed(size);
    drop(memory.split_off(size));
    memory
}

impl Default for ReadBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ReadBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadBuffer").field("size", &self.size).finish_non_exhaustive()
    }
}
