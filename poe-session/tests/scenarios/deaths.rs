//! Handlers that fail.

use poe_session::prelude::*;

use crate::stage::{Actor, On, actor, fail, millis, note, run, secs};

scenarios!("deaths":
    a_handled_death_is_survived,
    an_unhandled_death_ends_the_run,
    a_death_is_told_to_those_below_and_above,
    a_descendant_may_handle_a_death,
    what_was_queued_before_a_death_comes_before_it,
    who_dies_in_its_start_is_created_all_the_same,
    a_parent_may_handle_its_childs_death_in_start,
    who_dies_in_its_stop_ends_the_run
        unlike "A failure in `_stop` ends the run at once; POE dispatches one event more.",
    who_dies_of_a_death_ends_the_run,
    who_dies_of_a_signal_gets_a_death,
    who_dies_of_being_told_of_a_child_gets_a_death,
    who_dies_of_being_told_of_its_parent_gets_a_death,
    a_death_in_a_call_is_the_called_sessions,
    a_caller_is_told_of_a_death unlike "A caller learns that its call failed, and of what.",
    a_death_in_a_call_to_oneself_can_be_caught,
    a_death_in_a_call_to_oneself_is_the_callers,
    two_deaths_may_be_handled,
    the_first_of_two_deaths_ends_the_run,
    die_sent_by_hand_is_no_failure_of_the_run
        unlike "A `DIE` sent by hand stops whom it reaches, if unhandled, and is no failure of `run`.",
    run_may_be_called_again_after_a_death,
    a_death_with_nobody_left_to_be_told_ends_the_run
        unlike "A death whose session was stopped before it could be told ends the run; POE forgets it.",
    a_timer_that_dies_dies_as_an_event_does,
);

/// Watches deaths in its start.
fn watch(cx: &mut On<'_>) {
    cx.sig("DIE", "died").unwrap();
}

impl Actor {
    fn fails(self, event: &'static str) -> Self {
        self.on(event, |_, ()| fail("oops"))
    }

    fn handles_deaths(self) -> Self {
        self.on("died", |cx, _: Signal| cx.sig_handled())
    }

    fn notes_deaths(self) -> Self {
        self.on("died", |_, _: Signal| {})
    }
}

// Conformance: KRX-01
fn a_handled_death_is_survived(kernel: &Kernel) {
    actor("a")
        .notes(["late"])
        .on("fail", |cx, ()| {
            cx.delay_set("late", millis(20), ());
            fail("oops")
        })
        .on_start(|cx| {
            watch(cx);
            cx.yield_event("fail", ());
        })
        .handles_deaths()
        .enter(kernel);
}

fn an_unhandled_death_ends_the_run(kernel: &Kernel) {
    actor("bystander")
        .notes(["never"])
        .on_start(|cx| cx.delay_set("never", secs(3600), ()))
        .enter(kernel);
    actor("a").fails("fail").on_start(|cx| cx.yield_event("fail", ())).enter(kernel);
}

fn a_death_is_told_to_those_below_and_above(kernel: &Kernel) {
    fn m(cx: &mut On<'_>) {
        watch(cx);
        actor("c")
            .notes_deaths()
            .on_start(|cx| {
                cx.alias_set("c").unwrap();
                watch(cx);
            })
            .below(cx);
        cx.yield_event("fail", ());
    }
    actor("p")
        .handles_deaths()
        .on_start(|cx| {
            watch(cx);
            actor("m").notes_deaths().fails("fail").on_start(m).below(cx);
            actor("sibling")
                .notes_deaths()
                .on_start(|cx| {
                    cx.alias_set("sibling").unwrap();
                    watch(cx);
                })
                .on("end", |cx, ()| cx.alias_remove("sibling"))
                .below(cx);
            cx.post("sibling", "end", ()).unwrap();
        })
        .enter(kernel);
    actor("stranger").notes_deaths().on_start(watch).enter(kernel);
}

fn a_descendant_may_handle_a_death(kernel: &Kernel) {
    actor("p")
        .fails("fail")
        .on_start(|cx| {
            cx.yield_event("fail", ());
            actor("c")
                .handles_deaths()
                .on_start(|cx| {
                    cx.alias_set("c").unwrap();
                    watch(cx);
                })
                .below(cx);
        })
        .enter(kernel);
}

// Conformance: KRX-09
fn what_was_queued_before_a_death_comes_before_it(kernel: &Kernel) {
    let b = actor("b").notes(["event"]).enter(kernel);
    actor("a")
        .notes(["behind"])
        .fails("fail")
        .handles_deaths()
        .on_start(move |cx| {
            watch(cx);
            cx.yield_event("fail", ());
            cx.yield_event("behind", ());
            cx.post(b, "event", ())
        })
        .enter(kernel);
}

// Conformance: KRX-08
fn who_dies_in_its_start_is_created_all_the_same(kernel: &Kernel) {
    actor("p")
        .on_start(|cx| {
            actor("c").fails("_start").below(cx);
            note("p has created c");
        })
        .enter(kernel);
}

fn a_parent_may_handle_its_childs_death_in_start(kernel: &Kernel) {
    actor("p")
        .handles_deaths()
        .notes(["after"])
        .on_start(|cx| {
            watch(cx);
            actor("c").notes(["hello"]).fails("_start").below(cx);
            cx.yield_event("after", ());
        })
        .enter(kernel);
}

fn who_dies_in_its_stop_ends_the_run(kernel: &Kernel) {
    actor("other")
        .notes(["event", "never"])
        .on_start(|cx| {
            cx.delay_set("event", millis(10), ());
            cx.delay_set("never", secs(3600), ());
        })
        .enter(kernel);
    actor("a").handles_deaths().on_start(watch).fails("_stop").enter(kernel);
}

