//! What keeps a session alive, each reason both ways, and extra references.

mod common;

use std::os::unix::net::UnixStream;
use std::rc::Rc;

use common::{Trace, elapsed, kernel, seconds, traced};
use poe_kernel::RefcountError;
use poe_session::prelude::*;

/// Whether a session that does `hold` in its `_start`, and then hears nothing, is alive after a few turns in which
/// another session works; and whether it is after `release`.
fn lives(
    hold: impl Fn(&mut Cx<'_, ()>) + 'static,
    release: impl Fn(&mut Cx<'_, ()>) + 'static,
) -> (bool, bool) {
    let kernel = kernel();
    let busy = Session::build(())
        .on_start(|cx| cx.yield_event("spin", ()))
        .on("spin", |cx, ()| cx.yield_event("spin", ()))
        .spawn(&kernel)
        .unwrap();
    let held = Session::build(())
        .on_start(hold)
        .on("release", move |cx, ()| release(cx))
        .on("event", |_, ()| {})
        .spawn(&kernel)
        .unwrap();
    let turns = || {
        for _ in 0..3 {
            kernel.run_one_timeslice().unwrap();
        }
    };
    turns();
    let before = kernel.is_live(held);
    if before {
        kernel.call::<(), _>(held, "release", ()).unwrap();
        turns();
    }
    let after = kernel.is_live(held);
    assert!(kernel.is_live(busy));
    kernel.stop().unwrap();
    (before, after)
}

#[test]
fn nothing_holds_a_session_without_a_reason() {
    assert_eq!(lives(|_| {}, |_| {}), (false, false));
    assert_eq!(lives(|cx| cx.sig("WHATEVER", "event-s").unwrap(), |_| {}), (false, false));
}

// Conformance: KRB-10, KRB-11
#[test]
fn an_alias_holds() {
    assert_eq!(lives(|cx| cx.alias_set("a").unwrap(), |_| {}), (true, true));
    let release = |cx: &mut Cx<'_, ()>| cx.alias_remove("a").unwrap();
    assert_eq!(lives(|cx| cx.alias_set("a").unwrap(), release), (true, false));
    let two = |cx: &mut Cx<'_, ()>| {
        cx.alias_set("a").unwrap();
        cx.alias_set("b").unwrap();
    };
    assert_eq!(lives(two, release), (true, true));
}

// Conformance: KRB-24
#[test]
fn a_timer_holds() {
    let set = |cx: &mut Cx<'_, ()>| {
        cx.delay("event", seconds(9), ());
        cx.delay_set("event", seconds(9), ());
        // Replaced, and still one reason each.
        cx.delay("other", seconds(9), ());
        cx.delay("other", seconds(8), ());
    };
    assert_eq!(lives(set, |cx| drop(cx.alarm_clear("event"))), (true, true));
    assert_eq!(lives(set, |cx| drop(cx.alarm_remove_all())), (true, false));
    let release = |cx: &mut Cx<'_, ()>| {
        cx.alarm_clear("event");
        cx.alarm_clear("other");
    };
    assert_eq!(lives(set, release), (true, false));
}

#[test]
fn a_child_holds() {
    let adopt = |cx: &mut Cx<'_, ()>| {
        let child = Session::build(()).on_start(|cx| cx.alias_set("child"));
        child.on("end", |cx, ()| cx.alias_remove("child")).spawn(cx).unwrap();
    };
    assert_eq!(lives(adopt, |_| {}), (true, true));
    let release = |cx: &mut Cx<'_, ()>| cx.call::<(), _>("child", "end", ()).unwrap();
    assert_eq!(lives(adopt, release), (true, false));
    assert_eq!(lives(adopt, |cx| cx.detach_child("child").unwrap()), (true, false));
}

