//! What components are given, and what they refuse.

mod common;

use std::cell::{Cell, RefCell};
use std::io::Read;
use std::net::TcpListener;
use std::rc::Rc;

use common::{Log, kernel, peer, port, read_all, run, text, watchdog, write};
use poe_component::prelude::*;
use poe_component::server::TcpBuilder;

fn local() -> TcpBuilder<()> {
    server::Tcp::build().address("127.0.0.1")
}

fn message<T: std::fmt::Debug>(result: Result<T, ComponentError>) -> String {
    result.unwrap_err().to_string()
}

// Conformance: CMP-03
#[test]
fn a_client_refuses_what_is_missing() {
    let (kernel, _) = kernel();
    let new = client::Tcp::build;
    let input = |_: &mut Cx<'_, client::Connection>, _| ();
    assert!(
        message(new().remote_port(1).server_input(input).spawn(&kernel)).contains("remote_address")
    );
    assert!(
        message(new().remote_address("::1").server_input(input).spawn(&kernel))
            .contains("remote_port")
    );
    assert!(
        message(new().remote_address("::1").remote_port(1).spawn(&kernel)).contains("server_input")
    );
    let all = || new().remote_address("::1").remote_port(1).server_input(input);
    assert!(message(all().high_mark(9).spawn(&kernel)).contains("marks"));
    assert!(message(all().high_mark(9).low_mark(3).spawn(&kernel)).contains("marks"));
    assert!(
        message(all().high_mark(9).low_mark(3).server_high(|_| ()).spawn(&kernel))
            .contains("marks")
    );
    assert!(message(all().server_low(|_| ()).spawn(&kernel)).contains("marks"));
    let marks = all().high_mark(3).low_mark(9).server_high(|_| ()).server_low(|_| ());
    assert!(matches!(marks.spawn(&kernel), Err(ComponentError::Wheel(_))));
    assert!(matches!(all().marks(3, 9).spawn(&kernel), Err(ComponentError::Wheel(_))));
    assert!(matches!(
        all().state("_start", |_, ()| ()).spawn(&kernel),
        Err(ComponentError::Reserved { event: "_start" })
    ));
    assert_eq!(kernel.session_count(), 0);
}

#[test]
fn a_server_refuses_what_does_not_go_together() {
    let (kernel, _) = kernel();
    let conflict = |result| matches!(result, Err(ComponentError::Conflict { .. }));
    assert!(message(local().spawn(&kernel)).contains("client_input"));
    assert!(conflict(local().acceptor(|_, _| ()).client_input(|_, _| ()).spawn(&kernel)));
    assert!(conflict(local().acceptor(|_, _| ()).client_flushed(|_| ()).spawn(&kernel)));
    assert!(conflict(local().acceptor(|_, _| ()).state("own", |_, ()| ()).spawn(&kernel)));
    assert!(message(local().low_mark(1).client_input(|_, _| ()).spawn(&kernel)).contains("marks"));
    assert!(matches!(
        local().client_input(|_, _| ()).state("_start", |_, ()| ()).spawn(&kernel),
        Err(ComponentError::Reserved { event: "_start" })
    ));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let refused = local().port(port).client_input(|_, _| ()).spawn(&kernel);
    assert!(matches!(refused, Err(ComponentError::Wheel(_))));
    assert!(message(local().port(port).client_input(|_, _| ()).spawn(&kernel)).contains("bind"));
    let nowhere = server::Tcp::build().address("no host has this name").client_input(|_, _| ());
    assert!(message(nowhere.spawn(&kernel)).contains("resolve"));
    assert_eq!(kernel.session_count(), 0);
}

#[test]
fn an_alias_that_is_taken_is_refused_before_anything_is() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    local().alias("name").client_input(|_, _| ()).spawn(&kernel).unwrap();
    let again = local().alias("name").client_input(|_, _| ()).spawn(&kernel);
    assert!(matches!(again, Err(ComponentError::Alias(_))));
    let client = client::Tcp::build().remote_address("127.0.0.1").remote_port(1);
    let client = client.alias("name").server_input(|_, _| ()).spawn(&kernel);
    assert!(matches!(client, Err(ComponentError::Alias(_))));
    assert_eq!(kernel.session_count(), 1);
    kernel.post("name", server::SHUTDOWN, ()).unwrap();
    run(&kernel);
}

#[test]
fn a_client_has_its_alias_from_the_beginning_to_the_end() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let server = local()
        .alias("server")
        .client_connected(|cx| cx.yield_event(server::SHUTDOWN, ()))
        .client_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    let client = client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port(&server))
        .alias("client")
        .started(|cx| assert_eq!(cx.kernel.alias_resolve("client"), Some(cx.session())))
        .server_input(|_, _| ())
        .disconnected(|cx| {
            assert_eq!(cx.kernel.alias_resolve("client"), Some(cx.session()));
            cx.post("server", server::SHUTDOWN, ())
        })
        .spawn(&kernel)
        .unwrap();
    assert_eq!(kernel.alias_resolve("client"), Some(client.session()));
    run(&kernel);
    assert_eq!(kernel.alias_resolve("client"), None);
}

