//! Clients that connect, do not, and connect again.

mod common;

use std::cell::Cell;
use std::net::TcpListener;
use std::rc::Rc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use common::{Log, kernel, never, peer, port, read_all, run, watchdog};
use poe_component::prelude::*;

/// A port at which nobody listens.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn echo(kernel: &Kernel, alias: &str) -> server::Tcp {
    server::Tcp::build()
        .address("127.0.0.1")
        .alias(alias)
        .client_input(|cx, line| cx.heap.client.put(line))
        .spawn(kernel)
        .unwrap()
}

// Conformance: WAC-13
#[test]
fn a_refused_connection_is_an_error_and_the_end() {
    let _watchdog = watchdog();
    for handled in [true, false] {
        let (kernel, reports) = kernel();
        // Somebody else lives, so that it is not idleness that ends the client.
        let other = Session::build(())
            .on_start(|cx| cx.delay_set("end", Duration::from_secs(9), ()))
            .on("end", |_, ()| never("the client stays"))
            .on("gone", |cx, ()| {
                cx.alarm_remove_all();
            })
            .spawn(&kernel)
            .unwrap();
        let log = Log::default();
        let (a, b, c) = (log.clone(), log.clone(), log.clone());
        let mut client = client::Tcp::build()
            .remote_address("127.0.0.1")
            .remote_port(free_port())
            .alias("client")
            .connected(move |_| a.add("connected"))
            .disconnected(move |_| b.add("disconnected"))
            .server_input(|_, _| ())
            .session(move |session| {
                let other = other;
                session.on_stop(move |cx| cx.call::<(), ()>(other, "gone", ()))
            });
        if handled {
            client = client.connect_error(move |_, error| {
                c.add(format!("{} {:?}", error.operation, error.kind().unwrap()));
            });
        }
        client.spawn(&kernel).unwrap();
        let begun = Instant::now();
        run(&kernel);
        assert!(begun.elapsed() < Duration::from_secs(8), "the alias keeps no failed client");
        if handled {
            assert_eq!(log.lines(), ["connect ConnectionRefused"]);
            assert!(reports.lines().is_empty());
        } else {
            assert!(log.lines().is_empty());
            assert_eq!(reports.lines().len(), 1, "{:?}", reports.lines());
        }
    }
}

#[test]
fn a_refused_client_reconnects_after_a_delay() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let port = free_port();
    let attempts = Rc::new(Cell::new(0));
    let (refused, made) = (Rc::clone(&attempts), Rc::clone(&attempts));
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port)
        .alias("client")
        .connect_error(move |cx, _| -> HandlerResult {
            refused.set(refused.get() + 1);
            if refused.get() == 3 {
                server::Tcp::build()
                    .address("127.0.0.1")
                    .port(port)
                    .alias("server")
                    .client_input(|_, _| ())
                    .spawn(&mut *cx)?;
            }
            cx.delay(client::RECONNECT, Duration::from_millis(5), ());
            Ok(())
        })
        .connected(move |cx| {
            assert_eq!(made.get(), 3);
            made.set(100);
            assert_eq!(cx.kernel.alias_resolve("client"), Some(cx.session()));
            cx.yield_event(client::SHUTDOWN, ());
        })
        .disconnected(|cx| cx.post("server", server::SHUTDOWN, ()))
        .server_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(attempts.get(), 100);
}

/// A port whose queue is full, so that nobody who connects is answered; and what keeps it so.
fn full_port() -> (u16, Vec<socket2::Socket>) {
    let new = || socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let listener = new();
    listener.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let port = address.as_socket().unwrap().port();
    let mut sockets = vec![listener];
    for _ in 0..4 {
        let socket = new();
        socket.set_nonblocking(true).unwrap();
        let _ = socket.connect(&address);
        sockets.push(socket);
    }
    (port, sockets)
}

#[test]
fn connecting_times_out_to_the_millisecond() {
    let _watchdog = watchdog();
    let (port, _full) = full_port();
    let (kernel, _) = kernel();
    let timeout = Duration::from_millis(150);
    let begun = Rc::new(Cell::new(Instant::now()));
    let (start, log) = (Rc::clone(&begun), Log::default());
    let told = log.clone();
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port)
        .connect_timeout(timeout)
        .started(move |_| start.set(Instant::now()))
        .connect_error(move |_, error| {
            let took = begun.get().elapsed();
            // What is due is never early; how late it may be is up to the machine.
            assert!(took >= timeout, "{took:?}");
            told.add(format!("{} {:?}", error.operation, error.kind().unwrap()));
        })
        .server_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(log.lines(), ["connect TimedOut"]);
}

