//! What the kernel says while traces are on, and what comes of faults while assertions are.

use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Instant;

use crate::clock::Nanos;
use crate::death::{Cause, Death};
use crate::queue::Kind;
use crate::{
    AssertionFailed, Asserts, Caller, Carried, Diagnostic, Dispatch, Envelope, Failure, Kernel,
    Name, NoActiveSession, Outcome, ReplyTo, SessionId, Traces,
};

/// Says something of a session if that kind of trace is on. No part of the kernel may be borrowed meanwhile.
macro_rules! trace {
    ($kernel:expr, $trace:ident, $session:expr, at $location:expr, $($message:tt)+) => {
        if $kernel.traces().contains($crate::Traces::$trace) {
            $kernel.trace($crate::Traces::$trace, $session, $location, format_args!($($message)+));
        }
    };
    ($kernel:expr, $trace:ident, $session:expr, $($message:tt)+) => {
        trace!($kernel, $trace, $session, at std::panic::Location::caller(), $($message)+)
    };
}
pub(crate) use trace;

impl Kernel {
    /// The traces that are on.
    #[must_use]
    #[inline]
    pub fn traces(&self) -> Traces {
        self.inner.traces.get()
    }

    /// Sets which traces are on from now on; those that were (POE: `TRACE_…`, which could not be changed).
    ///
    /// What [`Traces::PROFILE`] has begun to measure is forgotten when that is off again; what
    /// [`Kernel::set_profiling`] has begun is not.
    pub fn set_traces(&self, traces: Traces) -> Traces {
        let before = self.inner.traces.replace(traces);
        self.profile_for_trace(traces.contains(Traces::PROFILE));
        self.update_observing();
        before
    }

    /// The assertions that are on.
    #[must_use]
    #[inline]
    pub fn asserts(&self) -> Asserts {
        self.inner.asserts.get()
    }

    /// Sets which assertions are on from now on; those that were (POE: `ASSERT_…`, which could not be changed).
    pub fn set_asserts(&self, asserts: Asserts) -> Asserts {
        let before = self.inner.asserts.replace(asserts);
        self.update_observing();
        before
    }

    /// Keeps at hand whether anybody wants to know of each event.
    pub(crate) fn update_observing(&self) {
        let of_events = [Traces::EVENTS, Traces::REFCNT].map(|trace| self.traces().contains(trace));
        let measuring = self.inner.measurements.borrow().is_some();
        let asserting = !(self.asserts() & (Asserts::EVENTS | Asserts::USAGE)).is_empty();
        self.inner.observing.set(of_events.contains(&true) || measuring || asserting);
        // Events that are dispatched in one go are not asked one by one.
        self.inner.unsettled.set(true);
    }

    /// Reports what a trace has to say.
    #[cold]
    pub(crate) fn trace(
        &self,
        trace: Traces,
        session: SessionId,
        location: &'static Location<'static>,
        message: fmt::Arguments<'_>,
    ) {
        // Whoever listens may do what would be traced.
        if self.inner.tracing.replace(true) {
            return;
        }
        self.report(&Diagnostic::Traced { trace, session, message, location });
        self.inner.tracing.set(false);
    }

    /// Looks at what a method is about to return: an error is traced, and may be a fault.
    #[inline]
    #[track_caller]
    pub(crate) fn returned<T, E: Error>(
        &self,
        method: &'static str,
        fault: Asserts,
        result: Result<T, E>,
    ) -> Result<T, E> {
        if let Err(error) = &result {
            self.returns_error(method, fault, error);
        }
        result
    }

    /// Whether a method that acts for the active session was called while none is, and that is a fault.
    #[inline]
    #[track_caller]
    pub(crate) fn is_misused(&self, method: &'static str) -> bool {
        self.active_session().is_kernel() && self.misuse_is_fault(method)
    }

    #[cold]
    #[track_caller]
    fn misuse_is_fault(&self, method: &'static str) -> bool {
        let is_fault = self.asserts().contains(Asserts::USAGE);
        if is_fault {
            let message = format!("{method}: {}", NoActiveSession(method));
            self.assertion_failed(Asserts::USAGE, message);
        }
        is_fault
    }

    #[cold]
    #[track_caller]
    pub(crate) fn returns_error(&self, method: &'static str, fault: Asserts, error: &dyn Error) {
        self.returns_error_at(method, fault, error, Location::caller());
    }

    /// The same, of a method that knows where it was called.
    #[cold]
    pub(crate) fn returns_error_at(
        &self,
        method: &'static str,
        fault: Asserts,
        error: &dyn Error,
        at: &'static Location<'static>,
    ) {
        trace!(self, RETVALS, self.active_session(), at at, "{method} fails: {error}");
        if !(self.asserts() & fault).is_empty() {
            self.assertion_failed_at(self.asserts() & fault, format!("{method}: {error}"), at);
        }
    }

