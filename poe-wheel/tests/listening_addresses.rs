//! Where to listen: addresses, families and ports.

mod common;

use std::cell::{Cell, RefCell};
use std::io::ErrorKind;
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::rc::Rc;

use common::sockets::{Event, factory, port, spawn, spawn_error};
use common::{kernel, run};
use nix::errno::Errno;
use poe_session::prelude::*;
use poe_wheel::{
    Address, Connection, Domain, SocketFactory, SocketFactoryBuilder, SocketType, WheelError,
};

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
fn what_says_two_things_about_one_end_or_half_of_one_is_refused() {
    let [v4, v6, unix] =
        [Domain::Inet, Domain::Inet6, Domain::Unix].map(|it| factory().socket_domain(it));
    for builder in [
        factory().remote_port(1),
        factory().remote_address("127.0.0.1"),
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
    // Each may have a socket of its own at one port, unless some other program happens to have that of IPv4.
    let both = || {
        let first = v6.clone().v6_only(true).listen().unwrap();
        let port = first.local_address().unwrap().port().unwrap();
        SocketFactory::build().bind_port(port).listen()
    };
    assert!((0..50).any(|_| both().is_ok()), "{:?}", both());
}

/// A port at which a server has had a connection that it was the first to end, so that this end of it lingers.
fn lingering_port(reuse: bool) -> u16 {
    let kernel = kernel();
    let (client, used) = (RefCell::new(None), Rc::new(Cell::new(0)));
    let u = used.clone();
    let builder = factory().bind_address("127.0.0.1").reuse(reuse);
    spawn(&kernel, builder, move |cx, event| match event {
        Event::Start => {
            u.set(port(cx));
            client.replace(TcpStream::connect(("127.0.0.1", port(cx))).ok());
        }
        Event::Success(connection) => {
            drop(connection);
            let mut client = client.take().unwrap();
            assert_eq!(std::io::Read::read(&mut client, &mut [0]).unwrap(), 0);
            *cx.heap = None;
        }
        other => panic!("{other:?}"),
    });
    run(&kernel);
    used.get()
}

#[cfg(target_os = "linux")]
#[test]
fn a_port_where_old_connections_linger_may_be_had_by_those_who_reuse() {
    let in_use = |port: u16, reuse| {
        let error = spawn_error(&factory().bind_address("127.0.0.1").bind_port(port).reuse(reuse));
        error.map(|error| assert!(error.to_string().contains("in use"), "{error}")).is_some()
    };
    let port = lingering_port(true);
    assert!(in_use(port, false));
    assert!(!in_use(port, true));
    assert!(in_use(lingering_port(false), true));
    // Who listens has it alone.
    let listening = factory().bind_address("127.0.0.1").reuse(true).listen().unwrap();
    assert!(in_use(listening.local_address().unwrap().port().unwrap(), true));
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
