//! One fast peer does not hold the loop.

mod common;

use std::cell::Cell;
use std::io::Write;
use std::thread;

use common::{Event, Log, kernel, own, pair, pair_with, run, spawn, wheel};

#[test]
fn many_short_records_of_one_read_let_others_in_between() {
    const RECORDS: usize = 20_000;
    let (kernel, log) = (kernel(), Log::default());
    let (busy, _busy_peer) = pair_with("x\n".repeat(RECORDS));
    let (other, _other_peer) = pair_with("a\nb\nc\n");
    let l = log.clone();
    let count = Cell::new(0);
    spawn(&kernel, wheel(busy), move |cx, event| match event {
        Event::Start => cx.yield_event("do", "turn"),
        Event::Do(_) if cx.heap.is_some() => {
            l.push(format!("turn after {}", count.replace(0)));
            cx.yield_event("do", "turn");
        }
        Event::Input(_) => count.set(count.get() + 1),
        Event::Error(_) => {
            l.push("busy done");
            *cx.heap = None;
        }
        _ => {}
    });
    let l = log.clone();
    spawn(&kernel, wheel(other), move |cx, event| {
        if matches!(event, Event::Error(_)) {
            l.push("other done");
            *cx.heap = None;
        }
    });
    run(&kernel);
    let log = log.take();
    let busy_done = log.iter().position(|line| line == "busy done").unwrap();
    let other_done = log.iter().position(|line| line == "other done").unwrap();
    assert!(other_done < busy_done, "{log:?}");
    // A turn has at most a budget of one readiness and one of what was left over.
    let mut total = 0;
    for turn in log.iter().filter_map(|line| line.strip_prefix("turn after ")) {
        let records: usize = turn.parse().unwrap();
        assert!(records <= 2 * 1024, "{records}");
        total += records;
    }
    assert!(total <= RECORDS && total > RECORDS - 3 * 1024, "{total}");
}

#[test]
fn a_peer_that_never_stops_lets_others_in_between() {
    let kernel = kernel();
    let (busy, mut busy_peer) = pair();
    let flood = thread::spawn(move || {
        let lines = b"some line of text\n".repeat(1000);
        while busy_peer.write_all(&lines).is_ok() {}
    });
    let (other, other_peer) = pair();
    let rounds = Cell::new(0);
    let busy_session = spawn(&kernel, wheel(busy), |cx, event| {
        if matches!(event, Event::Do(_)) {
            *cx.heap = None;
        }
    });
    let other_peer = std::cell::RefCell::new(other_peer);
    spawn(&kernel, wheel(other), move |cx, event| match event {
        Event::Start => other_peer.borrow_mut().write_all(b"round\n").unwrap(),
        Event::Input(_) if rounds.get() < 50 => {
            rounds.set(rounds.get() + 1);
            other_peer.borrow_mut().write_all(b"round\n").unwrap();
        }
        Event::Input(_) => {
            cx.post(busy_session, "do", "stop").unwrap();
            own(cx).shutdown_input();
            *cx.heap = None;
        }
        _ => {}
    });
    run(&kernel);
    flood.join().unwrap();
}

#[test]
fn a_session_that_yields_for_ever_does_not_keep_output_back() {
    let kernel = kernel();
    let (ours, theirs) = pair_with("ping\n");
    spawn(&kernel, wheel(ours), |cx, event| match event {
        Event::Start => cx.yield_event("do", "spin"),
        Event::Do(_) if cx.heap.is_some() => cx.yield_event("do", "spin"),
        Event::Input(_) => _ = own(cx).put("pong"),
        Event::Flushed => *cx.heap = None,
        _ => {}
    });
    run(&kernel);
    assert_eq!(common::read_all(theirs), b"pong\r\n");
}
