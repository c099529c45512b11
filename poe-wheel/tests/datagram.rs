//! Wheels of datagrams.

mod common;

use std::cell::Cell;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::net::UnixDatagram;

use common::{Event, Log, kernel, own, run, spawn, wheel, with_marks};
use nix::errno::Errno;
use poe_driver::Datagram;
use poe_filter::{Filter, Grep, Map, Packet, RecordBlock};
use poe_wheel::ReadWriteBuilder;

fn packets(handle: impl std::os::fd::AsFd + 'static) -> ReadWriteBuilder {
    wheel(handle).driver(Datagram::new()).filter(Packet::new())
}

fn udp() -> (UdpSocket, UdpSocket) {
    let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (one, other) = (bind(), bind());
    one.connect(other.local_addr().unwrap()).unwrap();
    other.connect(one.local_addr().unwrap()).unwrap();
    (one, other)
}

/// One wheel sends, the other answers each datagram, and the first one ends both.
fn talk(
    one: impl std::os::fd::AsFd + 'static,
    other: impl std::os::fd::AsFd + 'static,
) -> Vec<String> {
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    spawn(&kernel, packets(one), move |cx, event| match event {
        Event::Start => {
            for datagram in ["one", "", "two\nlines", "", "end"] {
                own(cx).put(datagram);
            }
            assert_eq!(own(cx).get_driver_out_messages(), 5);
        }
        Event::Input(datagram) => {
            l.push(datagram.escape_ascii());
            if datagram == "<end>" {
                *cx.heap = None;
            }
        }
        Event::Flushed => l.push("flushed"),
        other => panic!("{other:?}"),
    });
    spawn(&kernel, packets(other), |cx, event| {
        if let Event::Input(datagram) = event {
            own(cx).put([b"<", &datagram[..], b">"].concat());
            if datagram == "end" {
                own(cx).put("");
                own(cx).flush();
                *cx.heap = None;
            }
        }
    });
    run(&kernel);
    log.take()
}

#[test]
fn datagrams_go_and_come_as_records() {
    let expected = ["flushed", "<one>", "<>", "<two\\nlines>", "<>", "<end>"];
    let (one, other) = udp();
    assert_eq!(talk(one, other), expected);
    let (one, other) = UnixDatagram::pair().unwrap();
    assert_eq!(talk(one, other), expected);
}

#[test]
fn an_empty_datagram_is_written_before_flushed_and_the_end() {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    // The peer takes only so many at once.
    const COUNT: usize = 2000;
    spawn(&kernel, packets(ours), move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => {
                for _ in 0..COUNT {
                    own(cx).put("");
                }
                own(cx).shutdown_output();
            }
            Event::Flushed => {
                assert_eq!(own(cx).get_driver_out_messages(), 0);
                *cx.heap = None;
            }
            _ => {}
        }
    });
    let reader = std::thread::spawn(move || {
        let mut space = [0; 8];
        (0..COUNT).map(|_| theirs.recv(&mut space).unwrap()).sum::<usize>()
    });
    run(&kernel);
    assert_eq!(reader.join().unwrap(), 0);
    assert_eq!(log.take(), ["start", "flushed"]);
}

#[test]
fn what_is_lost_is_told_and_the_wheel_goes_on() {
    let (ours, theirs) = udp();
    let (kernel, log) = (kernel(), Log::default());
    let driver = Datagram::builder().max_datagram(10).build().unwrap();
    let l = log.clone();
    let theirs = Cell::new(Some(theirs));
    spawn(&kernel, packets(ours).driver(driver), move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => {
                own(cx).put(vec![b'x'; 100_000]);
                own(cx).put("this one goes");
            }
            Event::Error(error) if error.errno() == Errno::ECONNREFUSED as i32 => {
                assert!(error.is_recoverable());
                *cx.heap = None;
            }
            Event::Error(error) => assert!(error.is_recoverable(), "{error}"),
            Event::Flushed => {
                let Some(theirs) = theirs.take() else { return };
                let mut space = [0; 100];
                assert_eq!(theirs.recv(&mut space).unwrap(), 13);
                theirs.send(b"this is too long").unwrap();
                theirs.send(b"short").unwrap();
            }
            // There is nobody any more.
            Event::Input(_) => _ = own(cx).put("to nobody"),
            _ => {}
        }
    });
    run(&kernel);
    let too_long = Errno::EMSGSIZE as i32;
    let log = log.take();
    let expected = [
        "start",
        &format!("error write {too_long}"),
        "flushed",
        &format!("error read {too_long}"),
        "input short",
        "flushed",
    ];
    assert_eq!(log[..6], expected);
    // Whichever comes first, a read or a write, is told.
    let refused = Errno::ECONNREFUSED as i32;
    assert!([format!("error read {refused}"), format!("error write {refused}")].contains(&log[6]));
    assert_eq!(log.len(), 7);
}

#[test]
fn a_socket_that_is_not_connected_is_the_end_of_the_output() {
    let ours = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    spawn(&kernel, packets(ours), move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => _ = own(cx).put("to whom?"),
            Event::Error(error) => {
                assert!(!error.is_recoverable());
                *cx.heap = None;
            }
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", &format!("error write {}", Errno::EDESTADDRREQ as i32)]);
}

#[test]
fn a_peer_that_does_not_receive_makes_the_rest_wait_between_marks() {
    const COUNT: usize = 5000;
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    let (kernel, log) = (kernel(), Log::default());
    let (l, next) = (log.clone(), Cell::new(0));
    spawn(&kernel, with_marks(packets(ours), 100, 1000), move |cx, event| {
        l.push(&event);
        match event {
            Event::Start | Event::Low => {
                while next.get() < COUNT {
                    next.set(next.get() + 1);
                    if own(cx).put(next.get().to_string()) {
                        break;
                    }
                }
                assert!(own(cx).get_driver_out_octets() < 1010);
            }
            Event::Flushed if next.get() == COUNT => *cx.heap = None,
            _ => {}
        }
    });
    let reader = std::thread::spawn(move || {
        let mut space = [0; 100];
        for number in 1..=COUNT {
            let count = theirs.recv(&mut space).unwrap();
            assert_eq!(space[..count], *number.to_string().as_bytes());
        }
    });
    run(&kernel);
    reader.join().unwrap();
    let log = log.take();
    let marks: Vec<_> = log.iter().filter(|line| *line == "high" || *line == "low").collect();
    assert!(marks.len() > 10 && marks.chunks(2).all(|pair| pair == ["high", "low"]));
}

/// A record that a layer keeps or drops is no datagram.
#[test]
fn layers_send_no_empty_datagrams() {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    let filter = Packet::new().then(Grep::both(|datagram: &bytes::Bytes| datagram != "dropped"));
    let filter = filter.then(RecordBlock::new(2).unwrap());
    let joined = |block: Vec<bytes::Bytes>| bytes::Bytes::from(block.concat());
    let filter = filter.then(Map::new(joined, |record: bytes::Bytes| vec![record]));
    let kernel = kernel();
    spawn(&kernel, wheel(ours).driver(Datagram::new()).filter(filter), |cx, event| match event {
        Event::Start => {
            for record in ["one", "dropped", "two", ""] {
                own(cx).put(record);
            }
        }
        Event::Flushed => *cx.heap = None,
        _ => {}
    });
    run(&kernel);
    theirs.set_nonblocking(true).unwrap();
    let mut space = [0; 10];
    let mut got = Vec::new();
    while let Ok(count) = theirs.recv(&mut space) {
        got.push(String::from_utf8(space[..count].to_vec()).unwrap());
    }
    assert_eq!(got, ["one", "two", ""]);
}
