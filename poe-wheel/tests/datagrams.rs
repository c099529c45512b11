//! Sockets for datagrams, of UDP and of the UNIX domain.

mod common;

use std::cell::Cell;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::rc::Rc;

use common::sockets::{Event, factory, spawn, try_to_connect};
use common::{Log, kernel, run};
use nix::errno::Errno;
use poe_session::prelude::*;
use poe_wheel::{
    Address, Connection, Socket, SocketFactory, SocketFactoryBuilder, SocketType, WheelError,
};
use socket2::SockRef;

fn datagrams() -> SocketFactoryBuilder {
    factory().socket_type(SocketType::Datagram)
}

/// The socket that a wheel hands over.
fn made(builder: SocketFactoryBuilder) -> Connection {
    let kernel = kernel();
    let made = Rc::new(Cell::new(None));
    let m = Rc::clone(&made);
    spawn(&kernel, builder, move |_, event| match event {
        Event::Start => {}
        Event::Success(connection) => assert!(m.replace(Some(connection)).is_none()),
        other => panic!("{other:?}"),
    });
    run(&kernel);
    made.take().expect("a socket")
}

fn error(builder: SocketFactoryBuilder) -> String {
    let kernel = kernel();
    let log = Log::default();
    let l = log.clone();
    Session::build(())
        .on_start(move |cx| match builder.clone().spawn(cx.kernel) {
            Err(error @ WheelError::Socket { .. }) => l.push(error),
            other => panic!("{other:?}"),
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    log.take().concat()
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("poe-wheel-datagrams-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// One who answers texts over UDP, ten times.
#[derive(Default)]
struct Player {
    wheel: Option<SocketFactory>,
    sent: u32,
}

impl Player {
    fn send(&mut self, socket: &UdpSocket, text: &[u8], to: SocketAddr) -> HandlerResult {
        assert_eq!(socket.send_to(text, to)?, text.len());
        self.sent += 1;
        Ok(())
    }
}

fn rot13(text: &mut [u8]) {
    for octet in text.iter_mut().filter(|octet| octet.is_ascii_lowercase()) {
        *octet = (*octet - b'a' + 13) % 26 + b'a';
    }
}

// Conformance: WAC-06
#[test]
fn texts_are_bounced_over_udp() {
    let kernel = kernel();
    let log = Log::default();
    let first_address = Rc::new(Cell::new(None));
    for begins in [true, false] {
        let (l, first_address) = (log.clone(), Rc::clone(&first_address));
        Session::build(Player::default())
            .on_start(|cx| -> HandlerResult {
                let wheel = datagrams().bind_address("127.0.0.1").bind_port(0).spawn(cx.kernel)?;
                assert!(wheel.local_address()?.port() > Some(0));
                cx.heap.wheel = Some(wheel);
                Ok(())
            })
            .on("success", move |cx, bound: Connection| -> HandlerResult {
                assert_eq!(bound.peer, Address::Nobody);
                cx.heap.wheel = None;
                let socket = Rc::new(UdpSocket::from(bound.socket));
                cx.select_read(&socket, "ready")?;
                if begins {
                    first_address.set(Some(socket.local_addr()?));
                    return Ok(());
                }
                cx.heap.send(&socket, b"1: this is a test", first_address.get().unwrap())
            })
            .on("ready", move |cx, ready: Ready<UdpSocket>| -> HandlerResult {
                let mut room = [0; 100];
                let (length, from) = ready.handle.recv_from(&mut room)?;
                let text = &mut room[..length];
                let expected: [&[u8]; 2] = [b"1: this is a test", b"1: guvf vf n grfg"];
                assert_eq!(text, expected[usize::from(!begins)]);
                rot13(text);
                cx.heap.send(&ready.handle, text, from)?;
                if cx.heap.sent == 10 {
                    cx.select_end(&ready.handle, Mode::Read);
                }
                Ok(())
            })
            .on_stop(move |cx| l.push(cx.heap.sent))
            .on_default(common::refuse)
            .spawn(&kernel)
            .unwrap();
    }
    run(&kernel);
    assert_eq!(log.take(), ["10", "10"]);
}

#[test]
fn a_socket_with_a_remote_address_has_a_peer() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let to = |host: &str| datagrams().remote_address(host).remote_port(address.port());
    for host in ["127.0.0.1", "localhost"] {
        let builder = to(host).socket_domain(poe_wheel::Domain::Inet);
        let Connection { socket, peer, .. } = made(builder);
        assert_eq!(peer, Address::Ip(address));
        let client = UdpSocket::from(socket);
        client.send(b"hello").unwrap();
        let mut room = [0; 10];
        assert_eq!(server.recv_from(&mut room).unwrap(), (5, client.local_addr().unwrap()));
    }
    let log = Log::default();
    let kernel = kernel();
    try_to_connect(&kernel, &log, to("127.0.0.1").remote_port("no-such-service"));
    run(&kernel);
    assert_eq!(log.take(), [format!("getservbyname {}", Errno::EADDRNOTAVAIL as i32)]);
}

#[test]
fn what_cannot_be_bound_is_an_error_of_spawn() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let message = error(datagrams().bind_address("127.0.0.1").bind_port(port));
    assert!(message.starts_with(&format!("cannot bind 127.0.0.1:{port}: ")), "{message}");
}

#[test]
fn a_wheel_that_is_dropped_hands_nothing_over() {
    let kernel = kernel();
    spawn(&kernel, datagrams().bind_address("127.0.0.1"), |cx, event| match event {
        Event::Start => *cx.heap = None,
        other => panic!("{other:?}"),
    });
    run(&kernel);
}

#[test]
fn names_of_events_may_change_before_the_socket_is_handed_over() {
    let kernel = kernel();
    let log = Log::default();
    let l = log.clone();
    Session::build(None)
        .on_start(|cx| -> HandlerResult {
            let wheel = datagrams().bind_address("127.0.0.1").spawn(cx.kernel)?;
            wheel.success_event("bound");
            wheel.failure_event("bad");
            *cx.heap = Some(wheel);
            Ok(())
        })
        .on("bound", move |_, bound: Connection| l.push(bound.peer))
        .on_default(common::refuse)
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(log.take(), ["nobody"]);
}

#[test]
fn datagrams_may_go_to_all_hosts_if_allowed() {
    for allowed in [false, true] {
        let socket = made(datagrams().bind_address("127.0.0.1").broadcast(allowed)).socket;
        assert_eq!(SockRef::from(&socket).broadcast().unwrap(), allowed);
    }
}

#[test]
fn a_path_lasts_as_long_as_its_socket() {
    let folder = Folder::new("path");
    let path = folder.0.join("server");
    let bound = made(datagrams().bind_path(&path));
    assert_eq!(bound.peer, Address::Nobody);
    assert_eq!(bound.socket.local_address().unwrap(), Address::Unix(Some(path.clone())));
    assert!(error(datagrams().bind_path(&path)).contains("in use"));

    let own_path = folder.0.join("client");
    let client = made(datagrams().remote_path(&path).bind_path(&own_path));
    assert_eq!(client.peer, Address::Unix(Some(path.clone())));
    // Made something else, it leaves its path to whoever has it then.
    UnixDatagram::from(client.socket).send(b"hello").unwrap();
    assert!(own_path.exists());
    let server = bound.socket;
    let mut room = [std::mem::MaybeUninit::uninit(); 10];
    let (length, from) = SockRef::from(&server).recv_from(&mut room).unwrap();
    assert_eq!((length, from.as_pathname()), (5, Some(&*own_path)));
    drop(server);
    assert!(!path.exists());
    // Nobody has this one any more.
    let _again: Socket = made(datagrams().bind_path(&own_path)).socket;
}
