//! Pipes, one way and both ways.

mod common;

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Command, Stdio};

use common::{Event, Log, descriptors, kernel, own, run, spawn, with_events};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use poe_wheel::ReadWrite;
use poe_wheel::pipe::{OneWay, PipeHandle, PipeKind, TwoWay};

const KINDS: [PipeKind; 3] = [PipeKind::Pipe, PipeKind::SocketPair, PipeKind::Inet];

/// What comes out of a handle that waits for it.
fn read_line(handle: &mut PipeHandle) -> String {
    handle.set_nonblocking(false).unwrap();
    let (mut line, mut octet) = (String::new(), [0]);
    while !line.ends_with('\n') && handle.read(&mut octet).unwrap() == 1 {
        line.push(char::from(octet[0]));
    }
    line
}

fn carry(from: &mut PipeHandle, to: &mut PipeHandle, line: &str) {
    from.write_all(line.as_bytes()).unwrap();
    assert_eq!(read_line(to), line);
}

// Conformance: PIP-01, PIP-02, PIP-03
#[test]
fn a_line_goes_through_a_one_way_pipe_of_each_kind() {
    descriptors::count();
    for kind in KINDS {
        let mut pipe = OneWay::of(kind).unwrap();
        assert_eq!(pipe.kind(), kind);
        carry(&mut pipe.write, &mut pipe.read, &format!("whee {kind}\n"));
        drop(pipe.write);
        assert_eq!(read_line(&mut pipe.read), "");
    }
}

// Conformance: PIP-04, PIP-05, PIP-06
#[test]
fn lines_go_both_ways_through_a_two_way_pipe_of_each_kind() {
    descriptors::count();
    for kind in KINDS {
        let mut pipe = TwoWay::of(kind).unwrap();
        assert_eq!(pipe.kind(), kind);
        carry(&mut pipe.a_write, &mut pipe.b_read, &format!("to b by {kind}\n"));
        carry(&mut pipe.b_write, &mut pipe.a_read, &format!("to a by {kind}\n"));
        // Side a is gone when both of its handles are.
        drop((pipe.a_read, pipe.a_write));
        assert_eq!(read_line(&mut pipe.b_read), "");
    }
}

// Conformance: PIP-07
#[test]
fn a_side_of_sockets_is_one_descriptor() {
    descriptors::count();
    for kind in KINDS {
        let pipe = TwoWay::of(kind).unwrap();
        let [a_read, a_write, b_read, b_write] =
            [&pipe.a_read, &pipe.a_write, &pipe.b_read, &pipe.b_write]
                .map(|handle| handle.as_fd().as_raw_fd());
        assert_eq!(a_read == a_write, kind != PipeKind::Pipe, "{kind}");
        assert_eq!(b_read == b_write, kind != PipeKind::Pipe, "{kind}");
        assert_ne!(a_read, b_read);
    }
}

#[test]
fn a_one_way_pipe_goes_one_way() {
    descriptors::count();
    for kind in KINDS {
        let mut pipe = OneWay::of(kind).unwrap();
        let error = pipe.read.write(b"back").unwrap_err();
        assert!(
            [Some(Errno::EBADF as i32), Some(Errno::EPIPE as i32)].contains(&error.raw_os_error())
        );
        let mut octet = [0];
        match pipe.write.read(&mut octet) {
            Ok(count) => assert_eq!(count, 0, "{kind}"),
            Err(error) => assert_eq!(error.raw_os_error(), Some(Errno::EBADF as i32), "{kind}"),
        }
    }
}

#[test]
fn handles_do_not_block_and_are_closed_on_exec() {
    descriptors::count();
    for kind in KINDS {
        let (one, two) = (OneWay::of(kind).unwrap(), TwoWay::of(kind).unwrap());
        let handles = [one.read, one.write, two.a_read, two.a_write, two.b_read, two.b_write];
        for handle in &handles {
            let flags = FdFlag::from_bits_retain(fcntl(handle, FcntlArg::F_GETFD).unwrap());
            assert!(flags.contains(FdFlag::FD_CLOEXEC), "{kind}");
            let is_nonblocking = || {
                let flags = fcntl(handle, FcntlArg::F_GETFL).unwrap();
                OFlag::from_bits_retain(flags).contains(OFlag::O_NONBLOCK)
            };
            assert!(is_nonblocking(), "{kind}");
            handle.set_nonblocking(false).unwrap();
            assert!(!is_nonblocking(), "{kind}");
            handle.set_nonblocking(true).unwrap();
            assert!(is_nonblocking(), "{kind}");
        }
        let [mut read, ..] = handles;
        assert_eq!(read.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}

#[test]
fn without_a_kind_there_is_a_pipe_as_well() {
    descriptors::count();
    let mut one = OneWay::new().unwrap();
    assert_eq!(one.kind(), PipeKind::Pipe);
    carry(&mut one.write, &mut one.read, "one way\n");
    let mut two = TwoWay::new().unwrap();
    assert_eq!(two.kind(), PipeKind::SocketPair);
    carry(&mut two.a_write, &mut two.b_read, "there\n");
    carry(&mut two.b_write, &mut two.a_read, "and back\n");
}

#[test]
fn a_child_process_may_have_an_end() {
    descriptors::count();
    for kind in KINDS {
        let TwoWay { mut a_read, mut a_write, b_read, b_write, .. } = TwoWay::of(kind).unwrap();
        for handle in [&b_read, &b_write] {
            handle.set_nonblocking(false).unwrap();
        }
        let mut child = Command::new("cat")
            .stdin(Stdio::from(b_read.into_owned().unwrap()))
            .stdout(Stdio::from(b_write.into_owned().unwrap()))
            .spawn()
            .unwrap();
        carry(&mut a_write, &mut a_read, "through a cat\n");
        if kind == PipeKind::Pipe {
            drop(a_write);
        } else {
            socket2::SockRef::from(&a_write).shutdown(std::net::Shutdown::Write).unwrap();
        }
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn wheels_at_both_sides_of_a_pipe_talk() {
    for kind in KINDS {
        let (kernel, log) = (kernel(), Log::default());
        let TwoWay { a_read, a_write, b_read, b_write, .. } = TwoWay::of(kind).unwrap();
        let (a, b) = (log.clone(), log.clone());
        let builder = with_events(ReadWrite::build_pair(a_read, a_write));
        spawn(&kernel, builder, move |cx, event| match event {
            Event::Start => _ = own(cx).put("1"),
            Event::Input(number) => {
                a.push(format!("a {}", number.escape_ascii()));
                if number == "4" {
                    own(cx).shutdown_output();
                } else {
                    own(cx).put("3");
                }
            }
            Event::Error(error) => {
                a.push(format!("a {error}"));
                *cx.heap = None;
            }
            _ => {}
        });
        let builder = with_events(ReadWrite::build_pair(b_read, b_write));
        let next = Cell::new(2);
        spawn(&kernel, builder, move |cx, event| match event {
            Event::Input(number) => {
                b.push(format!("b {}", number.escape_ascii()));
                own(cx).put(next.replace(next.get() + 2).to_string());
            }
            Event::Error(error) => {
                b.push(format!("b {error}"));
                *cx.heap = None;
            }
            _ => {}
        });
        run(&kernel);
        let expected = ["b 1", "a 2", "b 3", "a 4", "b read: end of file", "a read: end of file"];
        assert_eq!(log.take(), expected, "{kind}");
    }
}
