//! Our own side of the comparisons of HTTP.

use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use poe_filter::{Filter, Httpd, HttpdRecord};

/// Takes all requests out of a buffer, so many times.
pub fn requests(buffer: &Bytes, times: u64) -> io::Result<Duration> {
    let mut filter = Httpd::new();
    let start = Instant::now();
    for _ in 0..times {
        filter.get_one_start(black_box(buffer).clone()).map_err(io::Error::other)?;
        loop {
            // Looked at where it is put, as `httparse`'s are.
            match &filter.get_one() {
                Ok(Some(HttpdRecord::Request(request))) => {
                    black_box(request);
                }
                Ok(None) => break,
                _ => return Err(io::Error::other("no request")),
            }
        }
    }
    Ok(start.elapsed())
}