    /// Has the active session die of a fault, or the run if there is none.
    #[cold]
    #[track_caller]
    pub(crate) fn assertion_failed(&self, assertion: Asserts, message: String) {
        self.assertion_failed_at(assertion, message, Location::caller());
    }

    #[cold]
    fn assertion_failed_at(
        &self,
        assertion: Asserts,
        message: String,
        at: &'static Location<'static>,
    ) {
        let session = self.active_session();
        let event = self.active_event().unwrap_or_else(|| Name::new("_assert"));
        let caller = Caller::new(at, self.active_event());
        let cause = Cause::Error(AssertionFailed { assertion, message }.into());
        let death = Arc::new(Death { session, sender: session, event, caller, cause });
        // Who is told of a death and is at fault again would be told of that, and so on.
        let ends = session.is_kernel() || self.inner.signals.borrow().telling_death;
        if ends { self.halt(death) } else { self.raise(&death) }
    }

    /// Says that an event was queued.
    ///
    /// It takes the parts of the envelope, so that nobody has to put that in memory for it.
    #[cold]
    #[inline(never)]
    pub(crate) fn observe_enqueued(
        &self,
        kind: Kind,
        session: SessionId,
        sender: SessionId,
        event: Name,
        caller: Caller,
        sequence: u64,
    ) {
        if kind == Kind::Post {
            self.observe_name(sender, event, caller);
        }
        let at = caller.location;
        trace!(self, EVENTS, session, at at, "event {sequence} {event:?} queued from session {sender} to session {session}");
        trace!(self, REFCNT, session, at at, "+ event {event:?} to session {session} from session {sender}");
    }

    /// Says that a queued event holds its sessions no more.
    #[cold]
    pub(crate) fn observe_event_gone(&self, envelope: &Envelope) {
        let &Envelope { session, sender, event, caller } = envelope;
        let at = caller.location;
        trace!(self, REFCNT, session, at at, "- event {event:?} to session {session} from session {sender}");
    }

    /// Says whether there is anything that the kernel could wait for.
    #[cold]
    pub(crate) fn observe_idleness(&self) {
        let signals = self.inner.signals.borrow();
        let (events, files) = (self.get_event_count(), self.inner.handles.borrow().watch_count());
        let (extra, processes) =
            (self.inner.references.borrow().count(), signals.children.iter().count());
        drop(signals);
        let state = if self.is_still_idle() { "idle" } else { "not idle" };
        let sessions = self.session_count();
        trace!(
            self,
            REFCNT,
            SessionId::KERNEL,
            "kernel is {state}: {sessions} sessions, {events} events and timers, {files} watched handles, {extra} sessions with references, {processes} awaited child processes"
        );
    }

    /// Says that a session sends what is the kernel's to send.
    pub(crate) fn observe_name(&self, sender: SessionId, event: Name, caller: Caller) {
        if self.asserts().contains(Asserts::USAGE) && self.inner.names.are_for_events(event) {
            self.report(&Diagnostic::ReservedName { sender, event, caller });
        }
    }

    /// Runs a handler, and takes down when and for how long.
    #[cold]
    #[inline(never)]
    pub(crate) fn run_observed<'a>(
        &'a self,
        body: &dyn Dispatch,
        envelope: &'a Envelope,
        due: Option<Nanos>,
        payload: &'a mut Carried<'a>,
        reply: ReplyTo<'a>,
    ) -> Outcome {
        let &Envelope { session, sender, event, caller } = envelope;
        let (carried, at) = (payload.type_name(), caller.location);
        trace!(self, EVENTS, session, at at, "event {event:?} ({carried}) dispatched to session {session} from session {sender}");
        // What the kernel itself sends may come of what a session did that is gone by now.
        if self.asserts().contains(Asserts::EVENTS)
            && !sender.is_kernel()
            && !self.is_live(sender)
            && !self.inner.names.are_for_events(event)
        {
            let message =
                format!("event {event:?} to session {session} is of a session that is gone");
            self.assertion_failed_at(Asserts::EVENTS, message, at);
        }
        let latency = due.map(|due| self.inner.clock.since(due));
        let begun = Instant::now();
        let result = {
            #[cfg(feature = "tracing")]
            let _span = self.traces().contains(Traces::EVENTS).then(|| {
                let (session, sender) = (session.number(), sender.number());
                tracing::trace_span!("handler", session, sender, event = event.as_str()).entered()
            });
            self.run_handler(body, envelope, payload, reply)
        };
        let took = begun.elapsed();
        match result.as_ref().err().map(|failure| &**failure) {
            None => trace!(self, EVENTS, session, at at, "event {event:?} handled in {took:.1?}"),
            Some(Failure::Unhandled) => {
                trace!(self, EVENTS, session, at at, "event {event:?} has no handler")
            }
            Some(failure) => {
                trace!(self, EVENTS, session, at at, "event {event:?} failed in {took:.1?}: {failure}")
            }
        }
        let failed = result.as_ref().is_err_and(|failure| !matches!(**failure, Failure::Unhandled));
        self.measure(envelope, latency, took, failed);
        result
    }
}
