//! What keeps sessions alive, and what does not.

use std::cell::Cell;
use std::collections::VecDeque;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use nix::sys::signal::{Signal as Os, raise};
use poe_session::prelude::*;

use crate::stage::{On, actor, millis, note, run, secs, slice};

scenarios!("life":
    a_session_without_work_lives_for_one_pass,
    an_event_keeps_its_sender_alive,
    an_event_goes_with_its_sender,
    an_event_goes_with_its_receiver,
    an_alias_holds_a_session_until_idleness,
    an_alias_given_up_holds_nobody,
    an_alias_is_of_one_session,
    a_reference_holds_a_session_until_it_is_given_back,
    each_tag_is_a_reference_of_its_own,
    an_event_lets_go_of_its_session_before_its_handler_runs,
    a_reference_is_given_back_once_only
        unlike "A reference given back too often is an error; a negative count held the kernel for ever.",
    a_reference_taken_in_idleness_is_work unlike "An extra reference is work.",
    a_postback_holds_its_session,
    a_postback_of_the_dead_says_so
        unlike "An invoked postback whose session has gone is an error, not silence.",
    a_watched_handle_holds_a_session_although_it_is_paused,
    a_watched_signal_holds_nobody,
    a_timer_holds_a_session_until_it_is_removed,
    a_child_holds_its_parent,
    what_is_held_again_within_a_pass_lives_on,
    the_sessions_handler_may_end_its_last_hold_and_take_another,
    run_may_be_called_again_for_new_sessions,
    a_session_that_stop_stopped_can_send_nothing,
    who_was_stopped_cannot_send_to_others_either
        unlike "Sending from a session that was stopped, as by its own handler's `stop`, is an error",
    idleness_ends_the_leaves_first,
    idleness_comes_again_after_new_work_and_then_for_good,
    idleness_is_of_the_whole_program,
    idleness_is_the_same_in_single_slices
        unlike "`ZOMBIE` follows an `IDLE` that was handled without new work under `run_one_timeslice` as under `run`.",
    a_turn_in_a_handler_leaves_its_session_alone
        unlike "A session whose handler is on the stack is not collected by turns nested in it.",
);

/// Marks the moment at which nothing but the session under test could be left.
fn first_slice(kernel: &Kernel) {
    slice(kernel);
    note("end of the first slice");
}

