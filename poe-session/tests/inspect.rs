//! The kernel asked about itself.

use std::cell::RefCell;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use poe_kernel::Inspection;
use poe_session::prelude::*;

fn kernel() -> Kernel {
    Kernel::builder().virtual_clock(UNIX_EPOCH + Duration::from_secs(1000)).build().unwrap()
}

struct Parent {
    handle: Rc<UnixStream>,
}

/// A session with a child, and one of everything that a snapshot shows; and the snapshot that it takes of itself.
fn inspected() -> (Inspection, SessionId, SessionId) {
    let kernel = kernel();
    let taken = Rc::new(RefCell::new(None));
    let kept = taken.clone();
    let child = Rc::new(RefCell::new(None));
    let its_id = child.clone();
    let (near, _far) = UnixStream::pair().unwrap();
    let parent = Session::build(Parent { handle: Rc::new(near) })
        .on_start(move |cx| -> HandlerResult {
            cx.kernel.alias_set("parent")?;
            cx.kernel.alias_set("logger")?;
            cx.select_write(&cx.heap.handle, "writable")?;
            cx.select_pause(&cx.heap.handle, Mode::Write);
            cx.sig("USR2", "usr2")?;
            cx.delay_set("timeout", Duration::from_secs(5), 7_u8);
            cx.refcount_increment(cx.session(), "download")?;
            cx.refcount_increment(cx.session(), "download")?;
            *child.borrow_mut() =
                Some(Session::build("child").on("work", |_, ()| {}).spawn(&mut *cx)?);
            cx.post(child.borrow().unwrap(), "work", ())?;
            cx.yield_event("look", ());
            Ok(())
        })
        .on("look", move |cx, ()| {
            cx.post("parent", "later", String::from("text")).unwrap();
            *kept.borrow_mut() = Some(cx.kernel.inspect());
            cx.stop().unwrap();
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    let child = its_id.borrow().unwrap();
    (taken.take().unwrap(), parent, child)
}

#[test]
fn a_snapshot_shows_all_that_there_is() {
    let (snapshot, parent, child) = inspected();
    assert!(snapshot.running);
    assert_eq!((snapshot.active_session, snapshot.active_event), (parent, Some(Name::new("look"))));
    let ids: Vec<SessionId> = snapshot.sessions.iter().map(|info| info.session).collect();
    assert_eq!(ids, [parent, child]);

    let info = snapshot.session(parent).unwrap();
    assert!(info.type_name.ends_with("Parent"));
    assert!(info.created.file().ends_with("inspect.rs"));
    assert_eq!((info.parent, info.children.as_slice()), (SessionId::KERNEL, [child].as_slice()));
    assert_eq!(info.aliases, ["logger", "parent"]);
    assert_eq!(info.handlers, [Name::new("_start"), Name::new("look")]);
    assert_eq!(info.holds.aliases, 2);
    assert_eq!(info.holds.handles, 1);
    assert_eq!(info.holds.tags, 1);
    // The timer, the event being handled, what its birth left behind, and the one just posted.
    assert_eq!(info.holds.events_to, 4);
    assert_eq!(info.references(), 9);
    assert!(info.memory >= size_of::<Parent>());
    assert_eq!(info.to_string(), format!("{parent} (logger, parent)"));
    assert_eq!(snapshot.session(child).unwrap().type_name, "&str");

    let queued: Vec<_> =
        snapshot.queue.iter().map(|event| (event.event.as_str(), event.payload)).collect();
    assert_eq!(queued, [("_garbage_collect", "()"), ("later", "alloc::string::String")]);
    let [timer] = snapshot.timers.as_slice() else { panic!("{:?}", snapshot.timers) };
    assert_eq!((timer.event.as_str(), timer.session, timer.payload), ("timeout", parent, "u8"));
    assert_eq!(timer.due, UNIX_EPOCH + Duration::from_secs(1005));
    let [watch] = snapshot.watches.as_slice() else { panic!("{:?}", snapshot.watches) };
    assert_eq!((watch.session, watch.mode, watch.paused), (parent, Mode::Write, true));
    let [signal] = snapshot.signals.as_slice() else { panic!("{:?}", snapshot.signals) };
    assert_eq!((signal.signal.as_str(), signal.session), ("USR2", parent));
    assert!(snapshot.memory > 0);
}

#[test]
fn a_snapshot_prints_as_a_tree() {
    let (snapshot, parent, child) = inspected();
    let text = snapshot.to_string();
    for part in [
        format!("└─ session {parent} (logger, parent): inspect::Parent"),
        format!("   └─ session {child}: &str"),
        String::from(
            "alive by 1 references tagged \"download\" (since poe-session/tests/inspect.rs:35:",
        ),
        String::from(
            "alive by 1 references tagged \"download\" (since poe-session/tests/inspect.rs:36:",
        ),
        String::from("watches signal USR2 as \"usr2\""),
        String::from("due in 5.0s"),
        format!("Post \"later\" (alloc::string::String) from session {parent} to session {parent}"),
    ] {
        assert!(text.contains(&part), "no {part:?} in\n{text}");
    }
}

#[test]
fn a_snapshot_is_a_graph() {
    let (snapshot, parent, child) = inspected();
    let dot = snapshot.to_dot();
    let (parent, child) = (parent.number(), child.number());
    for part in [
        format!("s0 -> s{parent}\n"),
        format!("s{parent} -> s{child}\n"),
        format!("s{parent} -> s{parent} [label=\"later\\l\" style=dashed]"),
        String::from("alias \\\"logger\\\"\\l"),
    ] {
        assert!(dot.contains(&part), "no {part:?} in\n{dot}");
    }
    assert_eq!(dot.matches('{').count(), dot.matches('}').count());
}

#[test]
fn what_events_cost_is_measured_while_it_is_asked_for() {
    let kernel = kernel();
    let count = Session::build(0_u32)
        .on_start(|cx| {
            for _ in 0..10 {
                cx.yield_event("count", ());
            }
        })
        .on("count", |cx, ()| {
            *cx.heap += 1;
            if *cx.heap == 4 {
                cx.kernel.set_profiling(true);
            }
            if *cx.heap == 8 {
                let snapshot = cx.kernel.inspect();
                let [mine] = snapshot.sessions[0].events.as_slice() else { panic!("one event") };
                assert_eq!(mine.meter.handler.count(), 3);
                let profile = snapshot.profile.unwrap();
                assert_eq!(profile.slowest.len(), 3);
                assert!(profile.slowest.is_sorted_by(|one, other| one.took >= other.took));
                assert!(profile.to_string().contains("count: 3 in "));
            }
        })
        .on("ask", |_, ()| Reply(1))
        .spawn(&kernel)
        .unwrap();
    kernel.refcount_increment(count, "called").unwrap();
    kernel.run_one_timeslice().unwrap();
    kernel.call::<i32, _>(count, "ask", ()).unwrap();
    kernel.refcount_decrement(count, "called").unwrap();
    kernel.run().unwrap();
    // The session has gone, and what it cost is still known; calls are not late.
    let profile = kernel.profile().unwrap();
    let of = |name: &str| profile.events.iter().find(|entry| entry.event == name).unwrap();
    assert_eq!((of("count").meter.handler.count(), of("count").meter.latency.count()), (6, 6));
    assert_eq!((of("ask").meter.handler.count(), of("ask").meter.latency.count()), (1, 0));
    kernel.set_profiling(false);
    assert_eq!(kernel.profile(), None);
}

#[test]
fn failures_and_lateness_are_measured() {
    let kernel = Kernel::builder()
        .virtual_clock(UNIX_EPOCH + Duration::from_secs(1))
        .profiling(true)
        .build()
        .unwrap();
    Session::build(())
        .on_start(|cx| {
            cx.sig("DIE", "died").unwrap();
            cx.yield_event("fail", ());
            cx.yield_event("nobody", ());
        })
        .on("fail", |_, ()| -> HandlerResult { Err("on purpose".into()) })
        .on("died", |cx, _: Signal| cx.sig_handled())
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    let profile = kernel.profile().unwrap();
    let failures = |name: &str| {
        profile.events.iter().find(|entry| entry.event == name).unwrap().meter.failures
    };
    assert_eq!((failures("fail"), failures("nobody"), failures("died")), (1, 0, 0));
}

#[test]
fn an_event_that_is_being_handled_is_counted() {
    let kernel = kernel();
    let check = |cx: &Cx<'_, ()>, handling: u32| {
        let snapshot = cx.kernel.inspect();
        let info = snapshot.session(cx.session()).unwrap();
        assert_eq!(info.holds.handling, handling, "{snapshot}");
        assert_eq!(info.references() as usize, info.reasons.len() + handling as usize);
        let line = format!("alive by events that are being handled: {handling}");
        assert_eq!(snapshot.to_string().contains(&line), handling > 0);
    };
    Session::build(())
        .on_start(move |cx| {
            // What holds it as yet is its birth.
            assert_eq!(cx.kernel.inspect().sessions[0].holds.handling, 1);
            cx.yield_event("posted", ());
            cx.delay("timed", Duration::from_secs(1), ());
        })
        .on("posted", move |cx, ()| -> HandlerResult {
            check(cx, 1);
            cx.yield_event("again", ());
            check(cx, 1);
            cx.call::<(), _>(cx.session(), "called", ())?;
            Ok(())
        })
        .on("again", move |cx, ()| check(cx, 1))
        .on("timed", move |cx, ()| check(cx, 1))
        .on("called", move |cx, ()| check(cx, 1))
        .on_stop(move |cx| check(cx, 0))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

#[test]
fn the_sender_of_an_event_that_is_being_handled_is_held_by_it() {
    let kernel = kernel();
    let sender = Session::build(())
        .on_start(|cx| cx.alias_set("sender"))
        .on("send", |cx, ()| cx.post("receiver", "look", ()))
        .spawn(&kernel)
        .unwrap();
    Session::build(())
        .on_start(|cx| -> HandlerResult {
            cx.alias_set("receiver")?;
            cx.post("sender", "send", ())?;
            Ok(())
        })
        .on("look", move |cx, ()| {
            let info = cx.kernel.inspect().session(sender).unwrap().clone();
            assert_eq!((info.holds.handling, info.holds.events_from), (1, 1));
            assert_eq!(info.references() as usize, info.reasons.len() + 1);
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

#[test]
fn timers_are_listed_in_the_order_in_which_they_fire() {
    let kernel = kernel();
    let fired = Rc::new(RefCell::new(Vec::new()));
    let (listed, log) = (Rc::new(RefCell::new(Vec::<Name>::new())), fired.clone());
    let list = listed.clone();
    const EVENTS: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];
    let mut session = Session::build(()).on_start(move |cx| -> HandlerResult {
        let due = UNIX_EPOCH + Duration::from_secs(2000);
        let timers: Vec<TimerId> = EVENTS.iter().map(|name| cx.alarm_set(*name, due, ())).collect();
        // The places of those that are gone are used again; and one is moved behind its equals.
        cx.alarm_remove(timers[2])?;
        cx.alarm_set("c", due, ());
        cx.delay_adjust(timers[0], Duration::from_secs(1))?;
        cx.alarm_adjust(timers[0], Shift::Later(Duration::from_secs(999)))?;
        let timers = cx.kernel.inspect().timers;
        list.borrow_mut().extend(timers.iter().map(|timer| timer.event));
        Ok(())
    });
    for event in EVENTS {
        let log = log.clone();
        session = session.on(event, move |cx, ()| log.borrow_mut().push(cx.event()));
    }
    session.spawn(&kernel).unwrap();
    kernel.run().unwrap();
    assert_eq!(*listed.borrow(), *fired.borrow());
    assert_eq!(*listed.borrow(), ["b", "d", "e", "f", "g", "c", "a"]);
}

#[test]
fn a_tree_of_any_depth_is_shown() {
    const DEPTH: u32 = 1000;
    fn spawn(left: u32, scope: impl Scope) {
        Session::build(left)
            .on_start(|cx| cx.yield_event("deepen", ()))
            .on("deepen", |cx, ()| -> HandlerResult {
                cx.refcount_increment(cx.session(), "stays")?;
                if *cx.heap > 0 {
                    spawn(*cx.heap - 1, cx);
                }
                Ok(())
            })
            .spawn(scope)
            .unwrap();
    }
    let show = || {
        let kernel = kernel();
        spawn(DEPTH, &kernel);
        while kernel.get_event_count() > 0 {
            kernel.run_one_timeslice().unwrap();
        }
        let text = kernel.inspect().to_string();
        kernel.stop().unwrap();
        text
    };
    // Too little of a stack for each level to take some of it.
    let thread = std::thread::Builder::new().stack_size(256 * 1024).spawn(show).unwrap();
    assert!(thread.join().unwrap().contains(&format!("─ session {}: u32", DEPTH + 1)));
}

#[test]
fn an_alias_is_shown_as_text_whatever_is_in_it() {
    let kernel = kernel();
    Session::build(()).on_start(|cx| cx.alias_set("Zoë's\nline \u{1b}[2J")).spawn(&kernel).unwrap();
    let inspection = kernel.inspect();
    let text = inspection.to_string();
    assert!(text.contains("session 1 (Zoë's\u{fffd}line \u{fffd}[2J)"), "{text}");
    assert!(!text.contains('\u{1b}') && !inspection.to_dot().contains('\u{1b}'));
}
