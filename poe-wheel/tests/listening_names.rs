//! Listening at a name: it is looked up by another thread, and what becomes of it is told by events.

mod common;

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::rc::Rc;

use common::sockets::{Event, factory, kernel_with_a_busy_thread, port, spawn, spawn_error};
use common::{Log, kernel, run};
use nix::errno::Errno;
use poe_session::prelude::*;
use poe_wheel::{
    Address, Connection, Domain, IoError, Listening, SocketFactory, SocketFactoryBuilder,
    SocketType, WheelError,
};

/// What only the resolver understands, though it needs to ask nobody.
const NAME: &str = "127.1";

fn at_name() -> SocketFactoryBuilder {
    factory().bind_address(NAME).listening_event("listening")
}

fn failure(error: &IoError) -> String {
    assert!(!error.is_recoverable());
    format!("{} {}", error.operation, error.errno())
}

#[test]
fn a_name_is_looked_up_while_others_have_their_turn_and_then_listened_at() {
    let (kernel, let_go) = kernel_with_a_busy_thread(1);
    let (log, let_go) = (Log::default(), Cell::new(Some(let_go)));
    let (l, client) = (log.clone(), RefCell::new(None));
    spawn(&kernel, at_name(), move |cx, event| match event {
        Event::Start => {
            let error = cx.heap.as_ref().unwrap().local_address().unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::NotConnected);
            cx.yield_event("do", "begin");
        }
        Event::Do(_) => {
            l.push("others have had their turn");
            drop(let_go.take());
        }
        Event::Listening(listening) => {
            l.push("listening");
            assert_eq!(listening.address, cx.heap.as_ref().unwrap().local_address().unwrap());
            assert_eq!(listening.address.ip(), Some(Ipv4Addr::LOCALHOST.into()));
            client.replace(Some(TcpStream::connect((Ipv4Addr::LOCALHOST, port(cx))).unwrap()));
        }
        Event::Success(connection) => {
            let client = client.take().unwrap().local_addr().unwrap();
            assert_eq!(connection.peer, Address::Ip(client));
            l.push("client");
            *cx.heap = None;
        }
        other => panic!("{other:?}"),
    });
    run(&kernel);
    assert_eq!(log.take(), ["others have had their turn", "listening", "client"]);
}

#[test]
fn what_a_wheel_listens_at_is_told_once_after_the_handler_and_before_any_client() {
    let (kernel, log) = (kernel(), Log::default());
    let (l, clients) = (log.clone(), RefCell::new(Vec::new()));
    let builder = factory().bind_address("127.0.0.1").listening_event("listening");
    spawn(&kernel, builder, move |cx, event| match event {
        Event::Start => {
            let port = port(cx);
            let connect = || TcpStream::connect(("127.0.0.1", port)).unwrap();
            clients.borrow_mut().extend([connect(), connect()]);
            l.push("start");
        }
        Event::Listening(listening) => {
            assert_eq!(listening.address.port(), Some(port(cx)));
            l.push("listening");
        }
        Event::Success(_) => {
            l.push("client");
            if l.len() == 4 {
                *cx.heap = None;
            }
        }
        other => panic!("{other:?}"),
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "listening", "client", "client"]);
}

#[test]
fn a_wheel_dropped_when_it_listens_accepts_nobody() {
    let (kernel, client) = (kernel(), RefCell::new(None));
    let builder = factory().bind_address("127.0.0.1").listening_event("listening");
    spawn(&kernel, builder, move |cx, event| match event {
        Event::Start => _ = client.replace(TcpStream::connect(("127.0.0.1", port(cx))).ok()),
        Event::Listening(_) => *cx.heap = None,
        other => panic!("{other:?}"),
    });
    run(&kernel);
}

/// How a wheel fails.
fn failures(builder: SocketFactoryBuilder) -> Vec<String> {
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    spawn(&kernel, builder, move |_, event| match event {
        Event::Start => l.push("start"),
        // The wheel stays, and does not keep the session.
        Event::Failure(error) => l.push(failure(&error)),
        other => panic!("{other:?}"),
    });
    run(&kernel);
    log.take()
}

#[test]
fn a_name_that_leads_nowhere_is_a_failure_after_the_handler() {
    let unknown = ["start".to_owned(), format!("getaddrinfo {}", Errno::EADDRNOTAVAIL as i32)];
    let builder = factory().bind_address("no such host").bind_port(1);
    assert_eq!(failures(builder.clone()), unknown);
    assert_eq!(failures(builder.socket_type(SocketType::Datagram)), unknown);
    // It is there, but not in that family.
    assert_eq!(failures(at_name().socket_domain(Domain::Inet6)), unknown);
}

