//! Handlers set and removed while a session lives, default handlers, object handlers, and options.

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use common::{Drops, Trace, kernel, never, seconds, start};
use poe_kernel::Diagnostic;
use poe_session::prelude::*;

const COUNT: Event<()> = Event::new("count");

// Conformance: SES-01
#[test]
fn ten_sessions_count_by_yield_post_and_call() {
    let kernel = kernel();
    let (unknown, selves) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    for _ in 0..10 {
        let (u, s) = (unknown.clone(), selves.clone());
        Session::build(0_u32)
            .on_start(|cx| cx.yield_event(COUNT, ()))
            .on(COUNT, move |cx, ()| -> HandlerResult {
                assert_eq!(cx.sender(), cx.session());
                s.set(s.get() + 1);
                cx.yield_event("nobody handles this", *cx.heap);
                let n: u32 = cx.call(cx.session(), "increment", 1_u32)?;
                match n {
                    5 => {}
                    n if n % 2 == 0 => cx.yield_event(COUNT, ()),
                    _ => cx.post(cx.session(), COUNT, ())?,
                }
                Ok(())
            })
            .on("increment", |cx, by: u32| {
                *cx.heap += by;
                Reply(*cx.heap)
            })
            .on_default(move |_, unhandled| {
                if unhandled.event != "_stop" {
                    u.set(u.get() + 1);
                }
            })
            .spawn(&kernel)
            .unwrap();
    }
    kernel.run().unwrap();
    assert_eq!((unknown.get(), selves.get()), (50, 50));
}

// Conformance: SES-14
#[test]
fn a_default_handler_gets_name_and_payload_and_can_pass_them_on() {
    let kernel = kernel();
    let got = Rc::new(RefCell::new(Vec::new()));
    let g = got.clone();
    Session::build(())
        .on_start(|cx| cx.yield_event("unknown", vec!["some", "random", "args"]))
        .on("again", move |_, args: Vec<&'static str>| g.borrow_mut().extend(args))
        .on_stop(|_| {})
        .on_default(|cx, unhandled| {
            assert_eq!((unhandled.event, cx.event()), (Name::new("unknown"), Name::new("unknown")));
            assert!(unhandled.payload.is::<Vec<&'static str>>());
            cx.yield_event("again", unhandled.payload);
            Reply("ignored")
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(*got.borrow(), ["some", "random", "args"]);
}

// Conformance: SES-15
#[test]
fn a_default_handler_serves_missing_predefined_events_and_replies_to_calls() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    let id = Session::build(())
        .on_default(move |_, unhandled| {
            t.log(unhandled.event);
            Reply(7_u32)
        })
        .spawn_with(&kernel, "args")
        .unwrap();
    assert_eq!(kernel.call::<u32, _>(id, "anything", ()).unwrap(), 7);
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["_start", "anything", "_stop"]);
}

#[test]
fn an_event_without_any_handler_is_dropped_and_told_of_unless_the_option_is_off() {
    let (drops, told) = (Drops::default(), Rc::new(RefCell::new(Vec::new())));
    let t = told.clone();
    let kernel = Kernel::builder()
        .virtual_clock(start())
        .diagnostics(move |diagnostic| match diagnostic {
            Diagnostic::Unhandled { session, sender, event, caller } => {
                t.borrow_mut().push((*session, *sender, *event, caller.location.line()));
            }
            other => panic!("{other}"),
        })
        .build()
        .unwrap();
    let quiet = Session::build(()).option(SessionOption::Default, false).spawn(&kernel).unwrap();
    let sender = Session::build(())
        .on_start(move |cx| cx.post(quiet, "posted", ()))
        .on("ask", move |cx, ()| {
            // Who calls is told by an error.
            let error = cx.call::<u32, _>(cx.session(), "called", ()).unwrap_err();
            assert!(matches!(error, CallError::NoHandler { .. }), "{error}");
            cx.yield_event("yielded", ());
            cx.delay("timed", seconds(1), ());
        })
        .spawn(&kernel)
        .unwrap();
    let (line, from) = (line!() + 1, SessionId::KERNEL);
    kernel.post(sender, "posted", drops.token()).unwrap();
    kernel.post(sender, "ask", ()).unwrap();
    kernel.run().unwrap();
    assert_eq!(drops.count(), 1);
    let told: Vec<_> = told.take();
    assert_eq!(told[0], (sender, from, Name::new("posted"), line));
    let rest: Vec<_> = told[1..].iter().map(|&(to, from, event, _)| (to, from, event)).collect();
    let own = |event| (sender, sender, Name::new(event));
    assert_eq!(rest, [own("yielded"), own("timed")]);
}

#[test]
fn handlers_set_and_removed_matter_to_events_already_queued() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    Session::build(())
        .on_start(move |cx| {
            for event in ["old", "new", "gone"] {
                cx.yield_event(event, ());
            }
            let t2 = t.clone();
            cx.state("new", move |_, ()| t2.log("new"));
            let t2 = t.clone();
            cx.state("old", move |_, ()| t2.log("replaced"));
            assert!(cx.state_remove("gone"));
            assert!(!cx.state_remove("gone"));
            assert!(!cx.state_remove("never there"));
            let t2 = t.clone();
            cx.state_default(move |_, unhandled| t2.log(format!("default {}", unhandled.event)));
        })
        .on("old", never::<_, ()>)
        .on("gone", never::<_, ()>)
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["replaced", "new", "default gone", "default _stop"]);
}

