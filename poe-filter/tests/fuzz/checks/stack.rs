//! Filters on filters.

use bytes::Bytes;
use poe_filter::{
    Block, Filter, FilterLayer, Grep, Line, Map, Netstring, RecordBlock, Stackable, Stream,
};

use super::input::Input;
use super::line::{Octets, tell};
use super::stream::{HandOver, Subject};

fn wanted(line: &Bytes) -> bool {
    !line.contains(&b'b')
}

fn joined(block: Vec<Bytes>) -> Bytes {
    [block.join(&b','), b"|".to_vec()].concat().into()
}

fn parted(record: Bytes) -> Vec<Bytes> {
    let items = record.strip_suffix(b"|").unwrap_or(&record);
    items.split(|octet| *octet == b',').map(Bytes::copy_from_slice).collect()
}

fn words() -> Map<Bytes, Bytes, Bytes, Bytes> {
    let split = |line: Bytes| {
        line.split(|octet| *octet == b' ').map(Bytes::copy_from_slice).collect::<Vec<_>>()
    };
    Map::flat(split, |word| [word])
}

fn refusing() -> Map<Bytes, Bytes, Bytes, Bytes> {
    let refuse = |line: Bytes| if line.starts_with(b"c") { Err("no") } else { Ok(line) };
    Map::fallible(refuse, Ok::<_, &str>)
}

fn lines() -> Line {
    Line::literal("\n").unwrap()
}

fn threes() -> RecordBlock<Bytes> {
    RecordBlock::new(3).unwrap()
}

/// A stack as the compiler makes it, and the same made at run time.
type Pair = [fn() -> Octets; 2];

fn stacked(push: impl FnOnce(&mut Stackable)) -> Octets {
    let mut stack = Stackable::new();
    push(&mut stack);
    stack.check().unwrap();
    Box::new(stack)
}

const PAIRS: [(Pair, HandOver); 9] = [
    (
        [
            || {
                Box::new(
                    lines().then(Grep::both(wanted)).then(threes()).then(Map::new(joined, parted)),
                )
            },
            || {
                stacked(|stack| {
                    stack.push(lines()).unwrap();
                    stack.push(Grep::both(wanted)).unwrap();
                    stack.push(threes()).unwrap();
                    stack.push(Map::new(joined, parted)).unwrap();
                })
            },
        ],
        HandOver::Fresh,
    ),
    // What is left of a packet of which records were made is written anew.
    (
        [
            || Box::new(Block::new().then(FilterLayer::new(lines()))),
            || {
                stacked(|stack| {
                    stack.push(Block::new()).unwrap();
                    stack.push(lines()).unwrap();
                })
            },
        ],
        HandOver::Fresh,
    ),
    (
        [
            || Box::new(lines().then(FilterLayer::new(Block::fixed(4).unwrap()))),
            || {
                stacked(|stack| {
                    stack.push(lines()).unwrap();
                    stack.push(Block::fixed(4).unwrap()).unwrap();
                })
            },
        ],
        HandOver::Fresh,
    ),
    (
        [
            || Box::new(lines().then(words()).then(refusing())),
            || {
                stacked(|stack| {
                    stack.push(lines()).unwrap();
                    stack.push(words()).unwrap();
                    stack.push(refusing()).unwrap();
                })
            },
        ],
        // Of the words of a line, only the first is made of octets.
        HandOver::Nobody,
    ),
    (
        [
            || {
                let packets = Netstring::with_max_length(40).unwrap();
                Box::new(packets.then(FilterLayer::new(Block::new())).then(refusing()))
            },
            || {
                stacked(|stack| {
                    stack.push(Netstring::with_max_length(40).unwrap()).unwrap();
                    stack.push(Block::new()).unwrap();
                    stack.push(refusing()).unwrap();
                })
            },
        ],
        HandOver::Fresh,
    ),
    (
        [
            || Box::new(Stream::new().then(FilterLayer::new(lines()))),
            || {
                stacked(|stack| {
                    stack.push(Stream::new()).unwrap();
                    stack.push(lines()).unwrap();
                })
            },
        ],
        HandOver::Fresh,
    ),
    (
        [
            || Box::new(Line::new().then(refusing())),
            || {
                stacked(|stack| {
                    stack.push(Line::new().then(refusing())).unwrap();
                })
            },
        ],
        HandOver::Fresh,
    ),
    (
        [
            || {
                let inner = Netstring::with_max_length(100).unwrap();
                let inner = Block::new().then(FilterLayer::new(inner));
                Box::new(inner.then(FilterLayer::new(lines())))
            },
            || {
                stacked(|stack| {
                    stack.push(Block::new()).unwrap();
                    stack.push(Netstring::with_max_length(100).unwrap()).unwrap();
                    stack.push(lines()).unwrap();
                })
            },
        ],
        HandOver::Fresh,
    ),
    (
        [
            || {
                let lines =
                    Netstring::with_max_length(100).unwrap().then(FilterLayer::new(lines()));
                let threes = lines.then(Grep::both(wanted)).then(threes());
                Box::new(threes.then(Map::new(joined, parted)))
            },
            || {
                stacked(|stack| {
                    let packets = Netstring::with_max_length(100).unwrap();
                    stack.push(packets.then(FilterLayer::new(lines()))).unwrap();
                    stack.push(Grep::both(wanted)).unwrap();
                    stack.push(threes()).unwrap();
                    stack.push(Map::new(joined, parted)).unwrap();
                })
            },
        ],
        HandOver::Fresh,
    ),
];

pub(super) fn stack(octets: &[u8]) {
    let mut input = Input::new(octets);
    let ([compiled, stacked], hand_over) = input.pick(&PAIRS);
    let changes = input.number(256);
    let sizes = input.sizes();
    let stream = input.stream();
    let check = |make| {
        // Records that are not wanted are pending no more, unlike the ones around them.
        Subject::new(make, tell).gives_out_of_order().can_hand_over(hand_over).check(stream, sizes)
    };
    let (one, other) = (check(&compiled), check(&stacked));
    assert_eq!(one, other, "at run time");
    change(stream, &sizes.split(stream), changes);
}

/// Lines go through layers that come and go, but change none of them. All are given, in order.
fn change(stream: &[u8], chunks: &[&[u8]], changes: usize) {
    let mut stack: Stackable = Stackable::new();
    stack.push(lines()).unwrap();
    let mut told = Vec::new();
    for (turn, chunk) in chunks.iter().enumerate() {
        _ = stack.get_one_start(Bytes::copy_from_slice(chunk));
        let before = stack.get_pending();
        match (changes >> (turn % 4 * 2)) & 3 {
            0 if stack.filter_types().len() > 1 => {
                stack.pop().unwrap();
            }
            0 | 1 => stack.push(Grep::both(|_: &Bytes| true)).unwrap(),
            2 => stack.push(Map::both(|line: Bytes| line)).unwrap(),
            _ => told.extend(stack.get_one().unwrap()),
        }
        if changes >> (turn % 4 * 2) & 3 != 3 {
            assert_eq!(stack.get_pending(), before, "changed");
        }
        if turn % 3 == 0 {
            while let Some(line) = stack.get_one().unwrap() {
                told.push(line);
                assert!(told.len() <= stream.len() + 1, "lines without end");
            }
        }
    }
    while let Some(line) = stack.get_one().unwrap() {
        told.push(line);
        assert!(told.len() <= stream.len() + 1, "lines without end");
    }
    told.push(stack.take_pending());
    assert_eq!(told.join(&b'\n').escape_ascii().to_string(), stream.escape_ascii().to_string());
}
