//! What stacks keep while they wait for input.

mod common;

use bytes::Bytes;
use common::{Watchdog, chunk};
use poe_filter::{Block, Filter, FilterLayer, Grep, Line, Map, Stackable};

/// A stack that gathers nothing keeps nothing but what its filter keeps.
#[test]
fn a_starved_stack_lets_the_chunk_go() {
    let _watchdog = Watchdog::new();
    let input = chunk("one\ntwo\nthr");
    let mut typed = Line::new().then(Grep::both(|_: &Bytes| true));
    drop(typed.get(input.clone()).unwrap());
    assert!(input.is_unique());
    let mut stack: Stackable = Stackable::new();
    stack.push(Line::new()).unwrap();
    stack.push(Grep::both(|_: &Bytes| true)).unwrap();
    drop(stack.get(input.clone()).unwrap());
    assert!(input.is_unique());
    assert_eq!(stack.get_pending(), "thr");
}

/// Whoever sends packets and never ends a line costs as much as these are, not the buffers that they came in.
#[test]
fn nor_does_a_filter_on_a_filter_keep_the_chunk() {
    let _watchdog = Watchdog::new();
    let line = || Line::literal("!").unwrap();
    // Whether the records of the lower filter are slices of the chunk or not.
    for of in [|packet| packet, |packet: Bytes| Bytes::copy_from_slice(&packet)] {
        let mut stack: Stackable = Stackable::new();
        stack.push(Block::new()).unwrap();
        stack.push(Map::both(of)).unwrap();
        stack.push(line()).unwrap();
        let typed = Block::new().then(Map::both(of)).then(FilterLayer::new(line()));
        for mut filter in [stack.boxed(), typed.boxed()] {
            for (input, record) in [
                ("1\0a", None),
                ("1\0b0\0", None),
                ("3\0c", None),
                ("d!2\0ef1\0g", Some("abcd")),
                ("4\0!hi", None),
                ("!3\0jkl1", Some("efg")),
            ] {
                let input = chunk(input);
                filter.get_one_start(input.clone()).unwrap();
                assert_eq!(filter.get_one().unwrap(), record.map(Bytes::from));
                let rest = filter.get_one().unwrap();
                assert_eq!(rest, record.filter(|record| *record == "efg").map(|_| "hi".into()));
                assert_eq!(filter.get_one().unwrap(), None);
                assert!(input.is_unique(), "{input:?}");
            }
            assert_eq!(filter.take_pending(), "3\0jkl1");
        }
    }
}
