//! A server and a client of ours talk to one another: who is told what, in which order.

mod common;

use std::cell::Cell;
use std::rc::Rc;

use common::{Log, kernel, port, run, text, watchdog};
use poe_component::prelude::*;

fn stop_server(cx: &Cx<'_, client::Connection>) {
    let _ = cx.post("server", server::SHUTDOWN, ());
}

// Conformance: CMP-04, CMP-05
#[test]
fn one_echo_then_the_server_shuts_the_connection_down() {
    let _watchdog = watchdog();
    let (kernel, reports) = kernel();
    let log = Log::default();
    let say = |line: &'static str| {
        let log = log.clone();
        move || log.add(line)
    };
    let (s_started, s_stopped) = (say("S.Started"), say("S.Stopped"));
    let (s_connected, s_input) = (say("S.Connected"), say("S.Input"));
    let (s_flushed, s_disconnected) = (say("S.Flushed"), say("S.Disconnected"));
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .alias("server")
        .started(move |_| s_started())
        .stopped(move |_| s_stopped())
        .client_connected(move |_| s_connected())
        .client_input(move |cx, line| {
            s_input();
            cx.heap.client.put(line);
            cx.yield_event(server::SHUTDOWN, ());
        })
        .client_flushed(move |_| s_flushed())
        .client_disconnected(move |cx| {
            s_disconnected();
            let listener = cx.heap.listener();
            cx.post(listener, server::SHUTDOWN, ())
        })
        .spawn(&kernel)
        .unwrap();
    let (c_started, c_connected) = (say("C.Started"), say("C.Connected"));
    let (c_flushed, c_input) = (say("C.Flushed"), say("C.Input"));
    let c_disconnected = say("C.Disconnected");
    let errors = log.clone();
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port(&server))
        .started(move |_| c_started())
        .connected(move |cx| {
            c_connected();
            cx.heap.server.put("hello")
        })
        .server_flushed(move |_| c_flushed())
        .server_input(move |_, line| {
            assert_eq!(line, "hello");
            c_input();
        })
        .server_error(move |_, error| {
            errors.add(format!("C.ServerError({},{})", error.operation, error.errno()));
        })
        .disconnected(move |_| c_disconnected())
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    let lines = log.lines();
    let server: Vec<_> = lines.iter().filter(|line| line.starts_with('S')).collect();
    let client: Vec<_> = lines.iter().filter(|line| line.starts_with('C')).collect();
    assert_eq!(
        server,
        ["S.Started", "S.Connected", "S.Input", "S.Flushed", "S.Disconnected", "S.Stopped"]
    );
    assert_eq!(
        client,
        [
            "C.Started",
            "C.Connected",
            "C.Flushed",
            "C.Input",
            "C.ServerError(read,0)",
            "C.Disconnected"
        ]
    );
    let causal =
        ["S.Connected", "C.Flushed", "S.Input", "S.Disconnected", "C.Input", "C.Disconnected"];
    assert!(log.has_in_order(&causal), "{lines:?}");
    assert!(reports.lines().is_empty(), "{:?}", reports.lines());
}

// Conformance: CMP-02
#[test]
fn callbacks_of_a_connection_come_once_each_and_in_order() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let log = Log::default();
    let (a, b, c, d, e) = (log.clone(), log.clone(), log.clone(), log.clone(), log.clone());
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .alias("server")
        .client_filter(Line::literal("\n").unwrap())
        .client_pre_connect(move |cx, socket| {
            a.add("ClientPreConnect");
            assert!(!cx.heap.client.is_connected());
            assert_eq!(Some(&cx.heap.remote_addr), socket.peer_address().ok().as_ref());
            socket
        })
        .client_connected(move |cx| {
            b.add("ClientConnected");
            assert!(cx.heap.client.is_connected());
        })
        .client_input(move |cx, line| {
            c.add("ClientInput");
            cx.heap.client.put(line);
            cx.yield_event(server::SHUTDOWN, ());
        })
        .client_flushed(move |_| d.add("ClientFlushed"))
        .client_disconnected(move |cx| {
            e.add("ClientDisconnected");
            assert!(cx.heap.client.is_connected(), "the wheel is still there");
        })
        .spawn(&kernel)
        .unwrap();
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port(&server))
        .filter(Line::literal("\n").unwrap())
        .connected(|cx| cx.heap.server.put("quit"))
        .server_input(|_, _| ())
        .disconnected(|cx| stop_server(cx))
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(
        log.lines(),
        [
            "ClientPreConnect",
            "ClientConnected",
            "ClientInput",
            "ClientFlushed",
            "ClientDisconnected"
        ]
    );
}

