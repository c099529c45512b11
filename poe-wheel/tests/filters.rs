//! Filters that change while input is pending: no octet is lost, doubled, or read by the wrong one.

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::str::FromStr;

use bytes::Bytes;
use common::{Event, Log, kernel, once, own, pair, pair_with, read_all, run, spawn, wheel};
use http::{Request, Response};
use poe_driver::memory::{Faults, Memory};
use poe_filter::reference::{Reference, Storable};
use poe_filter::storable::{Builder, Value};
use poe_filter::{
    Block, Filter, FilterError, Grep, HttpClient, HttpClientRequest, Httpd, HttpdRecord,
    HttpdResponse, IntegerLength, IntoRecord, Line, Map, Netstring, RecordBlock, Sink, Stackable,
    Stream, VarintLength, WebSocket, WebSocketMessage,
};
use poe_session::prelude::*;
use poe_wheel::{Input, IoError, ReadWrite, ReadWriteEvent, WheelId};
use proptest::prelude::*;

/// How the records of a conversation are framed in turn.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Line,
    Block,
    Fixed(usize),
    Bang,
    Netstring,
    Varint,
    Integer,
    Image,
    WebSocket,
    Http,
}

impl Framing {
    /// The filter of who has sent the records.
    fn peer(self) -> Box<dyn Filter<In = Bytes, Out = Bytes>> {
        match self {
            Self::WebSocket => Box::new(WebSocket::client().then(Map::new(payload, message))),
            Self::Http => Box::new(HttpClient::new().then(Map::new(|_| Bytes::new(), request))),
            _ => self.filter(),
        }
    }

    fn filter(self) -> Box<dyn Filter<In = Bytes, Out = Bytes>> {
        match self {
            Self::Line => Box::new(Line::literal("\n").unwrap()),
            Self::Block => Box::new(Block::new()),
            Self::Fixed(size) => Box::new(Block::fixed(size).unwrap()),
            Self::Bang => Box::new(Line::literal("!").unwrap()),
            Self::Netstring => Box::new(Netstring::new()),
            Self::Varint => Box::new(Block::builder().length_codec(VarintLength).build().unwrap()),
            Self::Integer => {
                Box::new(Block::builder().length_codec(IntegerLength::U32_BE).build().unwrap())
            }
            Self::Image => Box::new(references()),
            Self::WebSocket => Box::new(WebSocket::server().then(Map::new(payload, message))),
            Self::Http => Box::new(Httpd::new().then(Map::new(body, response))),
        }
    }

    /// A record that can be told apart in any framing.
    fn record(self, number: usize) -> String {
        match self {
            Self::Fixed(size) => format!("{number:0size$}"),
            _ => format!("record {number}"),
        }
    }
}

fn payload(message: WebSocketMessage) -> Bytes {
    match message {
        WebSocketMessage::Binary(octets) => octets,
        other => panic!("{other:?}"),
    }
}

fn message(octets: Bytes) -> WebSocketMessage {
    WebSocketMessage::Binary(octets)
}

fn body(record: HttpdRecord) -> Bytes {
    match record {
        HttpdRecord::Request(request) => request.into_body(),
        other => panic!("{other:?}"),
    }
}

fn request(body: Bytes) -> HttpClientRequest {
    Request::post("http://localhost/").body(body).unwrap().into()
}

fn response(body: Bytes) -> HttpdResponse {
    Response::new(body).into()
}

fn framing() -> impl Strategy<Value = Framing> {
    prop_oneof![
        Just(Framing::Line),
        Just(Framing::Block),
        Just(Framing::Bang),
        Just(Framing::Netstring),
        Just(Framing::Varint),
        Just(Framing::Integer),
        Just(Framing::Image),
        Just(Framing::WebSocket),
        Just(Framing::Http),
        (4_usize..9).prop_map(Framing::Fixed)
    ]
}

