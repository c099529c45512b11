//! The codecs of tokio-util, given a buffer of their own.

use std::hint::black_box;
use std::io;

use bytes::{Bytes, BytesMut};
use tokio_util::codec::{Decoder, LengthDelimitedCodec, LinesCodec};

use crate::filters::Stopwatch;

/// Lines, as strings.
pub fn lines(chunk: &Bytes, watch: &mut Stopwatch) -> io::Result<u64> {
    let mut buffer = BytesMut::from(&chunk[..]);
    let mut codec = LinesCodec::new();
    watch.time(|| {
        let mut octets = 0;
        while let Some(record) = codec.decode(&mut buffer).map_err(io::Error::other)? {
            octets += black_box(record).len() as u64;
        }
        Ok(octets)
    })
}

/// Blocks with a length of 32 bits before them.
pub fn blocks(chunk: &Bytes, watch: &mut Stopwatch) -> io::Result<u64> {
    let mut buffer = BytesMut::from(&chunk[..]);
    let mut codec = LengthDelimitedCodec::new();
    watch.time(|| {
        let mut octets = 0;
        while let Some(record) = codec.decode(&mut buffer)? {
            octets += black_box(record).len() as u64;
        }
        Ok(octets)
    })
}
