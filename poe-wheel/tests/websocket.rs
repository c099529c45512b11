//! From HTTP to WebSocket messages on live wheels, both sides in one kernel.

mod common;

use std::os::unix::net::UnixStream;

use common::{Log, kernel, run};
use http::Request;
use poe_filter::{
    HttpClient, HttpClientRecord, HttpClientRequest, Httpd, HttpdRecord, HttpdResponse, WebSocket,
    WebSocketHandshake, WebSocketMessage,
};
use poe_session::prelude::*;
use poe_wheel::{Input, IoError, ReadWrite, ReadWriteEvent};

type Messages = ReadWrite<WebSocketMessage, WebSocketMessage>;

fn text(text: impl Into<String>) -> WebSocketMessage {
    WebSocketMessage::Text(text.into())
}

#[derive(Default)]
enum Server {
    #[default]
    Over,
    Http(ReadWrite<HttpdRecord, HttpdResponse>),
    Messages(Messages),
}

/// Answers each message with itself, until the client closes.
fn serve(kernel: &Kernel, socket: UnixStream, log: Log) {
    let upgraded = log.clone();
    Session::build(Server::default())
        .on_start(move |cx| -> HandlerResult {
            let wheel = ReadWrite::build(socket.try_clone()?)
                .filter(Httpd::new())
                .input_event("request")
                .error_event("error")
                .spawn(cx.kernel)?;
            *cx.heap = Server::Http(wheel);
            Ok(())
        })
        .on("request", move |cx, input: Input<HttpdRecord>| -> HandlerResult {
            let Server::Http(wheel) = std::mem::take(&mut *cx.heap) else { return Ok(()) };
            let HttpdRecord::Request(request) = input.record else {
                return Err("no request".into());
            };
            upgraded.push(format_args!("{} {}", request.method(), request.target()));
            *cx.heap = match WebSocket::accept(&request) {
                Ok(response) => {
                    wheel.put(HttpdResponse::from(response));
                    let wheel = wheel.with_filter(WebSocket::server())?;
                    wheel.event(ReadWriteEvent::Input, "message")?;
                    // It goes along with the response, and so does the one behind the request come along with that.
                    wheel.put(text("welcome"));
                    Server::Messages(wheel)
                }
                Err(error) => {
                    wheel.put(error.to_response());
                    Server::Http(wheel)
                }
            };
            Ok(())
        })
        .on("message", |cx, input: Input<WebSocketMessage>| {
            let Server::Messages(wheel) = &*cx.heap else { return };
            let is_last = matches!(input.record, WebSocketMessage::Close(_));
            wheel.put(input.record);
            if is_last {
                wheel.shutdown_output();
            }
        })
        .on("error", move |cx, error: IoError| {
            log.push(format_args!("server: {error}"));
            *cx.heap = Server::Over;
        })
        .spawn(kernel)
        .unwrap();
}

#[derive(Default)]
enum Client {
    #[default]
    Over,
    Http(ReadWrite<HttpClientRecord, HttpClientRequest>, WebSocketHandshake),
    Messages(Messages),
}

/// Opens a WebSocket, sends so many messages, and closes it when all have come back.
fn talk(kernel: &Kernel, socket: UnixStream, messages: usize, log: Log) {
    let (heard, ended) = (log.clone(), log);
    Session::build(Client::default())
        .on_start(move |cx| -> HandlerResult {
            let wheel = ReadWrite::build(socket.try_clone()?)
                .filter(HttpClient::new())
                .input_event("response")
                .error_event("error")
                .spawn(cx.kernel)?;
            let request = Request::get("http://localhost/chat").body("")?;
            let (request, handshake) = WebSocketHandshake::begin(request);
            wheel.put(HttpClientRequest::from(request));
            *cx.heap = Client::Http(wheel, handshake);
            Ok(())
        })
        .on("response", move |cx, input: Input<HttpClientRecord>| -> HandlerResult {
            let Client::Http(wheel, handshake) = std::mem::take(&mut *cx.heap) else {
                return Ok(());
            };
            let HttpClientRecord::Response(response) = input.record else {
                return Err("no response".into());
            };
            handshake.finish(&response)?;
            let wheel = wheel.with_filter(WebSocket::client())?;
            wheel.event(ReadWriteEvent::Input, "message")?;
            *cx.heap = Client::Messages(wheel);
            Ok(())
        })
        .on("message", move |cx, input: Input<WebSocketMessage>| {
            let Client::Messages(wheel) = &*cx.heap else { return };
            let WebSocketMessage::Text(said) = input.record else {
                return heard.push(format_args!("{:?}", input.record));
            };
            if said == "welcome" {
                for number in 0..messages {
                    wheel.put(text(number.to_string()));
                }
                wheel.put(WebSocketMessage::Close(None));
            }
            heard.push(said);
        })
        .on("error", move |cx, error: IoError| {
            ended.push(format_args!("client: {error}"));
            *cx.heap = Client::Over;
        })
        .spawn(kernel)
        .unwrap();
}

#[test]
fn both_sides_change_to_messages() {
    let kernel = kernel();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let log = Log::default();
    serve(&kernel, ours, log.clone());
    talk(&kernel, theirs, 3000, log.clone());
    run(&kernel);
    let mut lines = log.take();
    lines.retain(|line| !line.starts_with("server: ") && !line.starts_with("client: "));
    let messages = (0..3000).map(|number| number.to_string());
    let expected = ["GET /chat".to_owned(), "welcome".to_owned()].into_iter().chain(messages);
    let expected: Vec<String> = expected.chain(["Close(None)".to_owned()]).collect();
    assert_eq!(lines, expected);
}

/// A client that does not wait for the response: its frames are read with the request, or with a part of it.
#[test]
fn frames_that_come_with_the_request() {
    let request =
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    // "hello", masked, as in RFC 6455, 5.7; then an empty close frame.
    let frames = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x88\x80\x37\xfa\x21\x3d";
    let input = [&request[..], frames].concat();
    for first in [input.len(), request.len() + 3, request.len(), 20] {
        let kernel = kernel();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let log = Log::default();
        serve(&kernel, ours, log.clone());
        let chunks = [input[..first].to_vec(), input[first..].to_vec()];
        let peer = std::thread::spawn(move || {
            let mut theirs = theirs;
            for chunk in chunks {
                std::io::Write::write_all(&mut theirs, &chunk).unwrap();
            }
            common::read_all(theirs)
        });
        run(&kernel);
        let heard = peer.join().unwrap();
        let head = b"HTTP/1.1 101 Switching Protocols\r\n";
        assert!(heard.starts_with(head), "{}", heard.escape_ascii());
        let behind = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x07welcome\x81\x05Hello\x88\x00";
        assert!(heard.ends_with(behind), "{}", heard.escape_ascii());
    }
}
