//! Stacks of filters, case by case.

mod common;

use bytes::Bytes;
use common::{MANY, Watchdog, chunk};
use poe_filter::{
    Block, ConfigError, Filter, FilterError, FilterLayer, Grep, IntoLayer, IntoRecord, Line, Map,
    RecordBlock, Stackable, Stream,
};

type Blocks = Stackable<Vec<Bytes>, Vec<Bytes>>;

fn wrap(line: Bytes) -> Bytes {
    [b"(((", &line[..], b")))"].concat().into_record()
}

fn stack() -> Blocks {
    let mut stack = Blocks::new();
    stack.push(Line::literal("!").unwrap()).unwrap();
    stack.push(Map::new(wrap, |line: Bytes| line)).unwrap();
    let has_one = |line: &Bytes| line.contains(&b'1');
    stack.push(Grep::new(has_one, |_: &Bytes| true)).unwrap();
    stack.push(RecordBlock::<Bytes>::new(2).unwrap()).unwrap();
    stack.check().unwrap();
    stack
}

fn typed() -> impl Filter<In = Vec<Bytes>, Out = Vec<Bytes>> {
    Line::literal("!")
        .unwrap()
        .then(Map::new(wrap, |line: Bytes| line))
        .then(Grep::new(|line: &Bytes| line.contains(&b'1'), |_: &Bytes| true))
        .then(RecordBlock::new(2).unwrap())
}

// Conformance: FST-04, FST-06
#[test]
fn a_stack_of_four() {
    let _watchdog = Watchdog::new();
    for mut stack in [stack().boxed(), typed().boxed(), stack().fresh(), typed().fresh()] {
        assert!(stack.get("test one (1)!test two (2)!".into()).unwrap().is_empty());
        let blocks = stack.get("test three (3)!test four (100)!".into()).unwrap();
        assert_eq!(blocks, [["(((test one (1))))", "(((test four (100))))"]]);
        let mut out = Vec::<u8>::new();
        for block in [&blocks[0], &blocks[0]] {
            stack.put(block.clone(), &mut out).unwrap();
        }
        assert_eq!(out, b"(((test one (1))))!(((test four (100))))!".repeat(2));
    }
}

// Conformance: FST-07, FST-08
#[test]
fn layers_are_taken_off_and_put_on() {
    let _watchdog = Watchdog::new();
    let types = ["Line", "Map", "Grep", "RecordBlock"];
    let mut stack = stack();
    assert_eq!(stack.filter_types(), types);
    let first: *const Line = stack.filters().next().unwrap().downcast_ref().unwrap();
    let last: *const RecordBlock<Bytes> = stack.filters().last().unwrap().downcast_ref().unwrap();
    let popped = stack.pop().unwrap();
    assert_eq!(popped.name(), "RecordBlock");
    let shifted = stack.shift().unwrap();
    assert_eq!(shifted.name(), "Line");
    assert_eq!(stack.filter_types(), ["Map", "Grep"]);
    stack.push(popped).unwrap();
    stack.unshift(shifted).unwrap();
    assert_eq!(stack.filter_types(), types);
    assert!(std::ptr::eq(first, stack.filters().next().unwrap().downcast_ref().unwrap()));
    assert!(std::ptr::eq(last, stack.filters().last().unwrap().downcast_ref().unwrap()));
    assert_eq!(stack.get("1!11!".into()).unwrap(), [["(((1)))", "(((11)))"]]);
}

#[test]
fn a_layer_that_does_not_fit_is_refused() {
    let _watchdog = Watchdog::new();
    let mut stack = Stackable::<Bytes, Bytes>::new();
    stack.push(Line::new()).unwrap();
    let numbers = || Map::both(|number: u32| number);
    for error in [stack.push(numbers()).unwrap_err(), stack.unshift(numbers()).unwrap_err()] {
        assert!(matches!(error, ConfigError::LayerMismatch { .. }), "{error}");
    }
    // It takes what the line gives, but gives back what the line does not take.
    assert!(stack.push(Map::new(|line: Bytes| line, |number: u32| number)).is_err());
    assert_eq!(stack.filter_types(), ["Line"]);
    assert_eq!(stack.get("a\n".into()).unwrap(), ["a"]);
}

