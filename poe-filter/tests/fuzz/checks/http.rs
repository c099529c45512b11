//! Requests, responses, and their bodies.

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};
use poe_filter::{
    Filter, HttpClient, HttpClientRecord, HttpClientRequest, Httpd, HttpdRecord, HttpdRequest,
    HttpdResponse,
};

use super::input::Input;
use super::stream::{HandOver, Subject, Told, tell_piece};

const LIMITS: [u64; 4] = [1 << 20, 0, 3, 100];

fn tell_server(record: HttpdRecord, all: &mut Vec<Told>) {
    match record {
        HttpdRecord::Body(piece) => tell_piece(&piece, all),
        HttpdRecord::Error(error) => all.push(Told::Error(format!("{error:?}"))),
        record => all.push(Told::debug(record)),
    }
}

pub(super) fn server(octets: &[u8]) {
    let mut input = Input::new(octets);
    let (streams, host_optional) =
        input.pick(&[(false, false), (true, false), (false, true), (true, true)]);
    let max_content = input.pick(&LIMITS);
    let [line, length, count] = input.pick(&[[8192, 65536, 100], [20, 50, 3]]);
    let sizes = input.sizes();
    let stream = input.stream();
    let make = || -> Box<dyn Filter<In = HttpdRecord, Out = HttpdResponse>> {
        let builder = Httpd::builder().max_content(max_content).max_request_line(line);
        let builder = builder.max_headers_length(length).max_headers(count);
        let builder = if streams { builder.streaming() } else { builder };
        let builder = if host_optional { builder.host_optional() } else { builder };
        Box::new(builder.build().unwrap())
    };
    // Whoever has been told of an expectation is told again by the next filter. What follows in
    // a body that is being streamed is its rest.
    let expects = stream.windows(6).any(|word| word.eq_ignore_ascii_case(b"expect"));
    let hand_over = if streams || expects { HandOver::Nobody } else { HandOver::Fresh };
    let subject = Subject::new(&make, tell_server).can_hand_over(hand_over);
    subject.check(stream, sizes);

    let requests = make().get(Bytes::copy_from_slice(stream)).unwrap();
    for request in requests {
        let HttpdRecord::Request(request) = request else { continue };
        request_again(request);
    }
}

/// A request that another server is sent is the same to that one.
fn request_again(request: HttpdRequest) {
    let mut request = request.to_http().unwrap();
    if request.version() == Version::HTTP_09 || request.uri().authority().is_some() {
        return;
    }
    let mut out = Vec::<u8>::new();
    HttpClient::new().put(request.clone().into(), &mut out).unwrap();
    if request.version() == Version::HTTP_11 {
        request.headers_mut().entry(HOST).or_insert(HeaderValue::from_static(""));
    }
    let mut server = Httpd::builder().max_request_line(1 << 20).max_headers_length(1 << 20);
    server = server.max_content(1 << 28).max_headers(1000);
    let again = server.build().unwrap().get(out.into()).unwrap();
    let mut again: Vec<_> = again
        .into_iter()
        .filter_map(|record| match record {
            HttpdRecord::Expect(_) => None,
            HttpdRecord::Request(request) => Some(request.to_http().unwrap()),
            record => panic!("{record:?} of {request:?}"),
        })
        .collect();
    for request in again.iter_mut().chain([&mut request]) {
        request.headers_mut().remove("content-length");
    }
    assert_eq!(format!("{again:?}"), format!("{:?}", [request]));
}

fn tell_client(record: HttpClientRecord, all: &mut Vec<Told>) {
    match record {
        HttpClientRecord::Body(piece) => tell_piece(&piece, all),
        record => all.push(Told::debug(record)),
    }
}

const ASKED: [&[Method]; 4] = [
    &[],
    &[Method::HEAD],
    &[Method::GET, Method::HEAD, Method::CONNECT, Method::GET],
    &[Method::CONNECT, Method::HEAD],
];

