//! Signals: walked through the tree, made up, from the operating system, and the kernel's own.

mod common;

use std::cell::Cell;
use std::rc::Rc;

use common::{Trace, elapsed, kernel, never, seconds, traced, traced_start};
use nix::sys::signal::{Signal as Os, raise};
use poe_kernel::{SignalClass, SignalError, signal_class};
use poe_session::prelude::*;

/// The tree A→(B→D, C), each of which watches `signal` and logs it by `on`.
fn tree(
    kernel: &Kernel,
    trace: &Trace,
    signal: &'static str,
    on: impl Fn(&mut Cx<'_, ()>, &'static str) + Clone + 'static,
) -> SessionId {
    fn watch(
        trace: &Trace,
        name: &'static str,
        signal: &'static str,
        on: impl Fn(&mut Cx<'_, ()>, &'static str) + Clone + 'static,
        below: impl Fn(&mut Cx<'_, ()>) + 'static,
    ) -> Session<()> {
        let t = trace.clone();
        traced_start(trace, name, move |cx| {
            cx.alias_set(name).unwrap();
            cx.sig(signal, "signal").unwrap();
            below(cx);
        })
        .on("signal", move |cx, signal: Signal| {
            assert!(cx.sender().is_kernel());
            t.log(format!("{name} {}", signal.name));
            on(cx, name);
        })
    }
    let (t, o) = (trace.clone(), on.clone());
    let a = watch(trace, "A", signal, on, move |cx| {
        let (t2, o2) = (t.clone(), o.clone());
        watch(&t, "B", signal, o.clone(), move |cx| {
            watch(&t2, "D", signal, o2.clone(), |_| {}).spawn(cx).unwrap();
        })
        .spawn(&mut *cx)
        .unwrap();
        watch(&t, "C", signal, o.clone(), |_| {}).spawn(cx).unwrap();
    })
    .spawn(kernel)
    .unwrap();
    trace.take();
    a
}

#[test]
fn a_signal_walks_the_tree_from_the_leaves_up() {
    let (kernel, trace) = (kernel(), Trace::default());
    let a = tree(&kernel, &trace, "FOO", |_, _| {});
    for to in [SessionId::KERNEL, a] {
        kernel.signal(to, "FOO", ()).unwrap();
        kernel.run_one_timeslice().unwrap();
        assert_eq!(trace.take(), ["D FOO", "C FOO", "B FOO", "A FOO"]);
    }
    kernel.signal("B", "FOO", ()).unwrap();
    kernel.run_one_timeslice().unwrap();
    assert_eq!(trace.take(), ["D FOO", "B FOO"]);
    kernel.run().unwrap();
}

// Conformance: KRG-08
#[test]
fn a_signals_arguments_reach_every_handler() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    let id = Session::build(())
        .on_start(|cx| cx.sig("foo", "event"))
        .on("event", move |cx, signal: Signal| {
            assert_eq!(cx.event(), Name::new("event"));
            let (one, two) = signal.args::<(u32, u32)>().unwrap();
            assert!(signal.args::<u32>().is_none() && signal.death().is_none());
            t.log(format!("{} {one} {two}", signal.name));
        })
        .spawn(&kernel)
        .unwrap();
    kernel.signal(id, "foo", (1_u32, 2_u32)).unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["foo 1 2"]);
}

// Conformance: KRG-09, KRG-10
#[test]
fn a_child_that_does_not_watch_hears_nothing_and_a_signal_is_queued() {
    let (kernel, trace) = (kernel(), Trace::default());
    let (t, t2) = (trace.clone(), trace.clone());
    traced_start(&trace, "P", move |cx| {
        let t2 = t.clone();
        traced_start(&t, "C", |cx| {
            cx.delay("bar", common::millis(100), ());
        })
        .on_default(move |cx, unhandled| {
            assert_eq!(cx.event(), unhandled.event);
            t2.log(format!("C default {}", unhandled.event));
        })
        .spawn(&mut *cx)
        .unwrap();
        cx.sig("foo", "foo").unwrap();
        cx.signal(cx.session(), "foo", ()).unwrap();
        t.log("P leaves start");
    })
    .on("foo", move |_, _: Signal| t2.log("P foo"))
    .spawn(&kernel)
    .unwrap();
    kernel.run().unwrap();
    assert_eq!(
        trace.take(),
        [
            "P start(K)",
            "C start(P)",
            "P child create C C",
            "P leaves start",
            "P foo",
            "C default bar",
            "C stop",
            "P child stop C C",
            "P stop"
        ]
    );
}

