//! Sessions below sessions.

use std::cell::Cell;

use poe_session::prelude::*;

use crate::stage::{On, actor, fail, millis, note, secs};

scenarios!("tree":
    creation_tells_parents_inside_out,
    who_is_called_is_the_parent_of_what_it_creates,
    sessions_without_work_stop_last_first,
    sessions_stop_in_the_reverse_of_the_order_in_which_they_ended,
    a_family_without_work_stops_from_the_leaves_up,
    a_parent_waits_for_its_children,
    what_start_and_stop_return_is_told_to_the_parent,
    one_that_detaches_itself_in_its_start_is_never_heard_of,
    one_that_detaches_itself_later_is_lost_first,
    a_child_may_be_detached_by_its_parent,
    a_child_may_be_detached_when_its_creation_is_told,
    those_below_the_detached_stay_below_it,
    a_grandchild_may_leave_its_parent_only,
    the_top_has_nothing_to_detach_from,
    an_unhandled_term_stops_a_subtree_leaf_first,
    children_of_the_dead_are_given_to_those_above,
    a_child_created_in_stop_moves_up_in_silence,
    what_is_posted_in_stop_goes_with_its_sender,
    stop_stops_from_the_leaves_up_and_returns,
    being_told_of_a_child_is_no_more_than_an_event,
    a_parent_may_replace_a_child_that_stops,
    a_stopping_session_can_still_be_called,
);

fn creation_tells_parents_inside_out(kernel: &Kernel) {
    actor("p")
        .on_start(|cx| {
            actor("m")
                .on_start(|cx| {
                    actor("g1").on_start(|_| Reply("one")).below(cx);
                    actor("g2").on_start(|_| Reply("two")).below(cx);
                    Reply("both")
                })
                .below(cx);
            note("p has created m");
        })
        .enter(kernel);
}

fn who_is_called_is_the_parent_of_what_it_creates(kernel: &Kernel) {
    let b = actor("b")
        .on("create", |cx, ()| {
            actor("child").below(cx);
            Reply("done")
        })
        .enter(kernel);
    actor("a")
        .on_start(move |cx| {
            note(format!("a got {}", cx.call::<&str, _>(b, "create", ()).unwrap()));
        })
        .enter(kernel);
}

fn sessions_without_work_stop_last_first(kernel: &Kernel) {
    for name in ["1", "2", "3", "4"] {
        actor(name).enter(kernel);
    }
}

fn sessions_stop_in_the_reverse_of_the_order_in_which_they_ended(kernel: &Kernel) {
    let ids = ["a", "b", "c"].map(|name| actor(name).notes(["work"]).enter(kernel));
    for n in [1, 0, 2, 1] {
        kernel.post(ids[n], "work", ()).unwrap();
    }
}

fn a_family_without_work_stops_from_the_leaves_up(kernel: &Kernel) {
    fn leaf(cx: &mut On<'_>) {
        actor("leaf").below(cx);
    }
    actor("p")
        .on_start(|cx| {
            actor("m")
                .on_start(|cx| {
                    actor("g").on_start(leaf).below(cx);
                })
                .below(cx);
        })
        .enter(kernel);
}

fn a_parent_waits_for_its_children(kernel: &Kernel) {
    actor("p")
        .on_start(|cx| {
            actor("c")
                .notes(["late"])
                .on_start(|cx| cx.delay_set("late", millis(20), ()))
                .on_stop(|_| Reply("last words"))
                .below(cx);
        })
        .enter(kernel);
}

fn what_start_and_stop_return_is_told_to_the_parent(kernel: &Kernel) {
    actor("p")
        .on_start(|cx| {
            actor("both").on_start(|_| Reply("born")).on_stop(|_| Reply("dead")).below(cx);
            actor("neither").below(cx);
            actor("one").on_start(|_| Reply("here")).below(cx);
        })
        .enter(kernel);
}

fn one_that_detaches_itself_in_its_start_is_never_heard_of(kernel: &Kernel) {
    actor("p")
        .on_start(|cx| {
            actor("d")
                .notes(["event"])
                .on_start(|cx| {
                    cx.detach_myself().unwrap();
                    cx.yield_event("event", ());
                })
                .below(cx);
            note("p has created d");
        })
        .enter(kernel);
}

// Conformance: KRD-03
fn one_that_detaches_itself_later_is_lost_first(kernel: &Kernel) {
    actor("p")
        .notes(["after"])
        .on_start(|cx| {
            actor("d")
                .notes(["event"])
                .on_start(|cx| cx.yield_event("leave", ()))
                .on("leave", |cx, ()| {
                    cx.detach_myself().unwrap();
                    note("d has detached itself");
                    cx.yield_event("event", ());
                })
                .below(cx);
            cx.yield_event("after", ());
        })
        .enter(kernel);
}

fn a_child_may_be_detached_by_its_parent(kernel: &Kernel) {
    actor("p")
        .on_start(|cx| cx.yield_event("begin", ()))
        .on("begin", |cx, ()| {
            let d =
                actor("d").notes(["event"]).on_start(|cx| cx.yield_event("event", ())).below(cx);
            cx.detach_child(d).unwrap();
            note("p has detached d");
        })
        .enter(kernel);
}

fn a_child_may_be_detached_when_its_creation_is_told(kernel: &Kernel) {
    actor("p")
        .on_start(|cx| {
            actor("d").notes(["event"]).on_start(|cx| cx.yield_event("event", ())).below(cx);
        })
        .on("_child", |cx, child: Child| {
            if child.change == Change::Create {
                cx.detach_child(child.session).unwrap();
            }
        })
        .enter(kernel);
}

