//! Alarms and delays.

use std::cell::Cell;
use std::rc::Rc;

use poe_session::prelude::*;

use crate::stage::{On, actor, millis, note, secs};

scenarios!("timers":
    timers_of_the_past_go_before_what_is_posted,
    equal_alarms_fire_as_they_were_set,
    timers_fire_when_due_and_not_as_set,
    alarm_and_delay_replace_what_has_their_name,
    clearing_a_name_leaves_what_is_posted,
    an_adjusted_alarm_goes_behind_its_equals,
    adjusting_changes_the_order,
    an_adjusted_delay_counts_from_now,
    a_removed_timer_says_what_it_was,
    all_timers_are_removed_soonest_first,
    adjusting_what_is_gone_is_refused
        unlike "`delay_adjust` reports a timer that is gone or another session's, as `alarm_adjust` does.",
    a_timer_for_the_past_waits_for_the_next_pass
        unlike "A timer set for the past in a pass waits for the next pass, and cannot starve handles.",
    a_delay_of_nothing_goes_where_a_post_would,
    a_timer_is_of_the_session_whose_handler_set_it,
    alarms_that_set_alarms_keep_their_time,
    a_stopped_sessions_timers_go_with_it,
    every_removed_timer_says_when_it_was_due
        unlike "`alarm_remove_all` gives records of one shape with `alarm_remove`, and every one has its time.",
);

// Conformance: KRA-21
fn timers_of_the_past_go_before_what_is_posted(kernel: &Kernel) {
    actor("a")
        .notes(["one", "two", "three", "old", "older", "negative", "none"])
        .on_start(|cx| -> HandlerResult {
            let now = cx.kernel.time();
            cx.yield_event("one", ());
            cx.alarm_set("old", now - secs(10), ());
            cx.alarm_set("older", now - secs(20), ());
            cx.yield_event("two", ());
            cx.alarm_set("negative", now - secs(5), ());
            cx.delay_set("none", secs(0), ());
            cx.post(cx.session(), "three", ())?;
            Ok(())
        })
        .enter(kernel);
}

// Conformance: KRA-20
fn equal_alarms_fire_as_they_were_set(kernel: &Kernel) {
    let when = kernel.time() + millis(50);
    for name in ["a", "b", "c"] {
        actor(name)
            .on("alarm", |_, _: u32| {})
            .on_start(move |cx| {
                for n in [1, 2_u32] {
                    cx.alarm_set("alarm", when, n);
                }
            })
            .enter(kernel);
    }
}

fn timers_fire_when_due_and_not_as_set(kernel: &Kernel) {
    actor("a")
        .notes(["soon", "later", "last"])
        .on_start(|cx| {
            let now = cx.kernel.time();
            cx.alarm_set("last", now + millis(60), ());
            cx.alarm_set("soon", now + millis(20), ());
            cx.alarm_set("later", now + millis(40), ());
        })
        .enter(kernel);
}

// Conformance: KRA-02, KRA-03, KRA-06, KRA-07
fn alarm_and_delay_replace_what_has_their_name(kernel: &Kernel) {
    actor("a")
        .on("t", |_, _: u32| {})
        .on("u", |_, _: u32| {})
        .on("v", |_, _: u32| {})
        .on_start(|cx| {
            let now = cx.kernel.time();
            cx.alarm("t", now + millis(10), 1_u32);
            cx.alarm_set("t", now + millis(20), 2_u32);
            cx.alarm("t", now + millis(30), 3_u32);
            cx.alarm_set("t", now + millis(40), 4_u32);
            cx.delay_set("u", millis(10), 5_u32);
            cx.delay("u", millis(50), 6_u32);
            cx.alarm_set("v", now + millis(10), 7_u32);
            cx.alarm_clear("v");
        })
        .enter(kernel);
}

fn clearing_a_name_leaves_what_is_posted(kernel: &Kernel) {
    actor("a")
        .on("event", |_, _: u32| {})
        .on_start(|cx| {
            cx.yield_event("event", 1_u32);
            cx.delay_set("event", millis(10), 2_u32);
            cx.alarm_clear("event");
        })
        .enter(kernel);
}

