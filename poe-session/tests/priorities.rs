//! Events that go ahead of all others, and events that wait until nothing else is to do.

mod common;

use std::cell::Cell;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use common::{Drops, Trace, fail, kernel, millis, seconds, start};
use poe_kernel::{Asserts, PostError, PostRemoveError, Priority, ReasonCause, Traces};
use poe_session::prelude::*;

/// A session that logs the payloads of the event `n`.
fn logging(trace: &Trace) -> Session<()> {
    let trace = trace.clone();
    Session::build(()).on("n", move |_, n: u32| trace.log(n))
}

/// A handle that is always ready, as nobody reads what is there.
fn ready_handle() -> (Rc<UnixStream>, UnixStream) {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"x").unwrap();
    (Rc::new(ours), theirs)
}

#[test]
fn high_goes_ahead_and_low_comes_last_each_in_the_order_posted() {
    let (kernel, trace) = (kernel(), Trace::default());
    let session = logging(&trace).spawn(&kernel).unwrap();
    let post = |priority, n: u32| {
        kernel.post_with(priority, session, "n", n).unwrap();
    };
    for n in 0..3 {
        post(Priority::Low, 20 + n);
        post(Priority::Normal, 10 + n);
        post(Priority::High, n);
    }
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["0", "1", "2", "10", "11", "12", "20", "21", "22"]);
}

#[test]
fn high_is_dispatched_in_the_pass_that_is_going_on() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    let session = logging(&trace)
        .on("first", move |cx, ()| {
            cx.yield_event("n", 9_u32);
            let high = |n: u32| cx.post_with(Priority::High, cx.session(), "n", n).unwrap();
            assert_ne!(high(1), high(2));
            t.log("first");
        })
        .spawn(&kernel)
        .unwrap();
    kernel.post(session, "first", ()).unwrap();
    kernel.post(session, "n", 3_u32).unwrap();
    kernel.run_one_timeslice().unwrap();
    assert_eq!(trace.take(), ["first", "1", "2", "3"]);
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["9"]);
}

