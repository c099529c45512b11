//! The file and line that are shown for what a program did: its own, and not the library's.

mod common;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::os::unix::net::UnixStream;
use std::panic::Location;
use std::rc::Rc;
use std::time::UNIX_EPOCH;

use common::{kernel, seconds};
use poe_kernel::{
    AssertionFailed, Asserts, Cause, Diagnostic, Reason, ReasonCause, RefcountError, SignalError,
    Traces,
};
use poe_session::prelude::*;

/// What is traced, and where that is said to be.
type Traced = Rc<RefCell<Vec<(String, &'static Location<'static>)>>>;

fn tracing(traces: Traces, asserts: Asserts) -> (Kernel, Traced) {
    let traced = Traced::default();
    let taken = traced.clone();
    let kernel = Kernel::builder()
        .virtual_clock(UNIX_EPOCH + seconds(1000))
        .traces(traces)
        .asserts(asserts)
        .diagnostics(move |diagnostic| {
            if let Diagnostic::Traced { message, location, .. } = diagnostic {
                taken.borrow_mut().push((message.to_string(), location));
            }
        })
        .build()
        .unwrap();
    (kernel, traced)
}

fn references(kernel: &Kernel, session: SessionId) -> Vec<(u32, &'static str, u32)> {
    let of = |reason: &Reason| match reason.cause {
        ReasonCause::Reference { count, .. } => {
            Some((count, reason.since.file(), reason.since.line()))
        }
        _ => None,
    };
    kernel.why_alive(session).iter().filter_map(of).collect()
}

