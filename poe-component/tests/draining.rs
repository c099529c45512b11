//! Connections are drained, seen off and cut.

mod common;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::{kernel, peer, port, read_all, run, text, watchdog, write};
use poe_component::prelude::*;

/// More than sockets of the loopback hold.
const MUCH: usize = 32 << 20;

#[test]
fn draining_sends_what_is_queued_and_cuts_who_does_not_read() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let ends = Rc::new(Cell::new(0));
    let told = Rc::clone(&ends);
    let time = Duration::from_millis(200);
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .drain_time(time)
        .client_filter(Stream::new())
        .client_input(|cx, request| {
            let octets = if request == "much" { MUCH } else { 5 };
            cx.heap.client.put(vec![b'x'; octets]);
            if request == "drain" {
                let _ = cx.post(cx.heap.listener(), server::DRAIN, ());
            }
        })
        .client_disconnected(move |_| told.set(told.get() + 1))
        .spawn(&kernel)
        .unwrap();
    let port = port(&server);
    let (queued, wait) = channel();
    let (release, held) = channel::<()>();
    let deaf = peer(port, move |stream| {
        write(&stream, b"much");
        let mut one = [0];
        std::io::Read::read_exact(&mut &stream, &mut one).unwrap();
        queued.send(()).unwrap();
        // Reads no more, and stays.
        let _ = held.recv();
    });
    let client = std::thread::spawn(move || {
        wait.recv().unwrap();
        peer(port, |stream| {
            write(&stream, b"drain");
            text(&read_all(&stream))
        })
        .join()
        .unwrap()
    });
    let begun = Instant::now();
    run(&kernel);
    assert!(begun.elapsed() >= time);
    assert_eq!(ends.get(), 2);
    drop(release);
    deaf.join().unwrap();
    assert_eq!(client.join().unwrap(), "xxxxx");
}

#[test]
fn draining_twice_does_not_wait() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .drain_time(Duration::from_secs(3600))
        .client_filter(Stream::new())
        .client_input(|cx, _| -> HandlerResult {
            cx.heap.client.put(vec![b'x'; MUCH]);
            cx.post(cx.heap.listener(), server::DRAIN, ())?;
            cx.post(cx.heap.listener(), server::DRAIN, ())?;
            Ok(())
        })
        .spawn(&kernel)
        .unwrap();
    let (release, held) = channel::<()>();
    let deaf = peer(port(&server), move |stream| {
        write(&stream, b"much");
        let _ = held.recv();
    });
    run(&kernel);
    drop(release);
    deaf.join().unwrap();
}

#[test]
fn draining_does_not_wait_when_nothing_is_queued() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .drain_time(Duration::from_secs(3600))
        .client_pre_connect(|cx, socket| {
            // Refused, and drained before its session has been collected.
            let _ = cx.post(cx.heap.listener(), server::DRAIN, ());
            drop(socket);
            None::<Socket>
        })
        .client_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    let client = peer(port(&server), |stream| read_all(&stream).len());
    run(&kernel);
    assert_eq!(client.join().unwrap(), 0);
}

#[test]
fn a_peer_that_is_still_sending_receives_all_that_was_sent_to_it() {
    let _watchdog = watchdog();
    let (kernel, reports) = kernel();
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .client_input(|cx, _| {
            cx.heap.client.put("bye");
            cx.yield_event(server::SHUTDOWN, ());
            cx.post(cx.heap.listener(), server::SHUTDOWN, ()).ok();
        })
        .spawn(&kernel)
        .unwrap();
    let client = peer(port(&server), |stream| {
        write(&stream, &[b"quit\n".to_vec(), vec![b'y'; 3 << 20]].concat());
        read_all(&stream)
    });
    run(&kernel);
    assert_eq!(text(&client.join().unwrap()), "bye\r\n");
    assert!(reports.lines().is_empty());
}

#[test]
fn a_peer_that_never_stops_sending_is_cut_at_last() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .drain_time(Duration::from_secs(1000))
        .client_input(|cx, _| {
            cx.yield_event(server::SHUTDOWN, ());
            // The second one does not wait for anybody.
            cx.post(cx.heap.listener(), server::DRAIN, ()).ok();
            cx.post(cx.heap.listener(), server::DRAIN, ()).ok();
        })
        .spawn(&kernel)
        .unwrap();
    let client = peer(port(&server), |mut stream| {
        while std::io::Write::write_all(&mut stream, &[b'\n'; 4096]).is_ok() {}
    });
    run(&kernel);
    drop(kernel);
    client.join().unwrap();
}

/// Sends a line and something behind it, which makes the server linger, and holds the connection until it is told.
fn sender(port: u16, line: &'static [u8], told: Receiver<()>) -> JoinHandle<Vec<u8>> {
    peer(port, move |mut stream| {
        // It may be cut before it has sent it all.
        let _ = std::io::Write::write_all(&mut stream, &[line, &vec![b'y'; 3 << 20]].concat());
        let mut got = Vec::new();
        let _ = std::io::Read::read_to_end(&mut stream, &mut got);
        let _ = told.recv();
        got
    })
}

