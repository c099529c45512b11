//! Events handed to a session one after the other, which is looked up once.

use std::cell::{Cell, RefCell};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::UNIX_EPOCH;

use poe_kernel::{
    Delivery, Dispatch, Failure, Kernel, Name, Outcome, ReplyTo, SessionId, Taker, take,
};

type Log = Rc<RefCell<Vec<u32>>>;

/// A session that is a function.
struct Function<F>(F);

impl<F: Fn(&mut Delivery<'_>) -> Outcome> Dispatch for Function<F> {
    fn dispatch(&self, mut delivery: Delivery<'_>) -> Outcome {
        if delivery.event == "record" { (self.0)(&mut delivery) } else { Ok(()) }
    }
}

/// A session that notes numbers, and does something with each.
fn noting(
    kernel: &Kernel,
    log: &Log,
    f: impl Fn(&mut Delivery<'_>, u32) -> Outcome + 'static,
) -> SessionId {
    let log = Rc::clone(log);
    let body = Function(move |delivery: &mut Delivery<'_>| {
        let n = take(delivery.payload).ok_or(Failure::WrongPayload { expected: "u32" })?;
        log.borrow_mut().push(n);
        f(delivery, n)
    });
    kernel.session_alloc(Rc::new(body), ()).unwrap()
}

fn virtual_kernel() -> Kernel {
    Kernel::builder().virtual_clock(UNIX_EPOCH).build().unwrap()
}

#[test]
fn a_session_that_ends_gets_none_of_the_rest_and_lets_go_of_what_it_kept() {
    let kernel = virtual_kernel();
    let (log, kept) = (Log::default(), Rc::new(()));
    let weak = Rc::downgrade(&kept);
    let session = noting(&kernel, &log, move |delivery, n| {
        let _ = &kept;
        if n == 2 {
            delivery.kernel.stop().unwrap();
        }
        Ok(())
    });
    let mut delivering = kernel.delivering(session);
    for n in 1..=4_u32 {
        delivering.event(Name::new("record"), n);
        assert_eq!(weak.upgrade().is_some(), n < 2, "{n}");
    }
    drop(delivering);
    assert_eq!(*log.borrow(), [1, 2]);
    kernel.run().unwrap();
}

#[test]
fn a_session_is_collected_after_the_last_of_them_not_before() {
    let kernel = virtual_kernel();
    let log = Log::default();
    let session = noting(&kernel, &log, |delivery, _| {
        delivery.kernel.run_one_timeslice().unwrap();
        Ok(())
    });
    let mut delivering = kernel.delivering(session);
    delivering.event(Name::new("record"), 1_u32);
    delivering.event(Name::new("record"), 2_u32);
    assert!(kernel.is_live(session));
    drop(delivering);
    kernel.run().unwrap();
    assert!(!kernel.is_live(session));
    assert_eq!(*log.borrow(), [1, 2]);
}

#[test]
fn a_handler_that_fails_raises_die_and_who_was_active_is_so_again() {
    for fails in [true, false] {
        let kernel = virtual_kernel();
        let log = Log::default();
        let session = noting(&kernel, &log, move |delivery, n| {
            assert_eq!(delivery.kernel.active_session(), delivery.session);
            assert_eq!(delivery.sender, delivery.session);
            if n > 1 {
                return Ok(());
            }
            assert!(fails, "a panic");
            Err(Failure::Error(io::Error::other("an error").into()).into())
        });
        let mut delivering = kernel.delivering(session);
        for n in 1..=2_u32 {
            delivering.event(Name::new("record"), n);
            assert!(kernel.active_session().is_kernel());
        }
        drop(delivering);
        assert_eq!(log.borrow()[0], 1);
        let ended = catch_unwind(AssertUnwindSafe(|| kernel.run()));
        assert!(!matches!(ended, Ok(Ok(()))), "{fails}");
    }
}

