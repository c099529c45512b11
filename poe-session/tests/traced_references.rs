//! The trace of references: each that comes goes, and by the same name.

mod common;

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use poe_kernel::{Asserts, Kernel, Traces};
use poe_session::prelude::*;

use crate::common::{Lines, assert_all_in, listening_kernel};

/// What the lines of a trace say without where, and by how much each reference has come more often than gone.
fn balance(lines: &Lines) -> BTreeMap<String, i32> {
    let mut balance = BTreeMap::new();
    for line in lines.borrow().iter() {
        let said = line.strip_prefix("<rc> ").expect("no other trace is on");
        let by = match said.get(..2) {
            Some("+ ") => 1,
            Some("- ") => -1,
            _ => continue,
        };
        let (what, _) = said[2..].rsplit_once(" at ").expect("a place");
        let what = what.split_once(", now ").map_or(what, |(what, _)| what);
        *balance.entry(what.to_owned()).or_default() += by;
    }
    balance
}

fn assert_balanced(lines: &Lines, kinds: &[&str]) {
    let balance = balance(lines);
    let odd: Vec<_> = balance.iter().filter(|(_, by)| **by != 0).collect();
    assert!(odd.is_empty(), "{odd:#?} of\n{}", lines.borrow().join("\n"));
    for kind in kinds {
        assert!(balance.keys().any(|what| what.contains(kind)), "no {kind:?} in {balance:#?}");
    }
}

struct Holder {
    handle: Rc<UnixStream>,
    _far: UnixStream,
}

/// A child process that ends at once, for the kernel to wait for.
fn spawn_true() -> u32 {
    Command::new("true").spawn().unwrap().id()
}

/// A session with all that can hold one: it gives everything back by itself, or is stopped with all of it.
fn spawn_holder(kernel: &Kernel, gives_back: bool) {
    let (near, far) = UnixStream::pair().unwrap();
    let pid = spawn_true();
    Session::build(Holder { handle: Rc::new(near), _far: far })
        .on_start(move |cx| -> HandlerResult {
            cx.alias_set("main")?;
            cx.select_read(&cx.heap.handle, "readable")?;
            cx.select_write(&cx.heap.handle, "writable")?;
            cx.select_end(&cx.heap.handle, Mode::Write);
            cx.sig_child(pid, "ended", ())?;
            cx.refcount_increment(cx.session(), "tag")?;
            cx.refcount_increment(cx.session(), "tag")?;
            cx.delay("put off", Duration::from_secs(1), ());
            cx.delay("put off", Duration::from_secs(2), ());
            let removed = cx.delay_set("removed", Duration::from_secs(3), ());
            cx.alarm_remove(removed)?;
            cx.delay_set("cleared", Duration::from_secs(3), ());
            cx.alarm_clear("cleared");
            cx.kernel.signal(cx.session(), "MOOD", ())?;
            let post = cx.post_set("main", "taken back", ())?;
            cx.kernel.post_remove(post)?;
            cx.yield_event("step", ());
            Session::build(()).on_start(|cx| cx.post("main", "from below", ())).spawn(&mut *cx)?;
            Session::build(())
                .on_start(|cx| -> HandlerResult {
                    cx.alias_set("moved")?;
                    Ok(())
                })
                .on_parent(|cx, _| drop(cx.alias_remove("moved")))
                .spawn(&mut *cx)?;
            cx.detach_child("moved")?;
            // Its child outlives it.
            Session::build(())
                .on_start(|cx| {
                    Session::build(())
                        .on_start(|cx| {
                            cx.delay_set("late", Duration::from_secs(1), ());
                        })
                        .on("late", |_, ()| {})
                        .spawn(&mut *cx)
                        .map(drop)
                })
                .on_child(|cx, _| {
                    let me = cx.session();
                    cx.suspend(|kernel| kernel.session_stop(me))
                })
                .spawn(&mut *cx)?;
            Ok(())
        })
        .on("ended", move |cx, _: ChildExit| -> HandlerResult {
            if gives_back {
                cx.alias_remove("main")?;
                cx.select_end(&cx.heap.handle, Mode::Read);
                cx.refcount_decrement(cx.session(), "tag")?;
                cx.refcount_decrement(cx.session(), "tag")?;
            } else {
                cx.delay_set("never", Duration::from_secs(100), ());
                cx.post("main", "never", ())?;
                cx.stop()?;
            }
            Ok(())
        })
        .on_default(|_, _| {})
        .spawn(kernel)
        .unwrap();
    kernel.run().unwrap();
}

