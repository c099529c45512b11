//! Things whose `Drop` calls the kernel back, wherever the kernel drops what it was given.

mod common;

use std::cell::{Cell, RefCell};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use common::{Drops, OnDrop, Trace, kernel, never, seconds};
use poe_session::prelude::*;

/// A session that logs what it is told, and holds itself by an alias.
fn listener(kernel: &Kernel, trace: &Trace) -> SessionId {
    let t = trace.clone();
    Session::build(())
        .on_start(|cx| cx.alias_set("listener"))
        .on("told", move |_, what: &'static str| t.log(what))
        .spawn(kernel)
        .unwrap()
}

/// Uses all it can of the kernel when it is dropped, and then says so to the listener.
fn caller_back(kernel: &Kernel, what: &'static str) -> OnDrop {
    let weak = kernel.downgrade();
    OnDrop::new(move || {
        let Some(kernel) = weak.upgrade() else { return };
        let _ = kernel.get_event_count();
        let _ = kernel.get_next_event_time();
        let _ = kernel.session_count();
        if let Some(listener) = kernel.alias_resolve("listener") {
            kernel.refcount_increment(listener, "dropping").unwrap();
            kernel.refcount_decrement(listener, "dropping").unwrap();
            let _ = kernel.call::<(), _>(listener, "unknown", ());
            let _ = kernel.children(listener);
        }
        let _ = kernel.alias_set("dropping");
        let _ = kernel.alias_remove("dropping");
        let _ = kernel.alarm_clear("dropping");
        let _ = kernel.delay("dropping", seconds(1), ());
        let _ = kernel.alarm_remove_all();
        let _ = kernel.sig("DROPPING", "dropping");
        kernel.sig_ignore("DROPPING");
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let ours = Rc::new(ours);
        let _ = kernel.select_read(&ours, "dropping");
        kernel.select_end(&ours, Mode::Read);
        let _ = kernel.signal(SessionId::KERNEL, "DROPPED", ());
        let _ = kernel.post("listener", "told", what);
    })
}

#[test]
fn payloads_of_events_that_are_delivered_unhandled_or_of_the_wrong_type() {
    let (kernel, trace) = (kernel(), Trace::default());
    listener(&kernel, &trace);
    let id = Session::build(())
        .option(SessionOption::Default, false)
        .on_start(|cx| cx.sig("DIE", "died"))
        .on("taken", |_, _: OnDrop| {})
        .on("other type", |_, _: u32| {})
        .on("died", |cx, _: Signal| cx.sig_handled())
        .spawn(&kernel)
        .unwrap();
    kernel.post(id, "taken", caller_back(&kernel, "taken")).unwrap();
    kernel.post(id, "unknown", caller_back(&kernel, "unknown")).unwrap();
    kernel.post(id, "other type", caller_back(&kernel, "other type")).unwrap();
    kernel.call::<(), _>(id, "taken", caller_back(&kernel, "called")).unwrap();
    kernel.call::<(), _>(id, "nobody's", caller_back(&kernel, "not called")).unwrap_err();
    kernel.post("nobody", "event", caller_back(&kernel, "not posted")).unwrap_err();
    kernel.post(SessionId::KERNEL, "event", caller_back(&kernel, "to the kernel")).unwrap();
    kernel.signal(id, "SIG", caller_back(&kernel, "signal")).unwrap();
    kernel.signal("nobody", "SIG", caller_back(&kernel, "no signal")).unwrap_err();
    kernel.delay("event", seconds(1), caller_back(&kernel, "no delay")).unwrap_err();
    kernel.run().unwrap();
    let mut lines = trace.take();
    lines.sort();
    assert_eq!(
        lines,
        [
            "called",
            "no delay",
            "no signal",
            "not called",
            "not posted",
            "other type",
            "signal",
            "taken",
            "to the kernel",
            "unknown"
        ]
    );
}

#[test]
fn payloads_of_timers_that_are_replaced_or_removed() {
    let (kernel, trace) = (kernel(), Trace::default());
    listener(&kernel, &trace);
    Session::build(())
        .on_start(|cx| {
            let later = seconds(9);
            cx.delay("one", later, caller_back(cx.kernel, "replaced"));
            cx.delay("one", later, caller_back(cx.kernel, "cleared"));
            drop(cx.alarm_clear("one"));
            cx.delay_set("two", later, caller_back(cx.kernel, "of two, first"));
            cx.delay_set("two", later, caller_back(cx.kernel, "of two, second"));
            cx.delay("two", later, caller_back(cx.kernel, "removed"));
            // The callbacks above have removed all there were; so it is set again.
            let id = cx.delay_set("three", later, caller_back(cx.kernel, "by id"));
            drop(cx.alarm_remove(id));
            cx.delay_set("four", later, caller_back(cx.kernel, "all"));
            drop(cx.alarm_remove_all());
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    let mut lines = trace.take();
    lines.sort();
    assert_eq!(
        lines,
        ["all", "by id", "cleared", "of two, first", "of two, second", "removed", "replaced"]
    );
}

#[test]
fn all_that_a_stopped_session_held() {
    for way in ["TERM", "stop", "collect"] {
        let (kernel, trace) = (kernel(), Trace::default());
        let id = {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let (ours, drops) = (Rc::new((ours, theirs)), Drops::default());
            struct Handle(
                #[expect(dead_code, reason = "its drop matters")] OnDrop,
                Rc<(UnixStream, UnixStream)>,
            );
            impl std::os::fd::AsFd for Handle {
                fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                    self.1.0.as_fd()
                }
            }
            let token = drops.token();
            let heap = (caller_back(&kernel, "heap"), token);
            Session::build(heap)
                .on_start(move |cx| {
                    let k = cx.kernel;
                    if way == "collect" {
                        return;
                    }
                    cx.yield_event("event", caller_back(k, "event"));
                    cx.delay("event", seconds(1), caller_back(k, "timer"));
                    let handle = Rc::new(Handle(caller_back(k, "handle"), ours.clone()));
                    let args = Rc::new(caller_back(k, "args"));
                    k.select_with(&handle, Mode::Read, "event", args).unwrap();
                    let closure = caller_back(k, "closure");
                    cx.state("closure", move |_, ()| {
                        let _ = &closure;
                    });
                })
                .on("event", never::<_, ()>)
                .spawn(&kernel)
                .unwrap()
        };
        listener(&kernel, &trace);
        match way {
            "TERM" => {
                kernel.signal(id, "TERM", ()).unwrap();
                // Ahead of the event, so that it is still queued.
                let _ = kernel.run();
            }
            "stop" => {
                kernel.stop().unwrap();
                let _ = kernel.run();
            }
            _ => kernel.run().unwrap(),
        }
        assert_eq!(kernel.session_count(), 0);
        drop(kernel);
        let lines = trace.take();
        if way == "collect" {
            assert_eq!(lines, ["heap"]);
        }
    }
}

#[test]
fn a_purged_events_payload_may_be_another_sessions_postback() {
    let kernel = kernel();
    let stopped = Rc::new(Cell::new(false));
    let s = stopped.clone();
    let victim = Session::build(())
        .on_start(|cx| cx.alias_set("victim"))
        .on("event", never::<_, Postback<(), ()>>)
        .spawn(&kernel)
        .unwrap();
    Session::build(())
        .on_start(move |cx| cx.yield_event("go", ()))
        .on("go", move |cx, ()| -> HandlerResult {
            let postback: Postback<(), ()> = cx.postback("event", ());
            cx.post(victim, "event", postback)?;
            cx.signal(victim, "TERM", ())?;
            Ok(())
        })
        .on_stop(move |_| s.set(true))
        .spawn(&kernel)
        .unwrap();
    kernel.signal(victim, "TERM", ()).unwrap();
    kernel.run().unwrap();
    assert!(stopped.get());
}

#[test]
fn a_dropped_heap_may_hold_the_last_references_of_others() {
    let (kernel, trace) = (kernel(), Trace::default());
    let mut postbacks = Vec::new();
    for name in ["first", "second"] {
        let t = trace.clone();
        let id = Session::build(())
            .on("make", |cx, ()| Reply(cx.postback::<(), ()>("event", ())))
            .on("event", never::<_, ((), ())>)
            .on_stop(move |_| t.log(name))
            .spawn(&kernel)
            .unwrap();
        postbacks.push(kernel.call::<Postback<(), ()>, _>(id, "make", ()).unwrap());
    }
    let t = trace.clone();
    Session::build(postbacks)
        .on_start(|cx| {
            cx.delay("end", seconds(1), ());
        })
        .on("end", |_, ()| {})
        .on_stop(move |_| t.log("owner"))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["owner", "second", "first"]);
}

#[test]
fn a_handler_replaced_twice_in_one_event_is_dropped_where_it_may_call_its_own_session() {
    let kernel = kernel();
    let errors = Rc::new(Cell::new(0));
    let e = errors.clone();
    Session::build(())
        .on_start(move |cx| {
            let (weak, id, e) = (cx.kernel.downgrade(), cx.session(), e.clone());
            let guard = OnDrop::new(move || {
                let kernel = weak.upgrade().unwrap();
                if let Err(CallError::Busy { .. }) = kernel.call::<(), _>(id, "other", ()) {
                    e.set(e.get() + 1);
                }
            });
            cx.state("event", move |_, ()| {
                let _ = &guard;
            });
            cx.state("event", |_, ()| {});
        })
        .on("other", |_, ()| {})
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(errors.get(), 1);
}

#[test]
fn a_session_that_is_being_freed_is_given_nothing_new() {
    let kernel = kernel();
    Session::build(())
        .on_start(|cx| -> HandlerResult {
            let weak = cx.kernel.downgrade();
            let last = OnDrop::new(move || {
                let kernel = weak.upgrade().unwrap();
                let _ = kernel.alias_set("leaked");
                let _ = kernel.delay("leaked", seconds(1), ());
                let _ = kernel.sig("LEAKED", "leaked");
                Session::build(())
                    .on_start(|cx| {
                        cx.delay("mine", seconds(1), ());
                    })
                    .on("mine", |cx, ()| cx.alias_set("came"))
                    .spawn(&kernel)
                    .unwrap();
            });
            let (ours, _theirs) = UnixStream::pair()?;
            cx.kernel.select_with(&Rc::new(ours), Mode::Expedite, "io", Rc::new(last))?;
            cx.yield_event("stop", ());
            Ok(())
        })
        .on("io", |_, _: Ready<UnixStream, Rc<OnDrop>>| {})
        .on("stop", |cx, ()| cx.stop())
        .spawn(&kernel)
        .unwrap();
    while kernel.alias_resolve("came").is_none() {
        assert!(
            kernel.run_one_timeslice().unwrap(),
            "the new session's timer went with the old one"
        );
    }
    assert_eq!(kernel.alias_resolve("leaked"), None);
    assert_eq!((kernel.session_count(), kernel.get_event_count()), (1, 0));
    Session::build(()).on_start(|cx| cx.alias_set("leaked")).spawn(&kernel).unwrap();
    kernel.run().unwrap();
}

#[test]
fn a_heap_that_keeps_a_weak_kernel_does_not_keep_the_kernel() {
    let drops = Drops::default();
    let kernel = kernel();
    let weak = kernel.downgrade();
    let gone = Rc::new(Cell::new(false));
    let (g, w) = (gone.clone(), weak.clone());
    let heap = (OnDrop::new(move || g.set(w.upgrade().is_none())), drops.token());
    Session::build(heap).on_start(|cx| cx.alias_set("alias")).spawn(&kernel).unwrap();
    drop(kernel);
    assert!(gone.get() && drops.count() == 1 && weak.upgrade().is_none());
}

#[test]
fn a_payload_whose_drop_panics_does_not_take_the_kernel_with_it() {
    let kernel = kernel();
    let id = Session::build(())
        .option(SessionOption::Default, false)
        .on_start(|cx| cx.alias_set("a"))
        .spawn(&kernel)
        .unwrap();
    kernel.post(id, "unknown", OnDrop::new(|| panic!("in drop"))).unwrap();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| kernel.run()));
    // However it leaves, the kernel goes on afterwards.
    drop(result);
    assert!(kernel.active_session().is_kernel());
    Session::build(()).spawn(&kernel).unwrap();
    kernel.run().unwrap();
    assert_eq!(kernel.session_count(), 0);
}

