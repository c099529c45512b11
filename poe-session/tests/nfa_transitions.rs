//! State machines in trouble: transitions within transitions, failures, stops, and what cannot be done.

mod common;

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::rc::Rc;

use poe_kernel::{CallError, SpawnError};
use poe_session::prelude::*;
use poe_session::{NfaError, StateError};

use common::{OnDrop, Trace, fail, kernel};

/// What a handler of machines without a heap gets.
type In<'a> = Cx<'a, (), Machine>;

/// A handler that logs its event and the state it is in.
fn logs(trace: &Trace) -> impl Fn(&mut In<'_>, ()) + use<> {
    let trace = trace.clone();
    move |cx, ()| trace.log(format!("{} {}", cx.current_state(), cx.event()))
}

/// A machine with two states that log how they are entered and left.
fn logged(trace: &Trace) -> Nfa<()> {
    ["one", "two"].into_iter().fold(Nfa::build(()), |nfa, name| {
        nfa.state(name, |state| state.on("enter", logs(trace)).on("leave", logs(trace)))
    })
}

/// Runs until what is queued has been handled, and returns the error that the run ended with.
fn death(kernel: &Kernel) -> Box<dyn Error> {
    match kernel.run() {
        Err(KernelError::Died(death)) => Box::new(death),
        other => panic!("no death, but {other:?}"),
    }
}

/// The error of a state in a death.
fn state_error<'a>(death: &'a (dyn Error + 'static)) -> &'a StateError {
    let mut error = Some(death);
    while let Some(this) = error {
        if let Some(found) = this.downcast_ref() {
            return found;
        }
        error = this.source();
    }
    panic!("{death} has nothing to do with states");
}

#[test]
fn a_transition_that_the_called_asks_for_waits_unless_it_is_immediate() {
    for is_immediate in [false, true] {
        let kernel = kernel();
        let trace = Trace::default();
        let echo = Session::build(())
            .on("echo", |cx, ()| cx.call::<(), _>(cx.sender(), "go", ()))
            .spawn(&kernel)
            .unwrap();
        let seen = trace.clone();
        logged(&trace)
            .option(SessionOption::Immediate, is_immediate)
            .state("one", move |state| {
                state.on("go", |cx, ()| cx.goto_state("two", "enter")).on(
                    "begin",
                    move |cx, ()| -> HandlerResult {
                        cx.call::<(), _>(echo, "echo", ())?;
                        seen.log(format!("back in {}", cx.current_state()));
                        Ok(())
                    },
                )
            })
            .spawn(&kernel, "one", "begin")
            .unwrap();
        kernel.run().unwrap();
        let lines = if is_immediate {
            ["one leave", "two enter", "back in two"]
        } else {
            ["back in one", "one leave", "two enter"]
        };
        assert_eq!(trace.take(), lines);
    }
}

#[test]
fn a_transition_asked_for_in_leave_waits_for_the_one_that_is_under_way() {
    for is_immediate in [false, true] {
        let kernel = kernel();
        let trace = Trace::default();
        logged(&trace)
            .option(SessionOption::Immediate, is_immediate)
            .state("first", |state| {
                state
                    .on("begin", |cx, ()| cx.goto_state("one", "enter"))
                    .on("leave", |cx, ()| cx.goto_state("two", "enter"))
            })
            .spawn(&kernel, "first", "begin")
            .unwrap();
        kernel.run().unwrap();
        assert_eq!(trace.take(), ["one enter", "one leave", "two enter"]);
    }
}

#[test]
fn transitions_wait_for_a_leave_handler_that_runs_timeslices() {
    let kernel = kernel();
    let trace = Trace::default();
    logged(&trace)
        .state("first", |state| {
            state
                .on("begin", |cx, ()| {
                    cx.goto_state("one", "enter")?;
                    cx.goto_state("two", "enter")
                })
                .on("leave", |cx, ()| -> HandlerResult {
                    for _ in 0..3 {
                        cx.suspend(|kernel| kernel.run_one_timeslice())?;
                        assert_eq!(cx.current_state(), "first");
                    }
                    Ok(())
                })
        })
        .spawn(&kernel, "first", "begin")
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["one enter", "one leave", "two enter"]);
}

