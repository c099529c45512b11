//! What a wheel holds its session by is shown at the line that made the wheel.

mod common;

use std::cell::Cell;
use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use common::{kernel, run};
use poe_kernel::ReasonCause;
use poe_session::prelude::*;
use poe_wheel::{
    Connection, FollowTail, IoError, ListenAccept, ReadLine, ReadWrite, Run, SocketFactory, Udp,
};

/// A wheel, what it is made of, and the line that made it.
type Made = (Box<dyn std::any::Any>, u32);
type Make = fn(&Kernel) -> Made;

/// All that holds the active session, by where it comes from.
fn places(kernel: &Kernel) -> Vec<(&'static str, u32)> {
    let reasons = kernel.why_alive(kernel.active_session());
    reasons.iter().map(|reason| (reason.since.file(), reason.since.line())).collect()
}

fn read_write(kernel: &Kernel) -> Made {
    let (near, far) = UnixStream::pair().unwrap();
    let builder = ReadWrite::build(near).input_event("event");
    let wheel = builder.spawn(kernel).unwrap();
    (Box::new((wheel, far)), line!() - 1)
}

fn lingering(kernel: &Kernel) -> Made {
    let (near, mut far) = UnixStream::pair().unwrap();
    far.write_all(b"unread").unwrap();
    let builder = ReadWrite::build(near).input_event("event");
    let wheel = builder.spawn(kernel).unwrap();
    let line = line!() - 1;
    (Box::new((wheel.linger(Duration::from_secs(9)).unwrap(), far)), line)
}

fn listen_accept(kernel: &Kernel) -> Made {
    let builder = ListenAccept::build(TcpListener::bind("127.0.0.1:0").unwrap());
    let wheel = builder.accept_event("event").spawn(kernel).unwrap();
    (Box::new(wheel), line!() - 1)
}

fn listening(kernel: &Kernel) -> Made {
    let builder = SocketFactory::build().bind_address("127.0.0.1").success_event("event");
    let wheel = builder.failure_event("event").spawn(kernel).unwrap();
    (Box::new(wheel), line!() - 1)
}

fn looking_up(kernel: &Kernel) -> Made {
    let builder = SocketFactory::build().bind_address("127.1").success_event("event");
    let wheel = builder.failure_event("event").spawn(kernel).unwrap();
    (Box::new(wheel), line!() - 1)
}

fn accepting(kernel: &Kernel) -> Made {
    let socket = SocketFactory::build().bind_address("127.0.0.1").listen().unwrap();
    let wheel = socket.accept(kernel, "event", "event").unwrap();
    (Box::new(wheel), line!() - 1)
}

fn handing_over(kernel: &Kernel) -> Made {
    let builder = SocketFactory::build().bind_address("127.0.0.1").success_event("event");
    let builder = builder.failure_event("event").socket_type(poe_wheel::SocketType::Datagram);
    let wheel = builder.spawn(kernel).unwrap();
    (Box::new(wheel), line!() - 1)
}

fn connecting(kernel: &Kernel) -> Made {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let builder = SocketFactory::build().remote_address("127.0.0.1").remote_port(port);
    let builder = builder.success_event("event").connect_timeout(Duration::from_secs(9));
    let wheel = builder.failure_event("event").spawn(kernel).unwrap();
    (Box::new((wheel, server)), line!() - 1)
}

fn resolving(kernel: &Kernel) -> Made {
    let builder = SocketFactory::build().remote_address("127.1").remote_port(1);
    let builder = builder.success_event("event").failure_event("event");
    let wheel = builder.spawn(kernel).unwrap();
    (Box::new(wheel), line!() - 1)
}

fn udp(kernel: &Kernel) -> Made {
    let builder = Udp::build(UdpSocket::bind("127.0.0.1:0").unwrap());
    let wheel = builder.input_event("event").spawn(kernel).unwrap();
    (Box::new(wheel), line!() - 1)
}

fn follow_tail(kernel: &Kernel) -> Made {
    let builder = FollowTail::build(file!().trim_start_matches("poe-wheel/"));
    let wheel = builder.input_event("event").spawn(kernel).unwrap();
    (Box::new(wheel), line!() - 1)
}

fn program(kernel: &Kernel) -> Made {
    let builder = Run::build("cat").stdout_event("event").stderr_event("event");
    let wheel = builder.stdin_event("event").spawn(kernel).unwrap();
    (Box::new(wheel), line!() - 1)
}

fn read_line(kernel: &Kernel) -> Made {
    let (near, far) = UnixStream::pair().unwrap();
    let output = near.try_clone().unwrap();
    let wheel = ReadLine::build_pair(near, output).input_event("event").spawn(kernel).unwrap();
    let line = line!() - 1;
    wheel.get("");
    (Box::new((wheel, far)), line)
}

#[test]
fn what_a_wheel_waits_for_is_shown_at_the_line_that_made_it() {
    let wheels: [(&str, Make); 13] = [
        ("ReadWrite", read_write),
        ("lingering", lingering),
        ("ListenAccept", listen_accept),
        ("listening", listening),
        ("looking up", looking_up),
        ("accepting", accepting),
        ("handing over", handing_over),
        ("connecting", connecting),
        ("resolving", resolving),
        ("Udp", udp),
        ("FollowTail", follow_tail),
        ("Run", program),
        ("ReadLine", read_line),
    ];
    for (name, make) in wheels {
        let kernel = kernel();
        Session::build(())
            .on_start(move |cx| {
                let before = places(cx.kernel).len();
                let (wheel, line) = make(cx.kernel);
                let places = places(cx.kernel);
                assert!(places.len() > before, "{name} waits for something");
                for place in &places {
                    assert_eq!(*place, (file!(), line), "{name}");
                }
                drop(wheel);
            })
            .spawn(&kernel)
            .unwrap();
        run(&kernel);
    }
}

#[test]
fn what_a_wheel_begins_later_is_shown_there_too() {
    let kernel = kernel();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let has_begun = Rc::new(Cell::new(false));
    let begun = has_begun.clone();
    Session::build(None::<(SocketFactory, u32)>)
        .on_start(move |cx| {
            let builder = SocketFactory::build().remote_address("127.1").remote_port(port);
            let builder = builder.success_event("connected").failure_event("failed");
            let wheel = builder.spawn(cx.kernel).unwrap();
            *cx.heap = Some((wheel, line!() - 1));
            cx.yield_event("look", ());
        })
        .on("look", move |cx, ()| {
            let Some((_, line)) = *cx.heap else { return };
            for reason in cx.kernel.why_alive(cx.session()) {
                if matches!(reason.cause, ReasonCause::EventTo { .. }) {
                    continue;
                }
                assert_eq!((reason.since.file(), reason.since.line()), (file!(), line), "{reason}");
                // The socket is there only after the name was looked up.
                begun.set(begun.get() || matches!(reason.cause, ReasonCause::Handle { .. }));
            }
            cx.yield_event("look", ());
        })
        .on("connected", |cx, _: Connection| *cx.heap = None)
        .on("failed", |_, error: IoError| -> HandlerResult { Err(error.into()) })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert!(has_begun.get());
    drop(server);
}
