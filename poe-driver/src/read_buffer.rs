//! The memory that input is read into.

use std::fmt;
use std::io;
use std::mem;

use bytes::{Bytes, BytesMut};

/// How much one read can give: 64 KiB.
const DEFAULT_SIZE: usize = 64 * 1024;

/// One read buffer for all the handles of a thread.
///
/// What a read gives is a slice of the buffer, not a copy, and the next read goes behind it. When
/// little is left, the buffer starts over if no slice of it is held any more; otherwise it leaves
/// its memory to the slices and takes new memory. An idle connection thus needs no buffer.
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
    /// All that was free when a large slice was given away. That one is likely back before the next
    /// read, and so all of this, which then needs no filling with zeros.
    lent: Option<Bytes>,
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
        Self { size: size.max(1), free: BytesMut::new(), lent: None }
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
        let free = self.free();
        let limit = limit.min(free.len());
        let count = read(&mut free[..limit])?;
        assert!(count <= limit, "read of {count} octets into {limit}");
        if count == 0 {
            return Ok(Bytes::new());
        }
        if count < size / 4 {
            return Ok(free.split_to(count).freeze());
        }
        let lent = mem::take(free).freeze();
        let octets = lent.slice(..count);
        self.lent = Some(lent);
        Ok(octets)
    }

    /// Memory for at least half of the size.
    fn free(&mut self) -> &mut BytesMut {
        if let Some(lent) = self.lent.take() {
            self.free = lent.try_into_mut().unwrap_or_default();
        }
        if self.free.len() < self.size.div_ceil(2) {
            renew(&mut self.free, self.size);
        }
        &mut self.free
    }
}

#[cold]
fn renew(free: &mut BytesMut, size: usize) {
    free.clear();
    if free.try_reclaim(size) {
        free.resize(size, 0);
    } else {
        *free = BytesMut::zeroed(size);
    }
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
