//! Datagrams, which are neither cut nor joined.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

use bytes::Bytes;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socketpair, sockopt};
use poe_driver::{Datagram, Driver, Get, ReadBuffer, Wants};
use proptest::prelude::*;

/// Connected sockets of UDP that do not block.
fn udp() -> (UdpSocket, UdpSocket) {
    let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (one, other) = (bind(), bind());
    one.connect(other.local_addr().unwrap()).unwrap();
    other.connect(one.local_addr().unwrap()).unwrap();
    for socket in [&one, &other] {
        socket.set_nonblocking(true).unwrap();
    }
    (one, other)
}

fn unix() -> (UnixDatagram, UnixDatagram) {
    let (one, other) = UnixDatagram::pair().unwrap();
    for socket in [&one, &other] {
        socket.set_nonblocking(true).unwrap();
    }
    (one, other)
}

fn pairs() -> [(OwnedFd, OwnedFd); 2] {
    let ((a, b), (c, d)) = (udp(), unix());
    [(a.into(), b.into()), (c.into(), d.into())]
}

fn octets(octets: impl Into<Bytes>) -> Get {
    Get::Octets(octets.into())
}

fn get(driver: &mut Datagram, handle: impl AsFd) -> io::Result<Get> {
    driver.get(handle.as_fd(), &mut ReadBuffer::new())
}

fn errno<T: std::fmt::Debug>(result: io::Result<T>) -> Errno {
    Errno::from_raw(result.unwrap_err().raw_os_error().unwrap())
}

/// Waits for something to receive, be it an error.
fn wait(handle: impl AsFd) {
    let mut watched = [PollFd::new(handle.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut watched, PollTimeout::from(20_000_u16)), Ok(1));
}

#[test]
fn each_message_is_a_datagram_and_each_datagram_a_chunk() {
    for (ours, theirs) in pairs() {
        let (mut sender, mut receiver) = (Datagram::new(), Datagram::new());
        assert_eq!(get(&mut receiver, &theirs).unwrap(), Get::Nothing);
        let messages = ["one", "", "", "two\nlines\n", "x"];
        for message in messages {
            sender.put(message.into());
        }
        assert_eq!((sender.get_out_octets(), sender.get_out_messages_buffered()), (14, 5));
        assert_eq!(sender.flush(ours.as_fd()).unwrap(), 0);
        assert_eq!((sender.get_out_octets(), sender.get_out_messages_buffered()), (0, 0));
        for message in messages {
            assert_eq!(get(&mut receiver, &theirs).unwrap(), octets(message));
        }
        assert_eq!(get(&mut receiver, &theirs).unwrap(), Get::Nothing);
    }
}

#[test]
fn a_message_of_many_parts_is_one_datagram_and_one_of_none_is_none() {
    for (ours, theirs) in pairs() {
        let (mut sender, mut receiver) = (Datagram::new(), Datagram::new());
        let large = Bytes::from(vec![b'x'; 5000]);
        let queue = sender.output();
        // As by a filter that gathers records.
        queue.end_message();
        queue.put_slice(b"<");
        queue.put_bytes(large.clone());
        queue.put_bytes(Bytes::new());
        queue.put_slice(b"-");
        queue.put_bytes(large.clone());
        queue.put_slice(b">");
        assert_eq!(sender.flush(ours.as_fd()).unwrap(), 10_003);
        assert_eq!(get(&mut receiver, &theirs).unwrap(), Get::Nothing);
        sender.output().end_message();
        sender.output().end_message();
        assert_eq!(sender.put("next".into()), 10_007);
        assert_eq!(sender.flush(ours.as_fd()).unwrap(), 0);
        let whole = [b"<", &large[..], b"-", &large[..], b">"].concat();
        assert_eq!(get(&mut receiver, &theirs).unwrap(), octets(whole));
        assert_eq!(get(&mut receiver, &theirs).unwrap(), octets("next"));
        assert_eq!(get(&mut receiver, &theirs).unwrap(), Get::Nothing);
    }
}

