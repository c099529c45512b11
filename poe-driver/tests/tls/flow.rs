//! What goes in comes out, however it is cut.

use std::cell::RefCell;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;

use poe_driver::{Driver, Tls, TlsClient, TlsConfigError, TlsHandshake, TlsServer, Wants};
use proptest::prelude::*;
use rustls::crypto::{CryptoProvider, ring};

use crate::peers::{Authority, End, Relay, connect, established, octets, pair_of, settle};

/// Sends both ways through a relay, closes, and checks that all has come.
fn exchange(ends: &mut (End, End), relay: &mut Relay, up: &[u8], down: &[u8]) {
    ends.0.put(down);
    ends.1.put(up);
    let (mut has_ended, mut idle) = ([false; 2], 0);
    while (ends.0.end.is_none() || ends.1.end.is_none()) && idle < 1000 {
        let moved = ends.0.step() | ends.1.step() | relay.step();
        for (index, end) in [&mut ends.0, &mut ends.1].into_iter().enumerate() {
            if !has_ended[index] && end.is_done() && end.driver.get_out_octets() == 0 {
                has_ended[index] = true;
                end.shut_down();
            }
        }
        idle = if moved { 0 } else { idle + 1 };
    }
    for end in [&ends.0, &ends.1] {
        assert_eq!(end.end, Some(Ok(())), "{end:?}");
        assert_eq!(end.driver.get_out_messages_buffered(), 0);
    }
    assert!(ends.0.received == up, "{} of {}", ends.0.received.len(), up.len());
    assert!(ends.1.received == down, "{} of {}", ends.1.received.len(), down.len());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn any_split_gives_the_same_octets(
        up in 0..40_000_usize,
        down in 0..40_000_usize,
        sizes in prop::collection::vec(prop_oneof![0..10_usize, 10..3000_usize], 1..8),
        buffer in prop_oneof![1..100_usize, 100..40_000_usize, Just(65_536)],
        only_tls13 in any::<bool>(),
    ) {
        let mut sizes = sizes;
        sizes.push(1500);
        let (server, client) = pair_of(|server, client| {
            (if only_tls13 { server.only_tls13() } else { server }, client)
        });
        let (ends, mut relay) = Relay::between(&server, &client, sizes);
        let mut ends = (ends.0.with_buffer(buffer), ends.1);
        exchange(&mut ends, &mut relay, &octets(up, 1), &octets(down, 2));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn an_octet_that_was_changed_does_no_harm_but_ends_the_connection(
        side in 0..2_usize,
        place in 0..2500_usize,
        change in 1..=255_u8,
        size in prop_oneof![1..60_usize, Just(5000)],
        is_old in any::<bool>(),
    ) {
        thread_local! {
            static CONTEXTS: [(TlsServer, TlsClient); 2] = [versions(false), versions(true)];
        }
        let (server, client) = CONTEXTS.with(|contexts| contexts[usize::from(is_old)].clone());
        let (mut ends, mut relay) = Relay::between(&server, &client, vec![size]);
        relay.damage = Some((side, place, change));
        let sent = octets(1000, 1);
        let mut idle = 0;
        ends.0.put(&sent);
        ends.1.put(&sent);
        let mut told = [false; 2];
        while idle < 10 {
            let moved = ends.0.step() | ends.1.step() | relay.step();
            idle = if moved { 0 } else { idle + 1 };
            for (index, end) in [&mut ends.0, &mut ends.1].into_iter().enumerate() {
                // Whoever has failed, or has sent all, goes.
                if !told[index] && (end.end.is_some() || end.driver.get_out_octets() == 0) {
                    told[index] = true;
                    let _ = end.driver.shutdown_output(end.socket.as_fd());
                }
            }
        }
        for end in [&ends.0, &ends.1] {
            // What is believed is what was sent.
            prop_assert!(sent.starts_with(&end.received));
            prop_assert!(end.received.len() == 1000 || end.end != Some(Ok(())), "{end:?}");
        }
    }
}

#[test]
fn one_octet_at_a_time_is_enough() {
    for is_old in [false, true] {
        let (server, client) = versions(is_old);
        let (mut ends, mut relay) = Relay::between(&server, &client, vec![1]);
        exchange(&mut ends, &mut relay, &octets(3000, 1), b"short");
        assert_eq!(ends.0.driver.version(), Some(if is_old { "TLSv1.2" } else { "TLSv1.3" }));
    }
}

/// A server and a client of TLS 1.3, or of 1.2 where that is all that one of them speaks.
fn versions(is_old: bool) -> (TlsServer, TlsClient) {
    use rustls::{ClientConfig, RootCertStore, version};
    if !is_old {
        return pair_of(|server, client| (server, client));
    }
    let authority = Authority::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let identity =
        poe_driver::TlsIdentity::from_pem(made.cert.pem(), made.signing_key.serialize_pem());
    let server = TlsServer::build().identity(identity.unwrap()).build().unwrap();
    let _ = authority;
    (server, TlsClient::from_config(Arc::new(config)))
}

#[test]
fn output_goes_between_the_parts_of_a_message() {
    use rustls::ServerConfig;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = made.signing_key.serialize_der().try_into().unwrap();
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    // Its tickets, which come after the handshake, take several records each.
    config.max_fragment_size = Some(40);
    let roots = poe_driver::TlsRoots::new().der(made.cert.der().to_vec()).unwrap();
    let client = TlsClient::build().roots(roots).build().unwrap();
    let server = TlsServer::from_config(Arc::new(config));
    let (mut ends, mut relay) = Relay::between(&server, &client, vec![1]);
    let (mut idle, mut sent) = (0, 0);
    while idle < 10 {
        let moved = ends.0.step() | ends.1.step() | relay.step();
        idle = if moved { 0 } else { idle + 1 };
        if ends.1.is_done() && sent < 1000 {
            ends.1.put(b"x");
            ends.1.driver.flush(ends.1.socket.as_fd()).unwrap();
            sent += 1;
        }
    }
    assert!(ends.0.received == [b'x'; 1000]);
    ends.0.put(&octets(1000, 1));
    ends.1.driver.close(ends.1.socket.as_fd()).unwrap();
    while ends.0.step() | ends.1.step() | relay.step() {}
    assert_eq!(ends.0.end, Some(Ok(())));
    assert!(ends.1.received == octets(1000, 1));
}

#[test]
fn large_transfers_go_both_ways_at_once() {
    for is_old in [false, true] {
        let (server, client) = versions(is_old);
        let (mut ends, mut relay) = Relay::between(&server, &client, vec![60_000]);
        exchange(&mut ends, &mut relay, &octets(6_000_000, 1), &octets(5_000_000, 2));
    }
}

#[test]
fn no_more_is_encrypted_than_the_handle_takes_soon() {
    let (mut server, mut client) = established();
    for _ in 0..100 {
        server.put(&octets(100_000, 3));
    }
    assert_eq!(server.driver.get_out_messages_buffered(), 100);
    let left = server.driver.flush(server.socket.as_fd()).unwrap();
    assert!(left > 9_000_000, "{left}");
    assert_eq!(server.driver.wants(), Wants { read: false, write: true });
    // What is encrypted and not sent counts, and is sent nevertheless.
    let discarded = server.driver.discard_output();
    assert_eq!(discarded, left);
    let mut ends = (server, client);
    settle(&mut ends);
    (server, client) = ends;
    assert_eq!(server.driver.get_out_octets(), 0);
    let received = client.received.len();
    assert!(received > 0 && received <= 10_000_000 - left + 65_536, "{received}");
    server.put(b"the end");
    let mut ends = (server, client);
    settle(&mut ends);
    assert!(ends.1.received.ends_with(b"the end"));
}

#[test]
fn small_messages_are_sent_together() {
    let mut ends = established();
    for n in 0..1000 {
        ends.0.put(format!("{n}\n").as_bytes());
    }
    assert_eq!(ends.0.driver.get_out_messages_buffered(), 1000);
    assert_eq!(ends.0.driver.flush(ends.0.socket.as_fd()).unwrap(), 0);
    assert_eq!(ends.0.driver.get_out_messages_buffered(), 0);
    // One read has them all.
    ends.1.read();
    let expected: String = (0..1000).map(|n| format!("{n}\n")).collect();
    assert_eq!(String::from_utf8(ends.1.received).unwrap(), expected);
}

#[test]
fn it_says_what_it_waits_for() {
    let (server, client) = pair_of(|server, client| (server, client));
    let (mut server, mut client) = connect(&server, &client, "localhost");
    // A client begins, and a server waits for that.
    assert_eq!(client.driver.wants(), Wants { read: true, write: true });
    assert_eq!(server.driver.wants(), Wants { read: true, write: false });
    server.put(b"early");
    assert_eq!(server.driver.get_out_octets(), 5);
    assert_eq!(server.driver.wants(), Wants { read: true, write: false });
    assert_eq!(server.driver.flush(server.socket.as_fd()).unwrap(), 5);

    client.step();
    assert_eq!(client.driver.wants(), Wants { read: true, write: false });
    server.step();
    assert_eq!(server.driver.wants(), Wants { read: true, write: true });
    assert!(!server.is_done());
    let mut ends = (server, client);
    settle(&mut ends);
    assert_eq!(ends.1.received, b"early");
    for end in [&ends.0, &ends.1] {
        assert!(end.is_done());
        assert_eq!(end.driver.wants(), Wants::default());
        assert!(!end.driver.has_input());
    }
}

#[test]
fn what_was_agreed_on_can_be_asked() {
    let (server, client) = pair_of(|server, client| {
        (server.alpn(["b", "a"]), client.alpn(["a", "b", "c"]).only_tls13())
    });
    let mut ends = connect(&server, &client, "localhost");
    for driver in [&ends.0.driver, &ends.1.driver] {
        assert_eq!(driver.handshake(), TlsHandshake::InProgress);
        assert_eq!((driver.cipher(), driver.version(), driver.alpn()), (None, None, None));
        assert_eq!(driver.peer_certificates().count(), 0);
        assert!(!driver.is_resumed());
    }
    assert_eq!(ends.0.driver.server_name(), None);
    settle(&mut ends);
    for driver in [&ends.0.driver, &ends.1.driver] {
        assert_eq!(driver.handshake(), TlsHandshake::Done);
        assert_eq!(driver.cipher().as_deref(), Some("TLS_AES_256_GCM_SHA384"));
        assert_eq!(driver.version(), Some("TLSv1.3"));
        assert_eq!(driver.alpn(), Some(&b"b"[..]));
        assert_eq!(driver.server_name(), Some("localhost"));
        assert!(!driver.is_resumed());
    }
    assert_eq!(ends.0.driver.peer_certificates().count(), 0);
    assert_eq!(ends.1.driver.peer_certificates().count(), 1);
}

#[test]
fn the_end_of_a_handshake_is_told_once() {
    let told = Rc::new(RefCell::new(Vec::new()));
    let tell = |who: &'static str| {
        let told = Rc::clone(&told);
        move |tls: &Tls| told.borrow_mut().push((who, tls.handshake(), tls.version()))
    };
    let (server, client) = pair_of(|server, client| (server, client));
    for name in ["localhost", "elsewhere"] {
        let (mut near, mut far) = connect(&server, &client, name);
        near.driver = near.driver.on_handshake(tell("server"));
        far.driver = far.driver.on_handshake(tell("client"));
        let mut ends = (near, far);
        settle(&mut ends);
        ends.0.put(b"more");
        settle(&mut ends);
    }
    let told = told.take();
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told.contains(&("client", TlsHandshake::Done, Some("TLSv1.3"))));
    assert!(told.contains(&("server", TlsHandshake::Done, Some("TLSv1.3"))));
    assert!(told.iter().filter(|told| matches!(told.1, TlsHandshake::Failed(_))).count() == 2);
}