#[test]
fn each_postback_is_shown_with_the_line_that_made_it() {
    let kernel = kernel();
    Session::build(())
        .on_start(|cx| {
            let me = cx.session();
            let first: Postback<(), ()> = cx.postback("event", ());
            let second: Postback<(), ()> = cx.postback("event", ());
            let line = line!() - 1;
            let both = [(1, file!(), line - 1), (1, file!(), line)];
            assert_eq!(references(cx.kernel, me), both);
            drop(first);
            assert_eq!(references(cx.kernel, me), [(1, file!(), line)]);
            let _weak = second.weaken();
            assert_eq!(references(cx.kernel, me), []);
            let (_poster, line) = (cx.poster(), line!());
            assert_eq!(references(cx.kernel, me), [(1, file!(), line)]);
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

#[test]
fn references_of_one_tag_are_shown_by_the_lines_that_counted_them() {
    let kernel = kernel();
    kernel.set_asserts(Asserts::DATA);
    let count = |cx: &mut Cx<'_, ()>| {
        let me = cx.session();
        for _ in 0..2 {
            cx.refcount_increment(me, "tag").unwrap();
        }
        cx.refcount_increment(me, "tag").unwrap();
        (file!(), line!() - 1)
    };
    let session = Session::build(())
        .on_start(move |cx| {
            let me = cx.session();
            let (file, line) = count(cx);
            assert_eq!(references(cx.kernel, me), [(2, file, line - 2), (1, file, line)]);
            assert_eq!(cx.refcount_decrement(me, "tag"), Ok(2));
            assert_eq!(references(cx.kernel, me), [(2, file, line - 2)]);
            assert_eq!(cx.refcount_increment(me, "tag"), Ok(3));
            assert_eq!(references(cx.kernel, me)[1], (1, file!(), line!() - 1));
            count(cx);
        })
        .on("end", |cx, ()| while cx.refcount_decrement(cx.session(), "tag") != Ok(0) {})
        .spawn(&kernel)
        .unwrap();
    kernel.run_one_timeslice().unwrap();
    kernel.call::<(), _>(session, "end", ()).unwrap();
    kernel.run().unwrap();
}

#[test]
fn what_a_postback_a_poster_and_work_hold_is_not_given_back_by_others() {
    let kernel = Kernel::new().unwrap();
    let (begin, wait) = std::sync::mpsc::channel::<()>();
    let wait = Cell::new(Some(wait));
    type Holds = (Postback<(), ()>, SessionPoster);
    let held = Session::build(None::<Holds>)
        .on_start(move |cx| -> HandlerResult {
            *cx.heap = Some((cx.postback("event", ()), cx.poster()));
            let wait = wait.take().unwrap();
            Ok(cx
                .blocking(move || wait.recv().is_err(), "done")
                .map_err(|full| full.without_work())?)
        })
        .on("let go", |cx, ()| drop(cx.heap.take()))
        .on("done", |_, ended: Result<bool, BlockingError>| assert!(ended.unwrap()))
        .spawn(&kernel)
        .unwrap();
    let begin = Cell::new(Some(begin));
    Session::build(())
        .on_start(|cx| cx.yield_event("try", 3_u32))
        .on("try", move |cx, left: u32| {
            for tag in ["anon_event", "poster", "blocking"] {
                let tried = cx.refcount_decrement(held, tag);
                assert_eq!(tried, Err(RefcountError::NotHeld { session: held, tag: tag.into() }));
                // One's own of the same name is counted by itself.
                assert_eq!(cx.refcount_increment(held, tag), Ok(1));
                assert_eq!(cx.refcount_decrement(held, tag), Ok(0));
                assert!(cx.refcount_decrement(held, tag).is_err());
            }
            assert!(cx.kernel.is_live(held));
            assert_eq!(references(cx.kernel, held).len(), 3);
            if left > 0 {
                cx.yield_event("try", left - 1);
            } else {
                begin.take();
                cx.post(held, "let go", ()).unwrap();
            }
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

#[test]
fn what_is_given_back_late_is_no_fault() {
    for asserts in [Asserts::DATA, Asserts::RETVALS, Asserts::ALL] {
        let (kernel, _) = tracing(Traces::NONE, asserts);
        let given = Session::build(())
            .on("give", |cx, ()| {
                let callback: Callback<(), (), ()> = cx.callback("event", ());
                let postback: Postback<(), ()> = cx.postback("event", ());
                Reply(Some((postback, callback, cx.poster(), cx.keep_alive("mine").unwrap())))
            })
            .spawn(&kernel)
            .unwrap();
        type Given = Option<(Postback<(), ()>, Callback<(), (), ()>, SessionPoster, KeepAlive)>;
        let dropped = Rc::new(Cell::new(false));
        let d = dropped.clone();
        Session::build(None::<Given>.flatten())
            .on_start(move |cx| -> HandlerResult {
                *cx.heap = cx.call::<Given, _>(given, "give", ())?;
                cx.signal(given, "TERM", ())?;
                cx.delay("drop", seconds(1), ());
                Ok(())
            })
            .on("drop", move |cx, ()| {
                assert!(!cx.kernel.is_live(given));
                drop(cx.heap.take());
                d.set(true);
            })
            .spawn(&kernel)
            .unwrap();
        kernel.run().unwrap_or_else(|error| panic!("{asserts}: {error}"));
        assert!(dropped.get());
    }
}

type Misuse = fn(&mut Cx<'_, ()>) -> u32;

/// Each fails, and returns the line at which it did.
const MISUSES: [(&str, Misuse); 9] = [
    ("alarm_remove", |cx| {
        let _ = cx.alarm_remove(TimerId::NONE);
        line!() - 1
    }),
    ("alarm_adjust", |cx| {
        let _ = cx.alarm_adjust(TimerId::NONE, Shift::Later(seconds(1)));
        line!() - 1
    }),
    ("delay_adjust", |cx| {
        let _ = cx.delay_adjust(TimerId::NONE, seconds(1));
        line!() - 1
    }),
    ("alias_remove", |cx| {
        let _ = cx.alias_remove("nobody");
        line!() - 1
    }),
    ("refcount_decrement", |cx| {
        let _ = cx.refcount_decrement(cx.session(), "none");
        line!() - 1
    }),
    ("detach_child", |cx| {
        let _ = cx.detach_child("nobody");
        line!() - 1
    }),
    ("refcount_increment", |cx| {
        let _ = cx.refcount_increment(SessionId::KERNEL, "none");
        line!() - 1
    }),
    ("keep_alive", |cx| {
        let _ = cx.kernel.keep_alive(SessionId::KERNEL, "none");
        line!() - 1
    }),
    ("sig_child", |cx| {
        let _ = cx.sig_child(1, "event", ());
        line!() - 1
    }),
];

#[test]
fn what_fails_is_traced_and_dies_at_the_line_that_called_it() {
    for (method, misuse) in MISUSES {
        let (kernel, traced) = tracing(Traces::RETVALS, Asserts::RETVALS);
        let line = Rc::new(Cell::new(0));
        let l = line.clone();
        Session::build(()).on_start(move |cx| l.set(misuse(cx))).spawn(&kernel).unwrap();
        let KernelError::Died(death) = kernel.run().unwrap_err() else { panic!("a death") };
        let traced = traced.take();
        let [(message, location)] = &traced[..] else { panic!("one line of {traced:?}") };
        assert!(message.starts_with(&format!("{method} fails: ")), "{message}");
        assert_eq!((location.file(), location.line()), (file!(), line.get()), "{method}");
        let place = death.caller.location;
        assert_eq!((place.file(), place.line()), (file!(), line.get()), "{method}");
    }
}

#[test]
fn what_holds_a_session_is_traced_at_the_line_that_gave_or_took_it() {
    let (kernel, traced) = tracing(Traces::NONE, Asserts::NONE);
    let (near, _far) = UnixStream::pair().unwrap();
    let lines = Rc::new(RefCell::new(0..0));
    let l = lines.clone();
    Session::build(Rc::new(near))
        .on_start(move |cx| {
            cx.kernel.set_traces(Traces::REFCNT | Traces::FILES);
            let (me, from) = (cx.session(), line!());
            cx.alias_set("here").unwrap();
            cx.alias_remove("here").unwrap();
            cx.refcount_increment(me, "tag").unwrap();
            cx.refcount_decrement(me, "tag").unwrap();
            let timer = cx.delay_set("late", seconds(1), ());
            cx.alarm_remove(timer).unwrap();
            cx.delay("late", seconds(1), ());
            cx.alarm_clear("late");
            cx.delay("late", seconds(1), ());
            cx.alarm_remove_all();
            cx.select_read(&cx.heap, "ready").unwrap();
            cx.select_pause(&cx.heap, Mode::Read);
            cx.select_resume(&cx.heap, Mode::Read);
            cx.select_end(&cx.heap, Mode::Read);
            let postback: Postback<(), ()> = cx.postback("event", ());
            drop(postback);
            l.replace(from..line!());
            cx.kernel.set_traces(Traces::NONE);
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    let traced = traced.take();
    for (message, location) in &traced {
        let is_here = location.file() == file!() && lines.borrow().contains(&location.line());
        assert!(is_here, "{message} at {location}");
    }
    let at: HashSet<u32> = traced.iter().map(|(_, location)| location.line()).collect();
    // All but the drop, which no line can be known of: it is shown where the postback was made.
    let all = lines.borrow().clone().skip(1).filter(|line| *line != lines.borrow().end - 1);
    assert_eq!(at, all.collect());
}

#[test]
fn an_event_of_a_session_that_is_gone_is_a_fault_at_the_line_that_sent_it() {
    let (kernel, _) = tracing(Traces::NONE, Asserts::EVENTS);
    let line = Rc::new(Cell::new(0));
    let l = line.clone();
    let other = Session::build(())
        .on_start(|cx| cx.alias_set("other"))
        .on("ask", |_, ()| {})
        .spawn(&kernel)
        .unwrap();
    Session::build(())
        .on_start(|cx| cx.yield_event("end", ()))
        .on("end", move |cx, ()| {
            let me = cx.session();
            cx.suspend(|kernel| kernel.session_stop(me)).unwrap();
            cx.call::<(), _>(other, "ask", ()).unwrap();
            l.set(line!() - 1);
        })
        .spawn(&kernel)
        .unwrap();
    let KernelError::Died(death) = kernel.run().unwrap_err() else { panic!("a death") };
    let Cause::Error(error) = &death.cause else { panic!("an error") };
    let failed = error.downcast_ref::<AssertionFailed>().expect("an assertion");
    assert_eq!(failed.assertion, Asserts::EVENTS);
    let place = death.caller.location;
    assert_eq!((place.file(), place.line()), (file!(), line.get()));
}

#[test]
fn who_was_stopped_calls_and_creates_but_is_told_of_nothing() {
    let kernel = Kernel::new().unwrap();
    let trace = common::Trace::default();
    let (t1, t2, t3, t4) = (trace.clone(), trace.clone(), trace.clone(), trace.clone());
    let other = Session::build(())
        .on_start(|cx| cx.delay("keep", seconds(0), ()))
        .on("keep", |_, ()| {})
        .on("ask", |_, ()| Reply(7))
        .on("posted", move |_, ()| t3.log("posted"))
        .spawn(&kernel)
        .unwrap();
    let child = move || {
        let (t1, t2) = (t1.clone(), t1.clone());
        Session::build(())
            .on_start(move |_| t1.log("child starts"))
            .on_stop(move |_| t2.log("child stops"))
    };
    Session::build(())
        .on_start(|cx| cx.yield_event("end", ()))
        .on_child(move |_, _| t4.log("told"))
        .on("end", move |cx, ()| {
            let me = cx.session();
            cx.suspend(|kernel| kernel.session_stop(me)).unwrap();
            assert!(!cx.kernel.is_live(me));
            assert_eq!(cx.call::<i32, _>(other, "ask", ()).unwrap(), 7);
            let child = child().spawn(&mut *cx).unwrap();
            assert_eq!(cx.kernel.parent(child), Some(SessionId::KERNEL));
            let events = cx.kernel.get_event_count();
            assert!(cx.post(other, "posted", ()).is_err());
            assert!(cx.signal(other, "USR1", ()).is_err());
            cx.yield_event("end", ());
            assert_eq!(cx.delay("end", seconds(1), ()), TimerId::NONE);
            assert_eq!(cx.alarm_set("end", UNIX_EPOCH, ()), TimerId::NONE);
            assert_eq!(cx.kernel.get_event_count(), events);
            assert!(matches!(cx.sig("USR1", "got"), Err(SignalError::Stopped(id)) if id == me));
            assert!(cx.kernel.signals_watched_by(me).is_empty());
            let asked = cx.sig_child(1, "got", ());
            assert!(matches!(asked, Err(SignalError::Stopped(id)) if id == me));
            assert!(cx.alias_set("me").is_err());
            assert!(cx.refcount_increment(me, "tag").is_err());
            assert!(cx.keep_alive("tag").is_err());
            assert!(cx.blocking(|| (), "got").is_err());
            let (near, _far) = UnixStream::pair().unwrap();
            assert!(cx.select_read(&Rc::new(near), "got").is_err());
            assert!(cx.detach_myself().is_err());
            t2.log("handled");
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["child starts", "handled", "child stops"]);
}

#[test]
fn the_line_that_a_maker_says_is_shown_for_what_it_makes_and_not_for_what_is_called_meanwhile() {
    let kernel = kernel();
    let place = Location::caller();
    let lines = Rc::new(RefCell::new(Vec::new()));
    let l = lines.clone();
    let named = move |kernel: &Kernel, alias: &'static str| {
        kernel.alias_set(alias).unwrap();
        l.borrow_mut().push((alias, line!() - 1));
    };
    let (n1, n2, n3) = (named.clone(), named.clone(), named);
    let called = Session::build(())
        .on("call", move |cx, ()| n1(cx.kernel, "called"))
        .on("queued", move |cx, ()| n2(cx.kernel, "queued"))
        .spawn(&kernel)
        .unwrap();
    kernel.post(called, "queued", ()).unwrap();
    let made = kernel.made_at(place, || {
        kernel.call::<(), ()>(called, "call", ()).unwrap();
        kernel.run_one_timeslice().unwrap();
        let session = Session::build(()).on_start(move |cx| n3(cx.kernel, "made"));
        let session = session.spawn(&kernel).unwrap();
        kernel.refcount_increment(session, "maker").unwrap();
        kernel.run_one_timeslice().unwrap();
        session
    });
    let since = |session| {
        let reasons = kernel.why_alive(session).into_iter();
        let since = reasons.map(|reason| (reason.cause.to_string(), reason.since.line()));
        since.collect::<Vec<_>>()
    };
    let line = lines.borrow()[0].1;
    let (a, b) = (r#"alias "called""#.to_owned(), r#"alias "queued""#.to_owned());
    assert_eq!(since(called), [(a, line), (b, line)]);
    let maker = r#"1 references tagged "maker""#.to_owned();
    assert_eq!(since(made), [(r#"alias "made""#.to_owned(), line), (maker, place.line())]);
    assert_eq!(kernel.created_at(made), Some(place));
    kernel.stop().unwrap();
}

#[test]
fn each_method_by_which_who_was_stopped_would_send_is_traced_as_failing() {
    let (kernel, traced) = tracing(Traces::RETVALS, Asserts::NONE);
    let other = Session::build(()).spawn(&kernel).unwrap();
    Session::build(())
        .on_start(|cx| cx.yield_event("end", ()))
        .on("end", move |cx, ()| {
            let me = cx.session();
            cx.suspend(|kernel| kernel.session_stop(me)).unwrap();
            cx.post(other, "event", ()).unwrap_err();
            cx.post_set(other, "event", ()).unwrap_err();
            cx.post_with(Priority::High, other, "event", ()).unwrap_err();
            cx.signal(other, "USR1", ()).unwrap_err();
        })
        .spawn(&kernel)
        .unwrap();
    kernel.refcount_increment(other, "tag").unwrap();
    kernel.run_one_timeslice().unwrap();
    let traced = traced.take();
    let words = |text: &str| text.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let fails: Vec<String> = traced.iter().map(|(text, _)| words(text)).collect();
    assert_eq!(fails, ["post fails:", "post_set fails:", "post_with fails:", "signal fails:"]);
    assert!(traced.iter().all(|(_, at)| at.file() == file!()));
    kernel.stop().unwrap();
}
