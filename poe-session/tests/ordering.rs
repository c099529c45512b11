//! The order in which events come.

mod common;

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use common::{Trace, kernel, millis, seconds, start};
use poe_kernel::{PostError, PostRemoveError, ReasonCause};
use poe_session::prelude::*;

fn logging(trace: &Trace, name: &'static str) -> impl Fn(&mut Cx<'_, ()>, ()) + 'static {
    let trace = trace.clone();
    move |_, ()| trace.log(name)
}

// Conformance: KRA-21
#[test]
fn a_past_timer_goes_first_and_all_else_as_it_was_sent() {
    let (kernel, trace) = (kernel(), Trace::default());
    Session::build(())
        .on_start(|cx| {
            cx.yield_event("a", ());
            cx.alarm("b", start() - seconds(10), ());
            cx.yield_event("c", ());
            cx.delay("d", millis(0), ());
            cx.post(cx.session(), "e", ()).unwrap();
        })
        .on("a", logging(&trace, "a"))
        .on("b", logging(&trace, "b"))
        .on("c", logging(&trace, "c"))
        .on("d", logging(&trace, "d"))
        .on("e", logging(&trace, "e"))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["b", "a", "c", "d", "e"]);
}

#[test]
fn the_same_order_holds_on_the_real_clock() {
    let kernel = Kernel::new().unwrap();
    let trace = Trace::default();
    Session::build(())
        .on_start(|cx| {
            let now = cx.kernel.time();
            cx.yield_event("a", ());
            cx.alarm_set("past", now - seconds(10), ());
            cx.yield_event("c", ());
            cx.delay_set("d", millis(0), ());
            cx.alarm_set("longer past", now - seconds(11), ());
            cx.yield_event("e", ());
        })
        .on("a", logging(&trace, "a"))
        .on("past", logging(&trace, "past"))
        .on("longer past", logging(&trace, "longer past"))
        .on("c", logging(&trace, "c"))
        .on("d", logging(&trace, "d"))
        .on("e", logging(&trace, "e"))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["longer past", "past", "a", "c", "d", "e"]);
}

