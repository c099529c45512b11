//! What requests are read as.

use crate::{expect_request, get, one, request};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, Version};
use poe_filter::{AnyRequest, ConfigError, Filter, Httpd, HttpdRecord};

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
    let file = include_str!("requests.rs");
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
