//! Listening: TCP and UNIX sockets, their addresses, clients that come and wait.

mod common;

use std::cell::{Cell, RefCell};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv6Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use common::sockets::{Event, factory, port, spawn};
use common::{Log, kernel, once, run};
use nix::errno::Errno;
use poe_session::prelude::*;
use poe_wheel::{
    Address, Connection, Domain, Input, IoError, ListenAccept, ReadWrite, Socket, SocketFactory,
    SocketFactoryBuilder, SocketType, WheelError, WheelId,
};

/// What spawning a wheel says in a session.
fn spawn_error(builder: &SocketFactoryBuilder) -> Option<WheelError> {
    let kernel = kernel();
    let error: Rc<RefCell<Option<WheelError>>> = Rc::default();
    let (e, builder) = (error.clone(), builder.clone());
    Session::build(())
        .on_start(move |cx| *e.borrow_mut() = builder.clone().spawn(cx.kernel).err())
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    error.take()
}

/// A path in a folder of its own, which is removed at the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("poe-wheel-{}-{name}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.join("socket")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

// Conformance: WAC-09
#[test]
fn a_tcp_client_comes_with_its_address_and_port() {
    let kernel = kernel();
    let client = Rc::new(RefCell::new(None::<TcpStream>));
    spawn(&kernel, factory().bind_address("127.0.0.1"), move |cx, event| match event {
        Event::Start => {
            let connected = TcpStream::connect(("127.0.0.1", port(cx))).unwrap();
            *client.borrow_mut() = Some(connected);
        }
        Event::Success(connection) => {
            let client = client.take().unwrap().local_addr().unwrap();
            assert_eq!(connection.peer, Address::Ip(client));
            assert_eq!(connection.peer.ip(), Some(client.ip()));
            assert_eq!(connection.peer.port(), Some(client.port()));
            assert_eq!(connection.socket.peer_address().unwrap(), connection.peer);
            assert_eq!(connection.socket.local_address().unwrap().port(), Some(port(cx)));
            connection.socket.set_nodelay(true).unwrap();
            connection.socket.set_keepalive(true).unwrap();
            *cx.heap = None;
        }
        other => panic!("{other:?}"),
    });
    run(&kernel);
}

#[test]
fn an_ipv6_client_comes_to_an_address_or_a_domain() {
    let any = factory().socket_domain(Domain::Inet6);
    for builder in [factory().bind_address("::1"), factory().bind_address("[::1]"), any] {
        let kernel = kernel();
        let client = RefCell::new(None::<TcpStream>);
        spawn(&kernel, builder, move |cx, event| match event {
            Event::Start => {
                let connected = TcpStream::connect((Ipv6Addr::LOCALHOST, port(cx))).unwrap();
                *client.borrow_mut() = Some(connected);
            }
            Event::Success(connection) => {
                assert_eq!(connection.peer.ip(), Some(Ipv6Addr::LOCALHOST.into()));
                *cx.heap = None;
            }
            other => panic!("{other:?}"),
        });
        run(&kernel);
    }
}

#[test]
fn without_an_address_every_address_of_the_machine_is_listened_at() {
    let kernel = kernel();
    spawn(&kernel, factory(), |cx, event| {
        assert!(matches!(event, Event::Start));
        let address = cx.heap.as_ref().unwrap().local_address().unwrap();
        assert!(address.ip().unwrap().is_unspecified() && address.port() > Some(0));
        *cx.heap = None;
    });
    run(&kernel);
}

// Difference: WAC-11 (an error of spawn)
#[test]
fn a_port_in_use_is_an_error_of_spawn() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let builder = factory().bind_address("127.0.0.1").bind_port(address.port());
    match spawn_error(&builder.clone().reuse(true)) {
        Some(WheelError::Socket { operation, address: at, source }) => {
            assert!(operation == "bind" || operation == "listen", "{operation}");
            assert_eq!(at, Address::Ip(address));
            assert_eq!(source.raw_os_error(), Some(Errno::EADDRINUSE as i32));
        }
        other => panic!("{other:?}"),
    }
    let error = spawn_error(&builder).unwrap().to_string();
    assert!(error.starts_with(&format!("cannot bind {address}: ")), "{error}");
    drop(taken);
    assert!(spawn_error(&builder).is_none());
}

