//! Filters.

use std::hint::black_box;
use std::io;

use bytes::Bytes;
use poe_filter::prelude::*;
use poe_filter::{IntegerLength, LineBlock};

use crate::filters::Stopwatch;

/// Lines with any newline.
pub fn any_lines(chunk: &Bytes, watch: &mut Stopwatch) -> io::Result<u64> {
    get(Line::new(), chunk, watch)
}

/// Lines that end with LF.
pub fn lines(chunk: &Bytes, watch: &mut Stopwatch) -> io::Result<u64> {
    get(Line::literal("\n").map_err(io::Error::other)?, chunk, watch)
}

/// Lines with any newline, all of a chunk as one record.
pub fn any_line_blocks(chunk: &Bytes, watch: &mut Stopwatch) -> io::Result<u64> {
    get_lent(LineBlock::new(), chunk, watch)
}

/// Lines that end with LF, all of a chunk as one record.
pub fn line_blocks(chunk: &Bytes, watch: &mut Stopwatch) -> io::Result<u64> {
    get_lent(LineBlock::literal("\n").map_err(io::Error::other)?, chunk, watch)
}

fn get_lent(mut filter: LineBlock, chunk: &Bytes, watch: &mut Stopwatch) -> io::Result<u64> {
    watch.time(|| {
        let mut octets = 0;
        filter.get_one_start(chunk.clone()).map_err(io::Error::other)?;
        while let Some(lines) = filter.get_one().map_err(io::Error::other)? {
            for line in &lines {
                octets += black_box(line).len() as u64;
            }
        }
        Ok(octets)
    })
}

/// Blocks with a length of 32 bits before them.
pub fn blocks(chunk: &Bytes, watch: &mut Stopwatch) -> io::Result<u64> {
    let filter = Block::builder().length_codec(IntegerLength::U32_BE).build();
    get(filter.map_err(io::Error::other)?, chunk, watch)
}

/// Blocks with a length in decimal digits before them.
pub fn decimal_blocks(chunk: &Bytes, watch: &mut Stopwatch) -> io::Result<u64> {
    get(Block::new(), chunk, watch)
}

fn get(
    mut filter: impl Filter<In = Bytes>,
    chunk: &Bytes,
    watch: &mut Stopwatch,
) -> io::Result<u64> {
    watch.time(|| {
        let mut octets = 0;
        filter.get_one_start(chunk.clone()).map_err(io::Error::other)?;
        while let Some(record) = filter.get_one().map_err(io::Error::other)? {
            octets += black_box(record).len() as u64;
        }
        Ok(octets)
    })
}