#[test]
fn a_handler_may_replace_or_remove_itself() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    Session::build(())
        .on_start(|cx| {
            for _ in 0..3 {
                cx.yield_event("event", ());
            }
        })
        .option(SessionOption::Default, false)
        .on("event", move |cx, ()| {
            let t2 = t.clone();
            cx.state("event", move |cx, ()| {
                t2.log("second");
                cx.state_remove("event");
            });
            t.log("first");
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["first", "second"]);
}

#[test]
fn sessions_that_share_handlers_change_only_their_own() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    let handlers = Handlers::new()
        .on("change", {
            let t = t.clone();
            move |cx: &mut Cx<'_, u32>, ()| {
                let t = t.clone();
                cx.state("event", move |cx, ()| t.log(format!("{} changed", *cx.heap)));
            }
        })
        .on("event", move |cx, ()| t.log(format!("{} shared", *cx.heap)))
        .on("removed", never::<_, ()>)
        .remove("removed");
    assert!(handlers.handles("event") && !handlers.handles("removed"));
    let ids: Vec<_> =
        (0..3_u32).map(|n| Session::with(&handlers, n).spawn(&kernel).unwrap()).collect();
    kernel.post(ids[1], "change", ()).unwrap();
    for id in ids {
        kernel.post(id, "event", ()).unwrap();
    }
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["0 shared", "1 changed", "2 shared"]);
}

// Conformance: SES-07
#[test]
fn inline_package_and_object_handlers_all_count_to_five() {
    #[derive(Default)]
    struct Counter(Cell<u32>);
    impl Counter {
        fn count(&self, cx: &mut Cx<'_, ()>, (): ()) {
            self.0.set(self.0.get() + 1);
            if self.0.get() < 5 {
                cx.yield_event(COUNT, ());
            }
        }
    }
    struct Package {
        counted: Rc<Counter>,
    }
    impl Package {
        fn start(cx: &mut Cx<'_, Self>) {
            cx.yield_event("count by another name", ());
        }
        fn count(cx: &mut Cx<'_, Self>, (): ()) {
            let n = &cx.heap.counted.0;
            n.set(n.get() + 1);
            if n.get() < 5 {
                cx.yield_event(cx.event(), ());
            }
        }
    }
    let kernel = kernel();
    let counters: Vec<Rc<Counter>> = (0..3).map(|_| Rc::default()).collect();
    Session::build(())
        .on_start(|cx| cx.yield_event(COUNT, ()))
        .object(&counters[0], COUNT, Counter::count)
        .spawn(&kernel)
        .unwrap();
    Session::build(())
        .on_start(|cx| cx.yield_event("mapped", ()))
        .object(&counters[1], "mapped", Counter::count)
        .object(&counters[1], COUNT, Counter::count)
        .spawn(&kernel)
        .unwrap();
    Session::build(Package { counted: counters[2].clone() })
        .on_start(Package::start)
        .on("count by another name", Package::count)
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    for counter in counters {
        assert_eq!(counter.0.get(), 5);
    }
}

// Conformance: SES-08
#[test]
fn an_option_tells_what_it_was() {
    let kernel = kernel();
    Session::build(())
        .option(SessionOption::Debug, true)
        .on_start(|cx| {
            assert!(cx.option(SessionOption::Default));
            assert!(cx.set_option(SessionOption::Default, false));
            assert!(!cx.option(SessionOption::Default));
            assert!(!cx.set_option(SessionOption::Default, true));
            assert!(cx.option(SessionOption::Default));
            assert!(cx.option(SessionOption::Debug) && !cx.option(SessionOption::Trace));
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

#[test]
fn options_report_what_they_are_for() {
    let reports = Rc::new(RefCell::new(Vec::new()));
    let r = reports.clone();
    let kernel = Kernel::builder()
        .diagnostics(move |diagnostic| {
            let kind = match diagnostic {
                Diagnostic::Trace { event, .. } => format!("trace {event}"),
                Diagnostic::Redefined { event, .. } => format!("redefined {event}"),
                Diagnostic::Unhandled { event, caller, .. } => {
                    assert!(caller.location.file().ends_with("states_and_options.rs"));
                    assert!(diagnostic.to_string().contains("states_and_options.rs"));
                    format!("unhandled {event}")
                }
                _ => String::from("?"),
            };
            r.borrow_mut().push(kind);
        })
        .build()
        .unwrap();
    let id = Session::build(())
        .option(SessionOption::Trace, true)
        .option(SessionOption::Debug, true)
        .option(SessionOption::Default, true)
        .on_start(|cx| {
            cx.state("new", |_, ()| {});
            cx.state("new", |_, ()| {});
        })
        .spawn(&kernel)
        .unwrap();
    kernel.post(id, "new", ()).unwrap();
    kernel.post(id, "unknown", ()).unwrap();
    kernel.run().unwrap();
    assert_eq!(
        *reports.borrow(),
        [
            "trace _start",
            "redefined new",
            "trace new",
            "trace unknown",
            "unhandled unknown",
            "trace _stop"
        ]
    );
}

#[test]
fn events_by_hand_with_predefined_names_are_ordinary() {
    let (kernel, trace) = (kernel(), Trace::default());
    let (t, t2) = (trace.clone(), trace.clone());
    let id = Session::build(())
        .on_start(move |_| t.log("start"))
        .on_stop(move |_| t2.log("stop"))
        .spawn(&kernel)
        .unwrap();
    kernel.post(id, "_stop", ()).unwrap();
    kernel.post(id, "_start", ()).unwrap();
    assert_eq!(kernel.session_count(), 1);
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["start", "stop", "start", "stop"]);
}