#[test]
fn a_stack_whose_ends_do_not_fit_fails_and_loses_nothing() {
    let _watchdog = Watchdog::new();
    let mut stack = stack();
    let block = stack.pop().unwrap();
    assert!(stack.check().is_err());
    stack.get_one_start("1!11!".into()).unwrap();
    for error in [
        stack.get_one().unwrap_err(),
        stack.finish().unwrap_err(),
        stack.put(Vec::new(), &mut Vec::<u8>::new()).unwrap_err(),
    ] {
        assert!(matches!(error, FilterError::Stream(_)), "{error}");
    }
    stack.push(block).unwrap();
    assert_eq!(stack.get_one().unwrap().unwrap(), ["(((1)))", "(((11)))"]);
    let line = stack.shift().unwrap();
    stack.get_one_start("1!1".into()).unwrap();
    // A map next to the wire takes chunks, so these ends fit.
    assert!(stack.get_one().unwrap().is_none());
    stack.unshift(line).unwrap();
    assert_eq!(stack.get("!".into()).unwrap(), [["(((1)))", "(((1)))"]]);
}

// Conformance: FST-10
#[test]
fn fresh_is_another_stack_of_the_same_layers() {
    let _watchdog = Watchdog::new();
    let mut one = stack();
    one.get("1!pend".into()).unwrap();
    let mut other = one.fresh();
    assert!(other.get_pending().is_empty());
    assert_eq!(other.get("1!".into()).unwrap().len(), 0);
    assert_eq!(other.get("1!".into()).unwrap(), [["(((1)))", "(((1)))"]]);
    assert_eq!(one.get_pending(), "1!pend");
    assert_eq!(one.get("1!".into()).unwrap(), [["(((1)))", "(((pend1)))"]]);
}

#[test]
fn an_empty_stack_passes_octets() {
    let _watchdog = Watchdog::new();
    let mut stack: Stackable = Stackable::default();
    assert_eq!(stack.get("ab".into()).unwrap(), ["ab"]);
    let mut out = Vec::<u8>::new();
    stack.put("cd".into(), &mut out).unwrap();
    assert_eq!(out, b"cd");
    assert!(stack.pop().is_none() && stack.shift().is_none());
    stack.get_one_start("x\ny".into()).unwrap();
    stack.push(Line::new()).unwrap();
    assert_eq!(stack.get_one().unwrap().unwrap(), "x");
    assert_eq!(stack.finish().unwrap().unwrap(), "y");
    assert!(stack.finish().unwrap().is_none());
}

#[test]
fn what_layers_hold_goes_through_the_changed_stack() {
    let _watchdog = Watchdog::new();
    let mut stack = Stackable::<Vec<Bytes>, Vec<Bytes>>::new();
    stack.push(Line::literal("\n").unwrap()).unwrap();
    stack.push(RecordBlock::<Bytes>::new(3).unwrap()).unwrap();
    assert!(stack.get("a!b\nc!d\ne!".into()).unwrap().is_empty());
    assert_eq!(stack.get_pending(), "a!b\nc!d\ne!");
    assert_eq!(stack.pending_len(), 10);
    stack.shift().unwrap();
    stack.unshift(Line::literal("!").unwrap()).unwrap();
    assert_eq!(stack.get_one().unwrap().unwrap(), ["a", "b\nc", "d\ne"]);
    assert_eq!(stack.pending_len(), 0);

    stack.get_one_start("f!g!".into()).unwrap();
    assert!(stack.get_one().unwrap().is_none());
    let blocks = stack.pop().unwrap();
    let blocks = blocks.downcast_ref::<RecordBlock<Bytes>>().unwrap();
    assert_eq!(blocks.get_pending().count(), 0);
    stack.push(RecordBlock::<Bytes>::new(2).unwrap()).unwrap();
    assert_eq!(stack.get_one().unwrap().unwrap(), ["f", "g"]);
}