// Conformance: KRG-11, KRG-13, KRG-15
#[test]
fn children_hear_first_and_an_unhandled_term_stops_leaves_first() {
    let (kernel, trace) = (kernel(), Trace::default());
    let a = tree(&kernel, &trace, "TERM", |_, _| {});
    kernel.signal(a, "TERM", ()).unwrap();
    kernel.run().unwrap();
    assert_eq!(
        trace.take(),
        [
            "D TERM",
            "C TERM",
            "B TERM",
            "A TERM",
            "D stop",
            "B child stop D D",
            "C stop",
            "A child stop C C",
            "B stop",
            "A child stop B B",
            "A stop"
        ]
    );
}

// Conformance: KRG-17, KRB-38, KRB-40, KRB-41
#[test]
fn classes_say_who_lives() {
    let lives = |signal: &'static str, handle: bool| {
        let kernel = kernel();
        let id = Session::build(())
            .on_start(move |cx| {
                cx.delay("later", seconds(1), ());
                if handle { cx.sig(signal, "signal") } else { Ok(()) }
            })
            .on("signal", |cx, _: Signal| cx.sig_handled())
            .on("later", |_, ()| {})
            .spawn(&kernel)
            .unwrap();
        kernel.signal(id, signal, ()).unwrap();
        kernel.run_one_timeslice().unwrap();
        let lives = kernel.is_live(id);
        kernel.run().unwrap();
        lives
    };
    for signal in ["QUIT", "INT", "KILL", "TERM", "HUP", "IDLE", "DIE"] {
        assert_eq!(signal_class(signal), SignalClass::Terminal);
        assert!(lives(signal, true) && !lives(signal, false), "{signal}");
    }
    for signal in ["USR1", "CHLD", "PIPE", "MADE UP"] {
        assert_eq!(signal_class(signal), SignalClass::Benign);
        assert!(lives(signal, true) && lives(signal, false), "{signal}");
    }
    for signal in ["ZOMBIE", "UIDESTROY"] {
        assert_eq!(signal_class(signal), SignalClass::NonMaskable);
        assert!(!lives(signal, true) && !lives(signal, false), "{signal}");
    }
}

#[test]
fn a_name_that_begins_with_sig_is_refused_with_the_one_to_use() {
    let kernel = kernel();
    let refused = |result: Result<(), SignalError>, given: &str| {
        let error = result.unwrap_err();
        let SignalError::Prefixed { signal, name } = error else { panic!("{given}: {error}") };
        assert_eq!((signal.as_str(), name), (given, "TERM"));
    };
    for name in ["SIGTERM", "sigterm"] {
        refused(kernel.set_signal_class(name, SignalClass::Benign), name);
        let start = move |cx: &mut Cx<'_, ()>| refused(cx.sig(name, "never"), name);
        Session::build(()).on_start(start).spawn(&kernel).unwrap();
    }
    let others = |cx: &mut Cx<'_, ()>| ["SIGNAL", "SIG", "term"].map(|name| cx.sig(name, "event"));
    let start = move |cx: &mut Cx<'_, ()>| others(cx).into_iter().collect::<Result<(), _>>();
    Session::build(()).on_start(start).spawn(&kernel).unwrap();
    kernel.run().unwrap();
}

#[test]
fn the_class_of_a_signal_may_be_another_but_for_those_of_the_kernel() {
    let lives = |signal: &'static str, class: SignalClass, handle: bool| {
        let kernel = kernel();
        kernel.set_signal_class(signal, class).unwrap();
        assert_eq!(kernel.signal_class(signal), class);
        let id = Session::build(())
            .on_start(move |cx| {
                cx.delay("later", seconds(1), ());
                if handle { cx.sig(signal, "signal") } else { Ok(()) }
            })
            .on("signal", |cx, _: Signal| cx.sig_handled())
            .on("later", |_, ()| {})
            .spawn(&kernel)
            .unwrap();
        kernel.signal(id, signal, ()).unwrap();
        kernel.run_one_timeslice().unwrap();
        let lives = kernel.is_live(id);
        kernel.run().unwrap();
        lives
    };
    for signal in ["MOOD", "USR1", "TERM", "UIDESTROY"] {
        assert!(
            lives(signal, SignalClass::Benign, true) && lives(signal, SignalClass::Benign, false)
        );
        assert!(lives(signal, SignalClass::Terminal, true));
        assert!(!lives(signal, SignalClass::Terminal, false));
        assert!(!lives(signal, SignalClass::NonMaskable, true));
    }
    let kernel = kernel();
    for signal in ["DIE", "IDLE", "ZOMBIE"] {
        let refused = kernel.set_signal_class(signal, SignalClass::Benign);
        assert!(matches!(refused, Err(SignalError::Reserved { .. })));
        assert_eq!(kernel.signal_class(signal), signal_class(signal));
    }
    assert_eq!(kernel.signal_class("MOOD"), SignalClass::Benign, "each kernel has its own");
}

