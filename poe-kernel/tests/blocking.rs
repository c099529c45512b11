//! Blocking work in threads of the kernel's, on every event loop.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use poe_kernel::{
    Asserts, BlockingCall, BlockingError, BlockingRefused, Delivery, Dispatch, Kernel,
    KernelBuilder, LoopKind, Outcome, PosterError, ReasonCause, SessionId, take,
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

fn builders() -> impl Iterator<Item = KernelBuilder> {
    let kinds = [LoopKind::Polling, LoopKind::Poll, LoopKind::Select];
    kinds.into_iter().map(|kind| Kernel::builder().loop_kind(kind))
}

/// The result that an event carries.
fn result<T: 'static>(delivery: &mut Delivery<'_>) -> Option<Result<T, BlockingError>> {
    take(delivery.payload)
}

/// A session that does something at its start, and keeps the `u32`s that its work returns.
fn worker(
    kernel: &Kernel,
    start: impl Fn(&Kernel) + 'static,
) -> (SessionId, Rc<RefCell<Vec<u32>>>) {
    let results = Rc::new(RefCell::new(Vec::new()));
    let r = Rc::clone(&results);
    let id = spawn(kernel, move |delivery| {
        if delivery.event == "_start" {
            start(delivery.kernel);
        }
        r.borrow_mut().extend(result::<u32>(delivery).map(Result::unwrap));
    });
    (id, results)
}

/// Work that tells when it begins and lasts until it is let go.
fn lasting() -> (impl FnOnce() -> u32 + Send, Receiver<()>, Sender<()>) {
    let ((begin, begun), (end, ended)) = (mpsc::channel(), mpsc::channel());
    let work = move || {
        let _ = begin.send(());
        let _ = ended.recv();
        7
    };
    (work, begun, end)
}

#[test]
fn the_result_comes_as_an_event_and_the_session_waits_for_it() {
    for builder in builders() {
        let kernel = builder.build().unwrap();
        let (work, begun, end) = lasting();
        let work = Cell::new(Some(work));
        let line = line!() + 2;
        let (session, results) = worker(&kernel, move |kernel| {
            kernel.blocking(work.take().unwrap(), "done").unwrap();
        });
        begun.recv().unwrap();
        let reasons = kernel.why_alive(session);
        let is_work = |cause: &ReasonCause| matches!(cause, ReasonCause::Reference { tag, count: 1 } if *tag == "blocking");
        let reason = reasons.iter().find(|reason| is_work(&reason.cause)).expect("a reason");
        assert_eq!((reason.since.file(), reason.since.line()), (file!(), line));
        end.send(()).unwrap();
        kernel.run().unwrap();
        assert_eq!(*results.borrow(), [7]);
    }
}

#[test]
fn the_event_is_the_sessions_own_and_says_where_it_was_asked_for() {
    let kernel = Kernel::new().unwrap();
    let came = Rc::new(Cell::new(false));
    let c = Rc::clone(&came);
    spawn(&kernel, move |delivery| match delivery.event.as_str() {
        "_start" => delivery.kernel.blocking(|| (), "done").unwrap(),
        "done" => {
            assert_eq!(delivery.sender, delivery.session);
            assert_eq!(delivery.caller.location.file(), file!());
            assert!(delivery.caller.state.is_some_and(|state| state == "_start"));
            c.set(true);
        }
        _ => {}
    });
    kernel.run().unwrap();
    assert!(came.get());
}

#[test]
fn a_panic_is_the_events_error_and_harms_no_thread() {
    let kernel = Kernel::builder().blocking_threads(1).build().unwrap();
    let log = Rc::new(RefCell::new(Vec::new()));
    let l = Rc::clone(&log);
    spawn(&kernel, move |delivery| {
        if delivery.event == "_start" {
            let kernel = delivery.kernel;
            kernel.blocking(|| -> u32 { panic!("work {} failed", 1) }, "done").unwrap();
            kernel.blocking(|| -> u32 { std::panic::panic_any(5_u8) }, "done").unwrap();
            kernel.blocking(|| 3_u32, "done").unwrap();
        }
        if let Some(result) = result::<u32>(delivery) {
            l.borrow_mut().push(result.map_err(|error| error.to_string()));
        }
    });
    kernel.run().unwrap();
    let expected = [
        Err("blocking work panicked: work 1 failed".to_owned()),
        Err("blocking work panicked: a value that is not text".to_owned()),
        Ok(3),
    ];
    assert_eq!(*log.borrow(), expected);
}

