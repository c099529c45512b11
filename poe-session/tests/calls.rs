//! Synchronous events: replies, re-entrance, and every way to get no answer.

mod common;

use std::cell::Cell;
use std::rc::Rc;

use common::{Trace, fail, kernel, never};
use poe_session::prelude::*;

// Conformance: KRU-09, SES-01
#[test]
fn a_call_returns_what_its_handler_replies() {
    let kernel = kernel();
    let id = Session::build(5_u32)
        .on("number", |cx, ()| Reply(*cx.heap))
        .on("text", |_, n: u32| Reply(format!("{n}")))
        .on("nothing", |_, ()| {})
        .on("fallible", |_, fail: bool| if fail { Err("it failed") } else { Ok(Reply(1_u8)) })
        .spawn(&kernel)
        .unwrap();
    assert_eq!(kernel.call::<u32, _>(id, "number", ()).unwrap(), 5);
    assert_eq!(kernel.call::<String, _>(id, "text", 7_u32).unwrap(), "7");
    kernel.call::<(), _>(id, "nothing", ()).unwrap();
    // Who waits for nothing takes anything.
    kernel.call::<(), _>(id, "number", ()).unwrap();
    assert_eq!(kernel.call::<Payload, _>(id, "number", ()).map(|p| p.is::<u32>()).ok(), None);
    assert_eq!(kernel.call::<u8, _>(id, "fallible", false).unwrap(), 1);
    kernel.run().unwrap();
}

#[test]
fn every_reason_for_no_answer_is_an_error_of_its_own() {
    let kernel = kernel();
    let id = Session::build(())
        .on("takes u32", |_, _: u32| Reply(1_u32))
        .on("nothing", |_, ()| {})
        .spawn(&kernel)
        .unwrap();
    let error = kernel.call::<(), _>(id, "missing", ()).unwrap_err();
    assert!(matches!(error, CallError::NoHandler { session, .. } if session == id));
    assert!(error.to_string().contains("\"missing\""), "{error}");

    let error = kernel.call::<u32, _>(id, "takes u32", "text").unwrap_err();
    let line = line!() - 1;
    assert!(matches!(error, CallError::WrongPayload { .. }));
    for part in ["\"takes u32\"", " u32,", "&str", "calls.rs", &format!(":{line}")] {
        assert!(error.to_string().contains(part), "{part} in {error}");
    }

    let error = kernel.call::<String, _>(id, "takes u32", 1_u32).unwrap_err();
    let line = line!() - 1;
    assert!(matches!(error, CallError::WrongReply { .. }));
    for part in ["\"takes u32\"", "u32", "String", &format!("calls.rs:{line}")] {
        assert!(error.to_string().contains(part), "{part} in {error}");
    }
    let error = kernel.call::<u32, _>(id, "nothing", ()).unwrap_err();
    assert!(matches!(error, CallError::WrongReply { returned: "()", .. }), "{error}");
    // None of these was the session's own failure.
    kernel.run().unwrap();
}

#[test]
fn a_calls_b_calls_a_and_each_sees_the_other_as_its_sender() {
    let (kernel, trace) = (kernel(), Trace::default());
    let (t, t2, t3) = (trace.clone(), trace.clone(), trace.clone());
    let a = Session::build(1_u32)
        .on_start(|cx| cx.alias_set("a"))
        .on("outer", move |cx, ()| -> HandlerResult<Reply<u32>> {
            *cx.heap += 1;
            let n: u32 = cx.call("b", "middle", ())?;
            t.log(format!("outer sees {}", *cx.heap));
            assert_eq!(cx.kernel.active_event(), Some(Name::new("outer")));
            Ok(Reply(n))
        })
        .on("inner", move |cx, ()| {
            assert_eq!(cx.kernel.alias_resolve("b"), Some(cx.sender()));
            assert_eq!(cx.caller().state, Some(Name::new("middle")));
            *cx.heap *= 10;
            t2.log(format!("inner makes {}", *cx.heap));
            Reply(*cx.heap)
        })
        .spawn(&kernel)
        .unwrap();
    Session::build(())
        .on_start(|cx| cx.alias_set("b"))
        .on("middle", move |cx, ()| -> HandlerResult<Reply<u32>> {
            assert_eq!(cx.sender(), a);
            assert_eq!(cx.kernel.active_session(), cx.session());
            let n: u32 = cx.call(cx.sender(), "inner", ())?;
            t3.log(format!("middle got {n}"));
            Ok(Reply(n + 1))
        })
        .spawn(&kernel)
        .unwrap();
    assert_eq!(kernel.call::<u32, _>(a, "outer", ()).unwrap(), 21);
    assert_eq!(trace.take(), ["inner makes 20", "middle got 20", "outer sees 20"]);
    kernel.run().unwrap();
}