#[test]
fn filters_on_filters() {
    let _watchdog = Watchdog::new();
    let mut stack: Stackable = Stackable::new();
    stack.push(Block::new()).unwrap();
    stack.push(Line::literal("\n").unwrap()).unwrap();
    let typed = Block::new().then(FilterLayer::new(Line::literal("\n").unwrap()));
    for mut filter in [stack.boxed(), typed.boxed()] {
        let mut wire = Vec::<u8>::new();
        filter.put("one".into(), &mut wire).unwrap();
        assert_eq!(wire, b"4\0one\n");
        wire.extend_from_slice(b"3\0t\nw1\0o1\0\n3\0x");
        assert_eq!(filter.get(wire.into()).unwrap(), ["one", "t", "wo"]);
        assert_eq!(filter.get_pending(), "3\0x");
        // No line was made of these.
        assert!(filter.get("yz".into()).unwrap().is_empty());
        assert_eq!(filter.get_pending(), "3\0xyz");
        assert_eq!(filter.take_pending(), "3\0xyz");
        assert_eq!(filter.get("2\0a\n".into()).unwrap(), ["a"]);
        assert!(matches!(filter.finish(), Ok(None)));
    }
}

#[test]
fn errors_come_through_a_stack_and_it_goes_on() {
    let _watchdog = Watchdog::new();
    let line = || Line::builder().literal("\n").max_length(2).build().unwrap();
    let mut stack = Stackable::<Vec<Bytes>, Vec<Bytes>>::new();
    stack.push(line()).unwrap();
    stack.push(RecordBlock::<Bytes>::new(2).unwrap()).unwrap();
    for mut filter in [stack.boxed(), line().then(RecordBlock::new(2).unwrap()).boxed()] {
        filter.get_one_start("a\ntoo long\nb\nc\nd".into()).unwrap();
        assert!(matches!(filter.get_one(), Err(FilterError::LineTooLong { limit: 2 })));
        assert_eq!(filter.get_one().unwrap().unwrap(), ["a", "b"]);
        assert!(filter.get_one().unwrap().is_none());
        assert_eq!(filter.take_pending(), "c\nd");
    }
}

#[test]
fn limits_of_a_lower_filter_hold() {
    let _watchdog = Watchdog::new();
    let mut stack: Stackable = Stackable::new();
    stack.push(Line::builder().max_length(4).max_buffer(4).build().unwrap()).unwrap();
    let refused = stack.get_one_start("a\nb\nc\n".into());
    assert!(matches!(refused, Err(FilterError::BufferTooLong { held: 6, limit: 4 })));
    assert_eq!(stack.get_one().unwrap().unwrap(), "a");
}

#[test]
fn a_record_of_a_stack_is_not_copied() {
    let _watchdog = Watchdog::new();
    let input = chunk("one\ntwo\n");
    let mut typed = Line::new().then(RecordBlock::new(2).unwrap());
    let blocks = typed.get(input.clone()).unwrap();
    assert_eq!(blocks[0][1].as_ptr(), input[4..].as_ptr());
}

#[test]
fn boxes_are_filters_and_layers() {
    let _watchdog = Watchdog::new();
    let boxed: Box<dyn Filter<In = Bytes, Out = Bytes>> = Line::new().boxed();
    let mut stack: Stackable = Stackable::new();
    stack.push(boxed.into_layer()).unwrap();
    stack.push(Stream::new()).unwrap();
    assert_eq!(stack.get("a\nb\n".into()).unwrap(), ["a", "b"]);
    assert!(format!("{stack:?}").contains("Stackable"));
}

/// A record without octets is one, too, though the filter above takes no notice of it.
#[test]
fn empty_records_do_not_shift_what_is_pending() {
    let _watchdog = Watchdog::new();
    let typed = Line::literal("\n").unwrap().then(FilterLayer::new(Block::fixed(4).unwrap()));
    let mut stack: Stackable = Stackable::new();
    stack.push(Line::literal("\n").unwrap()).unwrap();
    stack.push(Block::fixed(4).unwrap()).unwrap();
    for mut filter in [typed.boxed(), stack.boxed()] {
        assert!(filter.get("\nab\n\n\n".into()).unwrap().is_empty());
        assert_eq!(filter.get_pending(), "ab\n\n\n");
        assert_eq!(filter.get("cd\n\n".into()).unwrap(), ["abcd"]);
        assert_eq!(filter.get_pending(), "");
    }
}

