//! WebSocket frames, case by case.
#![cfg(feature = "websocket")]

mod common;

use std::error::Error;

use bytes::Bytes;
use common::{Octets, check_hand_over, check_splits, chunk, split};
use poe_filter::{
    CloseReason, Filter, FilterError, Map, WebSocket, WebSocketError, WebSocketMessage,
};
use proptest::prelude::*;

use WebSocketMessage::{Binary, Close, Ping, Pong, Text};

fn text(text: &str) -> WebSocketMessage {
    Text(text.into())
}

fn cause(error: &FilterError) -> WebSocketError {
    *error.source().unwrap().downcast_ref().unwrap()
}

fn get(filter: &mut WebSocket, octets: &[u8]) -> Result<Vec<WebSocketMessage>, WebSocketError> {
    filter.get(chunk(octets)).map_err(|error| {
        assert!(error.is_fatal());
        cause(&error)
    })
}

/// The examples of RFC 6455, section 5.7.
#[test]
fn examples_of_the_rfc() {
    let mut client = WebSocket::client();
    assert_eq!(get(&mut client, b"\x81\x05Hello"), Ok(vec![text("Hello")]));
    assert_eq!(get(&mut client, b"\x01\x03Hel\x80\x02lo"), Ok(vec![text("Hello")]));
    assert_eq!(get(&mut client, b"\x89\x05Hello"), Ok(vec![Ping("Hello".into())]));
    let long = [b"\x82\x7e\x01\x00", &[7; 256][..]].concat();
    assert_eq!(get(&mut client, &long), Ok(vec![Binary(chunk([7; 256]))]));
    let longer = [b"\x82\x7f\0\0\0\0\0\x01\0\0", &[7; 65536][..]].concat();
    assert_eq!(get(&mut client, &longer), Ok(vec![Binary(chunk([7; 65536]))]));
    let mut server = WebSocket::server();
    let masked = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    assert_eq!(get(&mut server, masked), Ok(vec![text("Hello")]));
    let masked = b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    assert_eq!(get(&mut server, masked), Ok(vec![Pong("Hello".into())]));
}

#[test]
fn control_frames_come_between_fragments() {
    let mut client = WebSocket::client();
    let frames = b"\x01\x01\xc3\x89\x01p\x00\x00\x8a\x00\x80\x01\xa9\x82\x00";
    let expected = [Ping("p".into()), Pong("".into()), text("é"), Binary("".into())];
    assert_eq!(get(&mut client, frames).unwrap(), expected);
}

#[test]
fn what_breaks_the_protocol_is_fatal() {
    use WebSocketError as E;
    for (frames, error, code) in [
        (&b"\xc1"[..], E::Reserved, 1002),
        (b"\xa1\x00", E::Reserved, 1002),
        (b"\x91\x00", E::Reserved, 1002),
        (b"\x83", E::Opcode(3), 1002),
        (b"\x87\x00", E::Opcode(7), 1002),
        (b"\x8b", E::Opcode(11), 1002),
        (b"\x8f\x00", E::Opcode(15), 1002),
        (b"\x81\x80", E::Mask, 1002),
        (b"\x09\x00", E::LongControl, 1002),
        (b"\x08\x00", E::LongControl, 1002),
        (b"\x89\x7e", E::LongControl, 1002),
        (b"\x82\x7e\x00\x7d", E::Length, 1002),
        (b"\x82\x7f\0\0\0\0\0\0\xff\xff", E::Length, 1002),
        (b"\x82\x7f\x80\0\0\0\0\0\0\0", E::Length, 1002),
        (b"\x80\x00", E::Fragment, 1002),
        (b"\x00\x00", E::Fragment, 1002),
        (b"\x01\x00\x81\x00", E::Fragment, 1002),
        (b"\x02\x01x\x02\x00", E::Fragment, 1002),
        (b"\x81\x01\xff", E::NotUtf8, 1007),
        (b"\x81\x03\xed\xa0\x80", E::NotUtf8, 1007),
        (b"\x01\x01\xc3\x80\x00", E::NotUtf8, 1007),
        (b"\x88\x01x", E::BadClose, 1002),
        (b"\x88\x02\x03\xe7", E::BadClose, 1002),
        (b"\x88\x02\x03\xec", E::BadClose, 1002),
        (b"\x88\x02\x03\xed", E::BadClose, 1002),
        (b"\x88\x02\x03\xee", E::BadClose, 1002),
        (b"\x88\x02\x03\xf7", E::BadClose, 1002),
        (b"\x88\x02\x07\xd0", E::BadClose, 1002),
        (b"\x88\x02\x13\x88", E::BadClose, 1002),
        (b"\x88\x03\x03\xe8\xff", E::NotUtf8, 1007),
        (b"\x82\x7f\0\0\x01\0\0\0\0\0", E::TooLong(64 << 20), 1009),
    ] {
        let mut client = WebSocket::client();
        assert_eq!(get(&mut client, frames), Err(error), "{frames:x?}");
        assert_eq!(error.close_code(), code);
        // It stays an error, whatever comes.
        assert_eq!(get(&mut client, b"\x81\x00"), Err(error));
        assert!(client.finish().unwrap_err().is_fatal());
        assert_eq!(get(&mut WebSocket::server(), b"\x81\x00"), Err(E::Mask));
    }
}

