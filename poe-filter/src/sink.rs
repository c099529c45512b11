//! Where filters put what they serialized.

use bytes::{Bytes, BytesMut};

/// Takes serialized octets, in order.
///
/// How the octets are divided among the calls means nothing. A driver's output queue is a sink,
/// and so are `Vec<u8>`, [`BytesMut`] and, to see the single chunks, `Vec<Bytes>`.
///
/// ```
/// use poe_filter::{Filter, Line};
///
/// let mut out = Vec::<u8>::new();
/// Line::new().put("hello".into(), &mut out)?;
/// assert_eq!(out, b"hello\r\n");
/// # Ok::<(), poe_filter::FilterError>(())
/// ```
pub trait Sink {
    /// Takes octets that are borrowed, so the sink has to copy them.
    fn put_slice(&mut self, octets: &[u8]);

    /// Takes a whole chunk, which the sink may keep without copying.
    fn put_bytes(&mut self, chunk: Bytes) {
        self.put_slice(&chunk);
    }

    /// Takes a whole chunk and what ends it, as a line and its terminator, with one call.
    fn put_ended(&mut self, chunk: Bytes, end: &[u8]) {
        self.put_bytes(chunk);
        self.put_slice(end);
    }
}

impl Sink for Vec<u8> {
    fn put_slice(&mut self, octets: &[u8]) {
        self.extend_from_slice(octets);
    }
}

impl Sink for BytesMut {
    fn put_slice(&mut self, octets: &[u8]) {
        self.extend_from_slice(octets);
    }
}

impl Sink for Vec<Bytes> {
    fn put_slice(&mut self, octets: &[u8]) {
        self.push(Bytes::copy_from_slice(octets));
    }

    fn put_bytes(&mut self, chunk: Bytes) {
        self.push(chunk);
    }
}

impl<S: Sink + ?Sized> Sink for &mut S {
    fn put_slice(&mut self, octets: &[u8]) {
        (**self).put_slice(octets);
    }

    fn put_bytes(&mut self, chunk: Bytes) {
        (**self).put_bytes(chunk);
    }
    fn put_ended(&mut self, chunk: Bytes, end: &[u8]) {
        (**self).put_ended(chunk, end);
    }
}
