//! Datagrams that cannot go out: failures that are told whatever else there is, and waits that cost nothing.

mod common;

use std::cell::{Cell, RefCell};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use common::{Log, kernel, run};
use nix::errno::Errno;
use poe_session::prelude::*;
use poe_wheel::udp::{PutError, UdpBuilder};
use poe_wheel::{Address, IoError, Socket, Udp, WheelError, WheelId};

type Heap = Option<Udp>;

/// A session whose wheel tells only of what is sent, and of what is not.
fn session(
    log: &Log,
    builder: UdpBuilder,
    start: impl Fn(&mut Cx<'_, Heap>) + 'static,
) -> Session<Heap> {
    let [failed, flushed] = [log.clone(), log.clone()];
    let builder = Cell::new(Some(builder.error_event("failed").flushed_event("flushed")));
    Session::build(None)
        .on_start(move |cx| {
            *cx.heap = Some(builder.take().unwrap().spawn(cx.kernel).unwrap());
            start(cx);
        })
        .on("failed", move |_, error: IoError| {
            failed.push(format!(
                "{} {} {}",
                error.operation,
                error.errno(),
                if error.is_recoverable() { "lost" } else { "over" }
            ));
        })
        .on("flushed", move |_, _: WheelId| flushed.push("flushed"))
}

fn own<'a>(cx: &'a Cx<'_, Heap>) -> &'a Udp {
    cx.heap.as_ref().unwrap()
}

fn over() -> String {
    format!("write {} over", Errno::EPIPE as i32)
}

/// A folder that goes with this.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("poe-wheel-udp-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_end_of_a_socket_is_told_though_it_is_all_that_the_session_had() {
    for at_once in [false, true] {
        let (kernel, log) = (kernel(), Log::default());
        let (ours, _theirs) = UnixDatagram::pair().unwrap();
        ours.shutdown(Shutdown::Write).unwrap();
        let l = log.clone();
        let session = session(&log, Udp::build(ours), move |cx| {
            own(cx).put("lost", &Address::Nobody).unwrap();
            if at_once {
                own(cx).flush();
                let error = own(cx).put("more", &Address::Nobody).unwrap_err();
                assert!(matches!(error, PutError::Over { .. }));
                l.push("over");
            }
        });
        session.spawn(&kernel).unwrap();
        run(&kernel);
        let told = log.take();
        assert_eq!(told.last(), Some(&over()), "{told:?}");
    }
}

#[test]
fn the_end_of_a_socket_that_was_waited_for_is_told_too() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    let again = ours.try_clone().unwrap();
    let l = log.clone();
    let session = session(&log, Udp::build(ours), move |cx| {
        // As many as the socket takes, and more.
        let payload = vec![0; 1000];
        while own(cx).get_driver_out_octets() == 0 {
            for _ in 0..100 {
                own(cx).put(payload.clone(), &Address::Nobody).unwrap();
            }
            own(cx).flush();
        }
        cx.yield_event("shut down", ());
    });
    session
        .on("shut down", move |_, ()| {
            again.shutdown(Shutdown::Write).unwrap();
            drain(&theirs);
            l.push("shut down");
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(log.take(), ["shut down".to_owned(), over()]);
}

/// How many datagrams a socket at that path takes that nobody reads.
fn fill(path: &std::path::Path) {
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.send_to(b"x", path).is_ok() {}
}

#[test]
fn waiting_for_one_receiver_while_another_has_room_costs_no_turns() {
    let (kernel, log) = (kernel(), Log::default());
    let folder = Folder::new("two");
    let paths = ["connected", "other"].map(|name| folder.0.join(name));
    let [connected, other] = [0, 1].map(|n| Rc::new(UnixDatagram::bind(&paths[n]).unwrap()));
    paths.iter().for_each(|path| fill(path));
    let sender = UnixDatagram::unbound().unwrap();
    sender.connect(&paths[0]).unwrap();
    let to_other = Address::Unix(Some(paths[1].clone()));
    let session = session(&log, Udp::build(sender), move |cx| {
        own(cx).put("there", &Address::Nobody).unwrap();
        own(cx).put("elsewhere", &to_other).unwrap();
        own(cx).flush();
        assert_eq!(own(cx).get_driver_out_messages(), 2);
        drain(&connected);
        cx.delay("look", Duration::from_millis(100), ());
    });
    let turns = Rc::new(Cell::new(0));
    let t = Rc::clone(&turns);
    session
        .on("look", move |cx, ()| {
            assert_eq!(own(cx).get_driver_out_messages(), 1);
            t.set(cx.kernel.inspect().turns);
            drain(&other);
        })
        .on("flushed", |cx, _: WheelId| *cx.heap = None)
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert!(turns.get() < 60, "{} turns in a tenth of a second", turns.get());
}

fn drain(socket: &UnixDatagram) {
    socket.set_nonblocking(true).unwrap();
    while socket.recv(&mut [0; 10]).is_ok() {}
}

#[test]
fn who_waits_for_all_to_be_sent_is_told_though_all_was_lost() {
    let (kernel, log) = (kernel(), Log::default());
    let folder = Folder::new("lost");
    let missing = Address::Unix(Some(folder.0.join("missing")));
    let socket = UnixDatagram::unbound().unwrap();
    let session = session(&log, Udp::build(socket), move |cx| {
        own(cx).put("lost", &missing).unwrap();
    });
    let l = log.clone();
    session
        .on("flushed", move |cx, _: WheelId| {
            l.push("flushed");
            *cx.heap = None;
        })
        .on("failed", {
            let l = log.clone();
            move |cx, error: IoError| {
                l.push(error.errno());
                cx.delay("give up", Duration::from_millis(100), ());
            }
        })
        .on("give up", |cx, ()| *cx.heap = None)
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(log.take(), [format!("{}", Errno::ENOENT as i32), "flushed".into()]);
}

thread_local! {
    static WHEEL: RefCell<Option<Udp>> = const { RefCell::new(None) };
    static DROPPED: Cell<usize> = const { Cell::new(0) };
}

/// Puts another one when it is dropped, and flushes.
struct Payload(Address);

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        b"payload"
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        DROPPED.set(DROPPED.get() + 1);
        WHEEL.with(|wheel| {
            if let Ok(wheel) = wheel.try_borrow()
                && let Some(wheel) = &*wheel
            {
                wheel.put("more", &self.0).unwrap();
                wheel.flush();
            }
        });
    }
}