#[test]
fn what_is_too_much_is_given_back() {
    let kernel = Kernel::builder().blocking_threads(2).blocking_queue(1).build().unwrap();
    let (let_go, held) = mpsc::channel();
    let (_, results) = worker(&kernel, move |kernel| {
        for n in 0..3_u32 {
            let (work, _, end) = lasting();
            kernel.blocking(move || work() + n, "done").unwrap();
            let_go.send(end).unwrap();
        }
        let refused = kernel.blocking(|| 100_u32, "done").unwrap_err();
        assert!(matches!(refused, BlockingRefused::Full { capacity: 3, .. }), "{refused:?}");
        assert!(refused.to_string().contains("3 pieces"), "{refused}");
        assert_eq!(refused.into_work()(), 100);
        // Work that may be sent, but not shared, makes an error that can be neither.
        let not_shared = Cell::new(0);
        let refused = kernel.blocking(move || not_shared.get(), "done").unwrap_err();
        let error: Box<dyn std::error::Error + Send + Sync> = refused.without_work().into();
        assert!(error.to_string().contains("3 pieces"), "{error}");
    });
    // Each that is let go begins or ends one.
    thread::spawn(move || held.iter().for_each(drop));
    kernel.run().unwrap();
    let mut results = results.take();
    results.sort_unstable();
    assert_eq!(results, [7, 8, 9]);
}

#[test]
fn whoever_has_a_result_finds_room_and_a_thread() {
    for builder in builders() {
        let kernel = builder.blocking_threads(8).blocking_queue(0).build().unwrap();
        let names = Rc::new(RefCell::new(HashSet::new()));
        let (n, count) = (Rc::clone(&names), Cell::new(0));
        let name = || thread::current().name().map(String::from);
        spawn(&kernel, move |delivery| {
            n.borrow_mut().extend(result::<Option<String>>(delivery).map(Result::unwrap));
            if count.replace(count.get() + 1) < 500 {
                // One at a time needs one thread; `_stop` has none active.
                let _ = delivery.kernel.blocking(name, "again");
            }
        });
        kernel.run().unwrap();
        assert_eq!(names.take(), HashSet::from([Some(String::from("poe-blocking-1"))]));
    }
}

#[test]
fn no_more_threads_than_there_may_be_do_all_that_there_is_in_the_end() {
    const THREADS: usize = 3;
    for builder in builders() {
        let kernel = builder.blocking_threads(THREADS).blocking_queue(5).build().unwrap();
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let m = Arc::clone(&most);
        let (_, results) = worker(&kernel, move |kernel| {
            for n in 0..2_000_u32 {
                let (now, most) = (Arc::clone(&now), Arc::clone(&m));
                let work = move || {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::yield_now();
                    now.fetch_sub(1, Ordering::SeqCst);
                    n
                };
                kernel.blocking_wait(work, "done").unwrap();
            }
        });
        kernel.run().unwrap();
        assert!((1..=THREADS).contains(&most.load(Ordering::SeqCst)));
        let mut results = results.take();
        results.sort_unstable();
        assert!(results.into_iter().eq(0..2_000));
    }
}

#[test]
fn work_that_waits_for_the_kernel_that_waits_for_it_is_told() {
    let kernel =
        Kernel::builder().poster_capacity(1).blocking_threads(1).blocking_queue(0).build().unwrap();
    let (session, results) = worker(&kernel, |kernel| {
        let poster = kernel.poster_for(kernel.active_session());
        poster.post("fill", ()).unwrap();
        let work = move || match poster.post("more", ()) {
            Err(PosterError::Deadlock { .. }) => 1_u32,
            other => panic!("{other:?}"),
        };
        kernel.blocking_wait(work, "done").unwrap();
        kernel.blocking_wait(|| 2_u32, "done").unwrap();
    });
    kernel.run().unwrap();
    assert!(!kernel.is_live(session));
    assert_eq!(*results.borrow(), [1, 2]);
}

#[test]
fn work_of_a_session_that_was_stopped_is_not_begun_and_its_result_is_dropped() {
    let kernel = Kernel::builder().blocking_threads(1).diagnostics(|_| {}).build().unwrap();
    let (work, begun, end) = lasting();
    let work = Cell::new(Some(work));
    let begins = Arc::new(AtomicUsize::new(0));
    let b = Arc::clone(&begins);
    let (session, results) = worker(&kernel, move |kernel| {
        kernel.blocking(work.take().unwrap(), "done").unwrap();
        for _ in 0..3 {
            let begins = Arc::clone(&b);
            let work = move || begins.fetch_add(1, Ordering::SeqCst) as u32;
            kernel.blocking(work, "done").unwrap();
        }
    });
    begun.recv().unwrap();
    kernel.signal(session, "TERM", ()).unwrap();
    kernel.run().unwrap();
    // Nothing is left of what was to be done.
    assert!(!kernel.is_live(session));
    assert_eq!(Arc::strong_count(&begins), 1);
    end.send(()).unwrap();
    // The thread has another session's work next.
    let (_, others) = worker(&kernel, |kernel| kernel.blocking(|| 9_u32, "done").unwrap());
    kernel.run().unwrap();
    assert_eq!((results.take(), others.take()), (vec![], vec![9]));
    assert_eq!(begins.load(Ordering::SeqCst), 0);
    assert_eq!(kernel.undelivered_posts(), 0);
}

