//! Wheels that follow files, and end: wherever they are dropped, nothing comes any more.

mod common;

use std::cell::{Cell, RefCell};
use std::fs;
use std::rc::Rc;

use bytes::Bytes;
use common::tails::{Directory, Event, POLL, append, follow, own, spawn, with_events};
use common::{Log, kernel, once, run};
use poe_filter::{Filter, FilterError, Sink};
use poe_session::prelude::*;
use poe_wheel::{FollowTail, Input};

#[test]
fn nothing_comes_of_a_wheel_that_was_dropped_in_whatever_handler() {
    for victim in ["one", "two", "reset", "idle", "partial part", "error stat"] {
        let directory = Directory::new();
        let path = directory.file("log", "one\ntwo\nthree\npart");
        let (kernel, log) = (kernel(), Log::default());
        let builder = follow(&path).seek(0).partial_event("partial").idle_event("idle");
        let (l, step) = (log.clone(), Cell::new(0));
        spawn(&kernel, builder, move |cx, event| {
            if l.len() > 0 && event.to_string() == "idle" {
                step.set(step.get() + 1);
                match step.get() {
                    1 if victim != "idle" => fs::write(&path, "other\n").unwrap(),
                    2 => {
                        fs::remove_file(&path).unwrap();
                        fs::create_dir(&path).unwrap();
                    }
                    _ => {}
                }
            }
            l.push(&event);
            if event.to_string().starts_with(victim) {
                // That it is gone, `spawn` checks for each event that comes.
                *cx.heap = None;
                cx.delay("do", POLL * 3, "over");
            }
        });
        run(&kernel);
        let log = log.take();
        assert_eq!(log.last().unwrap(), "over", "{victim}: {log:?}");
        assert!(log[log.len() - 2].starts_with(victim), "{victim}: {log:?}");
    }
}

#[test]
fn a_wheel_may_be_kept_by_a_session_that_outlives_its_own() {
    let directory = Directory::new();
    let path = directory.file("log", "one\n");
    let kernel = kernel();
    let kept = Rc::new(RefCell::new(None));
    let k = kept.clone();
    let followed = path.clone();
    Session::build(())
        .on_start(move |cx| {
            let builder = follow(&followed).seek(0);
            *k.borrow_mut() = Some(builder.spawn(cx.kernel).unwrap());
        })
        .on("input", |cx, _: Input| {
            let session = cx.session();
            cx.suspend(|kernel| kernel.session_stop(session))
        })
        .spawn(&kernel)
        .unwrap();
    let wheel = kept.clone();
    Session::build(())
        .on_start(|cx| _ = cx.delay("look", POLL * 3, ()))
        .on("look", move |_, ()| {
            append(&path, "two\n");
            let wheel = wheel.borrow();
            let wheel: &FollowTail = wheel.as_ref().unwrap();
            wheel.pause_input();
            wheel.resume_input();
            assert_eq!(wheel.tell(), Some(4));
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    drop(kept.take());
}

#[test]
fn a_wheel_may_be_replaced_by_another_of_the_same_file() {
    let directory = Directory::new();
    let path = directory.file("log", "one\ntwo\n");
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    let replaced = Cell::new(false);
    spawn(&kernel, follow(&path).seek(0), move |cx, event| match event {
        Event::Input(line) if !replaced.replace(true) => {
            l.push(line.escape_ascii());
            let place = own(cx).position().unwrap().unwrap();
            *cx.heap = Some(follow(&path).position(place).spawn(cx.kernel).unwrap());
        }
        Event::Input(line) => {
            l.push(line.escape_ascii());
            *cx.heap = None;
        }
        _ => {}
    });
    run(&kernel);
    assert_eq!(log.take(), ["one", "two"]);
}

#[test]
fn a_turn_within_a_handler_delivers_nothing_more() {
    let directory = Directory::new();
    let path = directory.file("log", "one\ntwo\nthree\n");
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    spawn(&kernel, follow(&path).seek(0), move |cx, event| {
        if let Event::Input(line) = event {
            l.push(line.escape_ascii());
            if line == "one" {
                append(&path, "four\n");
                cx.suspend(|kernel| kernel.run_one_timeslice()).unwrap();
                l.push("after the turn");
            } else if line == "four" {
                *cx.heap = None;
            }
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["one", "after the turn", "two", "three", "four"]);
}

/// Panics at its second record.
#[derive(Debug, Default)]
struct Panics(usize);

impl Filter for Panics {
    type In = Bytes;
    type Out = Bytes;

    fn get_one_start(&mut self, _: Bytes) -> Result<(), FilterError> {
        Ok(())
    }

    fn get_one(&mut self) -> Result<Option<Bytes>, FilterError> {
        self.0 += 1;
        assert!(self.0 < 3, "the filter's own fault");
        Ok((self.0 > 1).then(|| "record".into()))
    }

    fn finish(&mut self) -> Result<Option<Bytes>, FilterError> {
        Ok(None)
    }

    fn put(&mut self, _: Bytes, _: &mut dyn Sink) -> Result<(), FilterError> {
        Ok(())
    }

    fn get_pending(&self) -> Bytes {
        Bytes::new()
    }

    fn take_pending(&mut self) -> Bytes {
        Bytes::new()
    }

    fn fresh(&self) -> Box<dyn Filter<In = Bytes, Out = Bytes>> {
        Box::new(Self::default())
    }
}

#[test]
fn a_filter_that_panics_ends_the_wheel_and_not_more() {
    let directory = Directory::new();
    let path = directory.file("log", "text\n");
    let (kernel, log) = (kernel(), Log::default());
    let builder = once(with_events(FollowTail::build(path).filter(Panics::default())).seek(0));
    let (l, d) = (log.clone(), log.clone());
    Session::build(None)
        .on_start(move |cx| {
            *cx.heap = Some(builder().spawn(cx.kernel).unwrap());
            cx.sig("DIE", "died").unwrap();
        })
        .on("input", move |_, input: Input| l.push(input.record.escape_ascii()))
        .on("died", move |cx, _: Signal| {
            d.push("died");
            cx.kernel.sig_handled();
            let wheel: &FollowTail = cx.heap.as_ref().unwrap();
            assert!(wheel.tell().is_some());
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(log.take(), ["record", "died"]);
}
