//! How connections end: in good order, cut off, and by what nobody should send.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use poe_driver::{Driver, ReadBuffer, TlsClient, TlsError, TlsHandshake, TlsServer, Wants};

use crate::peers::{Authority, End, connect, established, octets, pair_of, settle};

#[test]
fn each_direction_ends_by_itself() {
    let mut ends = established();
    ends.0.put(b"last words");
    settle(&mut ends);
    ends.0.shut_down();
    settle(&mut ends);
    assert_eq!(ends.1.received, b"last words");
    assert_eq!(ends.1.end, Some(Ok(())));
    // It stays at that.
    assert!(ends.1.driver.has_input());
    let again = ends.1.driver.get(ends.1.socket.as_fd(), &mut ReadBuffer::new());
    assert!(matches!(again, Ok(poe_driver::Get::Eof)));
    // The other direction goes on.
    ends.1.put(&octets(100_000, 1));
    settle(&mut ends);
    assert!(ends.0.received == octets(100_000, 1));
    ends.1.shut_down();
    settle(&mut ends);
    assert_eq!(ends.0.end, Some(Ok(())));
}

#[test]
fn an_end_asked_for_in_the_handshake_comes_after_it() {
    let (server, client) = pair_of(|server, client| (server, client));
    let mut ends = connect(&server, &client, "localhost");
    ends.1.shut_down();
    settle(&mut ends);
    assert!(ends.0.is_done() && ends.1.is_done());
    assert_eq!(ends.0.end, Some(Ok(())));
    ends.0.put(b"you are welcome");
    settle(&mut ends);
    assert_eq!(ends.1.received, b"you are welcome");
}