fn those_below_the_detached_stay_below_it(kernel: &Kernel) {
    actor("p")
        .on_start(|cx| {
            actor("m")
                .on_start(|cx| {
                    let event = |cx: &mut On<'_>| cx.yield_event("event", ());
                    actor("g").notes(["event"]).on_start(event).below(cx);
                    cx.yield_event("leave", ());
                })
                .on("leave", |cx, ()| cx.detach_myself())
                .below(cx);
        })
        .enter(kernel);
}

// Conformance: KRD-05
fn a_grandchild_may_leave_its_parent_only(kernel: &Kernel) {
    fn g(cx: &mut On<'_>) {
        actor("g")
            .notes(["event"])
            .on_start(|cx| {
                cx.yield_event("leave", ());
                cx.alias_set("g")
            })
            .on("leave", |cx, ()| {
                cx.detach_myself().unwrap();
                cx.yield_event("event", ());
            })
            .below(cx);
    }
    actor("p")
        .on_start(|cx| {
            actor("m").on_start(g).below(cx);
            let detached = cx.detach_child("g").is_ok();
            note(if detached { "p detached g" } else { "p may not detach g" });
        })
        .enter(kernel);
}

// Conformance: KRU-08
fn the_top_has_nothing_to_detach_from(kernel: &Kernel) {
    let b = actor("b").enter(kernel);
    actor("a")
        .on_start(move |cx| {
            let told = |detached| note(if detached { "detached" } else { "refused" });
            told(cx.detach_myself().is_ok());
            told(cx.detach_child(b).is_ok());
            told(cx.detach_child("nobody").is_ok());
        })
        .enter(kernel);
}

// Conformance: KRG-15
fn an_unhandled_term_stops_a_subtree_leaf_first(kernel: &Kernel) {
    fn m(cx: &mut On<'_>) {
        actor("g").on_start(|cx| cx.alias_set("g")).below(cx);
    }
    actor("p")
        .on_start(|cx| {
            let m = actor("m").on_start(m).below(cx);
            cx.signal(m, "TERM", ())
        })
        .enter(kernel);
}

fn children_of_the_dead_are_given_to_those_above(kernel: &Kernel) {
    fn p(cx: &mut On<'_>) {
        actor("s").on_start(|cx| cx.alias_set("s")).below(cx);
        actor("c")
            .on_start(|cx| cx.yield_event("fail", ()))
            .on("fail", |_, ()| fail("oops"))
            .below(cx);
    }
    actor("top")
        .on_start(|cx| {
            actor("p").on_start(p).below(cx);
        })
        .enter(kernel);
}

fn a_child_created_in_stop_moves_up_in_silence(kernel: &Kernel) {
    fn stop(cx: &mut On<'_>) {
        actor("n").notes(["event"]).on_start(|cx| cx.yield_event("event", ())).below(cx);
    }
    actor("top")
        .on_start(|cx| {
            actor("a").on_stop(stop).below(cx);
        })
        .enter(kernel);
}

fn what_is_posted_in_stop_goes_with_its_sender(kernel: &Kernel) {
    actor("a")
        .notes(["event"])
        .on_stop(|cx| {
            let n = actor("n").notes(["event"]).below(cx);
            cx.post(n, "event", ()).unwrap();
            note("a has stopped");
        })
        .enter(kernel);
}

// Conformance: KRD-08
fn stop_stops_from_the_leaves_up_and_returns(kernel: &Kernel) {
    fn m(cx: &mut On<'_>) {
        actor("g").notes(["never"]).on_start(|cx| cx.delay_set("never", secs(3600), ())).below(cx);
    }
    let p = actor("p")
        .notes(["never"])
        .on_start(|cx| {
            actor("m").on_start(m).below(cx);
            cx.yield_event("never", ());
            cx.yield_event("never", ());
        })
        .on("end", |cx, ()| {
            cx.stop().unwrap();
            note("stop has returned");
        })
        .enter(kernel);
    kernel.call::<(), _>(p, "end", ()).unwrap();
}

fn being_told_of_a_child_is_no_more_than_an_event(kernel: &Kernel) {
    actor("p")
        .on("told", |_, _: &'static str| {})
        .on_start(|cx| {
            actor("c").below(cx);
        })
        .on("_child", |cx, child: Child| cx.yield_event("told", child.change.as_str()))
        .enter(kernel);
}

fn a_parent_may_replace_a_child_that_stops(kernel: &Kernel) {
    fn create(cx: &mut On<'_>, name: &'static str) {
        actor(name).notes(["work"]).on_start(|cx| cx.yield_event("work", ())).below(cx);
    }
    let left = Cell::new(2);
    actor("p")
        .on_start(|cx| create(cx, "c2"))
        .on("_child", move |cx, child: Child| {
            if child.change == Change::Stop {
                left.set(left.get() - 1);
                if left.get() > 0 {
                    create(cx, "c1");
                }
            }
        })
        .enter(kernel);
}

fn a_stopping_session_can_still_be_called(kernel: &Kernel) {
    actor("p")
        .notes(["bye"])
        .on_start(|cx| {
            actor("c")
                .on("last_words", |_, ()| Reply("farewell"))
                .on_stop(|cx| cx.call::<(), _>("p", "bye", ()).unwrap())
                .below(cx);
            cx.alias_set("p")
        })
        .on("_child", |cx, child: Child| {
            if child.change == Change::Stop {
                let words: &str = cx.call(child.session, "last_words", ()).unwrap();
                note(format!("p heard {words}"));
            }
        })
        .enter(kernel);
}
