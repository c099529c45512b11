//! State machines; the twin of nfa.pl.

use std::cell::Cell;

use poe_session::prelude::*;

use crate::stage::{actor, fail, machine, note, survive};

scenarios!("nfa":
    a_transition_waits_behind_what_was_sent_before,
    a_state_is_left_before_the_next_is_entered,
    a_state_that_goes_to_itself_is_left_and_entered,
    a_transition_is_asked_for_while_another_waits,
    what_enters_a_state_may_go_on_to_the_next,
    states_call_each_other_and_return,
    a_state_has_its_own_default_handler,
    a_machine_is_called_in_its_state_of_the_moment,
    an_event_that_the_state_does_not_know_is_a_death,
    a_failure_in_leave_keeps_the_state,
    a_failure_in_what_enters_a_state_keeps_the_new_one,
    a_failed_leave_is_no_call
        unlike "A `leave` that fails leaves the calls of states as they were, too.",
    a_machine_stops_by_itself_whatever_holds_it,
    an_immediate_transition_is_made_at_once,
    an_immediate_call_returns_at_once,
    a_handler_set_at_run_time_is_for_every_state,
    a_machine_has_a_parent_as_a_session_has,
    a_postback_finds_the_state_of_the_moment,
    a_machine_has_its_first_and_last_event_too
        unlike "`_start` and `_stop` reach a machine's states, and `_child` and `_parent` need no handler there.",
    a_machine_need_not_care_for_its_children
        unlike "`_start` and `_stop` reach a machine's states, and `_child` and `_parent` need no handler there.",
    a_state_that_is_not_there_cannot_be_gone_to
        unlike "A transition that cannot be made is an error where it is asked for, and no death later.",
    there_is_nowhere_to_return_to
        unlike "A transition that cannot be made is an error where it is asked for, and no death later.",
);

fn a_transition_waits_behind_what_was_sent_before(kernel: &Kernel) {
    machine("m")
        .notes("one", ["early", "late"])
        .on("one", "start", |cx, ()| -> HandlerResult {
            cx.yield_event("early", ());
            cx.goto_state("two", "enter")?;
            cx.yield_event("late", ());
            Ok(())
        })
        .notes("two", ["early", "enter", "late"])
        .enter(kernel, "one", "start");
}

fn a_state_is_left_before_the_next_is_entered(kernel: &Kernel) {
    machine("m")
        .notes("one", ["leave"])
        .on("one", "start", |cx, ()| cx.goto_state("two", ("enter", 7_u32)))
        .notes("two", ["leave"])
        .on("two", "enter", |cx, _: u32| cx.goto_state("three", ()))
        .notes("three", [])
        .enter(kernel, "one", "start");
}

fn a_state_that_goes_to_itself_is_left_and_entered(kernel: &Kernel) {
    machine("m")
        .notes("one", ["leave", "again"])
        .on("one", "start", |cx, ()| cx.goto_state("one", "again"))
        .enter(kernel, "one", "start");
}

fn a_transition_is_asked_for_while_another_waits(kernel: &Kernel) {
    machine("m")
        .on("one", "start", |cx, ()| {
            cx.goto_state("two", "enter")?;
            cx.goto_state("three", "enter")
        })
        .notes("two", ["enter", "leave"])
        .notes("three", ["enter", "leave"])
        .enter(kernel, "one", "start");
}

fn what_enters_a_state_may_go_on_to_the_next(kernel: &Kernel) {
    machine("m")
        .on("one", "start", |cx, ()| cx.goto_state("two", "enter"))
        .notes("two", ["leave", "posted"])
        .on("two", "enter", |cx, ()| -> HandlerResult {
            cx.yield_event("posted", ());
            cx.goto_state("three", "enter")?;
            cx.yield_event("posted", ());
            Ok(())
        })
        .notes("three", ["enter", "posted"])
        .enter(kernel, "one", "start");
}

