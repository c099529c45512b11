//! Filters that are changed where they are, in the midst of a stream: nothing is lost, doubled, or read by the wrong layer.

mod common;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use bytes::Bytes;
use common::{Event, Heap, Log, kernel, own, pair_with, read_all, run, spawn, wheel};
use poe_driver::memory::{Faults, Memory};
use poe_filter::{
    Block, ConfigError, Filter, FilterError, Grep, Line, Map, RecordBlock, Sink, Stackable, Stream,
};
use poe_session::prelude::*;
use poe_wheel::{ReadWrite, WheelError};

fn lines() -> Stackable {
    let mut stack: Stackable = Stackable::new();
    stack.push(Line::literal("\n").unwrap()).unwrap();
    stack
}

/// Turns octets by so many.
fn turned(by: u8) -> Map<Bytes, Bytes, Bytes, Bytes> {
    Map::new(
        move |record: Bytes| record.iter().map(|octet| octet.wrapping_sub(by)).collect(),
        move |record: Bytes| record.iter().map(|octet| octet.wrapping_add(by)).collect(),
    )
}

/// What has the stack be another from the next record on.
fn change(stack: &mut Stackable, word: &[u8]) -> Result<(), ConfigError> {
    match word {
        b"push" => stack.push(turned(1)),
        b"pop" => {
            assert_eq!(stack.pop().unwrap().name(), "Map");
            Ok(())
        }
        b"unshift" => {
            // Lines of lines, each of which has to have its end.
            stack.unshift(Line::literal("!").unwrap())
        }
        b"shift" => {
            assert_eq!(stack.shift().unwrap().name(), "Line");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Has a peer whose stack changes at the same words say all of them; what was heard, and the answers, as the peer reads them.
fn converse(words: &[&'static str], seed: u64, both: bool) -> (Vec<Bytes>, Vec<Bytes>) {
    let mut octets = Vec::<u8>::new();
    let mut theirs = lines();
    for word in words {
        theirs.put(Bytes::from_static(word.as_bytes()), &mut octets).unwrap();
        change(&mut theirs, word.as_bytes()).unwrap();
    }
    let kernel = kernel();
    let (driver, peer) = Memory::pair().unwrap();
    peer.read_faults(Faults::seeded(seed));
    peer.write_faults(Faults::seeded(!seed));
    peer.send(octets);
    peer.end();
    let builder = wheel(driver.handle()).driver(driver);
    let builder = if both {
        builder.filter(lines())
    } else {
        builder.input_filter(lines()).output_filter(lines())
    };
    let (heard, over) = (Rc::new(RefCell::new(Vec::new())), Cell::new(false));
    let h = heard.clone();
    spawn(&kernel, builder, move |cx, event| match event {
        Event::Input(word) => {
            let wheel = own(cx);
            h.borrow_mut().push(word.clone());
            wheel.put(word.clone());
            wheel.with_input_filter_mut(|stack| change(stack, &word)).unwrap().unwrap();
            if !both {
                wheel.with_output_filter_mut(|stack| change(stack, &word)).unwrap().unwrap();
            }
        }
        Event::Error(error) => {
            assert!(error.is_eof(), "{error}");
            over.set(true);
            own(cx).put("bye");
        }
        Event::Flushed if over.get() => *cx.heap = None,
        _ => {}
    });
    run(&kernel);
    let (mut answers, mut theirs) = (Vec::new(), lines());
    theirs.get_one_start(peer.received()).unwrap();
    while let Some(answer) = theirs.get_one().unwrap() {
        change(&mut theirs, &answer).unwrap();
        answers.push(answer);
    }
    assert!(theirs.get_pending().is_empty());
    (heard.take(), answers)
}

#[test]
fn layers_come_and_go_between_records_however_input_is_divided() {
    let words = [
        "a", "push", "b", "push", "c", "pop", "d", "e", "pop", "f", "unshift", "g", "push", "h",
        "i", "shift", "j", "pop", "k",
    ];
    for seed in 0..200 {
        for both in [true, false] {
            let (heard, answers) = converse(&words, seed, both);
            assert_eq!(heard, words, "{seed}");
            assert_eq!(answers, [&words[..], &["bye"]].concat(), "{seed}");
        }
    }
}

/// What a layer has held is delivered when the handler has returned, although nothing more comes.
#[test]
fn what_a_layer_gives_back_comes_without_more_input() {
    fn twos() -> Stackable {
        let mut stack = lines();
        stack.push(RecordBlock::<Bytes>::new(2).unwrap()).unwrap();
        let joined = |records: Vec<Bytes>| Bytes::from(records.join(&b','));
        stack.push(Map::new(joined, |record: Bytes| vec![record])).unwrap();
        stack
    }
    let (kernel, log) = (kernel(), Log::default());
    let (ours, theirs) = common::pair();
    let theirs = RefCell::new(theirs);
    let l = log.clone();
    spawn(&kernel, wheel(ours).filter(twos()), move |cx, event| {
        use std::io::Write;
        match event {
            Event::Start => theirs.borrow_mut().write_all(b"1\n2\n3\n4").unwrap(),
            Event::Input(record) if record == "1,2" => cx.yield_event("do", "look"),
            Event::Do(_) if own(cx).get_pending() != "3\n4" => cx.yield_event("do", "look"),
            Event::Do(_) => {
                let names = own(cx).with_input_filter_mut(|stack: &mut Stackable| {
                    [stack.pop().unwrap(), stack.pop().unwrap()].map(|layer| layer.name())
                });
                l.push(format!("{:?}", names.unwrap()));
            }
            Event::Input(record) => {
                l.push(record.escape_ascii());
                *cx.heap = None;
            }
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["[\"Map\", \"RecordBlock\"]", "3"]);
}

#[test]
fn what_was_put_stays_as_it_was_serialized() {
    let kernel = kernel();
    let (ours, theirs) = pair_with("");
    spawn(&kernel, wheel(ours).filter(lines()), |cx, event| match event {
        Event::Start => {
            let wheel = own(cx);
            wheel.put("a");
            let push = |stack: &mut Stackable| stack.push(turned(1));
            wheel.with_output_filter_mut(push).unwrap().unwrap();
            wheel.put("a");
            wheel.with_output_filter_mut(Stackable::<Bytes>::pop).unwrap().unwrap();
            wheel.put("a");
        }
        Event::Flushed => *cx.heap = None,
        _ => {}
    });
    run(&kernel);
    assert_eq!(read_all(theirs), b"a\nb\na\n");
}

/// A stack that does not fit any more says so as any filter does.
#[test]
fn a_filter_that_is_made_unfit_is_told_of_as_an_error() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair_with("1\n2\n");
    let l = log.clone();
    spawn(&kernel, wheel(ours).filter(lines()), move |cx, event| {
        l.push(&event);
        match event {
            Event::Input(_) => {
                let push = |stack: &mut Stackable| {
                    stack.push(Map::new(|line: Bytes| line.len(), |_: usize| Bytes::new()))
                };
                own(cx).with_input_filter_mut(push).unwrap().unwrap();
            }
            Event::Error(_) => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "input 1", "error filter 0"]);
}

#[test]
fn a_filter_is_found_however_it_was_given_and_no_other() {
    let kernel = kernel();
    let (ours, _theirs) = pair_with("");
    spawn(&kernel, wheel(ours), |cx, event| {
        let Event::Start = event else { return };
        let wheel = own(cx);
        wheel.with_input_filter_mut(|_: &mut Line| ()).unwrap();
        wheel.with_output_filter_mut(|_: &mut Line| ()).unwrap();
        let error = wheel.with_input_filter_mut(|_: &mut Block| ()).unwrap_err();
        assert!(error.to_string().contains("poe_filter::block::Block"), "{error}");
        assert!(matches!(error, WheelError::OtherFilter { .. }));
        // The other direction keeps what both had.
        wheel.set_input_filter(Block::new());
        wheel.with_input_filter_mut(|_: &mut Block| ()).unwrap();
        wheel.with_output_filter_mut(|_: &mut Line| ()).unwrap();
        assert!(wheel.with_output_filter_mut(|_: &mut Block| ()).is_err());
        // Boxes are nothing by themselves.
        wheel.set_output_filter(Box::new(Stream::new()).boxed());
        wheel.with_output_filter_mut(|_: &mut Stream| ()).unwrap();
        let boxed: Box<dyn Filter<In = Bytes, Out = Bytes>> = Box::new(Line::new());
        wheel.set_filter(boxed);
        wheel.with_input_filter_mut(|_: &mut Line| ()).unwrap();
        *cx.heap = None;
    });
    run(&kernel);
}

/// A filter, or what changes one, may use the wheel meanwhile.
#[test]
fn what_is_asked_of_the_wheel_meanwhile_is_done_afterwards() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, theirs) = pair_with("1\n2!3!");
    let l = log.clone();
    spawn(&kernel, wheel(ours).filter(lines()), move |cx, event| {
        l.push(&event);
        match event {
            Event::Input(record) if record == "1" => {
                let wheel = own(cx);
                wheel
                    .with_input_filter_mut(|stack: &mut Stackable| {
                        let again = wheel.with_output_filter_mut(|_: &mut Stackable| ());
                        assert!(matches!(again, Err(WheelError::Busy)));
                        wheel.put("a");
                        wheel.set_filter(Line::literal("!").unwrap());
                        wheel.put("b");
                        stack.push(turned(1)).unwrap();
                        _ = wheel.get_pending();
                        wheel.flush();
                    })
                    .unwrap();
            }
            Event::Error(_) => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    let told: Vec<_> = log.take().into_iter().filter(|line| line != "flushed").collect();
    assert_eq!(told, ["start", "input 1", "input 2", "input 3", "error read 0"]);
    // The first was put into the changed stack.
    assert_eq!(read_all(theirs), b"b\nb!");
}

/// Lines by a filter that wants to change itself when it is called.
struct Restless {
    line: Line,
    wheel: Rc<RefCell<Option<ReadWrite>>>,
    refused: Rc<Cell<usize>>,
}

impl fmt::Debug for Restless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Restless")
    }
}

impl Restless {
    fn try_it(&self) {
        if let Some(wheel) = &*self.wheel.borrow() {
            let one = wheel.with_input_filter_mut(|_: &mut Self| ());
            let other = wheel.with_output_filter_mut(|_: &mut Self| ());
            assert!(matches!([one, other], [Err(WheelError::Busy), Err(WheelError::Busy)]));
            self.refused.set(self.refused.get() + 1);
        }
    }
}

impl Filter for Restless {
    type In = Bytes;
    type Out = Bytes;

    fn get_one_start(&mut self, chunk: Bytes) -> Result<(), FilterError> {
        self.try_it();
        self.line.get_one_start(chunk)
    }

    fn get_one(&mut self) -> Result<Option<Bytes>, FilterError> {
        self.try_it();
        self.line.get_one()
    }

    fn finish(&mut self) -> Result<Option<Bytes>, FilterError> {
        self.line.finish()
    }

    fn put(&mut self, record: Bytes, sink: &mut dyn Sink) -> Result<(), FilterError> {
        self.try_it();
        self.line.put(record, sink)
    }

    fn get_pending(&self) -> Bytes {
        self.line.get_pending()
    }

    fn take_pending(&mut self) -> Bytes {
        self.line.take_pending()
    }

    fn fresh(&self) -> Box<dyn Filter<In = Bytes, Out = Bytes>> {
        self.line.fresh()
    }
}

#[test]
fn a_filter_that_is_in_use_is_not_changed() {
    let (kernel, slot, refused) = (kernel(), Rc::default(), Rc::new(Cell::new(0)));
    let (ours, theirs) = pair_with("one\ntwo\n");
    let wheel = Rc::<RefCell<Option<ReadWrite>>>::clone(&slot);
    let filter = Restless { line: Line::new(), wheel, refused: refused.clone() };
    let make = common::once((ours, filter));
    let [s1, s2, s3] = std::array::from_fn(|_| slot.clone());
    Session::build(())
        .on_start(move |cx| {
            let (ours, filter) = make();
            let wheel = common::with_events(ReadWrite::build(ours)).filter(filter);
            *s1.borrow_mut() = Some(wheel.spawn(cx.kernel).unwrap());
        })
        .on("input", move |_, input: poe_wheel::Input| {
            _ = s2.borrow().as_ref().unwrap().put(input.record);
        })
        .on("error", |_, error: poe_wheel::IoError| assert!(error.is_eof()))
        .on("flushed", move |_, _: poe_wheel::WheelId| drop(s3.take()))
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(read_all(theirs), b"one\r\ntwo\r\n");
    assert!(refused.get() >= 5, "{refused:?}");
}

/// The filter of a wheel whose input is paused may be changed, and it stays paused.
#[test]
fn a_paused_wheel_stays_paused() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair_with("1\n#2\n3\n");
    let l = log.clone();
    spawn(&kernel, wheel(ours).filter(lines()), move |cx: &mut Cx<'_, Heap>, event| {
        l.push(&event);
        match event {
            Event::Input(record) if record == "1" => {
                own(cx).pause_input();
                let push = |stack: &mut Stackable| {
                    stack.push(Grep::both(|line: &Bytes| !line.starts_with(b"#")))
                };
                own(cx).with_input_filter_mut(push).unwrap().unwrap();
                cx.yield_event("do", "wait");
            }
            Event::Do("wait") => cx.yield_event("do", "resume"),
            Event::Do(_) => own(cx).resume_input(),
            Event::Error(_) => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "input 1", "wait", "resume", "input 3", "error read 0"]);
}
