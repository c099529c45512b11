//! What holds for any input of HTTP, however it is divided.

#![cfg(feature = "http")]

mod common;

use bytes::Bytes;
use common::{chunk, split};
use http::{Method, Response};
use poe_filter::{Filter, FilterError, Httpd, HttpdRecord, HttpdResponse};
use proptest::prelude::*;

type Boxed = Box<dyn Filter<In = HttpdRecord, Out = HttpdResponse>>;

/// Small limits, so that they are met.
fn filter(streaming: bool) -> Boxed {
    let builder = Httpd::builder().max_content(60).max_request_line(60).max_headers_length(120);
    let builder = builder.max_headers(3);
    let builder = if streaming { builder.streaming() } else { builder };
    builder.build().unwrap().boxed()
}

/// A record in words; pieces of a body are put together.
fn tell(record: &HttpdRecord, all: &mut Vec<String>) {
    let text = match record {
        HttpdRecord::Body(piece) => {
            let piece = piece.escape_ascii().to_string();
            match all.last_mut() {
                Some(last) if last.starts_with("Body") => {
                    last.push_str(&piece);
                    return;
                }
                _ => format!("Body {piece}"),
            }
        }
        HttpdRecord::Error(error) => format!("Error {error} of {:?}", error.request()),
        other => format!("{other:?}"),
    };
    all.push(text);
}

fn drain(filter: &mut Boxed, all: &mut Vec<String>) {
    while let Some(record) = filter.get_one().unwrap() {
        tell(&record, all);
    }
}

fn end(filter: &mut Boxed, all: &mut Vec<String>) {
    drain(filter, all);
    match filter.finish() {
        Ok(record) => assert!(record.is_none()),
        Err(FilterError::Truncated { .. }) => all.push("truncated".to_owned()),
        Err(other) => panic!("{other:?}"),
    }
}

fn records(streaming: bool, chunks: &[Vec<u8>]) -> Vec<String> {
    let mut filter = filter(streaming);
    let mut all = Vec::new();
    for octets in chunks {
        filter.get_one_start(chunk(octets)).unwrap();
        drain(&mut filter, &mut all);
    }
    end(&mut filter, &mut all);
    all
}

/// Requests, some of them right.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(
        &[
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /\n\n",
            "POST /x HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
            "PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
            "POST /x HTTP/1.1\nHost: a\nContent-Length: 70\n\n",
            "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            "5\r\nhello\r\n",
            "1e;x\r\nGET / HTTP/1.1\r\nHost: inner\r\n\r\n\r\n",
            "0\r\n\r\n",
            "0\r\nX: y\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nX: y\r\n",
            "Content-Length: 3\r\n",
            "GET /a?b=c HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive, x\r\n\r\n",
            "M-SEARCH //a/\"{}|<b>?<\"c HTTP/1.1\nHost: a\nUser-Agent: x\n\n",
            "CONNECT a:1 HTTP/1.1\r\nhost:\ta \r\nHost: b\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\nGET http://a?b HTTP/1.1\r\nHost: a\r\nContent-Encoding: x\r\n\r\n",
            "Transfer-Encoding: gzip\r\n",
            "\r\n",
            "\n",
            "x",
            " ",
        ][..],
    );
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes())
}