#[test]
fn connecting_times_out_exactly_on_a_clock_that_jumps() {
    let _watchdog = watchdog();
    let (port, _full) = full_port();
    let kernel = common::timeless();
    let log = Log::default();
    let told = log.clone();
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port)
        .connect_timeout(Duration::from_millis(1234))
        .connect_error(move |cx, _| told.add(format!("{:?}", cx.kernel.time())))
        .server_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(log.lines(), [format!("{:?}", UNIX_EPOCH + Duration::from_millis(1234))]);
}

#[test]
fn a_shutdown_or_a_new_address_ends_the_attempt_that_is_on() {
    let _watchdog = watchdog();
    let (port, _full) = full_port();
    let (kernel, _) = kernel();
    let begun = Instant::now();
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port)
        .alias("client")
        .connect_timeout(Duration::from_secs(3600))
        .connect_error(|_, _| never("nobody waits for it any more"))
        .started(|cx| cx.delay_set("soon", Duration::from_millis(5), ()))
        .state("soon", |cx, ()| cx.yield_event(client::SHUTDOWN, ()))
        .server_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    let server = echo(&kernel, "server");
    let remote = client::Remote::new("127.0.0.1", common::port(&server));
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port)
        .connect_timeout(Duration::from_secs(3600))
        .connect_error(|_, _| never("nobody waits for it any more"))
        .started(|cx| cx.delay_set("soon", Duration::from_millis(5), ()))
        .state("soon", move |cx, ()| cx.yield_event(client::CONNECT, remote.clone()))
        .connected(|cx| cx.heap.server.put("hello"))
        .server_input(|cx, _| cx.yield_event(client::SHUTDOWN, ()))
        .disconnected(|cx| cx.post("server", server::SHUTDOWN, ()))
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert!(begun.elapsed() < common::LIMIT);
}

#[test]
fn a_connection_that_is_replaced_is_told_once_and_its_output_dropped() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let log = Log::default();
    let first = {
        let log = log.clone();
        server::Tcp::build()
            .address("127.0.0.1")
            .alias("first")
            .client_input(|_, _| ())
            .client_disconnected(move |cx| {
                log.add("first lost its client");
                cx.post("first", server::SHUTDOWN, ())
            })
            .spawn(&kernel)
            .unwrap()
    };
    let second = echo(&kernel, "second");
    let remote = client::Remote { port: Some(port(&second).into()), ..Default::default() };
    let (a, b) = (log.clone(), log.clone());
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port(&first))
        .alias("client")
        .client_state_and_log(a, remote)
        .server_input(|cx, line| {
            assert_eq!(line, "hello");
            cx.yield_event(client::SHUTDOWN, ());
        })
        .disconnected(move |cx| {
            b.add("disconnected");
            // Those who always come back must not tear down what has been connected meanwhile.
            if cx.heap.user == 1 {
                cx.delay(client::RECONNECT, Duration::from_millis(1), ());
            } else {
                let _ = cx.post("second", server::SHUTDOWN, ());
            }
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(log.count("connected"), 2);
    assert_eq!(log.count("disconnected"), 2);
    assert_eq!(log.count("first lost its client"), 1);
}

/// Keeps the test above on one screen.
trait Replaced {
    fn client_state_and_log(
        self,
        log: Log,
        remote: client::Remote,
    ) -> client::TcpBuilder<u32, bytes::Bytes, bytes::Bytes, client::Callbacks>;
}

impl Replaced for client::TcpBuilder<()> {
    fn client_state_and_log(
        self,
        log: Log,
        remote: client::Remote,
    ) -> client::TcpBuilder<u32, bytes::Bytes, bytes::Bytes, client::Callbacks> {
        self.client_state(0_u32)
            .connected(move |cx| {
                log.add("connected");
                cx.heap.user += 1;
                if cx.heap.user == 1 {
                    cx.heap.server.put("lost");
                    cx.yield_event(client::CONNECT, remote.clone());
                } else {
                    cx.heap.server.put("hello");
                    // Longer than the delayed reconnection would have taken.
                    cx.heap.server.pause_input();
                    cx.delay_set("listen", Duration::from_millis(30), ());
                }
            })
            .state("listen", |cx, ()| cx.heap.server.resume_input())
    }
}

#[test]
fn a_thousand_reconnections_from_disconnected() {
    let _watchdog = watchdog();
    for by_call in [true, false] {
        let (kernel, _) = kernel();
        let server = server::Tcp::build()
            .address("127.0.0.1")
            .alias("server")
            .client_connected(|cx| cx.yield_event(server::SHUTDOWN, ()))
            .client_input(|_, _| ())
            .spawn(&kernel)
            .unwrap();
        let (count, log) = (Rc::new(Cell::new(0)), Log::default());
        let counted = Rc::clone(&count);
        client::Tcp::build()
            .remote_address("127.0.0.1")
            .remote_port(port(&server))
            .alias("client")
            .disconnected(move |cx| -> HandlerResult {
                counted.set(counted.get() + 1);
                match counted.get() {
                    1 | 999 => log.add(format!("{}", descriptors())),
                    1000 => {
                        let lines = log.lines();
                        let at = |n: usize| lines[n].parse::<usize>().unwrap();
                        // Other tests of this process have theirs, and come and go.
                        assert!(at(1) < at(0) + 100, "{lines:?}");
                        cx.post("server", server::SHUTDOWN, ())?;
                        return Ok(());
                    }
                    _ => {}
                }
                assert!(cx.kernel.session_count() <= 10);
                if by_call {
                    cx.call::<(), ()>(cx.session(), client::RECONNECT, ())?;
                    assert_eq!(cx.kernel.alias_resolve("client"), Some(cx.session()));
                } else {
                    cx.yield_event(client::RECONNECT, ());
                }
                Ok(())
            })
            .server_input(|_, _| ())
            .spawn(&kernel)
            .unwrap();
        run(&kernel);
        assert_eq!(count.get(), 1000);
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

#[test]
fn a_reconnection_asked_for_by_the_error_callback_stands() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        drop(listener.accept().unwrap());
        read_all(&listener.accept().unwrap().0)
    });
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port)
        .client_state(0_u32)
        .connected(|cx| {
            cx.heap.user += 1;
            if cx.heap.user == 2 {
                cx.heap.server.put("again");
                cx.yield_event(client::SHUTDOWN, ());
            }
        })
        .server_error(|cx, error| {
            assert!(error.is_eof());
            cx.yield_event(client::RECONNECT, ());
        })
        .server_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(server.join().unwrap(), b"again\r\n");
}