#[test]
fn the_kernel_ends_when_its_work_has_ended_and_no_more_is_begun() {
    let kernel = Kernel::builder().blocking_threads(1).build().unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    let (work, begun, end) = lasting();
    let (work, d) = (Cell::new(Some(work)), Arc::clone(&done));
    worker(&kernel, move |kernel| {
        let (work, done) = (work.take().unwrap(), Arc::clone(&d));
        let work = move || {
            work();
            done.fetch_add(1, Ordering::SeqCst);
        };
        kernel.blocking(work, "done").unwrap();
        let done = Arc::clone(&d);
        kernel.blocking(move || done.fetch_add(100, Ordering::SeqCst), "done").unwrap();
    });
    begun.recv().unwrap();
    end.send(()).unwrap();
    drop(kernel);
    assert_eq!(done.load(Ordering::SeqCst) % 100, 1);
    // The threads are gone, with all they had.
    assert_eq!(Arc::strong_count(&done), 1);
}

#[test]
fn a_kernel_that_ends_waits_no_longer_than_it_is_told_to() {
    let kernel = Kernel::builder().blocking_grace(Duration::from_millis(1)).build().unwrap();
    let (work, begun, end) = lasting();
    let work = Cell::new(Some(work));
    worker(&kernel, move |kernel| kernel.blocking(work.take().unwrap(), "done").unwrap());
    begun.recv().unwrap();
    drop(kernel);
    // It was still there when the kernel had gone.
    end.send(()).unwrap();
}

#[test]
fn work_that_posts_ends_with_its_kernel() {
    let kernel = Kernel::builder().poster_capacity(1).build().unwrap();
    let (told, ends) = mpsc::channel();
    worker(&kernel, move |kernel| {
        let (poster, told) = (kernel.poster(), told.clone());
        let work = move || {
            told.send(()).unwrap();
            while poster.post(SessionId::KERNEL, "flood", ()).is_ok() {}
            told.send(()).unwrap();
        };
        kernel.blocking(work, "done").unwrap();
    });
    ends.recv().unwrap();
    let begun = Instant::now();
    drop(kernel);
    assert!(begun.elapsed() < Duration::from_secs(30));
    ends.recv().unwrap();
}

