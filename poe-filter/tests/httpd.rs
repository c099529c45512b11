//! Requests and responses of HTTP, case by case.

#![cfg(feature = "http")]

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use poe_filter::{
    AnyRequest, ConfigError, Filter, FilterError, HttpProblem, HttpPutError, Httpd, HttpdError,
    HttpdRecord, HttpdResponse,
};

fn get(filter: &mut Httpd, input: impl Into<Bytes>) -> Vec<HttpdRecord> {
    filter.get(input.into()).unwrap()
}

fn one(input: impl Into<Bytes>) -> HttpdRecord {
    let mut records = get(&mut Httpd::new(), input);
    assert_eq!(records.len(), 1, "{records:?}");
    records.remove(0)
}

fn request(input: impl Into<Bytes>) -> Request<Bytes> {
    expect_request(one(input))
}

fn expect_request(record: HttpdRecord) -> Request<Bytes> {
    match record {
        HttpdRecord::Request(request) => request.to_http().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn expect_error(record: HttpdRecord) -> HttpdError {
    match record {
        HttpdRecord::Error(error) => error,
        other => panic!("{other:?}"),
    }
}

fn put(record: impl Into<HttpdResponse>) -> String {
    let mut out = Vec::<u8>::new();
    Httpd::new().put(record.into(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn put_error(filter: &mut Httpd, record: HttpdResponse) -> HttpPutError {
    let mut out = Vec::<u8>::new();
    match filter.put(record, &mut out) {
        Err(FilterError::Record(error)) => {
            assert!(out.is_empty());
            *error.downcast().unwrap()
        }
        other => panic!("{other:?}"),
    }
}

// Conformance: FHT-01
#[test]
fn whole_url() {
    let request = request("GET http://localhost/pie.mhtml\n\n");
    assert_eq!(request.method(), Method::GET);
    assert_eq!(request.uri(), "http://localhost/pie.mhtml");
    assert_eq!(request.version(), Version::HTTP_09);
    assert!(request.body().is_empty());
}

// Conformance: FHT-02
#[test]
fn headers_in_lines_that_end_in_lf() {
    let request = request(
        "GET /foo.html HTTP/1.0\nUser-Agent: Wget/1.8.2\nHost: localhost:8080\nAccept: */*\n\
         Connection: Keep-Alive\n\n",
    );
    assert_eq!(request.uri(), "/foo.html");
    assert!(request.body().is_empty());
    let headers: Vec<_> =
        request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    assert_eq!(
        headers,
        [
            ("user-agent", &b"Wget/1.8.2"[..]),
            ("host", b"localhost:8080"),
            ("accept", b"*/*"),
            ("connection", b"Keep-Alive"),
        ]
    );
    assert!(request.keep_alive());
}

// Conformance: FHT-03
#[test]
fn form() {
    let head = "POST http://localhost/foo.mhtml HTTP/1.0\nContent-Length: 16\n\
                Content-Type: application/x-www-form-urlencoded\n\n";
    let request = request(format!("{head}I=like&tasty=pie\n"));
    assert_eq!(request.version(), Version::HTTP_10);
    assert_eq!(request.body(), "I=like&tasty=pie");
}

// Conformance: FHT-04
#[test]
fn other_methods() {
    assert_eq!(request("HEAD / HTTP/1.0\r\n\r\n").method(), Method::HEAD);
    let options = request("OPTIONS * HTTP/1.0\r\n\r\n");
    assert_eq!((options.method(), options.uri().to_string()), (&Method::OPTIONS, "*".to_owned()));
    let connect = request("CONNECT example.org:443 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(connect.uri(), "example.org:443");
    assert_eq!(request("M-SEARCH * HTTP/1.1\r\nHost: a\r\n\r\n").method().as_str(), "M-SEARCH");
}

// Conformance: FHT-05
#[test]
fn multipart_form() {
    let file = include_str!("httpd.rs");
    let body = format!(
        "--xYzZY\r\nContent-Disposition: form-data; name=\"I\"\r\n\r\nlike\r\n\
         --xYzZY\r\nContent-Disposition: form-data; name=\"tasty\"\r\n\r\npie\r\n\
         --xYzZY\r\nContent-Disposition: form-data; name=\"file\"; filename=\"httpd.rs\"\r\n\
         Content-Type: text/plain\r\n\r\n{file}\r\n--xYzZY--\r\n"
    );
    let request = request(format!(
        "POST /foo.mhtml HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\
         Content-Type: multipart/form-data; boundary=xYzZY\r\n\r\n{body}",
        body.len()
    ));
    let content_type = request.headers()[CONTENT_TYPE].to_str().unwrap();
    assert!(content_type.starts_with("multipart/form-data"));
    assert_eq!(request.body(), &body);
}

// Conformance: FHT-06
#[test]
fn without_version() {
    let request = request("GET /\n\n");
    assert_eq!((request.uri().path(), request.version()), ("/", Version::HTTP_09));
    assert!(!request.keep_alive());
}

// Conformance: FHT-08, FHT-09, FHT-10
#[test]
fn what_is_behind_a_request() {
    for rest in ["\r\n  \r\n\n", "GARBAGE!"] {
        expect_request(one(format!("GET / HTTP/1.0\r\n\r\n{rest}")));
    }
    let mut filter = Httpd::new();
    filter.get_one_start("GET / HTTP/1.0\r\n\r\n".into()).unwrap();
    filter.get_one_start("\r\n  \r\n\n".into()).unwrap();
    expect_request(filter.get_one().unwrap().unwrap());
    assert!(filter.get_one().unwrap().is_none());
    assert!(get(&mut filter, "  \r\n\n").is_empty());
    assert!(filter.finish().unwrap().is_none());
    assert!(filter.get_pending().is_empty());
}

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

// Conformance: FHT-16
#[test]
fn request_in_a_body() {
    let trap = "POST /trap.html HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nHONK HONK\n";
    for method in [Method::GET, Method::HEAD] {
        let length = trap.len();
        let input =
            format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{trap}");
        let request = request(input);
        assert_eq!(request.method(), &method);
        assert_eq!(request.body(), trap);
    }
}

// Conformance: FHT-17, FHT-18
#[test]
fn too_much_content() {
    let input = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\nshort";
    let error = expect_error(one(input));
    assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(error.problem(), HttpProblem::ContentTooLarge { limit: 1_048_576 });
    assert_eq!(error.request().unwrap().method(), Method::POST);

    let mut filter = Httpd::builder().max_content(10).build().unwrap();
    let mut post = |length: &str, body: &str| {
        let input = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}");
        get(&mut filter, input).remove(0)
    };
    assert_eq!(expect_request(post("5", "honk\n")).body(), "honk\n");
    let error = expect_error(post("15", "honk honk honk\n"));
    assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(expect_request(post("10", "honk honk\n")).body(), "honk honk\n");
    let error = expect_error(post("fifteen", "honk honk honk\n"));
    assert_eq!(error.status(), StatusCode::BAD_REQUEST);
    assert_eq!(error.to_string(), "Content-Length is not a number");
    // Nobody knows what is a request by now.
    assert!(get(&mut filter, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").is_empty());
    assert!(filter.take_pending().is_empty());
    assert!(filter.finish().unwrap().is_none());
}

#[test]
fn too_much_chunked_content() {
    let mut filter = Httpd::builder().max_content(5).build().unwrap();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let records =
        get(&mut filter, format!("{head}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n{head}3\r\nabc\r\n3\r\n"));
    let [HttpdRecord::Request(request), HttpdRecord::Error(error)] = &records[..] else {
        panic!("{records:?}");
    };
    assert_eq!(request.body(), "abcde");
    assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(error.request().is_some());
}

// Conformance: FHT-19
#[test]
fn streaming() {
    let mut filter = Httpd::builder().streaming().build().unwrap();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 13\r\n\r\n";
    let records =
        get(&mut filter, format!("{head}Nothing much\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    let [
        HttpdRecord::Head(post),
        HttpdRecord::Body(body),
        HttpdRecord::End(_),
        HttpdRecord::Head(get_),
        HttpdRecord::End(trailers),
    ] = &records[..]
    else {
        panic!("{records:?}");
    };
    assert_eq!((post.method(), get_.method()), (&Method::POST, &Method::GET));
    assert_eq!(body, "Nothing much\n");
    assert!(trailers.is_empty());

    // What is there is given at once.
    let records = get(&mut filter, format!("{head}Nothing"));
    assert!(matches!(&records[1], HttpdRecord::Body(body) if body == "Nothing"));
    let records = get(&mut filter, " much\n");
    assert!(matches!(&records[0], HttpdRecord::Body(body) if body == " much\n"));
    assert!(matches!(&records[1], HttpdRecord::End(_)));
}

#[test]
fn streaming_is_limited_if_so_asked() {
    let mut filter = Httpd::builder().streaming().max_content(5).build().unwrap();
    let records = get(
        &mut filter,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n4\r\nefgh\r\n0\r\n\r\n",
    );
    let [HttpdRecord::Head(_), HttpdRecord::Body(_), HttpdRecord::Error(error)] = &records[..]
    else {
        panic!("{records:?}");
    };
    assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let mut filter = filter.fresh();
    let input = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabcdefGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let records = filter.get(input.into()).unwrap();
    let [HttpdRecord::Error(error), HttpdRecord::Head(_), HttpdRecord::End(_)] = &records[..]
    else {
        panic!("{records:?}");
    };
    assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[test]
fn trailers() {
    let input = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n\
                 5;name=\"value\"\r\nhello\r\n00a\r\n, world!!!\r\n0\r\nDigest: abc\r\n\r\n";
    assert_eq!(request(input).body(), "hello, world!!!");
    let mut filter = Httpd::builder().streaming().build().unwrap();
    let records = get(&mut filter, input);
    let Some(HttpdRecord::End(trailers)) = records.last() else { panic!("{records:?}") };
    assert_eq!(trailers["digest"], "abc");
    assert_eq!(records.len(), 4);
}

// Conformance: FHT-21
#[test]
fn pipelining() {
    let records = get(
        &mut Httpd::new(),
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n\
         POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\r\n\
         POST /4 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /5\n\nGET /6\n\n",
    );
    let paths: Vec<_> =
        records.into_iter().map(|record| expect_request(record).uri().path().to_owned()).collect();
    assert_eq!(paths, ["/1", "/2", "/3", "/4", "/5", "/6"]);
}

// Conformance: FHT-22
#[test]
fn parameters_that_make_no_sense() {
    let build = |content, buffer| Httpd::builder().max_content(content).max_buffer(buffer).build();
    assert!(matches!(build(5, 0), Err(ConfigError::Zero { parameter: "max_buffer" })));
    assert!(matches!(build(11, 10), Err(ConfigError::BufferTooSmall { needed: 14, .. })));
    assert!(build(0, 2).is_ok());
    assert!(Httpd::builder().max_request_line(0).build().is_err());
    assert!(Httpd::builder().max_headers_length(0).build().is_err());
    // What is streamed is not held.
    assert!(Httpd::builder().streaming().max_content(1 << 40).build().is_ok());
}

// Conformance: FHT-23
#[test]
fn too_much_input() {
    let mut filter = Httpd::builder().max_buffer(10).max_content(5).build().unwrap();
    let input = "POST / HTTP/1.0\nContent-Length: 5\n\nabcde         ";
    assert_eq!(input.len(), 49);
    let error = filter.get_one_start(input.into()).unwrap_err();
    assert!(error.to_string().contains("buffer exceeds"), "{error}");
    assert!(!error.is_fatal());
    assert_eq!(expect_request(filter.get_one().unwrap().unwrap()).body(), "abcde");
}

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
    assert_eq!(put(HttpdResponse::answer(&connect, Response::new(""))), "HTTP/1.1 200 OK\r\n\r\n");
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
fn limits_of_the_head() {
    let filter = || {
        let builder = Httpd::builder().max_request_line(20).max_headers_length(30);
        builder.max_headers(2).host_optional().build().unwrap()
    };
    let check = |input: &str, status: Option<u16>| {
        let records = get(&mut filter(), input.to_owned());
        let got = records.first().map(|record| match record {
            HttpdRecord::Error(error) => error.status().as_u16(),
            _ => 200,
        });
        assert_eq!(got, status, "{input:?}");
    };
    check("GET /123456 HTTP/1.1\n\n", Some(200));
    check("GET /1234567 HTTP/1.1\n\n", Some(414));
    check("GET /1234567890123456", Some(414));
    check("GET /123456789012345", None);
    check("GET / HTTP/1.1\nA: b\nC: d\n\n", Some(200));
    check("GET / HTTP/1.1\nA: b\nC: d\nE: f\n\n", Some(431));
    check("GET / HTTP/1.1\nA: 4567890123456789012345678\n\n", Some(200));
    check("GET / HTTP/1.1\nA: 45678901234567890123456789\n\n", Some(431));
    check("GET / HTTP/1.1\nA: 4567890123456789012345678901", Some(431));
    // Many extensions, which nobody would see.
    let chunk = format!("1;{}\r\na\r\n", "x".repeat(1000));
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let error = expect_error(one(format!("{head}{}", chunk.repeat(20))));
    assert_eq!(error.status(), StatusCode::BAD_REQUEST);
    let error = expect_error(one(format!("{head}1;{}", "x".repeat(2000))));
    assert_eq!(error.status(), StatusCode::BAD_REQUEST);
}

#[test]
fn many_headers() {
    let headers: String = (1..100).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let request = request(format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n"));
    assert_eq!(request.headers().len(), 100);
    assert_eq!(request.headers()["x-99"], "99");
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

/// What follows an upgrade is for another filter.
#[test]
fn upgrade() {
    let mut filter = Httpd::new();
    let input = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\nhello\n";
    filter.get_one_start(input.into()).unwrap();
    let request = expect_request(filter.get_one().unwrap().unwrap());
    assert_eq!(request.headers()["upgrade"], "chat");
    assert_eq!(filter.take_pending(), "hello\n");
}

/// What can be asked of a request without making it one of the `http` crate.
#[test]
fn requests_are_looked_into() {
    let of = |input: &'static str| match one(input) {
        HttpdRecord::Request(request) => request,
        other => panic!("{other:?}"),
    };
    for (target, path, query) in [
        ("/", "/", None),
        ("/a?b?c", "/a", Some("b?c")),
        ("/a?", "/a", Some("")),
        ("*", "*", None),
        ("http://a:1/b/c?d", "/b/c", Some("d")),
        ("http://a?d", "/", Some("d")),
        ("http://a", "/", None),
        ("/a://b/c", "/a://b/c", None),
        ("/\u{e4}?\u{f6}", "/\u{e4}", Some("\u{f6}")),
    ] {
        let input = format!("OPTIONS {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let HttpdRecord::Request(request) = one(input) else { panic!("{target}") };
        assert_eq!((request.path(), request.query()), (path, query), "{target}");
        assert_eq!(request.target(), target);
        assert_eq!(request.uri().unwrap().query(), query, "{target}");
        assert_eq!(request.uri().unwrap().path(), path, "{target}");
    }
    let request =
        of("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\naB:\t x y \t\r\nA:\r\nb: \u{e4}\r\n\r\n");
    assert_eq!(request.header("AB"), Some(&b"x y"[..]));
    assert_eq!(request.header("a"), Some(&b"1"[..]));
    assert_eq!(request.header_str("B"), Some("\u{e4}"));
    assert_eq!((request.header(HOST), request.header("hos")), (Some(&b"a"[..]), None));
    assert_eq!(request.header(""), None);
    let names: Vec<_> = request.headers().map(|(name, value)| (name, value.len())).collect();
    assert_eq!(names, [("Host", 1), ("A", 1), ("aB", 3), ("A", 0), ("b", 2)]);
    let request = of("GET / HTTP/1.1\nHost: a\nConnection: a\nconnection: b , Upgrade,c\n\n");
    for (word, is_there) in [("a", true), ("UPGRADE", true), ("up", false), ("b", true)] {
        assert_eq!(request.header_has("Connection", word), is_there, "{word}");
    }
    assert!(format!("{request:?}").contains("Upgrade"));
    assert_eq!(Request::<Bytes>::try_from(request).unwrap().headers().len(), 3);
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

/// A head in one chunk is parsed in another way than one that is spread, up to the same limits.
#[test]
fn limits_are_the_same_for_heads_that_are_spread() {
    for (head, limit) in [
        ("GET /123456 HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n", 21),
        ("GET /123456 HTTP/1.1\nHost:\n\n", 20),
    ] {
        for (request_line, headers) in
            [(limit, 100), (limit - 1, 100), (100, 8), (100, 7), (100, 6), (100, 5)]
        {
            let statuses = [head.len(), 1].map(|size| {
                let builder = Httpd::builder().max_request_line(request_line);
                let mut filter = builder.max_headers_length(headers).build().unwrap();
                let mut records = Vec::new();
                for chunk in head.as_bytes().chunks(size) {
                    records.extend(get(&mut filter, Bytes::copy_from_slice(chunk)));
                }
                match &records[..] {
                    [HttpdRecord::Error(error)] => error.status().as_u16(),
                    [HttpdRecord::Request(_)] => 200,
                    other => panic!("{other:?}"),
                }
            });
            assert_eq!(statuses[0], statuses[1], "{head:?} {request_line} {headers}");
        }
    }
}

/// Requests in one chunk share it; when the filter asks for more, or goes, nothing keeps it but they.
#[test]
fn a_chunk_is_let_go_with_the_last_of_its_requests() {
    let input = "GET /a HTTP/1.1\r\nHost: a\r\n\r\nPOST /b HTTP/1.1\r\nHost: a\r\n\
                 Content-Length: 2\r\n\r\nhi"
        .repeat(3);
    let path = |record: Option<HttpdRecord>| match record {
        Some(HttpdRecord::Request(request)) => request.path().to_owned(),
        other => panic!("{other:?}"),
    };
    for drops_filter in [false, true] {
        let chunk = Bytes::from(input.clone().into_bytes());
        let mut filter = Httpd::new();
        filter.get_one_start(chunk.clone()).unwrap();
        let first = filter.get_one().unwrap();
        assert_eq!(path(filter.get_one().unwrap()), "/b");
        let third = filter.get_one().unwrap();
        let again = third.clone();
        if drops_filter {
            drop(filter);
        } else {
            assert_eq!(filter.get("".into()).unwrap().len(), 3);
        }
        assert_eq!((path(first), path(third)), ("/a".to_owned(), "/a".to_owned()));
        assert!(!chunk.is_unique());
        assert_eq!(path(again), "/a");
        assert!(chunk.is_unique());
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
