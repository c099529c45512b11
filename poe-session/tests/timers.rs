//! Alarms and delays, on a clock that jumps.

mod common;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use common::{Trace, elapsed, kernel, millis, never, seconds, start};
use poe_kernel::{Asserts, Diagnostic, NoActiveSession, TimerError, Traces};
use poe_session::prelude::*;

/// Runs one session that does `set` and logs the `u32` of each event `t`, with the time.
fn run(set: impl Fn(&mut Cx<'_, ()>) + 'static) -> Vec<String> {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    Session::build(())
        .on_start(set)
        .on("t", move |cx, n: u32| t.log(format!("{n}@{}", elapsed(cx.kernel))))
        .on("u", never::<_, u32>)
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    trace.take()
}

// Conformance: KRA-01
#[test]
fn an_alarm_fires_once_at_its_time() {
    assert_eq!(
        run(|cx| {
            cx.alarm("t", start() + millis(500), 1_u32);
        }),
        ["1@500"]
    );
}

// Conformance: KRA-02
#[test]
fn an_alarm_replaces_those_of_its_name() {
    let fired = run(|cx| {
        cx.alarm_set("t", start() + millis(100), 1_u32);
        cx.delay_set("t", millis(100), 2_u32);
        cx.alarm("t", start() + millis(500), 3_u32);
    });
    assert_eq!(fired, ["3@500"]);
}

// Conformance: KRA-03
#[test]
fn alarm_set_adds_to_those_of_its_name() {
    let fired = run(|cx| {
        cx.alarm_set("t", start() + millis(500), 1_u32);
        cx.alarm_set("t", start() + millis(500), 2_u32);
    });
    assert_eq!(fired, ["1@500", "2@500"]);
}

// Conformance: KRA-05, KRA-07
#[test]
fn alarm_clear_removes_alarms_and_delays_of_a_name() {
    let fired = run(|cx| {
        cx.alarm("u", start() + millis(500), 1_u32);
        cx.delay_set("u", millis(400), 2_u32);
        cx.yield_event("t", 9_u32);
        cx.delay("t", millis(1), 3_u32);
        let cleared = cx.alarm_clear("u");
        let times: Vec<_> = cleared.iter().map(|alarm| alarm.time).collect();
        assert_eq!(times, [start() + millis(400), start() + millis(500)]);
        assert_eq!(cx.alarm_clear("u").len(), 0);
        // What was posted stays.
        assert_eq!(cx.alarm_clear("t").len(), 1);
    });
    assert_eq!(fired, ["9@0"]);
}

// Conformance: KRA-06, KRA-19
#[test]
fn a_delay_replaces_and_delay_set_adds() {
    assert_eq!(
        run(|cx| {
            cx.delay("t", millis(500), 1_u32);
        }),
        ["1@500"]
    );
    let fired = run(|cx| {
        cx.delay("t", millis(100), 1_u32);
        cx.delay("t", millis(500), 2_u32);
    });
    assert_eq!(fired, ["2@500"]);
    let fired = run(|cx| {
        cx.delay_set("t", millis(500), 1_u32);
        cx.delay_set("t", millis(500), 2_u32);
    });
    assert_eq!(fired, ["1@500", "2@500"]);
    let fired = run(|cx| {
        cx.delay("t", millis(100), 1_u32);
        cx.delay_set("t", millis(50), 2_u32);
        cx.delay("t", millis(20), 3_u32);
        cx.delay("u", millis(10), 4_u32);
        cx.alarm_clear("u");
    });
    assert_eq!(fired, ["3@20"]);
}

// Conformance: KRA-08, KRA-13
#[test]
fn past_alarms_fire_at_once_in_the_order_of_their_times() {
    let fired = run(|cx| {
        cx.alarm_set("t", start() - seconds(1), 1_u32);
        cx.alarm_set("t", start() - seconds(2), 2_u32);
        cx.alarm_set("t", std::time::UNIX_EPOCH + seconds(1), 3_u32);
        cx.alarm_set("t", start() - seconds(1), 4_u32);
    });
    assert_eq!(fired, ["3@0", "2@0", "1@0", "4@0"]);
}

// Conformance: KRA-11, KRA-12, KRB-24
#[test]
fn a_removed_timer_comes_back_with_its_name_time_and_payload() {
    let fired = run(|cx| {
        let past = std::time::UNIX_EPOCH + seconds(1);
        let id = cx.alarm_set("u", past, 14_u32);
        let alarm = cx.alarm_remove(id).unwrap();
        assert_eq!((alarm.event, alarm.time), (Name::new("u"), past));
        assert_eq!(alarm.payload.downcast::<u32>().unwrap(), 14);
        assert_eq!(cx.alarm_remove(id).unwrap_err(), TimerError::Gone(id));
        let id = cx.delay_set("u", millis(500), 15_u32);
        let alarm = cx.alarm_remove(id).unwrap();
        assert_eq!(alarm.time, start() + millis(500));
    });
    assert!(fired.is_empty());
}

// Conformance: KRA-14, KRA-15, KRB-25
#[test]
fn alarm_remove_all_gives_all_back_soonest_first() {
    let fired = run(|cx| {
        cx.delay("u", seconds(3), 3_u32);
        cx.delay_set("u", seconds(1), 1_u32);
        cx.alarm("v", start() + seconds(2), "two");
        let removed = cx.alarm_remove_all();
        let told: Vec<_> = removed.iter().map(|alarm| (alarm.event.as_str(), alarm.time)).collect();
        let at = |n| start() + seconds(n);
        assert_eq!(told, [("u", at(1)), ("v", at(2)), ("u", at(3))]);
        assert_eq!(removed[1].payload.downcast_ref::<&str>(), Some(&"two"));
        assert_eq!(cx.alarm_remove_all().len(), 0);
        assert_eq!(cx.kernel.get_next_event_time(), None);
    });
    assert!(fired.is_empty());
}

// Conformance: KRA-16, QUE-13
#[test]
fn alarm_adjust_tells_the_new_time() {
    let fired = run(|cx| {
        let at = |n| start() + seconds(n);
        let (later, earlier) = (|n| Shift::Later(seconds(n)), |n| Shift::Earlier(seconds(n)));
        let first = cx.alarm_set("t", at(50), 1_u32);
        assert_eq!(cx.alarm_adjust(first, earlier(1)), Ok(at(49)));
        assert_eq!(cx.alarm_adjust(first, later(1)), Ok(at(50)));
        let second = cx.alarm_set("t", at(52), 2_u32);
        assert_eq!(cx.alarm_adjust(second, earlier(4)), Ok(at(48)));
        assert_eq!(cx.alarm_adjust(second, later(4)), Ok(at(52)));
        let third = cx.alarm_set("t", at(49), 3_u32);
        assert_eq!(cx.alarm_adjust(third, later(2)), Ok(at(51)));
        assert_eq!(cx.alarm_adjust(third, later(2)), Ok(at(53)));
        assert_eq!(cx.alarm_adjust(third, earlier(2)), Ok(at(51)));
        assert_eq!(cx.delay_adjust(second, seconds(10)), Ok(at(10)));
    });
    assert_eq!(fired, ["2@10000", "1@50000", "3@51000"]);
}

// Conformance: QUE-06, QUE-07, QUE-19, KRU-07
#[test]
fn a_timer_that_is_gone_or_anothers_is_refused() {
    let kernel = kernel();
    let id = Rc::new(RefCell::new(None));
    let i = id.clone();
    let owner = Session::build(())
        .on_start(move |cx| *i.borrow_mut() = Some(cx.delay_set("end", seconds(1), ())))
        .on("end", |_, ()| {})
        .spawn(&kernel)
        .unwrap();
    let timer = id.borrow().unwrap();
    Session::build(())
        .on_start(move |cx| {
            let error = TimerError::NotYours { timer, owner };
            assert_eq!(cx.alarm_remove(timer).unwrap_err(), error);
            assert_eq!(cx.alarm_adjust(timer, Shift::Later(seconds(1))), Err(error.clone()));
            assert_eq!(cx.delay_adjust(timer, seconds(1)), Err(error));
            cx.delay("later", seconds(2), ());
        })
        .on("later", move |cx, ()| {
            let gone = TimerError::Gone(timer);
            // Another timer may have its place by now.
            cx.delay("never", seconds(2), ());
            assert_eq!(cx.alarm_remove(timer).unwrap_err(), gone);
            assert_eq!(cx.alarm_adjust(timer, Shift::Later(seconds(1))), Err(gone.clone()));
            assert_eq!(cx.delay_adjust(timer, seconds(1)), Err(gone));
            assert_eq!(
                cx.alarm_remove(TimerId::NONE).unwrap_err(),
                TimerError::Gone(TimerId::NONE)
            );
            assert_eq!(cx.alarm_remove_all().len(), 1);
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(elapsed(&kernel), 2000);
}

// Conformance: QUE-01, QUE-03, QUE-05, QUE-08, QUE-23
#[test]
fn timers_are_a_queue_by_time_from_which_any_can_be_taken() {
    let kernel = kernel();
    assert_eq!((kernel.get_event_count(), kernel.get_next_event_time()), (0, None));
    let fired = run(|cx| {
        let at = |n| start() + seconds(n);
        let set = |n: u64| cx.alarm_set("t", at(n), n as u32);
        let [_a, c, _e, b, d] = [1, 3, 5, 2, 4].map(set);
        for (id, n) in [(b, 2), (c, 3), (d, 4)] {
            let alarm = cx.alarm_remove(id).unwrap();
            assert_eq!(alarm.time, at(n));
            assert_eq!(alarm.payload.downcast::<u32>().unwrap(), n as u32);
        }
        assert_eq!(cx.alarm_remove(d).unwrap_err(), TimerError::Gone(d));
        cx.yield_event("t", 0_u32);
        assert_eq!(cx.kernel.get_next_event_time(), Some(start()));
    });
    assert_eq!(fired, ["0@0", "1@1000", "5@5000"]);
}

// Conformance: KRU-01
#[test]
fn timers_need_an_active_session() {
    let kernel = kernel();
    let later = start() + seconds(1);
    let error = kernel.alarm("e", later, ()).unwrap_err();
    assert!(error.to_string().contains("active session"), "{error}");
    assert_eq!(kernel.alarm_set("e", later, ()), Err(NoActiveSession("alarm_set")));
    assert_eq!(kernel.delay("e", seconds(1), ()), Err(NoActiveSession("delay")));
    assert_eq!(kernel.delay_set("e", seconds(1), ()), Err(NoActiveSession("delay_set")));
    let none = TimerId::NONE;
    let refused = |method| TimerError::NoActiveSession(NoActiveSession(method));
    assert_eq!(kernel.alarm_remove(none).unwrap_err(), refused("alarm_remove"));
    let adjusted = kernel.alarm_adjust(none, Shift::Later(seconds(1)));
    assert_eq!(adjusted, Err(refused("alarm_adjust")));
    assert_eq!(kernel.delay_adjust(none, seconds(1)), Err(refused("delay_adjust")));
    assert!(kernel.alarm_remove_all().is_empty() && kernel.alarm_clear("e").is_empty());
    assert_eq!(kernel.get_event_count(), 0);
    assert_eq!(kernel.get_next_event_time(), None);
}

#[test]
fn a_timer_set_in_a_called_handler_is_the_callees() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    Session::build(())
        .on_start(|cx| cx.alias_set("callee"))
        .on("set", |cx, ()| {
            cx.delay("t", seconds(1), ());
        })
        .on("t", move |cx, ()| {
            assert_eq!(cx.sender(), cx.session());
            assert_eq!(cx.caller().state, Some(Name::new("set")));
            t.log("callee");
        })
        .spawn(&kernel)
        .unwrap();
    Session::build(())
        .on_start(|cx| cx.call::<(), _>("callee", "set", ()))
        .on("t", never::<_, ()>)
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["callee"]);
}

#[test]
fn a_timer_may_have_any_name() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    Session::build(())
        .on_start(|cx| {
            cx.delay("_timeout", seconds(1), ());
        })
        .on("_timeout", move |_, ()| t.log("came"))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["came"]);
}