#[test]
fn a_name_whose_port_is_in_use_is_a_failure_after_the_handler() {
    let in_use = ["start".to_owned(), format!("bind {}", Errno::EADDRINUSE as i32)];
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(failures(at_name().bind_port(taken.local_addr().unwrap().port())), in_use);
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let builder = factory().socket_type(SocketType::Datagram).bind_address(NAME);
    assert_eq!(failures(builder.bind_port(taken.local_addr().unwrap().port())), in_use);
}

#[test]
fn what_can_be_known_at_once_is_an_error_of_spawn() {
    let service = spawn_error(&at_name().bind_port("no-such-service"));
    assert!(matches!(service, Some(WheelError::Resolve { .. })), "{service:?}");
    let other_family = factory().bind_address("::1").socket_domain(Domain::Inet);
    let error = spawn_error(&other_family).unwrap().to_string();
    assert!(error.starts_with("cannot resolve \"[::1]:0\": the host has no address"), "{error}");
}

#[test]
fn a_name_that_there_is_no_room_to_look_up_is_a_failure_after_the_handler() {
    for kind in [SocketType::Stream, SocketType::Datagram] {
        let (kernel, let_go) = kernel_with_a_busy_thread(0);
        let (log, let_go) = (Log::default(), Cell::new(Some(let_go)));
        let l = log.clone();
        spawn(&kernel, at_name().socket_type(kind), move |_, event| match event {
            Event::Start => l.push("start"),
            // The wheel stays, and does not keep the session.
            Event::Failure(error) => {
                l.push(error);
                drop(let_go.take());
            }
            other => panic!("{other:?}"),
        });
        run(&kernel);
        let [start, told] = log.take().try_into().unwrap();
        assert_eq!(start, "start");
        assert!(told.starts_with("getaddrinfo: 1 pieces of blocking work"), "{told}");
    }
}

#[test]
fn a_wheel_that_is_dropped_is_not_waited_for() {
    for kind in [SocketType::Stream, SocketType::Datagram] {
        let (kernel, _let_go) = kernel_with_a_busy_thread(1);
        let ended = Rc::new(Cell::new(false));
        let e = ended.clone();
        Session::build(None)
            .on_start(move |cx| -> HandlerResult {
                *cx.heap = Some(at_name().socket_type(kind).spawn(cx.kernel)?);
                cx.yield_event("drop", ());
                Ok(())
            })
            .on("drop", |cx, ()| *cx.heap = None)
            .on_stop(move |_| e.set(true))
            .on_default(common::refuse)
            .spawn(&kernel)
            .unwrap();
        // The thread is busy yet.
        common::run_while(&kernel, || !ended.get());
    }
}

#[test]
fn a_wheel_that_its_session_leaves_behind_listens_nowhere() {
    let (kernel, let_go) = kernel_with_a_busy_thread(1);
    let kept = Rc::new(RefCell::new(None::<SocketFactory>));
    let (k, stopped) = (kept.clone(), Rc::new(Cell::new(false)));
    let s = stopped.clone();
    let session = Session::build(())
        .on_start(move |cx| _ = k.replace(at_name().spawn(cx.kernel).ok()))
        .on("stop", |cx, ()| cx.stop())
        .on_stop(move |_| s.set(true))
        .on_default(common::refuse)
        .spawn(&kernel)
        .unwrap();
    kernel.post(session, "stop", ()).unwrap();
    common::run_while(&kernel, || !stopped.get());
    drop(let_go);
    run(&kernel);
    assert!(kept.borrow().as_ref().unwrap().local_address().is_err());
}

#[test]
fn a_wheel_may_be_paused_before_it_listens() {
    let (kernel, log) = (kernel(), Log::default());
    let (l, client) = (log.clone(), RefCell::new(None));
    spawn(&kernel, at_name(), move |cx, event| match event {
        Event::Start => cx.heap.as_ref().unwrap().pause_accept(),
        Event::Listening(_) => {
            l.push("listening");
            client.replace(Some(TcpStream::connect((Ipv4Addr::LOCALHOST, port(cx))).unwrap()));
            // Long enough for the client to be accepted, were it not for the pause.
            cx.delay("do", std::time::Duration::from_millis(5), "resume");
        }
        Event::Do(_) => {
            l.push("resume");
            cx.heap.as_ref().unwrap().resume_accept();
        }
        Event::Success(_) => {
            l.push("client");
            *cx.heap = None;
        }
        other => panic!("{other:?}"),
    });
    run(&kernel);
    assert_eq!(log.take(), ["listening", "resume", "client"]);

    // What is resumed before it listens is as if it had never been paused.
    let client = RefCell::new(None);
    spawn(&kernel, at_name(), move |cx, event| match event {
        Event::Start => {
            let wheel = cx.heap.as_ref().unwrap();
            wheel.pause_accept();
            wheel.resume_accept();
        }
        Event::Listening(_) => {
            client.replace(Some(TcpStream::connect((Ipv4Addr::LOCALHOST, port(cx))).unwrap()));
        }
        Event::Success(_) => *cx.heap = None,
        other => panic!("{other:?}"),
    });
    run(&kernel);
}

