//! Postbacks and callbacks.

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use common::{Trace, kernel, seconds};
use poe_kernel::PostError;
use poe_session::prelude::*;

// Conformance: SES-04
#[test]
fn a_callback_has_run_when_it_returns_and_a_postback_comes_later() {
    type Answer = Postback<u32, u32>;
    type Direct = Callback<u32, u32, ()>;
    let (kernel, trace) = (kernel(), Trace::default());
    Session::build(0_u32)
        .on_start(|cx| cx.alias_set("server"))
        .on("post", |cx, answer: Answer| {
            *cx.heap += 1;
            answer.post(*cx.heap)
        })
        .on("call", |cx, answer: Direct| {
            *cx.heap += 1;
            let n = *cx.heap;
            answer.call(cx, n)
        })
        .spawn(&kernel)
        .unwrap();
    let (t, t2) = (trace.clone(), trace.clone());
    Session::build(Rc::new(Cell::new(false)))
        .on_start(|cx| cx.yield_event("ask", 1_u32))
        .on("ask", move |cx, cookie: u32| -> HandlerResult {
            let postback: Answer = cx.postback("posted", cookie);
            cx.post("server", "post", postback)?;
            let callback: Direct = cx.callback("called", cookie + 1);
            cx.heap.set(false);
            cx.call::<(), _>("server", "call", callback)?;
            assert!(cx.heap.get(), "it ran before the call returned");
            if cookie < 5 {
                cx.delay("ask", seconds(1), cookie + 2);
            }
            Ok(())
        })
        .on("posted", move |_, (cookie, reply): (u32, u32)| {
            t.log(format!("posted {cookie} {reply}"));
            assert_eq!(cookie + 1, reply);
        })
        .on("called", move |cx, (cookie, reply): (u32, u32)| {
            cx.heap.set(true);
            t2.log(format!("called {cookie} {reply}"));
            assert_eq!(cookie - 1, reply);
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(
        trace.take(),
        ["called 2 1", "posted 1 2", "called 4 3", "posted 3 4", "called 6 5", "posted 5 6"]
    );
}

// Conformance: SES-05
#[test]
fn what_was_given_at_creation_comes_before_what_was_given_at_invocation() {
    let kernel = kernel();
    let got = Rc::new(RefCell::new(Vec::new()));
    let g = got.clone();
    Session::build(())
        .on_start(|cx| -> HandlerResult {
            let postback: Postback<(u8, u8), u8> = cx.postback("event", (1, 2));
            postback.post(6)?;
            postback.post(7)?;
            let callback: Callback<u8, (u8, u8), String> = cx.callback("direct", 3);
            assert_eq!(callback.call(cx, (4, 5))?, "3 4 5");
            Ok(())
        })
        .on("event", move |_, args: ((u8, u8), u8)| g.borrow_mut().push(args))
        .on("direct", |_, (a, (b, c)): (u8, (u8, u8))| Reply(format!("{a} {b} {c}")))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(*got.borrow(), [((1, 2), 6), ((1, 2), 7)]);
}

#[test]
fn invoking_for_a_session_that_is_gone_or_a_kernel_that_is_gone_is_an_error() {
    let kernel = kernel();
    let kept = Rc::new(RefCell::new(None));
    let k = kept.clone();
    let id = Session::build(())
        .on_start(move |cx| {
            let postback: Postback<(), ()> = cx.postback("event", ());
            let callback: Callback<(), (), ()> = cx.callback("event", ());
            *k.borrow_mut() = Some((postback.weaken(), callback.weaken()));
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    let (postback, callback) = kept.take().unwrap();
    let refused = postback.post(()).unwrap_err();
    assert!(
        matches!(refused, PostError::NoSession(missing) if missing.destination == id.to_string())
    );
    assert!(matches!(callback.call(&kernel, ()), Err(CallError::NoSession(_))));
    drop(kernel);
    assert!(postback.post(()).is_err());
}

#[test]
fn the_sender_is_who_invokes() {
    let kernel = kernel();
    Session::build(())
        .on_start(|cx| cx.alias_set("invoker"))
        .on("invoke", |_, postback: Postback<(), ()>| postback.post(()))
        .spawn(&kernel)
        .unwrap();
    Session::build(())
        .on_start(|cx| {
            let postback: Postback<(), ()> = cx.postback("event", ());
            cx.post("invoker", "invoke", postback)
        })
        .on("event", |cx, ((), ()): ((), ())| {
            assert_eq!(Some(cx.sender()), cx.kernel.alias_resolve("invoker"));
            assert_eq!(cx.caller().state, Some(Name::new("invoke")));
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

#[test]
fn one_kept_in_its_own_sessions_heap_holds_it_until_idle_would_and_no_longer_than_the_kernel() {
    let drops = common::Drops::default();
    let kernel = kernel();
    Session::build((None::<Postback<(), ()>>, drops.token()))
        .on_start(|cx| cx.heap.0 = Some(cx.postback("event", ())))
        .spawn(&kernel)
        .unwrap();
    kernel.run_one_timeslice().ok();
    assert_eq!((kernel.session_count(), drops.count()), (1, 0));
    drop(kernel);
    assert_eq!(drops.count(), 1);
}

#[test]
fn each_copy_of_a_postback_holds_its_session_and_is_shown_at_the_line_of_the_first() {
    let kernel = kernel();
    let kept = Rc::new(RefCell::new(Vec::<Postback<u32, u32>>::new()));
    let k = Rc::clone(&kept);
    let session = Session::build(0)
        .on_start(move |cx| {
            let first = cx.postback("answer", 1_u32);
            k.replace(vec![first.clone(), first.clone(), first.clone().weaken()]);
        })
        .on("answer", |cx, (created, invoked): (u32, u32)| *cx.heap += created + invoked)
        .on_stop(|cx| assert_eq!(*cx.heap, 18))
        .spawn(&kernel)
        .unwrap();
    kernel.run_one_timeslice().unwrap();
    let reasons = kernel.why_alive(session);
    let [reason] = reasons.as_slice() else { panic!("{reasons:?}") };
    assert!(reason.to_string().contains("2 references tagged \"anon_event\""), "{reason}");

    let weak = kept.borrow_mut().pop().unwrap();
    let copy_of_weak = weak.clone();
    copy_of_weak.post(5).unwrap();
    drop((weak, kept.borrow_mut().pop()));
    kernel.run_one_timeslice().unwrap();
    assert!(kernel.is_live(session));
    let last = kept.take();
    last[0].clone().post(11).unwrap();
    drop(last);
    kernel.run().unwrap();
    copy_of_weak.clone().post(1).unwrap_err();
}

#[test]
fn each_copy_of_a_callback_and_of_what_keeps_alive_holds_until_the_session_is_stopped() {
    let kernel = kernel();
    let callback = Rc::new(RefCell::new(None::<Callback<(), u32, u32>>));
    let c = Rc::clone(&callback);
    let session = Session::build(())
        .on_start(move |cx| *c.borrow_mut() = Some(cx.callback("double", ())))
        .on("double", |_, ((), n): ((), u32)| Reply(2 * n))
        .spawn(&kernel)
        .unwrap();
    let callback = callback.take().unwrap();
    let (copy, kept) = (callback.clone(), kernel.keep_alive(session, "kept").unwrap());
    let kept_too = kept.clone();
    drop((callback, kept));
    kernel.run_one_timeslice().unwrap();
    assert_eq!(copy.call(&kernel, 21).unwrap(), 42);
    drop(copy);
    assert_eq!(kernel.why_alive(session).len(), 1);
    kernel.stop().unwrap();
    drop((kept_too.clone(), kept_too));
    assert_eq!(kernel.session_count(), 0);
}
