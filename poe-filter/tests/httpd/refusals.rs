//! What is refused: what is no request, what could be read as two, what is without a host.

use crate::{expect_error, get, one, put, request};
use bytes::Bytes;
use http::{Method, StatusCode, Version};
use poe_filter::{Filter, FilterError, HttpProblem, Httpd, HttpdRecord};

// Conformance: FHT-12
#[test]
fn request_line_without_target() {
    let error = expect_error(one("ELEPHANT\n\r\n"));
    assert_eq!(error.status(), StatusCode::BAD_REQUEST);
    assert!(error.request().is_none());
}

// Conformance: FHT-13, FHT-14
#[test]
fn request_lines_that_are_unusual() {
    let tab = request("GET\t/elephant.gif\n\n");
    assert_eq!((tab.method(), tab.uri().path()), (&Method::GET, "/elephant.gif"));
    assert_eq!(tab.version(), Version::HTTP_09);
    let elephant = request("ELEPHANT /\n\n");
    assert_eq!(elephant.method().as_str(), "ELEPHANT");
    assert_eq!(elephant.version(), Version::HTTP_09);
    assert_eq!(request("GEt /\n\n").method().as_str(), "GEt");
    assert_eq!(request("GET ///etc//x HTTP/1.1\r\nHost: a\r\n\r\n").uri(), "/etc//x");
    assert_eq!(request("GET  / \t HTTP/1.1 \r\nHost: a\r\n\r\n").version(), Version::HTTP_11);
    assert_eq!(request("GET / HTTP/1.7\r\nHost: a\r\n\r\n").version(), Version::HTTP_11);
}