/// Time is linear in the number of chunks: by its square, this would take minutes.
#[test]
fn a_stack_waits_for_a_long_record_without_going_through_all_of_it_each_time() {
    let _watchdog = Watchdog::new();
    let many = 200_000;
    let mut typed = Line::literal("\n").unwrap().then(FilterLayer::new(Block::new())).boxed();
    let mut stack: Stackable = Stackable::new();
    stack.push(Block::fixed(many).unwrap()).unwrap();
    let mut stack = stack.then(RecordBlock::new(2).unwrap()).boxed();
    assert!(typed.get(format!("{many}\0\n").into()).unwrap().is_empty());
    for _ in 1..many {
        assert!(typed.get("a\n".into()).unwrap().is_empty());
        assert!(stack.get("a".into()).unwrap().is_empty());
    }
    assert_eq!(typed.get("a\n".into()).unwrap()[0].len(), many);
    assert_eq!(stack.pending_len(), many - 1);
    assert_eq!((typed.pending_len(), typed.get_pending()), (0, "".into()));
}

#[test]
fn nothing_is_pending_behind_the_last_record() {
    let _watchdog = Watchdog::new();
    let filter =
        || Line::literal("\n").unwrap().then(FilterLayer::new(Line::literal("!").unwrap()));
    let mut stack: Stackable = Stackable::new();
    stack.push(Line::literal("\n").unwrap()).unwrap();
    stack.push(Line::literal("!").unwrap()).unwrap();
    for mut filter in [filter().boxed(), stack.boxed()] {
        assert_eq!(filter.get("a!\nb\n".into()).unwrap(), ["a"]);
        assert_eq!(filter.get_pending(), "b\n");
        assert_eq!(filter.finish().unwrap().unwrap(), "b");
        assert_eq!(filter.get_pending(), "");
    }
}

/// A layer that held nothing is taken off, and the filter below goes on within the body.
#[cfg(feature = "http")]
#[test]
fn a_filter_stays_where_it_is_when_a_layer_is_taken_off() {
    let _watchdog = Watchdog::new();
    use poe_filter::{Httpd, HttpdRecord, HttpdResponse};

    let mut stack = Stackable::<HttpdRecord, HttpdResponse>::new();
    stack.push(Httpd::builder().streaming().build().unwrap()).unwrap();
    stack.push(Grep::<HttpdRecord, HttpdResponse>::new(|_| true, |_| true)).unwrap();
    let body = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    stack.get_one_start(format!("{head}{body}").into()).unwrap();
    assert!(matches!(stack.get_one(), Ok(Some(HttpdRecord::Head(_)))));
    assert_eq!(stack.pop().unwrap().name(), "Grep");
    assert_eq!(stack.get_pending(), body);
    assert!(matches!(stack.get_one(), Ok(Some(HttpdRecord::Body(got))) if got == body));
    assert!(matches!(stack.get_one(), Ok(Some(HttpdRecord::End(_)))));
}

/// The ping comes before the message that it is within, whose first frame stays.
#[cfg(feature = "websocket")]
#[test]
fn what_came_before_a_record_stays_pending() {
    let _watchdog = Watchdog::new();
    use WebSocketMessage::{Ping, Text};
    use poe_filter::{WebSocket, WebSocketMessage};

    let (first, ping, last) = (b"\x01\x01a", b"\x89\x02pi", b"\x80\x01b");
    let mut stack = Stackable::<WebSocketMessage, WebSocketMessage>::new();
    stack.push(WebSocket::client()).unwrap();
    stack.get_one_start([&first[..], ping].concat().into()).unwrap();
    assert_eq!(stack.get_one().unwrap(), Some(Ping("pi".into())));
    assert_eq!((stack.get_pending(), stack.pending_len()), (first[..].into(), first.len()));
    assert_eq!(stack.get(last[..].into()).unwrap(), [Text("ab".into())]);

    let mut stack = Stackable::<Vec<WebSocketMessage>, Vec<WebSocketMessage>>::new();
    stack.push(WebSocket::client()).unwrap();
    stack.push(RecordBlock::<WebSocketMessage>::new(2).unwrap()).unwrap();
    let typed = WebSocket::client().then(RecordBlock::new(2).unwrap());
    let mapped = WebSocket::client()
        .then(Map::both(|message: WebSocketMessage| message))
        .then(RecordBlock::new(2).unwrap());
    for mut filter in [stack.boxed(), typed.boxed(), mapped.boxed()] {
        assert!(filter.get([&first[..], ping].concat().into()).unwrap().is_empty());
        assert_eq!(filter.get_pending(), [&ping[..], first].concat());
        let pending = filter.take_pending();
        assert_eq!(pending, [&ping[..], first].concat());
        assert!(filter.get(pending).unwrap().is_empty());
        let records = filter.get([&last[..], last].concat().into());
        // Behind the message a frame belongs to none, but that is found out later.
        assert!(records.is_err_and(|error| error.is_fatal()));
        assert_eq!(filter.take_pending(), last[..]);
    }
}

