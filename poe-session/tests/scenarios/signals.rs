//! Signals.

use nix::sys::signal::{Signal as Os, raise};
use poe_session::prelude::*;

use crate::stage::{Actor, On, actor, millis, name, note, slice};

scenarios!("signals":
    a_signal_goes_from_the_leaves_up,
    a_signal_reaches_only_those_below,
    a_signal_is_queued_as_events_are,
    an_unhandled_terminal_signal_stops_when_all_were_told,
    one_that_handles_a_signal_saves_all,
    a_signal_may_be_handled_in_a_call,
    a_signal_cannot_be_handled_later,
    what_handlers_of_a_deadly_signal_post_goes_with_them,
    a_non_maskable_signal_cannot_be_handled,
    a_benign_signal_harms_nobody,
    a_signal_that_nobody_watches_is_not_for_the_default_handler,
    a_watched_signal_without_a_handler_is_for_the_default_handler,
    a_watch_is_one_by_signal_and_session,
    a_watch_that_ends_in_the_walk_does_so_after_it,
    a_signal_sent_by_a_handler_of_one_comes_next,
    a_terminal_signal_to_the_kernel_ends_the_run,
    a_handled_terminal_signal_to_the_kernel_does_not,
    a_signal_of_the_system_is_for_everyone,
    idle_sent_by_hand_is_a_terminal_signal,
    stop_in_a_signals_handler_ends_all_at_once
        unlike "A session that was stopped while a signal goes round is not called for it any more.",
);

/// Actors, each below the one before, that watch a signal and have an alias to live on.
fn chain(
    kernel: &Kernel,
    signal: &'static str,
    names: &'static [&'static str],
    handlers: fn(Actor) -> Actor,
) {
    link(signal, names, handlers).enter(kernel);
}

fn link(
    signal: &'static str,
    names: &'static [&'static str],
    handlers: fn(Actor) -> Actor,
) -> Actor {
    let (name, below) = names.split_first().unwrap();
    let watcher = actor(name).on("signal", |_, _: Signal| {}).on_start(move |cx| {
        cx.alias_set(name).unwrap();
        cx.sig(signal, "signal").unwrap();
        if !below.is_empty() {
            link(signal, below, handlers).below(cx);
        }
    });
    handlers(watcher)
}

fn only_watch(actor: Actor) -> Actor {
    actor
}

fn handle(cx: &mut On<'_>, _: Signal) {
    cx.sig_handled();
}

fn a_signal_goes_from_the_leaves_up(kernel: &Kernel) {
    chain(kernel, "WEATHER", &["a", "b", "c"], only_watch);
    kernel.signal(SessionId::KERNEL, "WEATHER", (1_u32, 2_u32)).unwrap();
}

fn a_signal_reaches_only_those_below(kernel: &Kernel) {
    chain(kernel, "WEATHER", &["a", "b", "c"], only_watch);
    chain(kernel, "WEATHER", &["other"], only_watch);
    kernel.signal("b", "WEATHER", "sunny").unwrap();
    kernel.signal("a", "TERM", ()).unwrap();
    slice(kernel);
    kernel.signal("other", "WEATHER", ()).unwrap();
}

// Conformance: KRG-10
fn a_signal_is_queued_as_events_are(kernel: &Kernel) {
    actor("a")
        .notes(["before", "after"])
        .on("signal", |_, _: Signal| {})
        .on_start(|cx| -> HandlerResult {
            cx.sig("WEATHER", "signal")?;
            cx.yield_event("before", ());
            cx.signal(cx.session(), "WEATHER", ())?;
            cx.yield_event("after", ());
            Ok(())
        })
        .enter(kernel);
}

fn an_unhandled_terminal_signal_stops_when_all_were_told(kernel: &Kernel) {
    chain(kernel, "INT", &["a", "b", "c"], only_watch);
    kernel.signal("a", "INT", ()).unwrap();
}

fn one_that_handles_a_signal_saves_all(kernel: &Kernel) {
    chain(kernel, "TERM", &["a", "b", "c"], |actor| {
        actor.on("signal", |cx, _: Signal| {
            if name(cx.session()) == "b" {
                cx.sig_handled();
            }
        })
    });
    kernel.signal("a", "TERM", ()).unwrap();
    slice(kernel);
    note("all live");
}

fn a_signal_may_be_handled_in_a_call(kernel: &Kernel) {
    actor("helper")
        .on_start(|cx| cx.alias_set("helper"))
        .on("help", |cx, ()| cx.sig_handled())
        .enter(kernel);
    chain(kernel, "TERM", &["a"], |actor| {
        actor.on("signal", |cx, _: Signal| cx.call::<(), _>("helper", "help", ()).unwrap())
    });
    kernel.signal("a", "TERM", ()).unwrap();
    slice(kernel);
    note("the slice has ended");
    kernel.signal("helper", "TERM", ()).unwrap();
}

fn a_signal_cannot_be_handled_later(kernel: &Kernel) {
    chain(kernel, "TERM", &["a"], |actor| {
        actor
            .on("signal", |cx, _: Signal| cx.yield_event("later", ()))
            .on("later", |cx, ()| cx.sig_handled())
    });
    kernel.signal("a", "TERM", ()).unwrap();
    slice(kernel);
    note("the slice has ended");
}

fn what_handlers_of_a_deadly_signal_post_goes_with_them(kernel: &Kernel) {
    actor("b")
        .notes(["event"])
        .on_start(|cx| {
            cx.delay_set("event", millis(20), ());
            cx.alias_set("b")
        })
        .enter(kernel);
    chain(kernel, "TERM", &["a"], |actor| {
        actor.on("signal", |cx, _: Signal| cx.post("b", "event", ()))
    });
    kernel.signal("a", "TERM", ()).unwrap();
}