#[test]
fn a_thread_without_work_ends() {
    struct Farewell(Sender<()>);
    impl Drop for Farewell {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    thread_local!(static FAREWELL: RefCell<Option<Farewell>> = const { RefCell::new(None) });
    let kernel = Kernel::builder().blocking_idle(Duration::from_millis(1)).build().unwrap();
    let (told, ends) = mpsc::channel();
    for round in 0..3 {
        let told = told.clone();
        let (_, results) = worker(&kernel, move |kernel| {
            let farewell = Farewell(told.clone());
            let work = move || {
                FAREWELL.set(Some(farewell));
                round
            };
            kernel.blocking(work, "done").unwrap();
        });
        kernel.run().unwrap();
        assert_eq!(results.take(), [round]);
        // Its kernel is still there.
        ends.recv_timeout(Duration::from_secs(20)).unwrap();
    }
}

#[test]
fn work_is_for_a_session() {
    let kernel = Kernel::new().unwrap();
    let refused = kernel.blocking(|| 4, "done").unwrap_err();
    assert!(matches!(refused, BlockingRefused::NoSession { .. }), "{refused:?}");
    assert_eq!(refused.into_work()(), 4);
}

#[test]
fn a_handler_may_wait_for_a_result_in_turns_of_its_own() {
    for builder in builders() {
        let kernel = builder.build().unwrap();
        let answer = Rc::new(Cell::new(0));
        let a = Rc::clone(&answer);
        let session = spawn(&kernel, move |delivery| {
            if delivery.event == "ask" {
                delivery.kernel.blocking(|| 42_u32, "answer").unwrap();
                delivery.kernel.run_while(|| a.get() == 0).unwrap();
                assert_eq!(a.get(), 42);
            } else if let Some(Ok(n)) = result::<u32>(delivery) {
                a.set(n);
            }
        });
        kernel.post(session, "ask", ()).unwrap();
        kernel.run().unwrap();
        assert_eq!(answer.get(), 42);
    }
}

#[test]
fn work_that_outlives_its_session_is_no_fault() {
    for builder in builders() {
        let kernel = builder.asserts(Asserts::ALL).build().unwrap();
        let (work, begun, finish) = lasting();
        let work = Cell::new(Some(work));
        let session = spawn(&kernel, move |delivery| {
            if let Some(work) = work.take() {
                delivery.kernel.blocking(work, "done").unwrap();
            }
        });
        let other = spawn(&kernel, |_| {});
        kernel.refcount_increment(other, "goes on").unwrap();
        begun.recv().unwrap();
        kernel.signal(session, "TERM", ()).unwrap();
        while kernel.is_live(session) {
            kernel.run_one_timeslice().unwrap();
        }
        finish.send(()).unwrap();
        // This waits for what the work has to say.
        kernel.run_one_timeslice().unwrap();
        kernel.refcount_decrement(other, "goes on").unwrap();
        kernel.run().unwrap();
    }
}

/// Begins a call for a session, whose result is kept.
fn call(
    kernel: &Kernel,
    session: SessionId,
    work: impl FnOnce() -> u32 + Send + 'static,
) -> (BlockingCall, Rc<RefCell<Vec<String>>>) {
    let results = Rc::new(RefCell::new(Vec::new()));
    let r = Rc::clone(&results);
    let then = move |kernel: &Kernel, result: Result<u32, BlockingError>| {
        let result = result.map_or_else(|error| error.to_string(), |number| number.to_string());
        r.borrow_mut().push(format!("{} {result}", kernel.active_session()));
    };
    (kernel.call_blocking(session, work, then).expect("room and a thread"), results)
}

#[test]
fn a_call_is_made_with_the_result_for_its_session() {
    for builder in builders() {
        let kernel = builder.build().unwrap();
        let (session, events) = worker(&kernel, |_| ());
        let (_, fine) = call(&kernel, session, || 7);
        let (_, bad) = call(&kernel, session, || panic!("no number"));
        kernel.run().unwrap();
        assert_eq!(*fine.borrow(), [format!("{session} 7")]);
        assert_eq!(*bad.borrow(), [format!("{session} blocking work panicked: no number")]);
        assert!(events.borrow().is_empty());
        assert!(kernel.call_blocking(session, || 1, |_, _| ()).is_err(), "it has stopped");
    }
}

#[test]
fn a_call_that_is_cancelled_holds_neither_its_session_nor_the_kernel() {
    let kernel = Kernel::builder().blocking_threads(1).build().unwrap();
    let (session, _) = worker(&kernel, |_| ());
    let (work, begun, _end) = lasting();
    let (first, results) = call(&kernel, session, work);
    let (never, is_dropped) = mpsc::channel::<()>();
    let (second, others) = call(&kernel, session, move || {
        never.send(()).unwrap();
        8
    });
    begun.recv().unwrap();
    kernel.cancel_blocking(second);
    assert!(is_dropped.recv().is_err(), "what has not begun is dropped at once");
    kernel.cancel_blocking(first);
    kernel.cancel_blocking(first);
    // The thread is still at work.
    kernel.run().unwrap();
    drop(kernel);
    assert!(results.borrow().is_empty() && others.borrow().is_empty());
}

#[test]
fn a_session_that_is_stopped_takes_its_calls_along() {
    let kernel = Kernel::new().unwrap();
    let (session, _) = worker(&kernel, |_| ());
    let (work, begun, end) = lasting();
    let (_, results) = call(&kernel, session, work);
    begun.recv().unwrap();
    kernel.stop().unwrap();
    end.send(()).unwrap();
    let (_, others) = worker(&kernel, |kernel| kernel.blocking(|| 9_u32, "done").unwrap());
    kernel.run().unwrap();
    assert!(results.borrow().is_empty());
    assert_eq!(*others.borrow(), [9]);
}

#[test]
fn a_panic_in_a_call_is_a_death_of_its_session() {
    let kernel = Kernel::new().unwrap();
    let (session, _) = worker(&kernel, |_| ());
    let then = |_: &Kernel, _: Result<u32, BlockingError>| panic!("called");
    kernel.call_blocking(session, || 1, then).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| kernel.run())).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"called"));
    assert_eq!(kernel.session_count(), 0);
}
