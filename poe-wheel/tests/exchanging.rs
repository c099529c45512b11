//! A server and a client that talk, as in POE's own tests of sockets.

mod common;

use std::rc::Rc;

use common::sockets::{Place, factory};
use common::{Log, kernel, run};
use poe_session::prelude::*;
use poe_wheel::{
    Connection, Input, IoError, ReadWrite, SocketFactory, SocketFactoryBuilder, WheelId,
};

/// One side of the text exchange of POE's own socket tests.
struct Side {
    sockets: Option<SocketFactory>,
    stream: Option<ReadWrite>,
    puts: u32,
    flushes: u32,
}

fn rot13(text: &[u8]) -> String {
    let turn = |octet: u8| match octet {
        b'a'..=b'z' => (octet - b'a' + 13) % 26 + b'a',
        b'A'..=b'Z' => (octet - b'A' + 13) % 26 + b'A',
        other => other,
    };
    text.iter().map(|&octet| turn(octet) as char).collect()
}

/// A server that turns what it hears, and a client that has it turn a text twice; what both have to say.
fn exchange(
    server: SocketFactoryBuilder,
    client: impl Fn(&SocketFactory) -> SocketFactoryBuilder + 'static,
) -> Vec<String> {
    let (kernel, log) = (kernel(), Log::default());
    let [l1, l2, l3, l4, l5, l6] = std::array::from_fn(|_| log.clone());
    let wheel = |connection: Connection, kernel: &Kernel| {
        // Lines, read ten octets at a time.
        ReadWrite::build(connection.socket)
            .driver(poe_driver::SysRw::builder().block_size(10).build().unwrap())
            .input_event("input")
            .error_event("error")
            .flushed_event("flushed")
            .spawn(kernel)
            .unwrap()
    };
    let side = || Side { sockets: None, stream: None, puts: 0, flushes: 0 };
    let spawn_client = Rc::new(move |cx: &mut Cx<'_, Side>, builder: SocketFactoryBuilder| {
        let (l2, l3) = (l2.clone(), l3.clone());
        Session::build(side())
            .on_start(move |cx| cx.heap.sockets = Some(builder.clone().spawn(cx.kernel).unwrap()))
            .on("success", move |cx, connection: Connection| {
                cx.heap.sockets = None;
                let stream = wheel(connection, cx.kernel);
                stream.put("1: this is a test");
                l2.push(format!(
                    "{} octets, {} message",
                    stream.get_driver_out_octets(),
                    stream.get_driver_out_messages()
                ));
                cx.heap.stream = Some(stream);
            })
            .on("input", move |cx, input: Input| {
                let text = String::from_utf8(input.record.to_vec()).unwrap();
                if let Some(turned) = text.strip_prefix("1: ") {
                    cx.heap.stream.as_ref().unwrap().put(format!("2: {turned}"));
                } else {
                    l3.push(text.strip_prefix("2: ").unwrap());
                    cx.heap.stream = None;
                }
            })
            .on("flushed", |_, _: WheelId| {})
            .spawn(cx)
            .unwrap();
    });
    Session::build(side())
        .on_start(move |cx| {
            let server = server.clone().spawn(cx.kernel).unwrap();
            let builder = client(&server);
            cx.heap.sockets = Some(server);
            spawn_client(cx, builder);
        })
        .on_child(move |_, child: Child| {
            if child.change == Change::Create || child.change == Change::Stop {
                l6.push(if child.change == Change::Create { "created" } else { "stopped" });
            }
        })
        .on("success", move |cx, connection: Connection| {
            l1.push("accepted");
            cx.heap.sockets = None;
            cx.heap.stream = Some(wheel(connection, cx.kernel));
        })
        .on("input", |cx, input: Input| {
            let (number, text) = input.record.split_at(3);
            let number = String::from_utf8(number.to_vec()).unwrap();
            cx.heap.puts += 1;
            cx.heap.stream.as_ref().unwrap().put(number + &rot13(text));
        })
        .on("flushed", |cx, _: WheelId| cx.heap.flushes += 1)
        .on("error", move |cx, error: IoError| {
            l4.push(format!("{} {}", error.operation, error.errno()));
            l5.push(format!("{} puts, {} flushes", cx.heap.puts, cx.heap.flushes));
            cx.heap.stream = None;
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    log.take()
}

fn expect_exchange(mut log: Vec<String>) {
    // Whether the server is told of the end or of the child's end first is nobody's business.
    log.sort();
    let mut expected = [
        "created",
        "19 octets, 1 message",
        "accepted",
        "this is a test",
        "read 0",
        "2 puts, 2 flushes",
        "stopped",
    ];
    expected.sort_unstable();
    assert_eq!(log, expected);
}

// Conformance: WAC-04, WAC-05
#[test]
fn texts_are_exchanged_over_tcp() {
    expect_exchange(exchange(factory().bind_address("127.0.0.1"), |server| {
        let port = server.local_address().unwrap().port().unwrap();
        factory().remote_address("127.0.0.1").remote_port(port)
    }));
}

// Conformance: WAC-07, WAC-08
#[test]
fn texts_are_exchanged_over_a_unix_socket() {
    let place = Place::new("exchange");
    let path = place.path();
    let remote = path.clone();
    expect_exchange(exchange(factory().bind_path(&path), move |server| {
        assert_eq!(server.local_address().unwrap().path(), Some(&*remote));
        factory().remote_path(&remote)
    }));
    assert!(!path.exists());
}

// Conformance: WAC-10
#[test]
fn texts_are_exchanged_over_ipv6() {
    expect_exchange(exchange(factory().bind_address("::1"), |server| {
        let port = server.local_address().unwrap().port().unwrap();
        factory().bind_address("::1").remote_address("::1").remote_port(port)
    }));
}
