//! Sending: `post`, `yield`, `call`, and how an event reaches its handler.

use std::any::{Any, type_name};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::Arc;

use crate::carried::cast;
use crate::death::{Cause, Death, Panic, SharedDeath};
use crate::queue::{Header, Kind, Queued};
use crate::trace::trace;
use crate::{
    Asserts, CallError, Caller, Carried, Delivery, Diagnostic, Dispatch, Envelope, EventFor,
    Failure, Kernel, Name, NoActiveSession, NoSession, Outcome, PostError, ReplyTo, SessionId,
    Slot,
};

/// Who an event is for: a [`SessionId`], or an alias as text.
///
/// An alias is looked up when the event is sent; what is queued stays with the session it was sent to.
#[diagnostic::on_unimplemented(
    message = "`{Self}` names no session",
    note = "events are sent to a `SessionId`, as `cx.session()` and `cx.sender()`, or to an alias as text"
)]
pub trait Destination {
    /// The session meant, if it is alive.
    fn resolve(&self, kernel: &Kernel) -> Option<SessionId>;

    /// The session meant, be it alive or not: for who finds that out anyhow, and need not look twice.
    #[doc(hidden)]
    #[inline]
    fn named(&self, kernel: &Kernel) -> Option<SessionId> {
        self.resolve(kernel)
    }

    /// The destination as an error message should name it.
    fn describe(&self) -> String;
}

impl Destination for SessionId {
    #[inline]
    fn resolve(&self, kernel: &Kernel) -> Option<SessionId> {
        (self.is_kernel() || kernel.is_live(*self)).then_some(*self)
    }

    #[inline]
    fn named(&self, _: &Kernel) -> Option<SessionId> {
        Some(*self)
    }

    fn describe(&self) -> String {
        self.to_string()
    }
}

impl Destination for str {
    fn resolve(&self, kernel: &Kernel) -> Option<SessionId> {
        kernel.inner.aliases.borrow().owner(self)
    }

    fn describe(&self) -> String {
        self.to_owned()
    }
}

impl Destination for String {
    fn resolve(&self, kernel: &Kernel) -> Option<SessionId> {
        self.as_str().resolve(kernel)
    }

    fn describe(&self) -> String {
        self.clone()
    }
}

impl<D: Destination + ?Sized> Destination for &D {
    fn resolve(&self, kernel: &Kernel) -> Option<SessionId> {
        (**self).resolve(kernel)
    }

    #[inline]
    fn named(&self, kernel: &Kernel) -> Option<SessionId> {
        (**self).named(kernel)
    }

    fn describe(&self) -> String {
        (**self).describe()
    }
}

