//! Requests that wait for leave to send their body, whose bodies come piece by piece.

#![cfg(feature = "http")]

mod common;

use bytes::Bytes;
use common::split;
use http::{Response, StatusCode};
use poe_filter::{Filter, Httpd, HttpdRecord, HttpdResponse};
use proptest::prelude::*;

fn streaming() -> Httpd {
    Httpd::builder().streaming().build().unwrap()
}

/// A record in words; pieces of a body are put together.
fn tell(record: &HttpdRecord, all: &mut Vec<String>) {
    let told = match record {
        HttpdRecord::Request(request) => {
            format!("request {} {}", request.target(), request.body().escape_ascii())
        }
        HttpdRecord::Expect(request) => format!("expect {}", request.target()),
        HttpdRecord::Head(request) => {
            format!("head {} {}", request.target(), request.expects_continue())
        }
        HttpdRecord::Body(piece) => match all.last_mut() {
            Some(last) if last.starts_with("body") => {
                return last.push_str(&piece.escape_ascii().to_string());
            }
            _ => format!("body {}", piece.escape_ascii()),
        },
        HttpdRecord::End(trailers) => format!("end {}", trailers.len()),
        HttpdRecord::Error(error) => format!("error {}", error.status().as_u16()),
        other => panic!("{other:?}"),
    };
    all.push(told);
}

fn told(filter: &mut Httpd, input: impl Into<Bytes>) -> Vec<String> {
    let mut all = Vec::new();
    for record in filter.get(input.into()).unwrap() {
        tell(&record, &mut all);
    }
    all
}

fn put(filter: &mut Httpd, response: HttpdResponse) -> String {
    let mut out = Vec::<u8>::new();
    filter.put(response, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

const LENGTH: &str =
    "PUT /l HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
const CHUNKED: &str =
    "PUT /c HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n";

/// The head comes at once, with what it waits for; its body when it has leave.
#[test]
fn a_head_says_that_it_waits() {
    let mut filter = streaming();
    assert_eq!(told(&mut filter, LENGTH), ["head /l true"]);
    assert_eq!(put(&mut filter, HttpdResponse::go_on()), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(told(&mut filter, "he"), ["body he"]);
    assert_eq!(told(&mut filter, "lloGET /n"), ["body llo", "end 0"]);
    assert_eq!(told(&mut filter, " HTTP/1.1\r\nHost: a\r\n\r\n"), ["head /n false", "end 0"]);

    assert_eq!(told(&mut filter, CHUNKED), ["head /c true"]);
    assert_eq!(told(&mut filter, "2\r\nab"), ["body ab"]);
    assert_eq!(told(&mut filter, "\r\n1\r\nc\r\n0\r\nX: y\r\n\r\n"), ["body c", "end 1"]);
}

/// Without streaming, the whole request comes when its body is there.
#[test]
fn chunked_bodies_wait_as_well() {
    let mut filter = Httpd::new();
    assert_eq!(told(&mut filter, CHUNKED), ["expect /c"]);
    assert_eq!(put(&mut filter, HttpdResponse::go_on()), "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(told(&mut filter, "2\r\nab\r\n").is_empty());
    assert_eq!(told(&mut filter, "0\r\n\r\n"), ["request /c ab"]);
}

/// There is nothing to wait for: no body, or a client that knows of no such thing.
#[test]
fn heads_that_do_not_wait() {
    for head in [
        "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
        "GET / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
    ] {
        let all = told(&mut streaming(), head);
        assert_eq!(all.len(), 2, "{all:?}");
        assert_eq!(all[1], "end 0");
        assert_eq!(told(&mut Httpd::new(), head), ["request / "], "{head}");
    }
    let old = "PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab";
    assert_eq!(told(&mut streaming(), old), ["head / false", "body ab", "end 0"]);
}

/// Who did not wait for leave has sent the body already: the answer may come all the same.
#[test]
fn a_body_may_come_without_leave() {
    let input = format!("{LENGTH}helloGET /n HTTP/1.1\r\nHost: a\r\n\r\n");
    let expected = ["head /l true", "body hello", "end 0", "head /n false", "end 0"];
    assert_eq!(told(&mut streaming(), input.clone()), expected);
    assert_eq!(told(&mut Httpd::new(), input), ["expect /l", "request /l hello", "request /n "]);
}

/// One whose body is too long is refused at once, and gets no leave.
#[test]
fn a_body_that_is_too_long_gets_no_leave() {
    let builder = || Httpd::builder().max_content(4);
    for mut filter in [builder().build().unwrap(), builder().streaming().build().unwrap()] {
        assert_eq!(told(&mut filter, LENGTH), ["error 413"]);
        // Whether the body comes nobody knows, and so nothing is read any more.
        assert!(told(&mut filter, "GET /n HTTP/1.1\r\nHost: a\r\n\r\n").is_empty());
        assert_eq!(filter.pending_len(), 0);
    }
    let mut filter = builder().streaming().build().unwrap();
    assert_eq!(told(&mut filter, CHUNKED), ["head /c true"]);
    let all = told(&mut filter, "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    assert_eq!(all.last().unwrap(), "error 413", "{all:?}");
}

/// Leave to go on is no answer: the one that counts follows.
#[test]
fn leave_goes_before_the_answer() {
    let mut filter = streaming();
    let HttpdRecord::Head(request) = filter.get(LENGTH.into()).unwrap().remove(0) else {
        panic!("no head");
    };
    let leave = put(&mut filter, HttpdResponse::go_on());
    assert_eq!(leave, "HTTP/1.1 100 Continue\r\n\r\n");
    let answer = Response::builder().status(StatusCode::CREATED).body("made").unwrap();
    let answer = put(&mut filter, HttpdResponse::answer(&request, answer));
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    assert!(answer.contains("content-length: 4\r\n") && answer.ends_with("\r\n\r\nmade"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn any_split(
        order in prop::collection::vec(0..4_usize, 1..6),
        sizes in prop::collection::vec(1..20_usize, 1..8),
    ) {
        let (mut input, mut expected) = (String::new(), Vec::new());
        for kind in order {
            match kind {
                0 => {
                    input += &format!("{LENGTH}hello");
                    expected.extend(["head /l true", "body hello", "end 0"]);
                }
                1 => {
                    input += &format!("{CHUNKED}3\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n");
                    expected.extend(["head /c true", "body abcde", "end 1"]);
                }
                2 => {
                    input += "GET /n HTTP/1.1\r\nHost: a\r\n\r\n";
                    expected.extend(["head /n false", "end 0"]);
                }
                _ => {
                    input += "PUT /e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n";
                    expected.extend(["head /e true", "end 0"]);
                }
            }
        }
        let (mut filter, mut all) = (streaming(), Vec::new());
        for piece in split(input.as_bytes(), &sizes) {
            filter.get_one_start(piece.into()).unwrap();
            while let Some(record) = filter.get_one().unwrap() {
                tell(&record, &mut all);
            }
        }
        prop_assert_eq!(all, expected);
    }
}