// Conformance: CMP-06, CMP-07
#[test]
fn greetings_cross_and_the_server_says_go_away() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let log = Log::default();
    let (a, b, c) = (log.clone(), log.clone(), log.clone());
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .port(0)
        .alias("server")
        .started(move |_| a.add("server started"))
        .client_connected(move |cx| {
            b.add("client connected to server");
            cx.heap.client.put("I will be serving you today!")
        })
        .client_input(move |cx, line| {
            c.add(format!("received from client: {}", text(&line)));
            cx.heap.client.put("Go away.");
            cx.yield_event(server::SHUTDOWN, ());
        })
        .spawn(&kernel)
        .unwrap();
    let (d, e, f, g, h) = (log.clone(), log.clone(), log.clone(), log.clone(), log.clone());
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port(&server))
        .started(move |_| d.add("client started"))
        .connected(move |cx| {
            e.add("client connected");
            cx.heap.server.put("I am your new client!")
        })
        .server_flushed(move |_| f.add("client flushed"))
        .server_input(move |_, line| g.add(format!("received from server: {}", text(&line))))
        .disconnected(move |cx| {
            h.add("client disconnected");
            stop_server(cx);
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    let mut lines = log.lines();
    // Which end hears first of their being connected is the operating system's.
    lines[2..4].sort();
    lines[5..7].sort();
    assert_eq!(
        lines,
        [
            "server started",
            "client started",
            "client connected",
            "client connected to server",
            "client flushed",
            "received from client: I am your new client!",
            "received from server: I will be serving you today!",
            "received from server: Go away.",
            "client disconnected"
        ]
    );
}

// Conformance: CMP-08
#[test]
fn arguments_arrive_with_their_types() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let seen = Rc::new(Cell::new(0));
    let (a, b, c) = (Rc::clone(&seen), Rc::clone(&seen), Rc::clone(&seen));
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .alias("server")
        .started_with((1_u8, "two", vec![3_i64]), move |_, (one, two, three)| {
            assert_eq!((one, two, three), (1, "two", vec![3]));
            a.set(a.get() + 1);
        })
        .client_connected_with(("four".to_owned(), 5.0_f32), move |cx, (four, five)| {
            assert_eq!((four.as_str(), five), ("four", 5.0));
            b.set(b.get() + 10);
            cx.yield_event(server::SHUTDOWN, ());
        })
        .client_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port(&server))
        .started_with([6_u16, 7], move |_, args| {
            assert_eq!(args, [6, 7]);
            c.set(c.get() + 100);
        })
        .server_input(|_, _| ())
        .disconnected(|cx| stop_server(cx))
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(seen.get(), 111);
}

// Conformance: CMP-12
#[test]
fn output_put_right_before_a_shutdown_arrives() {
    let _watchdog = watchdog();
    let (kernel, reports) = kernel();
    let log = Log::default();
    let (a, b, c, d) = (log.clone(), log.clone(), log.clone(), log.clone());
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .alias("server")
        .client_connected(move |_| a.add("s connect"))
        .client_input(move |cx, line| {
            b.add("s input");
            cx.heap.client.put(line);
            cx.yield_event(server::SHUTDOWN, ());
        })
        .client_flushed(move |_| c.add("s flush"))
        .client_disconnected(move |_| d.add("s disconnect"))
        .spawn(&kernel)
        .unwrap();
    let left = Rc::new(Cell::new(5));
    for n in 0..5 {
        let (a, b, c, d) = (log.clone(), log.clone(), log.clone(), log.clone());
        let left = Rc::clone(&left);
        client::Tcp::build()
            .remote_address("127.0.0.1")
            .remote_port(port(&server))
            .connected(move |cx| {
                a.add("c connect");
                cx.heap.server.put(format!("client {n}"))
            })
            .server_flushed(move |_| b.add("c flush"))
            .server_input(move |_, line| {
                assert_eq!(text(&line), format!("client {n}"));
                c.add("c input");
            })
            .disconnected(move |cx| {
                d.add("c disconnect");
                left.set(left.get() - 1);
                if left.get() == 0 {
                    stop_server(cx);
                }
            })
            .spawn(&kernel)
            .unwrap();
    }
    run(&kernel);
    for what in ["connect", "input", "flush", "disconnect"] {
        assert_eq!(log.count(&format!("s {what}")), 5, "{what}");
        assert_eq!(log.count(&format!("c {what}")), 5, "{what}");
    }
    assert!(reports.lines().is_empty(), "{:?}", reports.lines());
}

#[test]
fn a_connection_goes_over_to_another_filter_after_the_greeting() {
    let _watchdog = watchdog();
    let (kernel, reports) = kernel();
    let log = Log::default();
    let told = log.clone();
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .client_input(move |cx, record| {
            told.add(text(&record));
            if record == "blocks of 3" {
                cx.heap.client.put("very well");
                cx.heap.client.wheel().unwrap().set_filter(Block::fixed(3).unwrap());
            } else if told.lines().len() == 3 {
                cx.heap.client.put("bye");
                cx.yield_event(server::SHUTDOWN, ());
                let _ = cx.post(cx.heap.listener(), server::SHUTDOWN, ());
            }
        })
        .spawn(&kernel)
        .unwrap();
    let client = common::peer(port(&server), |stream| {
        // Some of the blocks come with the greeting, and are read with it.
        common::write(&stream, b"blocks of 3\r\nabc\nd");
        assert_eq!(common::read_line(&stream), "very well");
        common::write(&stream, b"e");
        text(&common::read_all(&stream))
    });
    run(&kernel);
    assert_eq!(client.join().unwrap(), "bye");
    assert_eq!(log.lines(), ["blocks of 3", "abc", "\nde"]);
    assert!(reports.lines().is_empty());
}