#[test]
fn an_address_that_cannot_be_had_is_an_error_of_spawn() {
    let resolve = |builder: SocketFactoryBuilder| match spawn_error(&builder) {
        Some(WheelError::Resolve { host, .. }) => host,
        other => panic!("{other:?}"),
    };
    assert_eq!(resolve(factory().bind_address("no such host").bind_port(1)), "no such host:1");
    assert_eq!(resolve(factory().bind_port("no-such-service")), "*:no-such-service");
    let v4 = factory().socket_domain(Domain::Inet6).bind_address("127.0.0.1");
    assert_eq!(resolve(v4), "127.0.0.1:0");
    match spawn_error(&factory().bind_address("192.0.2.1")) {
        Some(WheelError::Socket { operation: "bind", source, .. }) => {
            assert_eq!(source.raw_os_error(), Some(Errno::EADDRNOTAVAIL as i32));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_wheel_begins_outside_a_session() {
    let kernel = kernel();
    let no_session = |error: Option<WheelError>| {
        assert!(matches!(error, Some(WheelError::NoActiveSession(_))), "{error:?}");
    };
    no_session(factory().bind_address("127.0.0.1").spawn(&kernel).err());
    no_session(factory().remote_address("127.0.0.1").remote_port(1).spawn(&kernel).err());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    no_session(ListenAccept::build(listener).spawn(&kernel).err());
}

#[test]
fn a_server_may_listen_before_there_is_a_session() {
    let kernel = kernel();
    let listening = factory().bind_address("127.0.0.1").listen().unwrap();
    let port = listening.local_address().unwrap().port().unwrap();
    let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (make, seen) = (once(listening), Rc::new(Cell::new(false)));
    let s = seen.clone();
    Session::build(None::<SocketFactory>)
        .on_start(move |cx| {
            let wheel = make().accept(cx.kernel, "client", "failed").unwrap();
            *cx.heap = Some(wheel);
        })
        .on("client", move |cx, _: Connection| {
            s.set(true);
            *cx.heap = None;
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert!(seen.get());
    drop(client);
}

#[test]
fn a_burst_of_clients_is_accepted_without_losing_any() {
    const CLIENTS: usize = 200;
    let kernel = kernel();
    let clients: Rc<RefCell<Vec<TcpStream>>> = Rc::default();
    let accepted = Rc::new(Cell::new(0));
    let (c, a) = (clients.clone(), accepted.clone());
    spawn(&kernel, factory().bind_address("127.0.0.1"), move |cx, event| match event {
        Event::Start => {
            let port = port(cx);
            let connect = || TcpStream::connect(("127.0.0.1", port)).unwrap();
            c.borrow_mut().extend(std::iter::repeat_with(connect).take(CLIENTS));
        }
        Event::Success(_) => {
            a.set(a.get() + 1);
            if a.get() == CLIENTS {
                *cx.heap = None;
            }
        }
        other => panic!("{other:?}"),
    });
    run(&kernel);
    assert_eq!(accepted.get(), CLIENTS);
}

#[test]
fn a_wheel_dropped_for_a_client_accepts_no_other() {
    let kernel = kernel();
    let clients: RefCell<Vec<TcpStream>> = RefCell::default();
    let accepted = Rc::new(Cell::new(0));
    let a = accepted.clone();
    spawn(&kernel, factory().bind_address("127.0.0.1"), move |cx, event| match event {
        Event::Start => {
            let port = port(cx);
            let connect = || TcpStream::connect(("127.0.0.1", port)).unwrap();
            clients.borrow_mut().extend([connect(), connect()]);
        }
        Event::Success(_) => {
            a.set(a.get() + 1);
            *cx.heap = None;
        }
        other => panic!("{other:?}"),
    });
    run(&kernel);
    assert_eq!(accepted.get(), 1);
}

#[test]
fn a_wheel_whose_session_has_stopped_accepts_nobody_though_it_is_still_there() {
    let kernel = kernel();
    let listening = factory().bind_address("127.0.0.1").listen().unwrap();
    let port = listening.local_address().unwrap().port().unwrap();
    let mut clients = [0; 2].map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap());
    let (kept, listening) = (Rc::new(RefCell::new(None)), once(listening));
    let keep = kept.clone();
    Session::build(())
        .on_start(move |cx| {
            let wheel = listening().accept(cx.kernel, "success", "failure").unwrap();
            *keep.borrow_mut() = Some(wheel);
        })
        .on("success", |cx, _: Connection| cx.stop())
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    let is_waiting = |client: &mut TcpStream| {
        client.set_nonblocking(true).unwrap();
        client.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    };
    assert_eq!(clients.each_mut().map(is_waiting), [false, true]);
    assert!(kept.take().is_some());
}

#[test]
fn clients_wait_while_accepting_is_paused() {
    let (kernel, log) = (kernel(), Log::default());
    let clients: RefCell<Vec<TcpStream>> = RefCell::default();
    let l = log.clone();
    spawn(&kernel, factory().bind_address("127.0.0.1"), move |cx, event| match event {
        Event::Start => {
            let port = port(cx);
            let connect = || TcpStream::connect(("127.0.0.1", port)).unwrap();
            clients.borrow_mut().extend([connect(), connect()]);
        }
        Event::Success(_) => {
            l.push("client");
            if l.len() > 1 {
                *cx.heap = None;
            } else {
                cx.heap.as_ref().unwrap().pause_accept();
                cx.delay("do", Duration::from_millis(5), "resume");
            }
        }
        Event::Do(_) => {
            l.push("resume");
            cx.heap.as_ref().unwrap().resume_accept();
        }
        other => panic!("{other:?}"),
    });
    run(&kernel);
    assert_eq!(log.take(), ["client", "resume", "client"]);
}

// Conformance: WAC-01, WAC-02
#[test]
fn a_listening_socket_made_elsewhere_is_accepted_from_under_new_names() {
    let kernel = kernel();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (make, log) = (once(listener), Log::default());
    let l = log.clone();
    Session::build(None::<ListenAccept>)
        .on_start(move |cx| {
            let wheel = ListenAccept::build(make())
                .accept_event("wrong accept")
                .error_event("wrong error")
                .spawn(cx.kernel)
                .unwrap();
            wheel.accept_event("accept");
            wheel.error_event("error");
            *cx.heap = Some(wheel);
        })
        .on("accept", move |cx, connection: Connection| {
            assert_eq!(Some(connection.wheel), cx.heap.as_ref().map(ListenAccept::id));
            assert!(connection.peer.port().is_some());
            l.push("accept");
            if l.len() == 5 {
                *cx.heap = None;
            }
        })
        .on_default(common::refuse)
        .spawn(&kernel)
        .unwrap();
    for _ in 0..5 {
        let log = Log::default();
        let client = factory().remote_address(address.ip()).remote_port(address.port());
        common::sockets::try_to_connect(&kernel, &log, client);
    }
    run(&kernel);
    assert_eq!(log.take(), ["accept"; 5]);
}

#[test]
fn a_socket_that_does_not_listen_is_one_error_and_the_end() {
    let (kernel, log) = (kernel(), Log::default());
    // A UNIX socket that was only bound is not ready for anything; one that is connected is.
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.shutdown(Shutdown::Write).unwrap();
    let (make, l) = (once(ours), log.clone());
    Session::build(None::<ListenAccept>)
        .on_start(move |cx| {
            let socket = Socket::from(make());
            *cx.heap =
                Some(ListenAccept::build(socket).error_event("error").spawn(cx.kernel).unwrap());
        })
        .on("error", move |_, error: IoError| {
            l.push(format!("{} {}", error.operation, error.errno()))
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(log.take(), [format!("accept {}", Errno::EINVAL as i32)]);
}

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

// Conformance: WAC-09
#[test]
fn a_unix_client_has_no_path_and_the_server_has_one() {
    let place = Place::new("addresses");
    let kernel = kernel();
    let path = place.path();
    let p = path.clone();
    spawn(&kernel, factory().bind_path(&path), move |cx, event| match event {
        Event::Start => {
            let mut client = UnixStream::connect(&p).unwrap();
            client.write_all(b"hello").unwrap();
        }
        Event::Success(connection) => {
            assert_eq!(connection.peer, Address::Unix(None));
            assert_eq!((connection.peer.ip(), connection.peer.port()), (None, None));
            let mut stream = UnixStream::from(connection.socket);
            let mut heard = String::new();
            stream.set_nonblocking(false).unwrap();
            stream.read_to_string(&mut heard).unwrap();
            assert_eq!(heard, "hello");
            *cx.heap = None;
        }
        other => panic!("{other:?}"),
    });
    run(&kernel);
    assert!(!path.exists());
}

#[test]
fn a_path_that_nobody_listens_at_any_more_is_taken_over() {
    let place = Place::new("stale");
    drop(UnixListener::bind(place.path()).unwrap());
    assert!(place.path().exists());
    assert!(spawn_error(&factory().bind_path(place.path())).is_none());
    assert!(!place.path().exists());
}

#[test]
fn a_path_that_many_would_take_over_is_had_by_one() {
    const SERVERS: usize = 4;
    let place = Place::new("race");
    for round in 0..200 {
        drop(UnixListener::bind(place.path()).unwrap());
        let (begin, end) = (Barrier::new(SERVERS), Barrier::new(SERVERS));
        let listen = || {
            begin.wait();
            let listening = factory().bind_path(place.path()).listen();
            end.wait();
            let reached = listening.is_ok() && UnixStream::connect(place.path()).is_ok();
            // Whoever has it keeps it until all have tried.
            end.wait();
            (listening.is_ok(), reached)
        };
        let all: Vec<_> = thread::scope(|scope| {
            let all: Vec<_> = (0..SERVERS).map(|_| scope.spawn(listen)).collect();
            all.into_iter().map(|server| server.join().unwrap()).collect()
        });
        let having = all.into_iter().filter(|(has, _)| *has).collect::<Vec<_>>();
        assert_eq!(having, [(true, true)], "in round {round}");
        assert!(!place.path().exists());
    }
}

#[test]
fn a_client_that_would_have_the_path_of_a_server_never_takes_it_before_that_listens() {
    let place = Place::new("client-race");
    let nobody = place.0.join("nobody");
    for round in 0..200 {
        drop(UnixListener::bind(place.path()).unwrap());
        let (begin, end) = (Barrier::new(2), Barrier::new(2));
        let reached = thread::scope(|scope| {
            scope.spawn(|| {
                let client = factory().bind_path(place.path()).remote_path(&nobody);
                begin.wait();
                spawn_error(&client);
                end.wait();
            });
            begin.wait();
            let listening = factory().bind_path(place.path()).listen();
            end.wait();
            listening.map(|_listening| UnixStream::connect(place.path()).is_ok())
        });
        assert!(matches!(reached, Ok(true)), "in round {round}: {reached:?}");
        let _ = fs::remove_file(place.path());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_unix_socket_may_have_a_name_that_is_no_path() {
    let name = format!("\0poe-wheel-{}", std::process::id());
    let (kernel, log) = (kernel(), Log::default());
    let remote = name.clone();
    spawn(&kernel, factory().bind_path(&name), move |cx, event| match event {
        Event::Start => {
            let own = cx.heap.as_ref().unwrap().local_address().unwrap();
            assert_eq!(own.path(), Some(remote.as_ref()));
            assert_eq!(own.to_string(), remote.replace('\0', "@"));
            let again = factory().bind_path(&remote).listen().unwrap_err();
            assert!(again.to_string().contains("in use"), "{again}");
        }
        Event::Success(connection) => {
            assert_eq!(connection.peer, Address::Unix(None));
            *cx.heap = None;
        }
        other => panic!("{other:?}"),
    });
    common::sockets::try_to_connect(&kernel, &log, factory().remote_path(&name));
    run(&kernel);
    assert_eq!(log.take(), ["success"]);
}

#[test]
fn what_says_two_things_about_one_end_or_half_of_one_is_refused() {
    let [v4, v6, unix] =
        [Domain::Inet, Domain::Inet6, Domain::Unix].map(|it| factory().socket_domain(it));
    for builder in [
        factory().remote_port(1),
        factory().bind_address("127.0.0.1").remote_port("echo"),
        factory().remote_path("/a").remote_address("127.0.0.1"),
        factory().remote_path("/a").remote_port(1),
        factory().bind_path("/no/such").bind_address("127.0.0.1"),
        factory().bind_path("/no/such").bind_port(1),
        factory().bind_path("/no/such").remote_address("127.0.0.1").remote_port(1),
        factory().remote_path("/a").bind_address("127.0.0.1"),
        factory().remote_path("/a").bind_port(1),
        unix.clone(),
        unix.clone().bind_address("127.0.0.1"),
        unix.clone().bind_port(1),
        unix.clone().socket_type(SocketType::Datagram),
        unix.remote_address("127.0.0.1").remote_port(1),
        v4.clone().bind_path("/no/such"),
        v6.bind_path("/no/such"),
        v4.remote_path("/a"),
        factory().bind_path("/no/such").socket_domain(Domain::Inet),
    ] {
        let error = spawn_error(&builder);
        assert!(matches!(error, Some(WheelError::Parameters(_))), "{builder:?}: {error:?}");
    }
}

#[test]
fn a_path_is_of_the_unix_domain_whether_that_is_said_or_not() {
    let place = Place::new("domain");
    let unix = factory().socket_domain(Domain::Unix);
    for builder in [unix.bind_path(place.path()), factory().bind_path(place.path())] {
        let listening = builder.listen().unwrap();
        assert_eq!(listening.local_address().unwrap().path(), Some(&*place.path()));
    }
}

#[test]
fn a_path_that_is_listened_at_is_refused_and_left() {
    let place = Place::new("live");
    let live = UnixListener::bind(place.path()).unwrap();
    let in_use = |error: Option<WheelError>| match error {
        Some(WheelError::Socket { operation: "bind", source, .. }) => {
            assert_eq!(source.raw_os_error(), Some(Errno::EADDRINUSE as i32));
        }
        other => panic!("{other:?}"),
    };
    in_use(spawn_error(&factory().bind_path(place.path())));
    live.set_nonblocking(true).unwrap();
    UnixStream::connect(place.path()).unwrap();
    drop(live);

    // Neither is something that is no socket.
    fs::remove_file(place.path()).unwrap();
    fs::write(place.path(), "a file").unwrap();
    in_use(spawn_error(&factory().bind_path(place.path())));
    assert_eq!(fs::read_to_string(place.path()).unwrap(), "a file");
}

#[test]
fn a_path_that_is_somebody_elses_by_now_is_left() {
    let place = Place::new("replaced");
    let kernel = kernel();
    let path = place.path();
    spawn(&kernel, factory().bind_path(place.path()), move |cx, event| {
        assert!(matches!(event, Event::Start));
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another").unwrap();
        *cx.heap = None;
    });
    run(&kernel);
    assert_eq!(fs::read_to_string(place.path()).unwrap(), "another");
}

#[test]
fn a_path_that_is_too_long_is_an_error_of_spawn() {
    let long = PathBuf::from("/tmp").join("x".repeat(200));
    match spawn_error(&factory().bind_path(long)) {
        Some(WheelError::Socket { operation: "bind", .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[cfg(target_os = "linux")]
#[test]
fn connections_that_come_and_go_leave_no_descriptor() {
    const CLIENTS: usize = 2000;
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    let kernel = kernel();
    let server = Rc::new(Cell::new(0));
    let accepted = Rc::new(Cell::new(0));
    let (s, a) = (server.clone(), accepted.clone());
    let most = Rc::new(Cell::new(0));
    let m = most.clone();
    Session::build((None::<SocketFactory>, Vec::<ReadWrite>::new()))
        .on_start(move |cx| {
            let wheel = factory().bind_address("127.0.0.1").spawn(cx.kernel).unwrap();
            s.set(wheel.local_address().unwrap().port().unwrap());
            cx.heap.0 = Some(wheel);
        })
        .on("success", move |cx, connection: Connection| {
            let builder = ReadWrite::build(connection.socket);
            let builder = builder.input_event("input").error_event("error");
            let wheel = builder.spawn(cx.kernel).unwrap();
            cx.heap.1.push(wheel);
            a.set(a.get() + 1);
            m.set(m.get().max(descriptors()));
            if a.get() == CLIENTS {
                cx.heap.0 = None;
            }
        })
        .on("input", |cx, input: Input| {
            let wheel = cx.heap.1.iter().find(|wheel| wheel.id() == input.wheel).unwrap();
            wheel.put(input.record);
        })
        .on("error", |cx, error: IoError| cx.heap.1.retain(|wheel| wheel.id() != error.wheel))
        .spawn(&kernel)
        .unwrap();
    let port = server.get();
    let before = descriptors();
    let clients = thread::spawn(move || {
        for _ in 0..CLIENTS {
            let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
            client.write_all(b"x\n").unwrap();
            let mut heard = [0; 3];
            client.read_exact(&mut heard).unwrap();
        }
    });
    run(&kernel);
    clients.join().unwrap();
    // Other tests of this process have some descriptors too.
    assert!(most.get() < before + 500, "{} after {before}", most.get());
    assert_eq!(accepted.get(), CLIENTS);
}

#[test]
fn a_path_with_a_nul_in_it_is_not_taken_for_what_stands_before() {
    let before = std::env::temp_dir().join(format!("poe-nul-{}", std::process::id()));
    let mut path = before.clone().into_os_string();
    path.push("\0rest");
    for path in [path, std::ffi::OsString::new()] {
        let error = SocketFactory::build().bind_path(path).listen().unwrap_err();
        assert!(error.to_string().contains("is no path of a socket"), "{error}");
    }
    assert!(!before.exists());
}

/// The peer of a client of IPv4 at a listening wheel, or what the client gets.
fn v4_client_of(builder: SocketFactoryBuilder) -> std::io::Result<Address> {
    let listening = builder.listen().unwrap();
    let port = listening.local_address().unwrap().port().unwrap();
    let client = TcpStream::connect(("127.0.0.1", port))?;
    let (kernel, peer) = (kernel(), Rc::new(RefCell::new(None)));
    let (p, listening) = (peer.clone(), Cell::new(Some(listening)));
    Session::build(None)
        .on_start(move |cx| -> HandlerResult {
            let wheel = listening.take().unwrap().accept(cx.kernel, "success", "failure")?;
            *cx.heap = Some(wheel);
            Ok(())
        })
        .on("success", move |cx, connection: Connection| {
            assert_eq!(connection.socket.local_address().unwrap().ip(), connection.peer.ip());
            p.replace(Some(connection.peer));
            *cx.heap = None;
        })
        .on_default(common::refuse)
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(peer.borrow().as_ref().unwrap().port(), Some(client.local_addr()?.port()));
    Ok(peer.take().unwrap())
}

#[test]
fn a_socket_of_ipv6_may_be_for_ipv4_as_well_or_not() {
    let v6 = SocketFactory::build().socket_domain(Domain::Inet6);
    let peer = v4_client_of(v6.clone().v6_only(false)).unwrap();
    assert_eq!(peer.ip(), Some(std::net::Ipv4Addr::LOCALHOST.into()));
    let refused = v4_client_of(v6.clone().v6_only(true)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    // Each may have a socket of its own at one port.
    let first = v6.v6_only(true).listen().unwrap();
    let port = first.local_address().unwrap().port().unwrap();
    SocketFactory::build().bind_port(port).listen().unwrap();
}

#[test]
fn sockets_that_all_want_to_may_share_an_address() {
    let shared = SocketFactory::build().bind_address("127.0.0.1").reuse_port(true);
    let first = shared.listen().unwrap();
    let port = first.local_address().unwrap().port().unwrap();
    shared.clone().bind_port(port).listen().unwrap();
    let error = spawn_error(&factory().bind_address("127.0.0.1").bind_port(port)).unwrap();
    assert!(matches!(error, WheelError::Socket { operation: "bind", .. }), "{error}");
}

#[test]
fn clients_have_the_options_of_the_socket_that_listens() {
    let builder = factory().bind_address("127.0.0.1").nodelay(true);
    let kernel = kernel();
    let seen = Rc::new(Cell::new(false));
    let s = seen.clone();
    let client = Cell::new(None);
    spawn(&kernel, builder.keep_alive(Duration::from_secs(77)), move |cx, event| match event {
        Event::Start => {
            let address = (std::net::Ipv4Addr::LOCALHOST, port(cx));
            client.set(Some(TcpStream::connect(address).unwrap()));
        }
        Event::Success(connection) => {
            let socket = socket2::SockRef::from(&connection.socket);
            assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
            assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(77));
            s.set(true);
            *cx.heap = None;
        }
        other => panic!("{other:?}"),
    });
    run(&kernel);
    assert!(seen.get());
}
