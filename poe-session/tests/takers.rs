//! Records handed to a session one after the other, whose handler is looked for once: whatever changes between two of them
//! counts for the next one.

mod common;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use common::{NoWait, kernel};
use poe_kernel::Diagnostic;
use poe_session::prelude::*;

type Log = Rc<RefCell<Vec<String>>>;

/// Hands a session so many records of one name.
fn deliver(kernel: &Kernel, session: SessionId, count: u32) {
    let mut delivering = kernel.delivering(session);
    for n in 1..=count {
        delivering.event(Name::new("record"), n);
    }
}

/// A kernel, and how many traces it has reported.
fn counting_traces() -> (Kernel, Rc<Cell<usize>>) {
    let traced = Rc::new(Cell::new(0));
    let count = Rc::clone(&traced);
    let listener = move |diagnostic: &Diagnostic<'_>| {
        assert!(matches!(diagnostic, Diagnostic::Trace { .. }), "{diagnostic}");
        count.set(count.get() + 1);
    };
    let kernel = Kernel::builder().virtual_clock(common::start()).diagnostics(listener);
    (kernel.event_loop(Box::new(NoWait::default())).build().unwrap(), traced)
}

/// A handler that says which one it is.
fn saying<K: poe_session::Kind>(
    log: &Log,
    what: &'static str,
) -> impl Fn(&mut Cx<'_, (), K>, u32) + 'static {
    let log = Rc::clone(log);
    move |_, n| log.borrow_mut().push(format!("{what} {n}"))
}

/// A session whose handler does something with each record, besides saying so.
fn session(kernel: &Kernel, log: &Log, f: impl Fn(&mut Cx<'_, ()>, u32) + 'static) -> SessionId {
    let first = saying(log, "first");
    let build = Session::build(()).on_start(|cx| cx.alias_set("session"));
    let build = build.on("record", move |cx, n: u32| {
        first(cx, n);
        f(cx, n);
    });
    build.spawn(kernel).unwrap()
}

#[test]
fn a_handler_that_is_replaced_by_itself_gets_no_more_records_and_is_let_go_of() {
    let (kernel, log) = (kernel(), Log::default());
    let kept = Rc::new(());
    let held = Rc::downgrade(&kept);
    let l = Rc::clone(&log);
    let session = session(&kernel, &log, move |cx, n| {
        let _ = &kept;
        if n == 3 {
            cx.state("record", saying(&l, "second"));
        }
    });
    let mut delivering = kernel.delivering(session);
    for n in 1..=6_u32 {
        delivering.event(Name::new("record"), n);
        assert_eq!(held.upgrade().is_some(), n < 3, "{n}");
    }
    drop(delivering);
    let expected = ["first 1", "first 2", "first 3", "second 4", "second 5", "second 6"];
    assert_eq!(*log.borrow(), expected);
}

#[test]
fn a_handler_that_is_removed_leaves_the_rest_to_the_default_one_and_comes_back() {
    let (kernel, log) = (kernel(), Log::default());
    let l = Rc::clone(&log);
    let session = session(&kernel, &log, move |cx, n| {
        if n == 2 {
            let l = Rc::clone(&l);
            cx.state_default(move |cx, unhandled| {
                let Ok(n) = unhandled.payload.downcast::<u32>() else { return };
                l.borrow_mut().push(format!("default {n}"));
                if n == 4 {
                    cx.state("record", saying(&l, "third"));
                }
            });
            assert!(cx.state_remove("record"));
        }
    });
    deliver(&kernel, session, 7);
    let expected =
        ["first 1", "first 2", "default 3", "default 4", "third 5", "third 6", "third 7"];
    assert_eq!(*log.borrow(), expected);
}

#[test]
fn another_session_may_have_the_handler_replaced_between_two() {
    let (kernel, log) = (kernel(), Log::default());
    let l = Rc::clone(&log);
    let build = Session::build(()).on("record", saying(&log, "first"));
    let build = build.on("change", move |cx, ()| cx.state("record", saying(&l, "second")));
    let session = build.spawn(&kernel).unwrap();
    let mut delivering = kernel.delivering(session);
    for n in 1..=4_u32 {
        delivering.event(Name::new("record"), n);
        if n == 3 {
            kernel.call::<(), _>(session, "change", ()).unwrap();
        }
    }
    drop(delivering);
    assert_eq!(*log.borrow(), ["first 1", "first 2", "first 3", "second 4"]);
}

#[test]
fn a_machine_takes_each_record_in_the_state_that_it_is_in() {
    let (kernel, log) = (kernel(), Log::default());
    let turning = |what: &'static str, to: &'static str| {
        let say = saying(&log, what);
        move |cx: &mut Cx<'_, (), Machine>, n: u32| -> HandlerResult {
            say(cx, n);
            if n.is_multiple_of(3) {
                cx.goto_state(to, ())?;
            }
            Ok(())
        }
    };
    let (day, night) = (turning("day", "night"), turning("night", "day"));
    let machine = Nfa::build(())
        .option(SessionOption::Immediate, true)
        .state("day", |state| state.on("record", day))
        .state("night", |state| state.on("record", night))
        .spawn(&kernel, "day", ())
        .unwrap();
    deliver(&kernel, machine, 7);
    let expected = ["day 1", "day 2", "day 3", "night 4", "night 5", "night 6", "day 7"];
    assert_eq!(*log.borrow(), expected);
}

#[test]
fn records_of_several_names_go_each_to_its_own_handler() {
    let (kernel, log) = (kernel(), Log::default());
    let session = Session::build(())
        .on("record", saying(&log, "record"))
        .on("other", saying(&log, "other"))
        .spawn(&kernel)
        .unwrap();
    let mut delivering = kernel.delivering(session);
    for (n, name) in ["record", "record", "record", "other", "record", "other", "other", "none"]
        .into_iter()
        .enumerate()
    {
        delivering.event(Name::new(name), n as u32);
    }
    drop(delivering);
    let expected =
        ["record 0", "record 1", "record 2", "other 3", "record 4", "other 5", "other 6"];
    assert_eq!(*log.borrow(), expected);
}

#[test]
fn each_record_of_a_type_that_the_handler_does_not_take_is_a_failure() {
    let kernel = kernel();
    let (died, got) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (d, g) = (died.clone(), got.clone());
    let session = Session::build(())
        .on_start(|cx| cx.sig("DIE", "died"))
        .on("died", move |cx, signal: Signal| {
            cx.sig_handled();
            assert_eq!(signal.name, Name::new("DIE"));
            d.set(d.get() + 1);
        })
        .on("record", move |_, _: String| g.set(g.get() + 1))
        .spawn(&kernel)
        .unwrap();
    deliver(&kernel, session, 4);
    kernel.run().unwrap();
    assert_eq!((died.get(), got.get()), (4, 0));
}

#[test]
fn a_record_whose_handler_panics_is_told_of_and_the_next_ones_come() {
    let (kernel, log) = (kernel(), Log::default());
    let (l, died) = (Rc::clone(&log), saying(&log, "died"));
    let session = Session::build(())
        .on_start(|cx| cx.sig("DIE", "died"))
        .on("died", move |cx, _: Signal| {
            cx.sig_handled();
            died(cx, 0);
        })
        .on("record", move |_, n: u32| {
            l.borrow_mut().push(format!("record {n}"));
            assert!(n % 2 == 1, "an even one");
        })
        .spawn(&kernel)
        .unwrap();
    let silent = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    deliver(&kernel, session, 5);
    std::panic::set_hook(silent);
    assert!(kernel.active_session().is_kernel());
    kernel.run().unwrap();
    let log = log.borrow();
    let records = log.iter().filter(|entry| entry.starts_with("record")).count();
    let deaths = log.iter().filter(|entry| entry.starts_with("died")).count();
    assert_eq!((records, deaths), (5, 2), "{log:?}");
}

#[test]
fn a_session_that_ends_within_its_handler_lets_go_of_its_heap_at_once() {
    let (kernel, log) = (kernel(), Log::default());
    let heap = Rc::new(());
    let held = Rc::downgrade(&heap);
    let l = Rc::clone(&log);
    let session = Session::build(heap)
        .on("record", move |cx, n: u32| {
            l.borrow_mut().push(format!("record {n}"));
            if n == 3 {
                cx.stop().unwrap();
            }
        })
        .spawn(&kernel)
        .unwrap();
    let mut delivering = kernel.delivering(session);
    for n in 1..=5_u32 {
        delivering.event(Name::new("record"), n);
        assert_eq!(held.upgrade().is_some(), n < 3, "{n}");
    }
    drop(delivering);
    assert_eq!(*log.borrow(), ["record 1", "record 2", "record 3"]);
}

#[test]
fn a_heap_that_is_held_up_the_stack_is_a_failure_of_each_record() {
    let (kernel, log) = (kernel(), Log::default());
    let session = session(&kernel, &log, |cx, n| {
        if n == 1 {
            deliver(cx.kernel, cx.session(), 3);
        }
    });
    let ended = catch_unwind(AssertUnwindSafe(|| {
        deliver(&kernel, session, 2);
        kernel.run()
    }));
    assert!(matches!(ended, Ok(Err(_))));
    assert_eq!(log.borrow()[0], "first 1");
    assert!(log.borrow().len() <= 2);
}

#[test]
fn records_are_traced_from_the_one_on_that_it_was_asked_for() {
    let (kernel, traced) = counting_traces();
    let log = Log::default();
    let session = session(&kernel, &log, |cx, n| {
        if n == 3 || n == 5 {
            cx.set_option(SessionOption::Trace, n == 3);
        }
    });
    deliver(&kernel, session, 8);
    assert_eq!((traced.get(), log.borrow().len()), (2, 8));
}

#[test]
fn events_without_a_handler_are_traced_too() {
    let (kernel, traced) = counting_traces();
    let session = Session::build(()).option(SessionOption::Trace, true).spawn(&kernel).unwrap();
    let before = traced.get();
    deliver(&kernel, session, 3);
    assert_eq!(traced.get() - before, 3);
}
