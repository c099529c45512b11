//! The driver that has everything go wrong.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::thread;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use poe_driver::memory::{Fault, Faults, Memory, MemoryHandle};
use poe_driver::{Driver, Get, ReadBuffer};
use proptest::prelude::*;

const TEXT: &[u8] = b"the quick brown fox jumps over the lazy dog";

/// What a driver gives next.
fn get(driver: &mut Memory) -> io::Result<Get> {
    let handle = driver.handle();
    driver.get(handle.as_fd(), &mut ReadBuffer::new())
}

fn flush(driver: &mut Memory) -> io::Result<usize> {
    let handle = driver.handle();
    driver.flush(handle.as_fd())
}

fn octets(octets: &'static str) -> Get {
    Get::Octets(octets.into())
}

fn errno<T: std::fmt::Debug>(result: io::Result<T>) -> Errno {
    Errno::from_raw(result.unwrap_err().raw_os_error().unwrap())
}

/// Whether the handle is readable, and whether it is writable.
fn ready(handle: &MemoryHandle) -> (bool, bool) {
    let mut watched = [PollFd::new(handle.as_fd(), PollFlags::POLLIN | PollFlags::POLLOUT)];
    poll(&mut watched, PollTimeout::ZERO).unwrap();
    let ready = watched[0].revents().unwrap();
    assert!(!ready.intersects(PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL));
    (ready.contains(PollFlags::POLLIN), ready.contains(PollFlags::POLLOUT))
}

#[test]
fn reads_are_divided_as_the_peer_sends_and_as_the_script_says() {
    let (mut driver, peer) = Memory::pair().unwrap();
    for part in ["one", "", "two", "three"] {
        peer.send(part);
    }
    assert_eq!(peer.unread_len(), 11);
    assert_eq!(get(&mut driver).unwrap(), octets("one"));
    let faults = [Fault::Short(2), Fault::WouldBlock, Fault::Interrupted, Fault::Short(0)];
    peer.read_faults(Faults::script(faults));
    assert_eq!(get(&mut driver).unwrap(), octets("tw"));
    assert_eq!(get(&mut driver).unwrap(), Get::Nothing);
    // The driver tries again what was interrupted, and meets what comes next.
    assert_eq!(get(&mut driver).unwrap(), Get::Nothing);
    assert_eq!(get(&mut driver).unwrap(), octets("o"));
    assert_eq!(get(&mut driver).unwrap(), octets("three"));
    // There is nothing to read, and so nothing to go wrong.
    peer.read_faults(Faults::script([Fault::Short(1)]));
    assert_eq!(get(&mut driver).unwrap(), Get::Nothing);
    peer.send("ab");
    assert_eq!(get(&mut driver).unwrap(), octets("a"));
    peer.end();
    peer.send("too late");
    assert_eq!(get(&mut driver).unwrap(), octets("b"));
    assert_eq!(get(&mut driver).unwrap(), Get::Eof);
    assert_eq!(get(&mut driver).unwrap(), Get::Eof);
    // It has ended its side only.
    driver.put("answer".into());
    assert_eq!(flush(&mut driver).unwrap(), 0);
    assert_eq!(peer.received(), "answer");
}

#[test]
fn writes_are_as_short_as_the_script_and_the_room_say() {
    let (mut driver, peer) = Memory::pair().unwrap();
    peer.write_faults(Faults::repeated([Fault::Interrupted, Fault::Short(3), Fault::WouldBlock]));
    driver.put("abcd".into());
    driver.put("efgh".into());
    assert_eq!(flush(&mut driver).unwrap(), 5);
    assert_eq!((driver.get_out_octets(), driver.get_out_messages_buffered()), (5, 2));
    assert!(driver.wants().write);
    assert_eq!(flush(&mut driver).unwrap(), 2);
    assert_eq!(driver.get_out_messages_buffered(), 1);
    peer.write_faults(Faults::none());
    peer.set_room(7);
    assert_eq!(flush(&mut driver).unwrap(), 1);
    assert_eq!(flush(&mut driver).unwrap(), 1);
    assert_eq!(peer.received_len(), 7);
    assert_eq!(peer.received(), "abcdefg");
    assert_eq!(flush(&mut driver).unwrap(), 0);
    assert_eq!(peer.received(), "h");
    assert!(!peer.is_shut_down());
    let handle = driver.handle();
    driver.shutdown_output(handle.as_fd()).unwrap();
    assert!(peer.is_shut_down());
    driver.put("too late".into());
    assert_eq!(errno(flush(&mut driver)), Errno::EPIPE);
    assert_eq!(driver.discard_output(), 8);
}