#[test]
fn a_drained_server_lingers_no_longer_than_the_drain_time() {
    let _watchdog = watchdog();
    for lingers_before in [false, true] {
        let (kernel, _) = kernel();
        let (release, held) = channel();
        let server = server::Tcp::build()
            .address("127.0.0.1")
            .drain_time(Duration::from_millis(100))
            .client_input(move |cx, line| {
                if line == "quit" {
                    cx.heap.client.put("bye");
                    if lingers_before {
                        cx.yield_event(server::SHUTDOWN, ());
                    } else {
                        cx.post(cx.heap.listener(), server::DRAIN, ()).ok();
                    }
                }
            })
            .client_disconnected(move |cx| {
                if lingers_before {
                    cx.post(cx.heap.listener(), server::DRAIN, ()).ok();
                }
            })
            .spawn(&kernel)
            .unwrap();
        let client = sender(port(&server), b"quit\n", held);
        let begun = Instant::now();
        run(&kernel);
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
        drop(release);
        assert!(b"bye\r\n".starts_with(&client.join().unwrap()));
    }
}

#[test]
fn a_client_that_is_seen_off_leaves_its_place_to_another() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .concurrency(1)
        .client_input(|cx, line| {
            cx.heap.client.put(line.clone());
            cx.yield_event(server::SHUTDOWN, ());
            if line == "second" {
                cx.post(cx.heap.listener(), server::SHUTDOWN, ()).ok();
            }
        })
        .stopped(|cx| assert_eq!(cx.heap.connections, 0))
        .spawn(&kernel)
        .unwrap();
    let port = port(&server);
    let (release, held) = channel();
    let first = sender(port, b"first\n", held);
    let second = peer(port, move |stream| {
        // The first may come second, and is then let go.
        write(&stream, b"second\n");
        let got = text(&read_all(&stream));
        drop(release);
        got
    });
    let begun = Instant::now();
    run(&kernel);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(second.join().unwrap(), "second\r\n");
    drop(first);
}

#[test]
fn a_connection_that_is_cut_ends_at_once_and_tells_so_once() {
    let _watchdog = watchdog();
    for by_listener in [false, true] {
        let (kernel, reports) = kernel();
        let ends = Rc::new(Cell::new(0));
        let told = Rc::clone(&ends);
        let server = server::Tcp::build()
            .address("127.0.0.1")
            .drain_time(Duration::from_secs(1000))
            .client_filter(Stream::new())
            .client_input(move |cx, _| {
                cx.heap.client.put(vec![b'x'; MUCH]);
                // It waits for what is queued, until it is cut.
                cx.yield_event(server::SHUTDOWN, ());
                cx.post(cx.heap.listener(), server::SHUTDOWN, ()).ok();
                if by_listener {
                    cx.post(cx.heap.listener(), server::CUT, ()).ok();
                } else {
                    cx.yield_event(server::CUT, ());
                    cx.yield_event(server::CUT, ());
                }
            })
            .client_disconnected(move |_| told.set(told.get() + 1))
            .spawn(&kernel)
            .unwrap();
        let (release, held) = channel::<()>();
        let deaf = peer(port(&server), move |stream| {
            write(&stream, b"much");
            let _ = held.recv();
        });
        run(&kernel);
        assert_eq!(ends.get(), 1);
        assert!(reports.lines().is_empty());
        drop(release);
        deaf.join().unwrap();
    }
}

#[test]
fn a_client_that_is_cut_ends_at_once_wherever_it_is() {
    let _watchdog = watchdog();
    for place in ["started", "connected", "input", "disconnected"] {
        let (kernel, reports) = kernel();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let ends = Rc::new(Cell::new(0));
        let told = Rc::clone(&ends);
        let (release, held) = channel::<()>();
        let server = std::thread::spawn(move || {
            let stream = listener.accept().map(|(stream, _)| stream).unwrap();
            let _ = std::io::Write::write_all(&mut &stream, b"hello\n");
            // Reads nothing, and stays.
            let _ = held.recv();
        });
        let here = move |cx: &mut Cx<'_, client::Connection>, name| {
            if name == place {
                cx.heap.server.put(vec![b'x'; MUCH]);
                cx.yield_event(client::CUT, ());
            }
        };
        client::Tcp::build()
            .remote_address("127.0.0.1")
            .remote_port(port)
            .alias("client")
            .started(move |cx| {
                cx.delay(client::RECONNECT, Duration::from_secs(1000), ());
                here(cx, "started");
            })
            .connected(move |cx| here(cx, "connected"))
            .server_input(move |cx, _| {
                here(cx, "input");
                if place == "disconnected" {
                    cx.yield_event(client::SHUTDOWN, ());
                }
            })
            .disconnected(move |cx| {
                told.set(told.get() + 1);
                here(cx, "disconnected");
            })
            .spawn(&kernel)
            .unwrap();
        run(&kernel);
        assert_eq!(ends.get(), i32::from(place != "started"), "{place}");
        assert!(reports.lines().is_empty());
        drop(release);
        if place == "started" {
            // Nobody may have come.
            drop(std::net::TcpStream::connect(("127.0.0.1", port)));
        }
        server.join().unwrap();
    }
}
