//! Connections that change over from clear text.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use bytes::Bytes;
use poe_driver::{Driver, Get, ReadBuffer, SysRw, TlsError};

use crate::peers::{End, pair_of, settle};

#[test]
fn clear_text_goes_out_before_the_handshake() {
    let (server, client) = pair_of(|server, client| (server, client));
    let (near, far) = UnixStream::pair().unwrap();
    let mut before = SysRw::new();
    before.put("220 go ahead\r\n".into());
    let mut end = End::new(server.accept().unwrap(), near);
    end.driver.take_over(&mut before, Bytes::new()).unwrap();
    assert_eq!(before.get_out_octets(), 0);
    end.put(b"encrypted");
    assert_eq!((end.driver.get_out_octets(), end.driver.get_out_messages_buffered()), (23, 2));
    assert!(end.driver.wants().write);
    end.step();
    assert_eq!(end.driver.get_out_octets(), 9);

    let mut greeting = [0; 14];
    (&far).read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"220 go ahead\r\n");
    let mut ends = (end, End::new(client.connect("localhost").unwrap(), far));
    settle(&mut ends);
    assert_eq!(ends.1.received, b"encrypted");
}

#[test]
fn what_was_read_behind_the_command_counts_as_encrypted() {
    let (server, client) = pair_of(|server, client| (server, client));
    // A client that does not wait for the answer.
    let (near, far) = UnixStream::pair().unwrap();
    let mut client = End::new(client.connect("localhost").unwrap(), far);
    client.socket.write_all(b"STARTTLS\r\n").unwrap();
    client.step();
    near.set_nonblocking(true).unwrap();
    let mut before = SysRw::new();
    let Get::Octets(read) = before.get(near.as_fd(), &mut ReadBuffer::new()).unwrap() else {
        panic!("nothing was read");
    };
    assert!(read.len() > 100);
    let mut driver = server.accept().unwrap();
    driver.take_over(&mut before, read.slice(b"STARTTLS\r\n".len()..)).unwrap();
    // No readiness tells of it.
    assert!(driver.has_input());
    let mut ends = (End::new(driver, near), client);
    settle(&mut ends);
    assert!(ends.0.is_done() && ends.1.is_done());
}

#[test]
fn nobody_slips_a_command_in() {
    let (server, _) = pair_of(|server, client| (server, client));
    let (near, _far) = UnixStream::pair().unwrap();
    let mut driver = server.accept().unwrap();
    driver.take_over(&mut SysRw::new(), "RCPT TO: <me>\r\n".into()).unwrap();
    let mut end = End::new(driver, near);
    end.read();
    assert!(matches!(end.failure(), TlsError::NotTls { .. }), "{:?}", end.failure());
    assert!(end.received.is_empty());
}

#[test]
fn there_is_no_way_back() {
    let (server, client) = pair_of(|server, client| (server, client));
    let mut encrypted = server.accept().unwrap();
    let input = Bytes::from("as before");
    assert_eq!(SysRw::new().take_over(&mut encrypted, input.clone()), Err(input.clone()));
    let mut other = client.connect("localhost").unwrap();
    assert_eq!(other.take_over(&mut encrypted, input.clone()), Err(input.clone()));
    let mut boxed: Box<dyn Driver> = Box::new(encrypted);
    assert_eq!(other.take_over(&mut *boxed, input.clone()), Err(input.clone()));
    assert_eq!(other.take_over(&mut boxed, input.clone()), Err(input));
}
