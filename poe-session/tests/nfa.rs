//! State machines, as POE's own suite has them.

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use poe_kernel::Diagnostic;
use poe_session::prelude::*;

use common::{Trace, kernel};

/// A handler that must not run.
fn never<H>(_: &mut Cx<'_, H, Machine>, (): ()) {
    unreachable!("a handler ran that must not");
}

struct Lamp {
    pushes: u32,
}

fn lamps() -> States<Lamp> {
    const TURNED: Event<SessionId> = Event::new("turned");
    fn push(to: &'static str) -> impl Fn(&mut Cx<'_, Lamp, Machine>, ()) -> HandlerResult {
        move |cx, ()| {
            cx.heap.pushes += 1;
            cx.goto_state(to, (TURNED, cx.sender()))?;
            Ok(())
        }
    }
    fn show(is_on: bool) -> impl Fn(&mut Cx<'_, Lamp, Machine>, SessionId) -> HandlerResult {
        move |cx, sensor| Ok(cx.post(sensor, "visibility", is_on)?)
    }
    States::new()
        .state("initial", |state| {
            state.on("start", |cx, ()| -> HandlerResult {
                cx.alias_set("lamp")?;
                cx.goto_state("off", ())?;
                Ok(())
            })
        })
        .state("off", |state| state.on("pushed", push("on")).on(TURNED, show(false)))
        .state("on", |state| state.on("pushed", push("off")).on(TURNED, show(true)))
        .any_state(|state| state.on_stop(|cx| assert_eq!(cx.heap.pushes, 10)))
}

