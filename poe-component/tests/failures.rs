//! Callbacks that fail, peers that fail, and what the others notice of it.

mod common;

use std::cell::Cell;
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use common::{Log, kernel, peer, port, read_line, run, text, watchdog, write};
use poe_component::prelude::*;

#[derive(Clone, Copy, PartialEq)]
enum How {
    Error,
    Panic,
}

fn fail(how: How) -> HandlerResult {
    match how {
        How::Error => Err("it failed".into()),
        How::Panic => panic!("it failed"),
    }
}

const PLACES: [&str; 6] = ["pre_connect", "connected", "input", "flushed", "error", "disconnected"];

/// A server whose callback at one place fails.
fn failing(
    kernel: &Kernel,
    place: &'static str,
    how: How,
    ends: &Rc<Cell<u32>>,
    is_handled: bool,
) -> server::Tcp {
    let told = Rc::clone(ends);
    let here = move |name: &str| if name == place { fail(how) } else { Ok(()) };
    server::Tcp::build()
        .address("127.0.0.1")
        .alias("server")
        .client_pre_connect(move |cx, socket| {
            if is_handled {
                cx.sig("DIE", "died").unwrap();
            }
            // What this returns is an answer, no failure.
            if place == "pre_connect" && how == How::Panic {
                panic!("it failed");
            }
            here("pre_connect").map(|()| socket)
        })
        .state("died", |cx, _: Signal| cx.sig_handled())
        .client_connected(move |_| here("connected"))
        .client_input(move |cx, line| {
            cx.heap.client.put(line);
            here("input")
        })
        .client_flushed(move |_| here("flushed"))
        .client_error(move |_, _| here("error"))
        .client_disconnected(move |_| {
            told.set(told.get() + 1);
            here("disconnected")
        })
        .spawn(kernel)
        .unwrap()
}

fn say_hello(stream: &std::net::TcpStream) -> Vec<u8> {
    let _ = std::io::Write::write_all(&mut &*stream, b"hello\n");
    let _ = stream.shutdown(Shutdown::Write);
    let mut got = Vec::new();
    let _ = std::io::Read::read_to_end(&mut &*stream, &mut got);
    got
}

#[test]
fn a_failure_that_nobody_handles_ends_the_run_with_it() {
    let _watchdog = watchdog();
    for place in PLACES {
        for how in [How::Error, How::Panic] {
            if place == "pre_connect" && how == How::Error {
                continue;
            }
            let (kernel, _) = kernel();
            let server = failing(&kernel, place, how, &Rc::default(), false);
            let client = peer(port(&server), |stream| say_hello(&stream));
            let result = catch_unwind(AssertUnwindSafe(|| kernel.run()));
            match how {
                How::Error => assert!(matches!(result, Ok(Err(KernelError::Died(_)))), "{place}"),
                How::Panic => assert!(result.is_err(), "{place}"),
            }
            assert_eq!(kernel.session_count(), 0, "{place}");
            drop(kernel);
            client.join().unwrap();
        }
    }
}

#[test]
fn a_failure_that_is_handled_leaves_the_connection_and_the_server_sound() {
    let _watchdog = watchdog();
    for place in PLACES {
        for how in [How::Error, How::Panic] {
            let (kernel, reports) = kernel();
            let ends = Rc::new(Cell::new(0));
            let server = failing(&kernel, place, how, &ends, true);
            let port = port(&server);
            let client = std::thread::spawn(move || {
                let talk = || peer(port, |stream| say_hello(&stream)).join().unwrap();
                [talk(), talk()]
            });
            let seen = Rc::clone(&ends);
            let is_refused = place == "pre_connect";
            Session::build(())
                .on_start(|cx| cx.yield_event("wait", ()))
                .on("wait", move |cx, ()| {
                    let refusals_over = is_refused && client.is_finished();
                    if seen.get() == 2 || refusals_over {
                        let _ = cx.post("server", server::SHUTDOWN, ());
                    } else {
                        cx.delay_set("wait", Duration::from_millis(1), ());
                    }
                })
                .spawn(&kernel)
                .unwrap();
            run(&kernel);
            assert_eq!(ends.get(), if is_refused { 0 } else { 2 }, "{place}");
            assert!(reports.lines().is_empty(), "{place}: {:?}", reports.lines());
        }
    }
}

#[test]
fn the_listener_may_keep_the_deaths_of_its_connections_to_itself() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let log = Log::default();
    let (a, b) = (log.clone(), log.clone());
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .alias("server")
        .started(|cx| cx.sig("DIE", "died"))
        .listener_session(move |session| {
            session.on("died", move |cx, signal: Signal| {
                a.add("died");
                cx.sig_handled();
                assert_eq!(signal.name, "DIE");
            })
        })
        .client_input(move |cx, line| -> HandlerResult {
            cx.heap.client.put(&line[..]);
            match &line[..] {
                b"fail" => Err("as asked".into()),
                b"end" => Ok(cx.post("server", server::DRAIN, ())?),
                _ => Ok(()),
            }
        })
        .client_disconnected(move |_| b.add("disconnected"))
        .spawn(&kernel)
        .unwrap();
    let port = port(&server);
    let clients = std::thread::spawn(move || {
        let bystander = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        write(&bystander, b"hello\n");
        assert_eq!(read_line(&bystander), "hello");
        peer(port, |stream| {
            write(&stream, b"fail\nagain\n");
            assert_eq!((read_line(&stream), read_line(&stream)), ("fail".into(), "again".into()));
        })
        .join()
        .unwrap();
        write(&bystander, b"end\n");
        assert_eq!(read_line(&bystander), "end");
    });
    run(&kernel);
    clients.join().unwrap();
    assert_eq!(log.lines(), ["died", "disconnected", "disconnected"]);
}

