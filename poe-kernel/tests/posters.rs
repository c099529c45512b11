//! Events that other threads post, on every event loop.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use poe_kernel::{
    Asserts, Delivery, Destination, Diagnostic, Dispatch, Kernel, KernelBuilder, LoopKind, Outcome,
    Poster, PosterError, ReasonCause, SessionId, SessionPoster, take,
};

/// A session that is a function.
struct Function<F>(F);

impl<F: Fn(&mut Delivery<'_>)> Dispatch for Function<F> {
    fn dispatch(&self, mut delivery: Delivery<'_>) -> Outcome {
        (self.0)(&mut delivery);
        Ok(())
    }
}

fn spawn(kernel: &Kernel, f: impl Fn(&mut Delivery<'_>) + 'static) -> SessionId {
    kernel.session_alloc(Rc::new(Function(f)), ()).unwrap()
}

/// A session that keeps the `u32`s of its events.
fn listener(kernel: &Kernel) -> (SessionId, Rc<RefCell<Vec<u32>>>) {
    let heard = Rc::new(RefCell::new(Vec::new()));
    let h = Rc::clone(&heard);
    let id = spawn(kernel, move |delivery| h.borrow_mut().extend(take::<u32>(delivery.payload)));
    (id, heard)
}

fn builders() -> impl Iterator<Item = KernelBuilder> {
    let kinds = [LoopKind::Polling, LoopKind::Poll, LoopKind::Select];
    kinds.into_iter().map(|kind| Kernel::builder().loop_kind(kind))
}

#[test]
fn posters_cross_threads() {
    fn crosses<T: Send + Sync + Clone + 'static>() {}
    crosses::<Poster>();
    crosses::<SessionPoster>();
}

#[test]
fn nothing_is_lost_and_the_order_of_each_thread_is_kept() {
    const THREADS: u32 = 8;
    const EVENTS: u32 = 5_000;
    for (builder, capacity) in builders().zip([7, 64, 1024]) {
        let kernel = builder.poster_capacity(capacity).build().unwrap();
        let (session, heard) = listener(&kernel);
        for thread in 0..THREADS {
            let poster = kernel.poster_for(session);
            thread::spawn(move || {
                for n in 0..EVENTS {
                    let mut event = thread * EVENTS + n;
                    if thread % 2 == 0 {
                        poster.post("number", event).unwrap();
                        continue;
                    }
                    while let Err(error) = poster.try_post("number", event) {
                        assert!(matches!(error, PosterError::Full { .. }), "{error}");
                        event = error.into_payload();
                        thread::yield_now();
                    }
                }
            });
        }
        kernel.run().unwrap();
        let heard = heard.take();
        assert_eq!(heard.len() as u32, THREADS * EVENTS);
        for thread in 0..THREADS {
            let of_thread = heard.iter().filter(|&&n| n / EVENTS == thread);
            assert!(of_thread.copied().eq(thread * EVENTS..(thread + 1) * EVENTS), "{thread}");
        }
    }
}

#[test]
fn what_comes_while_the_kernel_waits_wakes_it_each_time() {
    for builder in builders() {
        let kernel = builder.build().unwrap();
        let (asked, questions) = mpsc::channel();
        let session = spawn(&kernel, move |delivery| {
            // Nothing else is to be done: the kernel goes to sleep as the thread answers.
            if let Some(n) = take::<u32>(delivery.payload) {
                let _ = asked.send(n);
            }
        });
        let poster = kernel.poster_for(session);
        let thread = thread::spawn(move || {
            for n in 0..3_000 {
                poster.post("question", n).unwrap();
                assert_eq!(questions.recv(), Ok(n));
            }
        });
        kernel.run().unwrap();
        thread.join().unwrap();
    }
}

#[test]
fn a_kernel_that_is_slower_than_its_posters_queues_no_more_than_it_may() {
    const CAPACITY: usize = 10;
    for builder in builders() {
        let kernel = builder.poster_capacity(CAPACITY).build().unwrap();
        let most = Rc::new(Cell::new(0));
        let m = Rc::clone(&most);
        let session = spawn(&kernel, move |delivery| {
            m.set(m.get().max(delivery.kernel.get_event_count()));
            // Long enough for the kernel to look at its handles after each event, and so for what has come.
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_micros(100) {}
        });
        for _ in 0..4 {
            let poster = kernel.poster_for(session);
            thread::spawn(move || (0..300).for_each(|_| poster.post("slow", ()).unwrap()));
        }
        kernel.run().unwrap();
        assert!((1..=CAPACITY).contains(&most.get()), "{}", most.get());
    }
}

#[test]
fn a_full_queue_gives_back_what_it_does_not_take() {
    let kernel = Kernel::builder().poster_capacity(2).build().unwrap();
    let (session, heard) = listener(&kernel);
    let (poster, hold) = (kernel.poster(), kernel.poster_for(session));
    poster.try_post(session, "number", 1_u32).unwrap();
    poster.post(session, "number", 2_u32).unwrap();
    let error = poster.try_post(session, "number", 3_u32).unwrap_err();
    assert!(matches!(error, PosterError::Full { payload: 3, capacity: 2 }), "{error:?}");
    assert!(error.to_string().contains("2 events"), "{error}");
    // This is the thread that would make room.
    let error = poster.post(session, "number", 4_u32).unwrap_err();
    assert!(matches!(error, PosterError::Deadlock { payload: 4, capacity: 2 }), "{error:?}");
    kernel.run_one_timeslice().unwrap();
    poster.post(session, "number", error.into_payload()).unwrap();
    drop(hold);
    kernel.run().unwrap();
    assert_eq!(*heard.borrow(), [1, 2, 4]);
}

#[test]
fn a_handler_that_fills_its_own_queue_is_told() {
    let kernel = Kernel::builder().poster_capacity(3).build().unwrap();
    let refused = Rc::new(Cell::new(0));
    let r = Rc::clone(&refused);
    let session = spawn(&kernel, move |delivery| {
        if delivery.event == "fill" {
            let poster = delivery.kernel.poster_for(delivery.session);
            for n in 0..5_u32 {
                r.set(r.get() + u32::from(poster.post("number", n).is_err()));
            }
        }
    });
    kernel.post(session, "fill", ()).unwrap();
    kernel.run().unwrap();
    assert_eq!(refused.get(), 2);
}

#[test]
fn a_kernel_that_is_gone_is_an_error_to_those_who_wait_too() {
    for builder in builders() {
        let kernel = builder.poster_capacity(1).build().unwrap();
        let (session, _) = listener(&kernel);
        let (poster, bound) = (kernel.poster(), kernel.poster_for(session));
        let payload = Arc::new("kept or dropped, not leaked");
        poster.post(session, "first", Arc::clone(&payload)).unwrap();
        let (waits, other) = (mpsc::channel(), poster.clone());
        let second = Arc::clone(&payload);
        let thread = thread::spawn(move || {
            waits.0.send(()).unwrap();
            other.post(session, "second", second)
        });
        waits.1.recv().unwrap();
        drop(kernel);
        let error = thread.join().unwrap().unwrap_err();
        assert!(matches!(error, PosterError::KernelGone { .. }), "{error:?}");
        assert_eq!(Arc::strong_count(&error.into_payload()), 2);
        assert_eq!(Arc::strong_count(&payload), 1);
        let error = bound.try_post("third", 3_u32).unwrap_err();
        assert!(matches!(error, PosterError::KernelGone { payload: 3 }), "{error:?}");
        assert!(error.to_string().contains("gone"));
        poster.wake();
    }
}

#[test]
fn events_for_nobody_are_counted_and_reported() {
    let reports = Rc::new(RefCell::new(Vec::new()));
    let r = Rc::clone(&reports);
    let kernel = Kernel::builder()
        .diagnostics(move |diagnostic| {
            assert!(matches!(diagnostic, Diagnostic::Undelivered { .. }));
            r.borrow_mut().push(diagnostic.to_string());
        })
        .build()
        .unwrap();
    let (gone, _) = listener(&kernel);
    kernel.run().unwrap();
    let (session, heard) = listener(&kernel);
    let (poster, hold) = (kernel.poster(), kernel.poster_for(session));
    thread::spawn(move || {
        poster.post(gone, "late", 1_u32).unwrap();
        poster.post("nobody", "astray", 2_u32).unwrap();
        poster.post(session, "number", 3_u32).unwrap();
        poster.post(SessionId::KERNEL, "ignored", 4_u32).unwrap();
    })
    .join()
    .unwrap();
    drop(hold);
    kernel.run().unwrap();
    assert_eq!(*heard.borrow(), [3]);
    assert_eq!(kernel.undelivered_posts(), 2);
    let reports = reports.borrow();
    assert!(reports[0].contains("\"1\"") && reports[0].contains("posters.rs:"), "{reports:?}");
    assert!(reports[1].contains("\"nobody\"") && reports[1].contains("\"astray\""), "{reports:?}");
}

#[test]
fn an_event_is_lost_to_no_other_events_panic() {
    struct Nobody;
    impl Destination for Nobody {
        fn resolve(&self, _: &Kernel) -> Option<SessionId> {
            panic!("nobody can be found")
        }

        fn describe(&self) -> String {
            String::from("nobody")
        }
    }
    let kernel = Kernel::new().unwrap();
    let (session, heard) = listener(&kernel);
    let poster = kernel.poster_for(session);
    for n in 0..3_u32 {
        poster.post("number", n).unwrap();
        poster.poster().post(Nobody, "astray", n).unwrap();
    }
    drop(poster);
    for _ in 0..3 {
        assert!(catch_unwind(AssertUnwindSafe(|| kernel.run())).is_err());
    }
    kernel.run().unwrap();
    assert_eq!(*heard.borrow(), [0, 1, 2]);
}

#[test]
fn an_alias_is_looked_up_when_the_event_arrives() {
    let kernel = Kernel::new().unwrap();
    kernel.poster().post("later", "number", 7_u32).unwrap();
    kernel.poster().post(String::from("later"), "number", 8_u32).unwrap();
    let heard = Rc::new(RefCell::new(Vec::new()));
    let h = Rc::clone(&heard);
    spawn(&kernel, move |delivery| {
        if delivery.event == "_start" {
            delivery.kernel.alias_set("later").unwrap();
        }
        if let Some(n) = take::<u32>(delivery.payload) {
            assert!(delivery.sender.is_kernel() && delivery.caller.state.is_none());
            assert!(delivery.caller.location.file().ends_with("posters.rs"));
            h.borrow_mut().push(n);
        }
    });
    kernel.run().unwrap();
    assert_eq!(*heard.borrow(), [7, 8]);
}

#[test]
fn a_plain_poster_keeps_nothing_alive() {
    let kernel = Kernel::new().unwrap();
    let (session, _) = listener(&kernel);
    let poster = kernel.poster();
    kernel.run().unwrap();
    assert!(!kernel.is_live(session));
    drop(kernel);
    assert!(poster.post(session, "late", ()).is_err());
}

#[test]
fn a_sessions_poster_keeps_it_and_says_so() {
    for builder in builders() {
        let kernel = builder.build().unwrap();
        let (session, heard) = listener(&kernel);
        let poster = kernel.poster_for(session);
        let line = line!() - 1;
        assert_eq!(poster.session(), session);
        kernel.run_one_timeslice().ok();
        let reasons = kernel.why_alive(session);
        assert!(
            matches!(reasons[..], [ref one] if one.since.line() == line
                && matches!(one.cause, ReasonCause::Reference { tag, count: 1 } if tag == "poster")),
            "{reasons:?}"
        );
        let clone = poster.clone();
        drop(poster);
        let thread = thread::spawn(move || {
            clone.post("number", 1_u32).unwrap();
            clone.poster().post(clone.session(), "number", 2_u32).unwrap();
        });
        kernel.run().unwrap();
        thread.join().unwrap();
        assert_eq!(*heard.borrow(), [1, 2]);
    }
}

#[test]
fn a_poster_for_a_session_that_was_stopped_holds_nothing() {
    let kernel = Kernel::builder().diagnostics(|_| {}).build().unwrap();
    let (session, heard) = listener(&kernel);
    let poster = kernel.poster_for(session);
    kernel.stop().unwrap();
    let late = kernel.poster_for(session);
    late.post("number", 1_u32).unwrap();
    poster.post("number", 2_u32).unwrap();
    drop((late, poster));
    // Somebody has to live for the kernel to look.
    let (next, _) = listener(&kernel);
    drop(kernel.poster_for(next));
    kernel.run().unwrap();
    assert_ne!(next, session);
    assert!(heard.borrow().is_empty());
    assert_eq!(kernel.undelivered_posts(), 2);
}

#[test]
fn run_while_is_woken_to_look_at_its_condition() {
    for builder in builders() {
        let kernel = builder.build().unwrap();
        let (session, _) = listener(&kernel);
        kernel.refcount_increment(session, "test").unwrap();
        for _ in 0..100 {
            let goes_on = Arc::new(AtomicBool::new(true));
            let (poster, flag) = (kernel.poster(), Arc::clone(&goes_on));
            let thread = thread::spawn(move || {
                flag.store(false, Ordering::SeqCst);
                poster.wake();
            });
            kernel.run_while(|| goes_on.load(Ordering::SeqCst)).unwrap();
            thread.join().unwrap();
        }
        assert!(kernel.is_live(session));
    }
}

#[test]
fn a_turn_within_a_handler_waits_for_what_is_to_come() {
    for builder in builders() {
        let kernel = builder.build().unwrap();
        let turns = Arc::new(AtomicUsize::new(0));
        let (t, arrived) = (Arc::clone(&turns), Cell::new(false));
        let session = spawn(&kernel, move |delivery| match delivery.event.as_str() {
            "wait" => {
                let (poster, n) = (delivery.kernel.poster_for(delivery.session), Arc::clone(&t));
                thread::spawn(move || {
                    // A kernel that does not wait has made many turns by then.
                    let begun = Instant::now();
                    while begun.elapsed() < Duration::from_millis(50)
                        && n.load(Ordering::SeqCst) < 10
                    {
                        thread::yield_now();
                    }
                    poster.post("arrive", ()).unwrap();
                });
                while !arrived.get() {
                    t.fetch_add(1, Ordering::SeqCst);
                    delivery.kernel.run_one_timeslice().unwrap();
                }
            }
            "arrive" => arrived.set(true),
            _ => {}
        });
        kernel.post(session, "wait", ()).unwrap();
        kernel.run().unwrap();
        let turns = turns.load(Ordering::SeqCst);
        assert!((1..10).contains(&turns), "{turns} turns");
    }
}

#[test]
fn what_has_come_goes_before_a_virtual_clocks_jump() {
    let kernel = Kernel::builder().virtual_clock(UNIX_EPOCH).build().unwrap();
    let log = Rc::new(RefCell::new(Vec::new()));
    let l = Rc::clone(&log);
    let session = spawn(&kernel, move |delivery| {
        if delivery.event == "_start" {
            delivery.kernel.delay("timer", Duration::from_secs(1), ()).unwrap();
        }
        l.borrow_mut().push((delivery.event.to_string(), delivery.kernel.time()));
    });
    kernel.poster().post(session, "posted", ()).unwrap();
    kernel.run().unwrap();
    let second = UNIX_EPOCH + Duration::from_secs(1);
    let log = log.borrow();
    let expected = [("_start", UNIX_EPOCH), ("posted", UNIX_EPOCH), ("timer", second)];
    assert!(
        log.iter().map(|(event, time)| (event.as_str(), *time)).take(3).eq(expected),
        "{log:?}"
    );
}

#[test]
fn payloads_of_a_kernel_that_goes_are_dropped_on_its_thread() {
    struct Counted(Arc<AtomicUsize>, Poster);
    impl Drop for Counted {
        fn drop(&mut self) {
            // The lock is free again, and there is nobody to post to.
            assert!(self.1.try_post(SessionId::KERNEL, "from a drop", ()).is_err());
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let kernel = Kernel::new().unwrap();
    let (session, _) = listener(&kernel);
    let (poster, dropped) = (kernel.poster(), Arc::new(AtomicUsize::new(0)));
    for _ in 0..5 {
        let counted = Counted(Arc::clone(&dropped), poster.clone());
        poster.post(session, "counted", counted).unwrap();
    }
    drop(kernel);
    assert_eq!(dropped.load(Ordering::SeqCst), 5);
}

#[test]
fn a_kernel_ends_with_a_session_that_waits_for_a_thread_that_posts() {
    struct Worker(Option<thread::JoinHandle<()>>);

    impl Drop for Worker {
        fn drop(&mut self) {
            let _ = self.0.take().map(thread::JoinHandle::join);
        }
    }

    let (ended, end) = mpsc::channel();
    thread::spawn(move || {
        for builder in builders() {
            let kernel = builder.poster_capacity(1).build().unwrap();
            let poster = kernel.poster();
            poster.try_post("nobody", "number", 0).unwrap();
            // It waits for room, which there is none of any more.
            let thread = thread::spawn(move || while poster.post("nobody", "number", 1).is_ok() {});
            let worker = Worker(Some(thread));
            spawn(&kernel, move |_| assert!(worker.0.is_some()));
            drop(kernel);
        }
        ended.send(())
    });
    assert_eq!(end.recv_timeout(Duration::from_secs(30)), Ok(()));
}

#[test]
fn a_poster_that_outlives_its_session_is_no_fault() {
    for builder in builders() {
        let kernel = builder.asserts(Asserts::ALL).build().unwrap();
        let (session, other) = (listener(&kernel).0, listener(&kernel).0);
        let poster = kernel.poster_for(session);
        kernel.refcount_increment(other, "goes on").unwrap();
        kernel.signal(session, "TERM", ()).unwrap();
        while kernel.is_live(session) {
            kernel.run_one_timeslice().unwrap();
        }
        drop(poster);
        kernel.run_one_timeslice().unwrap();
        assert!(kernel.is_live(other));
        kernel.refcount_decrement(other, "goes on").unwrap();
        kernel.run().unwrap();
    }
}