#[test]
fn errors_come_once_and_a_reset_is_for_ever() {
    let (mut driver, peer) = Memory::pair().unwrap();
    peer.send("octets");
    peer.read_faults(Faults::script([Fault::Error(Errno::EIO as i32)]));
    assert_eq!(errno(get(&mut driver)), Errno::EIO);
    assert_eq!(get(&mut driver).unwrap(), octets("octets"));
    peer.write_faults(Faults::none().at(2, Fault::Error(Errno::ENOSPC as i32)));
    driver.put("answer".into());
    assert_eq!(errno(flush(&mut driver)), Errno::ENOSPC);
    assert_eq!(driver.get_out_octets(), 4);
    assert_eq!(flush(&mut driver).unwrap(), 0);
    assert_eq!(peer.received(), "answer");

    peer.send("lost");
    peer.reset();
    assert_eq!(errno(get(&mut driver)), Errno::ECONNRESET);
    assert_eq!(get(&mut driver).unwrap(), Get::Eof);
    driver.put("x".into());
    assert_eq!(errno(flush(&mut driver)), Errno::EPIPE);

    // As a fault, and met by a write first.
    let (mut driver, peer) = Memory::pair().unwrap();
    peer.send("lost");
    peer.write_faults(Faults::none().at(3, Fault::Reset));
    driver.put("abcdef".into());
    assert_eq!(errno(flush(&mut driver)), Errno::ECONNRESET);
    assert_eq!(driver.get_out_octets(), 3);
    assert_eq!(errno(flush(&mut driver)), Errno::EPIPE);
    assert_eq!(get(&mut driver).unwrap(), Get::Eof);
    assert_eq!(peer.received(), "abc");
}

#[test]
fn a_peer_that_goes_ends_the_input_and_breaks_the_output() {
    let (mut driver, peer) = Memory::pair().unwrap();
    peer.send("last words");
    let clone = peer.clone();
    drop(peer);
    assert_eq!(ready(&driver.handle()), (true, true));
    driver.put("a".into());
    assert_eq!(flush(&mut driver).unwrap(), 0);
    drop(clone);
    driver.put("b".into());
    assert_eq!(errno(flush(&mut driver)), Errno::EPIPE);
    assert_eq!(get(&mut driver).unwrap(), octets("last words"));
    assert_eq!(get(&mut driver).unwrap(), Get::Eof);
}