#[test]
fn states_objects_replies_and_options() {
    struct Counter(Cell<u32>);

    impl Counter {
        fn count(&self, cx: &mut Cx<'_, server::Connection<u32>>, by: u32) -> Reply<u32> {
            self.0.set(self.0.get() + by);
            cx.heap.user += by;
            Reply(self.0.get())
        }
    }

    let _watchdog = watchdog();
    let (kernel, reports) = kernel();
    let counter = Rc::new(Counter(Cell::new(40)));
    let server = local()
        .client_state(|| 1_u32)
        .client_connected(|cx| -> HandlerResult {
            let total: u32 = cx.call(cx.session(), "count", 2_u32)?;
            let twice: u32 = cx.call(cx.session(), "twice", ())?;
            cx.heap.client.put(format!("{total} {twice}"));
            cx.post(cx.session(), "no such event", ())?;
            cx.yield_event(server::SHUTDOWN, ());
            cx.post(cx.heap.listener(), server::SHUTDOWN, ())?;
            Ok(())
        })
        .object_state(&counter, "count", Counter::count)
        .state("twice", |cx, ()| Reply(cx.heap.user * 2))
        .client_option(SessionOption::Default, true)
        .client_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    let client = peer(port(&server), |stream| text(&read_all(&stream)));
    run(&kernel);
    assert_eq!(client.join().unwrap(), "42 6\r\n");
    assert_eq!(reports.lines().len(), 1);
    assert!(reports.lines()[0].contains("no such event"));
}

#[test]
fn a_state_called_shutdown_replaces_the_component_s() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let log = Log::default();
    let (a, b) = (log.clone(), log.clone());
    let server = local()
        .client_input(|_, _| ())
        .client_disconnected(|_| common::never("nobody asked for it"))
        .state("shutdown", move |cx, ()| {
            a.add("mine");
            let listener = cx.heap.listener();
            let _ = cx.post(listener, server::SHUTDOWN, ());
            cx.signal(cx.session(), "KILL", ())
        })
        .spawn(&kernel)
        .unwrap();
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port(&server))
        .state("reconnect", move |cx, ()| {
            b.add("not at all");
            let _ = cx.heap.remote();
        })
        .server_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    let client = peer(port(&server), drop);
    run(&kernel);
    client.join().unwrap();
    assert_eq!(log.count("mine"), 1);
    assert_eq!(log.count("not at all"), 1);
}

#[test]
fn each_direction_has_its_filter_on_both_sides() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let log = Log::default();
    let told = log.clone();
    let server = local()
        .alias("server")
        .client_input_filter(Line::new())
        .client_output_filter(Block::fixed(4).unwrap())
        .client_input(|cx, line| cx.heap.client.put(line))
        .spawn(&kernel)
        .unwrap();
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port(&server))
        .input_filter(Block::fixed(4).unwrap())
        .output_filter(Line::new())
        .client_state(String::from("user"))
        .connected(|cx| cx.heap.server.put("fourfive"))
        .server_input(move |cx, block| {
            told.add(format!("{} {}", cx.heap.user, text(&block)));
            if block == "five" {
                cx.yield_event(client::SHUTDOWN, ());
            }
        })
        .disconnected(|cx| cx.post("server", server::SHUTDOWN, ()))
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(log.lines(), ["user four", "user five"]);
}

#[test]
fn marks_tell_of_too_much_and_little_enough() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let log = Log::default();
    let (a, b) = (log.clone(), log.clone());
    let c = log.clone();
    let server = local()
        .alias("server")
        .high_mark(1000)
        .low_mark(10)
        .client_high(move |_| a.add("client high"))
        .client_low(move |_| b.add("client low"))
        .client_input(|cx, line| {
            assert!(!cx.heap.client.put("short"));
            assert!(cx.heap.client.put(line), "the high mark is reached");
        })
        .spawn(&kernel)
        .unwrap();
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port(&server))
        .high_mark(1000)
        .low_mark(10)
        .connected(|cx| assert!(cx.heap.server.put("x".repeat(1000))))
        // There need not be a callback for what `put` tells.
        .server_low(move |_| c.add("server low"))
        .server_input(|cx, line| {
            if line.len() == 1000 {
                cx.yield_event(client::SHUTDOWN, ());
            }
        })
        .disconnected(|cx| cx.post("server", server::SHUTDOWN, ()))
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(log.lines(), ["server low", "client high", "client low"]);
}

#[test]
fn the_rest_without_its_terminator_can_be_had() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let log = Log::default();
    let (a, b) = (log.clone(), log.clone());
    let server = local()
        .client_input(move |_, line| a.add(text(&line)))
        .client_partial(move |cx, rest| {
            b.add(format!("rest: {}", text(&rest)));
            cx.heap.client.put("got it")
        })
        .client_disconnected(|cx| cx.post(cx.heap.listener(), server::SHUTDOWN, ()))
        .spawn(&kernel)
        .unwrap();
    let client = peer(port(&server), |stream| {
        write(&stream, b"one\ntwo");
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        text(&read_all(&stream))
    });
    run(&kernel);
    assert_eq!(client.join().unwrap(), "got it\r\n");
    assert_eq!(log.lines(), ["one", "rest: two"]);
}