#[test]
fn timers_of_a_stopped_session_go_with_it() {
    let kernel = kernel();
    let id = Session::build(())
        .on_start(|cx| {
            cx.delay("never", seconds(10), ());
        })
        .on("never", never::<_, ()>)
        .on_stop(|cx| {
            cx.delay("never", seconds(10), ());
        })
        .spawn(&kernel)
        .unwrap();
    kernel.signal(id, "TERM", ()).unwrap();
    kernel.run().unwrap();
    assert_eq!((elapsed(&kernel), kernel.get_event_count()), (0, 0));
    // The next session in its place has none of them.
    let next = Session::build(())
        .on_start(|cx| assert!(cx.alarm_remove_all().is_empty()))
        .spawn(&kernel)
        .unwrap();
    assert_ne!(id, next);
    kernel.run().unwrap();
}

// Conformance: KRA-22
#[test]
fn a_program_of_one_delay_ends_after_it_with_all_traces_and_assertions() {
    let (traced, said) = (Rc::new(Cell::new(0)), Rc::new(RefCell::new(Vec::new())));
    let (t, s) = (traced.clone(), said.clone());
    let kernel = Kernel::builder()
        .virtual_clock(start())
        .traces(Traces::ALL)
        .asserts(Asserts::ALL)
        .diagnostics(move |diagnostic| match diagnostic {
            Diagnostic::Traced { .. } => t.set(t.get() + 1),
            other => s.borrow_mut().push(other.to_string()),
        })
        .build()
        .unwrap();
    Session::build(())
        .on_start(|cx| cx.yield_event("go", ()))
        .on("go", |cx, ()| {
            cx.delay("done", seconds(1), ());
        })
        .on("done", |_, ()| {})
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(elapsed(&kernel), 1000);
    assert!(traced.get() > 10, "{} lines", traced.get());
    assert_eq!(*said.borrow(), [""; 0]);
}