#[test]
fn goodbye_waits_until_the_handle_takes_it() {
    let mut ends = established();
    // Whatever is in the way.
    let filler = [0; 1024];
    let mut raw = ends.0.socket.try_clone().unwrap();
    let mut filled = 0;
    loop {
        match raw.write(&filler) {
            Ok(count) => filled += count,
            Err(error) => break assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }
    ends.0.shut_down();
    assert_eq!(ends.0.driver.wants(), Wants { read: false, write: true });
    assert_eq!(ends.0.driver.get_out_octets(), 0);
    let mut sink = vec![0; filled];
    ends.1.socket.read_exact(&mut sink).unwrap();
    ends.0.driver.flush(ends.0.socket.as_fd()).unwrap();
    assert_eq!(ends.0.driver.wants(), Wants::default());
    settle(&mut ends);
    assert_eq!(ends.1.end, Some(Ok(())));
}

#[test]
fn closing_says_goodbye_unless_output_is_lost() {
    let mut ends = established();
    ends.0.driver.close(ends.0.socket.as_fd()).unwrap();
    ends.0.socket.shutdown(std::net::Shutdown::Both).unwrap();
    settle(&mut ends);
    assert_eq!(ends.1.end, Some(Ok(())));

    let mut ends = established();
    ends.0.put(b"never sent");
    ends.0.driver.close(ends.0.socket.as_fd()).unwrap();
    ends.0.socket.shutdown(std::net::Shutdown::Both).unwrap();
    ends.1.read();
    assert_eq!(ends.1.failure(), &TlsError::Truncated);
}

#[test]
fn an_end_without_goodbye_is_a_truncation() {
    let mut ends = established();
    ends.0.put(b"half a");
    ends.0.step();
    ends.0.socket.shutdown(std::net::Shutdown::Write).unwrap();
    ends.1.read();
    ends.1.read();
    assert_eq!(ends.1.received, b"half a");
    assert_eq!(ends.1.failure(), &TlsError::Truncated);
    assert!(ends.1.failure().to_string().contains("close_notify"));
    // The handshake was good, and the other direction is.
    assert!(ends.1.is_done());
    ends.1.put(b"what do you mean");
    ends.1.driver.flush(ends.1.socket.as_fd()).unwrap();
    ends.0.read();
    assert_eq!(ends.0.received, b"what do you mean");
}

#[test]
fn a_record_cut_in_half_is_a_truncation() {
    let (server, client) = pair_of(|server, client| (server, client));
    let mut ends = connect(&server, &client, "localhost");
    settle(&mut ends);
    let (mut near, mut relay) = UnixStream::pair().unwrap();
    std::mem::swap(&mut ends.0.socket, &mut near);
    ends.0.put(b"will be cut");
    ends.0.driver.flush(ends.0.socket.as_fd()).unwrap();
    let mut record = [0; 20];
    relay.read_exact(&mut record).unwrap();
    near.write_all(&record).unwrap();
    drop(near);
    ends.1.read();
    ends.1.read();
    assert_eq!((ends.1.received.len(), ends.1.failure()), (0, &TlsError::Truncated));
}

#[test]
fn a_truncation_may_be_tolerated() {
    let (server, client) =
        pair_of(|server, client| (server.tolerate_truncation(), client.tolerate_truncation()));
    for is_server in [false, true] {
        let mut ends = connect(&server, &client, "localhost");
        settle(&mut ends);
        let (one, other) =
            if is_server { (&mut ends.0, &mut ends.1) } else { (&mut ends.1, &mut ends.0) };
        one.socket.shutdown(std::net::Shutdown::Write).unwrap();
        other.read();
        assert_eq!(other.end, Some(Ok(())));
    }
}

#[test]
fn an_end_in_the_handshake_is_told_as_such() {
    let (server, client) =
        pair_of(|server, client| (server.tolerate_truncation(), client.tolerate_truncation()));
    let (mut near, far) = connect(&server, &client, "localhost");
    drop(far);
    near.read();
    assert_eq!(near.failure(), &TlsError::Disconnected);
    assert_eq!(near.driver.handshake(), TlsHandshake::Failed(TlsError::Disconnected));

    let (near, mut far) = connect(&server, &client, "localhost");
    far.step();
    drop(near);
    far.read();
    assert!(matches!(far.driver.handshake(), TlsHandshake::Failed(TlsError::Disconnected)));
}

/// What a server, and a client, makes of octets that come instead of a handshake.
fn instead_of_a_handshake(octets: &[u8]) -> (TlsError, TlsError) {
    let (server, client) = pair_of(|server, client| (server, client));
    let fails = |driver| {
        let (near, mut peer) = UnixStream::pair().unwrap();
        let mut end = End::new(driver, near);
        end.step();
        peer.write_all(octets).unwrap();
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        for _ in 0..10 {
            end.read();
        }
        assert!(matches!(end.driver.handshake(), TlsHandshake::Failed(_)));
        assert_eq!(end.driver.wants(), Wants::default());
        // It stays at that, for output too.
        let error = end.driver.get(end.socket.as_fd(), &mut ReadBuffer::new()).unwrap_err();
        assert_eq!(TlsError::of(&error), Some(end.failure()));
        end.put(b"nothing of it");
        let error = end.driver.flush(end.socket.as_fd()).unwrap_err();
        assert_eq!(TlsError::of(&error), Some(end.failure()));
        end.failure().clone()
    };
    (fails(server.accept().unwrap()), fails(client.connect("localhost").unwrap()))
}

#[test]
fn what_is_no_tls_is_told_as_such() {
    for text in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"220 mail.example.org ESMTP\r\n", &[0xff; 5000]] {
        let (server, client) = instead_of_a_handshake(text);
        for error in [server, client] {
            assert!(matches!(error, TlsError::NotTls { .. }), "{error:?}");
            assert!(error.to_string().starts_with("the peer does not speak TLS"), "{error}");
        }
    }
}

#[test]
fn nonsense_within_the_protocol_is_an_error() {
    // An alert, a record of nothing, application data too early, a record that claims too much.
    let records: [&[u8]; 4] = [
        &[21, 3, 3, 0, 2, 2, 40],
        &[22, 3, 3, 0, 4, 99, 0, 0, 0],
        &[23, 3, 3, 0, 3, 1, 2, 3],
        &[22, 3, 3, 0xff, 0xff, 1],
    ];
    for record in records {
        let (server, client) = instead_of_a_handshake(record);
        for error in [&server, &client] {
            assert!(
                !matches!(error, TlsError::Truncated | TlsError::Other { .. }),
                "{record:?}: {error:?}"
            );
        }
    }
    let (server, _) = instead_of_a_handshake(records[0]);
    assert!(matches!(server, TlsError::Refused { code: 40, .. }), "{server:?}");
}