impl Kernel {
    /// Sends an event to a session, to be handled after those sent before it (POE: `post`).
    ///
    /// The queued event keeps both sessions alive. Sending to the kernel is allowed and does nothing.
    ///
    /// # Errors
    ///
    /// [`PostError`] when the destination is not there, the sender has stopped, or as many events wait as
    /// [`KernelBuilder::max_events`](crate::KernelBuilder::max_events) allows.
    #[track_caller]
    #[inline]
    pub fn post<P: 'static>(
        &self,
        destination: impl Destination,
        event: impl EventFor<P>,
        payload: P,
    ) -> Result<(), PostError> {
        let (caller, event) = (self.caller(), event.name());
        let Some(to) = destination.resolve(self) else {
            return self.returned(
                "post",
                Asserts::DATA,
                Err(no_session(destination, event).into()),
            );
        };
        if self.is_queue_full() {
            // No fault of the program: it has set the bound.
            return self.returned("post", Asserts::NONE, Err(self.queue_full(event)));
        }
        let from = self.active_session();
        if self.enqueue(Kind::Post, to, from, event, caller, payload) {
            Ok(())
        } else {
            self.returned("post", Asserts::DATA, Err(no_session(from, event).into()))
        }
    }

    #[cold]
    pub(crate) fn queue_full(&self, event: Name) -> PostError {
        PostError::QueueFull { event, limit: self.inner.max_events }
    }

    /// Sends an event to the active session (POE: `yield`).
    ///
    /// # Errors
    ///
    /// [`NoActiveSession`] outside a handler.
    #[track_caller]
    #[inline]
    pub fn yield_event<P: 'static>(
        &self,
        event: impl EventFor<P>,
        payload: P,
    ) -> Result<(), NoActiveSession> {
        let (event, caller, session) = (event.name(), self.caller(), self.active_session());
        let inner = &*self.inner;
        // The common case by itself: where nothing is called, nothing has to be put aside for that.
        if session == inner.spare_hold.get() && !inner.observing.get() {
            let mut queue = inner.queue.borrow_mut();
            if queue.has_room() {
                let envelope = Envelope { session, sender: session, event, caller };
                let (due, sequence) = (inner.now.get(), self.next_sequence());
                inner.spare_hold.set(SessionId::NOBODY);
                queue.push_within(Header::new(sequence, envelope, due, Kind::Post), payload);
                return Ok(());
            }
        }
        self.yield_other(session, event, caller, payload)
    }

    /// Sends an event to the active session, if there is one.
    #[inline(never)]
    fn yield_other<P: 'static>(
        &self,
        session: SessionId,
        event: Name,
        caller: Caller,
        payload: P,
    ) -> Result<(), NoActiveSession> {
        if session.is_kernel() {
            let error = NoActiveSession("yield_event");
            self.returns_error_at("yield_event", Asserts::USAGE, &error, caller.location);
            return Err(error);
        }
        self.enqueue(Kind::Post, session, session, event, caller, payload);
        Ok(())
    }

    /// Has an event handled now, before anything queued, and returns what its handler returns (POE: `call`).
    ///
    /// The handler sees the caller as its sender. A session's handler calls through its `cx`, which lends its heap to
    /// whatever it calls; a call that needs a heap held up the stack is refused.
    ///
    /// ```
    /// # use poe_kernel::{CallError, Kernel};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let kernel = Kernel::new()?;
    /// let answer: Result<u32, CallError> = kernel.call("nobody", "ask", ());
    /// assert!(matches!(answer, Err(CallError::NoSession(_))));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`CallError`] says why there is no answer. [`CallError::Died`] carries the failure of the handler, whose session
    /// gets `DIE` as well, unless it is the caller's own.
    #[track_caller]
    #[inline]
    pub fn call<R: 'static, P: 'static>(
        &self,
        destination: impl Destination,
        event: impl EventFor<P>,
        payload: P,
    ) -> Result<R, CallError> {
        let (caller, event) = (self.caller(), event.name());
        let answer = match destination.named(self) {
            Some(to) => self.call_session(to, event, caller, payload),
            None => Err(Box::new(no_session(destination, event).into())),
        };
        // A closure would lose the place this was called from.
        match answer {
            Ok(reply) => Ok(reply),
            Err(error) => {
                self.call_fails(&error);
                Err(*error)
            }
        }
    }

    /// The same with all that is known. Its error comes in a box, so that an answer need not come in as much space.
    #[inline(never)]
    fn call_session<R: 'static, P: 'static>(
        &self,
        to: SessionId,
        event: Name,
        caller: Caller,
        payload: P,
    ) -> Result<R, Box<CallError>> {
        let envelope = Envelope { session: to, sender: self.active_session(), event, caller };
        if self.inner.observing.get() {
            self.observe_name(envelope.sender, event, caller);
        }
        let (mut payload, mut reply) = (Some(payload), None::<R>);
        let carried = &mut Carried::of(&mut payload);
        match self.deliver(&envelope, carried, ReplyTo::slot(&mut reply)) {
            Some(Ok(())) => reply.map_or_else(|| no_reply(&envelope), Ok),
            Some(Err(failure)) => Err(self.call_failed(&envelope, type_name::<P>(), *failure)),
            None if to.is_kernel() => no_reply(&envelope),
            None => Err(Box::new(no_session(to, event).into())),
        }
    }

    #[cold]
    #[track_caller]
    fn call_fails(&self, error: &CallError) {
        if let CallError::NoSession(error) = error {
            self.returns_error("call", Asserts::DATA, error);
        }
    }

    /// Queues an event behind all others; false when its sender or its receiver is gone.
    ///
    /// What a session sends itself while it handles an event takes over the hold of that one, if no other has yet.
    #[inline(always)]
    pub(crate) fn enqueue<P: 'static>(
        &self,
        kind: Kind,
        to: SessionId,
        from: SessionId,
        event: Name,
        caller: Caller,
        value: P,
    ) -> bool {
        if to.is_kernel() && kind != Kind::Signal {
            return true;
        }
        if to == from && self.inner.spare_hold.get() == to {
            self.inner.spare_hold.set(SessionId::NOBODY);
        } else if !self.inner.sessions.borrow_mut().hold_event(to, from) {
            return false;
        }
        self.push_event(kind, Envelope { session: to, sender: from, event, caller }, value);
        true
    }

    /// Queues an event that holds its sessions already.
    #[inline(always)]
    pub(crate) fn push_event<P: 'static>(&self, kind: Kind, envelope: Envelope, value: P) {
        let mut queue = self.inner.queue.borrow_mut();
        let (due, sequence) = (self.inner.now.get(), self.next_sequence());
        queue.push(Header::new(sequence, envelope, due, kind), value);
        drop(queue);
        if self.inner.observing.get() {
            let Envelope { session, sender, event, caller } = envelope;
            self.observe_enqueued(kind, session, sender, event, caller, sequence);
        }
    }

    /// Runs a session's handler; panics are caught. `None` when there is no such session.
    #[inline]
    pub(crate) fn deliver<'a>(
        &'a self,
        envelope: &'a Envelope,
        payload: &'a mut Carried<'a>,
        reply: ReplyTo<'a>,
    ) -> Option<Outcome> {
        let body = self.inner.sessions.borrow_mut().enter(envelope.session)?;
        let outcome = if self.inner.observing.get() {
            self.run_observed(&*body, envelope, None, payload, reply)
        } else {
            self.run_handler(&*body, envelope, payload, reply)
        };
        self.inner.sessions.borrow_mut().leave(envelope.session);
        Some(outcome)
    }

    /// Makes a session active and hands it an event.
    #[inline]
    pub(crate) fn run_handler<'a>(
        &'a self,
        body: &dyn Dispatch,
        envelope: &'a Envelope,
        payload: &'a mut Carried<'a>,
        reply: ReplyTo<'a>,
    ) -> Outcome {
        self.with_active(envelope.session, Some(envelope.event), || {
            run_caught(body, Delivery { kernel: self, envelope, payload, reply })
        })
    }

    /// Runs the part of a wheel that the kernel calls, with its session active. A panic in it raises `DIE` there.
    #[inline]
    pub(crate) fn run_part(&self, session: SessionId, part: Name, run: impl FnOnce()) {
        let run = || self.with_active(session, None, run);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
            self.part_failed(session, part, panic);
        }
    }

    #[cold]
    #[track_caller]
    fn part_failed(&self, session: SessionId, part: Name, panic: Box<dyn Any + Send>) {
        let caller = Caller::new(Location::caller(), None);
        let envelope = Envelope { session, sender: SessionId::KERNEL, event: part, caller };
        let Some(death) = death(&envelope, "()", Failure::Panic(panic)) else { return };
        if session.is_kernel() { self.halt(death) } else { self.raise(&death) }
    }

    /// Has a run end with a panic in what a session left: it is too late for `DIE` there.
    #[cold]
    #[track_caller]
    pub(crate) fn drop_failed(&self, session: SessionId, panic: Box<dyn Any + Send>) {
        let caller = Caller::new(Location::caller(), None);
        let (sender, event) = (SessionId::KERNEL, self.inner.names.stop);
        let envelope = Envelope { session, sender, event, caller };
        if let Some(death) = death(&envelope, "()", Failure::Panic(panic)) {
            self.halt(death);
        }
    }

    /// Runs a handler whose failure raises `DIE` in its session.
    pub(crate) fn deliver_or_die(
        &self,
        envelope: &Envelope,
        payload: &mut dyn Slot,
        reply: ReplyTo<'_>,
    ) {
        let carried = &mut Carried::from(&mut *payload);
        if let Some(Err(failure)) = self.deliver(envelope, carried, reply) {
            self.die(envelope, payload.type_name(), *failure);
        }
    }

    #[cold]
    pub(crate) fn die(&self, envelope: &Envelope, sent: &'static str, failure: Failure) {
        if let Some(death) = death(envelope, sent, failure) {
            self.raise(&death);
        }
    }

    /// Runs a handler too late, or too deep in trouble, for `DIE`: its failure ends the run.
    pub(crate) fn deliver_or_halt(
        &self,
        envelope: &Envelope,
        payload: &mut dyn Slot,
        reply: ReplyTo<'_>,
    ) {
        let carried = &mut Carried::from(&mut *payload);
        if let Some(Err(failure)) = self.deliver(envelope, carried, reply)
            && let Some(death) = death(envelope, payload.type_name(), *failure)
        {
            self.halt(death);
        }
    }

    #[cold]
    fn call_failed(
        &self,
        envelope: &Envelope,
        sent: &'static str,
        failure: Failure,
    ) -> Box<CallError> {
        let &Envelope { session, sender, event, caller } = envelope;
        Box::new(match failure {
            Failure::Unhandled => CallError::NoHandler { session, event },
            Failure::Busy => CallError::Busy { session, event },
            Failure::WrongPayload { expected } => {
                CallError::WrongPayload { session, event, expected, sent, caller }
            }
            Failure::WrongReply { expected, returned } => {
                CallError::WrongReply { session, event, expected, returned, caller }
            }
            Failure::Error(_) | Failure::Panic(_) => {
                let Some(death) = death(envelope, sent, failure) else {
                    return Box::new(CallError::NoHandler { session, event });
                };
                if session != sender {
                    self.raise(&death);
                }
                CallError::Died(death)
            }
        })
    }

    /// Makes `run` end with this death, once what is being dispatched has returned.
    pub(crate) fn halt(&self, death: SharedDeath) {
        self.inner.unsettled.set(true);
        if self.inner.is_fatal.replace(true) {
            self.report(&Diagnostic::SecondDeath { death: &death });
        } else {
            self.inner.fatal.replace(Some(death));
        }
    }

    /// Hands the death that ended a run to its caller: an error as an error, a panic as a panic.
    pub(crate) fn take_fatal(&self) -> Option<SharedDeath> {
        self.inner.is_fatal.set(false);
        let death = self.inner.fatal.take()?;
        if let Cause::Panic(panic) = &death.cause
            && let Some(payload) = panic.take()
        {
            resume_unwind(payload);
        }
        Some(death)
    }

    /// Drops the queued events whose sender or receiver has stopped.
    #[inline]
    pub(crate) fn purge(&self) {
        if self.inner.has_stale_events.replace(false) {
            self.purge_stale();
        }
    }

    #[cold]
    #[inline(never)]
    fn purge_stale(&self) {
        let mut stale: Vec<Queued> = {
            let sessions = self.inner.sessions.borrow();
            let gone = |id: SessionId| !id.is_kernel() && !sessions.is_live(id);
            let stale = |header: &Header| gone(header.session) || gone(header.sender);
            let queues = self.inner.queues();
            queues.into_iter().flat_map(|(_, queue)| queue.borrow_mut().purge(stale)).collect()
        };
        self.priorities_changed();
        // They let go of their sessions in the order in which they were sent.
        stale.sort_by_key(|event| event.header.sequence);
        for event in &stale {
            if event.header.kind == Kind::Signal
                && let Some(death) = event.payload.boxed_ref::<SharedDeath>()
            {
                // The session that it was to be told in has gone; somebody must be told.
                self.halt(Arc::clone(death));
            }
            let envelope = event.header.envelope();
            let Envelope { session, sender, event, .. } = envelope;
            if session == SessionId::NOBODY {
                // It was taken back, and told of then.
                continue;
            }
            trace!(
                self,
                EVENTS,
                session,
                "event {event:?} from session {sender} dropped: one of them is gone"
            );
            self.observe_event_gone(&envelope);
            let mut sessions = self.inner.sessions.borrow_mut();
            let marks = sessions.marks();
            sessions.release_event(session, sender, marks);
        }
    }
}