#[test]
fn a_reset_is_told_as_what_it_is_and_by_default_not_at_all() {
    let _watchdog = watchdog();
    for handled in [true, false] {
        let (kernel, reports) = kernel();
        let log = Log::default();
        let (a, b) = (log.clone(), log.clone());
        let mut server = server::Tcp::build()
            .address("127.0.0.1")
            .client_input(|cx, line| cx.heap.client.put(line))
            .client_disconnected(move |cx| {
                a.add("disconnected");
                assert!(cx.heap.got_an_error);
                cx.post(cx.heap.listener(), server::SHUTDOWN, ())
            });
        if handled {
            server = server.client_error(move |cx, error| {
                b.add(format!("{} {:?}", error.operation, error.kind().unwrap()));
                assert!(cx.heap.got_an_error);
            });
        }
        let server = server.spawn(&kernel).unwrap();
        let client = peer(port(&server), |stream| {
            write(&stream, b"hello\n");
            read_line(&stream);
            let socket = socket2::Socket::from(stream);
            socket.set_linger(Some(Duration::ZERO)).unwrap();
        });
        run(&kernel);
        client.join().unwrap();
        let told: &[&str] =
            if handled { &["read ConnectionReset", "disconnected"] } else { &["disconnected"] };
        assert_eq!(log.lines(), told);
        assert!(reports.lines().is_empty());
    }
}

#[test]
fn strangers_do_not_fill_the_diagnostics() {
    let _watchdog = watchdog();
    let (kernel, reports) = kernel();
    let ends = Rc::new(Cell::new(0));
    let told = Rc::clone(&ends);
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .client_filter(Line::builder().max_length(10).build().unwrap())
        .client_input(|_, _| ())
        .client_disconnected(move |cx| {
            told.set(told.get() + 1);
            if told.get() == 25 {
                let _ = cx.post(cx.heap.listener(), server::SHUTDOWN, ());
            }
        })
        .spawn(&kernel)
        .unwrap();
    let stranger = || {
        peer(port(&server), |stream| {
            write(&stream, b"this is too long a line\n");
            let mut got = Vec::new();
            let _ = std::io::Read::read_to_end(&mut &stream, &mut got);
        })
    };
    let clients: Vec<_> = std::iter::repeat_with(stranger).take(25).collect();
    run(&kernel);
    clients.into_iter().for_each(|client| client.join().unwrap());
    let lines = reports.lines();
    assert_eq!(lines.len(), 10, "{lines:?}");
    assert!(lines.iter().all(|line| line.contains("got filter: ")), "{lines:?}");
    assert!(lines[9].ends_with("(for a minute, more of these are only counted)"), "{lines:?}");
}

#[test]
fn with_shutdown_on_error_off_the_program_decides() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .client_shutdown_on_error(false)
        .client_input(|cx, line| cx.heap.client.put(line))
        .client_error(|cx, error| {
            assert!(error.is_eof() && !cx.heap.shutdown_on_error);
            cx.delay_set("later", Duration::from_millis(5), ());
        })
        .state("later", |cx, ()| {
            assert!(cx.heap.client.is_connected());
            cx.heap.client.put("one last thing");
            cx.yield_event(server::SHUTDOWN, ());
            cx.post(cx.heap.listener(), server::SHUTDOWN, ())
        })
        .spawn(&kernel)
        .unwrap();
    let client = peer(port(&server), |stream| text(&say_hello(&stream)));
    run(&kernel);
    assert_eq!(client.join().unwrap(), "hello\r\none last thing\r\n");
}

#[test]
fn what_is_refused_while_output_drains_does_not_cut_it() {
    let _watchdog = watchdog();
    let (kernel, reports) = kernel();
    // More than sockets of the loopback hold.
    let octets = 32 << 20;
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .client_filter(Line::builder().max_length(10).build().unwrap())
        .client_input(move |cx, _| {
            let long = vec![b'x'; octets];
            cx.heap.client.put(long);
            cx.yield_event(server::SHUTDOWN, ());
            cx.post(cx.heap.listener(), server::SHUTDOWN, ())
        })
        .client_error(|_, error| assert!(error.is_eof(), "{error}"))
        .spawn(&kernel)
        .unwrap();
    let client = peer(port(&server), |stream| {
        write(&stream, b"send\n");
        let mut one = [0];
        std::io::Read::read_exact(&mut &stream, &mut one).unwrap();
        write(&stream, b"this is longer than lines may be\n");
        stream.shutdown(Shutdown::Write).unwrap();
        common::read_all(&stream).len() + 1
    });
    run(&kernel);
    assert_eq!(client.join().unwrap(), octets + 2);
    assert!(reports.lines().is_empty());
}