#[test]
fn what_a_layer_held_is_given_when_it_is_taken_off() {
    let _watchdog = Watchdog::new();
    let mut stack = Stackable::<Vec<Bytes>, Vec<Bytes>>::new();
    stack.push(Line::literal("\n").unwrap()).unwrap();
    stack.push(RecordBlock::<Bytes>::new(3).unwrap()).unwrap();
    assert!(stack.get("a\nb\nc".into()).unwrap().is_empty());
    let blocks = stack.pop().unwrap();
    assert_eq!(blocks.downcast_ref::<RecordBlock<Bytes>>().unwrap().get_pending().count(), 0);
    assert_eq!((stack.get_pending(), stack.pending_len()), ("a\nb\nc".into(), 5));
    // One that takes some of them, and is taken off in turn.
    stack.push(RecordBlock::<Bytes>::new(1).unwrap()).unwrap();
    assert_eq!(stack.get_one().unwrap().unwrap(), ["a"]);
    stack.push(Grep::<Vec<Bytes>>::both(|_| true)).unwrap();
    stack.push(RecordBlock::<Vec<Bytes>>::new(2).unwrap()).unwrap();
    assert!(stack.get_one().is_err(), "the ends do not fit");
    assert_eq!(stack.pop().unwrap().name(), "RecordBlock");
    assert_eq!(stack.get("\n".into()).unwrap(), [["b"], ["c"]]);
    assert_eq!(stack.pending_len(), 0);

    // What is given back is pending as the octets that it came from.
    assert!(stack.pop().is_some() && stack.pop().is_some());
    stack.push(RecordBlock::<Bytes>::new(3).unwrap()).unwrap();
    assert!(stack.get("d\ne\n".into()).unwrap().is_empty());
    stack.pop().unwrap();
    assert_eq!(stack.take_pending(), "d\ne\n");
    stack.push(RecordBlock::<Bytes>::new(1).unwrap()).unwrap();
    assert!(stack.get_one().unwrap().is_none());
}

/// Its octets are written anew: half of the packet that they were has been used.
#[test]
fn what_is_left_of_a_packet_is_not_lost_when_the_stack_changes() {
    let _watchdog = Watchdog::new();
    let stack = || {
        let mut stack: Stackable = Stackable::new();
        stack.push(Block::new()).unwrap();
        stack.push(Line::literal("\n").unwrap()).unwrap();
        assert_eq!(stack.get("6\0one\ntw1\0o".into()).unwrap(), ["one"]);
        assert_eq!((stack.get_pending(), stack.pending_len()), ("2\0tw1\0o".into(), 7));
        stack
    };
    // Another stack goes on with it, whatever it makes of packets.
    let mut replaced = stack();
    let pending = replaced.take_pending();
    assert_eq!((&pending[..], replaced.pending_len()), (&b"2\0tw1\0o"[..], 0));
    assert!(replaced.get("1\0\n".into()).unwrap().concat().is_empty());
    assert_eq!(replaced.fresh().get([&pending[..], b"2\0!\n"].concat().into()).unwrap(), ["two!"]);
    assert_eq!(Block::new().get(pending).unwrap(), ["tw", "o"]);
    // It comes as what it is, if the filter that has it goes.
    let mut popped = stack();
    assert_eq!(popped.pop().unwrap().name(), "Line");
    assert_eq!(popped.get("3\0abc".into()).unwrap(), ["tw", "o", "abc"]);
    assert_eq!(popped.pending_len(), 0);
    // Else the filter goes on with it.
    let mut shifted = stack();
    assert_eq!(shifted.shift().unwrap().name(), "Block");
    assert_eq!(shifted.get_pending(), "tw1\0o");
    assert_eq!(shifted.get("\n".into()).unwrap(), ["tw1\0o"]);
    assert_eq!(shifted.pending_len(), 0);
    let mut unshifted = stack();
    unshifted.unshift(Stream::new()).unwrap();
    assert_eq!(unshifted.get("2\0!\n".into()).unwrap(), ["two!"]);
    // A layer above changes nothing below.
    let mut pushed = stack();
    pushed.push(Stream::new()).unwrap();
    assert_eq!(pushed.get("1\0\n".into()).unwrap(), ["two"]);
}

