//! What responses are written as.

use crate::{expect_error, expect_request, get, one, put, put_error, request};
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version};
use poe_filter::{
    Filter, HttpProblem, HttpPutError, Httpd, HttpdError, HttpdRecord, HttpdResponse,
};

#[test]
fn not_found_is_put() {
    let mut response = Response::new("");
    *response.status_mut() = StatusCode::NOT_FOUND;
    assert_eq!(put(response.clone()), "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
    *response.version_mut() = Version::HTTP_10;
    assert_eq!(put(response), "HTTP/1.0 404 Not Found\r\ncontent-length: 0\r\n\r\n");
}

// Conformance: FHT-25
#[test]
fn octets_beyond_ascii_are_put_as_they_are() {
    let mut response = Response::new(Bytes::from_static(b"\0\xc3\xe7\xff\0"));
    response.headers_mut().insert("x-thing", HeaderValue::from_bytes(b"\xe9t\xe9").unwrap());
    let mut chunks = Vec::<Bytes>::new();
    Httpd::new().put(response.into(), &mut chunks).unwrap();
    assert_eq!(
        chunks,
        [
            &b"HTTP/1.1 200 OK\r\nx-thing: \xe9t\xe9\r\ncontent-length: 5\r\n\r\n\0\xc3\xe7\xff\0"
                [..]
        ]
    );
}

#[test]
fn large_bodies_are_not_copied() {
    let body = Bytes::from(vec![b'x'; 100_000]);
    let mut chunks = Vec::<Bytes>::new();
    Httpd::new().put(Response::new(body.clone()).into(), &mut chunks).unwrap();
    assert_eq!(chunks.len(), 2);
    assert_eq!(chunks[1].as_ptr(), body.as_ptr());

    let mut input = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n".to_vec();
    let head = input.len();
    input.extend_from_slice(&body);
    let input = Bytes::from(input);
    let request = request(input.clone());
    assert_eq!(request.body().as_ptr(), input[head..].as_ptr());
}

/// Responses that have no body, whatever they are given.
#[test]
fn bodiless_responses() {
    let response = |status: u16| {
        Response::builder().status(status).header(CONTENT_LENGTH, 5).body("hello").unwrap()
    };
    assert_eq!(put(response(204)), "HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(put(response(101)), "HTTP/1.1 101 Switching Protocols\r\n\r\n");
    assert_eq!(put(response(304)), "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n");
    let head = HttpdResponse::HeadOnly(response(200).map(Bytes::from));
    assert_eq!(put(head), "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
    let head = HttpdResponse::HeadOnly(Response::new(Bytes::new()));
    assert_eq!(put(head), "HTTP/1.1 200 OK\r\n\r\n");
    let connect = request("CONNECT example.org:443 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(put(HttpdResponse::answer(&connect, response(200))), "HTTP/1.1 200 OK\r\n\r\n");
    let begin = |status| HttpdResponse::begin(&connect, response(status).map(drop));
    assert_eq!(put(begin(200)), "HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(put(begin(502)), "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 5\r\n\r\n");
    let error = expect_error(one("HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n"));
    assert!(put(error.to_response()).ends_with("content-length: 31\r\n\r\n"));

    let mut filter = Httpd::new();
    let mut out = Vec::<u8>::new();
    let head = Response::builder().status(204).body(()).unwrap();
    filter.put(HttpdResponse::Head(head), &mut out).unwrap();
    let error = put_error(&mut filter, HttpdResponse::Body("hello".into()));
    assert_eq!(error, HttpPutError::NotBegun);
    filter.put(HttpdResponse::End(HeaderMap::new()), &mut out).unwrap();
    filter.put(HttpdResponse::go_on(), &mut out).unwrap();
    filter.put(HttpdResponse::go_on(), &mut out).unwrap();
    let go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    assert_eq!(out, format!("HTTP/1.1 204 No Content\r\n\r\n{go_on}{go_on}").as_bytes());
}

#[test]
fn responses_in_parts() {
    let parts = |head: Response<()>| {
        let mut filter = Httpd::new();
        let mut out = Vec::<u8>::new();
        let mut trailers = HeaderMap::new();
        trailers.insert("digest", HeaderValue::from_static("abc"));
        trailers.insert("content-length", HeaderValue::from_static("1"));
        for record in [
            HttpdResponse::Head(head),
            HttpdResponse::Body("hello, ".into()),
            HttpdResponse::Body("".into()),
            HttpdResponse::Body("world".into()),
            HttpdResponse::End(trailers),
        ] {
            filter.put(record, &mut out).unwrap();
        }
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        parts(Response::new(())),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
         7\r\nhello, \r\n5\r\nworld\r\n0\r\ndigest: abc\r\n\r\n"
    );
    assert_eq!(
        parts(Response::builder().header(CONTENT_LENGTH, 12).body(()).unwrap()),
        "HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nhello, world"
    );
    assert_eq!(
        parts(Response::builder().version(Version::HTTP_10).body(()).unwrap()),
        "HTTP/1.0 200 OK\r\n\r\nhello, world"
    );
}

#[test]
fn responses_that_make_no_sense() {
    let head = |headers: &[(&str, &str)]| {
        let mut response = Response::builder();
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        HttpdResponse::from(response.body("hello").unwrap())
    };
    let mut filter = Httpd::new();
    let mut error = |record| put_error(&mut filter, record);
    assert!(matches!(
        error(head(&[("Content-Length", "5"), ("Transfer-Encoding", "chunked")])),
        HttpPutError::Framing(HttpProblem::LengthAndEncoding)
    ));
    assert!(matches!(
        error(head(&[("Transfer-Encoding", "gzip")])),
        HttpPutError::Framing(HttpProblem::BadEncoding)
    ));
    assert_eq!(
        error(head(&[("Content-Length", "4")])),
        HttpPutError::WrongLength { declared: 4, given: 5 }
    );
    let mut response = Response::new("");
    *response.version_mut() = Version::HTTP_2;
    assert_eq!(error(response.into()), HttpPutError::Version(Version::HTTP_2));
    assert_eq!(error(HttpdResponse::Body("x".into())), HttpPutError::NotBegun);
    assert_eq!(error(HttpdResponse::End(HeaderMap::new())), HttpPutError::NotBegun);

    let head = Response::builder().header(CONTENT_LENGTH, 5).body(()).unwrap();
    let mut out = Vec::<u8>::new();
    filter.put(HttpdResponse::Head(head), &mut out).unwrap();
    filter.put(HttpdResponse::Body("hell".into()), &mut out).unwrap();
    let mut error = |record| put_error(&mut filter, record);
    let wrong = |given| HttpPutError::WrongLength { declared: 5, given };
    assert_eq!(error(HttpdResponse::Body("o!".into())), wrong(6));
    assert_eq!(error(HttpdResponse::End(HeaderMap::new())), wrong(4));
    assert_eq!(error(Response::new("").into()), HttpPutError::NotEnded);
    filter.put(HttpdResponse::Body("o".into()), &mut out).unwrap();
    filter.put(HttpdResponse::End(HeaderMap::new()), &mut out).unwrap();
    filter.put(Response::new("").into(), &mut out).unwrap();
}

#[test]
fn chunked_response_by_its_header() {
    let response =
        Response::builder().header("Transfer-Encoding", "chunked").body("hello").unwrap();
    assert_eq!(
        put(response),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    );
}

#[test]
fn answers_fit_the_request() {
    let answer =
        |input: &'static str| put(HttpdResponse::answer(&request(input), Response::new("")));
    let rest = "content-length: 0\r\n\r\n";
    assert_eq!(answer("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), format!("HTTP/1.1 200 OK\r\n{rest}"));
    assert_eq!(
        answer("GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{rest}")
    );
    assert_eq!(
        answer("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
        format!("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n{rest}")
    );
    assert_eq!(answer("GET /\n\n"), format!("HTTP/1.0 200 OK\r\nconnection: close\r\n{rest}"));

    // A client of HTTP/1.0 is not told to wait for more than a body that ends with the connection.
    let begin = |method: &str, response: http::response::Builder| {
        let head = format!("{method} / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        put(HttpdResponse::begin(&expect_request(one(head)), response.body(()).unwrap()))
    };
    let ok = Response::builder;
    assert_eq!(begin("GET", ok()), "HTTP/1.0 200 OK\r\nconnection: close\r\n\r\n");
    let (kept, length) = ("connection: keep-alive\r\n", "content-length: 5\r\n");
    let told = format!("HTTP/1.0 200 OK\r\n{length}{kept}\r\n");
    assert_eq!(begin("GET", ok().header(CONTENT_LENGTH, 5)), told);
    assert_eq!(begin("HEAD", ok()), format!("HTTP/1.0 200 OK\r\n{kept}\r\n"));
    assert_eq!(begin("GET", ok().status(304)), format!("HTTP/1.0 304 Not Modified\r\n{kept}\r\n"));
}

#[test]
fn expectations() {
    let head = "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n";
    let mut filter = Httpd::new();
    let records = get(&mut filter, head);
    let [HttpdRecord::Expect(request)] = &records[..] else { panic!("{records:?}") };
    assert_eq!(request.method(), Method::PUT);
    assert_eq!(filter.get_pending(), head);
    assert_eq!(expect_request(get(&mut filter, "hello").remove(0)).body(), "hello");
    // Without a body, or in HTTP/1.0, there is nothing to wait for.
    for head in [
        "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        "PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
    ] {
        expect_request(one(head));
    }
    // Refused, its body may come or not.
    let input =
        "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n";
    let mut filter = Httpd::new();
    let error = expect_error(get(&mut filter, input).remove(0));
    assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(get(&mut filter, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").is_empty());
}

/// Who has a timer answers a request that takes too long.
#[test]
fn requests_that_take_too_long() {
    let mut filter = Httpd::new();
    assert!(
        get(&mut filter, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe").is_empty()
    );
    assert!(!filter.get_pending().is_empty());
    let error = HttpdError::timeout();
    assert_eq!(
        (error.status(), error.problem()),
        (StatusCode::REQUEST_TIMEOUT, HttpProblem::Timeout)
    );
    assert!(
        put(error.to_response()).starts_with("HTTP/1.1 408 Request Timeout\r\nconnection: close")
    );
}
