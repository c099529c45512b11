//! Wheels with the driver `Tls`: the wheel waits for what the driver waits for.

mod common;

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use common::{
    Event, Log, kernel, own, pair, run, run_while, spawn, wheel, with_events, with_marks,
};
use poe_driver::{
    CertificateProblem, SysRw, Tls, TlsClient, TlsError, TlsHandshake, TlsIdentity, TlsRoots,
    TlsServer,
};
use poe_filter::Stream;
use poe_wheel::{IoCause, IoError, ReadWrite, ReadWriteEvent, WheelError};

fn contexts() -> (TlsServer, TlsClient) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let identity = TlsIdentity::from_pem(made.cert.pem(), made.signing_key.serialize_pem());
    let server = TlsServer::build().identity(identity.unwrap()).alpn(["echo"]).build().unwrap();
    let roots = TlsRoots::new().pem(made.cert.pem()).unwrap();
    (server, TlsClient::build().roots(roots).alpn(["echo"]).build().unwrap())
}

/// The drivers of both ends.
fn drivers() -> (Tls, Tls) {
    let (server, client) = contexts();
    (server.accept().unwrap(), client.connect("localhost").unwrap())
}

/// Sockets of both ends, which need not be on one machine.
fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let near = listener.accept().unwrap().0;
    for socket in [&near, &far] {
        socket.set_nonblocking(true).unwrap();
    }
    (near, far)
}

fn tls_error(error: &IoError) -> Option<&TlsError> {
    match &error.cause {
        IoCause::Os(error) => TlsError::of(error),
        _ => None,
    }
}