// Conformance: NFA-05
fn states_call_each_other_and_return(kernel: &Kernel) {
    machine("m")
        .notes("one", ["leave"])
        .on("one", "start", |cx, ()| cx.call_state("answer", "two", ("ask", 1_u32)))
        .on("one", "answer", |cx, _: u32| cx.call_state((), "two", ("ask", 3_u32)))
        .notes("two", ["leave"])
        .on("two", "ask", |cx, n: u32| {
            if n == 3 {
                cx.return_state("dropped")
            } else {
                cx.call_state("answer", "three", ("ask", n + 1))
            }
        })
        .on("two", "answer", |cx, n: u32| cx.return_state(n * 10))
        .on("three", "ask", |cx, n: u32| cx.return_state(n * 10))
        .enter(kernel, "one", "start");
}

fn a_state_has_its_own_default_handler(kernel: &Kernel) {
    machine("m")
        .on_default("one", |_, _| {})
        .on("one", "start", |cx, ()| -> HandlerResult {
            cx.yield_event("odd", 1_u32);
            cx.goto_state("two", ())?;
            cx.yield_event("odd", 2_u32);
            Ok(())
        })
        .on_default("two", |_, _| {})
        .on("two", "odd", |cx, _: u32| cx.yield_event("even", 3_u32))
        .enter(kernel, "one", "start");
}

fn a_machine_is_called_in_its_state_of_the_moment(kernel: &Kernel) {
    machine("m")
        .on("one", "start", |cx, ()| cx.alias_set("m"))
        .on("one", "which", |cx, ()| cx.goto_state("two", ()).map(|()| Reply(1_u32)))
        .on("two", "which", |_, ()| Reply(2_u32))
        .enter(kernel, "one", "start");
    actor("a")
        .on("ask", |cx, ()| {
            note(format!("a got {}", cx.call::<u32, _>("m", "which", ()).unwrap()));
        })
        .on_start(|cx| {
            note(format!("a got {}", cx.call::<u32, _>("m", "which", ()).unwrap()));
            note(format!("a got {}", cx.call::<u32, _>("m", "which", ()).unwrap()));
            cx.yield_event("ask", ());
        })
        .enter(kernel);
}

fn an_event_that_the_state_does_not_know_is_a_death(kernel: &Kernel) {
    machine("m")
        .notes("one", ["known"])
        .on("one", "start", |cx, ()| {
            survive(cx);
            cx.yield_event("unknown", ());
            cx.yield_event("known", ());
        })
        .enter(kernel, "one", "start");
}

fn a_failure_in_leave_keeps_the_state(kernel: &Kernel) {
    machine("m")
        .notes("one", ["where"])
        .on("one", "leave", |_, ()| fail("stuck"))
        .on("one", "start", |cx, ()| -> HandlerResult {
            survive(cx);
            cx.goto_state("two", "enter")?;
            cx.yield_event("where", ());
            Ok(())
        })
        .notes("two", ["where", "enter"])
        .enter(kernel, "one", "start");
}

fn a_failure_in_what_enters_a_state_keeps_the_new_one(kernel: &Kernel) {
    machine("m")
        .notes("one", ["leave"])
        .on("one", "start", |cx, ()| -> HandlerResult {
            survive(cx);
            cx.goto_state("two", "enter")?;
            cx.yield_event("where", ());
            Ok(())
        })
        .notes("two", ["where"])
        .on("two", "enter", |_, ()| fail("stuck"))
        .enter(kernel, "one", "start");
}

fn a_failed_leave_is_no_call(kernel: &Kernel) {
    let has_tried = Cell::new(false);
    machine("m")
        .notes("one", ["answer"])
        .on(
            "one",
            "leave",
            move |_, ()| if has_tried.replace(true) { Ok(()) } else { fail("stuck") },
        )
        .on("one", "start", |cx, ()| -> HandlerResult {
            survive(cx);
            cx.call_state("answer", "two", "enter")?;
            cx.yield_event("again", ());
            Ok(())
        })
        .on("one", "again", |cx, ()| cx.call_state("answer", "two", "enter"))
        .on("two", "enter", |cx, ()| {
            cx.return_state(())?;
            cx.return_state(())
        })
        .enter(kernel, "one", "start");
}

