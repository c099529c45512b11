//! Connections end: nothing queued is lost, nothing comes after the end, and the end is told once.

mod common;

use std::cell::Cell;
use std::net::Shutdown;
use std::rc::Rc;

use common::{Log, kernel, peer, port, read_all, read_line, run, text, watchdog, write};
use poe_component::prelude::*;

/// More than sockets of the loopback hold.
const MUCH: usize = 32 << 20;

#[test]
fn what_is_queued_is_sent_after_the_peer_has_closed_its_half() {
    let _watchdog = watchdog();
    let (kernel, reports) = kernel();
    let ends = Rc::new(Cell::new(0));
    let told = Rc::clone(&ends);
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .client_filter(Stream::new())
        .client_input(|cx, _| cx.heap.client.put(vec![b'x'; MUCH]))
        .client_disconnected(move |cx| {
            told.set(told.get() + 1);
            cx.post(cx.heap.listener(), server::SHUTDOWN, ())
        })
        .spawn(&kernel)
        .unwrap();
    let client = peer(port(&server), |stream| {
        write(&stream, b"send");
        stream.shutdown(Shutdown::Write).unwrap();
        read_all(&stream).len()
    });
    run(&kernel);
    assert_eq!(client.join().unwrap(), MUCH);
    assert_eq!(ends.get(), 1);
    assert!(reports.lines().is_empty());
}

#[test]
fn what_a_client_has_queued_is_sent_before_it_shuts_down() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || read_all(&listener.accept().unwrap().0).len());
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port)
        .filter(Stream::new())
        .connected(|cx| {
            cx.heap.server.put(vec![b'x'; MUCH]);
            cx.yield_event(client::SHUTDOWN, ());
        })
        .server_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(server.join().unwrap(), MUCH);
}

#[test]
fn no_record_comes_once_the_connection_is_shut_down() {
    let _watchdog = watchdog();
    for by_call in [true, false] {
        let (kernel, _) = kernel();
        let log = Log::default();
        let (a, b, c) = (log.clone(), log.clone(), log.clone());
        let server = server::Tcp::build()
            .address("127.0.0.1")
            .client_input(move |cx, line| -> HandlerResult {
                a.add(text(&line));
                if line == "2" {
                    if by_call {
                        cx.call::<(), ()>(cx.session(), server::SHUTDOWN, ())?;
                    } else {
                        cx.yield_event(server::SHUTDOWN, ());
                        cx.heap.client.put("bye");
                    }
                }
                Ok(())
            })
            .client_partial(move |_, rest| b.add(text(&rest)))
            .client_disconnected(move |cx| {
                c.add("end");
                cx.post(cx.heap.listener(), server::SHUTDOWN, ())
            })
            .spawn(&kernel)
            .unwrap();
        let client = peer(port(&server), |stream| {
            write(&stream, b"1\n2\n3\n4\nrest");
            stream.shutdown(Shutdown::Write).unwrap();
            let mut got = Vec::new();
            // What is closed with input unread is reset, and this end may see that instead of the end.
            let _ = std::io::Read::read_to_end(&mut &stream, &mut got);
        });
        run(&kernel);
        client.join().unwrap();
        if by_call {
            assert_eq!(log.lines(), ["1", "2", "end"]);
        } else {
            // Those of the same read come before the event does, as in POE.
            assert!(log.has_in_order(&["1", "2", "end"]));
            assert_eq!(log.lines().last().unwrap(), "end");
        }
    }
}