#[test]
fn lines_go_to_and_fro_and_each_side_ends_in_good_order() {
    let (kernel, log) = (kernel(), Log::default());
    let ((near, far), (accept, connect)) = (pair(), drivers());
    spawn(&kernel, wheel(near).driver(accept), |cx, event| match event {
        Event::Input(line) => _ = own(cx).put(line.to_ascii_uppercase()),
        Event::Error(error) => {
            assert!(error.is_eof(), "{error}");
            own(cx).put("bye");
            own(cx).shutdown_output();
            cx.yield_event("do", "wait");
        }
        Event::Do(_) if own(cx).get_driver_out_octets() > 0 => cx.yield_event("do", "wait"),
        Event::Do(_) => *cx.heap = None,
        _ => {}
    });
    let l = log.clone();
    spawn(&kernel, wheel(far).driver(connect), move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => _ = own(cx).put("one"),
            Event::Input(line) if line == "ONE" => {
                let (cipher, alpn) = own(cx)
                    .with_driver(|tls: &Tls| (tls.cipher(), tls.alpn().map(<[u8]>::to_vec)))
                    .unwrap();
                assert_eq!(alpn.as_deref(), Some(&b"echo"[..]));
                assert!(cipher.is_some_and(|name| name.starts_with("TLS_")));
                assert!(own(cx).with_driver(|_: &SysRw| ()).is_none());
                own(cx).put("two");
                own(cx).shutdown_output();
            }
            Event::Error(_) => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    // The handshake is no output of the session's.
    let expected =
        ["start", "flushed", "input ONE", "flushed", "input TWO", "input bye", "error read 0"];
    assert_eq!(log.take(), expected);
}

#[test]
fn a_wheel_that_reads_nothing_shakes_hands_nevertheless() {
    let (kernel, log) = (kernel(), Log::default());
    let ((near, far), (accept, connect)) = (pair(), drivers());
    let builder = ReadWrite::build(near).driver(accept).flushed_event("flushed");
    spawn(&kernel, builder, |cx, event| match event {
        Event::Start => _ = own(cx).put("from one that only writes"),
        Event::Flushed => *cx.heap = None,
        event => panic!("{event}"),
    });
    let l = log.clone();
    spawn(&kernel, wheel(far).driver(connect), move |cx, event| {
        l.push(&event);
        if matches!(event, Event::Error(_)) {
            *cx.heap = None;
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "input from one that only writes", "error read 0"]);
}

#[test]
fn a_wheel_that_is_paused_shakes_hands_and_keeps_its_input() {
    let (kernel, log) = (kernel(), Log::default());
    let ((near, far), (accept, connect)) = (pair(), drivers());
    let server = spawn(&kernel, wheel(near).driver(accept), {
        let l = log.clone();
        move |cx, event| {
            l.push(format!("server {event}"));
            match event {
                Event::Start => {
                    own(cx).pause_input();
                    own(cx).put("who goes there");
                }
                Event::Do(_) => own(cx).resume_input(),
                Event::Input(_) => own(cx).shutdown_output(),
                Event::Error(_) => *cx.heap = None,
                _ => {}
            }
        }
    });
    let l = log.clone();
    spawn(&kernel, wheel(far).driver(connect), move |cx, event| {
        l.push(format!("client {event}"));
        match event {
            Event::Start => _ = own(cx).put("a friend"),
            Event::Input(_) => cx.post(server, "do", "resume").unwrap(),
            Event::Error(_) => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    let log = log.take();
    let place = |line: &str| log.iter().position(|entry| entry == line).expect(line);
    let resumed = place("server resume");
    assert!(place("client input who goes there") < resumed, "{log:?}");
    assert!(place("server input a friend") > resumed, "{log:?}");
    assert_eq!(log.last().unwrap(), "server error read 0");
}

#[test]
fn large_transfers_go_both_ways_under_back_pressure() {
    const COUNT: usize = 300;
    let kernel = kernel();
    let ((near, far), (accept, connect)) = (tcp_pair(), drivers());
    let received = Rc::new(RefCell::new([0_usize; 2]));
    let highs = Log::default();
    for (index, socket, driver) in [(0, near, accept), (1, far, connect)] {
        let builder =
            with_marks(wheel(socket).driver(driver).filter(Stream::new()), 10_000, 100_000);
        let (received, highs) = (Rc::clone(&received), highs.clone());
        let left = Cell::new(COUNT);
        let fill = move |cx: &poe_session::Cx<'_, common::Heap>| {
            while left.get() > 0 {
                left.set(left.get() - 1);
                if own(cx).put(Bytes::from(vec![b'x'; 30_000])) {
                    return;
                }
            }
            own(cx).shutdown_output();
        };
        spawn(&kernel, builder, move |cx, event| match event {
            Event::Start | Event::Low => fill(cx),
            Event::High => highs.push("high"),
            Event::Input(chunk) => received.borrow_mut()[index] += chunk.len(),
            // A session whose wheel has ended both ways has nothing left to live for.
            Event::Error(error) => assert!(error.is_eof(), "{error}"),
            _ => {}
        });
    }
    run(&kernel);
    assert_eq!(*received.borrow(), [COUNT * 30_000; 2]);
    assert!(highs.len() >= 2);
}

#[test]
fn a_wheel_that_is_dropped_says_goodbye_if_all_has_gone() {
    for is_complete in [true, false] {
        let (kernel, log) = (kernel(), Log::default());
        let ((near, far), (accept, connect)) = (pair(), drivers());
        spawn(&kernel, wheel(near).driver(accept), move |cx, event| match event {
            Event::Input(_) => {
                own(cx).put("last words");
                if !is_complete {
                    *cx.heap = None;
                }
            }
            Event::Flushed => *cx.heap = None,
            _ => {}
        });
        let l = log.clone();
        spawn(&kernel, wheel(far).driver(connect), move |cx, event| match event {
            Event::Start => _ = own(cx).put("hello"),
            Event::Input(line) => l.push(line.escape_ascii()),
            Event::Error(error) => {
                l.push(tls_error(&error).map_or("end".to_owned(), ToString::to_string));
                *cx.heap = None;
            }
            _ => {}
        });
        run(&kernel);
        if is_complete {
            assert_eq!(log.take(), ["last words", "end"]);
        } else {
            assert_eq!(log.take(), [TlsError::Truncated.to_string()]);
        }
    }
}

#[test]
fn a_wheel_that_lingers_says_goodbye_to_a_peer_that_still_sends() {
    for size in [10, 1_000_000] {
        let kernel = kernel();
        let ((near, far), (accept, connect)) = (tcp_pair(), drivers());
        let lingering = RefCell::new(None);
        let builder = wheel(near).driver(accept).filter(Stream::new());
        spawn(&kernel, builder, move |cx, event| match event {
            Event::Start => own(cx).pause_input(),
            Event::Flushed => {
                let wheel = cx.heap.take().unwrap();
                *lingering.borrow_mut() = wheel.linger(Duration::from_secs(10));
            }
            Event::Do(_) => _ = own(cx).put(Bytes::from(vec![b'x'; size])),
            _ => {}
        });
        let received = Rc::new(RefCell::new(Vec::new()));
        let r = Rc::clone(&received);
        let server = kernel.children(poe_session::prelude::SessionId::KERNEL)[0];
        let builder = wheel(far).driver(connect).filter(Stream::new());
        spawn(&kernel, builder, move |cx, event| match event {
            Event::Start => {
                own(cx).put("something that nobody reads");
                cx.post(server, "do", "put").unwrap();
            }
            Event::Input(chunk) => {
                own(cx).put("still sending");
                r.borrow_mut().extend_from_slice(&chunk);
            }
            Event::Error(error) => {
                assert!(error.is_eof(), "{error}");
                *cx.heap = None;
            }
            _ => {}
        });
        run(&kernel);
        assert_eq!(received.borrow().len(), size);
    }
}

#[test]
fn failures_say_what_they_are() {
    let (server, _) = contexts();
    let (_, stranger) = contexts();
    let (kernel, log) = (kernel(), Log::default());
    let (near, far) = pair();
    let ends: [(_, OwnedFd, Tls); 2] = [
        ("server", near.into(), server.accept().unwrap()),
        ("client", far.into(), stranger.connect("localhost").unwrap()),
    ];
    for (who, socket, driver) in ends {
        let l = log.clone();
        spawn(&kernel, wheel(socket).driver(driver), move |cx, event| match event {
            Event::Start => _ = own(cx).put("never sent"),
            Event::Error(error) => {
                assert_eq!((error.operation, error.is_eof()), ("read", false));
                assert_eq!(error.errno(), nix::errno::Errno::EPROTO as i32);
                let cause = tls_error(&error).unwrap();
                l.push(format!("{who} {:?}", cause.certificate_problem()));
                let status = own(cx).with_driver(|tls: &Tls| tls.handshake());
                assert_eq!(status, Some(TlsHandshake::Failed(cause.clone())));
                *cx.heap = None;
            }
            event => panic!("{event}"),
        });
    }
    run(&kernel);
    let expected = format!("client {:?}", Some(CertificateProblem::UnknownIssuer));
    assert_eq!(log.take(), [&expected, "server None"]);
}

#[test]
fn a_truncation_is_told() {
    let (kernel, log) = (kernel(), Log::default());
    let ((near, far), (accept, connect)) = (pair(), drivers());
    spawn(&kernel, wheel(near.try_clone().unwrap()).driver(accept), move |cx, event| match event {
        Event::Input(_) => {
            near.shutdown(std::net::Shutdown::Both).unwrap();
            *cx.heap = None;
        }
        Event::Start | Event::Flushed => {}
        event => panic!("{event}"),
    });
    let l = log.clone();
    spawn(&kernel, wheel(far).driver(connect), move |cx, event| match event {
        Event::Start => _ = own(cx).put("hello"),
        Event::Error(error) => {
            l.push(&error);
            assert_eq!(error.kind(), Some(io::ErrorKind::UnexpectedEof));
            *cx.heap = None;
        }
        _ => {}
    });
    run(&kernel);
    assert_eq!(log.take(), [format!("read: {}", TlsError::Truncated)]);
}

/// A server that changes over at a command, and what it says of it.
fn starttls_server(
    kernel: &poe_session::prelude::Kernel,
    socket: UnixStream,
    tls: TlsServer,
) -> Log {
    let log = Log::default();
    let l = log.clone();
    spawn(kernel, wheel(socket), move |cx, event| match event {
        Event::Input(line) if line == "STARTTLS" => {
            own(cx).put("220 go ahead");
            own(cx).set_driver(tls.accept().unwrap()).unwrap();
            own(cx).put("welcome");
        }
        Event::Input(line) => {
            let cipher = own(cx).with_driver(|tls: &Tls| tls.handshake());
            l.push(format!("{} {cipher:?}", line.escape_ascii()));
            own(cx).put(line);
        }
        Event::Error(error) => {
            l.push(error.is_eof());
            if let Some(error) = tls_error(&error) {
                l.push(format!("{error:?}"));
            }
            *cx.heap = None;
        }
        _ => {}
    });
    log
}

#[test]
fn a_connection_changes_over() {
    for is_hasty in [false, true] {
        let (kernel, log) = (kernel(), Log::default());
        let (near, far) = pair();
        let (tls, client) = contexts();
        let server = starttls_server(&kernel, near, tls);
        let l = log.clone();
        spawn(&kernel, wheel(far), move |cx, event| {
            l.push(&event);
            match event {
                Event::Start => {
                    own(cx).put("EHLO");
                    own(cx).put("STARTTLS");
                    if is_hasty {
                        // What the server says in clear text, it says before; this end would take it for TLS.
                        own(cx).put("RCPT TO: <me>");
                    }
                }
                Event::Input(line) if line == "220 go ahead" && !is_hasty => {
                    own(cx).set_driver(client.connect("localhost").unwrap()).unwrap();
                    own(cx).put("secret");
                }
                Event::Input(line) if line == "secret" => own(cx).shutdown_output(),
                Event::Error(_) => *cx.heap = None,
                _ => {}
            }
            if is_hasty && l.len() > 4 {
                *cx.heap = None;
            }
        });
        run(&kernel);
        if is_hasty {
            // What was slipped in is not obeyed.
            let said = server.take();
            assert_eq!(said[..2], ["EHLO None", "false"]);
            assert!(said[2].starts_with("NotTls"), "{said:?}");
            continue;
        }
        assert_eq!(server.take(), ["EHLO None", "secret Some(Done)", "true"]);
        let log = log.take();
        let inputs: Vec<_> = log.iter().filter(|line| line.starts_with("input")).collect();
        assert_eq!(inputs, ["input EHLO", "input 220 go ahead", "input welcome", "input secret"]);
    }
}

#[test]
fn a_driver_that_takes_no_place_leaves_all_as_it_was() {
    let (kernel, log) = (kernel(), Log::default());
    let (near, mut far) = pair();
    far.write_all(b"one\ntwo\n").unwrap();
    far.shutdown(std::net::Shutdown::Write).unwrap();
    let l = log.clone();
    spawn(&kernel, wheel(near), move |cx, event| {
        l.push(&event);
        match event {
            Event::Input(_) => {
                let error = own(cx).set_driver(SysRw::new()).unwrap_err();
                assert!(matches!(error, WheelError::Driver), "{error}");
            }
            Event::Error(_) => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "input one", "input two", "error read 0"]);
}

#[test]
fn there_is_no_way_back_to_clear_text() {
    let kernel = kernel();
    let (near, _far) = pair();
    let (accept, connect) = drivers();
    let connect = RefCell::new(Some(connect));
    spawn(&kernel, with_events(ReadWrite::build(near).driver(accept)), move |cx, _| {
        let error = own(cx).set_driver(SysRw::new()).unwrap_err();
        assert!(matches!(error, WheelError::Driver), "{error}");
        let other = connect.borrow_mut().take().unwrap();
        let error = own(cx).set_driver(other).unwrap_err();
        assert!(error.to_string().contains("not back"), "{error}");
        *cx.heap = None;
    });
    run(&kernel);
}

/// What the callback of a handshake asks of the wheel, which is reading, is done or refused, and does not fail.
#[test]
fn a_wheel_is_used_while_its_driver_tells_of_the_handshake() {
    let uses: [fn(&ReadWrite); 9] = [
        |wheel| _ = wheel.put("hello"),
        ReadWrite::pause_input,
        ReadWrite::resume_input,
        |wheel| wheel.event_end(ReadWriteEvent::Input),
        |wheel| wheel.event(ReadWriteEvent::Input, "other").unwrap(),
        |wheel| assert_eq!(wheel.get_driver_out_octets(), 0),
        ReadWrite::shutdown_output,
        ReadWrite::shutdown_input,
        |wheel| {
            assert!(wheel.with_driver(|_: &Tls| ()).is_none());
            assert!(matches!(wheel.set_driver(SysRw::new()), Err(WheelError::Busy)));
        },
    ];
    for use_it in uses {
        let kernel = kernel();
        let ((near, far), (accept, connect)) = (pair(), drivers());
        let shared: Rc<RefCell<Option<ReadWrite>>> = Rc::default();
        let is_told = Rc::new(Cell::new(false));
        let (asked, told) = (Rc::clone(&shared), Rc::clone(&is_told));
        let accept = accept.on_handshake(move |_| {
            use_it(asked.borrow().as_ref().unwrap());
            told.set(true);
        });
        let builder = ReadWrite::build(near).driver(accept).input_event("got");
        let put_there = Rc::clone(&shared);
        spawn(&kernel, builder, move |cx, _| *put_there.borrow_mut() = cx.heap.take());
        spawn(&kernel, wheel(far).driver(connect), |_, _| ());
        run_while(&kernel, || !is_told.get());
        *shared.borrow_mut() = None;
    }
}
