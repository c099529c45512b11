//! Connecting: success, and every way to fail.

mod common;

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use common::sockets::{Event, factory, kernel_with_a_busy_thread, spawn, try_to_connect};
use common::{Log, kernel, run};
use nix::errno::Errno;
use poe_session::prelude::*;
use poe_wheel::{Address, Connection, Domain, IoError, SocketFactory, SocketFactoryBuilder};
use socket2::{SockAddr, SockRef, Socket, Type};

/// How it goes to connect so.
fn connect(builder: SocketFactoryBuilder) -> Vec<String> {
    let (kernel, log) = (kernel(), Log::default());
    try_to_connect(&kernel, &log, builder);
    run(&kernel);
    log.take()
}

fn failure(operation: &str, errno: Errno) -> [String; 1] {
    [format!("{operation} {}", errno as i32)]
}

fn to(address: SocketAddr) -> SocketFactoryBuilder {
    factory().remote_address(address.ip()).remote_port(address.port())
}

/// An address that nobody listens at, for as long as the socket is there.
fn nobody(domain: socket2::Domain, ip: std::net::IpAddr) -> (Socket, SocketAddr) {
    let socket = Socket::new(domain, Type::STREAM, None).unwrap();
    socket.bind(&SockAddr::from(SocketAddr::new(ip, 0))).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

// Conformance: WAC-09
#[test]
fn a_connection_comes_once_with_the_address_it_is_to() {
    for ip in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
        let listener = TcpListener::bind(SocketAddr::new(ip, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let kernel = kernel();
        let connected = Rc::new(Cell::new(0));
        let c = connected.clone();
        spawn(&kernel, to(address), move |cx, event| match event {
            Event::Start => {
                let wheel = cx.heap.as_ref().unwrap();
                assert_eq!(wheel.local_address().unwrap().ip(), Some(ip));
                // Only for wheels that listen.
                wheel.pause_accept();
                wheel.resume_accept();
            }
            Event::Success(connection) => {
                assert_eq!(connection.peer, Address::Ip(address));
                assert!(cx.heap.as_ref().unwrap().local_address().is_err());
                // The wheel has no share of it.
                drop(TcpStream::from(connection.socket));
                c.set(c.get() + 1);
            }
            other => panic!("{other:?}"),
        });
        // The wheel is still there, but has nothing more to do.
        run(&kernel);
        assert_eq!(connected.get(), 1);
    }
}

/// A server of the UNIX domain that has as many clients waiting as may, and those.
fn full_unix(path: &Path) -> (UnixListener, Vec<Socket>) {
    let listener = Socket::new(socket2::Domain::UNIX, Type::STREAM, None).unwrap();
    let address = SockAddr::unix(path).unwrap();
    listener.bind(&address).unwrap();
    listener.listen(0).unwrap();
    let mut waiting = Vec::new();
    loop {
        let client = Socket::new(socket2::Domain::UNIX, Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        if client.connect(&address).is_err() {
            return (UnixListener::from(std::os::fd::OwnedFd::from(listener)), waiting);
        }
        waiting.push(client);
        assert!(waiting.len() < 20, "a queue of no length takes 20 clients");
    }
}

#[test]
fn a_unix_server_that_is_busy_is_waited_for() {
    let path = std::env::temp_dir().join(format!("poe-wheel-busy-{}", std::process::id()));
    let (listener, waiting) = full_unix(&path);
    let limit = Duration::from_secs(1);
    let kernel = common::builder().virtual_clock(UNIX_EPOCH).build().unwrap();
    let log = Log::default();
    try_to_connect(&kernel, &log, factory().remote_path(&path).connect_timeout(limit));
    run(&kernel);
    assert_eq!(log.take(), failure("connect", Errno::ETIMEDOUT));
    assert_eq!(kernel.time().duration_since(UNIX_EPOCH).unwrap(), limit);

    let l = log.clone();
    spawn(&kernel, factory().remote_path(&path), move |cx, event| match event {
        Event::Start => _ = cx.delay("do", Duration::from_millis(50), "accept"),
        Event::Do(_) => {
            l.push("accepts");
            for _ in &waiting {
                drop(listener.accept().unwrap());
            }
        }
        Event::Success(connection) => {
            l.push(connection.peer);
            *cx.heap = None;
        }
        other => panic!("{other:?}"),
    });
    run(&kernel);
    assert_eq!(log.take(), ["accepts".to_owned(), path.display().to_string()]);
    std::fs::remove_file(&path).unwrap();
}

// Conformance: WAC-13
#[test]
fn a_connection_that_is_refused_is_a_failure_after_the_handler() {
    let (_socket, address) = nobody(socket2::Domain::IPV4, Ipv4Addr::LOCALHOST.into());
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    spawn(&kernel, to(address), move |cx, event| match event {
        Event::Start => l.push("start"),
        Event::Failure(error) => {
            l.push(format!("{} {}", error.operation, error.errno()));
            assert_eq!(error.kind(), Some(std::io::ErrorKind::ConnectionRefused));
            *cx.heap = None;
        }
        other => panic!("{other:?}"),
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", &failure("connect", Errno::ECONNREFUSED)[0]]);
    let (_socket, address) = nobody(socket2::Domain::IPV6, Ipv6Addr::LOCALHOST.into());
    assert_eq!(connect(to(address)), failure("connect", Errno::ECONNREFUSED));
}

#[test]
fn a_unix_path_that_nobody_listens_at_is_a_failure() {
    let folder = std::env::temp_dir().join(format!("poe-wheel-connect-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("socket");
    let missing = connect(factory().remote_path(&path));
    drop(UnixListener::bind(&path).unwrap());
    let stale = connect(factory().remote_path(&path));
    std::fs::remove_file(&path).unwrap();
    let _live = UnixListener::bind(&path).unwrap();
    let live = connect(factory().remote_path(&path));
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(missing, failure("connect", Errno::ENOENT));
    assert_eq!(stale, failure("connect", Errno::ECONNREFUSED));
    assert_eq!(live, ["success"]);
}

#[test]
fn names_that_cannot_be_resolved_are_failures() {
    let unresolved = failure("getaddrinfo", Errno::EADDRNOTAVAIL);
    let unknown = failure("getservbyname", Errno::EADDRNOTAVAIL);
    let host = factory().remote_address("no such host");
    assert_eq!(connect(host.remote_port(1)), unresolved);
    let local = factory().remote_address("127.0.0.1");
    assert_eq!(connect(local.clone().remote_port("no-such-service")), unknown);
    let local = local.remote_port(1);
    let other_family = local.clone().socket_domain(Domain::Inet6);
    assert_eq!(connect(other_family), unresolved);
    // So are those of this end.
    assert_eq!(connect(local.clone().bind_address("no such host")), unresolved);
    assert_eq!(connect(local.clone().bind_port("no-such-service")), unknown);
    let other_family = local.clone().bind_address("::1");
    assert_eq!(connect(other_family), failure("bind", Errno::EAFNOSUPPORT));
    let elsewhere = local.bind_address("192.0.2.1");
    assert_eq!(connect(elsewhere), failure("bind", Errno::EADDRNOTAVAIL));
}

#[test]
fn a_client_may_choose_its_own_address_and_port() {
    for ip in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
        let listener = TcpListener::bind(SocketAddr::new(ip, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let free = TcpListener::bind(SocketAddr::new(ip, 0)).unwrap().local_addr().unwrap().port();
        assert_eq!(connect(to(address).bind_address(ip).bind_port(free).reuse(true)), ["success"]);
        let (_, client) = listener.accept().unwrap();
        assert_eq!(client, SocketAddr::new(ip, free));
        // A port alone, of whatever family.
        assert_eq!(connect(to(address).bind_port(0)), ["success"]);
        assert_eq!(listener.accept().unwrap().1.ip(), ip);
    }
}

#[test]
fn a_service_may_be_named() {
    let named = factory().remote_address("127.0.0.1").remote_port("domain");
    let numbered = factory().remote_address("127.0.0.1").remote_port(53);
    // Nobody listens there, or somebody does; it is the same place.
    assert_eq!(connect(named), connect(numbered));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let digits = listener.local_addr().unwrap().port().to_string();
    let builder = factory().remote_address("localhost").remote_port(&*digits);
    assert_eq!(connect(builder), ["success"]);
}

/// A listener whose queue is full, so that nobody gets an answer; and those who fill it.
fn full() -> (Socket, Vec<Socket>, SocketAddr) {
    let listener = Socket::new(socket2::Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let client = Socket::new(socket2::Domain::IPV4, Type::STREAM, None).unwrap();
        let connected = client.connect_timeout(&SockAddr::from(address), Duration::from_millis(20));
        waiting.push(client);
        if connected.is_err() {
            return (listener, waiting, address);
        }
    }
    panic!("a queue of no length takes 20 clients");
}

#[test]
fn a_connection_that_takes_too_long_is_a_failure() {
    let (_listener, _waiting, address) = full();
    // A day of virtual time.
    let kernel = common::builder().virtual_clock(UNIX_EPOCH).build().unwrap();
    let log = Log::default();
    try_to_connect(&kernel, &log, to(address).connect_timeout(Duration::from_secs(86_400)));
    run(&kernel);
    assert_eq!(log.take(), failure("connect", Errno::ETIMEDOUT));
    assert_eq!(kernel.time().duration_since(UNIX_EPOCH).unwrap().as_secs(), 86_400);
}

#[test]
fn a_time_limit_that_is_kept_leaves_no_timer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let builder = to(listener.local_addr().unwrap()).connect_timeout(Duration::from_secs(100_000));
    assert_eq!(connect(builder), ["success"]);
    let (_socket, address) = nobody(socket2::Domain::IPV4, Ipv4Addr::LOCALHOST.into());
    let builder = to(address).connect_timeout(Duration::from_secs(100_000));
    assert_eq!(connect(builder), failure("connect", Errno::ECONNREFUSED));
}

#[test]
fn a_wheel_that_is_dropped_connects_no_more() {
    let (_listener, _waiting, address) = full();
    let (_socket, refused) = nobody(socket2::Domain::IPV4, Ipv4Addr::LOCALHOST.into());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let timeout = Duration::from_secs(100_000);
    for address in [address, refused, listener.local_addr().unwrap()] {
        let kernel = kernel();
        // At once.
        spawn(&kernel, to(address).connect_timeout(timeout), |cx, event| match event {
            Event::Start => *cx.heap = None,
            other => panic!("{other:?}"),
        });
        run(&kernel);
    }
    // And while it waits.
    let kernel = kernel();
    spawn(&kernel, to(address).connect_timeout(timeout), |cx, event| match event {
        Event::Start => _ = cx.delay("do", Duration::from_millis(5), "enough"),
        Event::Do(_) => *cx.heap = None,
        other => panic!("{other:?}"),
    });
    run(&kernel);
}

#[test]
fn names_of_events_may_change_while_connecting() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (_socket, refused) = nobody(socket2::Domain::IPV4, Ipv4Addr::LOCALHOST.into());
    let good = to(listener.local_addr().unwrap());
    let kernel = kernel();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (s1, s2) = (seen.clone(), seen.clone());
    Session::build(Vec::<SocketFactory>::new())
        .on_start(move |cx| {
            for builder in [good.clone(), to(refused)] {
                let wheel = builder.spawn(cx.kernel).unwrap();
                wheel.success_event("good");
                wheel.failure_event("bad");
                cx.heap.push(wheel);
            }
        })
        .on("good", move |_, _: Connection| s1.borrow_mut().push("good"))
        .on("bad", move |_, _: IoError| s2.borrow_mut().push("bad"))
        .on_default(common::refuse)
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    seen.borrow_mut().sort_unstable();
    assert_eq!(*seen.borrow(), ["bad", "good"]);
}

#[test]
fn a_unix_client_may_have_a_path_too() {
    let folder = std::env::temp_dir().join(format!("poe-wheel-client-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let (path, own_path) = (folder.join("server"), folder.join("client"));
    let listener = UnixListener::bind(&path).unwrap();
    let builder = factory().remote_path(&path).bind_path(&own_path);
    assert_eq!(connect(builder.clone()), ["success"]);
    assert!(!own_path.exists());
    let (_, client) = listener.accept().unwrap();
    assert_eq!(client.as_pathname(), Some(&*own_path));
    std::fs::write(&own_path, "in the way").unwrap();
    assert_eq!(connect(builder), failure("bind", Errno::EADDRINUSE));
    std::fs::remove_dir_all(&folder).unwrap();
}

fn localhost(listener: &TcpListener) -> SocketFactoryBuilder {
    factory().remote_address("localhost").remote_port(listener.local_addr().unwrap().port())
}

#[test]
fn a_name_is_looked_up_while_others_have_their_turn() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (kernel, let_go) = kernel_with_a_busy_thread(1);
    let (log, let_go) = (Log::default(), Cell::new(Some(let_go)));
    let l = log.clone();
    spawn(&kernel, localhost(&listener), move |cx, event| match event {
        Event::Start => {
            assert!(cx.heap.as_ref().unwrap().local_address().is_err());
            cx.yield_event("do", "begin");
        }
        Event::Do("begin") => {
            l.push("others have had their turn");
            drop(let_go.take());
        }
        Event::Success(connection) => l.push(connection.peer.ip().unwrap()),
        other => panic!("{other:?}"),
    });
    run(&kernel);
    assert_eq!(log.take(), ["others have had their turn", "127.0.0.1"]);
}

// Elsewhere a machine has but one address of its own.
#[cfg(target_os = "linux")]
#[test]
fn the_name_of_this_end_is_looked_up_while_others_have_their_turn() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (kernel, let_go) = kernel_with_a_busy_thread(1);
    let (log, let_go) = (Log::default(), Cell::new(Some(let_go)));
    let l = log.clone();
    // What only the resolver understands, though it needs to ask nobody.
    let builder = to(listener.local_addr().unwrap()).bind_address("127.2");
    spawn(&kernel, builder, move |cx, event| match event {
        Event::Start => cx.yield_event("do", "begin"),
        Event::Do(_) => {
            l.push("others have had their turn");
            drop(let_go.take());
        }
        Event::Success(connection) => {
            l.push(connection.socket.local_address().unwrap().ip().unwrap());
        }
        other => panic!("{other:?}"),
    });
    run(&kernel);
    assert_eq!(log.take(), ["others have had their turn", "127.0.0.2"]);
}

#[test]
fn a_wheel_that_is_dropped_looks_up_nothing_any_more() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (kernel, _let_go) = kernel_with_a_busy_thread(1);
    let ended = Rc::new(Cell::new(false));
    let e = ended.clone();
    Session::build(None)
        .on_start(move |cx| -> HandlerResult {
            *cx.heap = Some(localhost(&listener).spawn(cx.kernel)?);
            cx.yield_event("drop", ());
            Ok(())
        })
        .on("drop", |cx, ()| *cx.heap = None)
        .on_stop(move |_| e.set(true))
        .on_default(common::refuse)
        .spawn(&kernel)
        .unwrap();
    // The thread is busy yet, and nobody waits for it.
    common::run_while(&kernel, || !ended.get());
}

#[test]
fn a_lookup_that_finds_no_room_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (kernel, let_go) = kernel_with_a_busy_thread(0);
    let log = Log::default();
    let l = log.clone();
    let let_go = Cell::new(Some(let_go));
    spawn(&kernel, localhost(&listener), move |_, event| match event {
        Event::Start => {}
        Event::Failure(error) => {
            l.push(error);
            drop(let_go.take());
        }
        other => panic!("{other:?}"),
    });
    run(&kernel);
    let [told] = log.take().try_into().unwrap();
    assert!(told.starts_with("getaddrinfo: 1 pieces of blocking work"), "{told}");
}

#[test]
fn a_lookup_that_takes_too_long_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (kernel, let_go) = kernel_with_a_busy_thread(1);
    let log = Log::default();
    let (l, let_go) = (log.clone(), Cell::new(Some(let_go)));
    let builder = localhost(&listener).connect_timeout(Duration::from_millis(1));
    spawn(&kernel, builder, move |_, event| match event {
        Event::Start => {}
        Event::Failure(error) => {
            l.push(format!("{} {}", error.operation, error.errno()));
            drop(let_go.take());
        }
        other => panic!("{other:?}"),
    });
    run(&kernel);
    assert_eq!(log.take(), failure("connect", Errno::ETIMEDOUT));
}

#[test]
fn a_connection_is_made_with_the_options_of_its_wheel() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for (nodelay, silence) in [(false, None), (true, Some(Duration::from_secs(77)))] {
        let mut builder = to(listener.local_addr().unwrap()).nodelay(nodelay);
        if let Some(silence) = silence {
            builder = builder.keep_alive(silence);
        }
        let kernel = kernel();
        let seen = Rc::new(Cell::new(false));
        let s = seen.clone();
        spawn(&kernel, builder, move |_, event| {
            if let Event::Success(connection) = event {
                let socket = SockRef::from(&connection.socket);
                assert_eq!(socket.tcp_nodelay().unwrap(), nodelay);
                assert_eq!(socket.keepalive().unwrap(), silence.is_some());
                if let Some(silence) = silence {
                    assert_eq!(socket.tcp_keepalive_time().unwrap(), silence);
                }
                s.set(true);
            }
        });
        run(&kernel);
        assert!(seen.get());
    }
}
