//! Passes so long that handles are looked at in the middle of them.

mod common;

use std::cell::Cell;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use common::{NoWait, Trace, kernel, start};
use poe_kernel::{Asserts, EventLoop, Interest, Key, Readiness, Wake};
use poe_session::prelude::*;

const MANY: u32 = 100_000;

/// Has many events in one pass, the first of which makes a handle ready.
struct Busy {
    trace: Trace,
    ours: Rc<UnixStream>,
    theirs: UnixStream,
    done: u32,
}

impl Busy {
    /// One that has a child with nothing to do, queues the many, and then does whatever else there is to do when the
    /// handle is ready.
    fn build(
        trace: &Trace,
        queue: fn(&mut Cx<'_, Self>, u32),
        ready: fn(&mut Cx<'_, Self>),
    ) -> Session<Self> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let busy = Self { trace: trace.clone(), ours: Rc::new(ours), theirs, done: 0 };
        let session = Session::build(busy)
            .on_start(move |cx| {
                cx.select_read(&cx.heap.ours, "io").unwrap();
                common::traced(&cx.heap.trace.clone(), "brief").spawn(&mut *cx).unwrap();
                for n in 0..MANY {
                    queue(cx, n);
                }
            })
            .on("n", Self::count)
            .on("io", move |cx, handle: Ready<UnixStream>| {
                cx.select_end(&handle.handle, handle.mode);
                assert_ne!(cx.heap.done, 0);
                let word = if cx.heap.done < MANY / 10 { "ready soon" } else { "ready late" };
                cx.heap.trace.log(word);
                ready(cx);
            });
        let log = |cx: &mut Cx<'_, Self>, ()| cx.heap.trace.log(cx.event());
        ["older", "past", "next", "late"]
            .into_iter()
            .fold(session, |session, name| session.on(name, log))
    }

    fn count(cx: &mut Cx<'_, Self>, n: u32) {
        assert_eq!(n, cx.heap.done, "out of order");
        cx.heap.done += 1;
        if n == 0 {
            cx.heap.theirs.write_all(b"x").unwrap();
            cx.yield_event("next", ());
            cx.alarm_set("past", start() - common::seconds(1), ());
        }
        if cx.heap.done == MANY {
            cx.heap.trace.log("all");
        }
    }

    fn post(cx: &mut Cx<'_, Self>, n: u32) {
        cx.yield_event("n", n);
    }

    fn time(cx: &mut Cx<'_, Self>, n: u32) {
        cx.delay_set("n", Duration::ZERO, n);
    }
}

#[test]
fn handles_are_looked_at_in_the_middle_of_a_pass_that_goes_on_as_if_they_had_not_been() {
    let either = |cx: &mut Cx<'_, Busy>, n: u32| {
        let queue = if n.is_multiple_of(3) { Busy::time } else { Busy::post };
        queue(cx, n);
    };
    for queue in [Busy::post, Busy::time, either] {
        let (kernel, trace) = (kernel(), Trace::default());
        let late = |cx: &mut Cx<'_, Busy>| {
            cx.yield_event("late", ());
            cx.alarm_set("older", start() - common::seconds(2), ());
        };
        Busy::build(&trace, queue, late).spawn(&kernel).unwrap();
        kernel.run().unwrap();
        let lines = trace.take();
        let before = ["brief start(?)", "ready soon", "all", "brief stop"];
        assert_eq!(lines, [&before[..], &["older", "past", "next", "late"]].concat());
    }
}

#[test]
fn a_single_timeslice_has_its_pass_without_a_break() {
    let (kernel, trace) = (kernel(), Trace::default());
    Busy::build(&trace, Busy::post, |_| {}).spawn(&kernel).unwrap();
    kernel.run_one_timeslice().unwrap();
    assert_eq!(trace.take(), ["brief start(?)", "all", "brief stop"]);
    kernel.run_one_timeslice().unwrap();
    assert_eq!(trace.take(), ["ready late", "past", "next"]);
}

#[test]
fn what_is_told_of_in_the_middle_of_a_pass_and_posts_much_leaves_the_pass_its_share() {
    const MUCH: u32 = 10_000;
    let (kernel, posted) = (kernel(), Rc::new(Cell::new(0)));
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"x").unwrap();
    let (ours, p) = (Rc::new(ours), Rc::clone(&posted));
    Session::build(0)
        .on_start(move |cx| {
            cx.select_read(&ours, "io").unwrap();
            (0..MANY).for_each(|_| cx.yield_event("n", ()));
        })
        .on("n", |cx, ()| {
            *cx.heap += 1;
            if *cx.heap == MANY {
                cx.stop().unwrap();
            }
        })
        .on("io", move |cx, _: Ready<UnixStream>| {
            (0..MUCH).for_each(|_| cx.yield_event("more", ()));
            p.set(p.get() + MUCH);
        })
        .on("more", |cx, ()| cx.stop())
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    // Once, that was before the pass.
    assert!((2 * MUCH..=MUCH + MANY / 2 + MUCH).contains(&posted.get()), "{}", posted.get());
}