// Conformance: NFA-04
fn a_machine_stops_by_itself_whatever_holds_it(kernel: &Kernel) {
    actor("a")
        .on("keep", |cx, ()| cx.alias_set("a"))
        .on_start(|cx| {
            cx.yield_event("keep", ());
            machine("m")
                .notes("one", ["early", "late"])
                .on("one", "_child", |_, _: Child| {})
                .on("one", "_parent", |_, _: Parent| {})
                .on("one", "start", |cx, ()| {
                    cx.alias_set("m").unwrap();
                    actor("c").on_start(|cx| cx.alias_set("c")).below(cx);
                    cx.yield_event("early", ());
                    cx.stop_machine();
                    cx.yield_event("late", ());
                })
                .enter(cx, "one", "start");
        })
        .enter(kernel);
}

fn an_immediate_transition_is_made_at_once(kernel: &Kernel) {
    machine("m")
        .immediate()
        .notes("one", ["leave", "early", "late"])
        .on("one", "start", |cx, ()| -> HandlerResult {
            cx.yield_event("early", ());
            cx.goto_state("two", ("enter", 5_u32))?;
            note(format!("now in {}", cx.current_state()));
            cx.yield_event("late", ());
            Ok(())
        })
        .notes("two", ["leave", "early", "late"])
        .on("two", "enter", |_, _: u32| {})
        .enter(kernel, "one", "start");
}

fn an_immediate_call_returns_at_once(kernel: &Kernel) {
    machine("m")
        .immediate()
        .notes("one", ["leave"])
        .on("one", "start", |cx, ()| -> HandlerResult {
            cx.call_state("answer", "two", ("ask", 5_u32))?;
            note(format!("back in {}", cx.current_state()));
            Ok(())
        })
        .on("one", "answer", |_, _: u32| {})
        .notes("two", ["leave"])
        .on("two", "ask", |cx, n: u32| cx.return_state(n + 1))
        .enter(kernel, "one", "start");
}

// Conformance: NFA-07
fn a_handler_set_at_run_time_is_for_every_state(kernel: &Kernel) {
    machine("m")
        .on("one", "start", |cx, ()| -> HandlerResult {
            cx.state("extra", |_, ()| note("extra"));
            cx.yield_event("extra", ());
            cx.goto_state("two", ())?;
            cx.yield_event("extra", ());
            Ok(())
        })
        .on("two", "extra", |cx, ()| cx.goto_state("three", "enter"))
        .on_default("two", |_, _| {})
        .on("three", "enter", |cx, ()| cx.yield_event("extra", ()))
        .on_default("three", |_, _| {})
        .enter(kernel, "one", "start");
}

fn a_machine_has_a_parent_as_a_session_has(kernel: &Kernel) {
    actor("a")
        .on_start(|cx| {
            machine("m")
                .notes("one", ["enter"])
                .on("one", "_parent", |_, _: Parent| {})
                .enter(cx, "one", "enter");
        })
        .enter(kernel);
}

fn a_postback_finds_the_state_of_the_moment(kernel: &Kernel) {
    machine("m")
        .on("one", "start", |cx, ()| -> HandlerResult {
            let postback: Postback<Vec<u32>, Vec<u32>> = cx.postback("done", vec![1]);
            cx.goto_state("two", ())?;
            postback.post(vec![2])?;
            Ok(())
        })
        .on("two", "done", |_, _: (Vec<u32>, Vec<u32>)| {})
        .enter(kernel, "one", "start");
}

fn a_machine_has_its_first_and_last_event_too(kernel: &Kernel) {
    machine("m").notes("one", ["_start", "enter", "_stop"]).enter(kernel, "one", "enter");
}

fn a_machine_need_not_care_for_its_children(kernel: &Kernel) {
    machine("m")
        .on("one", "start", |cx, ()| {
            survive(cx);
            actor("c").below(cx);
        })
        .enter(kernel, "one", "start");
}

fn a_state_that_is_not_there_cannot_be_gone_to(kernel: &Kernel) {
    machine("m")
        .on("one", "start", |cx, ()| {
            survive(cx);
            note(cx.goto_state("elsewhere", ()).unwrap_err().to_string());
            note("asked");
        })
        .enter(kernel, "one", "start");
}

fn there_is_nowhere_to_return_to(kernel: &Kernel) {
    machine("m")
        .on("one", "start", |cx, ()| {
            survive(cx);
            note(cx.return_state(()).unwrap_err().to_string());
            note("asked");
        })
        .enter(kernel, "one", "start");
}
