//! Datagrams with their addresses.

mod common;

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::rc::Rc;

use bytes::Bytes;
use common::{Log, kernel, run};
use nix::errno::Errno;
use poe_session::prelude::*;
use poe_wheel::udp::{Datagram, PutError, UdpBuilder};
use poe_wheel::{
    Address, IoError, Socket, SocketFactory, SocketType, Udp, UdpEvent, WheelError, WheelId,
};

enum Event {
    Start,
    Came(Datagram),
    Failed(IoError),
    Flushed,
    Do(&'static str),
}

type Heap = Option<Udp>;

/// A session with a wheel, all of whose events it passes on.
fn spawn(
    kernel: &Kernel,
    builder: UdpBuilder,
    react: impl Fn(&mut Cx<'_, Heap>, Event) + 'static,
) -> SessionId {
    let react = Rc::new(react);
    let [r0, r1, r2, r3, r4] = std::array::from_fn(|_| Rc::clone(&react));
    let builder = builder.input_event("came").error_event("failed").flushed_event("flushed");
    let builder = Cell::new(Some(builder));
    Session::build(None)
        .on_start(move |cx| {
            *cx.heap = Some(builder.take().unwrap().spawn(cx.kernel).unwrap());
            r0(cx, Event::Start);
        })
        .on("came", move |cx, datagram: Datagram| {
            assert_eq!(Some(datagram.wheel), cx.heap.as_ref().map(Udp::id));
            r1(cx, Event::Came(datagram));
        })
        .on("failed", move |cx, error: IoError| {
            assert_eq!(Some(error.wheel), cx.heap.as_ref().map(Udp::id));
            r2(cx, Event::Failed(error));
        })
        .on("flushed", move |cx, wheel: WheelId| {
            assert_eq!(Some(wheel), cx.heap.as_ref().map(Udp::id));
            r3(cx, Event::Flushed);
        })
        .on("do", move |cx, what: &'static str| r4(cx, Event::Do(what)))
        .spawn(kernel)
        .unwrap()
}

fn own<'a>(cx: &'a Cx<'_, Heap>) -> &'a Udp {
    cx.heap.as_ref().unwrap()
}

fn bound() -> (Socket, Address) {
    let factory = SocketFactory::build().socket_type(SocketType::Datagram);
    let socket = factory.bind_address("127.0.0.1").bind().unwrap();
    let address = socket.local_address().unwrap();
    (socket, address)
}

fn nowhere() -> Address {
    Address::Ip(SocketAddr::from((Ipv4Addr::LOCALHOST, 9)))
}

#[test]
fn datagrams_go_there_and_back_in_order() {
    const COUNT: usize = 100;
    let (kernel, log) = (kernel(), Log::default());
    let (server, to_server) = bound();
    spawn(&kernel, Udp::build(server), move |cx, event| match event {
        Event::Start | Event::Flushed => {}
        Event::Came(datagram) if datagram.payload == "end" => *cx.heap = None,
        Event::Came(datagram) => own(cx).put(datagram.payload, &datagram.peer).unwrap(),
        Event::Failed(_) | Event::Do(_) => panic!("nothing fails"),
    });
    let (client, _) = bound();
    let (l, seen) = (log.clone(), Cell::new(0));
    spawn(&kernel, Udp::build(client), move |cx, event| match event {
        Event::Start => {
            for n in 0..COUNT {
                own(cx).put(vec![b'x'; n], &to_server).unwrap();
            }
            assert_eq!(own(cx).get_driver_out_octets(), COUNT * (COUNT - 1) / 2);
            assert_eq!(own(cx).get_driver_out_messages(), COUNT);
        }
        Event::Flushed => {
            assert_eq!(own(cx).get_driver_out_messages(), 0);
            l.push("flushed");
        }
        Event::Came(datagram) => {
            assert_eq!(datagram.peer, to_server);
            assert_eq!(datagram.payload.len(), seen.get());
            seen.set(seen.get() + 1);
            if seen.get() == COUNT {
                own(cx).put("end", &to_server).unwrap();
                own(cx).flush();
                assert_eq!(own(cx).get_driver_out_messages(), 0);
                *cx.heap = None;
            }
        }
        Event::Failed(_) | Event::Do(_) => panic!("nothing fails"),
    });
    run(&kernel);
    assert_eq!(log.take(), ["flushed"]);
}

#[test]
fn nothing_comes_while_paused_or_after_the_end() {
    let (kernel, log) = (kernel(), Log::default());
    let (socket, address) = bound();
    let l = log.clone();
    spawn(&kernel, Udp::build(socket), move |cx, event| match event {
        Event::Start => {
            for text in ["one", "two", "three", "four"] {
                own(cx).put(text, &address).unwrap();
            }
        }
        Event::Flushed => {}
        Event::Came(datagram) => {
            l.push(String::from_utf8_lossy(&datagram.payload));
            match &datagram.payload[..] {
                b"one" => {
                    own(cx).pause_input();
                    cx.yield_event("do", "resume");
                }
                b"three" => *cx.heap = None,
                _ => {}
            }
        }
        Event::Do(_) => {
            l.push("resumed");
            own(cx).resume_input();
        }
        Event::Failed(error) => panic!("{error}"),
    });
    run(&kernel);
    assert_eq!(log.take(), ["one", "resumed", "two", "three"]);
}

#[test]
fn what_is_too_long_is_lost_with_an_error_and_the_others_are_not() {
    let (kernel, log) = (kernel(), Log::default());
    let (socket, address) = bound();
    let l = log.clone();
    spawn(&kernel, Udp::build(socket).max_datagram(5), move |cx, event| {
        match event {
            Event::Start => {
                for length in [5, 6, 100_000, 4] {
                    own(cx).put(vec![b'x'; length], &address).unwrap();
                }
            }
            Event::Flushed => {}
            Event::Came(datagram) => l.push(datagram.payload.len()),
            Event::Failed(error) => {
                assert!(error.is_recoverable());
                l.push(format!("{} {}", error.operation, error.errno()));
            }
            Event::Do(what) => panic!("{what}"),
        }
        if l.len() == 4 {
            *cx.heap = None;
        }
    });
    run(&kernel);
    let mut told = log.take();
    told.sort();
    let long = Errno::EMSGSIZE as i32;
    assert_eq!(told, ["4".to_owned(), "5".into(), format!("read {long}"), format!("write {long}")]);
}

#[test]
fn what_cannot_be_queued_is_given_back() {
    let kernel = kernel();
    let (socket, address) = bound();
    let v6 = Address::Ip("[::1]:9".parse().unwrap());
    spawn(&kernel, Udp::build(socket).queue_limit(1000), move |cx, event| {
        if let Event::Start = event {
            let put = |payload: Bytes, to: &Address| own(cx).put(payload, to);
            put(vec![b'x'; 2000].into(), &address).unwrap();
            let error = put("more".into(), &address).unwrap_err();
            assert!(matches!(error, PutError::Full { queued: 2000, .. }), "{error}");
            assert_eq!(error.into_payload(), "more");
            for (other, errno) in
                [(v6.clone(), Errno::EAFNOSUPPORT), (Address::Unix(None), Errno::EDESTADDRREQ)]
            {
                let error = put("other".into(), &other).unwrap_err();
                let PutError::Address { source, .. } = &error else { panic!("{error}") };
                assert_eq!(source.raw_os_error(), Some(errno as i32));
                assert!(error.to_string().starts_with(&format!("cannot send to {other}: ")));
                assert_eq!(error.into_payload(), "other");
            }
            *cx.heap = None;
        }
    });
    run(&kernel);
}

#[test]
fn a_socket_of_both_families_answers_each_in_its_own() {
    let (kernel, log) = (kernel(), Log::default());
    let factory = SocketFactory::build().socket_type(SocketType::Datagram);
    let factory = factory.socket_domain(poe_wheel::Domain::Inet6).v6_only(false);
    let socket = factory.bind().unwrap();
    let port = socket.local_address().unwrap().port().unwrap();
    let clients = ["127.0.0.1", "::1"].map(|ip| {
        let client = UdpSocket::bind((ip, 0)).unwrap();
        client.send_to(ip.as_bytes(), (ip, port)).unwrap();
        client
    });
    let l = log.clone();
    spawn(&kernel, Udp::build(socket), move |cx, event| match event {
        Event::Start => {}
        Event::Came(datagram) => {
            let ip = datagram.peer.ip().unwrap().to_string();
            assert_eq!(datagram.payload, ip.as_bytes());
            l.push(&ip);
            own(cx).put("answer", &datagram.peer).unwrap();
        }
        Event::Flushed if l.len() == 2 => *cx.heap = None,
        Event::Flushed => {}
        Event::Failed(_) | Event::Do(_) => panic!("nothing fails"),
    });
    run(&kernel);
    let mut told = log.take();
    told.sort();
    assert_eq!(told, ["127.0.0.1", "::1"]);
    for client in clients {
        let mut room = [0; 10];
        assert_eq!(client.recv(&mut room).unwrap(), 6);
    }
}

#[test]
fn a_peer_that_is_not_there_is_an_error_and_no_end() {
    let (kernel, log) = (kernel(), Log::default());
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(server.local_addr().unwrap()).unwrap();
    let address = server.local_addr().unwrap();
    drop(server);
    let (l, server) = (log.clone(), Cell::new(None));
    spawn(&kernel, Udp::build(client), move |cx, event| match event {
        Event::Start => own(cx).put("nobody hears", &Address::Nobody).unwrap(),
        Event::Flushed => {}
        Event::Failed(error) => {
            assert!(error.is_recoverable(), "{error}");
            l.push(error.errno());
            let again = UdpSocket::bind(address).unwrap();
            again
                .connect(
                    own(cx)
                        .local_address()
                        .map(|it| (it.ip().unwrap(), it.port().unwrap()))
                        .unwrap(),
                )
                .unwrap();
            again.send(b"hello").unwrap();
            server.set(Some(again));
        }
        Event::Came(datagram) => {
            l.push(String::from_utf8_lossy(&datagram.payload));
            *cx.heap = None;
        }
        Event::Do(what) => panic!("{what}"),
    });
    run(&kernel);
    assert_eq!(log.take(), [format!("{}", Errno::ECONNREFUSED as i32), "hello".into()]);
}

#[test]
fn a_receiver_that_is_slow_is_waited_for() {
    const COUNT: usize = 200;
    let folder = std::env::temp_dir().join(format!("poe-wheel-slow-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("receiver");
    for connected in [false, true] {
        let (kernel, log) = (kernel(), Log::default());
        let receiver = Rc::new(UnixDatagram::bind(&path).unwrap());
        let sender = UnixDatagram::unbound().unwrap();
        if connected {
            sender.connect(&path).unwrap();
        }
        let to = if connected { Address::Nobody } else { Address::Unix(Some(path.clone())) };
        let (l, r, seen) = (log.clone(), Rc::clone(&receiver), Cell::new(0));
        spawn(&kernel, Udp::build(sender), move |cx, event| match event {
            Event::Start => {
                for n in 0..COUNT {
                    own(cx).put(n.to_string(), &to).unwrap();
                }
                cx.yield_event("do", "receive");
            }
            Event::Do(_) => {
                // One in each turn.
                r.set_nonblocking(true).unwrap();
                let mut room = [0; 10];
                if let Ok(length) = r.recv(&mut room) {
                    assert_eq!(&room[..length], seen.get().to_string().as_bytes());
                    seen.set(seen.get() + 1);
                }
                if seen.get() < COUNT {
                    cx.yield_event("do", "receive");
                } else if l.len() == 1 {
                    *cx.heap = None;
                }
            }
            Event::Flushed => {
                l.push("flushed");
                if seen.get() == COUNT {
                    *cx.heap = None;
                }
            }
            Event::Came(_) | Event::Failed(_) => panic!("nothing comes or fails"),
        });
        run(&kernel);
        assert_eq!(log.take(), ["flushed"]);
        std::fs::remove_file(&path).unwrap();
    }
    std::fs::remove_dir(&folder).unwrap();
}

#[test]
fn events_that_are_ended_come_no_more_until_they_are_named_again() {
    let (kernel, log) = (kernel(), Log::default());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (address, mirror) = (socket.local_addr().unwrap(), socket.try_clone().unwrap());
    mirror.set_nonblocking(true).unwrap();
    let (l, to) = (log.clone(), Address::Ip(address));
    let is_first = Cell::new(true);
    spawn(&kernel, Udp::build(socket), move |cx, event| match event {
        Event::Start => {
            own(cx).event_end(UdpEvent::Input);
            own(cx).put("nobody wants this", &to).unwrap();
        }
        Event::Flushed if is_first.replace(false) => cx.yield_event("do", "look"),
        Event::Do(what) => {
            if mirror.peek(&mut [0]).is_ok() {
                // It is received yet, and dropped then.
                return cx.yield_event("do", what);
            }
            own(cx).event_end(UdpEvent::Flushed);
            own(cx).input_event("came");
            own(cx).put("hello", &to).unwrap();
        }
        Event::Came(datagram) => {
            l.push(String::from_utf8_lossy(&datagram.payload));
            own(cx).event_end(UdpEvent::Error);
            own(cx).flushed_event("flushed");
            // It is lost, which nobody wants to hear.
            own(cx).put(vec![0; 100_000], &to).unwrap();
        }
        Event::Flushed => {
            l.push("flushed");
            *cx.heap = None;
        }
        Event::Failed(error) => panic!("{error}"),
    });
    run(&kernel);
    assert_eq!(log.take(), ["hello", "flushed"]);
}

#[test]
fn names_of_events_may_change() {
    let (kernel, log) = (kernel(), Log::default());
    let told = {
        let log = log.clone();
        move |cx: &mut Cx<'_, Heap>, what: String| {
            log.push(what);
            if log.len() == 3 {
                *cx.heap = None;
            }
        }
    };
    let (came, failed, sent) = (told.clone(), told.clone(), told);
    Session::build(None)
        .on_start(|cx| {
            let (socket, address) = bound();
            let wheel = Udp::build(socket).input_event("old").max_datagram(5).spawn(cx.kernel);
            let wheel = wheel.unwrap();
            wheel.input_event("new");
            wheel.error_event("bad");
            wheel.flushed_event("sent");
            wheel.put("too long", &address).unwrap();
            wheel.put("", &address).unwrap();
            *cx.heap = Some(wheel);
        })
        .on("new", move |cx, datagram: Datagram| came(cx, datagram.payload.len().to_string()))
        .on("bad", move |cx, error: IoError| failed(cx, error.operation.to_owned()))
        .on("sent", move |cx, _: WheelId| sent(cx, "sent".to_owned()))
        .on_default(common::refuse)
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    let mut told = log.take();
    told.sort();
    assert_eq!(told, ["0", "read", "sent"]);
}

#[test]
fn a_wheel_begins_in_a_session_and_on_a_socket() {
    let kernel = kernel();
    let error = Udp::build(bound().0).spawn(&kernel).unwrap_err();
    assert!(matches!(error, WheelError::NoActiveSession(_)));
    Session::build(())
        .on_start(|cx| {
            let (reader, _writer) = std::io::pipe().unwrap();
            let handle = std::os::fd::OwnedFd::from(reader);
            let error = Udp::build(handle).spawn(cx.kernel).unwrap_err();
            assert!(
                matches!(error, WheelError::Socket { operation: "getsockname", .. }),
                "{error}"
            );
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
}

#[test]
fn a_wheel_that_is_dropped_at_once_sends_nothing() {
    let kernel = kernel();
    let (socket, _) = bound();
    spawn(&kernel, Udp::build(socket), |cx, event| match event {
        Event::Start => {
            own(cx).put("lost", &nowhere()).unwrap();
            *cx.heap = None;
        }
        _ => panic!("nothing comes"),
    });
    run(&kernel);
}

#[test]
fn a_datagram_that_goes_nowhere_is_lost_with_an_error_and_the_others_are_not() {
    let (kernel, log) = (kernel(), Log::default());
    let folder = std::env::temp_dir().join(format!("poe-wheel-nowhere-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let (path, missing) = (folder.join("server"), folder.join("missing"));
    let socket = SocketFactory::build().socket_type(SocketType::Datagram).bind_path(&path);
    let socket = socket.bind().unwrap();
    let client = UnixDatagram::unbound().unwrap();
    client.send_to(b"hello", &path).unwrap();
    let l = log.clone();
    let own_path = path.clone();
    spawn(&kernel, Udp::build(socket), move |cx, event| match event {
        Event::Start => {}
        Event::Came(datagram) if datagram.payload == "hello" => {
            let error = own(cx).put("answer", &datagram.peer).unwrap_err();
            l.push(error);
            for to in [
                Address::Nobody,
                Address::Unix(Some(missing.clone())),
                Address::Unix(Some(own_path.clone())),
            ] {
                own(cx).put("there", &to).unwrap();
            }
        }
        Event::Came(datagram) => {
            l.push(String::from_utf8_lossy(&datagram.payload));
            *cx.heap = None;
        }
        Event::Failed(error) => {
            assert!(error.is_recoverable());
            l.push(format!("{} {}", error.operation, error.errno()));
        }
        Event::Flushed => {}
        Event::Do(what) => panic!("{what}"),
    });
    run(&kernel);
    assert!(!path.exists(), "it goes with the wheel");
    std::fs::remove_dir(&folder).unwrap();
    let [unnamed, rest @ ..] = &log.take()[..] else { panic!("nothing came") };
    assert!(unnamed.starts_with("cannot send to LOCAL: "), "{unnamed}");
    let [not_connected, missing] = [Errno::ENOTCONN, Errno::ENOENT].map(|it| it as i32);
    assert_eq!(
        rest,
        [format!("write {not_connected}"), format!("write {missing}"), "there".into()]
    );
}
