//! The head of a request that is as most are, in one go.

use http::Version;

use super::fields::Marks;
use super::head::HeadLimits;
use super::request::Parts;
use super::verb::Verb;
use super::words::{Word, split};

/// Parses the head of a request if it is all there and as most are. `None` says nothing about it.
///
/// `httparse` would do the same with what is let pass, and put all headers into a list, which nobody has asked for yet.
/// That is: one space between the words of the first line, a path for a target, names of letters, digits, dashes and
/// underscores, and no control characters but CR LF, or LF alone, at the end of each line.
#[inline(always)]
pub(super) fn parse_plain(octets: &[u8], limits: &HeadLimits) -> Option<(Verb, Parts)> {
    let (verb, rest) = verb(octets)?;
    let start = octets.len() - rest.len();
    let (target, rest) = split(rest, Word::outside_target)?;
    if target.first() != Some(&b'/') || target.get(1) == Some(&b'/') || target.len() > MAX_TARGET {
        return None;
    }
    let (version, mut rest) = version(rest)?;
    let fields = octets.len() - rest.len();
    let mut marks = Marks::of(version);
    let mut left = limits.headers;
    while rest.first().is_some_and(|first| *first > b'\r') {
        left = left.checked_sub(1)?;
        if let Some(behind) = host(rest) {
            marks.add_host(true);
            rest = behind;
            continue;
        }
        let (name, behind) = split(rest, Word::outside_name)?;
        let behind = behind.strip_prefix(b":")?;
        let (value, behind) = split_value(behind)?;
        rest = line_end(behind)?;
        marks.look_at(name, value)?;
    }
    let body = octets.len() - line_end(rest)?.len();
    if fields - 1 > limits.first_line || body - fields > limits.headers_length {
        return None;
    }
    // All of it is shorter.
    let body = u32::try_from(body).ok()?;
    Some((verb, Parts::new(start as u16, target.len() as u32, fields as u32, body, marks)))
}

/// Shorter than what the parser of URIs takes.
const MAX_TARGET: usize = 32 * 1024;

/// The method, and what is behind its space.
#[inline(always)]
fn verb(octets: &[u8]) -> Option<(Verb, &[u8])> {
    match octets.strip_prefix(b"GET ") {
        Some(rest) => Some((Verb::Get, rest)),
        None => other_verb(octets),
    }
}

#[inline(never)]
fn other_verb(octets: &[u8]) -> Option<(Verb, &[u8])> {
    let end = octets.iter().take(8).position(|octet| *octet == b' ')?;
    match Verb::new(str::from_utf8(&octets[..end]).ok()?) {
        Verb::Other => None,
        verb => Some((verb, &octets[end + 1..])),
    }
}

/// The version with the space before it, and what is behind its line.
#[inline(always)]
fn version(octets: &[u8]) -> Option<(Version, &[u8])> {
    let (words, rest) = octets.split_first_chunk::<9>()?;
    let version = if words == b" HTTP/1.1" {
        Version::HTTP_11
    } else if words == b" HTTP/1.0" {
        Version::HTTP_10
    } else {
        return None;
    };
    Some((version, line_end(rest)?))
}

/// What is behind the end of a line.
#[inline(always)]
fn line_end(octets: &[u8]) -> Option<&[u8]> {
    octets.strip_prefix(b"\r\n").or_else(|| bare_line_end(octets))
}

#[cold]
#[inline(never)]
fn bare_line_end(octets: &[u8]) -> Option<&[u8]> {
    octets.strip_prefix(b"\n")
}

/// What is behind a line that names a host as most do: with letters, digits, dots and dashes, and with a port or not.
#[inline(always)]
fn host(octets: &[u8]) -> Option<&[u8]> {
    let (name, rest) = octets.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*name) | 0x20 != u32::from_le_bytes(*b"host") {
        return None;
    }
    let (host, mut rest) = split(rest.strip_prefix(b": ")?, Word::outside_host)?;
    if host.is_empty() {
        return None;
    }
    if let Some(port) = rest.strip_prefix(b":") {
        (_, rest) = split(port, Word::outside_number)?;
    }
    line_end(rest)
}