// Conformance: KRB-27, KRB-32, KRB-34
#[test]
fn a_watched_handle_holds_until_its_last_mode_ends() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let ours = Rc::new(ours);
    let o = ours.clone();
    let watch = move |cx: &mut Cx<'_, ()>| {
        cx.select_read(&o, "ready").unwrap();
        cx.select_expedite(&o, "ready").unwrap();
        cx.select_pause(&o, Mode::Read);
    };
    assert_eq!(lives(watch.clone(), |_| {}), (true, true));
    let o = ours.clone();
    let release = move |cx: &mut Cx<'_, ()>| cx.select_end(&o, Mode::Read);
    assert_eq!(lives(watch.clone(), release.clone()), (true, true));
    let o = ours.clone();
    let both = move |cx: &mut Cx<'_, ()>| {
        release(cx);
        cx.select_end(&o, Mode::Expedite);
        cx.select_end(&o, Mode::Write);
    };
    assert_eq!(lives(watch, both), (true, false));
    assert_eq!(Rc::strong_count(&ours), 1);
    drop(theirs);
}

// Conformance: KRB-17, KRB-20
#[test]
fn an_extra_reference_holds_until_its_count_is_zero() {
    let hold = |cx: &mut Cx<'_, ()>| {
        let me = cx.session();
        assert_eq!(cx.refcount_increment(me, "tag"), Ok(1));
        assert_eq!(cx.refcount_increment(me, "tag"), Ok(2));
        assert_eq!(cx.refcount_increment(me, "another"), Ok(1));
        assert_eq!(cx.refcount_decrement(me, "another"), Ok(0));
    };
    let once = |cx: &mut Cx<'_, ()>| drop(cx.refcount_decrement(cx.session(), "tag"));
    assert_eq!(lives(hold, once), (true, true));
    let twice = |cx: &mut Cx<'_, ()>| {
        let me = cx.session();
        assert_eq!(cx.refcount_decrement(me, "tag"), Ok(1));
        assert_eq!(cx.refcount_decrement(me, "tag"), Ok(0));
        assert!(cx.refcount_decrement(me, "tag").is_err());
    };
    assert_eq!(lives(hold, twice), (true, false));
}

#[test]
fn a_postback_holds_until_it_is_dropped_or_weakened() {
    let kept = Rc::new(std::cell::RefCell::new(None));
    let hold = {
        let kept = kept.clone();
        move |cx: &mut Cx<'_, ()>| {
            let postback: Postback<(), ()> = cx.postback("event-p", ());
            *kept.borrow_mut() = Some(postback);
        }
    };
    assert_eq!(lives(hold.clone(), |_| {}), (true, true));
    let k = kept.clone();
    assert_eq!(lives(hold.clone(), move |_| *k.borrow_mut() = None), (true, false));
    let k = kept.clone();
    let weaken = move |_: &mut Cx<'_, ()>| {
        let postback = k.borrow_mut().take().unwrap();
        *k.borrow_mut() = Some(postback.weaken());
    };
    assert_eq!(lives(hold, weaken), (true, false));
    assert!(kept.borrow().as_ref().unwrap().post(()).is_err());
}

// Conformance: KRB-21, KRB-18, KRU-05
#[test]
fn references_to_nobody_or_too_many_given_back_are_errors() {
    let kernel = kernel();
    let gone = Session::build(()).spawn(&kernel).unwrap();
    kernel.run().unwrap();
    assert_eq!(kernel.refcount_increment(gone, "t"), Err(RefcountError::NoSession(gone)));
    assert_eq!(kernel.refcount_decrement(gone, "t"), Err(RefcountError::NoSession(gone)));
    let id = Session::build(()).spawn(&kernel).unwrap();
    let not_held = |tag| RefcountError::NotHeld { session: id, tag: Name::new(tag) };
    assert_eq!(kernel.refcount_decrement(id, "t"), Err(not_held("t")));
    assert_eq!(kernel.refcount_increment(id, "t"), Ok(1));
    assert_eq!(kernel.refcount_decrement(id, "u"), Err(not_held("u")));
    assert_eq!(kernel.refcount_decrement(id, "t"), Ok(0));
    assert_eq!(kernel.refcount_decrement(id, "t"), Err(not_held("t")));
    assert_eq!(kernel.refcount_increment(id, "t"), Ok(1));
    assert_eq!(kernel.refcount_decrement(id, "t"), Ok(0));
    kernel.run().unwrap();
    assert!(!kernel.is_live(id));
}