#[test]
fn a_leave_that_panics_can_be_tried_again() {
    let kernel = kernel();
    let trace = Trace::default();
    let panics = Rc::new(Cell::new(true));
    logged(&trace)
        .state("first", |state| {
            state
                .on("begin", |cx, ()| -> HandlerResult {
                    cx.sig("DIE", "died")?;
                    cx.goto_state("one", "enter")?;
                    Ok(())
                })
                .on("leave", move |_, ()| assert!(!panics.replace(false), "on purpose"))
                .on("died", |cx, signal: Signal| {
                    assert!(signal.death().unwrap().to_string().contains("on purpose"));
                    cx.sig_handled();
                    assert_eq!(cx.current_state(), "first");
                    cx.goto_state("two", "enter")
                })
        })
        .spawn(&kernel, "first", "begin")
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["two enter"]);
}

#[test]
fn an_immediate_transition_that_fails_is_an_error_of_who_asked_for_it() {
    let kernel = kernel();
    Nfa::build(())
        .option(SessionOption::Immediate, true)
        .state("one", |state| {
            state.on("begin", |cx, ()| {
                let error = cx.goto_state("two", ("enter", 1_u8)).unwrap_err();
                assert!(matches!(error, StateError::Failed(CallError::Died(_))), "{error}");
                assert_eq!(error.to_string().matches("on purpose").count(), 1, "{error}");
                assert_eq!(cx.current_state(), "two");
                let error = cx.goto_state("one", ("begin", "text")).unwrap_err();
                let wrong = state_error(error.source().unwrap());
                assert!(matches!(wrong, StateError::WrongArgs { sent: "&str", .. }), "{wrong}");
            })
        })
        .state("two", |state| state.on("enter", |_, _: u8| fail("on purpose")))
        .spawn(&kernel, "one", "begin")
        .unwrap();
    kernel.run().unwrap();
}

#[test]
fn what_the_machine_does_not_have_is_refused_at_once() {
    let kernel = kernel();
    let build = || Nfa::build(()).state("one", |state| state.on("enter", |_, ()| {}));
    let error = build().spawn(&kernel, "two", ()).unwrap_err();
    assert!(matches!(error, NfaError::State(StateError::NoState { .. })), "{error}");
    let error = build().spawn(&kernel, "one", "exit").unwrap_err();
    assert!(matches!(error, NfaError::State(StateError::NoEntry { .. })), "{error}");
    let error = Nfa::build(()).spawn(&kernel, "one", ()).unwrap_err();
    assert!(matches!(error, NfaError::State(StateError::NoState { .. })), "{error}");
    assert_eq!(kernel.session_count(), 0);

    build()
        .state("begin", |state| {
            state.on("enter", |cx, ()| {
                for error in [
                    cx.goto_state("two", ()).unwrap_err(),
                    cx.call_state((), "two", "enter").unwrap_err(),
                ] {
                    assert!(matches!(error, StateError::NoState { state } if state == "two"));
                }
                for error in [
                    cx.goto_state("one", "exit").unwrap_err(),
                    cx.call_state("enter", "one", ("exit", 7)).unwrap_err(),
                ] {
                    assert!(matches!(error, StateError::NoEntry { event, .. } if event == "exit"));
                }
                // A call that was refused is none to return from.
                let error = cx.return_state(()).unwrap_err();
                assert!(matches!(error, StateError::NotCalled { state } if state == "begin"));
            })
        })
        .spawn(&kernel, "begin", "enter")
        .unwrap();
    kernel.run().unwrap();
}

#[test]
fn a_return_event_that_has_no_handler_fails_the_call() {
    let kernel = kernel();
    Nfa::build(())
        .state("one", |state| state.on("begin", |cx, ()| cx.call_state("answer", "two", ())))
        .state("two", |state| state)
        .spawn(&kernel, "one", "begin")
        .unwrap();
    let death = death(&kernel);
    let error = state_error(&*death);
    assert!(matches!(error, StateError::NoEntry { state, .. } if state == "one"), "{error}");
    assert!(death.to_string().contains("nfa_transitions.rs"), "{death}");
}

#[test]
fn arguments_of_another_type_are_an_error_that_names_both() {
    let kernel = kernel();
    Nfa::build(())
        .state("one", |state| state.on("begin", |cx, ()| cx.goto_state("two", ("enter", "text"))))
        .state("two", |state| state.on("enter", |_, _: u32| {}))
        .spawn(&kernel, "one", "begin")
        .unwrap();
    let death = death(&kernel);
    let text = state_error(&*death).to_string();
    assert_eq!(text, "handler of \"enter\" in state \"two\" takes u32, but was given &str");
}

