//! `httparse` by itself, its headers uninitialized.

use std::hint::black_box;
use std::io;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use bytes::Bytes;

/// Parses all requests in a buffer, so many times. They have no bodies.
pub fn requests(buffer: &Bytes, times: u64) -> io::Result<Duration> {
    parse(buffer, times, |_, _| ())
}

/// The same, the name of each header looked at, as is done at the least by who has to know where the body ends.
pub fn looked_at_requests(buffer: &Bytes, times: u64) -> io::Result<Duration> {
    parse(buffer, times, |_, headers| {
        let names = headers.iter().filter(|header| header.name.len() == "content-length".len());
        black_box(names.count());
    })
}

/// The same, the head of each cut out so that it can be kept.
pub fn kept_requests(buffer: &Bytes, times: u64) -> io::Result<Duration> {
    parse(buffer, times, |head, _| drop(black_box(buffer.slice_ref(head))))
}

#[inline(always)]
fn parse(
    buffer: &[u8],
    times: u64,
    mut with: impl FnMut(&[u8], &[httparse::Header<'_>]),
) -> io::Result<Duration> {
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
            with(&rest[..end], request.headers);
            rest = &rest[end..];
        }
    }
    Ok(start.elapsed())
}