// Conformance: KRB-19
#[test]
fn references_are_forgotten_with_their_session() {
    let kernel = kernel();
    let id = Session::build(()).spawn(&kernel).unwrap();
    kernel.refcount_increment(id, "one").unwrap();
    kernel.refcount_increment(id, "two").unwrap();
    kernel.signal(id, "TERM", ()).unwrap();
    kernel.run().unwrap();
    assert!(kernel.refcount_decrement(id, "one").is_err());
    // The kernel is idle again: another with an alias only does not wait for ever.
    Session::build(()).on_start(|cx| cx.alias_set("alias")).spawn(&kernel).unwrap();
    kernel.run().unwrap();
}

#[test]
fn an_event_keeps_its_sender_alive_until_it_was_delivered() {
    let (kernel, trace) = (kernel(), Trace::default());
    let receiver = traced(&trace, "receiver").on("hello", |_, ()| {}).spawn(&kernel).unwrap();
    let t = trace.clone();
    traced(&trace, "sender")
        .on_start(move |cx| {
            t.call(cx.session(), "sender");
            cx.post(receiver, "hello", ()).unwrap();
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["receiver start(K)", "sender stop", "receiver stop"]);
}

// Conformance: KRB-26
#[test]
fn events_of_a_killed_sender_are_not_delivered() {
    let kernel = kernel();
    let receiver = Session::build(()).on("hello", common::never::<_, ()>).spawn(&kernel).unwrap();
    let sender = Session::build(())
        .on("send", move |cx, ()| cx.post(receiver, "hello", ()))
        .spawn(&kernel)
        .unwrap();
    kernel.post(sender, "send", ()).unwrap();
    kernel.signal(sender, "TERM", ()).unwrap();
    kernel.run().unwrap();
}

#[test]
fn what_is_posted_in_stop_is_not_delivered_but_calls_work() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    Session::build(())
        .on_start(|cx| {
            cx.alias_set("other")?;
            cx.delay("end", seconds(1), ());
            HandlerResult::Ok(())
        })
        .on("post", common::never::<_, ()>)
        .on("call", move |_, ()| t.log("called"))
        .on("end", |_, ()| {})
        .spawn(&kernel)
        .unwrap();
    Session::build(())
        .on_stop(|cx| {
            cx.post("other", "post", ())?;
            cx.yield_event("mine", ());
            cx.delay("mine", seconds(0), ());
            cx.call::<(), _>("other", "call", ())?;
            HandlerResult::Ok(())
        })
        .on("mine", common::never::<_, ()>)
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["called"]);
}

#[test]
fn what_holds_a_session_without_events_keeps_the_kernel_from_being_idle() {
    let kernel = kernel();
    let id = Session::build(()).on_start(|cx| cx.alias_set("held")).spawn(&kernel).unwrap();
    Session::build(())
        .on_start(move |cx| {
            cx.refcount_increment(id, "other").unwrap();
            cx.delay("give back", seconds(3), ());
        })
        .on("give back", move |cx, ()| drop(cx.refcount_decrement(id, "other")))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(elapsed(&kernel), 3000);
}

#[test]
fn a_sender_whose_receiver_was_killed_is_collected_without_waiting_for_anything() {
    let kernel = kernel();
    Session::build(())
        .on_start(|cx| {
            cx.delay("end", seconds(10), ());
        })
        .on("end", |_, ()| {})
        .spawn(&kernel)
        .unwrap();
    let victim = Session::build(())
        .on_start(|cx| cx.alias_set("victim"))
        .on("hello", |_, ()| {})
        .spawn(&kernel)
        .unwrap();
    Session::build(())
        .on_start(|cx| cx.yield_event("send", ()))
        .on("send", |cx, ()| cx.post("victim", "hello", ()))
        .on_stop(|cx| assert_eq!(elapsed(cx.kernel), 0))
        .spawn(&kernel)
        .unwrap();
    kernel.signal(victim, "TERM", ()).unwrap();
    kernel.run().unwrap();
    assert_eq!(elapsed(&kernel), 10_000);
}