#[test]
fn the_handle_is_ready_when_there_is_something_to_do() {
    let (mut driver, peer) = Memory::pair().unwrap();
    let handle = driver.handle();
    assert_eq!(ready(&handle), (false, true));
    peer.send("ab");
    assert_eq!(ready(&handle), (true, true));
    // It is ready still, although a read would block for once.
    peer.read_faults(Faults::script([Fault::WouldBlock, Fault::Short(1)]));
    assert_eq!(get(&mut driver).unwrap(), Get::Nothing);
    assert_eq!(ready(&handle), (true, true));
    assert_eq!(get(&mut driver).unwrap(), octets("a"));
    assert_eq!(ready(&handle), (true, true));
    assert_eq!(get(&mut driver).unwrap(), octets("b"));
    assert_eq!(ready(&handle), (false, true));

    for _ in 0..3 {
        peer.set_room(4);
        driver.put("abcdef".into());
        assert_eq!(flush(&mut driver).unwrap(), 2);
        assert_eq!(ready(&handle), (false, false));
        peer.send("x");
        assert_eq!(ready(&handle), (true, false));
        assert_eq!(peer.received(), "abcd");
        assert_eq!(ready(&handle), (true, true));
        assert_eq!(flush(&mut driver).unwrap(), 0);
        assert_eq!(get(&mut driver).unwrap(), octets("x"));
        assert_eq!(peer.received(), "ef");
    }

    // For a fault, too, there need not be anything to move.
    peer.set_room(0);
    assert_eq!(ready(&handle), (false, false));
    peer.read_faults(Faults::none().at(5, Fault::Eof));
    peer.write_faults(Faults::script([Fault::Error(Errno::ENOBUFS as i32)]));
    assert_eq!(ready(&handle), (true, true));
    driver.put("a".into());
    assert_eq!(errno(flush(&mut driver)), Errno::ENOBUFS);
    assert_eq!(ready(&handle), (true, false));
    assert_eq!(get(&mut driver).unwrap(), Get::Eof);
    assert_eq!(ready(&handle), (true, true));
}

#[test]
fn what_is_stalled_is_not_ready_until_it_goes_on() {
    let (mut driver, peer) = Memory::pair().unwrap();
    let handle = driver.handle();
    peer.read_faults(Faults::none().at(1, Fault::Stall));
    peer.write_faults(Faults::none().at(1, Fault::Stall));
    peer.send("abc");
    driver.put("xyz".into());
    assert_eq!(get(&mut driver).unwrap(), octets("a"));
    assert_eq!(get(&mut driver).unwrap(), Get::Nothing);
    assert_eq!(flush(&mut driver).unwrap(), 2);
    assert_eq!(ready(&handle), (false, false));
    assert_eq!(get(&mut driver).unwrap(), Get::Nothing);
    peer.go_on();
    assert_eq!(ready(&handle), (true, true));
    assert_eq!(get(&mut driver).unwrap(), octets("bc"));
    assert_eq!(flush(&mut driver).unwrap(), 0);
    assert_eq!(peer.received(), "xyz");
}

#[test]
fn faults_at_one_place_come_in_their_order_and_none_is_passed_over() {
    let (mut driver, peer) = Memory::pair().unwrap();
    let faults = Faults::repeated([Fault::Short(4)]);
    let faults = faults.at(6, Fault::WouldBlock).at(0, Fault::WouldBlock).at(6, Fault::Short(1));
    peer.read_faults(faults);
    peer.send("0123456789");
    let mut got = Vec::new();
    while peer.unread_len() > 0 {
        got.push(get(&mut driver).unwrap());
    }
    let expected =
        [Get::Nothing, octets("0123"), octets("45"), Get::Nothing, octets("6"), octets("789")];
    assert_eq!(got, expected);
}

#[test]
fn a_peer_in_another_thread_wakes_who_waits() {
    let (mut driver, peer) = Memory::pair().unwrap();
    let handle = driver.handle();
    let sender = thread::spawn(move || peer.send("hello"));
    let mut watched = [PollFd::new(handle.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut watched, PollTimeout::from(20_000_u16)), Ok(1));
    assert_eq!(get(&mut driver).unwrap(), octets("hello"));
    sender.join().unwrap();
}

/// All that comes out of a driver, as it was divided, until there is a failure or an end.
fn read_all(driver: &mut Memory) -> (Vec<u8>, io::Result<()>) {
    let mut all = Vec::new();
    loop {
        match get(driver) {
            Ok(Get::Octets(octets)) => all.extend_from_slice(&octets),
            Ok(Get::Eof) => return (all, Ok(())),
            Ok(_) => {}
            Err(error) => return (all, Err(error)),
        }
    }
}

