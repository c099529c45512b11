//! How many clients a server has at one time.

mod common;

use std::cell::{Cell, RefCell};
use std::net::TcpStream;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use common::{Log, kernel, peer, port, read_all, read_line, run, watchdog, write};
use poe_component::prelude::*;

// Conformance: CMP-11
#[test]
fn no_more_than_the_limit_are_served_at_once_and_all_are_served() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let (now, most, served) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (came, left, peak, count) =
        (Rc::clone(&now), Rc::clone(&now), Rc::clone(&most), Rc::clone(&served));
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .alias("server")
        .concurrency(4)
        .client_connected(move |_| {
            came.set(came.get() + 1);
            peak.set(peak.get().max(came.get()));
        })
        .client_disconnected(move |_| left.set(left.get() - 1))
        .client_input(|cx, line| cx.heap.client.put(line))
        .spawn(&kernel)
        .unwrap();
    for n in 0..9 {
        let count = Rc::clone(&count);
        client::Tcp::build()
            .remote_address("127.0.0.1")
            .remote_port(port(&server))
            .connected(move |cx| cx.heap.server.put(format!("{n}")))
            .server_input(move |cx, _| {
                count.set(count.get() + 1);
                if count.get() == 9 {
                    let _ = cx.post("server", server::SHUTDOWN, ());
                }
                cx.yield_event(client::SHUTDOWN, ());
            })
            .spawn(&kernel)
            .unwrap();
    }
    run(&kernel);
    assert_eq!((now.get(), most.get(), served.get()), (0, 4, 9));
}

#[test]
fn none_means_none_until_it_is_raised_and_any_number_is_any_number() {
    let _watchdog = watchdog();
    for raised in [Some(1), None] {
        let (kernel, _) = kernel();
        let log = Log::default();
        let (a, b) = (log.clone(), log.clone());
        let server = server::Tcp::build()
            .address("127.0.0.1")
            .alias("server")
            .concurrency(0)
            .client_connected(move |cx| {
                a.add("connected");
                cx.yield_event(server::SHUTDOWN, ());
                cx.post("server", server::SHUTDOWN, ())
            })
            .client_input(|_, _| ())
            .listener_session(move |session| {
                session.on("look", move |cx, left: u32| {
                    // Turns go by, in each of which the client could have been accepted.
                    if left > 0 {
                        cx.delay_set("look", Duration::from_millis(1), left - 1);
                    } else {
                        assert_eq!(cx.heap.connections, 0);
                        b.add("raised");
                        cx.yield_event(server::SET_CONCURRENCY, raised);
                    }
                })
            })
            .spawn(&kernel)
            .unwrap();
        let client = TcpStream::connect(("127.0.0.1", port(&server))).unwrap();
        kernel.post("server", "look", 20_u32).unwrap();
        run(&kernel);
        assert_eq!(log.lines(), ["raised", "connected"]);
        assert_eq!(read_all(&client).len(), 0);
    }
}

#[test]
fn a_lowered_limit_leaves_those_in_who_are_in() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .alias("server")
        .client_input(|cx, line| -> HandlerResult {
            if line == "lower" {
                cx.call::<(), _>("server", server::SET_CONCURRENCY, Some(1))?;
            }
            if line == "end" {
                cx.post("server", server::SHUTDOWN, ())?;
            }
            cx.heap.client.put(line);
            Ok(())
        })
        .spawn(&kernel)
        .unwrap();
    let port = port(&server);
    let clients = thread::spawn(move || {
        let talk = |stream: &TcpStream, line: &str| {
            write(stream, format!("{line}\n").as_bytes());
            assert_eq!(read_line(stream), line);
        };
        let connect = || TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (one, two) = (connect(), connect());
        talk(&one, "hello");
        talk(&two, "lower");
        let three = connect();
        write(&three, b"end\n");
        talk(&one, "still");
        talk(&two, "here");
        drop(one);
        talk(&two, "still full");
        three.set_read_timeout(Some(Duration::from_millis(30))).unwrap();
        let waits = std::io::Read::read(&mut &three, &mut [0]).unwrap_err();
        assert_eq!(waits.kind(), std::io::ErrorKind::WouldBlock);
        three.set_read_timeout(Some(common::LIMIT)).unwrap();
        drop(two);
        assert_eq!(read_line(&three), "end");
    });
    run(&kernel);
    clients.join().unwrap();
}

