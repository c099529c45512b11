//! Water marks: how much output may be queued.

mod common;

use std::cell::Cell;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::thread;

use common::{Event, Log, kernel, own, pair, read_all, run, spawn, wheel, with_marks};
use poe_filter::Stream;
use poe_wheel::{ReadWrite, ReadWriteEvent, WheelError};

/// A wheel of plain octets.
fn stream(handle: UnixStream) -> poe_wheel::ReadWriteBuilder {
    wheel(handle).filter(Stream::new())
}

// Difference: WRW-07 (the high mark is told)
#[test]
fn put_tells_of_the_mark_and_low_comes_before_flushed() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, theirs) = pair();
    let l = log.clone();
    spawn(&kernel, with_marks(stream(ours), 4, 8), move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => {
                assert!(!own(cx).put("1234567"));
                assert!(own(cx).put("89"));
                assert!(own(cx).put("0"));
            }
            Event::High => assert_eq!(own(cx).get_driver_out_octets(), 10),
            Event::Low => assert_eq!(own(cx).get_driver_out_octets(), 0),
            Event::Flushed => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "high", "low", "flushed"]);
    assert_eq!(read_all(theirs), b"1234567890");
}

// Conformance: WRW-01
#[test]
fn marks_and_their_events_that_do_not_go_together_are_refused() {
    type Builder = poe_wheel::ReadWriteBuilder;
    type Refused = (&'static str, fn(Builder) -> Builder, fn(&WheelError) -> bool);
    let is_marks = |error: &WheelError| matches!(error, WheelError::Marks { .. });
    let is_no_marks = |error: &WheelError| matches!(error, WheelError::NoMarks { .. });
    let is_no_low = |error: &WheelError| matches!(error, WheelError::NoLowEvent);
    let cases: [Refused; 9] = [
        ("only low", |b| b.low_mark(1).low_event("low"), is_marks),
        ("only high", |b| b.high_mark(1).low_event("low"), is_marks),
        ("low is 0", |b| with_marks(b, 0, 1), is_marks),
        ("both are 0", |b| with_marks(b, 0, 0), is_marks),
        ("both are equal", |b| with_marks(b, 5, 5), is_marks),
        ("low is above high", |b| with_marks(b, 6, 5), is_marks),
        ("no low event", |b| b.low_mark(1).high_mark(2).high_event("high"), is_no_low),
        ("low event, no marks", |b| b.low_event("low"), is_no_marks),
        ("high event, no marks", |b| b.high_event("high"), is_no_marks),
    ];
    let kernel = kernel();
    let refused = Rc::new(Cell::new(0));
    let count = refused.clone();
    poe_session::Session::build(())
        .on_start(move |cx| {
            for (what, configure, is_right) in cases {
                let (ours, _theirs) = pair();
                match configure(wheel(ours)).spawn(cx.kernel) {
                    Err(error) => assert!(is_right(&error), "{what}: {error}"),
                    Ok(_) => panic!("{what}"),
                }
                count.set(count.get() + 1);
            }
        })
        .spawn(&kernel)
        .unwrap();
    // Nothing is left of them that would keep the session alive.
    run(&kernel);
    assert_eq!(refused.get(), cases.len());
}

#[test]
fn a_peer_that_never_reads_holds_no_more_memory_than_the_mark_allows() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair();
    let most = Rc::new(Cell::new(0));
    let (l, m) = (log.clone(), most.clone());
    spawn(&kernel, with_marks(stream(ours), 10_000, 100_000), move |cx, event| {
        l.push(&event);
        let (Event::Start | Event::Low | Event::Flushed) = event else {
            if matches!(event, Event::High) {
                cx.delay("do", std::time::Duration::from_millis(20), "give up");
            } else if matches!(event, Event::Do(_)) {
                *cx.heap = None;
            }
            return;
        };
        while !own(cx).put([b'x'; 1000]) {}
        m.set(m.get().max(own(cx).get_driver_out_octets()));
    });
    run(&kernel);
    assert_eq!(most.get(), 100_000);
    assert_eq!(log.take().last().unwrap(), "give up");
}

