//! How much is too much.

use crate::{expect_error, expect_request, get, one, request};
use bytes::Bytes;
use http::{Method, StatusCode};
use poe_filter::{Filter, HttpProblem, Httpd, HttpdRecord};

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