#[test]
fn a_payload_may_use_its_wheel_when_it_is_dropped() {
    let kernel = kernel();
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = Address::Ip(receiver.local_addr().unwrap());
    let make = common::once(UdpSocket::bind("127.0.0.1:0").unwrap());
    Session::build(())
        .on_start(move |cx| {
            let wheel = Udp::build(make()).flushed_event("flushed").spawn(cx.kernel).unwrap();
            for _ in 0..3 {
                wheel.put(Bytes::from_owner(Payload(to.clone())), &to).unwrap();
            }
            WHEEL.set(Some(wheel));
        })
        .on("flushed", |_, _: WheelId| drop(WHEEL.take()))
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(DROPPED.get(), 3);
    let mut room = [0; 10];
    let came: Vec<_> = (0..6).map(|_| receiver.recv(&mut room).unwrap()).collect();
    assert_eq!(came, [7, 7, 7, 4, 4, 4]);
}

#[test]
fn an_address_of_another_family_is_given_back() {
    let (kernel, log) = (kernel(), Log::default());
    let ip = Address::Ip("127.0.0.1:9".parse().unwrap());
    let unix = Address::Unix(Some("/no/such/path".into()));
    let v4 = Socket::from(UdpSocket::bind("127.0.0.1:0").unwrap());
    let v6 = Socket::from(UdpSocket::bind("[::1]:0").unwrap());
    let local = Socket::from(UnixDatagram::unbound().unwrap());
    for (socket, other) in [(v4, unix.clone()), (v6, unix), (local, ip)] {
        let session = session(&log, Udp::build(socket), move |cx| {
            let error = own(cx).put("other", &other).unwrap_err();
            let PutError::Address { source, .. } = &error else { panic!("{error}") };
            assert_eq!(source.raw_os_error(), Some(Errno::EAFNOSUPPORT as i32));
            *cx.heap = None;
        });
        session.spawn(&kernel).unwrap();
    }
    run(&kernel);
    assert!(log.take().is_empty());
}

#[test]
fn a_socket_of_a_stream_is_refused() {
    let kernel = kernel();
    Session::build(())
        .on_start(|cx| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            // Its end would be read as empty datagrams without an end.
            let stream = TcpStream::connect(address).unwrap();
            drop(listener);
            let error = Udp::build(stream).spawn(cx.kernel).unwrap_err();
            assert!(matches!(error, WheelError::NoDatagrams { .. }), "{error}");
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
}