#[test]
fn messages_have_a_limit_also_in_fragments() {
    let mut client = WebSocket::client().with_max_length(8).unwrap();
    assert_eq!(get(&mut client, b"\x82\x0812345678").unwrap().len(), 1);
    assert_eq!(get(&mut client, b"\x02\x021\x32\x00\x00").unwrap().len(), 0);
    assert_eq!(get(&mut client, b"\x80\x01").unwrap_err(), WebSocketError::TooLong(8));
    // Empty fragments do not go on for ever.
    let mut client = WebSocket::client().with_max_length(100).unwrap();
    assert!(get(&mut client, b"\x01\x00").unwrap().is_empty());
    let error = (0..100).find_map(|_| get(&mut client, b"\x00\x00").err());
    assert_eq!(error, Some(WebSocketError::TooLong(100)));
    assert!(WebSocket::client().with_max_length(0).is_err());
    assert!(WebSocket::client().with_max_length(usize::MAX).is_err());
}

#[test]
fn nothing_follows_a_close() {
    let (mut client, mut server) = (WebSocket::client(), WebSocket::server());
    let reason = CloseReason { code: 4999, reason: "enough".into() };
    let mut wire = Vec::<u8>::new();
    server.put(Close(Some(reason.clone())), &mut wire).unwrap();
    let length = wire.len();
    let error = server.put(text("more"), &mut wire).unwrap_err();
    assert_eq!((cause(&error), error.is_fatal()), (WebSocketError::Closed, false));
    assert_eq!(wire.len(), length);
    wire.extend_from_slice(b"\xff\xff anything");
    assert_eq!(get(&mut client, &wire), Ok(vec![Close(Some(reason))]));
    assert_eq!(get(&mut client, b"\xff"), Ok(vec![]));
    assert_eq!((client.finish().unwrap(), client.pending_len()), (None, 0));
    // The other direction is open, and so is a fresh filter.
    client.put(Close(None), &mut wire).unwrap();
    assert!(server.fresh().put(Close(None), &mut wire).is_ok());
}

#[test]
fn what_can_not_be_sent_puts_nothing() {
    let mut server = WebSocket::server();
    let mut out = Vec::<u8>::new();
    let close = |code, length| Close(Some(CloseReason { code, reason: "x".repeat(length) }));
    for (message, error) in [
        (Ping(chunk([0; 126])), WebSocketError::LongControl),
        (Pong(chunk([0; 126])), WebSocketError::LongControl),
        (close(1000, 124), WebSocketError::LongControl),
        (close(1005, 0), WebSocketError::BadClose),
        (close(0, 0), WebSocketError::BadClose),
    ] {
        let refused = server.put(message, &mut out).unwrap_err();
        assert_eq!((cause(&refused), refused.is_fatal()), (error, false));
    }
    assert!(out.is_empty());
    server.put(Ping(chunk([0; 125])), &mut out).unwrap();
    server.put(close(1000, 123), &mut out).unwrap();
}