// Conformance: KRB-41
fn a_non_maskable_signal_cannot_be_handled(kernel: &Kernel) {
    chain(kernel, "UIDESTROY", &["uidestroy"], |actor| actor.on("signal", handle));
    chain(kernel, "ZOMBIE", &["zombie"], |actor| actor.on("signal", handle));
    kernel.signal("uidestroy", "UIDESTROY", ()).unwrap();
    kernel.signal("zombie", "ZOMBIE", ()).unwrap();
    slice(kernel);
    note("both are dead");
}

fn a_benign_signal_harms_nobody(kernel: &Kernel) {
    chain(kernel, "WEATHER", &["a"], |actor| actor.on("end", |cx, ()| cx.alias_remove("a")));
    kernel.signal("a", "NEWS", ()).unwrap();
    kernel.signal("a", "USR1", ()).unwrap();
    kernel.signal(SessionId::KERNEL, "CHLD", ()).unwrap();
    slice(kernel);
    kernel.post("a", "end", ()).unwrap();
}

fn a_signal_that_nobody_watches_is_not_for_the_default_handler(kernel: &Kernel) {
    let a = actor("a").on_default(|_, _| {}).enter(kernel);
    kernel.signal(a, "WEATHER", ()).unwrap();
    kernel.post(a, "event", ()).unwrap();
}

fn a_watched_signal_without_a_handler_is_for_the_default_handler(kernel: &Kernel) {
    let a =
        actor("a").on_start(|cx| cx.sig("WEATHER", "signal")).on_default(|_, _| {}).enter(kernel);
    kernel.signal(a, "WEATHER", "sunny").unwrap();
}

fn a_watch_is_one_by_signal_and_session(kernel: &Kernel) {
    actor("a")
        .on("old", |_, _: Signal| {})
        .on("new", |_, _: Signal| {})
        .on_start(|cx| -> HandlerResult {
            cx.sig("WEATHER", "old")?;
            cx.sig("WEATHER", "new")?;
            cx.sig("NEWS", "old")?;
            cx.sig_ignore("NEWS");
            cx.signal(cx.session(), "WEATHER", ())?;
            cx.signal(cx.session(), "NEWS", ())?;
            Ok(())
        })
        .enter(kernel);
}

fn a_watch_that_ends_in_the_walk_does_so_after_it(kernel: &Kernel) {
    actor("p")
        .on("signal", |_, _: Signal| {})
        .on("forget", |cx, ()| cx.sig_ignore("WEATHER"))
        .on_start(|cx| {
            cx.alias_set("p").unwrap();
            cx.sig("WEATHER", "signal").unwrap();
            actor("c")
                .on_start(|cx| {
                    cx.alias_set("c").unwrap();
                    cx.sig("WEATHER", "signal")
                })
                .on("signal", |cx, _: Signal| cx.call::<(), _>("p", "forget", ()).unwrap())
                .below(cx);
        })
        .enter(kernel);
    for n in [1, 2] {
        kernel.signal(SessionId::KERNEL, "WEATHER", ()).unwrap();
        slice(kernel);
        note(format!("signal {n}"));
    }
}

fn a_signal_sent_by_a_handler_of_one_comes_next(kernel: &Kernel) {
    chain(kernel, "WEATHER", &["a", "b"], |actor| {
        actor.on("signal", |cx, signal: Signal| {
            if signal.args::<&str>().is_none() {
                cx.signal("a", "WEATHER", "again").unwrap();
            }
        })
    });
    kernel.signal("b", "WEATHER", ()).unwrap();
}

fn a_terminal_signal_to_the_kernel_ends_the_run(kernel: &Kernel) {
    chain(kernel, "HUP", &["a", "b", "c"], only_watch);
    kernel.signal(SessionId::KERNEL, "HUP", ()).unwrap();
    kernel.post("c", "too_late", ()).unwrap();
}

fn a_handled_terminal_signal_to_the_kernel_does_not(kernel: &Kernel) {
    chain(kernel, "QUIT", &["a", "b"], |actor| actor.on("signal", handle).notes(["work"]));
    kernel.signal(SessionId::KERNEL, "QUIT", ()).unwrap();
    kernel.post("b", "work", ()).unwrap();
}

fn a_signal_of_the_system_is_for_everyone(kernel: &Kernel) {
    fn hold(cx: &mut On<'_>) {
        cx.refcount_increment(cx.session(), "wait").unwrap();
        cx.sig("USR1", "signal").unwrap();
    }
    fn let_go(cx: &mut On<'_>, _: Signal) {
        cx.refcount_decrement(cx.session(), "wait").unwrap();
    }
    actor("p")
        .on("signal", let_go)
        .on("kill", |_, ()| raise(Os::SIGUSR1))
        .on_start(|cx| {
            hold(cx);
            actor("c").on_start(hold).on("signal", let_go).below(cx);
            cx.yield_event("kill", ());
        })
        .enter(kernel);
}

fn idle_sent_by_hand_is_a_terminal_signal(kernel: &Kernel) {
    chain(kernel, "IDLE", &["a", "b"], only_watch);
    kernel.signal("b", "IDLE", ()).unwrap();
    slice(kernel);
    note("b is dead");
}

fn stop_in_a_signals_handler_ends_all_at_once(kernel: &Kernel) {
    chain(kernel, "WEATHER", &["a", "b", "c"], |actor| {
        actor.on("signal", |cx, _: Signal| {
            if name(cx.session()) == "b" {
                cx.stop().unwrap();
            }
        })
    });
    kernel.signal(SessionId::KERNEL, "WEATHER", ()).unwrap();
}