/// The value of a header, and what is behind it. Values are long, and so sixteen octets are looked at in one go.
#[inline(always)]
fn split_value(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = octets;
    while let Some((many, behind)) = rest.split_first_chunk::<16>()
        && !many.iter().fold(false, |any, octet| any | (*octet < b' ') | (*octet == 0x7f))
    {
        rest = behind;
    }
    let (last, _) = split(rest, Word::controls)?;
    octets.split_at_checked(octets.len() - rest.len() + last.len())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use httparse::Status;

    use super::*;
    use crate::httpd::fields::{Fields, body_length};
    use crate::httpd::head::{HeadScanner, parse_request};
    use crate::httpd::request::HttpdRequest;
    use crate::shared::Shared;

    const PLAIN: [&str; 8] = [
        "PATCH /a HTTP/1.1\nHost: a\nX_Y: \"z\"\r\n\n",
        "DELETE / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a?b=c HTTP/1.0\r\nhost:  127.0.0.1:80 \r\nConnection: keep-alive\r\n\r\n",
        "POST /index HTTP/1.1\r\nHost: www.a-b.org:8080\r\ncontent-length: 12\r\nX1:\r\n\r\n",
        "HEAD /%20 HTTP/1.1\r\nHost:[::1]\r\nExpect: 100-continue\r\nTransfer-Encoding:chunked\r\n\r\n",
        "PUT /~{a|b} HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: a, Close\r\n\r\n",
        "OPTIONS /a HTTP/1.1\r\nContent-Encoding: \u{fc}\r\nAccept: text/html, */*;q=0.8\r\n\r\n",
    ];

    fn parse(octets: &[u8]) -> Option<(Verb, Parts)> {
        parse_plain(octets, &HeadLimits::DEFAULT)
    }

    /// Whether it is plain; if so, whoever else reads it must have come to the same.
    fn is_plain(octets: &[u8]) -> bool {
        let Some((verb, parts)) = parse(octets) else { return false };
        let shown = octets.escape_ascii();
        let mut headers = [httparse::EMPTY_HEADER; 8];
        let mut parsed = httparse::Request::new(&mut headers);
        assert_eq!(parsed.parse(octets), Ok(Status::Complete(parts.body())), "{shown}");
        let target = &octets[parts.target()..][..parts.target_len()];
        let version = Some(u8::from(parts.marks().version() == Version::HTTP_11));
        assert_eq!((parsed.path.map(str::as_bytes), parsed.version), (Some(target), version));
        assert_eq!(parsed.method, verb.as_method().map(http::Method::as_str), "{shown}");
        let fields = Fields::new(&octets[parts.fields()..parts.body()]);
        let headers = parsed.headers.iter().map(|header| (header.name.as_bytes(), header.value));
        assert!(fields.clone().eq(headers), "{shown}");

        let mut scanner = HeadScanner::default();
        let limits = HeadLimits::DEFAULT;
        assert!(matches!(scanner.end(octets, &limits), Ok(Some(end)) if end == parts.body()));
        let head = Bytes::copy_from_slice(&octets[..parts.body()]);
        let other = parse_request(head.clone(), &scanner, &limits).unwrap();
        let request = HttpdRequest::new((Shared::One(head), 0), verb, parts);
        let body = body_length(fields, parts.marks(), limits.host);
        assert_eq!(body, other.body, "{shown}");
        let tell = |request: &HttpdRequest| {
            format!("{request:?} {} {}", request.keep_alive(), request.expects_continue())
        };
        assert_eq!(tell(&request), tell(&other.request));
        true
    }

    #[test]
    fn plain_requests_are_read_as_others_read_them() {
        for request in PLAIN {
            let mut octets = request.as_bytes().to_vec();
            for behind in 0..20 {
                assert!(is_plain(&octets), "{request}, {behind} octets behind it");
                octets.push(b'G');
            }
            for end in 0..request.len() {
                assert!(parse(&request.as_bytes()[..end]).is_none(), "{request} up to {end}");
            }
        }
    }

    #[test]
    fn so_are_those_with_an_octet_more_or_less_or_changed() {
        for request in PLAIN {
            for place in 0..request.len() {
                let octets = request.as_bytes();
                is_plain(&[&octets[..place], &octets[place + 1..]].concat());
                for octet in 0..=255 {
                    is_plain(&[&octets[..place], &[octet], &octets[place + 1..]].concat());
                    is_plain(&[&octets[..place], &[octet], &octets[place..]].concat());
                }
            }
        }
    }

    #[test]
    fn what_is_unusual_is_left_to_others() {
        for head in [
            "GET / HTTP/1.1\rHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost:\ta\r\n\r\n",
            "GET / HTTP/1.1\r\n: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost\r\n\r\n",
            "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /\r\nHost: a\r\n\r\n",
            "GET // HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /# HTTP/1.1\r\nHost: a\r\n\r\n",
            "get / HTTP/1.1\r\nHost: a\r\n\r\n",
            "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            assert!(parse(head.as_bytes()).is_none(), "{head:?}");
        }
    }

    #[test]
    fn limits_are_those_of_others() {
        let octets = PLAIN[4].as_bytes();
        for less in 0..octets.len() {
            let headers_length = octets.len() - less;
            for limits in [
                HeadLimits { headers_length, ..HeadLimits::DEFAULT },
                HeadLimits { first_line: less, ..HeadLimits::DEFAULT },
                HeadLimits { headers: less % 5, ..HeadLimits::DEFAULT },
            ] {
                let end = HeadScanner::default().end(octets, &limits);
                assert_eq!(parse_plain(octets, &limits).is_some(), end.is_ok(), "{limits:?}");
            }
        }
        let long = |len| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(len));
        let limits = HeadLimits { first_line: usize::MAX, ..HeadLimits::DEFAULT };
        for (len, is_plain) in [(MAX_TARGET - 1, true), (MAX_TARGET, false)] {
            assert_eq!(parse_plain(long(len).as_bytes(), &limits).is_some(), is_plain);
        }
    }
}
