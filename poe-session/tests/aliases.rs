//! Names of sessions, and how destinations are found.

mod common;

use common::{Trace, kernel, seconds, traced_start};
use poe_kernel::{AliasError, Asserts, NoSession, PostError, Traces};
use poe_session::prelude::*;

// Conformance: KRB-10, KRB-11, KRB-12, KRB-15
#[test]
fn a_session_may_have_many_aliases_listed_sorted() {
    let kernel = kernel();
    let id = Session::build(())
        .on_start(|cx| {
            let me = cx.session();
            cx.alias_set("two").unwrap();
            assert_eq!(cx.kernel.alias_list(me), ["two"]);
            cx.alias_set("one").unwrap();
            cx.alias_set("three").unwrap();
            cx.alias_set("one").unwrap();
            assert_eq!(cx.kernel.alias_list(me), ["one", "three", "two"]);
            assert_eq!(cx.kernel.alias_resolve("one"), Some(me));
            assert_eq!(cx.kernel.alias_resolve(me), Some(me));
            assert_eq!(cx.kernel.alias_resolve(String::from("none")), None);
            cx.alias_remove("one").unwrap();
            assert_eq!(cx.kernel.alias_resolve("one"), None);
            assert_eq!(cx.kernel.alias_list(me), ["three", "two"]);
        })
        .spawn(&kernel)
        .unwrap();
    assert_eq!(kernel.alias_resolve("two"), Some(id));
    kernel.run().unwrap();
    assert_eq!((kernel.alias_resolve("two"), kernel.alias_resolve(id)), (None, None));
    assert!(kernel.alias_list(id).is_empty());
}