/// The same with some octets changed.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (input(), changes).prop_map(|(mut octets, changes)| {
        for (index, octet) in changes {
            if !octets.is_empty() {
                let index = index.index(octets.len());
                octets[index] = octet;
            }
        }
        octets
    })
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1..30_usize, 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split(input in mutated(), sizes in sizes(), streaming in any::<bool>()) {
        let expected = records(streaming, std::slice::from_ref(&input));
        let chunks = split(&input, &sizes);
        prop_assert_eq!(&records(streaming, &chunks), &expected, "in chunks");
        prop_assert_eq!(&records(streaming, &split(&input, &[1])), &expected, "one by one");

        let mut piled = filter(streaming);
        for octets in &chunks {
            piled.get_one_start(chunk(octets)).unwrap();
        }
        prop_assert_eq!(&piled.get_pending(), &input);
        let mut all = Vec::new();
        end(&mut piled, &mut all);
        prop_assert_eq!(&all, &expected, "all added first");

        let mut piled = filter(streaming);
        let mut all = Vec::new();
        for octets in &chunks {
            piled.get_one_start(chunk(octets)).unwrap();
            if let Some(record) = piled.get_one().unwrap() {
                tell(&record, &mut all);
            }
        }
        end(&mut piled, &mut all);
        prop_assert_eq!(&all, &expected, "piled up");
    }

    /// Between two chunks, another filter takes over. After an error there is nothing to be taken.
    #[test]
    fn hand_over(input in input(), sizes in sizes()) {
        // A client that has been told of is told of again.
        let input = String::from_utf8(input).unwrap().replace("Expect", "Except");
        let expected = records(false, &[input.clone().into_bytes()]);
        let mut filter = filter(false);
        let mut all = Vec::new();
        for octets in split(input.as_bytes(), &sizes) {
            filter.get_one_start(octets.into()).unwrap();
            loop {
                let record = filter.get_one().unwrap();
                if let Some(record) = &record {
                    tell(record, &mut all);
                    if matches!(record, HttpdRecord::Error(_)) {
                        prop_assert!(expected.starts_with(&all));
                        return Ok(());
                    }
                }
                let pending = filter.get_pending();
                let mut next = filter.fresh();
                next.get_one_start(filter.take_pending()).unwrap();
                prop_assert_eq!(next.get_pending(), pending);
                prop_assert!(filter.get_pending().is_empty());
                prop_assert!(filter.get_one().unwrap().is_none());
                filter = next;
                if record.is_none() {
                    break;
                }
            }
        }
        end(&mut filter, &mut all);
        prop_assert_eq!(all, expected);
    }

    /// Any octets at all.
    #[test]
    fn noise(input in prop::collection::vec(any::<u8>(), 0..300), streaming in any::<bool>()) {
        records(streaming, &[input]);
    }

    /// Bodies come out as they went in, whatever is in them, and nothing of them is a request.
    #[test]
    fn bodies(
        bodies in prop::collection::vec(input(), 1..4),
        chunk_sizes in prop::collection::vec(1..20_usize, 1..5),
        sizes in sizes(),
        chunked in any::<bool>(),
    ) {
        let mut octets = Vec::new();
        for body in &bodies {
            octets.extend_from_slice(b"POST / HTTP/1.1\r\nHost: a\r\n");
            if chunked {
                octets.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                for piece in split(body, &chunk_sizes) {
                    octets.extend_from_slice(format!("{:X}\r\n", piece.len()).as_bytes());
                    octets.extend_from_slice(&piece);
                    octets.extend_from_slice(b"\r\n");
                }
                octets.extend_from_slice(b"0\r\n\r\n");
            } else {
                octets.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
                octets.extend_from_slice(body);
            }
        }
        let mut filter = Httpd::new();
        let mut got = Vec::new();
        for octets in split(&octets, &sizes) {
            for record in filter.get(octets.into()).unwrap() {
                let HttpdRecord::Request(request) = record else { panic!("{record:?}") };
                prop_assert_eq!(request.method(), Method::POST);
                got.push(request.into_body());
            }
        }
        prop_assert_eq!(got, bodies.into_iter().map(Bytes::from).collect::<Vec<_>>());
    }

    /// What is put has the head that it was given, and the body behind it.
    #[test]
    fn responses(
        body in input(),
        status in 200..600_u16,
        values in prop::collection::vec("[!-~]([ -~]{0,8}[!-~])?", 0..5),
    ) {
        let mut response = Response::builder().status(status);
        for value in &values {
            response = response.header("X-Value", value);
        }
        let mut out = Vec::<u8>::new();
        let response = response.body(body.clone()).unwrap();
        Httpd::new().put(response.into(), &mut out).unwrap();

        let mut headers = [httparse::EMPTY_HEADER; 8];
        let mut parsed = httparse::Response::new(&mut headers);
        let head = parsed.parse(&out).unwrap().unwrap();
        prop_assert_eq!(parsed.code, Some(status));
        let bodiless = matches!(status, 204 | 304);
        prop_assert_eq!(&out[head..], if bodiless { &[][..] } else { &body[..] });
        let (mut lengths, mut others) = (Vec::new(), Vec::new());
        for header in parsed.headers.iter() {
            let list = if header.name == "content-length" { &mut lengths } else { &mut others };
            list.push(header.value);
        }
        let length = body.len().to_string();
        let expected = if bodiless { vec![] } else { vec![length.as_bytes()] };
        prop_assert_eq!(lengths, expected);
        prop_assert_eq!(others, values.iter().map(String::as_bytes).collect::<Vec<_>>());
    }
}