#[test]
fn a_heap_whose_drop_panics_keeps_no_other_session_from_its_end() {
    let kernel = kernel();
    let drops = Drops::default();
    let alike = |heap: Option<OnDrop>, token| {
        Session::build((heap, token))
            .on_start(|cx| cx.yield_event("last", ()))
            .on("last", |_, ()| {})
            .spawn(&kernel)
    };
    for _ in 0..2 {
        alike(None, drops.token()).unwrap();
        alike(Some(OnDrop::new(|| panic!("in drop"))), drops.token()).unwrap();
        alike(None, drops.token()).unwrap();
    }
    let run = || std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| kernel.run()));
    let panic = run().unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"in drop"));
    assert_eq!((drops.count(), kernel.session_count()), (6, 0));
    run().unwrap().unwrap();
}

#[test]
fn what_a_stop_posts_vanishes_and_what_it_calls_is_heard() {
    let kernel = kernel();
    let heard = Rc::new(RefCell::new(Vec::new()));
    let h = heard.clone();
    let other = Session::build(())
        .on_start(|cx| cx.delay("wait", seconds(1), ()))
        .on("wait", |_, ()| ())
        .on("hear", move |_, what: &str| h.borrow_mut().push(what.to_owned()))
        .spawn(&kernel)
        .unwrap();
    Session::build(())
        .on_stop(move |cx| -> HandlerResult {
            cx.post(other, "hear", "posted")?;
            cx.yield_event("mine", ());
            Ok(cx.call(other, "hear", "called")?)
        })
        .on("mine", |_, ()| Err::<(), _>("delivered after the end"))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(*heard.borrow(), ["called"]);
}