fn an_adjusted_alarm_goes_behind_its_equals(kernel: &Kernel) {
    actor("a")
        .on("alarm", |_, _: u32| {})
        .on_start(|cx| -> HandlerResult {
            let when = cx.kernel.time() - secs(100);
            let [first, second, _, last] = [1, 2, 3, 4_u32].map(|n| cx.alarm_set("alarm", when, n));
            cx.alarm_adjust(first, Shift::Later(secs(5)))?;
            cx.alarm_adjust(first, Shift::Earlier(secs(5)))?;
            cx.alarm_adjust(second, Shift::Later(secs(0)))?;
            cx.alarm_adjust(last, Shift::Earlier(secs(5)))?;
            cx.alarm_adjust(last, Shift::Later(secs(5)))?;
            Ok(())
        })
        .enter(kernel);
}

fn adjusting_changes_the_order(kernel: &Kernel) {
    actor("a")
        .notes(["first", "second", "third"])
        .on_start(|cx| -> HandlerResult {
            let now = cx.kernel.time();
            let first = cx.alarm_set("first", now - secs(30), ());
            cx.alarm_set("second", now - secs(20), ());
            let third = cx.alarm_set("third", now - secs(10), ());
            cx.alarm_adjust(first, Shift::Later(secs(15)))?;
            cx.alarm_adjust(third, Shift::Earlier(secs(30)))?;
            Ok(())
        })
        .enter(kernel);
}

fn an_adjusted_delay_counts_from_now(kernel: &Kernel) {
    actor("a")
        .notes(["early", "late", "between"])
        .on_start(|cx| -> HandlerResult {
            let early = cx.delay_set("early", millis(10), ());
            let late = cx.delay_set("late", secs(600), ());
            cx.delay_set("between", millis(200), ());
            cx.delay_adjust(early, millis(250))?;
            cx.delay_adjust(late, millis(10))?;
            Ok(())
        })
        .enter(kernel);
}

fn a_removed_timer_says_what_it_was(kernel: &Kernel) {
    fn remove(cx: &On<'_>, name: &str, timer: TimerId) {
        note(match cx.alarm_remove(timer) {
            Ok(Alarm { event, payload, .. }) => {
                format!("{name} removed {event} {}", payload.downcast::<u32>().unwrap())
            }
            Err(_) => format!("{name} refused"),
        });
    }
    let [mine, gone] = [(); 2].map(|()| Rc::new(Cell::new(TimerId::NONE)));
    let set = (Rc::clone(&mine), Rc::clone(&gone));
    let timers = [gone, Rc::clone(&mine), Rc::clone(&mine)];
    actor("a")
        .notes(["gone", "still"])
        .on_start(move |cx| {
            let now = cx.kernel.time();
            set.0.set(cx.alarm_set("mine", now + secs(600), 1_u32));
            set.1.set(cx.alarm_set("gone", now - secs(5), ()));
            cx.yield_event("remove", ());
        })
        .on("remove", move |cx, ()| timers.iter().for_each(|timer| remove(cx, "a", timer.get())))
        .enter(kernel);
    actor("b").on_start(move |cx| remove(cx, "b", mine.get())).enter(kernel);
}

// Conformance: KRA-14
fn all_timers_are_removed_soonest_first(kernel: &Kernel) {
    actor("a")
        .on("kept", |_, _: u32| {})
        .on_start(|cx| {
            cx.delay_set("three", secs(30), 3_u32);
            cx.alarm_set("one", cx.kernel.time() - secs(10), 1_u32);
            cx.delay("two", secs(20), 2_u32);
            cx.yield_event("kept", 4_u32);
            for Alarm { event, payload, .. } in cx.alarm_remove_all() {
                note(format!("removed {event} {}", payload.downcast::<u32>().unwrap()));
            }
            if cx.alarm_remove_all().is_empty() {
                note("nothing left");
            }
        })
        .enter(kernel);
}

