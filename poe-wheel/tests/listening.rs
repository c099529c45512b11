//! Listening: clients that come, wait and go.

mod common;

use std::cell::{Cell, RefCell};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use common::sockets::{Event, factory, port, spawn};
use common::{Log, kernel, once, run};
use nix::errno::Errno;
use poe_session::prelude::*;
use poe_wheel::{
    Address, Connection, Input, IoError, ListenAccept, ReadWrite, Socket, SocketFactory, WheelError,
};

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
fn a_crowd_of_clients_lets_others_in_between() {
    let (kernel, log) = (kernel(), Log::default());
    let (l, clients, count) = (log.clone(), RefCell::new(Vec::new()), Cell::new(0));
    spawn(&kernel, factory().bind_address("127.0.0.1"), move |cx, event| match event {
        Event::Start => {
            let port = port(cx);
            let connect = || TcpStream::connect(("127.0.0.1", port)).unwrap();
            clients.borrow_mut().extend(std::iter::repeat_with(connect).take(150));
        }
        Event::Success(_) => {
            if count.get() % 64 == 0 {
                cx.yield_event("do", "others");
            }
            count.set(count.get() + 1);
        }
        Event::Do(_) => {
            l.push(count.get());
            if count.get() == 150 {
                *cx.heap = None;
            }
        }
        other => panic!("{other:?}"),
    });
    run(&kernel);
    assert_eq!(log.take(), ["64", "128", "150"]);
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