/// Runs a session's handler; panics are caught.
#[inline(always)]
pub(crate) fn run_caught(body: &dyn Dispatch, delivery: Delivery<'_>) -> Outcome {
    caught(|| body.dispatch(delivery))
}

/// Makes a panic of a handler its failure.
#[inline(always)]
pub(crate) fn caught(run: impl FnOnce() -> Outcome) -> Outcome {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(Failure::Panic(panic).into()))
}

#[cold]
pub(crate) fn no_session(destination: impl Destination, event: Name) -> NoSession {
    NoSession { destination: destination.describe(), event }
}

/// What a failure means for the session it happened in; `None` for an event that merely had no handler.
fn death(envelope: &Envelope, sent: &'static str, failure: Failure) -> Option<SharedDeath> {
    let &Envelope { session, sender, event, caller } = envelope;
    let cause = match failure {
        Failure::Unhandled => return None,
        Failure::Error(error) => Cause::Error(error),
        Failure::Panic(panic) => Cause::Panic(Panic::new(panic)),
        Failure::Busy => Cause::Error(CallError::Busy { session, event }.into()),
        Failure::WrongPayload { expected } => {
            Cause::Error(CallError::WrongPayload { session, event, expected, sent, caller }.into())
        }
        Failure::WrongReply { expected, returned } => Cause::Error(
            CallError::WrongReply { session, event, expected, returned, caller }.into(),
        ),
    };
    Some(Arc::new(Death { session, sender, event, caller, cause }))
}

/// A handler that returns nothing has returned `()`.
#[inline]
fn no_reply<R: 'static>(envelope: &Envelope) -> Result<R, Box<CallError>> {
    cast(()).ok_or_else(|| returned_nothing(envelope, type_name::<R>()))
}

#[cold]
fn returned_nothing(envelope: &Envelope, expected: &'static str) -> Box<CallError> {
    let &Envelope { session, event, caller, .. } = envelope;
    Box::new(CallError::WrongReply { session, event, expected, returned: "()", caller })
}