fn adjusting_what_is_gone_is_refused(kernel: &Kernel) {
    let timer = Rc::new(Cell::new(TimerId::NONE));
    let set = Rc::clone(&timer);
    actor("a")
        .notes(["timer"])
        .on_start(move |cx| {
            set.set(cx.delay_set("timer", secs(0), ()));
            cx.delay_set("adjust", millis(20), ());
        })
        .on("adjust", move |cx, ()| {
            let told = |refused| if refused { "refused" } else { "said nothing" };
            let adjusted = cx.alarm_adjust(timer.get(), Shift::Later(secs(1)));
            note(format!("alarm_adjust: {}", told(adjusted.is_err())));
            let adjusted = cx.delay_adjust(timer.get(), secs(1));
            note(format!("delay_adjust: {}", told(adjusted.is_err())));
        })
        .enter(kernel);
}

fn a_timer_for_the_past_waits_for_the_next_pass(kernel: &Kernel) {
    actor("a")
        .notes(["past", "queued"])
        .on_start(|cx| {
            cx.yield_event("set", ());
            cx.yield_event("queued", ());
        })
        .on("set", |cx, ()| cx.alarm_set("past", cx.kernel.time() - secs(10), ()))
        .enter(kernel);
}

fn a_delay_of_nothing_goes_where_a_post_would(kernel: &Kernel) {
    actor("a")
        .notes(["queued", "before", "nothing", "after"])
        .on_start(|cx| {
            cx.yield_event("set", ());
            cx.yield_event("queued", ());
        })
        .on("set", |cx, ()| {
            cx.yield_event("before", ());
            cx.delay_set("nothing", secs(0), ());
            cx.yield_event("after", ());
        })
        .enter(kernel);
}

fn a_timer_is_of_the_session_whose_handler_set_it(kernel: &Kernel) {
    actor("a")
        .on("timer", |_, _: u32| {})
        .on_start(|cx| -> HandlerResult {
            let b = actor("b")
                .on("timer", |_, _: u32| {})
                .on("set", |cx, ()| cx.delay_set("timer", millis(30), 2_u32))
                .below(cx);
            cx.call::<TimerId, _>(b, "set", ())?;
            cx.delay_set("timer", millis(10), 1_u32);
            Ok(())
        })
        .enter(kernel);
}

fn alarms_that_set_alarms_keep_their_time(kernel: &Kernel) {
    let begin = kernel.time() + millis(20);
    actor("a")
        .on_start(move |cx| {
            cx.alarm_set("tick", begin, 0_u32);
            cx.alarm_set("tock", begin + millis(30), 0_u32);
        })
        .on("tick", move |cx, n: u32| {
            if n < 3 {
                cx.alarm_set("tick", begin + millis(40) * (n + 1), n + 1);
            }
        })
        .on("tock", move |cx, n: u32| {
            if n < 1 {
                cx.alarm_set("tock", begin + millis(30) + millis(70) * (n + 1), n + 1);
            }
        })
        .enter(kernel);
}

fn a_stopped_sessions_timers_go_with_it(kernel: &Kernel) {
    let a = actor("a")
        .notes(["timer"])
        .on_start(|cx| cx.delay_set("timer", millis(20), ()))
        .enter(kernel);
    actor("b")
        .notes(["timer"])
        .on_start(move |cx| -> HandlerResult {
            cx.signal(a, "TERM", ())?;
            cx.delay_set("timer", millis(40), ());
            Ok(())
        })
        .enter(kernel);
}

fn every_removed_timer_says_when_it_was_due(kernel: &Kernel) {
    actor("a")
        .on_start(|cx| {
            let now = cx.kernel.time();
            cx.delay("named", secs(60), ());
            cx.delay_set("set", secs(70), ());
            cx.alarm("alarm", now + secs(80), ());
            for Alarm { event, time, .. } in cx.alarm_remove_all() {
                note(format!("{event} {}", if time > now { "has its time" } else { "has none" }));
            }
        })
        .enter(kernel);
}
