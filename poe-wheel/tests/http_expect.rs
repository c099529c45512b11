//! Clients that wait for leave to send a body (`Expect: 100-continue`), at the other end of a socket.

mod common;

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use common::{Log, kernel, once, run, skipped};
use http::{Response, StatusCode};
use poe_filter::{Httpd, HttpdRecord, HttpdRequest, HttpdResponse};
use poe_session::prelude::*;
use poe_wheel::{Input, IoError, ReadWrite, WheelId};

type Wheel = ReadWrite<HttpdRecord, HttpdResponse>;

/// A connection, and the request whose body is coming.
#[derive(Default)]
struct Heap {
    wheel: Option<Wheel>,
    head: Option<HttpdRequest>,
    body: Vec<u8>,
}

const LEAVE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

fn respond(cx: &mut Cx<'_, Heap>, request: &HttpdRequest, status: StatusCode, body: Vec<u8>) {
    let response = Response::builder().status(status).body(body).unwrap();
    cx.heap.wheel.as_ref().unwrap().put(HttpdResponse::answer(request, response));
}

/// Gives leave to all but `/no`, and answers with the body.
fn serve(cx: &mut Cx<'_, Heap>, record: HttpdRecord, log: &Log) {
    match record {
        HttpdRecord::Expect(request) => leave(cx, &request, log),
        HttpdRecord::Request(request) => {
            log.push(format!("request {}", request.body().len()));
            respond(cx, &request, StatusCode::OK, request.body().to_vec());
        }
        HttpdRecord::Head(request) => {
            if request.expects_continue() {
                leave(cx, &request, log);
            }
            cx.heap.head = Some(request);
        }
        HttpdRecord::Body(piece) => cx.heap.body.extend_from_slice(&piece),
        HttpdRecord::End(_) => {
            let (request, body) = (cx.heap.head.take().unwrap(), std::mem::take(&mut cx.heap.body));
            log.push(format!("end {}", body.len()));
            respond(cx, &request, StatusCode::OK, body);
        }
        other => panic!("{other:?}"),
    }
}

fn leave(cx: &mut Cx<'_, Heap>, request: &HttpdRequest, log: &Log) {
    if request.target() == "/no" {
        log.push("no leave");
        respond(cx, request, StatusCode::FORBIDDEN, Vec::new());
        cx.heap.wheel.as_ref().unwrap().shutdown_output();
    } else {
        log.push("leave");
        cx.heap.wheel.as_ref().unwrap().put(HttpdResponse::go_on());
    }
}

/// Serves one connection with a wheel, to the end, while the client does what it does in another thread.
fn converse<R: Send + 'static>(
    filter: Httpd,
    client: impl FnOnce(SocketAddr) -> R + Send + 'static,
) -> (R, Vec<String>) {
    let (kernel, log) = (kernel(), Log::default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = thread::spawn(move || client(address));
    let (socket, _) = listener.accept().unwrap();
    socket.set_nonblocking(true).unwrap();
    let (l, make) = (log.clone(), once((socket, filter)));
    Session::build(Heap::default())
        .on_start(move |cx| -> HandlerResult {
            let (socket, filter) = make();
            let wheel = ReadWrite::build(socket)
                .filter(filter)
                .input_event("record")
                .error_event("error")
                .flushed_event("flushed")
                .spawn(cx.kernel)?;
            cx.heap.wheel = Some(wheel);
            Ok(())
        })
        .on("record", move |cx, input: Input<HttpdRecord>| serve(cx, input.record, &l))
        .on("error", |cx, error: IoError| {
            assert!(error.is_eof(), "{error}");
            cx.heap.wheel = None;
        })
        .on("flushed", |_, _: WheelId| {})
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    (client.join().unwrap(), log.take())
}

fn filters() -> [Httpd; 2] {
    [Httpd::new(), Httpd::builder().streaming().build().unwrap()]
}

/// A client that has to be given leave, or hangs: so it has a limit, which only a failure reaches.
fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

fn ends_with(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    while !octets.ends_with(end) {
        let mut octet = [0];
        stream.read_exact(&mut octet).unwrap();
        octets.push(octet[0]);
    }
    octets
}

#[test]
fn leave_comes_before_the_body_and_the_answer_behind_it() {
    for filter in filters() {
        let ((), told) = converse(filter, |address| {
            let mut stream = connect(address);
            for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
                let head =
                    format!("PUT /yes HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{framing}");
                stream.write_all(format!("{head}\r\n\r\n").as_bytes()).unwrap();
                assert_eq!(ends_with(&mut stream, b"\r\n\r\n"), LEAVE);
                let chunked = "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
                let body = if framing.ends_with('5') { "hello" } else { chunked };
                stream.write_all(body.as_bytes()).unwrap();
                let answer = String::from_utf8(ends_with(&mut stream, b"hello")).unwrap();
                assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            }
        });
        assert!(
            matches!(&told[..], [a, b, c, d] if a == "leave" && c == "leave" && b == d && b.ends_with(" 5")),
            "{told:?}"
        );
    }
}

/// The answer comes instead of leave, and the connection ends.
#[test]
fn no_leave_is_an_answer() {
    for filter in filters() {
        let (answer, told) = converse(filter, |address| {
            let mut stream = connect(address);
            let head =
                "PUT /no HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
        assert_eq!(told, ["no leave"]);
    }
}

/// What curl has uploaded: its status and how many octets it sent, what came back, and what it said of that.
fn curl(address: SocketAddr, path: &str, body: Vec<u8>) -> (String, Vec<u8>, String) {
    let mut command = Command::new("curl");
    // It waits for leave as long as for all, so that it does not go on without.
    command.args(["-sv", "--max-time", "20", "--expect100-timeout", "20", "--noproxy", "*"]);
    command.args(["-H", "Expect: 100-continue", "--data-binary", "@-"]);
    command.args(["-w", "%{stderr}status %{http_code} sent %{size_upload}\n"]);
    command.arg(format!("http://{address}{path}"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = thread::spawn(move || stdin.write_all(&body));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let last =
        said.lines().rfind(|line| line.starts_with("status ")).unwrap_or_default().to_owned();
    (last, output.stdout, said)
}

#[test]
fn curl_waits_for_leave() {
    let probe = Command::new("curl").arg("--version").output();
    if !probe.is_ok_and(|output| output.status.success()) {
        return skipped("curl --version fails; install curl");
    }
    let body: Vec<u8> = (0..300_000_u32).map(|number| (number % 251) as u8).collect();
    for filter in filters() {
        let sent = body.clone();
        let ((last, back, said), told) =
            converse(filter, move |address| curl(address, "/yes", sent));
        assert_eq!(last, "status 200 sent 300000", "{said}");
        assert!(back == body);
        assert!(said.contains("< HTTP/1.1 100 Continue"), "{said}");
        assert_eq!(told.len(), 2, "{told:?}");
    }
    for filter in filters() {
        let sent = RefCell::new(body.clone());
        let ((last, _, said), told) =
            converse(filter, move |address| curl(address, "/no", sent.take()));
        assert_eq!(last, "status 403 sent 0", "{said}");
        assert_eq!(told, ["no leave"]);
    }
}