#[test]
fn the_rest_of_a_pass_may_be_taken_back_in_the_middle_of_it() {
    let (kernel, trace) = (Kernel::new().unwrap(), Trace::default());
    let remove = |cx: &mut Cx<'_, Busy>| {
        assert_eq!(cx.alarm_remove_all().len() as u32 - 1, MANY - cx.heap.done);
    };
    Busy::build(&trace, Busy::time, remove).spawn(&kernel).unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["brief start(?)", "ready soon", "brief stop", "next"]);
}

#[test]
fn who_stops_all_in_the_middle_of_a_pass_leaves_nothing_of_it() {
    let (kernel, trace) = (kernel(), Trace::default());
    for _ in 0..2 {
        Busy::build(&trace, Busy::post, |cx| cx.stop().unwrap()).spawn(&kernel).unwrap();
        kernel.run().unwrap();
        assert_eq!(trace.take(), ["brief start(?)", "ready soon", "brief stop"]);
        assert_eq!((kernel.session_count(), kernel.get_event_count()), (0, 0));
    }
}

#[test]
fn a_turn_nested_in_the_middle_of_a_pass_runs_what_is_left_of_it() {
    let (kernel, trace) = (kernel(), Trace::default());
    let nested = |cx: &mut Cx<'_, Busy>| {
        assert!(cx.suspend(|kernel| kernel.run_one_timeslice()).unwrap());
        assert_eq!(cx.heap.done, MANY);
        cx.heap.trace.log("nested");
    };
    Busy::build(&trace, Busy::post, nested).spawn(&kernel).unwrap();
    kernel.run().unwrap();
    let rest = ["past", "all", "next", "brief stop", "nested"];
    assert_eq!(trace.take(), [&["brief start(?)", "ready soon"][..], &rest].concat());
}

#[test]
fn a_death_in_the_middle_of_a_pass_waits_for_what_was_queued_before() {
    let trace = Trace::default();
    let kernel = Kernel::builder().virtual_clock(start()).build().unwrap();
    let t = trace.clone();
    Busy::build(&trace, Busy::post, |_| panic!("on purpose"))
        .on_stop(move |_| t.log("stop"))
        .spawn(&kernel)
        .unwrap();
    let run = std::panic::AssertUnwindSafe(|| kernel.run());
    std::panic::catch_unwind(run).unwrap_err();
    let rest = ["all", "brief stop", "past", "next", "stop"];
    assert_eq!(trace.take(), [&["brief start(?)", "ready soon"][..], &rest].concat());
}

/// Fails once, when it is asked the second time.
#[derive(Debug)]
struct Failing(NoWait, Cell<u32>);

impl EventLoop for Failing {
    fn name(&self) -> &'static str {
        "failing"
    }

    fn add(&mut self, handle: Rc<dyn AsFd>, key: Key, interest: Interest) -> io::Result<()> {
        self.0.add(handle, key, interest)
    }

    fn modify(&mut self, key: Key, interest: Interest) -> io::Result<()> {
        self.0.modify(key, interest)
    }

    fn delete(&mut self, key: Key) -> io::Result<()> {
        self.0.delete(key)
    }

    fn wait(&mut self, ready: &mut Vec<Readiness>, timeout: Option<Duration>) -> io::Result<()> {
        self.1.set(self.1.get() + 1);
        if self.1.get() == 2 {
            Err(io::Error::other("failed"))
        } else {
            self.0.wait(ready, timeout)
        }
    }

    fn waker(&self) -> Arc<dyn Wake> {
        self.0.waker()
    }
}

#[test]
fn a_pass_in_the_middle_of_which_the_loop_fails_goes_on_when_the_kernel_runs_again() {
    let trace = Trace::default();
    let event_loop = Box::new(Failing(NoWait::default(), Cell::new(0)));
    let kernel = Kernel::builder()
        .virtual_clock(start())
        .event_loop(event_loop)
        .asserts(Asserts::DATA)
        .build()
        .unwrap();
    let t = trace.clone();
    Session::build(0)
        .on_start(|cx| (0..MANY).for_each(|n| cx.yield_event("n", n)))
        .on("n", move |cx, n: u32| {
            assert_eq!(n, *cx.heap);
            *cx.heap += 1;
            if n == 0 {
                cx.yield_event("next", ());
            }
            if *cx.heap == MANY {
                t.log("all");
            }
        })
        .on("next", |_, ()| {})
        .spawn(&kernel)
        .unwrap();
    common::traced(&trace, "brief").spawn(&kernel).unwrap();
    assert!(matches!(kernel.run(), Err(KernelError::EventLoop { .. })));
    assert_eq!(trace.take(), ["brief start(K)"]);
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["all", "brief stop"]);
}