#[test]
fn an_event_that_a_state_does_not_know_is_told_to_who_calls_and_is_a_death() {
    let kernel = kernel();
    let machine = Nfa::build(()).state("one", |state| state).spawn(&kernel, "one", ()).unwrap();
    let error = kernel.call::<(), _>(machine, "what", ()).unwrap_err();
    let CallError::Died(death) = &error else { panic!("{error}") };
    assert!(matches!(state_error(death), StateError::Unexpected { .. }));
    assert!(kernel.run().is_err());
}

#[test]
fn calls_that_wait_are_counted() {
    let kernel = kernel();
    let trace = Trace::default();
    let answered = trace.clone();
    Nfa::build(())
        .state("one", |state| {
            state
                .on("begin", |cx, ()| {
                    cx.call_state("answer", "two", ())?;
                    cx.call_state((), "two", ())?;
                    cx.return_state(())?;
                    cx.return_state(5_u32)?;
                    assert!(matches!(cx.return_state(()), Err(StateError::NotCalled { .. })));
                    Ok::<(), StateError>(())
                })
                .on("answer", move |_, n: u32| answered.log(format!("answer {n}")))
        })
        .state("two", |state| state.on("leave", logs(&trace)))
        .spawn(&kernel, "one", "begin")
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["two leave", "two leave", "two leave", "answer 5"]);
}

#[test]
fn a_call_whose_leave_panics_is_not_counted() {
    let kernel = kernel();
    let deaths = Rc::new(Cell::new(0));
    let count = deaths.clone();
    Nfa::build(())
        .state("one", |state| {
            state
                .on("begin", |cx, ()| -> HandlerResult {
                    cx.sig("DIE", "died")?;
                    cx.call_state((), "two", ())?;
                    Ok(())
                })
                .on("leave", |_, ()| -> () { panic!("on purpose") })
                .on("died", move |cx, _: Signal| {
                    cx.sig_handled();
                    count.set(count.get() + 1);
                    assert!(matches!(cx.return_state(()), Err(StateError::NotCalled { .. })));
                })
        })
        .state("two", |state| state)
        .spawn(&kernel, "one", "begin")
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(deaths.get(), 1);
}

#[test]
fn a_leave_that_removes_what_is_to_be_entered_with_is_a_death() {
    let kernel = kernel();
    Nfa::build(())
        .any_state(|state| state.on("enter", |_, ()| {}))
        .state("one", |state| {
            state
                .on("begin", |cx, ()| cx.goto_state("two", "enter"))
                .on("leave", |cx, ()| cx.state_remove("enter"))
        })
        .state("two", |state| state)
        .spawn(&kernel, "one", "begin")
        .unwrap();
    let death = death(&kernel);
    assert!(matches!(state_error(&*death), StateError::NoEntry { .. }), "{death}");
}

#[test]
fn a_return_that_waits_for_a_failed_call_is_a_death() {
    let kernel = kernel();
    let deaths = Rc::new(RefCell::new(Vec::new()));
    let list = deaths.clone();
    Nfa::build(())
        .state("one", |state| {
            state
                .on("begin", |cx, ()| -> HandlerResult {
                    cx.sig("DIE", "died")?;
                    cx.call_state((), "two", ())?;
                    cx.return_state(())?;
                    Ok(())
                })
                .on("leave", |_, ()| fail("stuck"))
                .on("died", move |cx, signal: Signal| {
                    cx.sig_handled();
                    list.borrow_mut().push(signal.death().unwrap().event.as_str());
                    // What failed is not counted.
                    assert!(matches!(cx.return_state(()), Err(StateError::NotCalled { .. })));
                })
        })
        .state("two", |state| state)
        .spawn(&kernel, "one", "begin")
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(*deaths.borrow(), ["poe_nfa_push_state", "poe_nfa_pop_state"]);
}