// Conformance: CMP-01, WAC-03, WAC-05
#[test]
fn an_acceptor_gets_the_socket_and_may_drop_its_listener() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let log = Log::default();
    let told = log.clone();
    let server = local()
        .acceptor(move |cx, connection| -> HandlerResult {
            told.add("accepted");
            let name = connection.socket.local_address()?;
            assert_eq!(
                Some(&name),
                cx.heap.listener.as_ref().unwrap().local_address().ok().as_ref()
            );
            cx.heap.listener = None;
            let (a, b, c, d) = (told.clone(), told.clone(), told.clone(), told.clone());
            let socket = RefCell::new(Some(connection.socket));
            Session::build(None::<ReadWrite>)
                .on_start(move |cx| -> HandlerResult {
                    let wheel = ReadWrite::build(socket.take().unwrap())
                        .input_event("line")
                        .flushed_event("flushed")
                        .error_event("error")
                        .spawn(cx.kernel)?;
                    *cx.heap = Some(wheel);
                    Ok(())
                })
                .on("line", move |cx, input: Input| {
                    a.add("input");
                    cx.heap.as_ref().is_some_and(|wheel| wheel.put(input.record))
                })
                .on("flushed", move |_, _: WheelId| b.add("flushed"))
                .on("error", move |cx, error: IoError| {
                    c.add(format!("{}/{}", error.operation, error.errno()));
                    *cx.heap = None;
                })
                .on_stop(move |_| d.add("stopped"))
                .spawn(&mut *cx)?;
            Ok(())
        })
        .spawn(&kernel)
        .unwrap();
    let client_log = Log::default();
    let [a, b, c, d, e] = std::array::from_fn(|_| client_log.clone());
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port(&server))
        .pre_connect(move |_, socket| {
            a.add("pre-connect");
            socket.peer_address().is_ok().then_some(socket)
        })
        .connected(move |cx| {
            b.add("connected");
            cx.heap.server.put("quit")
        })
        .server_flushed(move |_| c.add("flushed"))
        .server_input(move |cx, _| {
            d.add("input");
            cx.yield_event(client::SHUTDOWN, ());
        })
        .disconnected(move |_| e.add("disconnected"))
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(log.lines(), ["accepted", "input", "flushed", "read/0", "stopped"]);
    let lines = client_log.lines();
    assert_eq!(lines, ["pre-connect", "connected", "flushed", "input", "disconnected"]);
}

#[test]
fn a_peer_that_does_not_read_is_not_read_from() {
    const LINES: usize = 100;
    const ANSWER: usize = 100_000;
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let log = Log::default();
    let (high, low) = (log.clone(), log.clone());
    let server = local()
        .alias("server")
        .client_state(|| false)
        .marks(1000, 10)
        .client_input(|cx, line| {
            // Many lines come at once, and yet one answer at a time.
            assert!(cx.heap.client.get_driver_out_octets() < 1000);
            assert!(!cx.heap.user, "the input is paused");
            assert!(cx.heap.client.put("x".repeat(ANSWER - 2)));
            cx.heap.client.resume_input();
            if line == "pause" {
                cx.heap.client.pause_input();
                cx.heap.user = true;
            }
        })
        .client_high(move |_| high.add("high"))
        .client_low(move |cx| {
            low.add("low");
            cx.yield_event("later", ());
        })
        .state("later", |cx, ()| {
            cx.heap.user = false;
            cx.heap.client.resume_input();
        })
        .client_disconnected(|cx| cx.post("server", server::SHUTDOWN, ()))
        .spawn(&kernel)
        .unwrap();
    let client = peer(port(&server), |mut stream| {
        write(&stream, &b"more\npause\n".repeat(LINES / 2));
        let mut answers = vec![0; LINES * ANSWER];
        stream.read_exact(&mut answers).unwrap();
    });
    run(&kernel);
    client.join().unwrap();
    assert_eq!((log.count("high"), log.count("low")), (LINES, LINES));
}

// Conformance: WAC-04
#[test]
fn what_is_put_is_queued_until_the_turn_ends() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let server = local()
        .alias("server")
        .client_input(|cx, line| cx.heap.client.put(line))
        .spawn(&kernel)
        .unwrap();
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port(&server))
        .connected(|cx| {
            cx.heap.server.put("1: this is a test");
            let wheel = cx.heap.server.wheel().unwrap();
            assert_eq!(wheel.get_driver_out_octets(), 19);
            assert_eq!(wheel.get_driver_out_messages(), 1);
            assert_eq!(cx.heap.server.id(), Some(wheel.id()));
        })
        .server_input(|cx, line| {
            assert_eq!(line, "1: this is a test");
            assert_eq!(cx.heap.server.get_driver_out_octets(), 0);
            cx.yield_event(client::SHUTDOWN, ());
        })
        .disconnected(|cx| cx.post("server", server::SHUTDOWN, ()))
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
}