#[test]
fn a_shutdown_inside_any_callback_ends_the_connection_once() {
    let _watchdog = watchdog();
    for place in ["connected", "input", "flushed", "error", "disconnected"] {
        for by_call in [true, false] {
            let (kernel, reports) = kernel();
            let ends = Rc::new(Cell::new(0));
            let told = Rc::clone(&ends);
            let here = move |cx: &mut Cx<'_, server::Connection>, name: &str| {
                if name == place {
                    if by_call {
                        cx.call::<(), ()>(cx.session(), server::SHUTDOWN, ()).unwrap();
                    } else {
                        cx.yield_event(server::SHUTDOWN, ());
                    }
                }
            };
            let server = server::Tcp::build()
                .address("127.0.0.1")
                .client_connected(move |cx| here(cx, "connected"))
                .client_input(move |cx, line| {
                    cx.heap.client.put(line);
                    here(cx, "input");
                })
                .client_flushed(move |cx| here(cx, "flushed"))
                .client_error(move |cx, _| here(cx, "error"))
                .client_disconnected(move |cx| {
                    told.set(told.get() + 1);
                    cx.post(cx.heap.listener(), server::SHUTDOWN, ()).unwrap();
                    here(cx, "disconnected");
                })
                .spawn(&kernel)
                .unwrap();
            let client = peer(port(&server), |stream| {
                let _ = std::io::Write::write_all(&mut &stream, b"hello\n");
                let _ = stream.shutdown(Shutdown::Write);
                let mut got = Vec::new();
                let _ = std::io::Read::read_to_end(&mut &stream, &mut got);
                got
            });
            run(&kernel);
            let got = client.join().unwrap();
            if place != "connected" {
                assert_eq!(text(&got), "hello\r\n", "{place} {by_call}");
            }
            assert_eq!(ends.get(), 1, "{place} {by_call}");
            assert!(reports.lines().is_empty());
        }
    }
}

#[test]
fn a_client_shut_down_inside_any_callback_ends_once() {
    let _watchdog = watchdog();
    for place in ["started", "connected", "input", "flushed", "error", "disconnected"] {
        for by_call in [true, false] {
            let (kernel, _) = kernel();
            let server = server::Tcp::build()
                .address("127.0.0.1")
                .alias("server")
                .client_input(|cx, line| {
                    cx.heap.client.put(line);
                    cx.yield_event(server::SHUTDOWN, ());
                })
                .spawn(&kernel)
                .unwrap();
            let ends = Rc::new(Cell::new(0));
            let (told, begun) = (Rc::clone(&ends), Rc::new(Cell::new(0)));
            let counted = Rc::clone(&begun);
            let here = move |cx: &mut Cx<'_, client::Connection>, name: &str| {
                if name == place {
                    if by_call {
                        cx.call::<(), ()>(cx.session(), client::SHUTDOWN, ()).unwrap();
                    } else {
                        cx.yield_event(client::SHUTDOWN, ());
                    }
                }
            };
            client::Tcp::build()
                .remote_address("127.0.0.1")
                .remote_port(port(&server))
                .alias("client")
                .started(move |cx| here(cx, "started"))
                .connected(move |cx| {
                    counted.set(counted.get() + 1);
                    cx.heap.server.put("hello");
                    here(cx, "connected");
                })
                .server_input(move |cx, _| here(cx, "input"))
                .server_flushed(move |cx| here(cx, "flushed"))
                .server_error(move |cx, _| here(cx, "error"))
                .disconnected(move |cx| {
                    told.set(told.get() + 1);
                    here(cx, "disconnected");
                })
                .session(|session| {
                    session.on_stop(|cx| cx.call::<(), ()>("server", server::SHUTDOWN, ()))
                })
                .spawn(&kernel)
                .unwrap();
            run(&kernel);
            assert_eq!(ends.get(), begun.get(), "{place} {by_call}");
            assert_eq!(begun.get(), i32::from(place != "started"), "{place} {by_call}");
        }
    }
}

#[test]
fn what_is_put_after_the_shutdown_and_before_the_flush_is_sent() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .client_connected(|cx| -> HandlerResult {
            cx.heap.client.put("one");
            cx.call::<(), ()>(cx.session(), server::SHUTDOWN, ())?;
            cx.heap.client.put("two");
            cx.post(cx.heap.listener(), server::SHUTDOWN, ())?;
            Ok(())
        })
        .client_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    let client = peer(port(&server), |stream| text(&read_all(&stream)));
    run(&kernel);
    assert_eq!(client.join().unwrap(), "one\r\ntwo\r\n");
}

#[test]
fn a_server_that_streams_by_flushed_ends_when_it_is_shut_down() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .client_connected(|cx| cx.heap.client.put("begin"))
        .client_flushed(|cx| cx.heap.client.put("more"))
        .client_input(|cx, _| {
            let _ = cx.post(cx.heap.listener(), server::SHUTDOWN, ());
            cx.yield_event(server::SHUTDOWN, ());
        })
        .spawn(&kernel)
        .unwrap();
    let client = peer(port(&server), |stream| {
        read_line(&stream);
        write(&stream, b"enough\n");
        read_all(&stream);
    });
    run(&kernel);
    client.join().unwrap();
}