#[test]
fn who_is_active_and_live_is_right_though_another_session_delivers_to_the_same_one() {
    let kernel = virtual_kernel();
    let log = Log::default();
    let inner = Rc::new(Cell::new(SessionId::KERNEL));
    let to = Rc::clone(&inner);
    // It hands on what it is told, as a wheel that another session uses would.
    let other = noting(&kernel, &Log::default(), move |delivery, n| {
        let mut delivering = delivery.kernel.delivering(to.get());
        delivering.event(Name::new("record"), n * 10);
        delivering.event(Name::new("record"), n * 10 + 1);
        assert_eq!(delivery.kernel.active_session(), delivery.session);
        Ok(())
    });
    let session = noting(&kernel, &log, move |delivery, n| {
        match n {
            1 | 2 => drop(delivery.kernel.call::<(), u32>(other, "record", n)),
            20 => delivery.kernel.stop().unwrap(),
            _ => {}
        }
        assert_eq!(delivery.kernel.active_session(), delivery.session);
        Ok(())
    });
    inner.set(session);
    let mut delivering = kernel.delivering(session);
    for n in 1..=3_u32 {
        delivering.event(Name::new("record"), n);
    }
    drop(delivering);
    assert_eq!(*log.borrow(), [1, 10, 11, 2, 20], "none after it was stopped, within and without");
    kernel.run().unwrap();
}

#[test]
fn a_stale_one_does_not_reach_the_next_session_in_its_place() {
    let kernel = virtual_kernel();
    let (log, other) = (Log::default(), Log::default());
    let session = noting(&kernel, &log, |_, _| Ok(()));
    let mut delivering = kernel.delivering(session);
    delivering.event(Name::new("record"), 1_u32);
    kernel.stop().unwrap();
    let next = noting(&kernel, &other, |_, _| Ok(()));
    delivering.event(Name::new("record"), 2_u32);
    drop(delivering);
    kernel.delivering(session).event(Name::new("record"), 3_u32);
    assert_eq!((&*log.borrow(), &*other.borrow()), (&vec![1], &vec![]));
    // What was begun for the one before is not counted for it.
    assert!(kernel.is_live(next));
    kernel.run().unwrap();
    assert!(!kernel.is_live(next));
}

#[test]
fn a_session_may_move_in_the_tree_between_two() {
    let kernel = virtual_kernel();
    let log = Log::default();
    let child = Rc::new(Cell::new(SessionId::KERNEL));
    let (l, made) = (Rc::clone(&log), Rc::clone(&child));
    let parent = noting(&kernel, &Log::default(), move |delivery, _| {
        made.set(noting(delivery.kernel, &l, |delivery, n| {
            if n == 1 {
                delivery.kernel.detach_myself().unwrap();
            }
            Ok(())
        }));
        Ok(())
    });
    kernel.delivering(parent).event(Name::new("record"), 0_u32);
    assert_eq!(kernel.parent(child.get()), Some(parent));
    let mut delivering = kernel.delivering(child.get());
    delivering.event(Name::new("record"), 1_u32);
    assert_eq!(kernel.parent(child.get()), Some(SessionId::KERNEL));
    delivering.event(Name::new("record"), 2_u32);
    drop(delivering);
    assert_eq!(*log.borrow(), [1, 2]);
    kernel.run().unwrap();
    assert!(!kernel.is_live(child.get()));
}

#[test]
fn what_the_records_post_comes_after_all_of_them_in_their_order() {
    let kernel = virtual_kernel();
    let log = Log::default();
    let session = noting(&kernel, &log, |delivery, n| {
        if n < 10 {
            delivery.kernel.yield_event("record", n + 10).unwrap();
        }
        Ok(())
    });
    let mut delivering = kernel.delivering(session);
    for n in 1..=3_u32 {
        delivering.event(Name::new("record"), n);
    }
    drop(delivering);
    kernel.run().unwrap();
    assert_eq!(*log.borrow(), [1, 2, 3, 11, 12, 13]);
}

#[test]
fn a_panic_of_whoever_delivers_lets_go_of_the_session() {
    let kernel = virtual_kernel();
    let log = Log::default();
    let session = noting(&kernel, &log, |_, _| Ok(()));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut delivering = kernel.delivering(session);
        delivering.event(Name::new("record"), 1_u32);
        panic!("a filter, say");
    }));
    assert!(panicked.is_err());
    kernel.run().unwrap();
    assert!(!kernel.is_live(session), "it is collected");
    assert_eq!(*log.borrow(), [1]);
}

#[test]
fn a_heap_that_panics_as_it_goes_does_so_once() {
    struct Panics;

    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    let kernel = virtual_kernel();
    let kept = Panics;
    let session = noting(&kernel, &Log::default(), move |delivery, _| {
        let _ = &kept;
        delivery.kernel.stop().unwrap();
        Ok(())
    });
    let mut delivering = kernel.delivering(session);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        delivering.event(Name::new("record"), 1_u32);
    }));
    assert!(panicked.is_err());
    delivering.event(Name::new("record"), 2_u32);
    drop(delivering);
    assert!(kernel.active_session().is_kernel());
    kernel.run().unwrap();
}

