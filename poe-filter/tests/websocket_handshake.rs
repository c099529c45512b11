//! How HTTP becomes WebSocket messages, on both sides.

#![cfg(all(feature = "http", feature = "websocket"))]

use http::{Request, Response, StatusCode};
use poe_filter::{
    Filter, HttpClient, HttpClientRecord, Httpd, HttpdRecord, HttpdRequest, WebSocket,
    WebSocketHandshake, WebSocketHandshakeError, WebSocketMessage,
};

const HEADERS: [&str; 5] = [
    "Host: localhost",
    "Upgrade: websocket",
    "Connection: keep-alive, Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

fn request(line: &str, headers: &[&str]) -> HttpdRequest {
    let input = format!("{line}\r\n{}\r\n\r\n", headers.join("\r\n"));
    match Httpd::builder().host_optional().build().unwrap().get(input.into()).unwrap().remove(0) {
        HttpdRecord::Request(request) => request,
        other => panic!("{other:?}"),
    }
}

fn status(error: WebSocketHandshakeError) -> (u16, String) {
    let mut out = Vec::<u8>::new();
    Httpd::new().put(error.to_response(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    (text["HTTP/1.1 ".len()..][..3].parse().unwrap(), text)
}

#[test]
fn requests_are_accepted() {
    let response = WebSocket::accept(&request("GET /chat HTTP/1.1", &HEADERS)).unwrap();
    assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let mut out = Vec::<u8>::new();
    Httpd::new().put(response.into(), &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    );
    let other_case = HEADERS
        .map(|header| header.replace("websocket", "WebSocket").replace("Upgrade", "UPGRADE"));
    let other_case: Vec<&str> = other_case.iter().map(String::as_str).collect();
    assert!(WebSocket::accept(&request("GET / HTTP/1.1", &other_case)).is_ok());
}

#[test]
fn requests_that_are_refused() {
    use WebSocketHandshakeError as E;
    let refused = |line, headers: &[&str]| WebSocket::accept(&request(line, headers)).unwrap_err();
    assert_eq!(refused("POST / HTTP/1.1", &HEADERS), E::Request);
    assert_eq!(refused("GET / HTTP/1.0", &HEADERS), E::Request);
    let expected = [E::Request, E::NoUpgrade, E::NoUpgrade, E::Version, E::Key];
    for (left_out, expected) in expected.into_iter().enumerate() {
        let mut headers = HEADERS.to_vec();
        headers.remove(left_out);
        assert_eq!(refused("GET / HTTP/1.1", &headers), expected, "{}", HEADERS[left_out]);
    }
    for (place, header, expected) in [
        (1, "Upgrade: h2c", E::NoUpgrade),
        (2, "Connection: close", E::NoUpgrade),
        (3, "Sec-WebSocket-Version: 8", E::Version),
        (3, "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 8", E::Version),
        (4, "Sec-WebSocket-Key:", E::Key),
        (4, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ", E::Key),
        (4, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==x", E::Key),
        (4, "Sec-WebSocket-Key: AAAA", E::Key),
        (4, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: AAAA", E::Key),
    ] {
        let mut headers = HEADERS.to_vec();
        headers[place] = header;
        assert_eq!(refused("GET / HTTP/1.1", &headers), expected, "{header}");
    }
    for (error, code, named) in
        [(E::NoUpgrade, 426, true), (E::Version, 426, true), (E::Key, 400, false)]
    {
        let (got, text) = status(error);
        assert_eq!((got, text.contains("sec-websocket-version: 13\r\n")), (code, named), "{text}");
        assert!(text.contains("connection: close"));
    }
}

/// The client sends frames with its request, the server with its response.
#[test]
fn nothing_behind_the_handshake_is_lost() {
    let uri = "http://localhost/chat";
    let asked = Request::get(uri).header("Sec-WebSocket-Protocol", "a, b").body("").unwrap();
    let (asked, handshake) = WebSocketHandshake::begin(asked);
    let (mut client, mut server) = (HttpClient::new(), Httpd::new());
    let mut wire = Vec::<u8>::new();
    client.put(asked.into(), &mut wire).unwrap();
    let mut frames = WebSocket::client();
    frames.put(WebSocketMessage::Text("early".into()), &mut wire).unwrap();

    for chunk in wire.chunks(40) {
        server.get_one_start(chunk.to_vec().into()).unwrap();
    }
    let Some(HttpdRecord::Request(request)) = server.get_one().unwrap() else { panic!("none") };
    let mut response = WebSocket::accept(&request).unwrap();
    response.headers_mut().insert("sec-websocket-protocol", "b".parse().unwrap());
    let mut wire = Vec::<u8>::new();
    server.put(response.into(), &mut wire).unwrap();
    let mut messages = WebSocket::server();
    let early = [WebSocketMessage::Text("early".into())];
    assert_eq!(messages.get(server.take_pending()).unwrap(), early);
    messages.put(WebSocketMessage::Text("welcome".into()), &mut wire).unwrap();

    client.get_one_start(wire.into()).unwrap();
    let Some(HttpClientRecord::Response(response)) = client.get_one().unwrap() else {
        panic!("none");
    };
    handshake.finish(&response).unwrap();
    let welcome = [WebSocketMessage::Text("welcome".into())];
    assert_eq!(frames.get(client.take_pending()).unwrap(), welcome);
}

#[test]
fn responses_that_do_not_agree() {
    use WebSocketHandshakeError as E;
    let asked = Request::get("/").header("Sec-WebSocket-Protocol", "a, b");
    let (asked, handshake) = WebSocketHandshake::begin(asked.body("").unwrap());
    let key = asked.headers()["sec-websocket-key"].to_str().unwrap().to_owned();
    let mut headers = HEADERS.map(str::to_owned);
    headers[4] = format!("Sec-WebSocket-Key: {key}");
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let right = WebSocket::accept(&request("GET / HTTP/1.1", &headers)).unwrap();
    assert_eq!(handshake.finish(&right), Ok(()));

    let other = Response::new("");
    assert_eq!(handshake.finish(&other), Err(E::Status(StatusCode::OK)));
    for (name, expected) in [
        ("upgrade", E::NoUpgrade),
        ("connection", E::NoUpgrade),
        ("sec-websocket-accept", E::Accept),
    ] {
        let mut response = right.clone();
        response.headers_mut().remove(name);
        assert_eq!(handshake.finish(&response), Err(expected), "{name}");
    }
    for (name, value, expected) in [
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", E::Accept),
        ("sec-websocket-extensions", "permessage-deflate", E::NotOffered("an extension")),
        ("sec-websocket-protocol", "chat", E::NotOffered("a protocol")),
        ("sec-websocket-protocol", "A", E::NotOffered("a protocol")),
        ("sec-websocket-protocol", "a, b", E::NotOffered("a protocol")),
        ("sec-websocket-protocol", "", E::NotOffered("a protocol")),
    ] {
        let mut response = right.clone();
        response.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(handshake.finish(&response), Err(expected), "{name}");
    }
    let mut two = right.clone();
    for protocol in ["a", "b"] {
        two.headers_mut().append("sec-websocket-protocol", protocol.parse().unwrap());
        assert_eq!(handshake.finish(&two).is_ok(), protocol == "a");
    }
}