pub(super) fn client(octets: &[u8]) {
    let mut input = Input::new(octets);
    let streams = input.number(2) == 1;
    let max_content = input.pick(&LIMITS);
    let asked = input.pick(&ASKED);
    let sizes = input.sizes();
    let stream = input.stream();
    let make = || -> Box<dyn Filter<In = HttpClientRecord, Out = HttpClientRequest>> {
        let builder = HttpClient::builder().max_content(max_content);
        let builder = if streams { builder.streaming() } else { builder };
        let builder = if asked.is_empty() { builder.allow_unasked() } else { builder };
        let mut filter = builder.build().unwrap();
        for method in asked {
            let request = Request::builder().method(method).uri("http://a:1/").body("").unwrap();
            filter.put(request.into(), &mut Vec::<u8>::new()).unwrap();
        }
        Box::new(filter)
    };
    // Only the filter that put the requests knows them.
    let hand_over = if streams { HandOver::Nobody } else { HandOver::Same };
    Subject::new(&make, tell_client).can_hand_over(hand_over).check(stream, sizes);

    let mut filter = make();
    _ = filter.get_one_start(Bytes::copy_from_slice(stream));
    while let Ok(Some(record)) = filter.get_one() {
        if let (HttpClientRecord::Response(response), true) = (record, asked.is_empty()) {
            response_again(response);
        }
    }
}

/// A response that is passed on is the same to the next client.
fn response_again(response: Response<Bytes>) {
    let mut out = Vec::<u8>::new();
    Httpd::new().put(HttpdResponse::from(response.clone()), &mut out).unwrap();
    let again = HttpClient::builder().allow_unasked().build().unwrap().get(out.into()).unwrap();
    let [HttpClientRecord::Response(again)] = &again[..] else {
        assert!(response.status().is_informational(), "{again:?}");
        return;
    };
    assert_eq!((again.status(), again.body()), (response.status(), response.body()));
    let others = |headers: &HeaderMap| {
        let mut headers = headers.clone();
        headers.remove("content-length");
        headers.remove("transfer-encoding");
        format!("{headers:?}")
    };
    assert_eq!(others(again.headers()), others(response.headers()));
}

/// Both sides, collecting and streaming, read a chunked body alike.
pub(super) fn chunked(octets: &[u8]) {
    let mut input = Input::new(octets);
    let max_content = input.pick(&LIMITS[1..]).max(1) * 1000;
    let sizes = input.sizes();
    let body = input.stream();
    let coding = "Transfer-Encoding: chunked\r\n\r\n";
    let request = [format!("POST / HTTP/1.1\r\nHost: a\r\n{coding}").as_bytes(), body].concat();
    let response = [format!("HTTP/1.1 200 OK\r\n{coding}").as_bytes(), body].concat();
    let server = |streams: bool| {
        let builder = Httpd::builder().max_content(max_content);
        let builder = if streams { builder.streaming() } else { builder };
        let make = || -> Box<dyn Filter<In = HttpdRecord, Out = HttpdResponse>> {
            Box::new(builder.clone().build().unwrap())
        };
        Subject::new(&make, tell_server).can_hand_over(HandOver::Nobody).check(&request, sizes);
        let mut got = Vec::new();
        for record in make().get(request.clone().into()).unwrap() {
            match record {
                HttpdRecord::Request(request) => return Ok(request.into_body().to_vec()),
                HttpdRecord::Body(piece) => got.extend_from_slice(&piece),
                HttpdRecord::End(_) => return Ok(got),
                HttpdRecord::Error(error) => return Err(error.to_string()),
                _ => {}
            }
        }
        Err("more is needed".to_owned())
    };
    let client = |streams: bool| {
        let builder = HttpClient::builder().max_content(max_content).allow_unasked();
        let builder = if streams { builder.streaming() } else { builder };
        let make = || -> Box<dyn Filter<In = HttpClientRecord, Out = HttpClientRequest>> {
            Box::new(builder.clone().build().unwrap())
        };
        Subject::new(&make, tell_client).can_hand_over(HandOver::Nobody).check(&response, sizes);
        let mut filter = make();
        filter.get_one_start(response.clone().into()).unwrap();
        let mut got = Vec::new();
        loop {
            match filter.get_one() {
                Ok(Some(HttpClientRecord::Response(response))) => {
                    return Ok(response.into_body().to_vec());
                }
                Ok(Some(HttpClientRecord::Body(piece))) => got.extend_from_slice(&piece),
                Ok(Some(HttpClientRecord::End(_))) => return Ok(got),
                Ok(Some(_)) => {}
                Ok(None) => return Err("more is needed".to_owned()),
                Err(error) => {
                    return Err(error.to_string().replace("stream is unusable: ", ""));
                }
            }
        }
    };
    let expected = server(false);
    assert_eq!(server(true), expected, "streamed");
    assert_eq!(client(false), expected, "of a response");
    assert_eq!(client(true), expected, "of a response, streamed");
}