#[test]
fn every_crossing_is_one_high_and_one_low_in_turn() {
    const TOTAL: usize = 8 << 20;
    let (kernel, log) = (kernel(), Log::default());
    let (ours, mut theirs) = pair();
    let peer = thread::spawn(move || {
        let (mut heard, mut piece) = (0, vec![0; 50_000]);
        while let count @ 1.. = theirs.read(&mut piece).unwrap() {
            heard += count;
        }
        heard
    });
    let (l, left) = (log.clone(), Cell::new(TOTAL));
    spawn(&kernel, with_marks(stream(ours), 10_000, 1_000_000), move |cx, event| {
        l.push(&event);
        match event {
            // A put between the marks makes POE forget to tell Low.
            Event::High => {
                own(cx).put("x");
                left.set(left.get() - 1);
            }
            Event::Start | Event::Low => {
                let mut is_high = false;
                while left.get() > 0 && !is_high {
                    let octets = left.get().min(4096);
                    is_high = own(cx).put(vec![b'x'; octets]);
                    left.set(left.get() - octets);
                }
            }
            Event::Flushed if left.get() == 0 => cx.yield_event("do", "end"),
            Event::Do(_) => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(peer.join().unwrap(), TOTAL);
    let log = log.take();
    let crossings: Vec<_> = log.iter().filter(|line| *line == "high" || *line == "low").collect();
    assert!(crossings.len() >= 14, "{log:?}");
    assert!(crossings.chunks(2).all(|pair| pair == ["high", "low"]), "{log:?}");
    assert_eq!(log[log.len() - 2..], ["flushed", "end"]);
}

#[test]
fn marks_move_while_output_waits() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair();
    let l = log.clone();
    spawn(&kernel, with_marks(stream(ours), 1000, 100_000_000), move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => {
                assert!(!own(cx).put(vec![b'x'; 4 << 20]));
                // More than the socket takes, and less than the mark.
                own(cx).flush();
                assert!(own(cx).get_driver_out_octets() > 1000);
                cx.yield_event("do", "lower the high mark");
            }
            Event::Do("lower the high mark") => {
                let wheel = own(cx);
                assert!(!wheel.set_high_mark(1000) && !wheel.set_high_mark(0));
                assert!(!wheel.set_low_mark(0) && !wheel.set_low_mark(100_000_000));
                assert!(wheel.set_high_mark(1001));
            }
            Event::High => cx.yield_event("do", "raise the low mark"),
            Event::Do("raise the low mark") => {
                let wheel = own(cx);
                assert!(wheel.set_high_mark(1 << 30));
                assert!(wheel.set_low_mark(1 << 29));
            }
            Event::Low => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "lower the high mark", "high", "raise the low mark", "low"]);
}

#[test]
fn marks_that_there_are_not_cannot_be_moved_nor_named() {
    let kernel = kernel();
    let (ours, _theirs) = pair();
    spawn(&kernel, wheel(ours), |cx, event| {
        if matches!(event, Event::Start) {
            let wheel = own(cx);
            assert!(!wheel.set_high_mark(1) && !wheel.set_low_mark(1));
            for mark in [ReadWriteEvent::High, ReadWriteEvent::Low] {
                assert!(matches!(wheel.event(mark, "x"), Err(WheelError::NoMarks { .. })));
                wheel.event_end(mark);
            }
            *cx.heap = None;
        }
    });
    run(&kernel);
}

#[test]
fn what_low_puts_is_flushed_before_flushed_is_told() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, theirs) = pair();
    let l = log.clone();
    spawn(&kernel, with_marks(stream(ours), 4, 8), move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => _ = own(cx).put("12345678"),
            Event::Low => _ = own(cx).put("more"),
            Event::Flushed => cx.yield_event("do", "end"),
            Event::Do(_) => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "high", "low", "flushed", "end"]);
    assert_eq!(read_all(theirs), b"12345678more");
}

#[test]
fn without_a_high_event_put_tells_and_low_comes() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair();
    let l = log.clone();
    let builder = stream(ours).low_mark(4).high_mark(8).low_event("low");
    spawn(&kernel, builder, move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => assert!(own(cx).put("12345678")),
            Event::Flushed => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "low", "flushed"]);
}

#[test]
fn a_wheel_without_marks_is_never_high() {
    let kernel = kernel();
    let (ours, _theirs) = pair();
    spawn(&kernel, ReadWrite::build(ours).filter(Stream::new()), |cx, event| {
        if matches!(event, Event::Start) {
            assert!(!own(cx).put(vec![0; 10 << 20]));
            *cx.heap = None;
        }
    });
    run(&kernel);
}
