//! Loops that do what a filter does for one format, and nothing else.

use std::hint::black_box;
use std::io;

use bytes::Bytes;

use crate::filters::Stopwatch;

/// Lines that end with CR LF, LF, CR or LF CR, as counted slices.
pub fn any_lines(chunk: &Bytes, watch: &mut Stopwatch) -> io::Result<u64> {
    Ok(watch.time(|| {
        let (mut at, mut octets) = (0, 0);
        while let Some(found) = memchr::memchr2(b'\r', b'\n', &chunk[at..]) {
            let end = at + found;
            let record = black_box(chunk.slice(at..end));
            octets += record.len() as u64;
            at = end + 1;
            if let Some(next @ (b'\r' | b'\n')) = chunk.get(at)
                && *next != chunk[end]
            {
                at += 1;
            }
        }
        octets
    }))
}

/// Lines that end with LF, as counted slices.
pub fn lines(chunk: &Bytes, watch: &mut Stopwatch) -> io::Result<u64> {
    Ok(watch.time(|| {
        let (mut at, mut octets) = (0, 0);
        while let Some(found) = memchr::memchr(b'\n', &chunk[at..]) {
            let record = black_box(chunk.slice(at..at + found));
            octets += record.len() as u64;
            at += found + 1;
        }
        octets
    }))
}

/// Lines that end with LF, borrowed.
pub fn borrowed_lines(chunk: &Bytes, watch: &mut Stopwatch) -> io::Result<u64> {
    Ok(watch.time(|| {
        let (mut at, mut octets) = (0, 0);
        while let Some(found) = memchr::memchr(b'\n', &chunk[at..]) {
            let record = black_box(&chunk[at..at + found]);
            octets += record.len() as u64;
            at += found + 1;
        }
        octets
    }))
}

/// Blocks with a length of 32 bits before them, as counted slices.
pub fn blocks(chunk: &Bytes, watch: &mut Stopwatch) -> io::Result<u64> {
    Ok(watch.time(|| {
        let (mut at, mut octets) = (0, 0);
        while let Some((start, end)) = block(chunk, at) {
            let record = black_box(chunk.slice(start..end));
            octets += record.len() as u64;
            at = end;
        }
        octets
    }))
}

/// The same, borrowed.
pub fn borrowed_blocks(chunk: &Bytes, watch: &mut Stopwatch) -> io::Result<u64> {
    Ok(watch.time(|| {
        let (mut at, mut octets) = (0, 0);
        while let Some((start, end)) = block(chunk, at) {
            let record = black_box(&chunk[start..end]);
            octets += record.len() as u64;
            at = end;
        }
        octets
    }))
}

/// Blocks with a length in decimal digits and a NUL before them, as counted slices.
pub fn decimal_blocks(chunk: &Bytes, watch: &mut Stopwatch) -> io::Result<u64> {
    Ok(watch.time(|| {
        let (mut at, mut octets) = (0, 0);
        while let Some((start, end)) = decimal_block(chunk, at) {
            let record = black_box(chunk.slice(start..end));
            octets += record.len() as u64;
            at = end;
        }
        octets
    }))
}

fn block(chunk: &[u8], at: usize) -> Option<(usize, usize)> {
    let length = u32::from_be_bytes(*chunk.get(at..)?.first_chunk()?);
    let end = at + 4 + length as usize;
    (end <= chunk.len()).then_some((at + 4, end))
}

fn decimal_block(chunk: &[u8], at: usize) -> Option<(usize, usize)> {
    let (mut start, mut length) = (at, 0_usize);
    loop {
        let octet = *chunk.get(start)?;
        start += 1;
        if octet == 0 {
            break;
        }
        length = length.checked_mul(10)?.checked_add(usize::from(octet.checked_sub(b'0')?))?;
    }
    let end = start.checked_add(length)?;
    (end <= chunk.len()).then_some((start, end))
}