#[test]
fn an_error_of_one_connection_is_forgotten_by_the_next() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let first = listener.accept().unwrap().0;
        common::read_line(&first);
        let first = socket2::Socket::from(first);
        first.set_linger(Some(Duration::ZERO)).unwrap();
        drop(first);
        read_all(&listener.accept().unwrap().0)
    });
    let errors = Rc::new(Cell::new(0));
    let counted = Rc::clone(&errors);
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port)
        .client_state(0_u32)
        .connected(move |cx| {
            cx.heap.user += 1;
            assert!(!cx.heap.got_an_error);
            cx.heap.server.put("goodbye");
            if cx.heap.user == 2 {
                cx.yield_event(client::SHUTDOWN, ());
            }
        })
        .server_error(move |cx, error| {
            assert_eq!(error.kind(), Some(std::io::ErrorKind::ConnectionReset));
            assert!(cx.heap.got_an_error);
            counted.set(counted.get() + 1);
        })
        .disconnected(|cx| {
            if cx.heap.user == 1 {
                cx.yield_event(client::RECONNECT, ());
            }
        })
        .server_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(errors.get(), 1);
    assert_eq!(server.join().unwrap(), b"goodbye\r\n");
}

#[test]
fn a_shutdown_calls_off_a_reconnection_that_was_put_off() {
    let _watchdog = watchdog();
    let kernel = common::timeless();
    let attempts = Rc::new(Cell::new(0));
    let counted = Rc::clone(&attempts);
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(free_port())
        .connect_error(move |cx, _| {
            counted.set(counted.get() + 1);
            cx.delay(client::RECONNECT, Duration::from_secs(60), ());
            cx.delay_set("enough", Duration::from_secs(1), ());
        })
        .state("enough", |cx, ()| cx.yield_event(client::SHUTDOWN, ()))
        .server_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(attempts.get(), 1);
}

#[test]
fn a_client_that_refuses_in_pre_connect_closes_and_ends() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || read_all(&listener.accept().unwrap().0).len());
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port)
        .alias("client")
        .pre_connect(|cx, socket| -> Result<Socket, std::io::Error> {
            assert!(!cx.heap.connected && !cx.heap.server.is_connected());
            socket.set_nodelay(true)?;
            drop(socket);
            Err(std::io::ErrorKind::PermissionDenied.into())
        })
        .connected(|_| never("it was refused"))
        .disconnected(|_| never("it was never connected"))
        .server_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(server.join().unwrap(), 0);
}

#[test]
fn a_server_that_refuses_in_pre_connect_closes_and_goes_on() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let count = Rc::new(Cell::new(0));
    let counted = Rc::clone(&count);
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .concurrency(1)
        .client_pre_connect(move |_, socket| {
            counted.set(counted.get() + 1);
            (counted.get() > 2).then_some(socket)
        })
        .client_connected(|cx| {
            let _ = cx.post(cx.heap.listener(), server::SHUTDOWN, ());
            cx.yield_event(server::SHUTDOWN, ());
            cx.heap.client.put("welcome")
        })
        .client_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    let port = port(&server);
    let clients = std::thread::spawn(move || {
        let get = || peer(port, |stream| read_all(&stream)).join().unwrap();
        [get(), get(), get()].map(|bytes| bytes.len())
    });
    run(&kernel);
    assert_eq!(clients.join().unwrap(), [0, 0, 9]);
}