// Conformance: KRB-13, KRU-02
#[test]
fn an_alias_has_one_owner() {
    let kernel = kernel();
    let owner = Session::build(()).on_start(|cx| cx.alias_set("taken")).spawn(&kernel).unwrap();
    Session::build(())
        .on_start(move |cx| {
            let alias = String::from("taken");
            let error = cx.alias_set("taken").unwrap_err();
            assert!(error.to_string().contains("in use by session 1"), "{error}");
            assert_eq!(error, AliasError::InUse { alias: alias.clone(), owner });
            let error = cx.alias_remove("taken").unwrap_err();
            assert!(error.to_string().contains("belongs to session 1"), "{error}");
            assert_eq!(error, AliasError::NotYours { alias, owner });
            let error = cx.alias_remove("unknown").unwrap_err();
            assert!(error.to_string().contains("does not exist"), "{error}");
            assert_eq!(error, AliasError::Unknown { alias: "unknown".into() });
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

#[test]
fn an_alias_freed_by_a_stop_can_be_set_by_another() {
    let kernel = kernel();
    for _ in 0..2 {
        Session::build(()).on_start(|cx| cx.alias_set("name")).spawn(&kernel).unwrap();
        kernel.run().unwrap();
    }
}

// Conformance: KRU-06
#[test]
fn with_assertions_what_is_sent_to_nobody_is_a_death_that_names_it() {
    type Send = fn(&mut Cx<'_, ()>);
    let sends: [(&str, Send); 6] = [
        ("post", |cx| assert!(cx.post("nobody", "hello", ()).is_err())),
        ("post_set", |cx| assert!(cx.post_set("nobody", "hello", ()).is_err())),
        ("post_with", |cx| {
            assert!(cx.post_with(Priority::High, "nobody", "hello", ()).is_err());
        }),
        ("call", |cx| assert!(cx.call::<(), _>("nobody", "hello", ()).is_err())),
        ("signal", |cx| assert!(cx.signal("nobody", "hello", ()).is_err())),
        ("detach_child", |cx| assert!(cx.detach_child("nobody").is_err())),
    ];
    for (method, send) in sends {
        for asserts in [Asserts::NONE, Asserts::DATA] {
            let (kernel, lines) = common::listening_kernel(Traces::NONE, asserts);
            let session = Session::build(()).on("send", move |cx, ()| send(cx));
            let session = session.spawn(&kernel).unwrap();
            kernel.post(session, "send", ()).unwrap();
            let result = kernel.run().map_err(|error| error.to_string());
            assert!(lines.borrow().is_empty(), "{lines:?}");
            if asserts.is_empty() {
                result.unwrap();
                continue;
            }
            let error = result.unwrap_err();
            for part in ["session 1 died", "DATA failed", method, "\"nobody\"", "aliases.rs"] {
                assert!(error.contains(part), "no {part:?} in {error}");
            }
        }
    }
}

// Conformance: KRU-07, KRU-09
#[test]
fn what_is_sent_to_nobody_is_an_error_that_names_it() {
    let kernel = kernel();
    let gone = Session::build(()).spawn(&kernel).unwrap();
    kernel.run().unwrap();
    let error = kernel.post("nobody", "hello", ()).unwrap_err();
    let missing = NoSession { destination: "nobody".into(), event: Name::new("hello") };
    assert_eq!(error, PostError::NoSession(missing.clone()));
    assert!(error.to_string().contains("\"nobody\"") && error.to_string().contains("\"hello\""));
    assert_eq!(kernel.signal("nobody", "hello", ()).unwrap_err(), missing);
    assert!(matches!(
        kernel.call::<(), _>("nobody", "hello", ()),
        Err(CallError::NoSession(e)) if e == missing
    ));
    let error = kernel.post(gone, "hello", ()).unwrap_err();
    assert!(matches!(error, PostError::NoSession(missing) if missing.destination == "1"));
    // To the kernel anything can be sent, and nothing comes of it.
    kernel.post(SessionId::KERNEL, "hello", ()).unwrap();
    kernel.call::<(), _>(SessionId::KERNEL, "hello", ()).unwrap();
    assert_eq!(kernel.get_event_count(), 0);
}

#[test]
fn a_queued_event_stays_with_the_session_its_alias_meant_when_it_was_sent() {
    let (kernel, trace) = (kernel(), Trace::default());
    let named = |name: &'static str| {
        let t = trace.clone();
        traced_start(&trace, name, |_| {})
            .on("hello", move |_, ()| t.log(format!("{name} hello")))
            .on("take", |cx, ()| cx.alias_set("alias"))
            .on("give", |cx, ()| cx.alias_remove("alias"))
            .spawn(&kernel)
            .unwrap()
    };
    let (a, b) = (named("A"), named("B"));
    kernel.call::<(), _>(a, "take", ()).unwrap();
    kernel.post("alias", "hello", ()).unwrap();
    kernel.call::<(), _>(a, "give", ()).unwrap();
    kernel.call::<(), _>(b, "take", ()).unwrap();
    kernel.post("alias", "hello", ()).unwrap();
    trace.take();
    kernel.run().unwrap();
    assert_eq!(trace.take()[..2], ["A hello", "B hello"]);
}

#[test]
fn an_alias_set_outside_handlers_is_the_kernels() {
    let kernel = kernel();
    kernel.alias_set("kernel").unwrap();
    assert_eq!(kernel.alias_resolve("kernel"), Some(SessionId::KERNEL));
    kernel.post("kernel", "ignored", ()).unwrap();
    Session::build(())
        .on_start(|cx| assert!(cx.alias_set("kernel").is_err()))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    kernel.alias_remove("kernel").unwrap();
    assert_eq!(kernel.alias_resolve("kernel"), None);
}

// Conformance: KRG-03
#[test]
fn a_server_with_an_alias_only_answers_and_goes_at_idle() {
    let (kernel, trace) = (kernel(), Trace::default());
    let (t, t2) = (trace.clone(), trace.clone());
    traced_start(&trace, "client", move |cx| {
        traced_start(&t, "server", |cx| cx.alias_set("server").unwrap())
            .on("ask", |cx, n: u32| cx.post(cx.sender(), "answer", n * 2))
            .spawn(&mut *cx)
            .unwrap();
        cx.post("server", "ask", 21_u32).unwrap();
    })
    .on("answer", move |_, n: u32| t2.log(n))
    .spawn(&kernel)
    .unwrap();
    kernel.run().unwrap();
    let lines = trace.take();
    assert_eq!(lines[3..], ["42", "server stop", "client child stop server server", "client stop"]);
}

#[test]
fn an_alias_holds_its_session_while_others_have_work() {
    let (kernel, trace) = (kernel(), Trace::default());
    let aliased = traced_start(&trace, "aliased", |cx| cx.alias_set("name").unwrap());
    aliased.on("ignored", |_, ()| {}).spawn(&kernel).unwrap();
    let t = trace.clone();
    traced_start(&trace, "worker", |cx| {
        cx.delay("work", seconds(1), ());
    })
    .on("work", move |cx, ()| {
        t.log("work");
        cx.post("name", "ignored", ()).unwrap();
    })
    .spawn(&kernel)
    .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take()[2..], ["work", "worker stop", "aliased stop"]);
}