#[test]
fn a_session_may_call_itself_to_some_depth() {
    let kernel = kernel();
    let id = Session::build(0_u32)
        .on("down", |cx, left: u32| -> HandlerResult<Reply<u32>> {
            *cx.heap += 1;
            assert_eq!(cx.kernel.active_event(), Some(Name::new("down")));
            if left == 0 {
                return Ok(Reply(*cx.heap));
            }
            let reply: u32 = cx.call(cx.session(), "down", left - 1)?;
            Ok(Reply(reply))
        })
        .spawn(&kernel)
        .unwrap();
    assert_eq!(kernel.call::<u32, _>(id, "down", 100_u32).unwrap(), 101);
    kernel.run().unwrap();
}

#[test]
fn a_call_through_the_kernel_that_needs_a_held_heap_is_refused() {
    let kernel = kernel();
    let asked = Rc::new(Cell::new(0));
    let a = asked.clone();
    Session::build(())
        .on_start(|cx| cx.alias_set("busy"))
        .on("ask", move |cx, ()| {
            let error = cx.kernel.call::<(), _>(cx.session(), "back", ()).unwrap_err();
            assert!(matches!(error, CallError::Busy { session, .. } if session == cx.session()));
            assert!(error.to_string().contains("call through cx"), "{error}");
            // Through another session it is the same.
            cx.kernel.call::<(), _>("other", "call back", ()).unwrap();
            a.set(a.get() + 1);
            cx.call::<(), _>(cx.session(), "back", ())
        })
        .on("back", |_, ()| {})
        .spawn(&kernel)
        .unwrap();
    Session::build(())
        .on_start(|cx| cx.alias_set("other"))
        .on("call back", |cx, ()| {
            let error = cx.call::<(), _>(cx.sender(), "back", ()).unwrap_err();
            assert!(matches!(error, CallError::Busy { .. }));
        })
        .spawn(&kernel)
        .unwrap();
    kernel.post("busy", "ask", ()).unwrap();
    kernel.run().unwrap();
    assert_eq!(asked.get(), 1);
}

#[test]
fn an_event_that_is_handed_over_while_the_heap_is_held_is_a_death() {
    let kernel = kernel();
    let id = Session::build(())
        .on("hand over", |cx, ()| {
            cx.kernel.deliver_event(cx.session(), Name::new("handed over"), ());
        })
        .on("handed over", never::<_, ()>)
        .spawn(&kernel)
        .unwrap();
    kernel.post(id, "hand over", ()).unwrap();
    let error = kernel.run().unwrap_err();
    assert!(error.to_string().contains("holds its heap"), "{error}");
}