/// Blocks of one size can not be written with less in them.
#[test]
fn what_is_left_of_a_packet_stands_for_itself_if_it_can_not_be_written() {
    let _watchdog = Watchdog::new();
    let blocks = || Block::fixed(5).unwrap();
    let mut stack: Stackable = Stackable::new();
    stack.push(blocks()).unwrap();
    stack.push(Line::literal("\n").unwrap()).unwrap();
    let typed = blocks().then(FilterLayer::new(Line::literal("\n").unwrap()));
    for mut filter in [stack.boxed(), typed.boxed()] {
        filter.get_one_start("a\nb\nc\nd".into()).unwrap();
        assert_eq!(filter.get_one().unwrap().unwrap(), "a");
        assert_eq!(filter.take_pending(), "b\nc\nd");
    }
}

/// Records that came from parts of packets are held, each with octets of its own.
#[test]
fn what_gathers_upon_packets_loses_nothing() {
    let _watchdog = Watchdog::new();
    let lines = || Line::literal("\n").unwrap();
    let typed = Block::new().then(FilterLayer::new(lines())).then(RecordBlock::new(2).unwrap());
    let mut stack = Stackable::<Vec<Bytes>, Vec<Bytes>>::new();
    stack.push(Block::new()).unwrap();
    stack.push(lines()).unwrap();
    stack.push(RecordBlock::<Bytes>::new(2).unwrap()).unwrap();
    let mut mixed = Stackable::<Vec<Bytes>, Vec<Bytes>>::new();
    mixed.push(Block::new().then(FilterLayer::new(lines()))).unwrap();
    mixed.push(RecordBlock::<Bytes>::new(2).unwrap()).unwrap();
    for mut filter in [typed.boxed(), stack.boxed(), mixed.boxed()] {
        let blocks = filter.get("15\0one\ntwo\nthree\nf1\0o".into()).unwrap();
        assert_eq!(blocks, [["one", "two"]]);
        let rest = "6\0three\n1\0f1\0o";
        assert_eq!((filter.get_pending(), filter.pending_len()), (rest.into(), rest.len()));
        assert_eq!(filter.take_pending(), rest);
        assert!(filter.get(rest.into()).unwrap().is_empty());
        assert_eq!(filter.get("3\0ur\n".into()).unwrap(), [["three", "four"]]);
        assert_eq!(filter.pending_len(), 0);
    }
}

/// A layer that holds records is taken off within a body, and the filter below goes on there.
#[cfg(feature = "http")]
#[test]
fn a_filter_stays_where_it_is_when_a_layer_is_taken_off_with_records() {
    let _watchdog = Watchdog::new();
    use poe_filter::{Httpd, HttpdRecord, HttpdResponse};

    let mut stack = Stackable::<HttpdRecord, HttpdResponse>::new();
    stack.push(Httpd::builder().streaming().build().unwrap()).unwrap();
    stack.push(RecordBlock::<HttpdRecord, HttpdResponse>::new(3).unwrap()).unwrap();
    let body = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 2 * body.len());
    stack.get_one_start(format!("{head}{body}").into()).unwrap();
    assert!(stack.get_one().is_err(), "the ends do not fit");
    let mut gathering = Stackable::<Vec<HttpdRecord>, Vec<HttpdResponse>>::new();
    while let Some(layer) = stack.shift() {
        gathering.push(layer).unwrap();
    }
    assert!(gathering.get(stack.take_pending()).unwrap().is_empty());
    assert_eq!(gathering.pop().unwrap().name(), "RecordBlock");
    // A layer that makes the ends fit: what was held, and what comes, one by one.
    gathering.push(RecordBlock::<HttpdRecord, HttpdResponse>::new(1).unwrap()).unwrap();
    let records = gathering.get(body.into()).unwrap().concat();
    let [HttpdRecord::Head(_), HttpdRecord::Body(one), HttpdRecord::Body(two), HttpdRecord::End(_)] =
        &records[..]
    else {
        panic!("{records:?}");
    };
    assert_eq!((&one[..], &two[..]), (body.as_bytes(), body.as_bytes()));
}