#[test]
fn an_acceptor_counts_by_disconnected() {
    let _watchdog = watchdog();
    let (kernel, reports) = kernel();
    let open = Rc::new(RefCell::new(Vec::new()));
    let kept = Rc::clone(&open);
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .alias("server")
        .concurrency(2)
        .acceptor(move |cx, connection| {
            kept.borrow_mut().push(connection.socket);
            assert!(cx.heap.connections <= 2);
            if cx.heap.connections == 2 {
                cx.yield_event("make room", ());
            }
        })
        .listener_session(move |session| {
            let served = Cell::new(0);
            session.on("make room", move |cx, ()| {
                let closed = open.borrow_mut().drain(..).count();
                for _ in 0..closed {
                    cx.yield_event(server::DISCONNECTED, ());
                }
                served.set(served.get() + closed);
                if served.get() == 6 {
                    cx.yield_event(server::SHUTDOWN, ());
                }
            })
        })
        .spawn(&kernel)
        .unwrap();
    let port = port(&server);
    let clients = thread::spawn(move || {
        let clients: Vec<_> = (0..6).map(|_| peer(port, |stream| read_all(&stream))).collect();
        clients.into_iter().map(|client| client.join().unwrap().len()).sum::<usize>()
    });
    // One too many is reported and does no harm.
    kernel.call::<(), ()>("server", server::DISCONNECTED, ()).unwrap();
    assert_eq!(reports.lines().len(), 1);
    assert!(reports.lines()[0].contains("concurrency.rs"), "{:?}", reports.lines());
    run(&kernel);
    assert_eq!(clients.join().unwrap(), 0);
    assert_eq!(reports.lines().len(), 1);
}

#[test]
fn a_client_is_counted_down_however_its_session_ends() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let stops = Rc::new(Cell::new(0));
    let counted = Rc::clone(&stops);
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .alias("server")
        .concurrency(1)
        .client_input(|cx, line| -> HandlerResult {
            match &line[..] {
                b"killed" => cx.signal(cx.session(), "KILL", ())?,
                b"detached" => {
                    cx.detach_myself()?;
                    cx.yield_event(server::SHUTDOWN, ());
                }
                b"failed" => return Err("failed".into()),
                _ => {
                    cx.yield_event(server::SHUTDOWN, ());
                    cx.post("server", server::SHUTDOWN, ())?;
                }
            }
            Ok(())
        })
        // The program may have its own `_stop`, and keep the death of a connection to itself.
        .client_session(move |session| {
            let counted = Rc::clone(&counted);
            session.on_stop(move |_| counted.set(counted.get() + 1))
        })
        .client_connected(|cx| cx.sig("DIE", "died"))
        .state("died", |cx, _: Signal| cx.sig_handled())
        .spawn(&kernel)
        .unwrap();
    let port = port(&server);
    let clients = thread::spawn(move || {
        for line in ["killed\n", "detached\n", "failed\n", "last\n"] {
            peer(port, move |stream| {
                write(&stream, line.as_bytes());
                if line == "failed\n" {
                    // It goes on after that, until this end goes.
                    stream.shutdown(std::net::Shutdown::Write).unwrap();
                }
                let _ = std::io::Read::read_to_end(&mut &stream, &mut Vec::new());
            })
            .join()
            .unwrap();
        }
    });
    run(&kernel);
    clients.join().unwrap();
    assert_eq!(stops.get(), 4);
}
