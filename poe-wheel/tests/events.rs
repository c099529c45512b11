//! Names of events, changed while the wheel is at work.

mod common;

use std::cell::Cell;
use std::io::{Read, Write};
use std::rc::Rc;
use std::time::Duration;

use common::{Event, Log, kernel, once, own, pair, pair_with, run, wheel, with_marks};
use poe_filter::Line;
use poe_session::prelude::*;
use poe_wheel::{Input, ReadWrite, ReadWriteEvent};

const ALL: [(ReadWriteEvent, &str); 6] = [
    (ReadWriteEvent::Input, "input"),
    (ReadWriteEvent::Partial, "partial"),
    (ReadWriteEvent::Error, "error"),
    (ReadWriteEvent::Flushed, "flushed"),
    (ReadWriteEvent::High, "high"),
    (ReadWriteEvent::Low, "low"),
];

// Conformance: WRW-02
#[test]
fn names_given_later_are_the_ones_used() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair_with("one\ntw");
    let (make, l) = (once(ours), log.clone());
    let react = move |cx: &mut Cx<'_, common::Heap>, event: Event| {
        l.push(&event);
        if matches!(event, Event::Start) {
            for (event, name) in ALL {
                own(cx).event(event, name).unwrap();
            }
            own(cx).put("high");
        }
        if matches!(event, Event::Error(_)) {
            *cx.heap = None;
        }
    };
    let session = common::session(react, move |cx| {
        ReadWrite::build(make())
            .low_mark(1)
            .high_mark(2)
            .input_event("wrong input")
            .partial_event("wrong partial")
            .error_event("wrong error")
            .flushed_event("wrong flushed")
            .low_event("wrong low")
            .high_event("wrong high")
            .spawn(cx.kernel)
            .unwrap()
    });
    session.on_default(common::refuse).spawn(&kernel).unwrap();
    run(&kernel);
    assert_eq!(
        log.take(),
        ["start", "high", "low", "flushed", "input one", "partial tw", "error read 0"]
    );
}

#[test]
fn events_that_were_ended_do_not_come() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, mut theirs) = pair_with("one\ntw");
    let l = log.clone();
    let builder = with_marks(wheel(ours), 1, 2).partial_event("partial");
    common::spawn(&kernel, builder, move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => {
                for (event, _) in ALL {
                    own(cx).event_end(event);
                }
                own(cx).put("high");
                cx.delay("do", Duration::from_millis(5), "end");
            }
            _ => *cx.heap = None,
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "end"]);
    let mut heard = [0; 6];
    theirs.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"high\r\n");
}

#[test]
fn input_without_an_event_waits_for_one() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair_with("one\ntwo\nthree\n");
    let l = log.clone();
    common::spawn(&kernel, wheel(ours), move |cx, event| {
        l.push(&event);
        match event {
            // In the middle of what was read at once.
            Event::Input(record) if record == "two" => {
                own(cx).event_end(ReadWriteEvent::Input);
                cx.delay("do", Duration::from_millis(5), "again");
            }
            Event::Do(_) => own(cx).event(ReadWriteEvent::Input, "input").unwrap(),
            Event::Error(_) => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(
        log.take(),
        ["start", "input one", "input two", "again", "input three", "error read 0"]
    );
}

#[test]
fn a_wheel_without_an_input_event_reads_once_it_has_one() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair_with("one\n");
    let l = log.clone();
    let builder = ReadWrite::build(ours).error_event("error").filter(Line::new());
    common::spawn(&kernel, builder, move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => _ = cx.delay("do", Duration::from_millis(5), "listen"),
            Event::Do(_) => own(cx).event(ReadWriteEvent::Input, "input").unwrap(),
            Event::Error(_) => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "listen", "input one", "error read 0"]);
}

#[test]
fn a_pause_outlives_new_names() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair_with("one\ntwo\n");
    let l = log.clone();
    common::spawn(&kernel, wheel(ours), move |cx, event| {
        l.push(&event);
        match event {
            Event::Input(record) if record == "one" => {
                let wheel = own(cx);
                wheel.pause_input();
                for (event, name) in &ALL[..4] {
                    wheel.event(*event, *name).unwrap();
                }
                wheel.event_end(ReadWriteEvent::Input);
                wheel.event(ReadWriteEvent::Input, "input").unwrap();
                cx.delay("do", Duration::from_millis(5), "resume");
            }
            Event::Do(_) => own(cx).resume_input(),
            Event::Error(_) => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "input one", "resume", "input two", "error read 0"]);
}

#[test]
fn a_name_given_while_a_record_is_handled_serves_for_the_next() {
    let kernel = kernel();
    let (ours, mut theirs) = pair();
    theirs.write_all(b"a\nb\nc\n").unwrap();
    let (make, seen) = (once(ours), Rc::new(Cell::new(0)));
    let s = seen.clone();
    Session::build(None::<ReadWrite>)
        .on_start(move |cx| {
            let wheel = ReadWrite::build(make()).input_event("odd").spawn(cx.kernel).unwrap();
            *cx.heap = Some(wheel);
        })
        .on("odd", |cx, input: Input| {
            if input.record == "c" {
                *cx.heap = None;
            } else {
                assert_eq!(input.record, "a");
                let wheel = cx.heap.as_ref().unwrap();
                wheel.event(ReadWriteEvent::Input, "even").unwrap();
            }
        })
        .on("even", move |cx, input: Input| {
            assert_eq!(input.record, "b");
            s.set(s.get() + 1);
            cx.heap.as_ref().unwrap().event(ReadWriteEvent::Input, "odd").unwrap();
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(seen.get(), 1);
}