/// What a filter makes of input when a layer is put below it, and is taken off again, before each octet.
fn while_layers_come_and_go<F: Filter + 'static>(filter: F, input: &[u8]) -> Vec<String>
where
    F::In: std::fmt::Debug,
{
    let mut stack = Stackable::<F::In, F::Out>::new();
    stack.push(filter).unwrap();
    let mut got = Vec::new();
    for octet in input {
        stack.unshift(Stream::new()).unwrap();
        stack.get_one_start(Bytes::copy_from_slice(&[*octet])).unwrap();
        assert_eq!(stack.shift().unwrap().name(), "Stream");
        stack.unshift(Stream::new()).unwrap();
        while let Some(told) = stack.get_one().transpose() {
            got.push(told.map_or_else(|error| error.to_string(), |record| format!("{record:?}")));
            assert!(got.len() < MANY, "records without end");
        }
        assert_eq!(stack.pending_len(), stack.get_pending().len());
        assert_eq!(stack.shift().unwrap().name(), "Stream");
    }
    got
}

/// And all of the input when one is put below it behind the first record.
fn behind_the_first_record<F: Filter + 'static>(filter: F, input: &[u8]) -> Vec<String>
where
    F::In: std::fmt::Debug,
{
    let mut stack = Stackable::<F::In, F::Out>::new();
    stack.push(filter).unwrap();
    stack.get_one_start(Bytes::copy_from_slice(input)).unwrap();
    let mut got = Vec::new();
    loop {
        match stack.get_one() {
            Ok(Some(record)) => got.push(format!("{record:?}")),
            Ok(None) => return got,
            Err(error) => got.push(error.to_string()),
        }
        assert!(got.len() < MANY, "records without end");
        if got.len() == 1 {
            stack.unshift(Stream::new()).unwrap();
            stack.unshift(Stream::new()).unwrap();
            stack.shift().unwrap();
        }
    }
}

#[test]
fn a_line_is_the_same_when_a_layer_comes_below_its_filter() {
    let _watchdog = Watchdog::new();
    let input = b"a\r\nb\r\n";
    assert_eq!(while_layers_come_and_go(Line::new(), input), ["b\"a\"", "b\"b\""]);
    let detecting = || Line::builder().autodetect().build().unwrap();
    assert_eq!(behind_the_first_record(detecting(), input), ["b\"a\"", "b\"b\""]);
    // The LF is pending behind the CR that has ended its line.
    let mut stack: Stackable = Stackable::new();
    stack.push(Line::new()).unwrap();
    assert_eq!(stack.get("a\r".into()).unwrap(), ["a"]);
    stack.get_one_start("\nb\n".into()).unwrap();
    stack.unshift(Stream::new()).unwrap();
    assert_eq!(stack.get("".into()).unwrap(), ["b"]);
    let short = || Line::builder().literal("\n").max_length(2).build().unwrap();
    for got in [
        while_layers_come_and_go(short(), b"long one\nb\n"),
        behind_the_first_record(short(), b"long one\nb\n"),
    ] {
        assert_eq!((got.len(), &got[1][..]), (2, "b\"b\""));
    }
}

#[test]
fn a_block_that_is_too_long_is_skipped_when_a_layer_comes_below_its_filter() {
    let _watchdog = Watchdog::new();
    let block = || Block::builder().max_length(3).build().unwrap();
    let input = b"6\x001\0a1\0b1\0c1\0d";
    for got in [while_layers_come_and_go(block(), input), behind_the_first_record(block(), input)] {
        assert_eq!(
            (got.len(), &got[1..]),
            (3, &["b\"c\"".to_owned(), "b\"d\"".to_owned()][..]),
            "{got:?}"
        );
    }
}

#[cfg(feature = "http")]
#[test]
fn a_body_is_no_request_when_a_layer_comes_below_its_filter() {
    let _watchdog = Watchdog::new();
    use poe_filter::{HttpClient, Httpd};

    let inner = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let server = || Httpd::builder().streaming().build().unwrap();
    let small = || Httpd::builder().max_content(5).build().unwrap();
    let length = format!("Content-Length: {}\r\n\r\n{inner}", inner.len());
    let chunked = format!(
        "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{inner}\r\n0\r\nX-End: yes\r\n\r\n",
        inner.len()
    );
    for body in [&length, &chunked] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{body}").into_bytes();
        let response = format!("HTTP/1.1 200 OK\r\n{body}").into_bytes();
        let client = || HttpClient::builder().streaming().allow_unasked().build().unwrap();
        for got in [
            while_layers_come_and_go(server(), &request),
            behind_the_first_record(server(), &request),
            while_layers_come_and_go(client(), &response),
            behind_the_first_record(client(), &response),
        ] {
            let is = |kind: &str| got.iter().filter(|record| record.starts_with(kind)).count();
            assert_eq!((is("Head"), is("End"), is("Error")), (1, 1, 0), "{got:?}");
            assert_eq!(is("Body") + 2, got.len(), "{got:?}");
        }
    }
    let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{length}").into_bytes();
    for got in
        [while_layers_come_and_go(small(), &request), behind_the_first_record(small(), &request)]
    {
        assert_eq!(got.len(), 1, "{got:?}");
        assert!(got[0].starts_with("Error"), "{got:?}");
    }
}