#[test]
fn a_message_of_more_parts_than_one_call_takes_is_one_datagram_too() {
    let (ours, theirs) = unix();
    setsockopt(&ours, sockopt::SndBuf, &(1 << 20)).unwrap();
    let mut sender = Datagram::new();
    let mut receiver = Datagram::builder().max_datagram(1 << 20).build().unwrap();
    let mut whole = Vec::new();
    // What the system may hold for a socket limits this to some 200 KiB.
    for number in 0..40 {
        let part = vec![number; 4096];
        sender.output().put_slice(b"-");
        sender.output().put_bytes(part.clone().into());
        whole.push(b'-');
        whole.extend(part);
    }
    sender.output().end_message();
    sender.put("behind".into());
    assert_eq!(sender.flush(ours.as_fd()).unwrap(), 0);
    assert_eq!(get(&mut receiver, &theirs).unwrap(), octets(whole));
    assert_eq!(get(&mut receiver, &theirs).unwrap(), octets("behind"));
}

#[test]
fn a_datagram_that_is_too_long_is_dropped_with_an_error_and_never_cut() {
    for (ours, theirs) in pairs() {
        let mut sender = Datagram::new();
        let mut receiver = Datagram::builder().max_datagram(5).build().unwrap();
        for message in ["12345", "123456", "", "end"] {
            sender.put(message.into());
        }
        assert_eq!(sender.flush(ours.as_fd()).unwrap(), 0);
        assert_eq!(get(&mut receiver, &theirs).unwrap(), octets("12345"));
        let error = get(&mut receiver, &theirs).unwrap_err();
        assert!(receiver.is_recoverable(&error));
        assert_eq!(error.raw_os_error(), Some(Errno::EMSGSIZE as i32));
        assert_eq!(get(&mut receiver, &theirs).unwrap(), octets(""));
        assert_eq!(get(&mut receiver, &theirs).unwrap(), octets("end"));
    }
}

#[test]
fn the_longest_datagram_is_received_whatever_of_the_buffer_is_held() {
    let (ours, theirs) = udp();
    for socket in [&ours, &theirs] {
        setsockopt(socket, sockopt::SndBuf, &(1 << 20)).unwrap();
        setsockopt(socket, sockopt::RcvBuf, &(1 << 20)).unwrap();
    }
    let (mut sender, mut receiver) = (Datagram::new(), Datagram::new());
    let mut buffer = ReadBuffer::new();
    let longest = Bytes::from((0..65_507_u32).map(|n| n as u8).collect::<Vec<_>>());
    let mut held = Vec::new();
    for round in 0..30 {
        let short = vec![round; 700 * usize::from(round)];
        sender.put(short.clone().into());
        sender.put(longest.clone());
        assert_eq!(sender.flush(ours.as_fd()).unwrap(), 0);
        for expected in [Bytes::from(short), longest.clone()] {
            wait(&theirs);
            let Get::Octets(got) = receiver.get(theirs.as_fd(), &mut buffer).unwrap() else {
                panic!("nothing in round {round}")
            };
            assert!(got == expected, "{round}");
            if round % 3 > 0 {
                held.push((got, expected));
            }
        }
    }
    assert!(held.iter().all(|(got, expected)| got == expected));
}

#[test]
fn what_the_system_does_not_take_is_dropped_and_what_is_behind_it_goes_on() {
    for (ours, theirs) in pairs() {
        let (mut sender, mut receiver) = (Datagram::new(), Datagram::new());
        sender.put("before".into());
        sender.put(vec![b'x'; 1 << 20].into());
        sender.put("behind".into());
        let error = sender.flush(ours.as_fd()).unwrap_err();
        assert!(sender.is_recoverable(&error), "{error}");
        assert_eq!(error.raw_os_error(), Some(Errno::EMSGSIZE as i32));
        assert_eq!((sender.get_out_octets(), sender.get_out_messages_buffered()), (6, 1));
        assert_eq!(sender.flush(ours.as_fd()).unwrap(), 0);
        assert_eq!(get(&mut receiver, &theirs).unwrap(), octets("before"));
        assert_eq!(get(&mut receiver, &theirs).unwrap(), octets("behind"));
    }
}