// Conformance: KRB-39
#[test]
fn one_session_of_those_reached_can_handle_for_all_by_a_call_but_not_by_a_post() {
    let survivors = |how: &'static str| {
        let (kernel, trace) = (kernel(), Trace::default());
        Session::build(())
            .on_start(|cx| cx.alias_set("helper"))
            .on("help", |cx, ()| cx.sig_handled())
            .spawn(&kernel)
            .unwrap();
        let a = tree(&kernel, &trace, "TERM", move |cx, name| match how {
            "call" if name == "D" => cx.call("helper", "help", ()).unwrap(),
            "post" => cx.post("helper", "help", ()).unwrap(),
            "self" if name == "A" => cx.sig_handled(),
            _ => {}
        });
        kernel.sig_handled();
        kernel.signal(a, "TERM", ()).unwrap();
        kernel.run_one_timeslice().unwrap();
        let lives = kernel.is_live(a);
        kernel.stop().unwrap();
        lives
    };
    assert!(survivors("call") && survivors("self"));
    assert!(!survivors("post") && !survivors("no way"));
}

#[test]
fn handling_one_signal_does_not_handle_the_next() {
    let kernel = kernel();
    let id = Session::build(0_u32)
        .on_start(|cx| cx.sig("TERM", "term"))
        .on("term", |cx, _: Signal| {
            *cx.heap += 1;
            if *cx.heap == 1 {
                cx.sig_handled();
            }
        })
        .on_stop(|cx| assert_eq!(*cx.heap, 2))
        .spawn(&kernel)
        .unwrap();
    for _ in 0..3 {
        kernel.signal(id, "TERM", ()).unwrap();
    }
    kernel.run().unwrap();
}

#[test]
fn signals_left_over_from_one_run_do_not_end_the_next() {
    let kernel = kernel();
    Session::build(()).spawn(&kernel).unwrap();
    kernel.signal(SessionId::KERNEL, "TERM", ()).unwrap();
    kernel.signal(SessionId::KERNEL, "TERM", ()).unwrap();
    kernel.run().unwrap();
    let done = Rc::new(Cell::new(false));
    let d = done.clone();
    Session::build(())
        .on_start(|cx| {
            cx.delay("later", seconds(1), ());
        })
        .on("later", move |_, ()| d.set(true))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert!(done.get());
}

#[test]
fn signals_left_over_from_a_run_that_failed_do_not_end_the_next() {
    let kernel = kernel();
    let id = Session::build(()).on_stop(|_| common::fail("oops")).spawn(&kernel).unwrap();
    kernel.signal(id, "TERM", ()).unwrap();
    kernel.signal(SessionId::KERNEL, "TERM", ()).unwrap();
    assert!(kernel.run().is_err());
    let done = Rc::new(Cell::new(false));
    let d = done.clone();
    Session::build(())
        .on_start(|cx| {
            cx.delay("later", seconds(1), ());
        })
        .on("later", move |_, ()| d.set(true))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert!(done.get());
}

// Conformance: KRB-36, KRB-37
#[test]
fn watches_are_by_session_and_signal_replaced_and_ended() {
    let (kernel, trace) = (kernel(), Trace::default());
    let watcher = |name: &'static str| {
        let (t, t2) = (trace.clone(), trace.clone());
        Session::build(())
            .on_start(|cx| -> HandlerResult {
                cx.alias_set(format!("alias of {}", cx.session()))?;
                cx.sig("one", "old")?;
                cx.sig("one", "new")?;
                cx.sig("two", "new")?;
                Ok(())
            })
            .on("old", never::<_, Signal>)
            .on("new", move |_, signal: Signal| t.log(format!("{name} {}", signal.name)))
            .on("ignore", move |cx, ()| {
                cx.sig_ignore("one");
                cx.sig_ignore("never watched");
                t2.log("ignored");
            })
            .spawn(&kernel)
            .unwrap()
    };
    let (first, second) = (watcher("first"), watcher("second"));
    let both = |kernel: &Kernel| {
        kernel.signal(SessionId::KERNEL, "one", ()).unwrap();
        kernel.signal(SessionId::KERNEL, "two", ()).unwrap();
        kernel.run_one_timeslice().unwrap();
        trace.take()
    };
    assert_eq!(both(&kernel), ["second one", "first one", "second two", "first two"]);
    kernel.call::<(), _>(first, "ignore", ()).unwrap();
    assert_eq!(both(&kernel), ["ignored", "second one", "second two", "first two"]);
    kernel.signal(first, "TERM", ()).unwrap();
    kernel.run_one_timeslice().unwrap();
    assert_eq!(both(&kernel), ["second one", "second two"]);
    kernel.call::<(), _>(second, "ignore", ()).unwrap();
    assert_eq!(both(&kernel), ["ignored", "second two"]);
    kernel.run().unwrap();
}

