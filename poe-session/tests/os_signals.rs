//! Signals of the operating system: none is lost, each kernel that watches gets its own, and toolkits' windows close.
//!
//! They are the whole process's: each test has its own signals.

mod common;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use common::{Trace, never, traced_start};
use nix::sys::signal::{Signal as Os, raise};
use poe_kernel::{EventLoop, Interest, Key, LoopKind, Readiness, UiDestroy, Wake};
use poe_session::prelude::*;

const LOOPS: [LoopKind; 3] = [LoopKind::Polling, LoopKind::Poll, LoopKind::Select];

fn kernel(kind: LoopKind) -> Kernel {
    let builder = Kernel::builder().loop_kind(kind);
    builder.diagnostics(|diagnostic| panic!("{diagnostic}")).build().unwrap()
}

#[test]
fn different_signals_come_in_the_order_they_came_in_and_behind_what_is_queued() {
    for kind in LOOPS {
        let (kernel, trace) = (kernel(kind), Trace::default());
        let (t, t2) = (trace.clone(), trace.clone());
        Session::build(())
            .on_start(|cx| -> HandlerResult {
                for signal in ["USR1", "USR2", "PROF"] {
                    cx.sig(signal, "signal")?;
                }
                cx.yield_event("queued", 1);
                for signal in [Os::SIGUSR2, Os::SIGPROF, Os::SIGUSR1, Os::SIGUSR2] {
                    raise(signal)?;
                }
                cx.yield_event("queued", 2);
                cx.refcount_increment(cx.session(), "wait")?;
                Ok(())
            })
            .on("queued", move |_, number: i32| t.log(number))
            .on("signal", move |cx, signal: Signal| -> HandlerResult {
                t2.log(signal.name);
                if signal.name == "USR1" {
                    cx.yield_event("end", ());
                }
                Ok(())
            })
            .on("end", |cx, ()| cx.refcount_decrement(cx.session(), "wait").map(drop))
            .spawn(&kernel)
            .unwrap();
        kernel.run().unwrap();
        assert_eq!(trace.take(), ["1", "2", "USR2", "PROF", "USR1", "USR2"]);
    }
}

#[test]
fn none_is_lost_at_whatever_moment_and_in_whatever_thread_it_comes() {
    const THREADS: usize = 2;
    const EACH: usize = 5_000;
    for kind in LOOPS {
        let kernel = kernel(kind);
        let threads = Rc::new(RefCell::new(Vec::new()));
        let t = threads.clone();
        let id = Session::build((0_usize, 0_u64))
            .on_start(move |cx| -> HandlerResult {
                cx.sig("URG", "signal")?;
                cx.refcount_increment(cx.session(), "wait")?;
                for _ in 0..THREADS {
                    // What a thread raises has been handled when `raise` returns: none is merged with the next.
                    let raiser = || (0..EACH).for_each(|_| raise(Os::SIGURG).unwrap());
                    t.borrow_mut().push(std::thread::spawn(raiser));
                }
                cx.yield_event("work", ());
                Ok(())
            })
            .on("work", |cx, ()| {
                // In turns it works and waits.
                cx.heap.1 += 1;
                if cx.heap.1 % 100 == 0 {
                    cx.delay("work", Duration::from_micros(50), ());
                } else if cx.heap.0 < THREADS * EACH {
                    cx.yield_event("work", ());
                }
            })
            .on("signal", |cx, _: Signal| -> HandlerResult {
                cx.heap.0 += 1;
                if cx.heap.0 == THREADS * EACH {
                    cx.refcount_decrement(cx.session(), "wait")?;
                }
                Ok(())
            })
            .on_stop(|cx| assert_eq!(cx.heap.0, THREADS * EACH))
            .spawn(&kernel)
            .unwrap();
        kernel.run().unwrap();
        assert!(!kernel.is_live(id));
        for thread in threads.take() {
            thread.join().unwrap();
        }
    }
}