/// What could be read as one request or as two.
#[test]
fn smuggling() {
    let chunked = "Transfer-Encoding: chunked";
    let vectors: &[(&str, &str, u16)] = &[
        ("Content-Length: 5\r\nContent-Length: 6", "hello", 400),
        ("Content-Length: 5\r\nContent-Length: 5", "hello", 400),
        ("Content-Length: 5, 5", "hello", 400),
        ("Content-Length: 5, 6", "hello", 400),
        ("Content-Length: +5", "hello", 400),
        ("Content-Length: -5", "hello", 400),
        ("Content-Length: 0x5", "hello", 400),
        ("Content-Length: 5 5", "hello", 400),
        ("Content-Length:", "hello", 400),
        ("Content-Length: 5.0", "hello", 400),
        ("Content-Length: 18446744073709551621", "hello", 413),
        ("Content-Length : 5", "hello", 400),
        (" Content-Length: 5", "hello", 400),
        ("X: y\r\n Content-Length: 5", "hello", 400),
        ("X: y\r\n\tz", "", 400),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n", 400),
        ("Transfer-Encoding: identity\r\nContent-Length: 5", "hello", 400),
        ("Transfer-Encoding: identity", "", 400),
        ("Transfer-Encoding: xchunked", "0\r\n\r\n", 400),
        ("Transfer-Encoding: chunked, identity", "0\r\n\r\n", 400),
        ("Transfer-Encoding: chunked, chunked", "0\r\n\r\n", 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n", 400),
        ("Transfer-Encoding: gzip, chunked", "0\r\n\r\n", 501),
        ("Transfer-Encoding: ,chunked", "0\r\n\r\n", 400),
        ("Transfer-Encoding: \"chunked\"", "0\r\n\r\n", 400),
        ("Transfer-Encoding: chunked;x=1", "0\r\n\r\n", 400),
        ("Transfer-Encoding:\x0bchunked", "0\r\n\r\n", 400),
        ("Transfer-Encoding : chunked", "0\r\n\r\n", 400),
        ("Transfer-Encoding: chunked\r", "0\r\n\r\n", 400),
        ("X: a\rContent-Length: 5", "hello", 400),
        ("X: a\0b", "", 400),
        ("X\0: a", "", 400),
        ("no colon", "", 400),
        (": no name", "", 400),
        ("X Y: z", "", 400),
        ("Host: b", "", 400),
        ("Content-Encoding: gzip", "", 411),
        (chunked, "\r\n\r\n", 400),
        (chunked, "-1\r\n\r\n", 400),
        (chunked, "0x1\r\na\r\n0\r\n\r\n", 400),
        (chunked, " 1\r\na\r\n0\r\n\r\n", 400),
        (chunked, "1 \r\na\r\n0\r\n\r\n", 400),
        (chunked, "1\na\r\n0\r\n\r\n", 400),
        (chunked, "1\r\na\n0\r\n\r\n", 400),
        (chunked, "1\r\nab\r\n0\r\n\r\n", 400),
        (chunked, "1\r\na\r\n0\r\n\n", 400),
        (chunked, "1\r\na\r\n0\n\r\n", 400),
        (chunked, "1;a\rb\r\na\r\n0\r\n\r\n", 400),
        (chunked, "1;a\nb\r\na\r\n0\r\n\r\n", 400),
        (chunked, "1;\0\r\na\r\n0\r\n\r\n", 400),
        (chunked, "10000000000000001\r\na\r\n0\r\n\r\n", 400),
        (chunked, "ffffffffffffffff\r\na\r\n0\r\n\r\n", 413),
        (chunked, "1\r\na\r\n0\r\nX : y\r\n\r\n", 400),
        (chunked, "1\r\na\r\n0\r\nX: y\r\n z\r\n\r\n", 400),
        (chunked, "1\r\na\r\n0\r\nX: y\n\r\n", 400),
    ];
    for (headers, body, status) in vectors {
        let input = format!(
            "POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n{body}GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
        );
        for streaming in [false, true] {
            let builder = Httpd::builder().max_content(1000);
            let builder = if streaming { builder.streaming() } else { builder };
            let records = get(&mut builder.build().unwrap(), input.clone());
            // The body of a chunked request may be there before its error.
            let Some(HttpdRecord::Error(error)) = records.last() else {
                panic!("{input:?}: {records:?}");
            };
            assert_eq!(error.status().as_u16(), *status, "{input:?}");
            let requests = records
                .iter()
                .filter(|record| matches!(record, HttpdRecord::Request(_) | HttpdRecord::End(_)));
            assert_eq!(requests.count(), 0, "{input:?}: {records:?}");
        }
    }
    let error = expect_error(one(format!("POST / HTTP/1.0\r\n{chunked}\r\n\r\n0\r\n\r\n")));
    assert_eq!(error.problem(), HttpProblem::BadEncoding);
}

/// RFC 9112, 3.2.
#[test]
fn hosts_that_are_missing_or_wrong() {
    use HttpProblem::{BadHost, NoHost, RepeatedHost};
    let strict = Httpd::new;
    let lenient = || Httpd::builder().host_optional().build().unwrap();
    // What the strict one says, and the other.
    for (version, headers, expected) in [
        ("HTTP/1.1", "", [Some(NoHost), None]),
        ("HTTP/1.9", "X: y\r\n", [Some(NoHost), None]),
        ("HTTP/1.0", "", [None; 2]),
        ("HTTP/1.1", "host:\r\n", [None; 2]),
        ("HTTP/1.1", "HOST: [::1]:80\r\n", [None; 2]),
        ("HTTP/1.1", "X: y\r\nHost: www.example.org:8080\r\n", [None; 2]),
        ("HTTP/1.1", "Host: a\r\nhOST: a\r\n", [Some(RepeatedHost); 2]),
        ("HTTP/1.0", "Host: a\r\nX: y\r\nHost:\r\n", [Some(RepeatedHost); 2]),
        ("HTTP/1.1", "Host: a b\r\n", [Some(BadHost); 2]),
        ("HTTP/1.1", "Host: user@a\r\n", [Some(BadHost); 2]),
        ("HTTP/1.0", "Host: a/b\r\n", [Some(BadHost); 2]),
        ("HTTP/1.1", "Host: a:80:80\r\n", [Some(BadHost); 2]),
    ] {
        for body in ["", "Content-Length: 2\r\n"] {
            // In one piece, and in pieces, which is parsed in another way.
            let input = format!("POST / {version}\r\n{headers}{body}\r\nhi");
            for size in [input.len(), 1] {
                for (mut filter, expected) in [strict(), lenient()].into_iter().zip(expected) {
                    let mut records = Vec::new();
                    for chunk in input.as_bytes().chunks(size) {
                        records.extend(get(&mut filter, Bytes::copy_from_slice(chunk)));
                    }
                    let problem = match &records[..] {
                        [HttpdRecord::Request(_)] => None,
                        [HttpdRecord::Error(error)] => {
                            assert_eq!(error.status(), StatusCode::BAD_REQUEST);
                            assert!(error.request().is_some());
                            Some(error.problem())
                        }
                        other => panic!("{other:?}"),
                    };
                    assert_eq!(problem, expected, "{input:?}");
                }
            }
        }
    }
}

#[test]
fn request_lines_that_are_none() {
    for (line, status) in [
        ("GET", 400),
        ("GET / HTTP/1.1 x", 400),
        ("GET /a b HTTP/1.1", 400),
        ("GET / http/1.1", 400),
        ("GET / HTTP/1", 400),
        ("GET / HTTP/1.10", 400),
        ("GET /\0 HTTP/1.1", 400),
        ("GET /\r HTTP/1.1", 400),
        ("GET / HTTP/1.1\r", 400),
        ("GET /\x7f HTTP/1.1", 400),
        ("GET /#fragment HTTP/1.1", 400),
        ("GET example.org HTTP/1.1", 400),
        ("CONNECT / HTTP/1.1", 400),
        ("G(T / HTTP/1.1", 400),
        ("GET / HTTP/2.0", 505),
        ("GET / HTTP/0.9", 505),
        ("PRI * HTTP/2.0", 505),
    ] {
        let error =
            expect_error(one(format!("{line}\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n")));
        assert_eq!(error.status().as_u16(), status, "{line:?}");
    }
}

#[test]
fn errors_quote_nothing() {
    let error = expect_error(one("GET /<script> HTTP/1.1 <script>\r\n\r\n"));
    let response = put(error.to_response());
    assert!(
        response.starts_with("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n"),
        "{response}"
    );
    assert!(!response.contains("script"));
}

#[test]
fn input_that_ends_too_early() {
    for (input, held) in [
        ("GET / HT", 8),
        ("POST / HTTP/1.0\nContent-Length: 9\n\nhello", 40),
        ("POST / HTTP/1.1\nHost:\nTransfer-Encoding: chunked\n\n5\r\nhel", 56),
    ] {
        let mut filter = Httpd::new();
        assert!(get(&mut filter, input).is_empty());
        assert!(matches!(filter.finish(), Err(FilterError::Truncated { held: h }) if h == held));
        assert_eq!(filter.get_pending(), input);
        assert_eq!(filter.take_pending(), input);
        assert!(filter.finish().unwrap().is_none());
    }
}

/// The next filter takes none of it for a request.
#[test]
fn a_refused_body_is_not_pending() {
    let body = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    for expectation in ["", "Expect: 100-continue\r\n"] {
        let mut filter = Httpd::builder().max_content(3).build().unwrap();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: a\r\n{expectation}Content-Length: {}\r\n\r\n",
            body.len()
        );
        filter.get_one_start(format!("{head}{body}").into()).unwrap();
        assert!(matches!(filter.get_one(), Ok(Some(HttpdRecord::Error(_)))));
        assert_eq!((filter.pending_len(), filter.get_pending()), (0, "".into()));
        assert_eq!(filter.take_pending(), "");
    }
}