// Conformance: KRU-01
#[test]
fn watching_a_signal_needs_a_session() {
    let kernel = kernel();
    let error = kernel.sig("USR1", "signal").unwrap_err();
    assert!(matches!(error, SignalError::NoActiveSession(_)));
    assert!(error.to_string().contains("sig"), "{error}");
    kernel.sig_ignore("USR1");
}

// Conformance: KRG-18, KRB-35
#[test]
fn a_watch_keeps_nobody_alive() {
    let kernel = kernel();
    let id = Session::build(())
        .on_start(|cx| -> HandlerResult {
            cx.sig("INT", "int")?;
            cx.sig("INT", "int")?;
            Ok(())
        })
        .on("int", never::<_, Signal>)
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert!(!kernel.is_live(id));
}

#[test]
fn an_unwatched_signal_does_not_reach_a_default_handler_and_a_watched_one_does() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    let id = Session::build(())
        .on_start(|cx| -> HandlerResult {
            cx.sig("watched", "bound")?;
            Ok(())
        })
        .on_default(move |_, unhandled| {
            let signal = unhandled.payload.downcast_ref::<Signal>().map(|signal| signal.name);
            t.log(format!("{} {signal:?}", unhandled.event));
        })
        .spawn(&kernel)
        .unwrap();
    kernel.signal(id, "unwatched", ()).unwrap();
    kernel.signal(id, "watched", ()).unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["bound Some(\"watched\")", "_stop None"]);
}

#[test]
fn idle_is_sent_when_nothing_can_happen_and_stops_what_is_left() {
    let (kernel, trace) = (kernel(), Trace::default());
    let (t, t2) = (trace.clone(), trace.clone());
    traced_start(&trace, "P", move |cx| {
        cx.alias_set("p").unwrap();
        cx.sig("IDLE", "idle").unwrap();
        traced_start(&t, "C", |cx| cx.alias_set("c").unwrap()).spawn(cx).unwrap();
    })
    .on("idle", move |_, _: Signal| t2.log("P idle"))
    .spawn(&kernel)
    .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take()[3..], ["P idle", "C stop", "P child stop C C", "P stop"]);
}

#[test]
fn idle_comes_again_after_work_and_zombie_when_it_is_handled_without() {
    let (kernel, trace) = (kernel(), Trace::default());
    let (t, t2) = (trace.clone(), trace.clone());
    traced_start(&trace, "A", |cx| {
        cx.alias_set("a").unwrap();
        cx.sig("IDLE", "idle").unwrap();
        cx.sig("ZOMBIE", "zombie").unwrap();
    })
    .on("idle", move |cx, _: Signal| {
        t.log(format!("idle at {}", elapsed(cx.kernel)));
        cx.sig_handled();
        if elapsed(cx.kernel) < 2000 {
            cx.delay("work", seconds(1), ());
        }
    })
    .on("work", |_, ()| {})
    .on("zombie", move |cx, _: Signal| {
        t2.log("zombie");
        cx.sig_handled();
    })
    .spawn(&kernel)
    .unwrap();
    traced_start(&trace, "B", |cx| cx.alias_set("b").unwrap()).spawn(&kernel).unwrap();
    kernel.run().unwrap();
    assert_eq!(
        trace.take()[2..],
        ["idle at 0", "idle at 1000", "idle at 2000", "zombie", "B stop", "A stop"]
    );
}

#[test]
fn zombie_follows_idle_in_single_timeslices_too() {
    let kernel = kernel();
    Session::build(())
        .on_start(|cx| -> HandlerResult {
            cx.alias_set("a")?;
            cx.sig("IDLE", "idle")?;
            Ok(())
        })
        .on("idle", |cx, _: Signal| cx.sig_handled())
        .spawn(&kernel)
        .unwrap();
    let mut turns = 0;
    while kernel.run_one_timeslice().unwrap() {
        turns += 1;
        assert!(turns < 10, "spins");
    }
}