/// Reads a conversation whose framing changes after each record, and pauses after some, while reads and writes meet what the
/// seed has in store; what was read, and what the answers, framed as the records were, came to.
fn converse(framings: &[Framing], seed: u64, pauses: Vec<bool>) -> (Vec<Bytes>, Bytes) {
    let mut octets = Vec::new();
    for (number, framing) in framings.iter().enumerate() {
        framing.peer().put(framing.record(number).into_record(), &mut octets).unwrap();
    }
    let kernel = kernel();
    let (driver, peer) = Memory::pair().unwrap();
    peer.read_faults(Faults::seeded(seed));
    peer.write_faults(Faults::seeded(!seed));
    peer.send(octets);
    peer.end();
    let records = Rc::new(RefCell::new(Vec::new()));
    let (r, framings) = (records.clone(), framings.to_vec());
    let builder = wheel(driver.handle()).driver(driver).filter(framings[0].filter());
    let over = Cell::new(false);
    spawn(&kernel, builder, move |cx, event| match event {
        Event::Input(record) => {
            let wheel = own(cx);
            wheel.put(record.clone());
            r.borrow_mut().push(record);
            let done = r.borrow().len();
            if let Some(next) = framings.get(done) {
                if done % 3 == 0 {
                    wheel.set_input_filter(next.filter());
                    wheel.set_output_filter(next.filter());
                } else {
                    wheel.set_filter(next.filter());
                }
            }
            if pauses[done % pauses.len()] {
                wheel.pause_input();
                cx.yield_event("do", "resume");
            }
        }
        Event::Do(_) => own(cx).resume_input(),
        Event::Error(error) => {
            assert!(error.is_eof(), "{error}");
            over.set(true);
            own(cx).put("bye");
        }
        Event::Flushed if over.get() => *cx.heap = None,
        _ => {}
    });
    run(&kernel);
    (records.take(), peer.received())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    // Conformance: FCH-03
    #[test]
    fn filters_change_at_any_record_however_input_is_divided(
        framings in prop::collection::vec(framing(), 1..20),
        seed in any::<u64>(),
        pauses in prop::collection::vec(any::<bool>(), 1..5),
    ) {
        let (records, answers) = converse(&framings, seed, pauses);
        let mut expected = Vec::<u8>::new();
        for (number, framing) in framings.iter().enumerate() {
            prop_assert_eq!(&records[number], &framing.record(number));
            framing.filter().put(framing.record(number).into_record(), &mut expected).unwrap();
        }
        prop_assert_eq!(records.len(), framings.len());
        framings[framings.len() - 1].filter().put("bye".into_record(), &mut expected).ok();
        prop_assert_eq!(answers, expected);
    }
}

