//! Requests of HTTP, pipelined: taken out of a buffer that holds as many as a read brings.

use bytes::Bytes;

use crate::contest::{Contest, Rounds, nanoseconds_each};
use crate::peers::bare_httparse;
use crate::report::{Report, Unit};

/// What a load generator sends, and little else is as short.
const SHORT: &str = "GET /index.html HTTP/1.1\r\nHost: 127.0.0.1:12345\r\n\r\n";

/// What the TechEmpower benchmarks send.
const USUAL: &str = "GET /plaintext HTTP/1.1\r\nHost: server\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20130501 Firefox/30.0 AppleWebKit/600.00 \
    Chrome/30.0.0000.0 Trident/10.0 Safari/600.00\r\n\
    Cookie: uid=12345678901234567890; __utma=1.1234567890.1234567890.1234567890.1234567890.12; \
    wd=2560x1600\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-US,en;q=0.5\r\nConnection: keep-alive\r\n\r\n";

/// What a browser sends.
const BROWSER: &str = "GET /images/2010/03/a-picture-of-something.jpg HTTP/1.1\r\n\
    Host: www.example.org\r\nConnection: keep-alive\r\n\
    sec-ch-ua: \"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\"\r\nsec-ch-ua-mobile: ?0\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/130.0.0.0 Safari/537.36\r\nsec-ch-ua-platform: \"Linux\"\r\n\
    Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8\r\n\
    Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n\
    Referer: https://www.example.org/about.html\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\r\n";

/// A buffer of the size that a wheel reads at once.
const BUFFER: usize = 64 * 1024;

/// Buffers in a turn, and turns in a round.
const BUFFERS: u64 = 100;
const TURNS: usize = 30;

/// At most 1.25 times `httparse` alone, which gives names and values that point into the buffer, and has neither limits nor
/// bodies; and nobody looks at what it gives. Ours are records that can be kept.
///
/// They are within that since a request that is as most are is no work for `httparse` at all: it lists headers, for which nobody has
/// asked yet, where one look at each octet tells that all is right, where the head ends, and of the few headers that matter
/// to the filter what they say.
///
/// The other peers do what has to be done at the least with what `httparse` gives: to compare the length of each name once, as
/// one who looks for the length of the body, and to count a reference to each head, so that it can be kept.
pub fn run(rounds: Rounds, report: &mut Report) {
    for (name, request) in [
        ("an HTTP request of 1 header", SHORT),
        ("an HTTP request of 6 headers", USUAL),
        ("an HTTP request of a browser, 14 headers", BROWSER),
    ] {
        let count = BUFFER / request.len();
        let buffer = Bytes::from(request.repeat(count));
        let requests = BUFFERS * count as u64;
        let each = move |duration| vec![nanoseconds_each(duration, requests)];
        let contest = Contest::new(Unit::Nanoseconds).case(name, None);
        #[cfg(feature = "ours")]
        let contest = {
            let buffer = buffer.clone();
            contest.ours(move || Ok(each(crate::ours::http::requests(&buffer, BUFFERS)?)))
        };
        contest
            .peer("httparse alone", Some(1.25), || {
                Ok(each(bare_httparse::requests(&buffer, BUFFERS)?))
            })
            .peer("httparse, headers looked at", None, || {
                Ok(each(bare_httparse::looked_at_requests(&buffer, BUFFERS)?))
            })
            .peer("httparse, heads counted slices", None, || {
                Ok(each(bare_httparse::kept_requests(&buffer, BUFFERS)?))
            })
            .hold(rounds.times(TURNS), report);
    }
}
