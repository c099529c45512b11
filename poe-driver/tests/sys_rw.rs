//! Plain reading and writing, case by case.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use bytes::Bytes;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use poe_driver::{ConfigError, Driver, Get, ReadBuffer, SysRw, Wants};

/// The ends of a pipe, none of which blocks.
fn pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = io::pipe().unwrap();
    let ends = (OwnedFd::from(reader), OwnedFd::from(writer));
    for end in [&ends.0, &ends.1] {
        fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    }
    ends
}

fn get(handle: impl AsFd) -> io::Result<Get> {
    SysRw::new().get(handle.as_fd(), &mut ReadBuffer::new())
}

// Conformance: DRV-01
#[test]
fn a_block_size_of_nothing_is_refused() {
    let error = SysRw::builder().block_size(0).build().unwrap_err();
    assert_eq!(error, ConfigError::BlockSizeZero);
    assert!(error.to_string().contains("must exceed 0"));
}

// Conformance: DRV-01
#[test]
fn blocks_have_64_kib_by_default() {
    let zeros = File::open("/dev/zero").unwrap();
    let mut buffer = ReadBuffer::with_size(1024 * 1024);
    let mut size = |driver: &mut SysRw| match driver.get(zeros.as_fd(), &mut buffer) {
        Ok(Get::Octets(octets)) => octets.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(size(&mut SysRw::new()), 65536);
    assert_eq!(size(&mut SysRw::builder().block_size(24).build().unwrap()), 24);
}

// Conformance: DRV-02
#[test]
fn a_handle_for_writing_can_not_be_read() {
    let null = OpenOptions::new().write(true).open("/dev/null").unwrap();
    assert_eq!(get(&null).unwrap_err().raw_os_error(), Some(nix::errno::Errno::EBADF as i32));
}

// Conformance: DRV-03, DRV-04
#[test]
fn put_gives_the_total() {
    let mut driver = SysRw::new();
    assert_eq!((driver.get_out_octets(), driver.get_out_messages_buffered()), (0, 0));
    assert_eq!(driver.output().end_message(), 0);
    assert_eq!(driver.get_out_messages_buffered(), 0);
    assert_eq!(driver.put("test".repeat(10).into()), 40);
    assert_eq!(driver.get_out_messages_buffered(), 1);
    assert_eq!(driver.put("more test".repeat(5).into()), 85);
    assert_eq!(driver.get_out_messages_buffered(), 2);
}

// Conformance: DRV-05
#[test]
fn empty_chunks_are_no_messages() {
    let mut driver = SysRw::new();
    for chunk in ["", "abc", "", "de"] {
        driver.put(chunk.into());
    }
    assert_eq!((driver.get_out_octets(), driver.get_out_messages_buffered()), (5, 2));
}

// Conformance: DRV-06, DRV-07
#[test]
fn what_is_written_can_be_read() {
    let (reader, writer) = pipe();
    let mut driver = SysRw::new();
    let message = Bytes::from(vec![b'x'; 1024 * 1024]);
    let mut buffered = 0;
    let mut left;
    loop {
        buffered += message.len();
        driver.put(message.clone());
        left = driver.flush(writer.as_fd()).unwrap();
        if left > 0 {
            break;
        }
    }
    assert_eq!(driver.get_out_octets(), left);
    assert_eq!(driver.wants(), Wants { read: false, write: true });

    let mut buffer = ReadBuffer::new();
    let mut input = SysRw::new();
    let mut read = 0;
    loop {
        match input.get(reader.as_fd(), &mut buffer).unwrap() {
            Get::Octets(octets) => read += octets.len(),
            Get::Nothing => {
                assert_eq!(read, buffered - driver.get_out_octets());
                if driver.get_out_octets() == 0 {
                    break;
                }
                driver.flush(writer.as_fd()).unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(read, buffered);
    assert_eq!(driver.get_out_messages_buffered(), 0);
    assert_eq!(driver.wants(), Wants::default());
}

// Conformance: DRV-08
#[test]
fn nothing_is_not_the_end() {
    let (reader, writer) = pipe();
    assert_eq!(get(&reader).unwrap(), Get::Nothing);
    drop(writer);
    assert_eq!(get(&reader).unwrap(), Get::Eof);
}

// Conformance: DRV-11
#[test]
fn a_message_counts_until_all_of_it_is_out() {
    let (reader, writer) = pipe();
    let mut driver = SysRw::new();
    driver.put(vec![b'x'; 1_000_000].into());
    driver.put("y".into());
    let mut reader = File::from(reader);
    let mut total = 0;
    let mut octets = [0; 30_000];
    while driver.get_out_octets() > 0 {
        let left = driver.flush(writer.as_fd()).unwrap();
        assert_eq!(driver.get_out_octets(), left);
        let messages = match left {
            0 => 0,
            1 => 1,
            _ => 2,
        };
        assert_eq!(driver.get_out_messages_buffered(), messages);
        total += reader.read(&mut octets).unwrap();
    }
    while let Ok(count) = reader.read(&mut octets) {
        total += count;
    }
    assert_eq!(total, 1_000_001);
}

// Conformance: DRV-12
#[test]
fn nothing_to_write_is_a_success() {
    let reader = File::open("/dev/null").unwrap();
    let mut driver = SysRw::new();
    driver.put("abc".into());
    assert!(driver.flush(reader.as_fd()).is_err());
    assert_eq!(driver.discard_output(), 3);
    assert_eq!(driver.flush(reader.as_fd()).unwrap(), 0);
}

#[test]
fn a_failed_flush_keeps_the_queue() {
    let (reader, writer) = pipe();
    drop(reader);
    let mut driver = SysRw::new();
    driver.put("abc".into());
    driver.put(vec![b'x'; 10_000].into());
    for _ in 0..2 {
        let error = driver.flush(writer.as_fd()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert_eq!((driver.get_out_octets(), driver.get_out_messages_buffered()), (10_003, 2));
    }
}

#[test]
fn a_message_may_be_put_together() {
    let (reader, writer) = pipe();
    let mut driver = SysRw::new();
    driver.output().put_slice(b"one");
    driver.output().put_slice(b"");
    driver.output().put_bytes("two".into());
    assert_eq!(driver.get_out_messages_buffered(), 1);
    assert_eq!(driver.output().end_message(), 6);
    assert_eq!(driver.get_out_messages_buffered(), 1);
    driver.output().put_slice(b"three");
    assert_eq!(driver.get_out_messages_buffered(), 2);
    // What there is of a message goes out as well.
    assert_eq!(driver.flush(writer.as_fd()).unwrap(), 0);
    assert_eq!(driver.get_out_messages_buffered(), 0);
    assert_eq!(driver.output().end_message(), 0);
    assert_eq!(driver.get_out_messages_buffered(), 0);
    assert_eq!(driver.put("four".into()), 4);
    assert_eq!(driver.get_out_messages_buffered(), 1);
    assert_eq!(get(&reader).unwrap(), Get::Octets("onetwothree".into()));
}

#[test]
fn small_and_large_chunks_keep_their_order() {
    let (reader, writer) = pipe();
    let mut driver = SysRw::new();
    let mut expected = Vec::new();
    for size in [1, 5000, 2, 3, 4096, 4095, 10_000, 4] {
        let chunk = vec![b'a' + (size % 26) as u8; size];
        expected.extend_from_slice(&chunk);
        driver.put(chunk.into());
    }
    assert_eq!(driver.get_out_messages_buffered(), 8);
    assert_eq!(driver.flush(writer.as_fd()).unwrap(), 0);
    assert_eq!(get(&reader).unwrap(), Get::Octets(expected.into()));
}

#[test]
fn more_chunks_than_one_call_takes() {
    let (reader, writer) = io::pipe().unwrap();
    let mut driver = SysRw::new();
    for _ in 0..200 {
        driver.put(vec![b'x'; 4096].into());
        driver.put("y".into());
    }
    std::thread::scope(|scope| {
        let octets = scope.spawn(move || io::read_to_string(reader).unwrap());
        assert_eq!(driver.flush(writer.as_fd()).unwrap(), 0);
        drop(writer);
        let expected = format!("{}y", "x".repeat(4096)).repeat(200);
        assert!(octets.join().unwrap() == expected);
    });
}

#[test]
fn output_can_be_shut_down() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut driver = SysRw::new();
    driver.shutdown_output(ours.as_fd()).unwrap();
    assert_eq!(get(&theirs).unwrap(), Get::Eof);
    theirs.set_nonblocking(true).unwrap();
    // The other direction goes on.
    let mut other = SysRw::new();
    other.put("abc".into());
    other.flush(theirs.as_fd()).unwrap();
    assert_eq!(get(&ours).unwrap(), Get::Octets("abc".into()));
    // What is no socket, or not connected, has nothing to shut down.
    let (_reader, writer) = pipe();
    driver.shutdown_output(writer.as_fd()).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    driver.shutdown_output(listener.as_fd()).unwrap();
}

#[test]
fn a_file_is_read_and_written() {
    let path = std::env::temp_dir().join(format!("poe-driver-{}", std::process::id()));
    let file = OpenOptions::new().write(true).create_new(true).open(&path).unwrap();
    let mut driver = SysRw::new();
    driver.put("hello".into());
    assert_eq!(driver.flush(file.as_fd()).unwrap(), 0);
    let file = File::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let mut buffer = ReadBuffer::new();
    assert_eq!(driver.get(file.as_fd(), &mut buffer).unwrap(), Get::Octets("hello".into()));
    assert_eq!(driver.get(file.as_fd(), &mut buffer).unwrap(), Get::Eof);
}

#[test]
fn an_idle_driver_is_small() {
    assert!(size_of::<SysRw>() <= 144, "{}", size_of::<SysRw>());
}

#[test]
fn a_boxed_driver_is_one() {
    let (reader, writer) = pipe();
    let mut driver: Box<dyn Driver> = Box::new(SysRw::new());
    assert!(!driver.has_input());
    driver.put("abc".into());
    assert_eq!(driver.wants(), Wants { read: false, write: true });
    assert_eq!(driver.flush(writer.as_fd()).unwrap(), 0);
    let octets = driver.get(reader.as_fd(), &mut ReadBuffer::new()).unwrap();
    assert_eq!(octets, Get::Octets("abc".into()));
}