#[test]
fn a_record_over_the_limit_is_answered_before_the_connection_ends() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .client_filter(Line::builder().max_length(10).build().unwrap())
        .client_input(|_, _| ())
        .client_error(|cx, error| {
            assert_eq!(error.operation, "filter");
            assert!(!cx.heap.got_an_error, "the connection is sound");
            let _ = cx.post(cx.heap.listener(), server::SHUTDOWN, ());
            cx.heap.client.put("line too long")
        })
        .spawn(&kernel)
        .unwrap();
    let client = peer(port(&server), |stream| {
        write(&stream, b"0123456789abcdef\n");
        read_line(&stream)
    });
    run(&kernel);
    assert_eq!(client.join().unwrap(), "line too long");
}

#[test]
fn input_that_the_filter_cannot_go_on_after_is_answered_though_the_peer_goes_on_sending() {
    let _watchdog = watchdog();
    let (kernel, reports) = kernel();
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .client_input_filter(Block::new())
        .client_input(|_, _| ())
        .client_error(|cx, error| {
            assert!(error.operation == "filter" && !error.is_recoverable());
            let _ = cx.post(cx.heap.listener(), server::SHUTDOWN, ());
            cx.heap.client.put("that is too much")
        })
        .spawn(&kernel)
        .unwrap();
    let client = peer(port(&server), |stream| {
        // No length of a block.
        write(&stream, &vec![b'9'; 4 << 20]);
        text(&read_all(&stream))
    });
    run(&kernel);
    assert_eq!(client.join().unwrap(), "that is too much\r\n");
    assert!(reports.lines().is_empty());
}

#[test]
fn a_listener_that_is_shut_down_leaves_its_connections_alone() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let log = Log::default();
    let (a, b) = (log.clone(), log.clone());
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .alias("server")
        .stopped(move |cx| {
            assert_eq!(cx.heap.connections, 0);
            a.add("stopped");
        })
        .client_input(move |cx, line| -> HandlerResult {
            if line == "close the door" {
                cx.call::<(), ()>("server", server::SHUTDOWN, ())?;
                assert_eq!(cx.kernel.alias_resolve("server"), None);
            }
            cx.heap.client.put(line);
            Ok(())
        })
        .client_disconnected(move |_| b.add("disconnected"))
        .spawn(&kernel)
        .unwrap();
    let port = port(&server);
    let client = peer(port, move |stream| {
        write(&stream, b"close the door\n");
        assert_eq!(read_line(&stream), "close the door");
        write(&stream, b"still there?\n");
        assert_eq!(read_line(&stream), "still there?");
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "the port is free");
    });
    run(&kernel);
    client.join().unwrap();
    assert_eq!(log.lines(), ["disconnected", "stopped"]);
}

#[test]
fn the_same_port_serves_again_after_a_shutdown() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let first = server::Tcp::build()
        .address("127.0.0.1")
        .alias("server")
        .client_input(|cx, line| cx.heap.client.put(line))
        .spawn(&kernel)
        .unwrap();
    let port = port(&first);
    kernel.post("server", server::SHUTDOWN, ()).unwrap();
    run(&kernel);
    let second = server::Tcp::build()
        .address("127.0.0.1")
        .port(port)
        .alias("server")
        .client_input(|cx, line| {
            cx.heap.client.put(line);
            let _ = cx.post("server", server::SHUTDOWN, ());
        })
        .spawn(&kernel)
        .unwrap();
    assert_eq!(second.local_address(), first.local_address());
    let client = peer(port, |stream| {
        write(&stream, b"hello\n");
        read_line(&stream)
    });
    run(&kernel);
    assert_eq!(client.join().unwrap(), "hello");
}

#[test]
fn a_server_can_follow_another_in_one_handler() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let first = server::Tcp::build()
        .address("127.0.0.1")
        .alias("server")
        .client_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    let port = port(&first);
    Session::build(())
        .on_start(move |cx| -> HandlerResult {
            cx.call::<(), ()>("server", server::SHUTDOWN, ())?;
            server::Tcp::build()
                .address("127.0.0.1")
                .port(port)
                .alias("server")
                .client_input(|_, _| ())
                .spawn(&mut *cx)?;
            cx.post("server", server::SHUTDOWN, ())?;
            Ok(())
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
}
