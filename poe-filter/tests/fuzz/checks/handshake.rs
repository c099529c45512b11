//! How HTTP becomes WebSocket messages, on both sides.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use poe_filter::{
    Filter, HttpClient, HttpClientRecord, Httpd, HttpdRecord, HttpdRequest, WebSocket,
    WebSocketHandshake,
};

use super::input::{Input, Sizes};

pub(super) fn handshake(octets: &[u8]) {
    let mut input = Input::new(octets);
    let is_server = input.number(2) == 0;
    let offered = input.pick(&["", "chat", "chat, Superchat"]);
    let sizes = input.sizes();
    if is_server {
        let stream = input.stream();
        assert_eq!(server(&[stream]), server(&sizes.split(stream)), "in chunks");
    } else {
        client(offered, input.stream(), sizes);
    }
}

/// What becomes of the first request, and what is behind it.
fn server(chunks: &[&[u8]]) -> Option<(String, Bytes)> {
    let mut httpd = Httpd::builder().host_optional().max_content(100).build().unwrap();
    chunks.iter().for_each(|chunk| httpd.get_one_start(Bytes::copy_from_slice(chunk)).unwrap());
    let Some(HttpdRecord::Request(request)) = httpd.get_one().unwrap() else { return None };
    let accepted = WebSocket::accept(&request);
    assert_eq!(accepted.is_ok(), asks(&request), "{request:?}");
    let told = format!("{accepted:?}");
    let (status, response) = match accepted {
        Ok(response) => (StatusCode::SWITCHING_PROTOCOLS, response.into()),
        Err(error) => {
            let response = error.to_response();
            let is_old = told.contains("NoUpgrade") || told.contains("Version");
            let refused = StatusCode::UPGRADE_REQUIRED;
            (if is_old { refused } else { StatusCode::BAD_REQUEST }, response)
        }
    };
    let mut wire = Vec::<u8>::new();
    httpd.put(response, &mut wire).unwrap();
    let response =
        read(wire.into(), &mut HttpClient::builder().allow_unasked().build().unwrap()).unwrap();
    assert_eq!(response.status(), status);
    Some((told, httpd.take_pending()))
}

/// Whether a request is one for a WebSocket, told in another way.
fn asks(request: &HttpdRequest) -> bool {
    let request = request.to_http().unwrap();
    let headers = request.headers();
    let key = single(headers, "sec-websocket-key").unwrap_or_default();
    // The last digit stands for two bits.
    let is_key = key.len() == 24
        && key.iter().take(22).all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/'))
        && b"AQgw".contains(&key[21])
        && key.ends_with(b"==");
    request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && headers.contains_key("host")
        && words(headers, "upgrade").contains(&"websocket".to_owned())
        && words(headers, "connection").contains(&"upgrade".to_owned())
        && single(headers, "sec-websocket-version") == Some(b"13")
        && is_key
}

/// A response in which `KEY` stands for the answer to the client's key.
fn client(offered: &str, stream: &[u8], sizes: Sizes) {
    let request = Request::get("http://a/").header("Sec-WebSocket-Protocol", offered);
    let (request, handshake) = WebSocketHandshake::begin(request.body("").unwrap());
    let mut http = HttpClient::new();
    let mut wire = Vec::<u8>::new();
    http.put(request.into(), &mut wire).unwrap();
    let Some(HttpdRecord::Request(request)) = Httpd::new().get(wire.into()).unwrap().pop() else {
        panic!("no request");
    };
    let right = WebSocket::accept(&request).unwrap();
    assert_eq!(handshake.finish(&right), Ok(()));

    let answer = right.headers()["sec-websocket-accept"].as_bytes();
    let stream = replaced(stream, b"KEY", answer);
    for chunk in sizes.split(&stream) {
        if http.get_one_start(Bytes::copy_from_slice(chunk)).is_err() {
            return;
        }
    }
    let Some(response) = read(Bytes::new(), &mut http) else { return };
    let headers = response.headers();
    let protocols: Vec<_> = headers.get_all("sec-websocket-protocol").iter().collect();
    let is_offered = match &protocols[..] {
        [] => true,
        [chosen] => offered.split(", ").any(|one| !one.is_empty() && *chosen == one),
        _ => false,
    };
    let agrees = response.status() == StatusCode::SWITCHING_PROTOCOLS
        && words(headers, "upgrade").contains(&"websocket".to_owned())
        && words(headers, "connection").contains(&"upgrade".to_owned())
        && single(headers, "sec-websocket-accept") == Some(answer)
        && !headers.contains_key("sec-websocket-extensions")
        && is_offered;
    assert_eq!(handshake.finish(&response).is_ok(), agrees, "{response:?}");
    if agrees {
        assert!(stream.ends_with(&http.take_pending()));
    }
}

/// The first response, be it an informational one.
fn read(wire: Bytes, client: &mut HttpClient) -> Option<Response<()>> {
    client.get_one_start(wire).unwrap();
    match client.get_one() {
        Ok(Some(HttpClientRecord::Response(response))) => Some(response.map(|_| ())),
        Ok(Some(HttpClientRecord::Informational(response))) => Some(response),
        _ => None,
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value.as_bytes())
}

fn words(headers: &HeaderMap, name: &str) -> Vec<String> {
    let values: Vec<_> = headers.get_all(name).iter().map(|value| value.as_bytes()).collect();
    let all = String::from_utf8_lossy(&values.join(&b',')).to_ascii_lowercase();
    all.split(',').map(|word| word.trim_matches([' ', '\t']).to_owned()).collect()
}

fn replaced(stream: &[u8], word: &[u8], by: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    let mut rest = stream;
    while let Some(place) = rest.windows(word.len()).position(|octets| octets == word) {
        all.extend_from_slice(&rest[..place]);
        all.extend_from_slice(by);
        rest = &rest[place + word.len()..];
    }
    [&all[..], rest].concat()
}
