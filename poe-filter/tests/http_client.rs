//! The client's side of HTTP, and the two sides together.

#![cfg(feature = "http")]

mod common;

use bytes::Bytes;
use common::{chunk, split};
use http::{HeaderMap, Request, Response, Version};
use poe_filter::{
    ConfigError, Filter, FilterError, HttpClient, HttpClientRecord, HttpClientRequest, HttpProblem,
    HttpPutError, Httpd, HttpdRecord, HttpdResponse,
};
use proptest::prelude::*;

fn ask(filter: &mut HttpClient, request: impl Into<HttpClientRequest>) -> String {
    let mut out = Vec::<u8>::new();
    filter.put(request.into(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn request(method: &str, uri: &str, body: &'static str) -> Request<&'static str> {
    Request::builder().method(method).uri(uri).body(body).unwrap()
}

/// A request of this method, with the target that it takes.
fn simple(method: &str) -> Request<&'static str> {
    request(method, if method == "CONNECT" { "localhost:1" } else { "/" }, "")
}

/// A record in words; pieces of a body are put together.
fn tell(record: &HttpClientRecord, all: &mut Vec<String>) {
    match (record, all.last_mut()) {
        (HttpClientRecord::Body(piece), Some(last)) if last.starts_with("Body") => {
            last.push_str(&piece.escape_ascii().to_string());
        }
        (HttpClientRecord::Body(piece), _) => all.push(format!("Body {}", piece.escape_ascii())),
        _ => all.push(format!("{record:?}")),
    }
}

/// What comes of these chunks, to the end, when these methods were asked for.
fn records(streaming: bool, asked: &[&str], chunks: &[Vec<u8>]) -> Vec<String> {
    // Without a request, any response is read.
    let builder = HttpClient::builder().max_content(60);
    let builder = if asked.is_empty() { builder.allow_unasked() } else { builder };
    let builder = if streaming { builder.streaming() } else { builder };
    let mut filter = builder.build().unwrap();
    for method in asked {
        ask(&mut filter, simple(method));
    }
    let mut all = Vec::new();
    for octets in chunks {
        filter.get_one_start(chunk(octets)).unwrap();
        loop {
            match filter.get_one() {
                Ok(Some(record)) => tell(&record, &mut all),
                Ok(None) => break,
                Err(error) => {
                    assert!(error.is_fatal() && filter.get_one().is_err());
                    all.push(error.to_string());
                    return all;
                }
            }
        }
    }
    loop {
        match filter.finish() {
            Ok(Some(record)) => tell(&record, &mut all),
            Ok(None) => return all,
            Err(error) => {
                assert!(matches!(error, FilterError::Truncated { .. }));
                all.push("truncated".to_owned());
                return all;
            }
        }
    }
}

fn bodies(asked: &[&str], input: &str) -> Vec<(u16, String)> {
    let mut filter = HttpClient::new();
    for method in asked {
        ask(&mut filter, simple(method));
    }
    let mut all = filter.get(chunk(input)).unwrap();
    all.extend(filter.finish().unwrap());
    let of = |record| match record {
        HttpClientRecord::Response(response) => {
            (response.status().as_u16(), String::from_utf8(response.into_body().to_vec()).unwrap())
        }
        HttpClientRecord::Informational(response) => (response.status().as_u16(), "...".into()),
        other => panic!("{other:?}"),
    };
    all.into_iter().map(of).collect()
}

fn problem(input: &str) -> HttpProblem {
    match HttpClient::builder().allow_unasked().build().unwrap().get(chunk(input)) {
        Err(FilterError::Stream(error)) => *error.downcast().unwrap(),
        other => panic!("{input:?}: {other:?}"),
    }
}

#[test]
fn requests_are_put() {
    let filter = &mut HttpClient::new();
    assert_eq!(
        ask(filter, request("GET", "http://me@localhost:8080/a?b", "")),
        "GET /a?b HTTP/1.1\r\nhost: localhost:8080\r\n\r\n"
    );
    assert_eq!(
        ask(filter, request("POST", "/", "")),
        "POST / HTTP/1.1\r\nhost: \r\ncontent-length: 0\r\n\r\n"
    );
    assert_eq!(
        ask(filter, request("GET", "/", "hello")),
        "GET / HTTP/1.1\r\nhost: \r\ncontent-length: 5\r\n\r\nhello"
    );
    assert_eq!(ask(filter, request("OPTIONS", "*", "")), "OPTIONS * HTTP/1.1\r\nhost: \r\n\r\n");
    assert_eq!(
        ask(filter, request("CONNECT", "localhost:443", "")),
        "CONNECT localhost:443 HTTP/1.1\r\nhost: localhost:443\r\n\r\n"
    );
    let old = Request::put("/").version(Version::HTTP_10).header("Host", "b").body("x").unwrap();
    assert_eq!(ask(filter, old), "PUT / HTTP/1.0\r\nhost: b\r\ncontent-length: 1\r\n\r\nx");
}

#[test]
fn requests_that_make_no_sense() {
    let refused = |record: HttpClientRequest| {
        let mut out = Vec::<u8>::new();
        match HttpClient::new().put(record, &mut out) {
            Err(FilterError::Record(error)) => {
                assert!(out.is_empty());
                *error.downcast::<HttpPutError>().unwrap()
            }
            other => panic!("{other:?}"),
        }
    };
    let both =
        Request::post("/").header("Content-Length", 1).header("Transfer-Encoding", "chunked");
    assert_eq!(
        refused(both.body("x").unwrap().into()),
        HttpPutError::Framing(HttpProblem::LengthAndEncoding)
    );
    let wrong = Request::post("/").header("Content-Length", 2).body("x").unwrap();
    assert_eq!(refused(wrong.into()), HttpPutError::WrongLength { declared: 2, given: 1 });
    let old = Request::post("/").version(Version::HTTP_10).body(()).unwrap();
    assert_eq!(refused(HttpClientRequest::Head(old)), HttpPutError::NoLength);
    assert_eq!(refused(HttpClientRequest::End(HeaderMap::new())), HttpPutError::NotBegun);
}

#[test]
fn responses_end_where_they_say() {
    let input = "HTTP/1.1 100 Continue\r\n\r\n\
                 HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\
                 HTTP/1.1 404\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n\
                 HTTP/1.1 204 No Content\r\n\r\n\
                 HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n\
                 HTTP/1.0 200 OK\r\n\r\nto the end";
    let expected = [(100, "..."), (200, "hello"), (404, "abc"), (204, ""), (304, "")];
    let expected = expected.into_iter().chain([(200, "to the end")]);
    let expected: Vec<_> = expected.map(|(status, body)| (status, body.to_owned())).collect();
    assert_eq!(bodies(&["GET"; 5], input), expected);
}

/// Without knowing the request, these would be read as bodies.
#[test]
fn responses_to_head_and_connect() {
    let input = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\
                 HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let expected = vec![(103, "...".to_owned()), (200, String::new()), (200, "ok".to_owned())];
    assert_eq!(bodies(&["HEAD", "GET"], input), expected);
    for (method, head) in
        [("CONNECT", "HTTP/1.1 200 OK\r\n\r\n"), ("GET", "HTTP/1.1 101 Switching\r\n\r\n")]
    {
        let mut filter = HttpClient::new();
        ask(&mut filter, simple(method));
        filter.get_one_start(chunk(format!("{head}tunnel"))).unwrap();
        assert!(matches!(filter.get_one(), Ok(Some(HttpClientRecord::Response(_)))));
        assert_eq!(filter.take_pending(), "tunnel");
    }
}

#[test]
fn responses_that_are_none() {
    let head = "HTTP/1.1 200 OK\r\n";
    for (input, expected) in [
        ("HTTP/2.0 200 OK\r\n\r\n".to_owned(), HttpProblem::Version),
        (format!("{head}X : y\r\n\r\n"), HttpProblem::Header),
        (format!("{head} X: y\r\n\r\n"), HttpProblem::Header),
        (format!("{head}X: y\r\r\n z\r\n\r\n"), HttpProblem::Header),
        (format!("{head}Content-Length: 1\r\n 1\r\n\r\n"), HttpProblem::BadLength),
        (
            format!("{head}{}\r\n", "X: y\r\n".repeat(101)),
            HttpProblem::TooManyHeaders { limit: 100 },
        ),
        (
            format!("{head}Content-Length: 1\r\nContent-Length: 1\r\n\r\n"),
            HttpProblem::RepeatedLength,
        ),
        (format!("{head}Content-Length: x\r\n\r\n"), HttpProblem::BadLength),
        (
            format!("{head}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            HttpProblem::LengthAndEncoding,
        ),
        (format!("{head}Transfer-Encoding: gzip, chunked\r\n\r\n"), HttpProblem::UnknownEncoding),
        (
            format!("{head}Content-Length: 99999999999\r\n\r\n"),
            HttpProblem::ContentTooLarge { limit: 64 * 1024 * 1024 },
        ),
    ] {
        assert_eq!(problem(&input), expected, "{input:?}");
    }
    for line in ["ICY 200 OK", "HTTP/1.1 20", "HTTP/1.1  200 OK", "HTTP/1.1 200 O\rK", " "] {
        let problem = problem(&format!("{line}\r\n\r\n\r\n"));
        assert!(matches!(problem, HttpProblem::FirstLine { .. }), "{line:?}: {problem}");
    }
}

#[test]
fn a_response_that_nobody_asked_for_is_the_end() {
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    let hints = "HTTP/1.1 103 Early Hints\r\n\r\n";
    for (streaming, more) in
        [(false, response), (true, response), (false, hints), (true, hints), (false, "H")]
    {
        let builder = HttpClient::builder();
        let builder = if streaming { builder.streaming() } else { builder };
        let mut filter = builder.build().unwrap();
        ask(&mut filter, simple("GET"));
        // Empty lines behind a response are nothing.
        filter.get_one_start([hints, response, "\r\n\n\r", more].concat().into()).unwrap();
        let mut records = 0;
        let error = loop {
            match filter.get_one() {
                Ok(Some(_)) => records += 1,
                Ok(None) => panic!("it was taken"),
                Err(error) => break error,
            }
        };
        assert_eq!(records, if streaming { 4 } else { 2 }, "{more}");
        assert!(error.is_fatal());
        let FilterError::Stream(problem) = error else { panic!("{error}") };
        assert_eq!(*problem.downcast::<HttpProblem>().unwrap(), HttpProblem::Unasked);
        // And it stays so, whatever is asked then.
        ask(&mut filter, simple("GET"));
        assert!(filter.get_one().is_err());
    }
    // Nor is the first request to take what came before it, be it but the beginning.
    for early in [response, hints, "H", "\r\n "] {
        assert!(HttpClient::new().get(early.into()).unwrap_err().is_fatal(), "{early:?}");
    }
    let mut filter = HttpClient::builder().allow_unasked().build().unwrap();
    assert_eq!(filter.get([response, hints, response].concat().into()).unwrap().len(), 3);
    assert_eq!(filter.fresh().get([response, response].concat().into()).unwrap().len(), 2);
}

#[test]
fn empty_lines_between_exchanges_are_skipped() {
    let response = "HTTP/1.1 204 No Content\r\n\r\n";
    let mut filter = HttpClient::new();
    for blank in ["\r\n", "\n\n", ""] {
        assert!(filter.get(blank.into()).unwrap().is_empty());
        assert!(filter.finish().unwrap().is_none());
        assert_eq!(filter.pending_len(), 0);
        ask(&mut filter, simple("GET"));
        assert_eq!(filter.get(format!("{response}{blank}").into()).unwrap().len(), 1);
    }
    // The next request may have been put already.
    for blank in ["\r\n", "\r\n\n"] {
        let input = format!("{response}{blank}{response}{blank}");
        let chunks = [input.bytes().map(|octet| vec![octet]).collect(), vec![input.into_bytes()]];
        for chunks in chunks {
            assert_eq!(records(false, &["GET", "GET"], &chunks).len(), 2);
        }
    }
}

/// RFC 9112, 5.2. POE's filter folds what has several lines.
#[test]
fn headers_of_responses_may_be_folded() {
    let input =
        "HTTP/1.1 200 OK\r\nX: a\r\n\tb\n  c\r\n \r\nContent-Length:\r\n 2\r\nY: d\r\n\r\nhi";
    let mut filter = HttpClient::builder().allow_unasked().build().unwrap();
    // It is read twice if its body comes later.
    for at in 0..input.len() {
        let (start, rest) = input.split_at(at);
        filter.get(chunk(start)).unwrap();
        let records = filter.get(chunk(rest)).unwrap();
        let [HttpClientRecord::Response(response)] = &records[..] else { panic!("{records:?}") };
        let header = |name: &str| response.headers()[name].to_str().unwrap();
        assert_eq!(header("x").split_ascii_whitespace().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(
            (header("content-length"), header("y"), &response.body()[..]),
            ("2", "d", &b"hi"[..])
        );
    }
}

#[test]
fn parameters_that_make_no_sense() {
    let build = |content, buffer| HttpClient::builder().max_content(content).max_buffer(buffer);
    assert!(matches!(build(0, 0).build(), Err(ConfigError::Zero { .. })));
    assert!(matches!(build(0, 1).max_headers_length(0).build(), Err(ConfigError::Zero { .. })));
    assert!(matches!(build(2, 1).build(), Err(ConfigError::BufferTooSmall { .. })));
    assert!(build(2, 1).streaming().build().is_ok());
}

/// Responses, some of them right, some octets changed.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(
        &[
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nContent-Length: 61\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n",
            "5\r\nhello\r\n",
            "0\r\n\r\n",
            "0\r\nX: y\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\n",
            "\r\n",
            "hello",
        ][..],
    );
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (prop::collection::vec(piece, 0..10), changes).prop_map(|(pieces, changes)| {
        let mut octets = pieces.concat().into_bytes();
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
    fn any_split(
        input in input(),
        asked in prop::collection::vec(prop::sample::select(&["GET", "HEAD", "CONNECT"][..]), 0..5),
        sizes in sizes(),
        streaming in any::<bool>(),
    ) {
        let expected = records(streaming, &asked, std::slice::from_ref(&input));
        prop_assert_eq!(&records(streaming, &asked, &split(&input, &sizes)), &expected);
        prop_assert_eq!(&records(streaming, &asked, &split(&input, &[1])), &expected);
    }

    #[test]
    fn noise(input in prop::collection::vec(any::<u8>(), 0..300)) {
        let responses = [&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..], &input];
        records(false, &[], &[responses.concat()]);
        records(true, &[], &[input]);
    }

    /// What one side puts is what the other gets, and back.
    #[test]
    fn both_sides(
        exchanges in prop::collection::vec(
            (
                prop::sample::select(&["GET", "HEAD", "POST", "PURGE"][..]),
                "/[a-z0-9/]{0,8}",
                prop::collection::vec(any::<u8>(), 0..40),
                prop::sample::select(&[200, 201, 204, 304, 404, 500_u16][..]),
                "[!-~]{1,8}",
                any::<bool>(),
            ),
            1..5,
        ),
        sizes in sizes(),
    ) {
        let (mut client, mut server) = (HttpClient::new(), Httpd::new());
        let mut sent = Vec::<u8>::new();
        for (method, path, body, _, value, in_parts) in &exchanges {
            let path = path.trim_start_matches('/');
            let head = Request::builder().method(*method).uri(format!("/{path}"));
            let head = head.header("X-Value", value).body(()).unwrap();
            let body = Bytes::from(body.clone());
            if *in_parts {
                client.put(HttpClientRequest::Head(head), &mut sent).unwrap();
                for piece in body.chunks(7) {
                    client.put(HttpClientRequest::Body(chunk(piece)), &mut sent).unwrap();
                }
                client.put(HttpClientRequest::End(HeaderMap::new()), &mut sent).unwrap();
            } else {
                client.put(head.map(|()| body).into(), &mut sent).unwrap();
            }
        }
        let mut requests = Vec::new();
        for octets in split(&sent, &sizes) {
            for record in server.get(octets.into()).unwrap() {
                let HttpdRecord::Request(request) = record else { panic!("{record:?}") };
                requests.push(request);
            }
        }
        prop_assert_eq!(requests.len(), exchanges.len());
        let mut sent = Vec::<u8>::new();
        for (request, (method, path, body, status, value, in_parts)) in
            requests.iter().zip(&exchanges)
        {
            prop_assert_eq!(request.method().as_str(), *method);
            prop_assert_eq!(request.path(), format!("/{}", path.trim_start_matches('/')));
            prop_assert_eq!(request.body(), body);
            prop_assert_eq!(request.header("x-value").unwrap(), value.as_bytes());
            let response = Response::builder().status(*status).header("X-Value", value);
            let response = response.body(()).unwrap();
            if *in_parts && !matches!(status, 204 | 304) {
                server.put(HttpdResponse::begin(request, response), &mut sent).unwrap();
                server.put(HttpdResponse::Body(request.body()), &mut sent).unwrap();
                server.put(HttpdResponse::End(HeaderMap::new()), &mut sent).unwrap();
            } else {
                let response = response.map(|()| request.body());
                server.put(HttpdResponse::answer(request, response), &mut sent).unwrap();
            }
        }
        let mut responses = Vec::new();
        for octets in split(&sent, &sizes) {
            for record in client.get(octets.into()).unwrap() {
                let HttpClientRecord::Response(response) = record else { panic!("{record:?}") };
                responses.push(response);
            }
        }
        prop_assert!(client.finish().unwrap().is_none());
        prop_assert_eq!(responses.len(), exchanges.len());
        for (response, (method, _, body, status, value, _)) in responses.iter().zip(&exchanges) {
            let bodiless = *method == "HEAD" || matches!(status, 204 | 304);
            prop_assert_eq!(response.status().as_u16(), *status);
            prop_assert_eq!(response.body(), if bodiless { &[][..] } else { &body[..] });
            prop_assert_eq!(response.headers()["x-value"].as_bytes(), value.as_bytes());
        }
    }
}

/// What is read a second time is read as the response to the same request.
#[test]
fn a_response_that_is_read_again_has_the_same_request() {
    let mut filter = HttpClient::new();
    ask(&mut filter, simple("GET"));
    ask(&mut filter, simple("HEAD"));
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
    let begun = format!("{head}a");
    assert!(filter.get(begun.clone().into()).unwrap().is_empty());
    assert_eq!(filter.pending_len(), begun.len());
    let pending = filter.take_pending();
    assert_eq!(pending, begun);
    filter.get_one_start(pending).unwrap();
    let records = filter.get(format!("bc{head}").into()).unwrap();
    let [HttpClientRecord::Response(got), HttpClientRecord::Response(headed)] = &records[..] else {
        panic!("{records:?}");
    };
    assert_eq!((&got.body()[..], &headed.body()[..]), (&b"abc"[..], &b""[..]));
}

/// A request that can not be written says what to do about it.
#[test]
fn a_request_without_a_path() {
    let request = Request::get("localhost").body("").unwrap();
    let error = HttpClient::new().put(request.into(), &mut Vec::<u8>::new()).unwrap_err();
    assert!(error.to_string().contains("http://host/path"), "{error}");
}