#[test]
fn that_nobody_received_is_told_once_and_drops_nothing_that_is_not_sent() {
    let (ours, theirs) = udp();
    let address = theirs.local_addr().unwrap();
    drop(theirs);
    let mut sender = Datagram::new();
    sender.put("to nobody".into());
    assert_eq!(sender.flush(ours.as_fd()).unwrap(), 0);
    wait(&ours);
    // Somebody is there by now.
    let theirs = UdpSocket::bind(address).unwrap();
    theirs.set_nonblocking(true).unwrap();
    sender.put("to somebody".into());
    sender.put("to the same".into());
    let error = sender.flush(ours.as_fd()).unwrap_err();
    assert!(sender.is_recoverable(&error));
    assert_eq!(error.raw_os_error(), Some(Errno::ECONNREFUSED as i32));
    assert_eq!(sender.flush(ours.as_fd()).unwrap(), 0);
    let mut receiver = Datagram::new();
    assert_eq!(get(&mut receiver, &theirs).unwrap(), octets("to somebody"));
    assert_eq!(get(&mut receiver, &theirs).unwrap(), octets("to the same"));
    // A read is told as well, and the next one is not.
    drop(theirs);
    sender.put("to nobody".into());
    sender.flush(ours.as_fd()).unwrap();
    wait(&ours);
    assert_eq!(errno(get(&mut sender, &ours)), Errno::ECONNREFUSED);
    assert_eq!(get(&mut sender, &ours).unwrap(), Get::Nothing);
}

#[test]
fn a_unix_peer_that_has_gone_loses_what_is_sent_to_it() {
    let folder = std::env::temp_dir().join(format!("poe-driver-datagram-{}", std::process::id()));
    let path = folder.join("socket");
    std::fs::create_dir_all(&folder).unwrap();
    let theirs = UnixDatagram::bind(&path).unwrap();
    let ours = UnixDatagram::unbound().unwrap();
    ours.connect(&path).unwrap();
    ours.set_nonblocking(true).unwrap();
    drop(theirs);
    std::fs::remove_dir_all(&folder).unwrap();
    let mut sender = Datagram::new();
    sender.put("lost".into());
    sender.put("".into());
    // The first error may leave the socket unconnected, which is its end.
    let error = sender.flush(ours.as_fd()).unwrap_err();
    let is_refused = error.raw_os_error() == Some(Errno::ECONNREFUSED as i32);
    assert_eq!(sender.is_recoverable(&error), is_refused, "{error}");
    assert!(is_refused || error.raw_os_error() == Some(Errno::ENOTCONN as i32), "{error}");
    sender.discard_output();
    assert_eq!(sender.get_out_messages_buffered(), 0);
}

#[test]
fn a_socket_that_is_not_connected_sends_nothing_and_keeps_it() {
    let ours = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut sender = Datagram::new();
    sender.put("".into());
    sender.put("kept".into());
    let error = sender.flush(ours.as_fd()).unwrap_err();
    assert!(!sender.is_recoverable(&error));
    assert_eq!(error.raw_os_error(), Some(Errno::EDESTADDRREQ as i32));
    assert_eq!((sender.get_out_octets(), sender.get_out_messages_buffered()), (4, 2));
    assert_eq!(sender.discard_output(), 4);
    assert_eq!((sender.get_out_octets(), sender.get_out_messages_buffered()), (0, 0));
    assert!(!sender.is_recoverable(&Errno::EIO.into()));
    assert!(sender.is_recoverable(&Errno::ENOBUFS.into()));
    // The system has no memory for it, or the network is said to be none.
    assert!(sender.is_recoverable(&Errno::ENOMEM.into()));
    #[cfg(target_os = "linux")]
    assert!(sender.is_recoverable(&Errno::ENONET.into()));
}