#[test]
fn timers_due_before_keep_their_turn_before_high() {
    let (kernel, trace) = (kernel(), Trace::default());
    logging(&trace)
        .on_start(|cx| {
            cx.yield_event("n", 5_u32);
            cx.delay_set("n", millis(0), 1_u32);
            cx.post_with(Priority::High, cx.session(), "n", 2_u32).unwrap();
            cx.delay_set("n", millis(0), 3_u32);
            cx.alarm_set("n", start() - seconds(1), 0_u32);
            cx.post_with(Priority::High, cx.session(), "n", 4_u32).unwrap();
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["0", "1", "2", "3", "4", "5"]);
}

#[test]
fn who_always_posts_high_starves_neither_handles_nor_timers_nor_the_end_of_others() {
    let (kernel, trace) = (Kernel::new().unwrap(), Trace::default());
    let (ours, _theirs) = ready_handle();
    common::traced(&trace, "brief").spawn(&kernel).unwrap();
    kernel.run_one_timeslice().unwrap();
    let brief = common::traced(&trace, "brief").spawn(&kernel).unwrap();
    Session::build((0, false))
        .on_start(move |cx| {
            cx.select_read(&ours, "io").unwrap();
            cx.delay("timer", millis(1), ());
            cx.post_with(Priority::High, cx.session(), "again", 0_u64).unwrap();
            // Held until the first of the flood.
            cx.refcount_increment(brief, "tag").unwrap();
        })
        .on("again", move |cx, n: u64| {
            // Bounded, so that a kernel that starves something fails rather than hangs.
            assert!(n < 50_000_000, "{:?}", *cx.heap);
            if n == 0 {
                cx.kernel.post_with(Priority::High, brief, "nothing", ()).unwrap();
                cx.refcount_decrement(brief, "tag").unwrap();
            }
            if cx.heap.0 >= 3 && cx.heap.1 {
                return cx.stop();
            }
            cx.post_with(Priority::High, cx.session(), "again", n + 1).unwrap();
            Ok(())
        })
        .on("io", |cx, _: Ready<UnixStream>| cx.heap.0 += 1)
        .on("timer", |cx, ()| cx.heap.1 = true)
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

#[test]
fn a_timeslice_ends_though_somebody_always_posts_high_and_what_has_ended_is_collected() {
    let (kernel, trace) = (kernel(), Trace::default());
    let brief = common::traced(&trace, "brief").on("last", |_, ()| {}).spawn(&kernel).unwrap();
    kernel.run_one_timeslice().unwrap();
    assert_eq!(trace.take(), ["brief start(K)", "brief stop"]);
    assert!(!kernel.is_live(brief));
    let brief = common::traced(&trace, "brief").on("last", |_, ()| {}).spawn(&kernel).unwrap();
    kernel.refcount_increment(brief, "tag").unwrap();
    kernel.run_one_timeslice().unwrap();
    trace.take();
    let t = trace.clone();
    let flood = Session::build(())
        .on("again", |cx, ()| cx.post_with(Priority::High, cx.session(), "again", ()).map(drop))
        .on("timer", move |_, ()| t.log("timer"))
        .on_start(|cx| cx.delay("timer", millis(0), ()))
        .spawn(&kernel)
        .unwrap();
    kernel.post_with(Priority::High, flood, "again", ()).unwrap();
    kernel.post_with(Priority::High, brief, "last", ()).unwrap();
    kernel.refcount_decrement(brief, "tag").unwrap();
    assert!(kernel.run_one_timeslice().unwrap());
    assert_eq!(trace.take(), ["timer", "brief stop"]);
    kernel.stop().unwrap();
    assert_eq!(kernel.get_event_count(), 0);
}

#[test]
fn who_always_posts_high_has_posts_signals_and_deaths_wait_but_not_for_ever() {
    let trace = Trace::default();
    let flood = |kernel: &Kernel, fails: bool| {
        let handled = Rc::new(Cell::new(0_u32));
        let count = Rc::clone(&handled);
        let session = Session::build(())
            .on("again", move |cx, ()| {
                count.set(count.get() + 1);
                // Bounded, so that a kernel that starves something fails rather than hangs.
                assert!(count.get() < 20_000);
                cx.post_with(Priority::High, cx.session(), "again", ()).unwrap();
                if fails { fail("on purpose") } else { Ok(()) }
            })
            .spawn(kernel)
            .unwrap();
        kernel.post_with(Priority::High, session, "again", ()).unwrap();
        (session, handled)
    };
    let kernel = Kernel::builder().virtual_clock(start()).diagnostics(|_| ()).build().unwrap();
    let (session, handled) = flood(&kernel, false);
    let other = logging(&trace).spawn(&kernel).unwrap();
    kernel.post(other, "n", 1_u32).unwrap();
    kernel.signal(session, "TERM", ()).unwrap();
    kernel.run().unwrap();
    // The first was there before the pass began.
    assert_eq!((trace.take(), handled.get()), (vec!["1".to_owned()], 4097));

    let (_, handled) = flood(&kernel, true);
    let error = kernel.run().unwrap_err();
    assert!(error.to_string().contains("on purpose"), "{error}");
    assert!(handled.get() <= 2 * 4097, "{}", handled.get());
}

#[test]
fn all_that_was_posted_high_before_a_pass_goes_ahead_however_much_it_is() {
    let (kernel, trace) = (kernel(), Trace::default());
    let session = logging(&trace).spawn(&kernel).unwrap();
    kernel.post(session, "n", 10_000_u32).unwrap();
    for n in 0..10_000_u32 {
        kernel.post_with(Priority::High, session, "n", n).unwrap();
    }
    kernel.run().unwrap();
    assert_eq!(trace.take(), (0..=10_000).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn low_waits_for_events_timers_and_handles_and_comes_one_at_a_time() {
    let (kernel, trace) = (kernel(), Trace::default());
    let (ours, theirs) = ready_handle();
    let (t, t2) = (trace.clone(), trace.clone());
    Session::build(())
        .on_start(move |cx| {
            for n in 0..3_u32 {
                cx.post_with(Priority::Low, cx.session(), "low", n).unwrap();
            }
            cx.yield_event("n", 3_u32);
            cx.delay("timer", millis(0), ());
            cx.select_read(&ours, "io").unwrap();
        })
        .on("low", move |cx, n: u32| {
            t.log(format!("low {n}"));
            if n == 0 {
                cx.yield_event("n", 1_u32);
                (&theirs).write_all(b"y").unwrap();
            }
        })
        .on("n", move |cx, n: u32| {
            t2.log(n);
            if n > 0 {
                cx.yield_event("n", n - 1);
            }
        })
        .on("timer", {
            let t = trace.clone();
            move |_, ()| t.log("timer")
        })
        .on("io", {
            let t = trace.clone();
            move |cx, ready: Ready<UnixStream>| {
                let mut byte = [0];
                (&*ready.handle).read_exact(&mut byte).unwrap();
                t.log(char::from(byte[0]));
                if byte == *b"y" {
                    cx.select_end(&ready.handle, ready.mode);
                }
            }
        })
        .spawn(&kernel)
        .unwrap();
    for _ in 0..20 {
        kernel.run_one_timeslice().unwrap();
    }
    let before = ["x", "3", "timer", "2", "1", "0", "low 0"];
    assert_eq!(trace.take(), [&before[..], &["y", "1", "0", "low 1", "low 2"]].concat());
    kernel.run().unwrap();
}

#[test]
fn who_always_posts_low_starves_nothing() {
    let kernel = Kernel::new().unwrap();
    let (ours, _theirs) = ready_handle();
    let spins = Rc::new(Cell::new(0_u32));
    let s = Rc::clone(&spins);
    Session::build((0, 0))
        .on_start(move |cx| {
            cx.select_read(&ours, "io").unwrap();
            cx.delay("timer", millis(1), ());
            cx.post_with(Priority::Low, cx.session(), "again", ()).map(drop)
        })
        .on("again", move |cx, ()| {
            s.set(s.get() + 1);
            assert!(s.get() < 10_000_000, "{:?}", *cx.heap);
            cx.post_with(Priority::Low, cx.session(), "again", ()).unwrap();
            if cx.heap.0 > 3 && cx.heap.1 == 5 {
                return cx.stop();
            }
            Ok(())
        })
        .on("io", |cx, _: Ready<UnixStream>| cx.heap.0 += 1)
        .on("timer", |cx, ()| {
            cx.heap.1 += 1;
            if cx.heap.1 < 5 {
                cx.delay("timer", millis(1), ());
            }
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert!(spins.get() > 3);
}

#[test]
fn low_comes_before_the_virtual_clock_jumps_and_before_the_kernel_is_idle() {
    let (kernel, trace) = (kernel(), Trace::default());
    let (t, t2, t3) = (trace.clone(), trace.clone(), trace.clone());
    Session::build(())
        .on_start(|cx| {
            cx.alias_set("idle")?;
            cx.sig("IDLE", "idle")?;
            cx.delay("timer", seconds(1), ());
            cx.post_with(Priority::Low, cx.session(), "low", 2_u32)?;
            HandlerResult::Ok(())
        })
        .on("low", move |cx, left: u32| {
            t.log(format!("low at {}", common::elapsed(cx.kernel)));
            if left > 0 {
                cx.post_with(Priority::Low, cx.session(), "low", left - 1).unwrap();
            }
        })
        .on("timer", move |cx, ()| {
            t2.log("timer");
            cx.post_with(Priority::Low, cx.session(), "low", 0_u32).map(drop)
        })
        .on("idle", move |_, _: Signal| t3.log("idle"))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    let lows = ["low at 0"; 3];
    assert_eq!(trace.take(), [&lows[..], &["timer", "low at 1000", "idle"]].concat());
}

#[test]
fn events_of_any_priority_hold_their_sessions_are_named_and_can_be_taken_back() {
    for priority in [Priority::High, Priority::Normal, Priority::Low] {
        let (kernel, trace) = (kernel(), Trace::default());
        let tagged = |name| {
            let session = common::traced(&trace, name).on("n", |_, _: u32| {});
            let session = session.spawn(&kernel).unwrap();
            kernel.refcount_increment(session, "tag").unwrap();
            session
        };
        let receiver = tagged("receiver");
        let sender = common::traced(&trace, "sender")
            .on("send", move |cx, ()| cx.post_with(priority, receiver, "n", 1_u32).map(drop))
            .spawn(&kernel)
            .unwrap();
        kernel.refcount_increment(sender, "tag").unwrap();
        kernel.run_one_timeslice().unwrap();
        // Sent by a call, so that it is still there.
        kernel.call::<(), ()>(sender, "send", ()).unwrap();
        let queue = kernel.inspect().queue;
        assert_eq!((queue.len(), queue[0].priority, queue[0].payload), (1, priority, "u32"));
        let is_event_to = |cause: &ReasonCause| matches!(cause, ReasonCause::EventTo { sender: from, .. } if *from == sender);
        assert!(kernel.why_alive(receiver).iter().any(|reason| is_event_to(&reason.cause)));
        assert_eq!(kernel.why_alive(sender).len(), 2);
        assert_eq!(kernel.get_event_count(), 1);
        assert!(kernel.get_next_event_time().is_some());
        let text = kernel.inspect().to_string();
        let word = format!("{priority:?} priority");
        assert_eq!(text.contains(&word), priority != Priority::Normal, "{text}");
        kernel.refcount_decrement(sender, "tag").unwrap();
        kernel.refcount_decrement(receiver, "tag").unwrap();
        kernel.run().unwrap();
        assert_eq!(trace.take()[2..], ["sender stop", "receiver stop"]);

        let id = logging(&trace).spawn(&kernel).unwrap();
        let taken = kernel.post_with(priority, id, "n", 7_u32).unwrap();
        let gone = kernel.post_with(priority, id, "n", 8_u32).unwrap();
        assert_eq!(kernel.post_remove(taken).unwrap().downcast::<u32>().ok(), Some(7));
        assert_eq!(kernel.post_remove(taken).unwrap_err(), PostRemoveError::Gone(taken));
        kernel.run().unwrap();
        assert_eq!(kernel.post_remove(gone).unwrap_err(), PostRemoveError::Gone(gone));
        assert_eq!(trace.take(), ["8"]);
    }
}

#[test]
fn events_of_any_priority_go_with_their_sessions() {
    let (kernel, drops) = (kernel(), Drops::default());
    let send = |kernel: &Kernel, session| {
        for priority in [Priority::High, Priority::Normal, Priority::Low] {
            kernel.post_with(priority, session, "n", drops.token()).unwrap();
        }
    };
    let session = Session::build(()).on("n", common::never::<(), common::Token>);
    let session = session.spawn(&kernel).unwrap();
    send(&kernel, session);
    kernel.stop().unwrap();
    assert_eq!((kernel.get_event_count(), drops.count()), (0, 3));
    assert!(kernel.post_with(Priority::High, session, "n", ()).is_err());
    assert!(kernel.post_with(Priority::Low, "nobody", "n", ()).is_err());
    let nowhere = kernel.post_with(Priority::Low, SessionId::KERNEL, "n", ()).unwrap();
    assert!(kernel.post_remove(nowhere).is_err());
    kernel.run().unwrap();
    let session = Session::build(()).spawn(&kernel).unwrap();
    send(&kernel, session);
    drop(kernel);
    assert_eq!(drops.count(), 6);
}

#[test]
fn events_of_any_priority_count_where_there_is_a_bound() {
    let kernel = Kernel::builder().virtual_clock(start()).max_events(6).build().unwrap();
    let trace = Trace::default();
    let session = logging(&trace).spawn(&kernel).unwrap();
    // Its birth is the first.
    for (n, priority) in [Priority::Low, Priority::High, Priority::Normal].into_iter().enumerate() {
        kernel.post_with(priority, session, "n", n as u32).unwrap();
    }
    kernel.post(session, "n", 3_u32).unwrap();
    let taken = kernel.post_with(Priority::Low, session, "n", 4_u32).unwrap();
    for priority in [Priority::High, Priority::Normal, Priority::Low] {
        let refused = kernel.post_with(priority, session, "n", 5_u32).unwrap_err();
        assert!(matches!(refused, PostError::QueueFull { limit: 6, .. }), "{refused}");
    }
    assert!(matches!(kernel.post(session, "n", 5_u32), Err(PostError::QueueFull { .. })));
    // What is taken back makes room at once, whatever its priority.
    kernel.post_remove(taken).unwrap();
    let taken = kernel.post_set(session, "n", 5_u32).unwrap();
    kernel.post_remove(taken).unwrap();
    kernel.post(session, "n", 6_u32).unwrap();
    assert_eq!(kernel.get_event_count(), 6);
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["1", "2", "3", "6", "0"]);
}

#[test]
fn a_death_in_an_event_of_any_priority_ends_the_run() {
    for priority in [Priority::High, Priority::Low] {
        let kernel =
            Kernel::builder().virtual_clock(start()).asserts(Asserts::DATA).build().unwrap();
        let session = Session::build(())
            .on("fail", |_, ()| fail("on purpose"))
            .on("never", common::never::<(), ()>)
            .spawn(&kernel)
            .unwrap();
        kernel.post_with(priority, session, "fail", ()).unwrap();
        if priority == Priority::Low {
            kernel.post_with(priority, session, "never", ()).unwrap();
        }
        let error = kernel.run().unwrap_err();
        assert!(error.to_string().contains("on purpose"), "{error}");
        assert_eq!((kernel.session_count(), kernel.get_event_count()), (0, 0));
    }
}

#[test]
fn a_nested_turn_dispatches_high_with_all_else_and_low_after_it() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    logging(&trace)
        .on_start(|cx| cx.yield_event("outer", ()))
        .on("outer", move |cx, ()| {
            for (priority, n) in
                [(Priority::Low, 2_u32), (Priority::Normal, 1), (Priority::High, 0)]
            {
                cx.post_with(priority, cx.session(), "n", n).unwrap();
            }
            for _ in 0..2 {
                cx.suspend(|kernel| kernel.run_one_timeslice()).unwrap();
                t.log("turn");
            }
            assert_eq!(cx.kernel.get_event_count(), 0);
            let id = cx.post_with(Priority::High, cx.session(), "n", 3_u32).unwrap();
            cx.kernel.post_remove(id).unwrap();
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["0", "1", "turn", "2", "turn"]);
}

#[test]
fn who_looks_sees_events_of_any_priority() {
    let lines = Trace::default();
    let l = lines.clone();
    let kernel = Kernel::builder()
        .virtual_clock(start())
        .diagnostics(move |diagnostic| l.log(diagnostic))
        .traces(Traces::EVENTS)
        .asserts(Asserts::DATA)
        .profiling(true)
        .build()
        .unwrap();
    let trace = Trace::default();
    let session = logging(&trace).spawn(&kernel).unwrap();
    for (priority, n) in [(Priority::Low, 2_u32), (Priority::Normal, 1), (Priority::High, 0)] {
        kernel.post_with(priority, session, "n", n).unwrap();
    }
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["0", "1", "2"]);
    let lines = lines.take().join("\n");
    for word in ["High priority", "Low priority"] {
        assert!(lines.contains(word), "{lines}");
    }
    assert!(!lines.contains("Normal priority") && !lines.contains("counts"), "{lines}");
}