// Conformance: KRX-11
#[test]
fn a_failing_callee_tells_its_caller_and_dies_by_itself() {
    let (kernel, trace) = (kernel(), Trace::default());
    let (t, t2) = (trace.clone(), trace.clone());
    Session::build(())
        .on_start(|cx| {
            cx.alias_set("callee").unwrap();
            cx.sig("DIE", "died").unwrap();
        })
        .on("fail", |_, ()| fail("oops"))
        .on("died", move |cx, signal: Signal| {
            let death = signal.death().unwrap();
            assert_eq!(death.session, cx.session());
            assert_eq!(death.event, Name::new("fail"));
            assert_eq!(death.caller.state, Some(Name::new("_start")));
            t.log("callee died");
            cx.sig_handled();
        })
        .spawn(&kernel)
        .unwrap();
    Session::build(())
        .on_start(move |cx| {
            let error = cx.call::<(), _>("callee", "fail", ()).unwrap_err();
            assert!(matches!(&error, CallError::Died(death) if death.cause.to_string() == "oops"));
            assert!(error.to_string().contains("oops"), "{error}");
            t2.log("caller goes on");
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["caller goes on", "callee died"]);
}

// Conformance: KRX-11
#[test]
fn a_failing_call_to_the_own_session_is_an_ordinary_error() {
    let kernel = kernel();
    Session::build(())
        .on_start(|cx| {
            let error = cx.call::<(), _>(cx.session(), "fail", ()).unwrap_err();
            assert!(matches!(error, CallError::Died(_)));
        })
        .on("fail", |_, ()| fail("oops"))
        .spawn(&kernel)
        .unwrap();
    // There was no DIE at all.
    kernel.run().unwrap();
    Session::build(())
        .on_start(|cx| cx.yield_event("outer", ()))
        .on("outer", |cx, ()| cx.call::<(), _>(cx.session(), "fail", ()))
        .on("fail", |_, ()| fail("oops"))
        .spawn(&kernel)
        .unwrap();
    let Err(KernelError::Died(death)) = kernel.run() else { panic!("nothing failed") };
    assert_eq!(death.event, Name::new("outer"));
    assert!(death.to_string().contains("oops"));
}

// Conformance: KRX-10
#[test]
fn a_failure_in_a_called_handler_can_leave_run_by_the_question_mark() {
    let kernel = kernel();
    Session::build(())
        .on_start(|cx| cx.alias_set("callee"))
        .on("fail", |_, ()| -> HandlerResult { Err(std::io::Error::other("the cause").into()) })
        .spawn(&kernel)
        .unwrap();
    Session::build(())
        .on_start(|cx| -> HandlerResult {
            cx.call::<(), _>("callee", "fail", ())?;
            unreachable!()
        })
        .spawn(&kernel)
        .unwrap();
    let error = kernel.run().unwrap_err();
    assert!(error.to_string().contains("the cause"));
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.downcast_ref::<std::io::Error>().unwrap().to_string(), "the cause");
}

#[test]
fn a_call_that_died_leads_to_what_it_died_of() {
    let kernel = kernel();
    let id = Session::build(())
        .on_start(|cx| cx.sig("DIE", "died"))
        .on("fail", |_, ()| -> HandlerResult { Err(std::io::Error::other("the cause").into()) })
        .on("died", |cx, _: Signal| cx.sig_handled())
        .spawn(&kernel)
        .unwrap();
    let error = kernel.call::<(), _>(id, "fail", ()).unwrap_err();
    let mut source: Option<&dyn std::error::Error> = Some(&error);
    let mut found = false;
    while let Some(error) = source {
        found |= error.is::<std::io::Error>();
        source = error.source();
    }
    assert!(found, "{error:?}");
    kernel.run().unwrap();
}

#[test]
fn a_called_handler_may_stop_everything_and_its_caller_goes_on() {
    let (kernel, trace) = (kernel(), Trace::default());
    Session::build(())
        .on_start(|cx| cx.alias_set("end"))
        .on("all", |cx, ()| cx.stop())
        .spawn(&kernel)
        .unwrap();
    let t = trace.clone();
    Session::build(3_u32)
        .on_start(move |cx| {
            cx.call::<(), _>("end", "all", ()).unwrap();
            assert!(!cx.kernel.is_live(cx.session()));
            t.log(*cx.heap);
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["3"]);
}

#[test]
fn a_heap_is_back_even_if_what_it_was_lent_to_panicked() {
    let kernel = kernel();
    Session::build(4_u32)
        .on_start(|cx| {
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                cx.suspend(|_| panic!("in between"));
            }));
            assert!(caught.is_err());
            assert_eq!(*cx.heap, 4);
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

// Conformance: SES-12
#[test]
fn the_caller_is_the_place_and_the_event_that_sent() {
    let kernel = kernel();
    Session::build(())
        .on_start(|cx| cx.post(cx.session(), "check 1", line!()))
        .on("check 1", |cx, line: u32| {
            let caller = cx.caller();
            assert_eq!((caller.state, caller.location.line()), (Some(Name::new("_start")), line));
            assert!(caller.location.file().ends_with("calls.rs"));
            cx.yield_event("check 2", ());
        })
        .on("check 2", |cx, ()| {
            assert_eq!(cx.caller().state, Some(Name::new("check 1")));
            cx.call::<(), _>(cx.session(), "check 3", line!())
        })
        .on("check 3", |cx, line: u32| {
            let caller = cx.caller();
            assert_eq!((caller.state, caller.location.line()), (Some(Name::new("check 2")), line));
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}