// Conformance: FCH-03
#[test]
fn one_direction_may_change_alone() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, theirs) = pair_with("one\n3\0two2\0ab");
    let l = log.clone();
    spawn(&kernel, wheel(ours), move |cx, event| {
        l.push(&event);
        match event {
            Event::Input(record) if record == "one" => {
                own(cx).put("a line");
                own(cx).set_input_filter(Block::new());
                own(cx).put("a line too");
            }
            Event::Input(record) if record == "two" => {
                own(cx).set_output_filter(Block::new());
                own(cx).put("a block");
            }
            Event::Error(_) => *cx.heap = None,
            Event::Flushed => {}
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(
        log.take(),
        ["start", "input one", "input two", "input ab", "flushed", "error read 0"]
    );
    assert_eq!(read_all(theirs), b"a line\r\na line too\r\n7\0a block");
}

#[test]
fn a_filter_changed_outside_of_input_has_its_records_delivered_after_the_handler() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, theirs) = pair();
    let theirs = RefCell::new(theirs);
    let l = log.clone();
    spawn(&kernel, wheel(ours), move |cx, event| {
        use std::io::Write;
        l.push(&event);
        match event {
            Event::Start => {
                theirs.borrow_mut().write_all(b"a!b!").unwrap();
                cx.yield_event("do", "look");
            }
            Event::Do(_) if own(cx).get_pending().is_empty() => cx.yield_event("do", "look"),
            Event::Do(_) => {
                l.take();
                own(cx).set_filter(Line::literal("!").unwrap());
                l.push("set");
            }
            Event::Input(record) if record == "b" => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["set", "input a", "input b"]);
}

/// Strings as structures of Perl's.
fn references() -> impl Filter<In = Bytes, Out = Bytes> {
    let thawed = |value: Value| Bytes::copy_from_slice(value.root().octets().unwrap());
    let frozen = |record: Bytes| {
        let mut build = Builder::new();
        let string = build.octets(&record);
        build.finish(string).unwrap()
    };
    Reference::new(Storable::new()).then(Map::new(thawed, frozen))
}

/// The conversation of POE's own test of filter changes.
// Conformance: FCH-01
#[test]
fn two_wheels_change_their_filters_together() {
    fn filter(name: &str) -> Box<dyn Filter<In = Bytes, Out = Bytes>> {
        match name {
            "line" => Box::new(Line::new()),
            "stream" => Box::new(Stream::new()),
            "block" => Box::new(Block::new()),
            "ref" => Box::new(references()),
            other => panic!("{other}"),
        }
    }
    fn rot13(text: &[u8]) -> String {
        let turn = |octet: u8| match octet {
            b'a'..=b'z' => (octet - b'a' + 13) % 26 + b'a',
            b'A'..=b'Z' => (octet - b'A' + 13) % 26 + b'A',
            other => other,
        };
        text.iter().map(|&octet| turn(octet) as char).collect()
    }
    const STEPS: [&str; 17] = [
        "line", "line", "stream", "stream", "line", "ref", "ref", "line", "block", "block",
        "stream", "ref", "block", "ref", "stream", "block", "line",
    ];
    let (kernel, log) = (kernel(), Log::default());
    let (masters, slaves) = pair();
    spawn(&kernel, wheel(slaves), |cx, event| match event {
        Event::Input(record) => {
            let text = String::from_utf8(record.to_vec()).unwrap();
            if let Some(name) = text.strip_prefix("do ") {
                own(cx).put(format!("will {name}"));
                own(cx).set_filter(filter(name));
            } else if let Some(word) = text.strip_prefix("rot13 ") {
                own(cx).put(format!("rot13 {word}={}", rot13(word.as_bytes())));
            } else {
                assert_eq!(text, "done");
                own(cx).put("done");
                own(cx).shutdown_output();
            }
        }
        Event::Error(_) => *cx.heap = None,
        _ => {}
    });
    let l = log.clone();
    let step = Cell::new(1);
    spawn(&kernel, wheel(masters), move |cx, event| match event {
        Event::Start => _ = own(cx).put(format!("do {}", STEPS[1])),
        Event::Input(record) => {
            let text = String::from_utf8(record.to_vec()).unwrap();
            if let Some(name) = text.strip_prefix("will ") {
                own(cx).set_filter(filter(name));
                own(cx).put(format!("rot13 {} {name}", step.get()));
            } else if text == "done" {
                l.push("done");
                own(cx).shutdown_output();
            } else {
                let number = step.replace(step.get() + 1);
                let name = STEPS[number];
                let (asked, answered) = (format!("{number} {name}"), rot13(name.as_bytes()));
                assert_eq!(text, format!("rot13 {asked}={number} {answered}"));
                l.push(name);
                match STEPS.get(number + 1) {
                    Some(next) => own(cx).put(format!("do {next}")),
                    None => own(cx).put("done"),
                };
            }
        }
        Event::Error(_) => *cx.heap = None,
        _ => {}
    });
    run(&kernel);
    assert_eq!(log.take(), [&STEPS[1..], &["done"]].concat());
}

/// Items that end in `!`, but for comments, by twos.
fn stack() -> Stackable {
    let mut stack: Stackable = Stackable::new();
    stack.push(Line::literal("!").unwrap()).unwrap();
    stack.push(Grep::both(|item: &Bytes| !item.starts_with(b"#"))).unwrap();
    stack.push(RecordBlock::<Bytes>::new(2).unwrap()).unwrap();
    let joined = |block: Vec<Bytes>| Bytes::from(block.join(&b','));
    let parted = |record: Bytes| {
        record.split(|octet| *octet == b',').map(|item| record.slice_ref(item)).collect::<Vec<_>>()
    };
    stack.push(Map::new(joined, parted)).unwrap();
    stack
}

#[test]
fn a_stack_comes_and_goes_while_data_is_pending() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, theirs) = pair();
    let theirs = RefCell::new(theirs);
    let l = log.clone();
    spawn(&kernel, wheel(ours), move |cx, event| {
        use std::io::Write;
        if !matches!(event, Event::Flushed) {
            l.push(&event);
        }
        match event {
            Event::Start => {
                theirs.borrow_mut().write_all(b"hello\na!#x!b!c!#y!d").unwrap();
            }
            Event::Input(record) if record == "hello" => own(cx).set_filter(stack()),
            Event::Input(record) if record == "a,b" => {
                own(cx).put("1,2");
                cx.yield_event("do", "look");
            }
            // The stack holds one item of two, and has dropped another.
            Event::Do(_) if own(cx).get_pending().is_empty() => cx.yield_event("do", "look"),
            Event::Do(_) => {
                l.take();
                own(cx).set_filter(Line::literal("\n").unwrap());
                theirs.borrow_mut().write_all(b"\ne\n").unwrap();
            }
            Event::Input(record) if record == "e" => {
                use std::io::Read;
                let mut answer = [0; 4];
                theirs.borrow_mut().read_exact(&mut answer).unwrap();
                l.push(answer.escape_ascii());
                *cx.heap = None;
            }
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["input c!d", "input e", "1!2!"]);
}

/// Lines of numbers.
#[derive(Debug, Default)]
struct Numbers(Line);

impl Filter for Numbers {
    type In = u64;
    type Out = u64;

    fn get_one_start(&mut self, chunk: Bytes) -> Result<(), FilterError> {
        self.0.get_one_start(chunk)
    }

    fn get_one(&mut self) -> Result<Option<u64>, FilterError> {
        let Some(line) = self.0.get_one()? else { return Ok(None) };
        let number = std::str::from_utf8(&line).map_err(FilterError::record)?;
        u64::from_str(number).map(Some).map_err(FilterError::record)
    }

    fn finish(&mut self) -> Result<Option<u64>, FilterError> {
        Ok(None)
    }

    fn put(&mut self, record: u64, sink: &mut dyn Sink) -> Result<(), FilterError> {
        self.0.put(record.to_string().into_record(), sink)
    }

    fn get_pending(&self) -> Bytes {
        self.0.get_pending()
    }

    fn take_pending(&mut self) -> Bytes {
        self.0.take_pending()
    }

    fn fresh(&self) -> Box<dyn Filter<In = u64, Out = u64>> {
        Box::new(Self::default())
    }
}

/// A wheel before and after it has changed the type of its records.
enum Talk {
    Text(ReadWrite),
    Sums(ReadWrite<u64, u64>),
    Over,
}

#[test]
fn records_of_another_type_come_from_the_next_one_on() {
    let kernel = kernel();
    let (ours, theirs) = pair_with("hello\nnumbers\n1\n2\nthree\n4\n5\n");
    let (log, make) = (Log::default(), once(ours));
    let [l1, l2, l3] = std::array::from_fn(|_| log.clone());
    let sum = Cell::new(0);
    Session::build(Talk::Over)
        .on_start(move |cx| {
            let wheel = common::with_marks(wheel(make()), 50, 100).spawn(cx.kernel).unwrap();
            *cx.heap = Talk::Text(wheel);
        })
        .on("input", move |cx, input: Input| -> HandlerResult {
            l1.push(input.record.escape_ascii());
            let heap = &mut *cx.heap;
            let Talk::Text(wheel) = std::mem::replace(heap, Talk::Over) else { unreachable!() };
            *heap = if input.record == "numbers" {
                wheel.put("the sum follows");
                let id = wheel.id();
                let wheel = wheel.with_filter(Numbers::default())?;
                assert_eq!(wheel.id(), id);
                assert_eq!(wheel.get_driver_out_octets(), 17);
                wheel.event(ReadWriteEvent::Input, "number")?;
                Talk::Sums(wheel)
            } else {
                Talk::Text(wheel)
            };
            Ok(())
        })
        .on("number", move |_, input: Input<u64>| {
            l2.push(input.record);
            sum.set(sum.get() + input.record);
            Reply(sum.get())
        })
        .on("error", move |cx, error: IoError| {
            l3.push(&error);
            let Talk::Sums(wheel) = &*cx.heap else { unreachable!() };
            if error.is_eof() {
                wheel.put(12_u64);
                wheel.shutdown_output();
            }
        })
        .on("flushed", |_, _: WheelId| {})
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    let refused = "filter: record is unusable: invalid digit found in string";
    let expected = ["hello", "numbers", "1", "2", refused, "4", "5", "read: end of file"];
    assert_eq!(log.take(), expected);
    assert_eq!(read_all(theirs), b"the sum follows\r\n12\r\n");
}

#[test]
fn a_wheel_of_other_records_keeps_output_that_waits_pauses_and_ends() {
    let kernel = kernel();
    let (ours, theirs) = pair_with("1\n2\n");
    let peer = std::thread::spawn(move || read_all(theirs));
    let (log, make) = (Log::default(), once(ours));
    let [l1, l2] = std::array::from_fn(|_| log.clone());
    Session::build(None::<ReadWrite<u64, u64>>)
        .on_start(move |cx| -> HandlerResult {
            let wheel = wheel(make()).filter(Stream::new()).spawn(cx.kernel)?;
            wheel.put(vec![b'x'; 4 << 20]);
            // More than the socket takes: the write watch is at work.
            wheel.flush();
            wheel.pause_input();
            let wheel = wheel.with_filter(Numbers::default())?;
            wheel.event(ReadWriteEvent::Input, "number")?;
            wheel.put(7_u64);
            *cx.heap = Some(wheel);
            Ok(())
        })
        .on("flushed", move |cx, _: WheelId| {
            l1.push("flushed");
            let wheel = cx.heap.as_ref().unwrap();
            wheel.resume_input();
            wheel.shutdown_output();
        })
        .on("number", move |_, input: Input<u64>| l2.push(input.record))
        .on("error", |cx, _: IoError| *cx.heap = None)
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(log.take(), ["flushed", "1", "2"]);
    let heard = peer.join().unwrap();
    assert_eq!(heard.len(), (4 << 20) + 3);
    assert!(heard.ends_with(b"x7\r\n"));
}