// Conformance: KRB-23
#[test]
fn posts_are_first_come_first_served_across_sessions() {
    let (kernel, trace) = (kernel(), Trace::default());
    let mut sessions = Vec::new();
    for _ in 0..5 {
        let trace = trace.clone();
        let handler = move |_: &mut Cx<'_, ()>, n: u32| trace.log(n);
        sessions.push(Session::build(()).on("n", handler).spawn(&kernel).unwrap());
    }
    for n in 0..100_u32 {
        kernel.post(sessions[(n * 7 % 5) as usize], "n", n).unwrap();
    }
    assert_eq!(kernel.get_event_count(), 105);
    kernel.run().unwrap();
    assert_eq!(trace.take(), (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn what_a_handler_posts_waits_for_the_next_pass() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    Session::build(())
        .on_start(|cx| {
            for n in 0..3_u32 {
                cx.yield_event("n", n);
            }
        })
        .on("n", move |cx, n: u32| {
            t.log(n);
            if n < 6 {
                cx.yield_event("n", n + 3);
            }
        })
        .spawn(&kernel)
        .unwrap();
    for generation in [["0", "1", "2"], ["3", "4", "5"], ["6", "7", "8"]] {
        kernel.run_one_timeslice().unwrap();
        assert_eq!(trace.take(), generation);
    }
    kernel.run().unwrap();
}

#[test]
fn handles_go_first_read_before_write_then_past_timers_then_posts() {
    let (kernel, trace) = (kernel(), Trace::default());
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"x").unwrap();
    let (ours, t) = (Rc::new(ours), trace.clone());
    Session::build(())
        .on_start(move |cx| {
            cx.yield_event("post", ());
            cx.alarm("past", start() - seconds(1), ());
            cx.select_write(&ours, "io").unwrap();
            cx.select_read(&ours, "io").unwrap();
        })
        .on("io", move |cx, ready: Ready<UnixStream>| {
            t.log(format!("{:?}", ready.mode));
            cx.kernel.select_end(&ready.handle, ready.mode);
        })
        .on("past", logging(&trace, "past"))
        .on("post", logging(&trace, "post"))
        .spawn(&kernel)
        .unwrap();
    kernel.run_one_timeslice().unwrap();
    assert_eq!(trace.take(), ["Read", "Write", "past", "post"]);
    kernel.run().unwrap();
}

#[test]
fn handles_are_looked_at_between_generations_of_a_session_that_yields_for_ever() {
    let kernel = Kernel::new().unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"x").unwrap();
    let ours = Rc::new(ours);
    Session::build(false)
        .on_start(move |cx| {
            cx.select_read(&ours, "io").unwrap();
            cx.delay("timer", millis(1), ());
            cx.yield_event("spin", 0_u64);
        })
        .on("spin", |cx, n: u64| {
            // Bounded, so that a kernel that starves its handles fails rather than hangs.
            if n < 50_000_000 {
                cx.yield_event("spin", n + 1);
            }
        })
        .on("io", |cx, ready: Ready<UnixStream>| {
            *cx.heap = true;
            cx.select_end(&ready.handle, ready.mode);
        })
        .on("timer", |cx, ()| {
            assert!(*cx.heap, "the timer came and the handle did not");
            cx.stop().unwrap();
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

#[test]
fn slow_events_behind_quick_ones_have_handles_wait_once_and_then_for_one_event_each() {
    const QUICK: u32 = 100_000;
    let kernel = Kernel::new().unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let ours = Rc::new(ours);
    // How many slow ones there have been since the handle is ready, if it is, and how many before it was seen.
    let (ready, waits) = (Rc::new(Cell::new(None)), Rc::new(RefCell::new(Vec::new())));
    let (r, w) = (Rc::clone(&ready), Rc::clone(&waits));
    Session::build(())
        .on_start(move |cx| {
            cx.select_read(&ours, "io").unwrap();
            cx.yield_event("next", 0_u32);
        })
        .on("next", move |cx, n: u32| {
            cx.yield_event("next", n + 1);
            if n < QUICK {
                return;
            }
            if ready.get().is_none() {
                (&theirs).write_all(b"x").unwrap();
            }
            ready.set(Some(ready.get().unwrap_or(0) + 1));
            let started = Instant::now();
            while started.elapsed() < Duration::from_micros(100) {
                std::hint::spin_loop();
            }
        })
        .on("io", move |cx, io: Ready<UnixStream>| {
            let mut octet = [0];
            (&*io.handle).read_exact(&mut octet).unwrap();
            w.borrow_mut().extend(r.take());
            if w.borrow().len() == 5 {
                cx.stop().unwrap();
            }
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    let waits = waits.take();
    assert!(waits[0] <= 257 && waits[1..].iter().all(|wait| *wait <= 2), "{waits:?}");
}

#[test]
fn a_timer_set_for_the_past_during_a_pass_waits_for_the_next() {
    let (kernel, trace) = (kernel(), Trace::default());
    let (t, t2) = (trace.clone(), trace.clone());
    Session::build(())
        .on_start(|cx| {
            cx.alarm("again", start() - seconds(1), 3_u32);
            cx.yield_event("post", ());
        })
        .on("again", move |cx, left: u32| {
            t.log(left);
            if left > 0 {
                cx.alarm_set("again", start() - seconds(100), left - 1);
            }
        })
        .on("post", move |_, ()| t2.log("post"))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["3", "post", "2", "1", "0"]);
}

#[test]
fn a_timer_that_always_sets_itself_for_the_past_starves_no_handle() {
    let kernel = Kernel::new().unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"x").unwrap();
    let ours = Rc::new(ours);
    Session::build(())
        .on_start(move |cx| {
            cx.select_read(&ours, "io").unwrap();
            cx.alarm("again", cx.kernel.time() - seconds(1), 0_u32);
        })
        .on("again", |cx, n: u32| {
            assert!(n < 1_000_000, "starved");
            cx.alarm("again", cx.kernel.time() - seconds(1), n + 1);
        })
        .on("io", |cx, _: Ready<UnixStream>| cx.stop())
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

// Conformance: KRA-20
#[test]
fn timers_of_one_moment_fire_in_the_order_set_across_sessions() {
    let (kernel, trace) = (kernel(), Trace::default());
    let at = start() + seconds(5);
    for name in ["one", "two", "three"] {
        let t = trace.clone();
        Session::build(())
            .on_start(move |cx| {
                cx.alarm("at", at, ());
                cx.delay("too", seconds(5), ());
            })
            .on("at", logging(&trace, name))
            .on("too", move |_, ()| t.log(format!("{name} too")))
            .spawn(&kernel)
            .unwrap();
    }
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["one", "one too", "two", "two too", "three", "three too"]);
}

// Conformance: QUE-20, QUE-21
#[test]
fn a_moved_timer_goes_behind_its_new_equals_unless_it_did_not_move() {
    let (kernel, trace) = (kernel(), Trace::default());
    Session::build(())
        .on_start(|cx| {
            let at = |n| start() + seconds(n);
            let a = cx.alarm_set("a", at(1), ());
            let b = cx.alarm_set("b", at(2), ());
            cx.alarm_set("c", at(3), ());
            let two = Shift::Later(seconds(2));
            assert_eq!(cx.alarm_adjust(a, two), Ok(at(3)));
            assert_eq!(cx.alarm_adjust(b, Shift::Later(seconds(1))), Ok(at(3)));
            // Stays before its equals.
            let d = cx.alarm_set("d", at(4), ());
            cx.alarm_set("e", at(4), ());
            assert_eq!(cx.alarm_adjust(d, Shift::Later(seconds(0))), Ok(at(4)));
            assert_eq!(cx.delay_adjust(d, seconds(4)), Ok(at(4)));
            let f = cx.alarm_set("f", at(3), ());
            assert_eq!(cx.alarm_adjust(f, Shift::Earlier(seconds(10))), Ok(start() - seconds(7)));
        })
        .on("a", logging(&trace, "a"))
        .on("b", logging(&trace, "b"))
        .on("c", logging(&trace, "c"))
        .on("d", logging(&trace, "d"))
        .on("e", logging(&trace, "e"))
        .on("f", logging(&trace, "f"))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["f", "c", "a", "b", "d", "e"]);
}

#[test]
fn everything_due_in_a_pass_runs_before_the_sessions_done_are_collected() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    let first = Session::build(())
        .on("last", logging(&trace, "last event of first"))
        .on_stop(move |_| t.log("first stopped"))
        .spawn(&kernel)
        .unwrap();
    let second = Session::build(()).on("n", logging(&trace, "second")).spawn(&kernel).unwrap();
    kernel.post(first, "last", ()).unwrap();
    kernel.post(second, "n", ()).unwrap();
    kernel.run_one_timeslice().unwrap();
    assert_eq!(trace.take(), ["last event of first", "second", "first stopped"]);
}

#[test]
fn a_session_that_is_given_work_again_in_the_same_pass_lives_on() {
    let kernel = kernel();
    let runs = Rc::new(Cell::new(0_u32));
    let r = runs.clone();
    let sleepy =
        Session::build(()).on("wake", move |_, ()| r.set(r.get() + 1)).spawn(&kernel).unwrap();
    kernel.post(sleepy, "wake", ()).unwrap();
    Session::build(())
        .on_start(|cx| cx.yield_event("rouse", ()))
        .on("rouse", move |cx, ()| cx.post(sleepy, "wake", ()))
        .spawn(&kernel)
        .unwrap();
    kernel.run_one_timeslice().unwrap();
    assert!(kernel.is_live(sleepy));
    kernel.run().unwrap();
    assert_eq!(runs.get(), 2);
}

#[test]
fn what_was_posted_can_be_taken_back_by_its_sender_until_it_is_dispatched() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    let receiver = Session::build(())
        .on_start(|cx| cx.alias_set("receiver").unwrap())
        .on("work", move |_, n: u32| t.log(n))
        .on("steal", |cx, id: PostId| {
            let refused = cx.kernel.post_remove(id).unwrap_err();
            assert_eq!(refused, PostRemoveError::NotYours { event: id, sender: cx.sender() });
        })
        .spawn(&kernel)
        .unwrap();
    let t = trace.clone();
    Session::build(Vec::new())
        .on_start(move |cx| {
            *cx.heap = (0..40_u32).map(|n| cx.post_set(receiver, "work", n).unwrap()).collect();
            let own = cx.post_set(cx.session(), "never", String::from("own")).unwrap();
            cx.call::<(), _>("receiver", "steal", cx.heap[7]).unwrap();
            let payload = cx.kernel.post_remove(own).unwrap();
            assert_eq!(payload.downcast::<String>().unwrap(), "own");
            assert_eq!(cx.kernel.post_remove(own).unwrap_err(), PostRemoveError::Gone(own));
            for n in (0..40).filter(|n| n % 10 != 3) {
                let payload = cx.kernel.post_remove(cx.heap[n]).unwrap();
                assert_eq!(payload.downcast::<u32>().unwrap() as usize, n);
            }
            assert_eq!(cx.kernel.get_event_count(), 4 + 1, "and the birth of the receiver");
            cx.yield_event("later", ());
        })
        .on("never", |_, _: String| -> () { panic!("it was taken back") })
        .on("later", move |cx, ()| {
            for &id in &*cx.heap {
                assert_eq!(cx.kernel.post_remove(id).unwrap_err(), PostRemoveError::Gone(id));
            }
            let nowhere = cx.post_set(SessionId::KERNEL, "work", ()).unwrap();
            assert_eq!(cx.kernel.post_remove(nowhere).unwrap_err(), PostRemoveError::Gone(nowhere));
            assert!(cx.post_set("nobody", "work", ()).is_err());
            t.log("later");
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["3", "13", "23", "33", "later"]);
}

#[test]
fn what_is_taken_back_holds_nobody() {
    let (kernel, trace) = (kernel(), Trace::default());
    let work = |kernel: &Kernel| Session::build(()).on("work", |_, ()| {}).spawn(kernel).unwrap();
    let (one, other) = (work(&kernel), work(&common::kernel()));
    let id = kernel.post_set(one, "work", ()).unwrap();
    kernel.run_one_timeslice().unwrap();
    assert_eq!(kernel.post_remove(id).unwrap_err(), PostRemoveError::Gone(id));
    assert!(kernel.post_set(other, "work", ()).is_err());

    let held = common::traced(&trace, "held").on("work", |_, ()| {}).spawn(&kernel).unwrap();
    kernel.refcount_increment(held, "tag").unwrap();
    kernel.run_one_timeslice().unwrap();
    let id = kernel.post_set(held, "work", ()).unwrap();
    kernel.refcount_decrement(held, "tag").unwrap();
    let events = |reasons: Vec<poe_kernel::Reason>| {
        reasons.iter().filter(|one| matches!(one.cause, ReasonCause::EventTo { .. })).count()
    };
    assert_eq!(events(kernel.why_alive(held)), 1);
    assert!(common::kernel().post_remove(id).is_err(), "it is another kernel's");
    kernel.post_remove(id).unwrap();
    assert!(kernel.why_alive(held).is_empty());
    kernel.run().unwrap();
    assert!(!kernel.is_live(held));
    assert_eq!(trace.take(), ["held start(K)", "held stop"]);
}

#[test]
fn who_takes_back_what_it_posted_to_itself_stops_when_it_would_have() {
    let stops = |work: fn(&mut Cx<'_, ()>)| {
        let (kernel, trace) = (kernel(), Trace::default());
        let receiver = common::traced(&trace, "receiver")
            .on("work", move |cx, ()| work(cx))
            .on("more", |_, ()| {})
            .spawn(&kernel)
            .unwrap();
        common::traced(&trace, "sender")
            .on_start(|cx| cx.yield_event("send", ()))
            .on("send", move |cx, ()| cx.post(receiver, "work", ()).unwrap())
            .spawn(&kernel)
            .unwrap();
        kernel.run().unwrap();
        let (lines, stop) = (trace.take(), |line: &String| line.ends_with("stop"));
        lines.into_iter().filter(stop).collect::<Vec<_>>()
    };
    let undisturbed = stops(|_| {});
    assert_eq!(undisturbed, ["sender stop", "receiver stop"]);
    let taken_back = stops(|cx| {
        let ids = [(); 3].map(|()| cx.post_set(cx.session(), "more", ()).unwrap());
        for id in ids {
            cx.kernel.post_remove(id).unwrap();
        }
    });
    assert_eq!(taken_back, undisturbed);
}

#[test]
fn who_was_stopped_and_takes_back_what_it_posted_to_itself_can_send_nothing() {
    let kernel = kernel();
    Session::build(())
        .on_start(|cx| cx.yield_event("work", ()))
        .on("work", |cx, ()| {
            let id = cx.post_set(cx.session(), "more", ()).unwrap();
            cx.stop().unwrap();
            let _ = cx.kernel.post_remove(id);
            assert_eq!(cx.kernel.get_event_count(), 0);
            cx.yield_event("more", ());
            assert_eq!(cx.kernel.get_event_count(), 0);
        })
        .on("more", common::never::<(), ()>)
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

#[test]
fn who_posts_faster_than_is_handled_is_refused_at_the_bound_and_goes_on_behind_it() {
    const BOUND: usize = 20;
    let kernel = Kernel::builder().virtual_clock(start()).max_events(BOUND).build().unwrap();
    let most = Rc::new(Cell::new(0));
    let seen = Rc::clone(&most);
    let worker = Session::build(0_u32)
        .on_start(|cx| cx.alias_set("worker").unwrap())
        .on("work", move |cx, ()| {
            *cx.heap += 1;
            seen.set(seen.get().max(cx.kernel.get_event_count()));
        })
        .on("done?", |cx, ()| {
            let done = *cx.heap == 1000;
            if done {
                cx.alias_remove("worker").unwrap();
            }
            done
        })
        .spawn(&kernel)
        .unwrap();
    Session::build((0, 0))
        .on_start(|cx| cx.yield_event("produce", ()))
        .on("produce", move |cx, ()| {
            while cx.heap.0 < 1000 {
                match cx.post(worker, "work", ()) {
                    Ok(()) => cx.heap.0 += 1,
                    Err(PostError::QueueFull { event, limit }) => {
                        assert_eq!((event.to_string(), limit), ("work".to_owned(), BOUND));
                        cx.post_set(worker, "work", ()).unwrap_err();
                        cx.heap.1 += 1;
                        // What it has to do itself is not refused.
                        return cx.yield_event("produce", ());
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            cx.yield_event("ask", ());
        })
        .on("ask", move |cx, ()| {
            let done: bool = cx.call(worker, "done?", ()).unwrap();
            if !done {
                cx.yield_event("ask", ());
            }
        })
        .on_stop(|cx| assert!(cx.heap.0 == 1000 && cx.heap.1 > 10, "{:?}", *cx.heap))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert!((1..=BOUND + 1).contains(&most.get()), "{}", most.get());
}
