//! Those who look on while a kernel runs: listeners that panic or call it, and sessions that call it when they are asked
//! about.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use poe_kernel::{
    AssertionFailed, Asserts, Cause, Delivery, Diagnostic, Dispatch, Failure, KernelBuilder,
    Outcome, SessionOption, Traces,
};
use poe_session::prelude::*;

fn builder() -> KernelBuilder {
    Kernel::builder().virtual_clock(UNIX_EPOCH + Duration::from_secs(1000))
}

#[test]
fn a_listener_that_panics_ends_the_run_and_leaves_the_kernel_sound() {
    let (panics, lines) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
    let (may_panic, counted) = (panics.clone(), lines.clone());
    let kernel = builder()
        .traces(Traces::EVENTS)
        .asserts(Asserts::DATA)
        .diagnostics(move |_| {
            counted.set(counted.get() + 1);
            assert!(!may_panic.get(), "nobody wants to hear this");
        })
        .build()
        .unwrap();
    let ended = Rc::new(Cell::new(0));
    let (called_ended, caller_ended) = (ended.clone(), ended.clone());
    let called = Session::build(())
        .on_start(|cx| cx.alias_set("called"))
        .on("ask", |_, ()| Reply(1))
        .on_stop(move |_| called_ended.set(called_ended.get() + 1))
        .spawn(&kernel)
        .unwrap();
    let switch = panics.clone();
    Session::build(())
        .on_start(|cx| cx.yield_event("do", ()))
        .on("do", move |cx, ()| {
            switch.set(true);
            assert_eq!(cx.call::<i32, _>(called, "ask", ()).unwrap(), 1);
            switch.set(false);
        })
        .on_stop(move |_| caller_ended.set(caller_ended.get() + 1))
        .spawn(&kernel)
        .unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| kernel.run())).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"nobody wants to hear this"));
    assert_eq!((ended.get(), kernel.session_count()), (2, 0));

    lines.set(0);
    Session::build(()).on_start(|cx| cx.yield_event("do", ())).spawn(&kernel).unwrap();
    kernel.run().unwrap();
    assert!(lines.get() > 0, "traces go on");
}

/// A session that calls the kernel whenever it is asked about itself.
struct Nosy {
    kernel: Kernel,
    asked: Rc<Cell<u32>>,
}

impl Nosy {
    fn ask(&self) {
        self.asked.set(self.asked.get() + 1);
        let kernel = &self.kernel;
        let me = kernel.alias_resolve("nosy").unwrap_or(SessionId::KERNEL);
        let _ = kernel.call::<(), _>(me, "asked", ());
        let _ = kernel.post(me, "asked", ());
        kernel.set_profiling(true);
        let _ = kernel.refcount_increment(me, "asked");
        let _ = kernel.refcount_decrement(me, "asked");
    }
}

impl Dispatch for Nosy {
    fn dispatch(&self, delivery: Delivery<'_>) -> Outcome {
        if delivery.event == "_start" {
            let set = delivery.kernel.alias_set("nosy");
            set.map_err(|error| Failure::Error(error.into()))?;
        }
        Ok(())
    }

    fn is_busy(&self) -> bool {
        self.ask();
        false
    }

    fn type_name(&self) -> &'static str {
        self.ask();
        "Nosy"
    }

    fn state(&self) -> Option<Name> {
        self.ask();
        None
    }

    fn event_names(&self) -> Vec<Name> {
        self.ask();
        Vec::new()
    }

    fn option(&self, _: SessionOption, _: Option<bool>) -> Option<bool> {
        self.ask();
        None
    }
}

#[test]
fn a_session_may_call_the_kernel_when_it_is_asked_about_itself() {
    let kernel = builder()
        .traces(Traces::ALL)
        .asserts(Asserts::DATA)
        .diagnostics(|diagnostic| drop(diagnostic.to_string()))
        .build()
        .unwrap();
    let asked = Rc::new(Cell::new(0));
    let nosy = Nosy { kernel: kernel.clone(), asked: asked.clone() };
    let session = kernel.session_alloc(Rc::new(nosy), ()).unwrap();
    let inspection = kernel.inspect();
    assert_eq!(inspection.session(session).unwrap().type_name, "Nosy");
    kernel.stop().unwrap();
    kernel.run().unwrap();
    assert!(asked.get() > 0);
}

#[test]
fn a_session_that_is_told_of_as_freed_is_given_nothing_new() {
    let itself: Rc<RefCell<Option<Kernel>>> = Rc::default();
    let known = itself.clone();
    let kernel = builder()
        .traces(Traces::SESSIONS)
        .diagnostics(move |diagnostic| {
            let Diagnostic::Traced { session, message, .. } = diagnostic else { return };
            if let Some(kernel) = &*known.borrow()
                && message.to_string().contains("freed")
            {
                let _ = kernel.refcount_increment(*session, "too late");
                let _ = kernel.post(*session, "too late", ());
            }
        })
        .build()
        .unwrap();
    *itself.borrow_mut() = Some(kernel.clone());
    Session::build(()).spawn(&kernel).unwrap();
    kernel.run().unwrap();
    itself.take();
    // What is left of it would keep the kernel from being idle.
    let session = Session::build(()).on_start(|cx| cx.alias_set("waits")).spawn(&kernel).unwrap();
    kernel.set_traces(Traces::NONE);
    kernel.run_one_timeslice().unwrap();
    for _ in 0..10 {
        kernel.run_one_timeslice().unwrap();
    }
    assert!(!kernel.is_live(session), "{}", kernel.inspect());
}

#[test]
fn a_fault_in_the_handler_of_a_death_ends_the_run() {
    let kernel = builder().asserts(Asserts::RETVALS).diagnostics(|_| {}).build().unwrap();
    let told = Rc::new(Cell::new(0));
    let counted = told.clone();
    Session::build(())
        .on_start(|cx| -> HandlerResult {
            cx.sig("DIE", "died")?;
            cx.yield_event("fail", ());
            Ok(())
        })
        .on("fail", |_, ()| -> HandlerResult { Err("on purpose".into()) })
        .on("died", move |cx, _: Signal| {
            counted.set(counted.get() + 1);
            let _ = cx.kernel.alias_remove("nobody");
            cx.sig_handled();
            if counted.get() > 3 {
                cx.stop().unwrap();
            }
        })
        .spawn(&kernel)
        .unwrap();
    let KernelError::Died(death) = kernel.run().unwrap_err() else { panic!("a death") };
    let Cause::Error(error) = &death.cause else { panic!("{death}") };
    assert!(error.is::<AssertionFailed>(), "{error}");
    assert_eq!(told.get(), 1);
}

#[test]
fn to_stop_the_kernel_in_a_handler_is_no_fault() {
    let kernel = builder().asserts(Asserts::ALL).build().unwrap();
    Session::build(())
        .on_start(|cx| {
            Session::build(())
                .on_start(|cx| cx.yield_event("enough", ()))
                .on("enough", |cx, ()| cx.stop())
                .spawn(&mut *cx)
                .map(drop)
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}
