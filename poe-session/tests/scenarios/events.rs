//! Posted, called and dropped events.

use std::cell::Cell;
use std::rc::Rc;

use poe_session::prelude::*;

use crate::stage::{actor, bare, millis, note, run, secs, slice};

scenarios!("events":
    posts_and_yields_share_one_queue,
    a_call_runs_before_what_is_queued,
    calls_nest_and_come_back,
    the_state_something_was_sent_in_goes_with_it,
    within_a_call_to_oneself_another_event_is_active
        unlike "`call` means the same whether to the own session or to another: the active event changes",
    nobody_can_be_sent_anything,
    the_default_handler_takes_what_has_none,
    the_default_handler_takes_predefined_events_too,
    without_a_handler_an_event_is_dropped,
    without_a_handler_a_caller_is_told
        unlike "A session without a handler for an event that it is *called* with tells its caller so.",
    handlers_are_looked_up_when_events_are_dispatched,
    predefined_events_can_be_posted_and_are_nothing_special,
    an_alias_is_resolved_when_something_is_posted,
    postbacks_are_posted_and_callbacks_called,
    the_kernel_takes_events_and_does_nothing,
    what_a_handler_sends_waits_for_the_next_slice,
    a_new_session_can_be_posted_to_at_once,
    start_gets_its_arguments,
    a_chain_of_calls_is_one_event,
    the_text_of_a_number_is_an_alias
        unlike "A destination is an id or an alias; the text of a number is an alias.",
    a_session_needs_no_start
        unlike "A session without `_start` is a session: it waits for events like any other.",
);

fn posts_and_yields_share_one_queue(kernel: &Kernel) {
    let b = actor("b").on("hello", |_, _: u32| {}).enter(kernel);
    actor("a")
        .notes(["one", "two"])
        .on_start(move |cx| -> HandlerResult {
            cx.yield_event("one", ());
            cx.post(b, "hello", 1_u32)?;
            cx.yield_event("two", ());
            cx.post(b, "hello", 2_u32)?;
            Ok(())
        })
        .enter(kernel);
    kernel.post(b, "hello", 3_u32).unwrap();
}

// Conformance: KRU-09
fn a_call_runs_before_what_is_queued(kernel: &Kernel) {
    let b = actor("b").on("double", |_, n: u32| Reply(2 * n)).enter(kernel);
    actor("a")
        .notes(["queued"])
        .on_start(move |cx| {
            cx.yield_event("queued", ());
            note(format!("a got {}", cx.call::<u32, _>(b, "double", 21_u32).unwrap()));
        })
        .enter(kernel);
}

fn calls_nest_and_come_back(kernel: &Kernel) {
    let b = actor("b")
        .on("ask", |cx, ()| {
            let n: u32 = cx.call(cx.sender(), "how_many", ()).unwrap();
            note(format!("b got {n}"));
            Reply(n * n)
        })
        .enter(kernel);
    actor("a")
        .on("how_many", |_, ()| Reply(7_u32))
        .on("begin", move |cx, ()| {
            note(format!("a got {}", cx.call::<u32, _>(b, "ask", ()).unwrap()));
        })
        .on_start(|cx| cx.yield_event("begin", ()))
        .enter(kernel);
}

// Conformance: SES-12
fn the_state_something_was_sent_in_goes_with_it(kernel: &Kernel) {
    let b = actor("b").notes(["posted", "called"]).enter(kernel);
    actor("a")
        .notes(["late"])
        .on_start(|cx| cx.yield_event("first", ()))
        .on("first", move |cx, ()| {
            cx.post(b, "posted", ()).unwrap();
            cx.call::<(), _>(b, "called", ()).unwrap();
            cx.delay_set("second", millis(10), ());
        })
        .on("second", |cx, ()| cx.alarm_set("late", cx.kernel.time() - secs(5), ()))
        .enter(kernel);
    kernel.post(b, "posted", ()).unwrap();
}

fn within_a_call_to_oneself_another_event_is_active(kernel: &Kernel) {
    actor("a")
        .notes(["after"])
        .on_start(|cx| cx.yield_event("outer", ()))
        .on("outer", |cx, ()| cx.call::<(), _>(cx.session(), "inner", ()).unwrap())
        .on("inner", |cx, ()| {
            note(format!("a handles {}", cx.kernel.active_event().unwrap()));
            cx.yield_event("after", ());
        })
        .enter(kernel);
}

