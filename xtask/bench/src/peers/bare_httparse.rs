//! `httparse` by itself, its headers uninitialized.

use std::hint::black_box;
use std::io;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

/// Parses all requests in a buffer, so many times. They have no bodies.
pub fn requests(buffer: &[u8], times: u64) -> io::Result<Duration> {
    let start = Instant::now();
    for _ in 0..times {
        let mut rest = black_box(buffer);
        while !rest.is_empty() {
            let mut headers = [MaybeUninit::uninit(); 32];
            let mut request = httparse::Request::new(&mut []);
            let parsed = request.parse_with_uninit_headers(rest, &mut headers);
            let Ok(httparse::Status::Complete(end)) = parsed else {
                return Err(io::Error::other("no request"));
            };
            black_box(&request);
            rest = &rest[end..];
        }
    }
    Ok(start.elapsed())
}