#[test]
fn work_begun_at_idle_as_an_extra_reference_is_work() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    let id = Session::build(0_u32)
        .on_start(|cx| -> HandlerResult {
            cx.alias_set("a")?;
            cx.sig("IDLE", "idle")?;
            Ok(())
        })
        .on("idle", move |cx, _: Signal| -> HandlerResult {
            t.log("idle");
            *cx.heap += 1;
            if *cx.heap == 1 {
                cx.refcount_increment(cx.session(), "work elsewhere")?;
                cx.sig_handled();
            }
            Ok(())
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run_one_timeslice().unwrap();
    kernel.run_one_timeslice().unwrap();
    // The work elsewhere wants the session: it is neither a zombie nor idle.
    assert!(kernel.is_live(id));
    kernel.refcount_decrement(id, "work elsewhere").unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["idle", "idle"]);
}

// Conformance: KRG-02, SES-03
#[test]
fn signals_of_the_operating_system_come_once_each() {
    let (kernel, trace) = (kernel(), Trace::default());
    let t = trace.clone();
    Session::build(())
        .on_start(|cx| -> HandlerResult {
            for signal in ["USR1", "PIPE", "ALRM"] {
                cx.sig(signal, "signal")?;
            }
            cx.delay("send", seconds(1), 2_u32);
            Ok(())
        })
        .on("send", |cx, left: u32| -> HandlerResult {
            raise(Os::SIGUSR1)?;
            raise(Os::SIGPIPE)?;
            raise(Os::SIGALRM)?;
            if left > 0 {
                cx.delay("send", seconds(1), left - 1);
            } else {
                cx.delay("end", seconds(1), ());
            }
            Ok(())
        })
        .on("signal", move |_, signal: Signal| t.log(signal.name))
        .on("end", |_, ()| {})
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    let mut lines = trace.take();
    lines.sort();
    assert_eq!(lines, ["ALRM", "ALRM", "ALRM", "PIPE", "PIPE", "PIPE", "USR1", "USR1", "USR1"]);
    // Nobody watches any more: a broken pipe is ignored again, as Rust programs expect.
    raise(Os::SIGPIPE).unwrap();
}

#[test]
fn quick_signals_are_not_merged() {
    let kernel = kernel();
    let count = Rc::new(Cell::new(0));
    let c = count.clone();
    Session::build(())
        .on_start(|cx| -> HandlerResult {
            cx.sig("URG", "signal")?;
            cx.delay("end", seconds(1), ());
            for _ in 0..3 {
                raise(Os::SIGURG)?;
            }
            Ok(())
        })
        .on("signal", move |_, _: Signal| c.set(c.get() + 1))
        .on("end", |_, ()| {})
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(count.get(), 3);
}

#[test]
fn an_unhandled_terminal_signal_of_the_system_ends_the_run_and_not_the_process() {
    let (kernel, trace) = (kernel(), Trace::default());
    traced(&trace, "bystander")
        .on_start(|cx| {
            cx.delay("never", seconds(9), ());
        })
        .on("never", never::<_, ()>)
        .spawn(&kernel)
        .unwrap();
    let t = trace.clone();
    traced(&trace, "watcher")
        .on_start(|cx| -> HandlerResult {
            cx.sig("HUP", "hup")?;
            raise(Os::SIGHUP)?;
            cx.delay("never", seconds(9), ());
            Ok(())
        })
        .on("hup", move |_, _: Signal| t.log("hup"))
        .on("never", never::<_, ()>)
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["hup", "watcher stop", "bystander stop"]);
}

#[test]
fn two_kernels_on_two_threads_both_hear_of_a_signal() {
    let (ready_in, ready) = std::sync::mpsc::channel();
    let listen = move |ready: std::sync::mpsc::Sender<()>| {
        let kernel = Kernel::new().unwrap();
        Session::build(())
            .on_start(move |cx| -> HandlerResult {
                cx.sig("WINCH", "signal")?;
                cx.refcount_increment(cx.session(), "wait")?;
                ready.send(())?;
                Ok(())
            })
            .on("signal", |cx, _: Signal| drop(cx.refcount_decrement(cx.session(), "wait")))
            .spawn(&kernel)
            .unwrap();
        kernel.run().unwrap();
    };
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let ready = ready_in.clone();
            std::thread::spawn(move || listen(ready))
        })
        .collect();
    for _ in 0..2 {
        ready.recv().unwrap();
    }
    raise(Os::SIGWINCH).unwrap();
    for thread in threads {
        thread.join().unwrap();
    }
}
