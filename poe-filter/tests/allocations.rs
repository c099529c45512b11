//! What records cost in memory: none is copied that lies in one chunk.

#[path = "allocations/sys.rs"]
mod sys;

use bytes::Bytes;
use poe_filter::{Block, Filter, IntegerLength, Line, LineBlock, Netstring, Stream};
#[cfg(feature = "websocket")]
use poe_filter::{FilterLayer, Map, Stackable, WebSocket, WebSocketMessage};
use sys::measure;

type Octets = Box<dyn Filter<In = Bytes, Out = Bytes>>;

const RECORDS: usize = 1000;

/// How many pieces of memory there may be for records that are cut out ahead, dozens of them in each.
const AHEAD: usize = RECORDS / 20;

fn filters() -> Vec<(&'static str, Octets)> {
    let integers = Block::builder().length_codec(IntegerLength::U32_BE).build().unwrap();
    vec![
        ("any lines", Box::new(Line::new())),
        ("lines ended by LF", Box::new(Line::literal("\n").unwrap())),
        ("lines ended by three octets", Box::new(Line::literal("<->").unwrap())),
        ("blocks", Box::new(Block::new())),
        ("blocks after integers", Box::new(integers)),
        ("blocks of one size", Box::new(Block::fixed(64).unwrap())),
        ("netstrings", Box::new(Netstring::new())),
        ("a stream", Box::new(Stream::new())),
    ]
}

/// A chunk of such records. A chunk that a read gives is counted from the beginning, as one is that has been shared.
fn chunk(filter: &mut Octets, name: &str) -> Bytes {
    let mut chunk = Vec::<u8>::new();
    for number in 0..RECORDS {
        let mut record = vec![b'x'; 64];
        record[number % 64] = b'y';
        filter.put(record.into(), &mut chunk).unwrap();
    }
    // The last terminator is not open at the end then, as if its second octet were to come.
    if name == "any lines" {
        chunk.extend(b"rest");
    }
    let chunk = Bytes::from(chunk);
    drop(chunk.clone());
    chunk
}

fn is_within(record: &Bytes, chunk: &Bytes) -> bool {
    let (chunk, record) = (chunk.as_ptr_range(), record.as_ptr_range());
    chunk.start <= record.start && record.end <= chunk.end
}

#[test]
fn a_record_within_a_chunk_is_a_slice_of_it() {
    for (name, mut filter) in filters() {
        let chunk = chunk(&mut filter, name);
        let (records, allocations, _) = measure(|| {
            filter.get_one_start(chunk.clone()).unwrap();
            let mut records = 0;
            while let Some(record) = filter.get_one().unwrap() {
                assert!(is_within(&record, &chunk), "{name}");
                records += 1;
                if name == "any lines" && records == RECORDS {
                    // The next line is not all there, and so is copied to wait for the rest.
                    break;
                }
            }
            records
        });
        assert_eq!(records, if name == "a stream" { 1 } else { RECORDS }, "{name}");
        assert!(allocations <= AHEAD, "{name}: {allocations}");
    }
}

#[test]
fn lines_that_come_together_are_no_copies_and_take_no_memory_each() {
    let chunk = Bytes::from(["x".repeat(63).as_str(), "\n"].concat().repeat(RECORDS));
    drop(chunk.clone());
    let mut filter = LineBlock::new();
    let (lines, allocations, _) = measure(|| {
        filter.get_one_start(chunk.clone()).unwrap();
        let mut count = 0;
        while let Some(lines) = filter.get_one().unwrap() {
            for line in &lines {
                assert!(chunk.as_ptr_range().contains(&line.as_ptr()) && line.len() == 63);
                count += 1;
            }
        }
        count
    });
    assert_eq!((lines, allocations), (RECORDS, 0));
}

#[test]
fn only_a_record_that_spreads_over_chunks_is_copied() {
    for (name, mut filter) in filters() {
        let whole = chunk(&mut filter, name);
        let at = whole.len() / 2 + 7;
        let (one, other) = (whole.slice(..at), whole.slice(at..));
        let (copied, allocations, _) = measure(|| {
            let mut copied = 0;
            for piece in [one, other] {
                filter.get_one_start(piece).unwrap();
                while let Some(record) = filter.get_one().unwrap() {
                    copied += usize::from(!is_within(&record, &whole));
                }
            }
            copied
        });
        assert_eq!(copied, usize::from(name != "a stream"), "{name}");
        // What waits, what it grows into with the rest, and the counter of the record; the beginning of one more line.
        assert!(allocations <= AHEAD + 5, "{name}: {allocations}");
    }
}

/// Else whoever sends a long fragment first has each ping of a few octets cost as much.
#[cfg(feature = "websocket")]
#[test]
fn a_control_frame_costs_nothing_for_the_message_around_it() {
    const FRAGMENT: usize = 1 << 20;
    let octets = |message| match message {
        WebSocketMessage::Binary(octets) | WebSocketMessage::Ping(octets) => octets,
        other => panic!("{other:?}"),
    };
    let messages = || Map::new(octets, WebSocketMessage::Binary);
    let mut stack: Stackable = Stackable::new();
    stack.push(WebSocket::client()).unwrap();
    stack.push(messages()).unwrap();
    let typed = WebSocket::client().then(messages()).then(FilterLayer::new(Stream::new()));
    for mut filter in [stack.boxed(), typed.boxed()] {
        let header = [&[0x02, 0x7f], &(FRAGMENT as u64).to_be_bytes()[..]].concat();
        let fragment = [&header[..], &vec![b'x'; FRAGMENT]].concat();
        assert!(filter.get(fragment.into()).unwrap().is_empty());
        let ping = || Bytes::from_static(b"\x89\x01p");
        assert_eq!(filter.get(ping()).unwrap(), ["p"]);
        let (records, _, growth) = measure(|| filter.get(ping()).unwrap());
        assert_eq!(records, ["p"]);
        assert!(growth < 1000, "{growth}");
        assert_eq!(filter.pending_len(), header.len() + FRAGMENT);
        assert_eq!(
            filter.get(b"\x80\x00\x89\x01q"[..].into()).unwrap().concat().len(),
            FRAGMENT + 1
        );
        assert_eq!(filter.pending_len(), 0);
    }
}
