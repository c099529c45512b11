//! Events that a session sends itself: they are dispatched in one go, and hand on what holds the session.

mod common;

use common::{Trace, kernel, traced};
use poe_kernel::Asserts;
use poe_session::prelude::*;

fn events_to(kernel: &Kernel, session: SessionId) -> u32 {
    let inspection = kernel.inspect();
    inspection.session(session).map_or(0, |info| info.holds.events_to)
}

#[test]
fn a_session_is_not_collected_under_a_handler_that_has_what_it_yielded_dispatched() {
    let (kernel, trace) = (kernel(), Trace::default());
    kernel.set_asserts(Asserts::DATA);
    let t = trace.clone();
    let session = traced(&trace, "A")
        .on("outer", move |cx, ()| {
            cx.yield_event("inner", ());
            for _ in 0..3 {
                cx.suspend(|kernel| kernel.run_one_timeslice()).unwrap();
            }
            t.log("outer ends");
            // Nothing else holds it, and the first of these two takes the place of this event.
            cx.yield_event("last", 1_u32);
            cx.yield_event("last", 2_u32);
        })
        .on("inner", {
            let t = trace.clone();
            move |_, ()| t.log("inner")
        })
        .on("last", {
            let t = trace.clone();
            move |_, n: u32| t.log(format!("last {n}"))
        })
        .spawn(&kernel)
        .unwrap();
    kernel.post(session, "outer", ()).unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["A start(K)", "inner", "outer ends", "last 1", "last 2", "A stop"]);
}

#[test]
fn the_event_being_handled_counts_whatever_has_taken_over_its_hold() {
    let kernel = kernel();
    let session = Session::build(Vec::new())
        .on("count", |cx, ()| {
            let (kernel, session) = (cx.kernel.clone(), cx.session());
            for _ in 0..3 {
                let counted = cx.suspend(|_| events_to(&kernel, session));
                cx.heap.push(counted);
                cx.yield_event("other", "text");
            }
            let counted = cx.suspend(|_| events_to(&kernel, session));
            cx.heap.push(counted);
        })
        .on("other", |cx, _: &str| {
            let (kernel, session) = (cx.kernel.clone(), cx.session());
            let counted = cx.suspend(|_| events_to(&kernel, session));
            cx.heap.push(counted);
        })
        .on_stop(|cx| assert_eq!(*cx.heap, [1, 2, 3, 4, 3, 2, 1]))
        .spawn(&kernel)
        .unwrap();
    kernel.post(session, "count", ()).unwrap();
    kernel.run().unwrap();
    assert!(!kernel.is_live(session));
}

#[test]
fn what_a_session_yields_and_is_stopped_after_is_dropped() {
    let (kernel, trace) = (kernel(), Trace::default());
    let other =
        traced(&trace, "B").on_start(|cx| cx.alias_set("B").unwrap()).spawn(&kernel).unwrap();
    trace.call(other, "B");
    let t = trace.clone();
    let session = traced(&trace, "A")
        .on("end", move |cx, ()| {
            cx.yield_event("never", ());
            let session = cx.session();
            cx.suspend(|kernel| kernel.session_stop(session)).unwrap();
            cx.yield_event("never", ());
            t.log("ended");
        })
        .on("never", |_, ()| -> HandlerResult { Err("it has been stopped".into()) })
        .spawn(&kernel)
        .unwrap();
    kernel.post(session, "end", ()).unwrap();
    kernel.run_one_timeslice().unwrap();
    assert_eq!(kernel.get_event_count(), 0);
    assert!(!kernel.is_live(session) && kernel.is_live(other));
    assert_eq!(trace.take(), ["A start(K)", "A stop", "ended"]);
    kernel.run().unwrap();
}

#[test]
fn events_of_all_kinds_keep_their_order_among_those_of_others() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    let handlers = Handlers::<char>::new()
        .on("unit", {
            let t = t.clone();
            move |cx: &mut Cx<'_, char>, ()| t.log(format!("{} unit", *cx.heap))
        })
        .on("text", {
            let t = t.clone();
            move |cx, text: &str| t.log(format!("{} {text}", *cx.heap))
        })
        .on("boxed", {
            let t = t.clone();
            move |cx, text: String| t.log(format!("{} {text}", *cx.heap))
        })
        .on("go", |cx, ()| {
            cx.yield_event("unit", ());
            cx.yield_event("boxed", String::from("boxed"));
            cx.yield_event("text", "text");
            cx.yield_event("unit", ());
        });
    let [a, b] = ['a', 'b'].map(|name| Session::with(&handlers, name).spawn(&kernel).unwrap());
    kernel.post(a, "go", ()).unwrap();
    kernel.post(b, "unit", ()).unwrap();
    kernel.post(a, "unit", ()).unwrap();
    kernel.post(b, "go", ()).unwrap();
    kernel.run().unwrap();
    assert_eq!(
        trace.take(),
        [
            "b unit", "a unit", "a unit", "a boxed", "a text", "a unit", "b unit", "b boxed",
            "b text", "b unit"
        ]
    );
}

#[test]
fn a_handler_that_switches_traces_on_sees_the_very_next_event() {
    let kernel = kernel();
    let session = Session::build(())
        .on("first", |cx, ()| {
            cx.yield_event("second", ());
            cx.kernel.set_profiling(true);
        })
        .on("second", |cx, ()| {
            // Not counted before it ends.
            cx.yield_event("third", cx.kernel.profile().unwrap().events.len());
        })
        .on("third", |cx, before: usize| {
            let profile = cx.kernel.profile().unwrap();
            assert_eq!(before, 0);
            assert_eq!(profile.events.iter().filter(|meter| meter.event == "second").count(), 1);
        })
        .spawn(&kernel)
        .unwrap();
    kernel.post(session, "first", ()).unwrap();
    kernel.run().unwrap();
}