// Conformance: KRU-07
fn nobody_can_be_sent_anything(kernel: &Kernel) {
    let gone = actor("gone").enter(kernel);
    run(kernel);
    actor("a")
        .on_start(move |cx| {
            let told = |sent| if sent { "sent" } else { "refused" };
            note(format!("post: {}", told(cx.post("nobody", "event", ()).is_ok())));
            note(format!("signal: {}", told(cx.signal("nobody", "TERM", ()).is_ok())));
            note(format!("call: {}", told(cx.call::<(), _>("nobody", "event", ()).is_ok())));
            note(format!("post: {}", told(cx.post(gone, "event", ()).is_ok())));
            note(format!("signal: {}", told(cx.signal(gone, "TERM", ()).is_ok())));
            note(format!("call: {}", told(cx.call::<(), _>(gone, "event", ()).is_ok())));
        })
        .enter(kernel);
}

fn the_default_handler_takes_what_has_none(kernel: &Kernel) {
    let b = actor("b")
        .on("known", |cx, ()| cx.delay_set("timer", millis(10), 4_u32))
        .on_default(|_, _| Reply(9_u32))
        .enter(kernel);
    kernel.post(b, "known", ()).unwrap();
    kernel.post(b, "unknown", 5_u32).unwrap();
    actor("a")
        .on_start(move |cx| {
            note(format!("a got {}", cx.call::<u32, _>(b, "question", 6_u32).unwrap()));
        })
        .enter(kernel);
}

// Conformance: SES-15
fn the_default_handler_takes_predefined_events_too(kernel: &Kernel) {
    bare("a")
        .on_default(|_, _| {})
        .on_start(|cx| {
            actor("b").on_start(|_| Reply("born")).on_stop(|_| Reply("dead")).below(cx);
        })
        .enter(kernel);
}

fn without_a_handler_an_event_is_dropped(kernel: &Kernel) {
    actor("a")
        .notes(["known"])
        .on_start(|cx| {
            cx.yield_event("unknown", ());
            cx.yield_event("known", ());
            cx.delay_set("never_heard_of", millis(10), ());
        })
        .enter(kernel);
}

fn without_a_handler_a_caller_is_told(kernel: &Kernel) {
    let b = actor("b").enter(kernel);
    actor("a")
        .on_start(move |cx| {
            let answer = cx.call::<(), _>(b, "unknown", ());
            note(if answer.is_err() { "a is told" } else { "a is told nothing" });
        })
        .enter(kernel);
}

fn handlers_are_looked_up_when_events_are_dispatched(kernel: &Kernel) {
    actor("a")
        .notes(["removed"])
        .on_start(|cx| {
            for event in ["added", "removed", "replaced"] {
                cx.yield_event(event, ());
            }
            cx.state("added", |_, ()| note("added after the post"));
            cx.state_remove("removed");
            cx.state("replaced", |_, ()| note("the new one"));
        })
        .on("replaced", |_, ()| note("the old one"))
        .enter(kernel);
}

fn predefined_events_can_be_posted_and_are_nothing_special(kernel: &Kernel) {
    let started = Cell::new(false);
    actor("a")
        .notes(["alive"])
        .on_start(move |cx| {
            if !started.replace(true) {
                for event in ["_start", "_stop", "alive"] {
                    cx.yield_event(event, ());
                }
            }
        })
        .enter(kernel);
}

fn an_alias_is_resolved_when_something_is_posted(kernel: &Kernel) {
    let first = actor("first")
        .on("hello", |_, _: u32| {})
        .on_start(|cx| cx.alias_set("server"))
        .on("resign", |cx, ()| cx.alias_remove("server"))
        .enter(kernel);
    let second = actor("second")
        .on("hello", |_, _: u32| {})
        .on("become", |cx, ()| cx.alias_set("server"))
        .enter(kernel);
    kernel.post("server", "hello", 1_u32).unwrap();
    kernel.call::<(), _>(first, "resign", ()).unwrap();
    kernel.call::<(), _>(second, "become", ()).unwrap();
    kernel.post("server", "hello", 2_u32).unwrap();
}