// Conformance: KRA-09
#[test]
fn real_delays_take_the_time_they_say() {
    let kernel = Kernel::new().unwrap();
    let began = std::time::Instant::now();
    for n in 1..=10_u64 {
        Session::build(())
            .on_start(move |cx| {
                cx.delay("done", millis(n), n);
            })
            .on("done", move |_, n: u64| assert!(began.elapsed() >= millis(n)))
            .spawn(&kernel)
            .unwrap();
    }
    kernel.run().unwrap();
    assert!(began.elapsed() < seconds(15));
}

#[test]
fn extreme_times_neither_overflow_nor_hang() {
    let fired = run(|cx| {
        let far = cx.delay_set("u", Duration::MAX, 1_u32);
        cx.alarm_set("u", start() + Duration::from_secs(1 << 40), 2_u32);
        cx.alarm_adjust(far, Shift::Later(Duration::MAX)).unwrap();
        cx.alarm_adjust(far, Shift::Earlier(Duration::MAX)).unwrap();
        cx.alarm_adjust(far, Shift::Earlier(Duration::MAX)).unwrap();
        cx.alarm_adjust(far, Shift::Earlier(Duration::MAX)).unwrap();
        assert_eq!(cx.alarm_clear("u").len(), 2);
        cx.yield_event("t", 3_u32);
    });
    assert_eq!(fired, ["3@0"]);
}

