//! Child processes.

use std::cell::Cell;
use std::rc::Rc;

use nix::sys::signal::{Signal as Os, kill};
use nix::unistd::Pid;
use poe_session::prelude::*;

use crate::stage::{Show, actor, child, millis, note};

scenarios!("children":
    the_end_of_a_child_is_told_with_its_status,
    children_are_told_of_as_they_end,
    a_childs_own_event_comes_before_the_signal,
    an_awaited_child_holds_a_session,
    a_child_no_longer_asked_for_is_not_told_of,
    a_stopped_session_is_not_told_of_a_child,
    a_child_asked_for_twice_holds_once unlike "Asking for a child twice holds the session once.",
    what_is_no_child_is_refused
        unlike "What is no child of the process is refused by `sig_child`; in POE its event never comes.",
    a_child_that_ended_before_is_told_of
        unlike "loses the status of a child that ends before it is asked for.",
);

const WAITS: &str = "exec sleep 60";

fn terminate(child: u32) {
    kill(Pid::from_raw(child.cast_signed()), Os::SIGTERM).unwrap();
}

// Conformance: KRG-07
fn the_end_of_a_child_is_told_with_its_status(kernel: &Kernel) {
    actor("a")
        .on("ended", |_, _: ChildExit<&'static str>| {})
        .on_start(|cx| cx.sig_child(child("first", "exit 5"), "ended", "x"))
        .enter(kernel);
}

fn children_are_told_of_as_they_end(kernel: &Kernel) {
    let second = Rc::new(Cell::new(0));
    let started = Rc::clone(&second);
    actor("a")
        .on_start(move |cx| {
            let first = child("first", "exit 3");
            started.set(child("second", WAITS));
            cx.sig_child(started.get(), "ended", ()).unwrap();
            cx.sig_child(first, "ended", ())
        })
        .on("ended", move |_, exit: ChildExit| {
            if exit.pid != second.get() {
                terminate(second.get());
            }
        })
        .enter(kernel);
}

fn a_childs_own_event_comes_before_the_signal(kernel: &Kernel) {
    actor("a")
        .on("ended", |_, _: ChildExit| {})
        .on_start(|cx| {
            // Children of other tests may end meanwhile, and a `CHLD` tells of them too.
            cx.state("chld", |_, signal: Signal| {
                if let Some(exit) = signal.child() {
                    note(format!("a chld{} from K", exit.show()));
                }
            });
            cx.sig("CHLD", "chld").unwrap();
            cx.alias_set("a").unwrap();
            cx.sig_child(child("first", "exit 0"), "ended", ())
        })
        .enter(kernel);
}

// Conformance: KRG-05
fn an_awaited_child_holds_a_session(kernel: &Kernel) {
    let started = Rc::new(Cell::new(0));
    let ours = Rc::clone(&started);
    actor("a")
        .on("ended", |_, _: ChildExit| {})
        .on_start(move |cx| {
            ours.set(child("first", WAITS));
            cx.sig_child(ours.get(), "ended", ())
        })
        .enter(kernel);
    actor("b")
        .on_start(|cx| cx.delay_set("kill", millis(20), ()))
        .on("kill", move |_, ()| terminate(started.get()))
        .enter(kernel);
}

fn a_child_no_longer_asked_for_is_not_told_of(kernel: &Kernel) {
    actor("a")
        .on("ended", |_, _: ChildExit| {})
        .on_start(|cx| {
            let first = child("first", WAITS);
            cx.sig_child(first, "ended", ()).unwrap();
            cx.state("forget", move |cx, ()| {
                note("a forget from a in _start");
                cx.sig_child_ignore(first);
                terminate(first);
            });
            cx.yield_event("forget", ());
        })
        .enter(kernel);
}

fn a_stopped_session_is_not_told_of_a_child(kernel: &Kernel) {
    let started = child("first", WAITS);
    let a = actor("a")
        .on("ended", |_, _: ChildExit| {})
        .on_start(move |cx| cx.sig_child(started, "ended", ()))
        .enter(kernel);
    kernel.signal(a, "TERM", ()).unwrap();
    actor("b")
        .on("ended", |_, _: ChildExit| {})
        .on_start(move |cx| {
            cx.yield_event("kill", ());
            cx.sig_child(started, "ended", ())
        })
        .on("kill", move |_, ()| terminate(started))
        .enter(kernel);
}

fn a_child_asked_for_twice_holds_once(kernel: &Kernel) {
    actor("a")
        .on("old", |_, _: ChildExit| {})
        .on_start(|cx| {
            let first = child("first", "exit 0");
            cx.sig_child(first, "old", ()).unwrap();
            cx.sig_child(first, "new", ())
        })
        .on("new", |cx, _: ChildExit| cx.call::<TimerId, _>("b", "work", ()).map(drop))
        .enter(kernel);
    actor("b")
        .notes(["late"])
        .on_start(|cx| cx.alias_set("b"))
        .on("work", |cx, ()| {
            cx.alias_remove("b").unwrap();
            cx.delay_set("late", millis(20), ())
        })
        .enter(kernel);
}

fn what_is_no_child_is_refused(kernel: &Kernel) {
    actor("a")
        .on("ended", |_, _: ChildExit| {})
        .on_start(|cx| {
            let asked = cx.sig_child(std::process::id(), "ended", ());
            note(if asked.is_err() { "refused" } else { "said nothing" });
        })
        .enter(kernel);
}

fn a_child_that_ended_before_is_told_of(kernel: &Kernel) {
    actor("a")
        .on("ended", |_, _: ChildExit| {})
        .on_start(|cx| {
            let first = child("first", "exit 4");
            cx.refcount_increment(cx.session(), "wait").unwrap();
            cx.sig("CHLD", "chld").unwrap();
            cx.state("chld", move |cx, _: Signal| {
                cx.sig_ignore("CHLD");
                cx.sig_child(first, "ended", ()).unwrap();
                cx.refcount_decrement(cx.session(), "wait").unwrap();
            });
        })
        .enter(kernel);
}