const KINDS: [&str; 12] = [
    "alias \"main\" of session 1",
    "watch of descriptor ",
    " (Write) of session 1",
    "child process ",
    "reference \"tag\" to session 1",
    "timer \"put off\" of session 1",
    "timer \"removed\" of session 1",
    "event \"MOOD\" to session 1 from session 1",
    "event \"taken back\" to session 1 from session 1",
    "event \"from below\" to session 1 from session 2",
    "child 2 of session 1",
    "event \"_garbage_collect\" to session 1 from session 1",
];

#[test]
fn each_reference_that_comes_is_seen_to_go() {
    let (kernel, lines) = listening_kernel(Traces::REFCNT, Asserts::NONE);
    spawn_holder(&kernel, true);
    assert_balanced(&lines, &KINDS);
    assert_all_in(&lines, &["- child 3 of session 1", "+ child 3 of session kernel"]);
}

#[test]
fn what_goes_with_its_session_is_seen_to_go() {
    let (kernel, lines) = listening_kernel(Traces::REFCNT, Asserts::NONE);
    spawn_holder(&kernel, false);
    assert_balanced(&lines, &KINDS);
    assert_all_in(&lines, &["- timer \"never\" of session 1", "- event \"never\" to session 1"]);
}

#[test]
fn what_is_taken_back_is_seen_to_go_once_however_it_leaves_the_queue() {
    let (kernel, lines) = listening_kernel(Traces::REFCNT, Asserts::NONE);
    Session::build(())
        .on_start(|cx| cx.yield_event("take back", ()))
        .on("take back", |cx, ()| -> HandlerResult {
            for priority in [Priority::High, Priority::Normal, Priority::Low] {
                let ids = [(); 2].map(|()| cx.post_with(priority, cx.session(), "event", ()));
                let [first, _] = ids;
                cx.kernel.post_remove(first?)?;
            }
            // These come to what was taken back before it is cleared away.
            for _ in 0..4 {
                cx.suspend(|kernel| kernel.run_one_timeslice())?;
            }
            Ok(())
        })
        .on("event", |_, ()| {})
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_balanced(&lines, &["event \"event\" to session 1"]);
}

#[test]
fn lines_name_the_lines_of_the_program() {
    let (kernel, lines) = listening_kernel(Traces::REFCNT, Asserts::NONE);
    spawn_holder(&kernel, true);
    for what in ["+ alias \"main\"", "+ reference", "+ timer \"put off\"", "+ event", "+ child"] {
        let lines = lines.borrow();
        let of_it: Vec<_> = lines.iter().filter(|line| line.contains(what)).collect();
        let ours = of_it.iter().filter(|line| line.contains("tests/traced_references.rs line "));
        assert!(ours.count() > 0, "{of_it:#?}");
    }
}

#[test]
fn whether_the_kernel_is_idle_is_told() {
    let (kernel, lines) = listening_kernel(Traces::REFCNT, Asserts::NONE);
    Session::build(())
        .on_start(|cx| -> HandlerResult {
            cx.alias_set("idle")?;
            cx.refcount_increment(cx.session(), "tag")?;
            cx.delay_set("tick", Duration::from_secs(1), ());
            Ok(())
        })
        .on("tick", |cx, ()| cx.refcount_decrement(cx.session(), "tag").map(drop))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_all_in(
        &lines,
        &[
            "<rc> kernel is not idle: 1 sessions, 1 events and timers, 0 watched handles, 1 sessions with references, \
             0 awaited child processes",
            "<rc> kernel is idle: 1 sessions, 0 events and timers, ",
        ],
    );
}