#[test]
fn each_kernel_that_watches_a_signal_gets_it_each_time() {
    const TIMES: usize = 50;
    let (watch, end) = (Arc::new(Barrier::new(3)), Arc::new(Barrier::new(4)));
    let heard = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = [true, true, false]
        .into_iter()
        .map(|watches| {
            let (watch, end, heard) = (watch.clone(), end.clone(), heard.clone());
            std::thread::spawn(move || {
                let kernel = Kernel::new().unwrap();
                Session::build(0)
                    .on_start(move |cx| -> HandlerResult {
                        if watches {
                            cx.sig("CONT", "signal")?;
                            cx.refcount_increment(cx.session(), "wait")?;
                            watch.wait();
                        }
                        Ok(())
                    })
                    .on("signal", move |cx, _: Signal| -> HandlerResult {
                        assert!(watches);
                        *cx.heap += 1;
                        heard.fetch_add(1, Ordering::SeqCst);
                        if *cx.heap == TIMES {
                            cx.refcount_decrement(cx.session(), "wait")?;
                        }
                        Ok(())
                    })
                    .spawn(&kernel)
                    .unwrap();
                kernel.run().unwrap();
                end.wait();
            })
        })
        .collect();
    watch.wait();
    for _ in 0..TIMES {
        raise(Os::SIGCONT).unwrap();
    }
    end.wait();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(heard.load(Ordering::SeqCst), 2 * TIMES);
}

#[test]
fn what_came_before_its_last_watch_ended_is_still_told() {
    for kind in LOOPS {
        let (kernel, trace) = (kernel(kind), Trace::default());
        let t = trace.clone();
        Session::build(())
            .on_start(|cx| -> HandlerResult {
                cx.sig("WINCH", "signal")?;
                raise(Os::SIGWINCH)?;
                raise(Os::SIGWINCH)?;
                cx.sig_ignore("WINCH");
                // Nobody watches this one.
                raise(Os::SIGWINCH)?;
                cx.sig("WINCH", "again")?;
                Ok(())
            })
            .on("signal", never::<_, Signal>)
            .on("again", move |_, signal: Signal| t.log(signal.name))
            .spawn(&kernel)
            .unwrap();
        kernel.run().unwrap();
        assert_eq!(trace.take(), ["WINCH", "WINCH"]);
    }
}

// Conformance: KRG-02
#[test]
fn a_broken_pipe_is_told_to_all_who_watch_and_harms_nobody() {
    for kind in LOOPS {
        let (kernel, trace) = (kernel(kind), Trace::default());
        let broken = || {
            let (_, mut writer) = io::pipe().unwrap();
            assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        };
        let watcher = |name: &'static str| {
            let t = trace.clone();
            traced_start(&trace, name, |cx| {
                cx.sig("PIPE", "signal").unwrap();
                cx.alias_set(format!("{}", cx.session())).unwrap();
            })
            .on("signal", move |_, signal: Signal| t.log(format!("{name} {}", signal.name)))
            .spawn(&kernel)
            .unwrap();
        };
        watcher("A");
        watcher("B");
        Session::build(())
            .on_start(move |cx| -> HandlerResult {
                broken();
                cx.yield_event("later", ());
                Ok(())
            })
            .on("later", |_, ()| {})
            .spawn(&kernel)
            .unwrap();
        kernel.run().unwrap();
        let lines = ["A start(K)", "B start(K)", "B PIPE", "A PIPE", "B stop", "A stop"];
        assert_eq!(trace.take(), lines);
        broken();
    }
}