#[test]
fn calls_of_states_nest_as_deep_as_there_is_memory() {
    const DEPTH: u32 = 100_000;
    let kernel = kernel();
    let deepest = Rc::new(Cell::new(0));
    let last = deepest.clone();
    Nfa::build(())
        .state("down", |state| {
            state
                .on("dig", move |cx, n: u32| {
                    last.set(n);
                    if n == DEPTH {
                        cx.return_state(n)
                    } else {
                        cx.call_state("up", "down", ("dig", n + 1))
                    }
                })
                .on("up", |cx, n: u32| {
                    if n == 1 {
                        assert!(matches!(cx.return_state(()), Err(StateError::NotCalled { .. })));
                        return Ok(());
                    }
                    cx.return_state(n - 1)
                })
        })
        .spawn(&kernel, "down", ("dig", 0_u32))
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(deepest.get(), DEPTH);
}

#[test]
fn a_machine_stops_once_however_often_it_is_asked_to() {
    let kernel = kernel();
    let trace = Trace::default();
    let stopped = trace.clone();
    logged(&trace)
        .state("one", move |state| {
            state
                .on("enter", |cx, ()| -> HandlerResult {
                    cx.alias_set("kept")?;
                    cx.stop_machine();
                    cx.stop_machine();
                    // All this goes with it.
                    cx.goto_state("two", "enter")?;
                    cx.yield_event("unknown", ());
                    cx.delay_set("unknown", common::seconds(1), ());
                    Ok(())
                })
                .on_stop(move |cx| {
                    stopped.log("stop");
                    cx.stop_machine();
                    cx.goto_state("two", "enter")
                })
        })
        .spawn(&kernel, "one", "enter")
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["stop"]);
    assert_eq!(common::elapsed(&kernel), 0);
}

#[test]
fn a_machine_that_is_stopped_by_its_leave_enters_nothing() {
    let kernel = kernel();
    let trace = Trace::default();
    let stopped = trace.clone();
    logged(&trace)
        .state("first", |state| {
            state
                .on("begin", |cx, ()| cx.goto_state("one", "enter"))
                .on("leave", |cx, ()| cx.stop())
        })
        .any_state(move |state| {
            state.on_stop(move |cx| stopped.log(format!("stop in {}", cx.current_state())))
        })
        .spawn(&kernel, "first", "begin")
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["stop in first"]);
}