// Conformance: QUE-15, QUE-16, QUE-17
#[test]
fn a_hundred_thousand_random_changes_keep_the_order_of_a_sorted_list() {
    type Model = BTreeMap<(i64, u64), (u32, TimerId)>;
    #[derive(Default)]
    struct Heap {
        model: Model,
        fired: u32,
    }
    const START: i64 = 1_000_000;
    fn at(n: i64) -> std::time::SystemTime {
        start() + Duration::from_millis(n.unsigned_abs()) - millis(START.unsigned_abs())
    }
    let kernel = kernel();
    Session::build(Heap::default())
        .on_start(|cx| {
            let mut random = Random(42);
            let mut keys: Vec<(i64, u64)> = Vec::new();
            let mut sequence = 0;
            for n in 0..100_000_u32 {
                sequence += 1;
                let due = START + random.below(1000);
                match random.below(10) {
                    0..6 => {
                        let id = cx.alarm_set("t", at(due), n);
                        cx.heap.model.insert((due, sequence), (n, id));
                        keys.push((due, sequence));
                    }
                    6..8 if !keys.is_empty() => {
                        let place = random.below(keys.len() as i64) as usize;
                        let old = keys[place];
                        let (n, id) = cx.heap.model.remove(&old).unwrap();
                        let shift = Duration::from_millis((due - old.0).unsigned_abs());
                        let shift =
                            if due < old.0 { Shift::Earlier(shift) } else { Shift::Later(shift) };
                        assert_eq!(cx.alarm_adjust(id, shift), Ok(at(due)));
                        let key = if due == old.0 { old } else { (due, sequence) };
                        cx.heap.model.insert(key, (n, id));
                        keys[place] = key;
                    }
                    _ if !keys.is_empty() => {
                        let place = random.below(keys.len() as i64) as usize;
                        let key = keys.swap_remove(place);
                        let (n, id) = cx.heap.model.remove(&key).unwrap();
                        let alarm = cx.alarm_remove(id).unwrap();
                        assert_eq!(alarm.time, at(key.0));
                        assert_eq!(alarm.payload.downcast::<u32>().unwrap(), n);
                        assert_eq!(cx.alarm_remove(id).unwrap_err(), TimerError::Gone(id));
                    }
                    _ => {}
                }
            }
            assert!(cx.heap.model.len() > 10_000);
            assert_eq!(cx.kernel.get_event_count(), cx.heap.model.len());
        })
        .on("t", |cx, n: u32| {
            cx.heap.fired += 1;
            let ((due, _), (expected, _)) = cx.heap.model.pop_first().unwrap();
            assert_eq!(n, expected);
            assert_eq!(cx.kernel.time(), at(due));
        })
        .on_stop(|cx| assert!(cx.heap.model.is_empty() && cx.heap.fired > 10_000))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

#[test]
fn a_timer_moved_to_the_past_and_back_keeps_its_turn() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    Session::build(TimerId::NONE)
        .on_start(|cx| {
            *cx.heap = cx.delay_set("t", seconds(1), 1);
            cx.yield_event("to the past", ());
            cx.yield_event("and back", ());
        })
        .on("to the past", |cx, ()| cx.alarm_adjust(*cx.heap, Shift::Earlier(seconds(1))).map(drop))
        .on("and back", |cx, ()| -> HandlerResult {
            cx.alarm_adjust(*cx.heap, Shift::Later(seconds(1)))?;
            cx.delay_set("t", seconds(1), 2);
            Ok(())
        })
        .on("t", move |cx, n: i32| t.log(format!("{n}@{}", elapsed(cx.kernel))))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["1@1000", "2@1000"]);
}

/// A small generator of its own, so that each run is the same.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as i64 % limit
    }
}

#[test]
fn a_heap_begins_with_a_timer_that_there_is_not() {
    #[derive(Default)]
    struct Watchdog {
        timer: TimerId,
    }
    let kernel = kernel();
    Session::build(Watchdog::default())
        .on_start(|cx| {
            assert_eq!(cx.heap.timer, TimerId::NONE);
            let error = cx.delay_adjust(cx.heap.timer, seconds(1)).unwrap_err();
            assert_eq!(error.to_string(), "timer none has fired or was removed");
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}