#[test]
fn names_that_no_program_may_catch_are_names_like_any_other() {
    let kernel = kernel(LoopKind::default());
    let names = ["KILL", "STOP", "SEGV", "ILL", "FPE", "NUM33", "RTMIN", "CLD", "__WARN__", "int"];
    Session::build(Vec::new())
        .on_start(move |cx| -> HandlerResult {
            for name in names {
                cx.sig(name, "signal")?;
                cx.signal(cx.session(), name, ())?;
            }
            Ok(())
        })
        .on("signal", |cx, signal: Signal| {
            cx.sig_handled();
            cx.heap.push(signal.name);
        })
        .on_stop(move |cx| assert!(cx.heap.iter().copied().eq(names.map(Name::new))))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

#[test]
fn who_watches_is_settled_before_the_walk_begins() {
    let (kernel, trace) = (kernel(LoopKind::default()), Trace::default());
    let (t, t2) = (trace.clone(), trace.clone());
    traced_start(&trace, "above", move |cx| {
        cx.alias_set("above").unwrap();
        cx.sig("FOO", "signal").unwrap();
        let t = t.clone();
        traced_start(&t.clone(), "below", |cx| {
            cx.alias_set("below").unwrap();
            cx.sig("FOO", "signal").unwrap();
        })
        .on("signal", move |cx, _: Signal| {
            t.log("below FOO");
            cx.call::<(), _>("above", "change", ()).unwrap();
        })
        .spawn(cx)
        .unwrap();
    })
    .on("change", |cx, ()| -> HandlerResult {
        cx.sig_ignore("FOO");
        cx.sig("FOO", "too late")?;
        Ok(())
    })
    .on("signal", move |_, _: Signal| t2.log("above FOO"))
    .on("too late", never::<_, Signal>)
    .spawn(&kernel)
    .unwrap();
    trace.take();
    kernel.signal("above", "FOO", ()).unwrap();
    kernel.run_one_timeslice().unwrap();
    assert_eq!(trace.take(), ["below FOO", "above FOO"]);
    kernel.stop().unwrap();
}

/// A toolkit's loop, whose callbacks run while it waits.
#[derive(Default)]
struct Toolkit {
    waits: Cell<u32>,
    close: Rc<RefCell<Option<UiDestroy>>>,
    woken: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Woken(Arc<AtomicUsize>);

impl Wake for Woken {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl fmt::Debug for Toolkit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Toolkit")
    }
}

impl EventLoop for Toolkit {
    fn name(&self) -> &'static str {
        "toolkit"
    }

    fn add(&mut self, _: Rc<dyn AsFd>, _: Key, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn modify(&mut self, _: Key, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn delete(&mut self, _: Key) -> io::Result<()> {
        Ok(())
    }

    fn wait(&mut self, _: &mut Vec<Readiness>, _: Option<Duration>) -> io::Result<()> {
        self.waits.set(self.waits.get() + 1);
        assert!(self.waits.get() < 100, "it was not woken");
        if self.waits.get() == 3
            && let Some(close) = &*self.close.borrow()
        {
            close.notify();
        }
        Ok(())
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::new(Woken(self.woken.clone()))
    }
}

#[test]
fn a_window_that_is_closed_ends_all_sessions_whatever_they_say() {
    let toolkit = Toolkit::default();
    let (close, woken) = (toolkit.close.clone(), toolkit.woken.clone());
    let kernel = Kernel::builder().event_loop(Box::new(toolkit)).build().unwrap();
    let trace = Trace::default();
    let (t, c) = (trace.clone(), close.clone());
    traced_start(&trace, "S", move |cx| {
        cx.sig("UIDESTROY", "destroyed").unwrap();
        cx.refcount_increment(cx.session(), "window").unwrap();
        c.replace(Some(cx.signal_ui_destroy()));
    })
    .on("destroyed", move |cx, signal: Signal| {
        cx.sig_handled();
        t.log(signal.name);
    })
    .spawn(&kernel)
    .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["S start(K)", "UIDESTROY", "S stop"]);
    assert_eq!(woken.load(Ordering::SeqCst), 1);
    // With no session left, or no kernel, it is nothing.
    let close = close.take().unwrap();
    close.notify();
    assert_eq!((kernel.get_event_count(), woken.load(Ordering::SeqCst)), (0, 1));
    drop(kernel);
    close.notify();
}