#[test]
fn the_first_state_has_the_start_then_the_parent_is_told_then_the_entry_is_made() {
    let kernel = kernel();
    let trace = Trace::default();
    let [t1, t2] = [0; 2].map(|_| trace.clone());
    Session::build(())
        .on_start(move |cx| {
            let t3 = t1.clone();
            logged(&t1)
                .state("one", |state| {
                    state.on_start(move |cx| {
                        t3.log("start");
                        cx.goto_state("two", "enter").map(|()| Reply(7))
                    })
                })
                .spawn(cx, "one", "enter")
                .unwrap();
        })
        .on_child(move |_, child: Child| {
            t2.log(format!("{:?} {:?}", child.change, child.value.downcast_ref::<i32>()));
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    let lines = ["start", "Create Some(7)", "one enter", "one leave", "two enter", "Stop None"];
    assert_eq!(trace.take(), lines);
}

#[test]
fn a_start_that_goes_elsewhere_at_once_is_not_entered_again() {
    let kernel = kernel();
    let trace = Trace::default();
    logged(&trace)
        .option(SessionOption::Immediate, true)
        .state("one", |state| state.on_start(|cx| cx.goto_state("two", "enter")))
        .spawn(&kernel, "one", "enter")
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["one leave", "two enter"]);
}

#[test]
fn a_machine_that_dies_in_its_entry_is_spawned_all_the_same() {
    let kernel = kernel();
    let machine = Nfa::build(())
        .state("one", |state| state.on("enter", |_, ()| fail("on purpose")))
        .spawn(&kernel, "one", "enter")
        .unwrap();
    assert!(kernel.is_live(machine));
    assert!(death(&kernel).to_string().contains("on purpose"));
}

#[test]
fn a_machine_is_not_spawned_where_its_parent_cannot_be_told() {
    let kernel = kernel();
    Session::build(())
        .on_start(|cx| {
            let machine = Nfa::build(()).state("one", |state| state);
            let error = machine.spawn(cx.kernel, "one", ()).unwrap_err();
            assert!(matches!(error, NfaError::Spawn(SpawnError::ParentBusy(_))), "{error}");
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

#[test]
fn a_transition_cannot_be_forged() {
    let kernel = kernel();
    let machine = Nfa::build(())
        .state("one", |state| {
            state.on_default(|_, _| -> () { unreachable!("it is no event of a state") })
        })
        .spawn(&kernel, "one", ())
        .unwrap();
    kernel.post(machine, "poe_nfa_goto_state", "one").unwrap();
    assert!(death(&kernel).to_string().contains("poe_nfa_goto_state"));
}

#[test]
fn machines_that_share_states_change_their_own_handlers_only() {
    let kernel = kernel();
    let states: States<u32> = States::new()
        .state("one", |state| {
            state
                .on("change", |cx, ()| {
                    cx.state("add", |cx, ()| *cx.heap += 100);
                    cx.state_default(|cx, _| *cx.heap += 1000);
                })
                .on("other", |cx, ()| cx.goto_state("two", ()))
        })
        .state("two", |state| state.on_default(|cx, _| *cx.heap += 7))
        .any_state(|state| state.on("add", |cx, ()| *cx.heap += 1));
    let sum = |cx: &mut Cx<'_, u32, Machine>| Reply(*cx.heap);
    let states = states.any_state(|state| state.on("sum", move |cx, ()| sum(cx)));
    let [a, b] = [0; 2].map(|_| Nfa::with(&states, 0).spawn(&kernel, "one", ()).unwrap());
    for machine in [a, b] {
        kernel.refcount_increment(machine, "used").unwrap();
    }
    kernel.call::<(), _>(a, "change", ()).unwrap();
    for machine in [a, b] {
        kernel.call::<(), _>(machine, "add", ()).unwrap();
    }
    kernel.call::<(), _>(a, "unknown", ()).unwrap();
    for machine in [a, b] {
        kernel.call::<(), _>(machine, "other", ()).unwrap();
    }
    kernel.run_one_timeslice().unwrap();
    // A state's own default handler comes before that of all, and no default one before a handler.
    for machine in [a, b] {
        kernel.call::<(), _>(machine, "unknown", ()).unwrap();
        kernel.call::<(), _>(machine, "add", ()).unwrap();
    }
    let sums = [a, b].map(|machine| kernel.call::<u32, _>(machine, "sum", ()).unwrap());
    assert_eq!(sums, [100 + 1000 + 7 + 100, 1 + 7 + 1]);
    kernel.stop().unwrap();
}

#[test]
fn a_handler_may_replace_itself_while_its_state_is_left() {
    let kernel = kernel();
    let calls = Rc::new(Cell::new(0));
    let count = calls.clone();
    let inner = kernel.clone();
    let machine = Nfa::build(())
        .state("one", move |state| {
            state.on("begin", move |cx, ()| {
                let (count, kernel, machine) = (count.clone(), inner.downgrade(), cx.session());
                let token = OnDrop::new(move || {
                    let kernel = kernel.upgrade().unwrap();
                    kernel.call::<(), _>(machine, "dropped", ()).unwrap();
                });
                cx.state("leave", move |cx, ()| {
                    let _ = &token;
                    cx.state_remove("leave");
                    count.set(count.get() + 1);
                });
                cx.goto_state("two", "enter")
            })
        })
        .state("two", |state| state.on("enter", |cx, ()| cx.goto_state("one", ())))
        .any_state(|state| state.on("dropped", |_, ()| {}))
        .spawn(&kernel, "one", "begin")
        .unwrap();
    kernel.run().unwrap();
    assert!(!kernel.is_live(machine));
    assert_eq!(calls.get(), 1);
}

#[test]
fn who_asked_for_a_transition_is_known() {
    let kernel = kernel();
    let line = Rc::new(Cell::new(0));
    let [l1, l2, l3] = [0; 3].map(|_| line.clone());
    let check = |line: Rc<Cell<u32>>| {
        move |cx: &mut In<'_>, ()| {
            assert_eq!(cx.sender(), cx.session());
            assert_eq!(cx.caller().state, Some(Name::new("go")));
            assert_eq!(cx.caller().location.line(), line.get());
        }
    };
    let machine = Nfa::build(())
        .state("one", |state| {
            state
                .on("go", move |cx, ()| {
                    l1.set(line!() + 1);
                    cx.goto_state("two", "enter")
                })
                .on("leave", check(l2))
        })
        .state("two", |state| state.on("enter", check(l3)))
        .spawn(&kernel, "one", ())
        .unwrap();
    kernel.post(machine, "go", ()).unwrap();
    kernel.run().unwrap();
    assert_ne!(line.get(), 0);
}