#[test]
fn names_of_events_may_change_while_the_name_is_looked_up() {
    let kernel = kernel();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let [s1, s2, s3] = std::array::from_fn(|_| seen.clone());
    Session::build(Vec::<SocketFactory>::new())
        .on_start(move |cx| {
            let nowhere = factory().bind_address("no such host");
            let datagrams = factory().socket_type(SocketType::Datagram);
            for builder in [
                factory().bind_address(NAME),
                nowhere,
                datagrams.clone().bind_address(NAME),
                datagrams.bind_address("no such host"),
            ] {
                let wheel = builder.spawn(cx.kernel).unwrap();
                wheel.listening_event("is listening");
                wheel.success_event("good");
                wheel.failure_event("bad");
                cx.heap.push(wheel);
            }
        })
        .on("is listening", move |cx, listening: Listening| {
            s1.borrow_mut().push("listening");
            cx.heap.retain(|wheel| wheel.id() != listening.wheel);
        })
        .on("good", move |_, _: Connection| s2.borrow_mut().push("good"))
        .on("bad", move |_, _: IoError| s3.borrow_mut().push("bad"))
        .on_default(common::refuse)
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    seen.borrow_mut().sort_unstable();
    assert_eq!(*seen.borrow(), ["bad", "bad", "good", "listening"]);
}

#[test]
fn a_name_may_be_prepared_before_there_is_a_session() {
    let service = at_name().bind_port("no-such-service").prepare();
    assert!(matches!(service, Err(WheelError::Resolve { .. })), "{service:?}");
    let two = factory().bind_path("/no/such").bind_address("127.1").prepare();
    assert!(matches!(two, Err(WheelError::Parameters(_))), "{two:?}");
    let known = factory().bind_address("127.0.0.1").prepare().unwrap();
    assert_eq!(known.local_address().unwrap().ip(), Some(Ipv4Addr::LOCALHOST.into()));

    let kernel = kernel();
    let named = common::once(at_name().prepare().unwrap());
    let port = Rc::new(Cell::new(None));
    let p = port.clone();
    Session::build(None)
        .on_start(move |cx| -> HandlerResult {
            let named = named();
            let error = named.local_address().unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::NotConnected);
            let wheel = named.accept(cx.kernel, "success", "failure")?;
            wheel.listening_event("listening");
            *cx.heap = Some(wheel);
            Ok(())
        })
        .on("listening", move |cx, listening: Listening| {
            p.set(listening.address.port());
            *cx.heap = None;
        })
        .on_default(common::refuse)
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert!(port.get() > Some(0));
}

#[test]
fn datagrams_are_bound_to_a_name_while_others_have_their_turn() {
    let (kernel, let_go) = kernel_with_a_busy_thread(1);
    let (log, let_go) = (Log::default(), Cell::new(Some(let_go)));
    let l = log.clone();
    let builder = factory().socket_type(SocketType::Datagram).bind_address(NAME);
    spawn(&kernel, builder, move |cx, event| match event {
        Event::Start => {
            assert!(cx.heap.as_ref().unwrap().local_address().is_err());
            cx.yield_event("do", "begin");
        }
        Event::Do(_) => {
            l.push("others have had their turn");
            drop(let_go.take());
        }
        Event::Success(made) => {
            assert_eq!(made.peer, Address::Nobody);
            l.push(made.socket.local_address().unwrap().ip().unwrap());
            *cx.heap = None;
        }
        other => panic!("{other:?}"),
    });
    run(&kernel);
    assert_eq!(log.take(), ["others have had their turn", "127.0.0.1"]);
}

#[test]
fn localhost_is_known_at_once() {
    // Nobody could look anything up.
    let (kernel, let_go) = kernel_with_a_busy_thread(0);
    let let_go = Cell::new(Some(let_go));
    Session::build(())
        .on_start(move |cx| {
            let local = factory().bind_address("LocalHost");
            let v6 = local.clone().socket_domain(Domain::Inet6);
            for (builder, ip) in
                [(local, Ipv4Addr::LOCALHOST.into()), (v6, Ipv6Addr::LOCALHOST.into())]
            {
                let wheel = builder.spawn(cx.kernel).unwrap();
                assert_eq!(wheel.local_address().unwrap().ip(), Some(ip));
            }
            drop(let_go.take());
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
}