#[test]
fn octets_that_were_changed_are_not_believed() {
    let (server, client) = pair_of(|server, client| (server, client));
    let mut ends = connect(&server, &client, "localhost");
    settle(&mut ends);
    let (mut near, mut relay) = UnixStream::pair().unwrap();
    std::mem::swap(&mut ends.0.socket, &mut near);
    for text in ["good", "evil"] {
        ends.0.put(text.as_bytes());
        ends.0.driver.flush(ends.0.socket.as_fd()).unwrap();
        let mut octets = [0; 1000];
        let count = relay.read(&mut octets).unwrap();
        octets[count - 1] ^= u8::from(text == "evil");
        near.write_all(&octets[..count]).unwrap();
    }
    // What came before is good, and comes first.
    ends.1.read();
    assert!(ends.1.driver.has_input());
    ends.1.read();
    assert_eq!(ends.1.received, b"good");
    assert!(matches!(ends.1.failure(), TlsError::Protocol { .. }), "{:?}", ends.1.failure());
    // The other side learns of it.
    near.set_nonblocking(true).unwrap();
    ends.0.socket = near;
    ends.0.read();
    assert!(matches!(ends.0.failure(), TlsError::Refused { .. }), "{:?}", ends.0.failure());
}

#[test]
fn a_peer_that_is_gone_fails_a_write() {
    let (mut server, client) = established();
    drop(client);
    server.put(&octets(1000, 1));
    let error = server.driver.flush(server.socket.as_fd()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(server.driver.get_out_octets(), 1000);
    assert_eq!(server.driver.wants(), Wants::default());
    assert_eq!(server.driver.discard_output(), 1000);
    assert_eq!(server.driver.get_out_octets(), 0);
}

#[test]
fn a_write_fails_as_the_peer_said_before_it_was_gone() {
    let authority = Authority::new();
    let server = TlsServer::build()
        .identity(authority.issue("localhost"))
        .require_client_certificate(authority.roots());
    let client = TlsClient::build().roots(authority.roots()).only_tls13();
    let (mut server, mut client) =
        connect(&server.build().unwrap(), &client.build().unwrap(), "localhost");
    // The client is done before the server has seen what it has.
    while !client.is_done() {
        client.step();
        server.step();
    }
    client.driver.flush(client.socket.as_fd()).unwrap();
    while server.end.is_none() {
        server.read();
    }
    drop(server);
    client.put(b"never received");
    let error = client.driver.flush(client.socket.as_fd()).unwrap_err();
    let error = TlsError::of(&error).expect("the refusal, and not that nobody is there");
    assert!(error.to_string().contains("wants a certificate"), "{error}");
    client.read();
    assert_eq!(client.failure(), error);
}

#[test]
fn what_came_before_a_refusal_is_not_lost_to_a_write_that_fails() {
    let (mut server, mut client) = established();
    let last_words = octets(100_000, 1);
    server.put(&last_words);
    assert_eq!(server.driver.flush(server.socket.as_fd()).unwrap(), 0);
    client.socket.write_all(&[0xff; 100]).unwrap();
    server.read();
    assert!(matches!(server.failure(), TlsError::NotTls { .. }), "{:?}", server.failure());
    drop(server);
    for _ in 0..2 {
        // No more is looked at than is worth it, and no write is forgiven.
        client.put(b"never received");
        client.driver.flush(client.socket.as_fd()).unwrap_err();
        client.driver.discard_output();
    }
    while client.read() {}
    assert_eq!(client.received, last_words);
    assert!(matches!(client.failure(), TlsError::Refused { .. }), "{:?}", client.failure());
}

#[test]
fn a_reset_is_told_as_the_system_says() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (near, _) = listener.accept().unwrap();
    near.set_nonblocking(true).unwrap();
    let (server, _) = pair_of(|server, client| (server, client));
    let mut driver = server.accept().unwrap();
    nix::sys::socket::setsockopt(
        &client,
        nix::sys::socket::sockopt::Linger,
        &nix::libc::linger { l_onoff: 1, l_linger: 0 },
    )
    .unwrap();
    drop(client);
    let error = driver.get(near.as_fd(), &mut ReadBuffer::new()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(driver.handshake(), TlsHandshake::Failed(TlsError::Disconnected));
}