#[test]
fn any_fault_at_any_octet() {
    for place in 0..=TEXT.len() {
        for fault in
            [Fault::WouldBlock, Fault::Interrupted, Fault::Short(1), Fault::Reset, Fault::Eof]
        {
            let is_end = matches!(fault, Fault::Reset | Fault::Eof);
            let (mut driver, peer) = Memory::pair().unwrap();
            peer.read_faults(Faults::none().at(place as u64, fault));
            peer.send(TEXT);
            peer.end();
            let (all, result) = read_all(&mut driver);
            assert_eq!(all, &TEXT[..if is_end { place } else { TEXT.len() }]);
            assert_eq!(result.is_err(), fault == Fault::Reset);

            let (mut driver, peer) = Memory::pair().unwrap();
            peer.write_faults(Faults::none().at(place as u64, fault));
            driver.put(TEXT.into());
            let mut result = flush(&mut driver);
            while matches!(result, Ok(1..)) {
                result = flush(&mut driver);
            }
            let out = if is_end { place } else { TEXT.len() };
            assert_eq!(peer.received(), TEXT[..out]);
            assert_eq!(result.is_err(), is_end && place < TEXT.len());
            assert_eq!(driver.get_out_octets(), TEXT.len() - out);
        }
    }
}

#[test]
fn each_octet_by_itself() {
    let (mut driver, peer) = Memory::pair().unwrap();
    peer.read_faults(Faults::repeated([Fault::WouldBlock, Fault::Short(1)]));
    peer.send(TEXT);
    for octet in TEXT {
        assert_eq!(get(&mut driver).unwrap(), Get::Nothing);
        assert_eq!(get(&mut driver).unwrap(), Get::Octets(vec![*octet].into()));
    }
    assert_eq!(get(&mut driver).unwrap(), Get::Nothing);
}

#[test]
fn a_seed_means_the_same_each_time() {
    let run = |seed| {
        let (mut driver, peer) = Memory::pair().unwrap();
        peer.read_faults(Faults::seeded(seed));
        peer.send(TEXT.repeat(3));
        let mut got = Vec::new();
        while peer.unread_len() > 0 {
            got.push(get(&mut driver).unwrap());
        }
        got
    };
    let all: Vec<_> = (0..50).map(run).collect();
    assert!((0..50).map(run).eq(all.iter().cloned()));
    assert!(all.iter().any(|got| got.contains(&Get::Nothing)));
    assert!(all.iter().any(|got| *got != all[0]));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_echo_under_any_seed_loses_nothing(
        sends in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..12),
        (reads, writes) in any::<(u64, u64)>(),
        room in 1..500_usize,
    ) {
        let (mut driver, peer) = Memory::pair().unwrap();
        let handle = driver.handle();
        peer.read_faults(Faults::seeded(reads));
        peer.write_faults(Faults::seeded(writes));
        peer.set_room(room);
        for octets in &sends {
            peer.send(octets.clone());
        }
        peer.end();
        let (mut echo, mut is_over) = (Vec::new(), false);
        while !(is_over && driver.get_out_octets() == 0) {
            // As a loop does, this calls the driver only when the handle is ready.
            let (is_readable, is_writable) = ready(&handle);
            prop_assert!(is_readable && (is_writable || peer.received_len() > 0));
            match get(&mut driver).unwrap() {
                Get::Octets(octets) => _ = driver.put(octets),
                Get::Eof => is_over = true,
                _ => {}
            }
            if is_writable {
                flush(&mut driver).unwrap();
            } else {
                echo.extend_from_slice(&peer.received());
            }
        }
        echo.extend_from_slice(&peer.received());
        prop_assert_eq!(echo, sends.concat());
    }
}

#[test]
fn the_handle_reads_and_writes_by_itself() {
    let (driver, peer) = Memory::pair().unwrap();
    let mut handle = driver.handle();
    peer.send("hello");
    peer.end();
    peer.write_faults(Faults::script([Fault::Interrupted]));
    let mut text = String::new();
    handle.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
    // The standard library tries again what is interrupted.
    handle.write_all(b"answer").unwrap();
    assert_eq!(peer.received(), "answer");
}