type Step = Box<dyn Fn(&mut On<'_>)>;

/// Does one thing after the other, each in a pass of its own.
fn step_by_step<const N: usize>(kernel: &Kernel, steps: [Step; N]) {
    let steps = Cell::new(VecDeque::from(steps));
    actor("steps")
        .on_start(|cx| cx.yield_event("step", ()))
        .on("step", move |cx, ()| {
            let mut left = steps.take();
            let step = left.pop_front().unwrap();
            if !left.is_empty() {
                cx.delay_set("step", millis(10), ());
            }
            steps.set(left);
            step(cx);
        })
        .enter(kernel);
}

fn a_session_without_work_lives_for_one_pass(kernel: &Kernel) {
    actor("a").enter(kernel);
    first_slice(kernel);
}

fn an_event_keeps_its_sender_alive(kernel: &Kernel) {
    let b = actor("b").notes(["news"]).on_start(|cx| cx.alias_set("b")).enter(kernel);
    let a = actor("a").on("begin", move |cx, ()| cx.post(b, "news", ())).enter(kernel);
    kernel.post(a, "begin", ()).unwrap();
    first_slice(kernel);
}

fn an_event_goes_with_its_sender(kernel: &Kernel) {
    let b = actor("b").notes(["news", "later"]).on_start(|cx| cx.alias_set("b")).enter(kernel);
    actor("a")
        .on_start(move |cx| {
            cx.signal(cx.session(), "TERM", ()).unwrap();
            cx.post(b, "news", ())
        })
        .enter(kernel);
    kernel.post(b, "later", ()).unwrap();
}

fn an_event_goes_with_its_receiver(kernel: &Kernel) {
    let b = actor("b").notes(["news"]).enter(kernel);
    actor("a")
        .on_start(move |cx| {
            cx.signal(b, "TERM", ()).unwrap();
            cx.post(b, "news", ())
        })
        .enter(kernel);
}

// Conformance: KRG-03
fn an_alias_holds_a_session_until_idleness(kernel: &Kernel) {
    actor("server")
        .on_start(|cx| cx.alias_set("server"))
        .on("ask", |cx, n: u32| cx.post(cx.sender(), "answer", 2 * n))
        .enter(kernel);
    actor("client")
        .on("answer", |_, _: u32| {})
        .on_start(|cx| cx.post("server", "ask", 21_u32))
        .enter(kernel);
}

fn an_alias_given_up_holds_nobody(kernel: &Kernel) {
    let a = actor("a")
        .on_start(|cx| {
            cx.alias_set("one").unwrap();
            cx.alias_set("two")
        })
        .on("remove", |cx, alias: &'static str| cx.alias_remove(alias))
        .enter(kernel);
    step_by_step(
        kernel,
        [
            Box::new(move |cx| cx.call(a, "remove", "one").unwrap()),
            Box::new(move |cx| cx.call(a, "remove", "two").unwrap()),
            Box::new(|_| {}),
        ],
    );
}

// Conformance: KRB-13
fn an_alias_is_of_one_session(kernel: &Kernel) {
    fn told(what: &str, done: bool) {
        note(format!("{what}: {}", if done { "done" } else { "refused" }));
    }
    actor("a")
        .on_start(|cx| {
            told("set", cx.alias_set("name").is_ok());
            told("again", cx.alias_set("name").is_ok());
            told("remove", cx.alias_remove("unknown").is_ok());
        })
        .enter(kernel);
    actor("b")
        .on_start(|cx| {
            told("set", cx.alias_set("name").is_ok());
            told("remove", cx.alias_remove("name").is_ok());
        })
        .enter(kernel);
}

// Conformance: KRB-21
fn a_reference_holds_a_session_until_it_is_given_back(kernel: &Kernel) {
    let a = actor("a")
        .on_start(|cx| {
            for _ in 0..2 {
                cx.refcount_increment(cx.session(), "tag").unwrap();
            }
        })
        .enter(kernel);
    first_slice(kernel);
    let give_back = move |cx: &mut On<'_>| {
        note(cx.refcount_decrement(a, "tag").unwrap().to_string());
    };
    actor("b")
        .on_start(move |cx| {
            give_back(cx);
            cx.yield_event("more", ());
        })
        .on("more", move |cx, ()| give_back(cx))
        .enter(kernel);
}

fn each_tag_is_a_reference_of_its_own(kernel: &Kernel) {
    let a = actor("a")
        .on_start(|cx| {
            for tag in ["one", "two"] {
                cx.refcount_increment(cx.session(), tag).unwrap();
            }
        })
        .enter(kernel);
    step_by_step(
        kernel,
        [
            Box::new(move |cx| drop(cx.refcount_decrement(a, "one"))),
            Box::new(move |cx| drop(cx.refcount_decrement(a, "two"))),
            Box::new(|_| {}),
        ],
    );
}

fn an_event_lets_go_of_its_session_before_its_handler_runs(kernel: &Kernel) {
    let a =
        actor("a").on_start(|cx| drop(cx.refcount_increment(cx.session(), "tag"))).enter(kernel);
    let b = actor("b")
        .on("give_back", move |cx, ()| drop(cx.refcount_decrement(a, "tag")))
        .enter(kernel);
    kernel.post(b, "give_back", ()).unwrap();
}

fn a_reference_is_given_back_once_only(kernel: &Kernel) {
    actor("a")
        .on_start(|cx| {
            let id = cx.session();
            cx.refcount_increment(id, "tag").unwrap();
            for _ in 0..2 {
                note(match cx.refcount_decrement(id, "tag") {
                    Ok(left) => format!("{left} left"),
                    Err(_) => "refused".to_owned(),
                });
            }
        })
        .enter(kernel);
    slice(kernel);
    kernel.stop().unwrap();
}

fn a_reference_taken_in_idleness_is_work(kernel: &Kernel) {
    let idle = Cell::new(false);
    actor("a")
        .on_start(|cx| -> HandlerResult {
            cx.alias_set("a")?;
            cx.sig("IDLE", "idle")?;
            cx.sig("ZOMBIE", "zombie")?;
            cx.sig("USR2", "done")?;
            Ok(())
        })
        .on("idle", move |cx, _: Signal| {
            cx.sig_handled();
            if !idle.replace(true) {
                cx.refcount_increment(cx.session(), "work").unwrap();
                raise(Os::SIGUSR2).unwrap();
            }
        })
        .on("done", |cx, _: Signal| drop(cx.refcount_decrement(cx.session(), "work")))
        .on("zombie", |_, _: Signal| {})
        .enter(kernel);
}

type Slot<T> = Rc<Cell<Option<T>>>;
type Numbers = (Vec<u32>, Vec<u32>);

/// An actor that makes a postback as it starts.
fn postback(kernel: &Kernel) -> (SessionId, Postback<Vec<u32>, Vec<u32>>) {
    let made: Slot<Postback<Vec<u32>, Vec<u32>>> = Rc::default();
    let keep = Rc::clone(&made);
    let a = actor("a")
        .on("posted", |_, _: Numbers| {})
        .on_start(move |cx| keep.set(Some(cx.postback("posted", vec![1]))))
        .enter(kernel);
    (a, made.take().unwrap())
}

fn a_postback_holds_its_session(kernel: &Kernel) {
    let (_, postback) = postback(kernel);
    first_slice(kernel);
    postback.post(vec![2]).unwrap();
    slice(kernel);
    drop(postback);
    note("nobody has the postback");
}

fn a_postback_of_the_dead_says_so(kernel: &Kernel) {
    let (a, postback) = postback(kernel);
    kernel.signal(a, "TERM", ()).unwrap();
    run(kernel);
    note(if postback.post(vec![2]).is_err() { "refused" } else { "said nothing" });
}

fn a_watched_handle_holds_a_session_although_it_is_paused(kernel: &Kernel) {
    let (near, _far) = UnixStream::pair().unwrap();
    let near = Rc::new(near);
    let watched = Rc::clone(&near);
    let a = actor("a")
        .on("read", |_, _: Ready<UnixStream>| {})
        .on_start(move |cx| {
            cx.select_read(&watched, "read").unwrap();
            cx.select_pause(&watched, Mode::Read)
        })
        .on("end", move |cx, ()| cx.select_end(&near, Mode::Read))
        .enter(kernel);
    first_slice(kernel);
    kernel.call::<(), _>(a, "end", ()).unwrap();
}

// Conformance: KRG-18
fn a_watched_signal_holds_nobody(kernel: &Kernel) {
    actor("a")
        .on("signal", |_, _: Signal| {})
        .on_start(|cx| cx.sig("WEATHER", "signal"))
        .enter(kernel);
    first_slice(kernel);
}

fn a_timer_holds_a_session_until_it_is_removed(kernel: &Kernel) {
    let a = actor("a")
        .notes(["timer"])
        .on_start(|cx| cx.delay("timer", secs(3600), ()))
        .on("end", |cx, ()| drop(cx.alarm_clear("timer")))
        .enter(kernel);
    first_slice(kernel);
    kernel.call::<(), _>(a, "end", ()).unwrap();
}

fn a_child_holds_its_parent(kernel: &Kernel) {
    actor("p")
        .on_start(|cx| {
            actor("c")
                .on_start(|cx| cx.alias_set("c"))
                .on("end", |cx, ()| cx.alias_remove("c"))
                .below(cx);
        })
        .enter(kernel);
    first_slice(kernel);
    kernel.call::<(), _>("c", "end", ()).unwrap();
}

fn what_is_held_again_within_a_pass_lives_on(kernel: &Kernel) {
    let a = actor("a").notes(["again"]).enter(kernel);
    let b = actor("b").on("post", move |cx, ()| cx.post(a, "again", ())).enter(kernel);
    kernel.post(b, "post", ()).unwrap();
    first_slice(kernel);
}

fn the_sessions_handler_may_end_its_last_hold_and_take_another(kernel: &Kernel) {
    actor("a")
        .notes(["late"])
        .on_start(|cx| cx.alias_set("a"))
        .on("change", |cx, ()| {
            cx.alias_remove("a").unwrap();
            cx.delay_set("late", millis(10), ());
        })
        .enter(kernel);
    first_slice(kernel);
    kernel.post("a", "change", ()).unwrap();
    slice(kernel);
    note("changed");
}

// Conformance: KRB-01, KRS-04
fn run_may_be_called_again_for_new_sessions(kernel: &Kernel) {
    for name in ["first", "second"] {
        let id =
            actor(name).notes(["event"]).on_start(|cx| cx.yield_event("event", ())).enter(kernel);
        note(format!("{name} is session {id}"));
        run(kernel);
    }
}

fn a_session_that_stop_stopped_can_send_nothing(kernel: &Kernel) {
    let a = actor("a")
        .notes(["event"])
        .on("end", |cx, ()| {
            cx.stop().unwrap();
            let sent = cx.post(cx.session(), "event", ()).is_ok();
            note(if sent { "sent" } else { "refused" });
        })
        .enter(kernel);
    kernel.call::<(), _>(a, "end", ()).unwrap();
}

fn who_was_stopped_cannot_send_to_others_either(kernel: &Kernel) {
    let a = actor("a")
        .on("end", |cx, ()| {
            cx.stop().unwrap();
            let n = actor("n").notes(["event"]).below(cx);
            note(if cx.post(n, "event", ()).is_ok() { "sent" } else { "refused" });
        })
        .enter(kernel);
    kernel.call::<(), _>(a, "end", ()).unwrap();
}

fn idleness_ends_the_leaves_first(kernel: &Kernel) {
    fn g(cx: &mut On<'_>) {
        cx.alias_set("c").unwrap();
        actor("g").on_start(|cx| cx.alias_set("g")).below(cx);
    }
    actor("p")
        .on_start(|cx| {
            cx.alias_set("p").unwrap();
            actor("c").on_start(g).below(cx);
        })
        .enter(kernel);
}

fn idleness_comes_again_after_new_work_and_then_for_good(kernel: &Kernel) {
    let left = Cell::new(2);
    actor("a")
        .notes(["work"])
        .on_start(|cx| -> HandlerResult {
            cx.alias_set("a")?;
            cx.sig("IDLE", "idle")?;
            cx.sig("ZOMBIE", "zombie")?;
            Ok(())
        })
        .on("idle", move |cx, _: Signal| {
            cx.sig_handled();
            if left.get() > 0 {
                left.set(left.get() - 1);
                cx.yield_event("work", ());
            }
        })
        .on("zombie", |cx, _: Signal| cx.sig_handled())
        .enter(kernel);
}

fn idleness_is_of_the_whole_program(kernel: &Kernel) {
    actor("idle")
        .on("signal", |_, _: Signal| {})
        .on_start(|cx| {
            cx.alias_set("idle").unwrap();
            cx.sig("IDLE", "signal")
        })
        .enter(kernel);
    actor("busy").notes(["late"]).on_start(|cx| cx.delay_set("late", millis(30), ())).enter(kernel);
}

fn idleness_is_the_same_in_single_slices(kernel: &Kernel) {
    actor("a")
        .on("zombie", |_, _: Signal| {})
        .on_start(|cx| -> HandlerResult {
            cx.alias_set("a")?;
            cx.sig("IDLE", "idle")?;
            cx.sig("ZOMBIE", "zombie")?;
            Ok(())
        })
        .on("idle", |cx, _: Signal| cx.sig_handled())
        .enter(kernel);
    for _ in 1..=4 {
        slice(kernel);
    }
    note("four slices");
    kernel.signal(SessionId::KERNEL, "TERM", ()).unwrap();
}

fn a_turn_in_a_handler_leaves_its_session_alone(kernel: &Kernel) {
    actor("a")
        .notes(["after"])
        .on_start(|cx| cx.yield_event("turn", ()))
        .on("turn", |cx, ()| {
            cx.suspend(Kernel::run_one_timeslice).unwrap();
            note("a has turned");
        })
        .enter(kernel);
    actor("b").enter(kernel);
}