/// The filter that stays has given the head already: it is not to read it as part of the body.
#[cfg(feature = "http")]
#[test]
fn records_that_are_gathered_stay_when_a_layer_comes_below_their_filter() {
    let _watchdog = Watchdog::new();
    use poe_filter::{Httpd, HttpdRecord, HttpdResponse};

    let mut stack = Stackable::<Vec<HttpdRecord>, Vec<HttpdResponse>>::new();
    let server = Httpd::builder().streaming().build().unwrap();
    stack.push(server).unwrap();
    stack.push(RecordBlock::<HttpdRecord, HttpdResponse>::new(3).unwrap()).unwrap();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";
    assert!(stack.get(head.into()).unwrap().is_empty());
    stack.get_one_start("body".into()).unwrap();
    stack.unshift(Stream::new()).unwrap();
    assert_eq!(stack.get_pending(), [head, "body"].concat());
    let records = stack.get_one().unwrap().unwrap();
    let [HttpdRecord::Head(_), HttpdRecord::Body(body), HttpdRecord::End(_)] = &records[..] else {
        panic!("{records:?}");
    };
    assert_eq!(body, "body");
    // The same of a stack in the stack.
    let server = Httpd::builder().streaming().build().unwrap();
    let mut stack = Stackable::<Vec<HttpdRecord>, Vec<HttpdResponse>>::new();
    stack.push(server.then(RecordBlock::new(3).unwrap())).unwrap();
    assert!(stack.get(head.into()).unwrap().is_empty());
    stack.get_one_start("body".into()).unwrap();
    stack.unshift(Stream::new()).unwrap();
    assert_eq!(stack.get_pending(), [head, "body"].concat());
    assert_eq!(stack.get_one().unwrap().unwrap().len(), 3);
    assert_eq!(stack.pending_len(), 0);
}

/// However long nobody takes records out, a filter holds a chunk more than its limit at most.
#[test]
fn memory_is_bounded_whatever_the_user_does() {
    let _watchdog = Watchdog::new();
    let line = || Line::builder().max_length(4).max_buffer(10).build().unwrap();
    let block = || Block::builder().max_length(4).max_buffer(10).build().unwrap();
    for mut filter in [line().boxed(), block().boxed()] {
        let errors: Vec<_> =
            (0..100).filter_map(|_| filter.get_one_start("1\0a\n".into()).err()).collect();
        assert_eq!(errors.len(), 98);
        assert!(matches!(errors[0], FilterError::BufferTooLong { held: 12, limit: 10 }));
        assert!(!errors[0].is_fatal());
        for error in &errors[1..] {
            assert!(matches!(error, FilterError::BufferFull { held: 12, limit: 10 }));
            assert!(error.is_fatal());
        }
        assert_eq!(filter.pending_len(), 12);
        // Nothing is nothing, and what is there can be taken.
        assert!(matches!(
            filter.get_one_start("".into()),
            Err(FilterError::BufferTooLong { held: 12, .. })
        ));
        assert!(filter.get_one().unwrap().is_some());
        assert!(filter.get_one_start("1\0a\n".into()).is_err());
    }
    // Nor does a stack, which counts its octets itself.
    let mut stack: Stackable = Stackable::new();
    stack.push(line()).unwrap();
    stack.push(Stream::new()).unwrap();
    let refused = (0..100).filter(|_| stack.get_one_start("1\0a\n".into()).is_err()).count();
    assert_eq!(refused, 98);
    assert_eq!(stack.pending_len(), 12);
    assert_eq!(stack.get_one().unwrap().unwrap(), "1\0a");
}