#[test]
fn a_full_peer_makes_the_rest_wait_in_order() {
    let (ours, theirs) = unix();
    let (mut sender, mut receiver) = (Datagram::new(), Datagram::new());
    let mut expected = 0..;
    let mut next = 0_u32;
    for _ in 0..5 {
        for number in next..next + 500 {
            sender.put(if number.is_multiple_of(7) {
                Bytes::new()
            } else {
                number.to_string().into()
            });
        }
        next += 500;
        sender.flush(ours.as_fd()).unwrap();
        assert!(sender.get_out_messages_buffered() > 0);
        assert_eq!(sender.wants(), Wants { read: false, write: true });
        while sender.get_out_messages_buffered() > 0 {
            while let Get::Octets(got) = get(&mut receiver, &theirs).unwrap() {
                let number: u32 = expected.next().unwrap();
                assert_eq!(
                    got,
                    if number.is_multiple_of(7) { String::new() } else { number.to_string() }
                );
            }
            sender.flush(ours.as_fd()).unwrap();
        }
        assert_eq!(sender.wants(), Wants::default());
    }
    while let Get::Octets(_) = get(&mut receiver, &theirs).unwrap() {
        expected.next();
    }
    assert_eq!(expected.next(), Some(next));
}

/// Packets in sequence have a connection, and so an end. Not every system has them.
#[cfg(target_os = "linux")]
#[test]
fn packets_in_sequence_end() {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).unwrap();
    let (mut sender, mut receiver) = (Datagram::new(), Datagram::new());
    sender.put("one".into());
    sender.put("two".into());
    assert_eq!(sender.flush(ours.as_fd()).unwrap(), 0);
    sender.shutdown_output(ours.as_fd()).unwrap();
    assert_eq!(get(&mut receiver, &theirs).unwrap(), octets("one"));
    assert_eq!(get(&mut receiver, &theirs).unwrap(), octets("two"));
    assert_eq!(get(&mut receiver, &theirs).unwrap(), Get::Eof);
    drop(theirs);
    assert_eq!(get(&mut sender, &ours).unwrap(), Get::Eof);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn messages_arrive_once_in_order_and_whole(
        messages in prop::collection::vec(prop::collection::vec(0..6000_usize, 0..5), 0..40),
        flushes in prop::collection::vec(any::<bool>(), 1..8),
    ) {
        let (ours, theirs) = unix();
        let (mut sender, mut receiver) = (Datagram::new(), Datagram::new());
        let mut buffer = ReadBuffer::new();
        let (mut expected, mut got) = (Vec::new(), Vec::new());
        for (number, parts) in messages.iter().enumerate() {
            let mut whole = Vec::new();
            for size in parts {
                let part = vec![number as u8; *size];
                if size % 2 == 0 {
                    sender.output().put_slice(&part);
                } else {
                    sender.output().put_bytes(part.clone().into());
                }
                whole.extend(part);
            }
            if whole.is_empty() {
                sender.output().put_bytes(Bytes::new());
            }
            sender.output().end_message();
            expected.push(Bytes::from(whole));
            let waiting: usize = sender.get_out_messages_buffered();
            prop_assert!(waiting > 0);
            if flushes[number % flushes.len()] {
                sender.flush(ours.as_fd()).unwrap();
                prop_assert!(sender.get_out_messages_buffered() <= waiting);
            }
        }
        loop {
            let left = sender.flush(ours.as_fd()).unwrap();
            match receiver.get(theirs.as_fd(), &mut buffer).unwrap() {
                Get::Octets(octets) => got.push(octets),
                _ => {
                    prop_assert_eq!(left, 0);
                    break;
                }
            }
            let behind = expected[got.len()..].iter().map(Bytes::len).sum::<usize>();
            prop_assert!(left <= behind);
        }
        prop_assert_eq!(got, expected);
        prop_assert_eq!(sender.get_out_messages_buffered(), 0);
    }
}