// Conformance: NFA-03
#[test]
fn a_lamp_is_on_after_every_other_push() {
    let kernel = kernel();
    let seen = Rc::new(Cell::new(0));
    let count = seen.clone();
    Nfa::with(&lamps(), Lamp { pushes: 0 }).spawn(&kernel, "initial", "start").unwrap();
    Session::build(0_u32)
        .on_start(|cx| {
            cx.yield_event("push", ());
            cx.alias_set("sensor")
        })
        .on("push", |cx, ()| {
            *cx.heap += 1;
            cx.post("lamp", "pushed", ())
        })
        .on("visibility", move |cx, is_on: bool| {
            assert_eq!(is_on, *cx.heap % 2 == 1);
            count.set(count.get() + 1);
            if *cx.heap < 10 {
                cx.yield_event("push", ());
            }
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(seen.get(), 10);
}

// Conformance: NFA-04
#[test]
fn a_machine_may_stop_in_its_first_handler() {
    let kernel = kernel();
    let trace = Trace::default();
    let (t1, t2) = (trace.clone(), trace.clone());
    let machine = Nfa::build(())
        .state("initial", |state| {
            state
                .on("start", |cx, ()| -> HandlerResult {
                    cx.alias_set("held by this")?;
                    cx.yield_event("before", ());
                    cx.stop_machine();
                    cx.yield_event("after", ());
                    Ok(())
                })
                .on("before", move |_, ()| t1.log("before"))
                .on("after", never)
                .on_stop(move |_| t2.log("stop"))
        })
        .spawn(&kernel, "initial", "start")
        .unwrap();
    let t3 = trace.clone();
    Session::build(())
        .on_start(|cx| cx.delay_set("tick", common::millis(1), ()))
        .on("tick", move |cx, ()| {
            t3.log("tick");
            assert!(!cx.kernel.is_live(machine));
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["before", "stop", "tick"]);
}

struct Servlet {
    client: Option<SessionId>,
    left: u32,
    numbers: (u32, u32),
}

// Conformance: NFA-05
#[test]
fn a_state_calls_another_and_gets_its_answer() {
    let kernel = kernel();
    Nfa::build(Servlet { client: None, left: 0, numbers: (0, 1) })
        .state("listen", |state| {
            state
                .on("start", |cx, ()| cx.alias_set("fibonacci"))
                .on("request", |cx, n: u32| {
                    cx.heap.client = Some(cx.sender());
                    cx.call_state("answer", "calculate", ("start", n))
                })
                .on("answer", |cx, number: u32| -> HandlerResult {
                    let client = cx.heap.client.take().ok_or("nobody has asked")?;
                    Ok(cx.post(client, "number", number)?)
                })
        })
        .state("calculate", |state| {
            state
                .on("start", |cx, n: u32| {
                    (cx.heap.left, cx.heap.numbers) = (n, (0, 1));
                    cx.yield_event("next", ());
                })
                .on("next", |cx, ()| -> HandlerResult {
                    let (a, b) = cx.heap.numbers;
                    if cx.heap.left == 0 {
                        cx.return_state(a)?;
                    } else {
                        cx.heap.left -= 1;
                        cx.heap.numbers = (b, a + b);
                        cx.yield_event("next", ());
                    }
                    Ok(())
                })
        })
        .spawn(&kernel, "listen", "start")
        .unwrap();
    let asked = [0_u32, 1, 2, 3, 4, 5, 17, 23, 29, 43];
    let answers = Rc::new(RefCell::new(Vec::new()));
    let got = answers.clone();
    Session::build(asked.into_iter())
        .on_start(|cx| {
            cx.yield_event("ask", ());
            cx.alias_set("client")
        })
        .on("ask", |cx, ()| cx.heap.next().map(|n| cx.post("fibonacci", "request", n)))
        .on("number", move |cx, number: u32| {
            got.borrow_mut().push(number);
            cx.yield_event("ask", ());
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(*answers.borrow(), [0, 1, 1, 2, 3, 5, 1597, 28657, 514_229, 433_494_437]);
}

// Conformance: NFA-07
#[test]
fn a_handler_set_by_the_machine_holds_in_every_state_without_its_own() {
    let kernel = kernel();
    let trace = Trace::default();
    let [t1, t2, t3] = [0; 3].map(|_| trace.clone());
    Nfa::build(())
        .state("initial", move |state| {
            state.on("start", move |cx, ()| -> HandlerResult {
                let log = t1.clone();
                cx.state("wheel", move |cx, ()| {
                    log.log(format!("wheel in {}", cx.current_state()));
                    cx.yield_event("happened", ());
                });
                cx.goto_state("running", ())?;
                cx.yield_event("wheel", ());
                Ok(())
            })
        })
        .state("running", move |state| {
            state.on("happened", move |cx, ()| -> HandlerResult {
                t2.log("happened in running");
                cx.goto_state("own", ())?;
                cx.yield_event("wheel", ());
                Ok(())
            })
        })
        .state("own", move |state| {
            state.on("wheel", move |cx, ()| {
                t3.log("wheel of its own");
                assert!(cx.state_remove("wheel") && !cx.state_remove("wheel"));
            })
        })
        .spawn(&kernel, "initial", "start")
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["wheel in running", "happened in running", "wheel of its own"]);
}

// Conformance: NFA-08
#[test]
fn a_machine_has_options() {
    let reported = Rc::new(RefCell::new(Vec::new()));
    let list = reported.clone();
    let kernel = Kernel::builder()
        .diagnostics(move |diagnostic| {
            list.borrow_mut().push(match diagnostic {
                Diagnostic::Trace { event, .. } => format!("trace {event}"),
                Diagnostic::Redefined { event, .. } => format!("redefined {event}"),
                other => other.to_string(),
            });
        })
        .build()
        .unwrap();
    let machine = Nfa::build(())
        .option(SessionOption::Debug, true)
        .state("initial", |state| {
            state
                .on("start", |cx, ()| -> HandlerResult {
                    assert!(cx.option(SessionOption::Debug) && !cx.option(SessionOption::Trace));
                    assert!(!cx.set_option(SessionOption::Trace, true));
                    assert!(cx.set_option(SessionOption::Trace, true));
                    assert!(!cx.option(SessionOption::Immediate));
                    assert!(!cx.set_option(SessionOption::Immediate, true));
                    assert!(cx.set_option(SessionOption::Immediate, false));
                    cx.state("start", never);
                    cx.state("other", |_, ()| {});
                    cx.state("other", |_, ()| {});
                    cx.goto_state("next", "enter")?;
                    Ok(())
                })
                .on("leave", |_, ()| {})
        })
        .state("next", |state| state.on("enter", |_, ()| {}))
        .spawn(&kernel, "initial", "start")
        .unwrap();
    let options = &kernel.inspect().session(machine).unwrap().options.clone();
    assert_eq!(*options, [SessionOption::Trace, SessionOption::Debug]);
    kernel.run().unwrap();
    let reported = reported.borrow();
    let lines = ["redefined other", "trace poe_nfa_goto_state", "trace leave", "trace enter"];
    assert_eq!(reported[..4], lines);
    // A plain session has no transitions to be immediate.
    Session::build(())
        .on_start(|cx| {
            assert!(!cx.set_option(SessionOption::Immediate, true));
            assert!(!cx.option(SessionOption::Immediate));
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

// Conformance: NFA-10
#[test]
fn a_handler_knows_its_state_and_its_run_state() {
    let kernel = kernel();
    let machine = Nfa::build(vec!["any", "value"])
        .state("one", |state| {
            state
                .on_start(|cx| assert_eq!(cx.current_state(), "one"))
                .on("look", |cx, ()| {
                    assert_eq!((cx.current_state().as_str(), cx.heap.len()), ("one", 2));
                    cx.heap.push("more");
                    cx.goto_state("two", "look")
                })
                .on("leave", |cx, ()| assert_eq!(cx.current_state(), "one"))
        })
        .state("two", |state| {
            state
                .on("look", |cx, ()| {
                    assert_eq!((cx.current_state().as_str(), cx.heap[2]), ("two", "more"));
                    let snapshot = cx.kernel.inspect();
                    let info = snapshot.session(cx.session()).unwrap();
                    assert_eq!(info.state, Some(Name::new("two")));
                    assert_eq!(info.handlers, [Name::new("_stop"), Name::new("look")]);
                    assert_eq!(info.type_name, std::any::type_name::<Vec<&str>>());
                    assert!(snapshot.to_string().contains(", in state \"two\"\n"));
                    assert!(snapshot.to_dot().contains("in state \\\"two\\\"\\l"));
                })
                .on_stop(|cx| assert_eq!(*cx.heap, ["any", "value", "more"]))
        })
        .spawn(&kernel, "one", "look")
        .unwrap();
    assert_eq!(kernel.inspect().session(machine).unwrap().state, Some(Name::new("one")));
    kernel.run().unwrap();
}

#[derive(Default)]
struct Counts {
    inline: u32,
    package: u32,
}

impl Counts {
    fn count(cx: &mut Cx<'_, Self, Machine>, n: u32) {
        cx.heap.package += n;
    }
}

struct Meter(Cell<u32>);

impl Meter {
    fn count<H: 'static>(&self, cx: &mut Cx<'_, H, Machine>, n: u32) {
        assert_eq!(cx.current_state(), "counting");
        self.0.set(self.0.get() + n);
    }
}

// Conformance: NFA-01, NFA-11
#[test]
fn handlers_are_closures_methods_of_the_heap_or_of_an_object() {
    let kernel = kernel();
    let meter = Rc::new(Meter(Cell::new(0)));
    Nfa::build(Counts::default())
        .state("counting", |state| {
            state
                .on("start", |cx, ()| {
                    for event in ["inline", "package", "object"] {
                        cx.yield_event(event, 5_u32);
                    }
                })
                .on("inline", |cx, n: u32| cx.heap.inline += n)
                .on("package", Counts::count)
                .object(&meter, "object", Meter::count)
                .on_stop(|cx| assert_eq!((cx.heap.inline, cx.heap.package), (5, 5)))
        })
        .spawn(&kernel, "counting", "start")
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(meter.0.get(), 5);
}

// Conformance: NFA-01
#[test]
fn the_smallest_machine_has_one_state_and_ends_without_work() {
    let kernel = kernel();
    let machine = Nfa::build(()).state("initial", |state| state).spawn(&kernel, "initial", ());
    let machine = machine.unwrap();
    assert!(kernel.is_live(machine));
    kernel.run().unwrap();
    assert!(!kernel.is_live(machine));
}

#[test]
fn a_state_defined_twice_has_the_handlers_of_both() {
    let states: States<u32> = States::new()
        .state("one", |state| state.on("a", |cx, ()| *cx.heap += 1).on("b", never))
        .state("one", |state| state.on("b", |cx, ()| *cx.heap += 10));
    let more = states.clone().state("two", |state| state);
    assert_eq!(states.names(), [Name::new("one")]);
    assert_eq!(more.names(), [Name::new("one"), Name::new("two")]);
    let kernel = kernel();
    let machine = Nfa::with(&more, 0)
        .any_state(|state| state.on_stop(|cx| assert_eq!(*cx.heap, 11)))
        .spawn(&kernel, "one", ())
        .unwrap();
    kernel.post(machine, "a", ()).unwrap();
    kernel.post(machine, "b", ()).unwrap();
    kernel.run().unwrap();
    assert!(format!("{more:?}").ends_with(r#""two": {}}"#));
}