// Conformance: SES-05
fn postbacks_are_posted_and_callbacks_called(kernel: &Kernel) {
    type Numbers = Vec<u32>;
    type Made = (Postback<Numbers, Numbers>, Callback<Numbers, Numbers, &'static str>);
    let made: Rc<Cell<Option<Made>>> = Rc::default();
    let keep = Rc::clone(&made);
    actor("a")
        .on_start(move |cx| {
            keep.set(Some((cx.postback("posted", vec![1]), cx.callback("called", vec![2]))));
        })
        .on("posted", |_, _: (Numbers, Numbers)| {})
        .on("called", |_, _: (Numbers, Numbers)| Reply("yes"))
        .enter(kernel);
    actor("b")
        .on_start(move |cx| {
            let (postback, callback) = made.take().unwrap();
            postback.post(vec![10]).unwrap();
            note(format!("b got {}", callback.call(&mut *cx, vec![20]).unwrap()));
        })
        .enter(kernel);
}

fn the_kernel_takes_events_and_does_nothing(kernel: &Kernel) {
    actor("a")
        .notes(["next"])
        .on_start(|cx| {
            let sent = cx.post(SessionId::KERNEL, "event", ()).is_ok();
            note(if sent { "sent" } else { "refused" });
            cx.yield_event("next", ());
        })
        .enter(kernel);
}

fn what_a_handler_sends_waits_for_the_next_slice(kernel: &Kernel) {
    let chain = actor("chain")
        .on("link", |cx, left: u32| {
            if left > 0 {
                cx.yield_event("link", left - 1);
            }
        })
        .enter(kernel);
    let other = actor("other").notes(["event"]).on_start(|cx| cx.alias_set("other")).enter(kernel);
    kernel.post(chain, "link", 2_u32).unwrap();
    kernel.post(other, "event", ()).unwrap();
    for n in 1..=4 {
        note(format!("slice {n}"));
        slice(kernel);
        if n == 1 {
            kernel.post(other, "event", ()).unwrap();
        }
    }
}

fn a_new_session_can_be_posted_to_at_once(kernel: &Kernel) {
    actor("a")
        .on_start(|cx| {
            let b = actor("b")
                .notes(["own", "hello"])
                .on_start(|cx| cx.yield_event("own", ()))
                .below(cx);
            cx.post(b, "hello", ()).unwrap();
            let c = actor("c").notes(["hello"]).below(cx);
            cx.post(c, "hello", ()).unwrap();
        })
        .enter(kernel);
}

// Conformance: SES-02
fn start_gets_its_arguments(kernel: &Kernel) {
    type Args = (u32, u32);
    actor("a")
        .on("_start", |cx, _: Args| {
            actor("b").on("_start", |_, _: Args| {}).below_with(cx, (3_u32, 4_u32));
        })
        .enter_with(kernel, (1_u32, 2_u32));
}

fn a_chain_of_calls_is_one_event(kernel: &Kernel) {
    let c = actor("c")
        .on("third", |cx, ()| {
            cx.post(cx.sender(), "posted", 3_u32).unwrap();
            Reply(3_u32)
        })
        .enter(kernel);
    let b = actor("b")
        .on("posted", |_, _: u32| {})
        .on("second", move |cx, ()| {
            cx.yield_event("posted", 2_u32);
            Reply(2 + cx.call::<u32, _>(c, "third", ()).unwrap())
        })
        .enter(kernel);
    actor("a")
        .on("posted", |_, _: u32| {})
        .on_start(move |cx| {
            cx.yield_event("posted", 1_u32);
            note(format!("a got {}", 1 + cx.call::<u32, _>(b, "second", ()).unwrap()));
        })
        .enter(kernel);
}

fn the_text_of_a_number_is_an_alias(kernel: &Kernel) {
    actor("a").notes(["event"]).enter(kernel);
    actor("b").notes(["event"]).on_start(|cx| cx.alias_set("1")).enter(kernel);
    kernel.post("1", "event", ()).unwrap();
}

fn a_session_needs_no_start(kernel: &Kernel) {
    let session = Session::build(()).on("event", |_, ()| note("event")).spawn(kernel);
    note(if session.is_ok() { "created" } else { "refused" });
    kernel.post(session.unwrap(), "event", ()).unwrap();
}