#[test]
fn masks_are_not_repeated() {
    let masks = |client: &mut dyn Filter<In = WebSocketMessage, Out = WebSocketMessage>| {
        let mut masks = Vec::new();
        for _ in 0..100 {
            let mut wire = Vec::<u8>::new();
            client.put(text(""), &mut wire).unwrap();
            masks.push(wire[2..].to_vec());
        }
        masks
    };
    let mut client = WebSocket::client();
    let mut all = masks(&mut client);
    all.extend(masks(&mut *client.fresh()));
    all.sort();
    all.dedup();
    // Of 32 bits, two of 200 are the same once in 200,000 times; four pairs never.
    assert!(all.len() > 196);
}

#[test]
fn input_that_ends_within_a_message() {
    let mut client = WebSocket::client();
    assert!(client.finish().unwrap().is_none());
    assert!(get(&mut client, b"\x01\x01a\x89\x05p").unwrap().is_empty());
    assert!(matches!(client.finish(), Err(FilterError::Truncated { held: 6 })));
    assert_eq!(client.get_pending(), b"\x01\x01a\x89\x05p"[..]);
}

#[test]
fn a_payload_without_a_mask_is_not_copied() {
    let input = chunk(b"\x82\x03abc\x82\x05de");
    let mut client = WebSocket::client();
    let messages = client.get(input.clone()).unwrap();
    let Binary(payload) = &messages[0] else { panic!("{messages:?}") };
    assert_eq!(payload.as_ptr(), input[2..].as_ptr());
    drop(messages);
    assert!(input.is_unique());
}

/// A filter whose records can be compared with those of others.
fn shown(filter: WebSocket) -> Box<Octets> {
    Box::new(filter.then(Map::new(|message| Bytes::from(format!("{message:?}")), Binary)))
}

fn message() -> impl Strategy<Value = WebSocketMessage> {
    let octets = || prop::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from);
    prop_oneof![
        ".{0,300}".prop_map(Text),
        octets().prop_map(Binary),
        octets().prop_map(Ping),
        octets().prop_map(Pong),
    ]
}

const FRAMES: &[&[u8]] = &[
    b"\x01\x01a",
    b"\x00\x01b",
    b"\x80\x01c",
    b"\x89\x01p",
    b"\x82\x02xy",
    b"\x02\x00",
    b"\x81\x02\xc3\xa9",
    b"\x01\x01\xc3",
    b"\x80\x01\xa9",
    b"\x88\x00",
    b"\x88\x02\x03\xe8",
    b"\x03",
    b"\x82\x7e\x00\x80",
    b"\x82\x7e\x00\x01",
    b"\x82\x09123456789",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_put_is_got(
        messages in prop::collection::vec(message(), 0..8),
        sizes in prop::collection::vec(1..40_usize, 1..20),
    ) {
        for (mut one, mut other) in [
            (WebSocket::client(), WebSocket::server()),
            (WebSocket::server(), WebSocket::client()),
        ] {
            let mut wire = Vec::<u8>::new();
            for message in &messages {
                one.put(message.clone(), &mut wire).unwrap();
            }
            let mut got = Vec::new();
            for piece in split(&wire, &sizes) {
                got.extend(other.get(piece.into()).unwrap());
            }
            prop_assert_eq!(&got, &messages);
        }
    }

    #[test]
    fn any_split_gives_the_same(
        frames in prop::collection::vec(prop::sample::select(FRAMES), 0..12),
        sizes in prop::collection::vec(1..9_usize, 1..20),
        period in 1..4_usize,
    ) {
        let pieces = split(&frames.concat(), &sizes);
        check_splits(|| shown(WebSocket::client().with_max_length(8).unwrap()), &pieces)?;
        check_splits(|| shown(WebSocket::client()), &pieces)?;
        // Behind a close, a filter knows that there is nothing; the next one does not.
        let open: Vec<_> = frames.iter().filter(|frame| frame[0] != 0x88).copied().collect();
        let pieces = split(&open.concat(), &sizes);
        check_hand_over(|| shown(WebSocket::client()), &pieces, period)?;
    }

    #[test]
    fn noise_gives_the_same_however_it_is_divided(
        input in prop::collection::vec(any::<u8>(), 0..60),
        sizes in prop::collection::vec(1..9_usize, 1..20),
    ) {
        let pieces = split(&input, &sizes);
        check_splits(|| shown(WebSocket::client()), &pieces)?;
        check_splits(|| shown(WebSocket::server()), &pieces)?;
    }
}