fn who_dies_of_a_death_ends_the_run(kernel: &Kernel) {
    actor("a")
        .fails("fail")
        .on_start(|cx| {
            watch(cx);
            cx.yield_event("fail", ());
        })
        .on("died", |cx, _: Signal| {
            cx.sig_handled();
            fail("again")
        })
        .enter(kernel);
}

fn who_dies_of_a_signal_gets_a_death(kernel: &Kernel) {
    actor("a")
        .handles_deaths()
        .on_start(|cx| {
            watch(cx);
            cx.sig("WEATHER", "signal").unwrap();
            cx.signal(cx.session(), "WEATHER", ())
        })
        .on("signal", |_, _: Signal| fail("oops"))
        .enter(kernel);
}

fn who_dies_of_being_told_of_a_child_gets_a_death(kernel: &Kernel) {
    actor("p")
        .handles_deaths()
        .on_start(|cx| {
            watch(cx);
            actor("c").below(cx);
        })
        .on("_child", |_, child: Child| match child.change {
            Change::Create => fail("oops"),
            _ => Ok(()),
        })
        .enter(kernel);
}

fn who_dies_of_being_told_of_its_parent_gets_a_death(kernel: &Kernel) {
    actor("p")
        .on_start(|cx| {
            actor("c")
                .handles_deaths()
                .notes(["after"])
                .on_start(|cx| {
                    watch(cx);
                    cx.yield_event("leave", ());
                })
                .on("leave", |cx, ()| {
                    cx.detach_myself().unwrap();
                    cx.yield_event("after", ());
                })
                .on("_parent", |_, _: Parent| fail("oops"))
                .below(cx);
        })
        .enter(kernel);
}

// Conformance: KRX-11
fn a_death_in_a_call_is_the_called_sessions(kernel: &Kernel) {
    let b = actor("b").fails("fail").handles_deaths().on_start(watch).enter(kernel);
    actor("a")
        .notes_deaths()
        .on("begin", move |cx, ()| {
            let _ = cx.call::<(), _>(b, "fail", ());
            note("a goes on");
        })
        .on_start(|cx| {
            watch(cx);
            cx.yield_event("begin", ());
        })
        .enter(kernel);
}

fn a_caller_is_told_of_a_death(kernel: &Kernel) {
    let b = actor("b").fails("fail").handles_deaths().on_start(watch).enter(kernel);
    actor("a")
        .on_start(move |cx| {
            let told = cx.call::<(), _>(b, "fail", ()).is_err();
            note(if told { "a is told" } else { "a is told nothing" });
        })
        .enter(kernel);
}

// Conformance: KRX-11
fn a_death_in_a_call_to_oneself_can_be_caught(kernel: &Kernel) {
    actor("a")
        .notes_deaths()
        .fails("fail")
        .on_start(|cx| {
            watch(cx);
            cx.yield_event("begin", ());
        })
        .on("begin", |cx, ()| {
            if let Err(CallError::Died(death)) = cx.call::<(), _>(cx.session(), "fail", ()) {
                note(format!("a caught {}", death.cause));
            }
        })
        .enter(kernel);
}

// Conformance: KRX-11
fn a_death_in_a_call_to_oneself_is_the_callers(kernel: &Kernel) {
    actor("a")
        .handles_deaths()
        .fails("fail")
        .on_start(|cx| {
            watch(cx);
            cx.yield_event("begin", ());
        })
        .on("begin", |cx, ()| -> HandlerResult {
            match cx.call::<(), _>(cx.session(), "fail", ()) {
                Err(CallError::Died(death)) => fail(&death.cause.to_string()),
                _ => {
                    note("a goes on");
                    Ok(())
                }
            }
        })
        .enter(kernel);
}

fn fail_with_number(_: &mut On<'_>, n: u32) -> HandlerResult {
    fail(&format!("oops {n}"))
}

fn two_deaths_may_be_handled(kernel: &Kernel) {
    actor("a")
        .handles_deaths()
        .on("fail", fail_with_number)
        .on_start(|cx| {
            watch(cx);
            cx.yield_event("fail", 1_u32);
            cx.yield_event("fail", 2_u32);
        })
        .enter(kernel);
}

fn the_first_of_two_deaths_ends_the_run(kernel: &Kernel) {
    actor("a")
        .on("fail", fail_with_number)
        .on_start(|cx| {
            cx.yield_event("fail", 1_u32);
            cx.yield_event("fail", 2_u32);
        })
        .enter(kernel);
}

fn die_sent_by_hand_is_no_failure_of_the_run(kernel: &Kernel) {
    let a = actor("a")
        .notes(["never"])
        .on_start(|cx| cx.delay_set("never", secs(3600), ()))
        .enter(kernel);
    kernel.signal(a, "DIE", "by hand").unwrap();
}

fn run_may_be_called_again_after_a_death(kernel: &Kernel) {
    actor("a").fails("_start").enter(kernel);
    run(kernel);
    actor("b").notes(["event"]).on_start(|cx| cx.yield_event("event", ())).enter(kernel);
}

fn a_death_with_nobody_left_to_be_told_ends_the_run(kernel: &Kernel) {
    actor("b").notes(["later"]).on_start(|cx| cx.delay_set("later", millis(20), ())).enter(kernel);
    actor("a")
        .fails("fail")
        .on_start(|cx| {
            cx.yield_event("fail", ());
            cx.signal(cx.session(), "TERM", ())
        })
        .enter(kernel);
}

fn a_timer_that_dies_dies_as_an_event_does(kernel: &Kernel) {
    actor("p")
        .handles_deaths()
        .on_start(|cx| {
            watch(cx);
            actor("c").fails("fail").on_start(|cx| cx.delay_set("fail", millis(10), ())).below(cx);
        })
        .enter(kernel);
}