#[test]
fn a_provider_may_be_given_and_none_is_installed() {
    let mut provider = ring::default_provider();
    provider
        .cipher_suites
        .retain(|suite| suite.suite() == rustls::CipherSuite::TLS13_CHACHA20_POLY1305_SHA256);
    let (server, client) =
        pair_of(|server, client| (server, client.provider(Arc::new(provider)).only_tls13()));
    let mut ends = connect(&server, &client, "localhost");
    settle(&mut ends);
    assert_eq!(ends.0.driver.cipher().as_deref(), Some("TLS_CHACHA20_POLY1305_SHA256"));
    assert!(CryptoProvider::get_default().is_none());
}

#[cfg(feature = "tls-aws-lc-rs")]
#[test]
fn providers_understand_each_other() {
    let provider = || Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    for is_server in [false, true] {
        let (server, client) = pair_of(|server, client| {
            if is_server {
                (server.provider(provider()), client)
            } else {
                (server, client.provider(provider()))
            }
        });
        let mut ends = connect(&server, &client, "localhost");
        ends.0.put(&octets(100_000, 1));
        settle(&mut ends);
        assert!(ends.1.received == octets(100_000, 1));
    }
}

#[test]
fn a_server_needs_an_identity() {
    let error = TlsServer::build().build().unwrap_err();
    assert!(matches!(error, TlsConfigError::NoIdentity), "{error}");
}

#[test]
fn what_is_shown_is_no_secret() {
    let mut ends = established();
    ends.0.put(b"password");
    let shown = format!("{:?}", ends.0.driver);
    assert_eq!(shown, "Tls { handshake: Done, version: Some(\"TLSv1.3\"), out_octets: 8, .. }");
}
