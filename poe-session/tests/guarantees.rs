//! What `SEMANTICS.md` promises and no other test is about.

mod common;

use std::cell::Cell;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use common::{Trace, kernel, millis, seconds, start};
use poe_kernel::{EventLoop, Interest, Key, LoopKind, Readiness, Wake};
use poe_session::prelude::*;

#[test]
fn sessions_that_a_batch_of_handles_leaves_without_work_stop_before_events_are_dispatched() {
    let (kernel, trace) = (kernel(), Trace::default());
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (ours, t, t2, t3) = (Rc::new(ours), trace.clone(), trace.clone(), trace.clone());
    Session::build(())
        .on_start(move |cx| cx.select_read(&ours, "io"))
        .on("io", move |cx, ready: Ready<UnixStream>| {
            cx.select_end(&ready.handle, ready.mode);
            t.log("read");
        })
        .on_stop(move |_| t2.log("stopped"))
        .spawn(&kernel)
        .unwrap();
    let other = Session::build(())
        .on_start(|cx| cx.alias_set("other"))
        .on("event", move |_, ()| t3.log("event"))
        .spawn(&kernel)
        .unwrap();
    kernel.run_one_timeslice().unwrap();
    theirs.write_all(b"x").unwrap();
    kernel.post(other, "event", ()).unwrap();
    kernel.run_one_timeslice().unwrap();
    assert_eq!(trace.take(), ["read", "stopped", "event"]);
    kernel.run().unwrap();
}

#[test]
fn being_known_to_others_keeps_nobody_alive() {
    struct Friends {
        _known: SessionId,
        _poster: Poster,
    }
    let kernel = kernel();
    let known = Session::build(()).spawn(&kernel).unwrap();
    let clone = kernel.clone();
    let friend = Session::build(Friends { _known: known, _poster: kernel.poster() })
        .on_start(|cx| {
            cx.delay("later", seconds(1), ());
        })
        .on("later", move |cx, ()| assert!(!cx.kernel.is_live(known)))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert!(!clone.is_live(friend));
}

#[test]
fn a_run_on_the_virtual_clock_is_the_same_each_time() {
    fn day() -> Vec<String> {
        let (kernel, trace) = (kernel(), Trace::default());
        let t = trace.clone();
        let handlers = Handlers::new()
            .on("_start", |cx: &mut Cx<'_, u64>, ()| cx.yield_event("tick", ()))
            .on("tick", move |cx, ()| {
                let passed = cx.kernel.time().duration_since(start()).unwrap();
                t.log(format!("{} at {passed:?}", cx.session()));
                if passed < seconds(24 * 3600) {
                    cx.delay_set("tick", millis(*cx.heap), ());
                }
            });
        for n in 1..=5 {
            Session::with(&handlers, n * 1_234_567).spawn(&kernel).unwrap();
        }
        kernel.run().unwrap();
        trace.take()
    }
    let first = day();
    assert!(first.len() > 100, "{}", first.len());
    assert_eq!(first, day());
}

#[test]
fn results_of_blocking_work_come_in_the_order_in_which_they_are_had() {
    let (kernel, trace) =
        (Kernel::builder().blocking_threads(2).build().unwrap(), Trace::default());
    let (go_on, wait) = mpsc::channel();
    let (t, go_on) = (trace.clone(), Cell::new(Some(go_on)));
    let wait = Cell::new(Some(wait));
    Session::build(())
        .on_start(move |cx| -> HandlerResult {
            let wait = wait.take().ok_or("it starts once")?;
            cx.blocking(move || wait.recv().map_or("alone", |()| "asked for first"), "done")
                .unwrap();
            cx.blocking(|| "asked for later", "done").unwrap();
            Ok(())
        })
        .on("done", move |_, result: Result<&str, BlockingError>| -> HandlerResult {
            t.log(result?);
            if let Some(go_on) = go_on.take() {
                go_on.send(())?;
            }
            Ok(())
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["asked for later", "asked for first"]);
}

/// A loop whose next wait fails when it is told to.
#[derive(Debug)]
struct Failing {
    inner: Box<dyn EventLoop>,
    fails: Rc<Cell<bool>>,
}

impl EventLoop for Failing {
    fn name(&self) -> &'static str {
        "failing"
    }

    fn add(&mut self, handle: Rc<dyn AsFd>, key: Key, modes: Interest) -> io::Result<()> {
        self.inner.add(handle, key, modes)
    }

    fn modify(&mut self, key: Key, modes: Interest) -> io::Result<()> {
        self.inner.modify(key, modes)
    }

    fn delete(&mut self, key: Key) -> io::Result<()> {
        self.inner.delete(key)
    }

    fn wait(&mut self, ready: &mut Vec<Readiness>, timeout: Option<Duration>) -> io::Result<()> {
        if self.fails.replace(false) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.inner.wait(ready, timeout)
    }

    fn waker(&self) -> Arc<dyn Wake> {
        self.inner.waker()
    }
}

#[test]
fn a_loop_that_fails_ends_the_run_and_leaves_the_sessions_as_they_were() {
    let (fails, trace) = (Rc::new(Cell::new(true)), Trace::default());
    let inner = LoopKind::Polling.start().unwrap();
    let event_loop = Failing { inner, fails: Rc::clone(&fails) };
    let kernel = Kernel::builder().event_loop(Box::new(event_loop)).build().unwrap();
    let t = trace.clone();
    let id = Session::build(())
        .on_start(|cx| {
            cx.yield_event("posted", ());
            cx.delay("timed", millis(1), ());
        })
        .on("posted", |_, ()| {})
        .on("timed", move |_, ()| t.log("timed"))
        .spawn(&kernel)
        .unwrap();
    let error = kernel.run().unwrap_err();
    let KernelError::EventLoop { source, .. } = &error else { panic!("{error}") };
    assert_eq!(source.kind(), io::ErrorKind::OutOfMemory);
    assert!(kernel.is_live(id) && kernel.get_event_count() > 0);
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["timed"]);
}