#[test]
fn measuring_may_begin_and_end_between_two() {
    let kernel = virtual_kernel();
    let log = Log::default();
    let session = noting(&kernel, &log, |_, _| Ok(()));
    let record = Name::new("record");
    let counted = || {
        let profile = kernel.profile()?;
        profile.events.iter().find(|entry| entry.event == record).map(|e| e.meter.handler.count())
    };
    let mut delivering = kernel.delivering(session);
    delivering.event(record, 1_u32);
    assert_eq!(counted(), None);
    kernel.set_profiling(true);
    delivering.event(record, 2_u32);
    delivering.event(record, 3_u32);
    assert_eq!(counted(), Some(2));
    kernel.set_profiling(false);
    delivering.event(record, 4_u32);
    drop(delivering);
    kernel.run().unwrap();
    assert_eq!(*log.borrow(), [1, 2, 3, 4]);
}

/// A session that says whether an event came by a taker, and which one.
#[derive(Default)]
struct Taking {
    log: RefCell<Vec<String>>,
    takers: Cell<u32>,
}

impl Dispatch for Taking {
    fn dispatch(&self, delivery: Delivery<'_>) -> Outcome {
        if let Some(n) = take::<u32>(delivery.payload) {
            self.log.borrow_mut().push(format!("{n} {}", delivery.event));
            if n == 9 {
                delivery.kernel.set_profiling(false);
            }
        }
        Ok(())
    }

    fn taker(self: Rc<Self>, event: Name, place: ReplyTo<'_>) {
        self.takers.set(self.takers.get() + 1);
        if event == "alone" {
            return;
        }
        let taker = self.takers.get();
        let _ = place.put(Taker::new(move |kernel, envelope, n: u32| {
            assert_eq!(kernel.active_event(), Some(envelope.event));
            self.log.borrow_mut().push(format!("{n} {} by {taker}", envelope.event));
            match n {
                3 => kernel.handlers_changed(),
                7 => kernel.set_profiling(true),
                13 => kernel.stop().unwrap(),
                _ => {}
            }
            if n == 6 { Err(Failure::Unhandled.into()) } else { Ok(()) }
        }));
    }
}

#[test]
fn a_taker_is_asked_for_with_the_second_event_of_a_name_and_whenever_it_may_be_another() {
    let kernel = virtual_kernel();
    let taking = Rc::new(Taking::default());
    let session = kernel.session_alloc(taking.clone(), ()).unwrap();
    taking.log.take();
    let mut delivering = kernel.delivering(session);
    let names = ["record"; 11].into_iter().chain(["other"; 6]);
    for (n, name) in (1_u32..).zip(names) {
        delivering.event(Name::new(name), n);
    }
    drop(delivering);
    let expected = [
        "1 record",
        "2 record by 1",
        "3 record by 1",
        // Changed, and so as at the beginning.
        "4 record",
        "5 record by 2",
        "6 record by 2",
        "7 record by 2",
        // Those that are measured are dispatched.
        "8 record",
        "9 record",
        "10 record by 2",
        "11 record by 2",
        "12 other",
        // After which there is no session.
        "13 other by 3",
    ];
    assert_eq!(*taking.log.borrow(), expected);
    kernel.run().unwrap();
    assert_eq!(Rc::strong_count(&taking), 1, "the taker was let go of");
}

#[test]
fn without_a_taker_of_that_type_each_event_is_dispatched() {
    let kernel = virtual_kernel();
    let taking = Rc::new(Taking::default());
    let session = kernel.session_alloc(taking.clone(), ()).unwrap();
    let mut delivering = kernel.delivering(session);
    for n in 1..=4_u32 {
        delivering.event(Name::new("alone"), n);
    }
    assert_eq!(taking.takers.get(), 1, "it is not asked for again and again");
    drop(delivering);
    assert_eq!(*taking.log.borrow(), ["1 alone", "2 alone", "3 alone", "4 alone"]);
    let mut delivering = kernel.delivering(session);
    for text in ["one", "two", "three"] {
        delivering.event(Name::new("record"), text);
    }
    drop(delivering);
    assert_eq!(taking.log.borrow().len(), 4);
    kernel.run().unwrap();
}
