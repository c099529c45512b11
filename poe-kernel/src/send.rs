//! Sending: `post`, `yield`, `call`, and how an event reaches its handler.

use std::any::Any;
use std::cell::RefMut;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;

use crate::clock::Nanos;
use crate::death::{Cause, Death, Panic, SharedDeath};
use crate::queue::{Header, Kind, Queue, Queued};
use crate::run::Pass;
use crate::timers::table::{Timer, Timers};
use crate::trace::trace;
use crate::{
    Asserts, CallError, Caller, Delivery, Diagnostic, Dispatch, Envelope, EventFor, Failure,
    Kernel, Name, NoActiveSession, Payload, PostError, ReplyTo, SessionId, Slot, Timeout,
};

/// Who an event is for: a [`SessionId`], or an alias as text.
///
/// An alias is looked up when the event is sent; what is queued stays with the session it was sent to.
pub trait Destination {
    /// The session meant, if it is alive.
    fn resolve(&self, kernel: &Kernel) -> Option<SessionId>;

    /// The destination as an error message should name it.
    fn describe(&self) -> String;
}

impl Destination for SessionId {
    #[inline]
    fn resolve(&self, kernel: &Kernel) -> Option<SessionId> {
        (self.is_kernel() || kernel.is_live(*self)).then_some(*self)
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
    /// [`PostError`] when the destination is not there, or the sender has stopped.
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
            return self.returned("post", Asserts::DATA, Err(no_session(&destination, event)));
        };
        let from = self.active_session();
        if self.enqueue(Kind::Post, to, from, event, caller, payload) {
            Ok(())
        } else {
            self.returned("post", Asserts::DATA, Err(no_session(&from, event)))
        }
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
        let session = self.active_session();
        if session.is_kernel() {
            let error = Err(NoActiveSession("yield_event"));
            return self.returned("yield_event", Asserts::USAGE, error);
        }
        let caller = self.caller();
        self.enqueue(Kind::Post, session, session, event.name(), caller, payload);
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
    pub fn call<R: 'static, P: 'static>(
        &self,
        destination: impl Destination,
        event: impl EventFor<P>,
        payload: P,
    ) -> Result<R, CallError> {
        let (caller, event) = (self.caller(), event.name());
        let Some(to) = destination.resolve(self) else {
            let error = no_session(&destination, event).into();
            return self.returned("call", Asserts::DATA, Err(error));
        };
        let from = self.active_session();
        let mut slot = Some(payload);
        let mut reply: Option<R> = None;
        let envelope = Envelope { session: to, sender: from, event, caller };
        if self.inner.observing.get() {
            self.observe_name(from, event, caller);
        }
        if to.is_kernel() {
            return no_reply(&envelope);
        }
        match self.deliver(&envelope, &mut slot, ReplyTo::slot(&mut reply)) {
            Ok(()) => reply.map_or_else(|| no_reply(&envelope), Ok),
            Err(failure) => Err(self.call_failed(&envelope, &slot, *failure)),
        }
    }

    /// Has an event handled now on behalf of a session's own watcher (a wheel, a filter, a driver).
    ///
    /// The sender is the session itself. A handler that is missing is no error; one that fails raises `DIE`.
    #[track_caller]
    pub fn deliver_event<P: 'static>(&self, session: SessionId, event: Name, payload: P) {
        let caller = Caller::new(Location::caller(), None);
        let envelope = Envelope { session, sender: session, event, caller };
        self.deliver_or_die(&envelope, &mut Some(payload), ReplyTo::nobody());
    }

    /// Queues an event behind all others; false when its sender or its receiver is gone.
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
        if !self.inner.sessions.borrow_mut().hold_event(to, from) {
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
        queue.push(Header { sequence, envelope, due, kind }, value);
        drop(queue);
        if self.inner.observing.get() {
            self.observe_enqueued(kind, &envelope, sequence);
        }
    }

    /// Dispatches a posted event, or another thing that was queued.
    #[inline(always)]
    pub(crate) fn dispatch_posted(&self, event: RefMut<'_, Queued>) {
        let Header { kind, envelope, due, .. } = event.header;
        let Envelope { session: to, sender: from, .. } = envelope;
        let payload = RefMut::map(event, |event| &mut event.payload);
        if kind == Kind::Post
            && (from == to || from.is_kernel() || self.is_live(from))
            && !self.inner.observing.get()
        {
            Payload::unload(payload, |slot| self.deliver_queued(&envelope, slot));
        } else {
            let taken = std::mem::take(&mut *{ payload });
            self.dispatch_other(kind, &envelope, due, taken);
        }
    }

    #[inline(never)]
    fn dispatch_other(&self, kind: Kind, envelope: &Envelope, due: Nanos, payload: Payload) {
        let &Envelope { session: to, sender: from, event, caller } = envelope;
        let marks = self.inner.sessions.borrow().marks();
        let is_sent = || from.is_kernel() || self.is_live(from);
        match kind {
            Kind::Signal if is_sent() => self.dispatch_signal(to, event, caller, payload),
            Kind::Post if is_sent() => {
                payload.with(|slot| self.run_queued_observed(envelope, due, slot));
            }
            _ => {}
        }
        self.inner.sessions.borrow_mut().release_event(to, from, marks);
    }

    /// Dispatches a timer that is due.
    fn dispatch_timer(&self, (timer, due): (Timer, Nanos)) {
        let Timer { session, event, caller, payload } = timer;
        let marks = self.inner.sessions.borrow().marks();
        let release = || self.inner.sessions.borrow_mut().release_event(session, session, marks);
        if event == self.inner.names.timeout && payload.is::<Rc<dyn Timeout>>() {
            self.time_out(session, payload);
            release();
        } else {
            let envelope = Envelope { session, sender: session, event, caller };
            payload.with(|slot| {
                if self.inner.observing.get() {
                    self.run_queued_observed(&envelope, due, slot);
                    release();
                } else {
                    self.deliver_queued(&envelope, slot);
                }
            });
        }
    }

    fn time_out(&self, session: SessionId, target: Payload) {
        if let Ok(target) = target.downcast::<Rc<dyn Timeout>>() {
            self.run_part(session, self.inner.names.timeout, || target.timed_out(self));
        }
    }

    /// Runs the handler of an event from the queue, and ends the event's hold on its sessions; until then that hold
    /// keeps the session from being collected.
    #[inline(always)]
    fn deliver_queued(&self, envelope: &Envelope, payload: &mut dyn Slot) {
        let (to, from) = (envelope.session, envelope.sender);
        // To borrow them alone takes fewer steps than to count who else does.
        let mut sessions = self.inner.sessions.borrow_mut();
        let marks = sessions.marks();
        let Some(body) = sessions.body(to).cloned() else {
            return sessions.release_event(to, from, marks);
        };
        drop(sessions);
        if let Err(failure) = self.run_handler(&*body, envelope, payload, ReplyTo::nobody()) {
            self.die(envelope, payload.type_name(), *failure);
        }
        self.inner.sessions.borrow_mut().release_event(to, from, marks);
    }

    /// Runs the handler of an event from the queue, and takes down what it costs.
    #[cold]
    fn run_queued_observed(&self, envelope: &Envelope, due: Nanos, payload: &mut dyn Slot) {
        let body = self.inner.sessions.borrow().body(envelope.session).cloned();
        let Some(body) = body else { return };
        let result = self.run_observed(&*body, envelope, Some(due), payload, ReplyTo::nobody());
        if let Err(failure) = result {
            self.die(envelope, payload.type_name(), *failure);
        }
    }

    /// Runs a session's handler; panics are caught.
    #[inline]
    pub(crate) fn deliver(
        &self,
        envelope: &Envelope,
        payload: &mut dyn Slot,
        reply: ReplyTo<'_>,
    ) -> Result<(), Box<Failure>> {
        let Some(body) = self.inner.sessions.borrow_mut().enter(envelope.session) else {
            return Ok(());
        };
        let result = if self.inner.observing.get() {
            self.run_observed(&*body, envelope, None, payload, reply)
        } else {
            self.run_handler(&*body, envelope, payload, reply)
        };
        self.inner.sessions.borrow_mut().leave(envelope.session);
        result
    }

    /// Makes a session active and hands it an event. A failure comes in a box, so that nothing large is moved about where
    /// there is none.
    #[inline]
    pub(crate) fn run_handler(
        &self,
        body: &dyn Dispatch,
        envelope: &Envelope,
        payload: &mut dyn Slot,
        reply: ReplyTo<'_>,
    ) -> Result<(), Box<Failure>> {
        self.with_active(envelope.session, Some(envelope.event), || {
            let delivery = Delivery { kernel: self, envelope, payload, reply };
            let run = || body.dispatch(delivery).map_err(boxed);
            catch_unwind(AssertUnwindSafe(run))
                .unwrap_or_else(|panic| Err(boxed(Failure::Panic(panic))))
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
        if let Err(failure) = self.deliver(envelope, payload, reply) {
            self.die(envelope, payload.type_name(), *failure);
        }
    }

    #[cold]
    fn die(&self, envelope: &Envelope, sent: &'static str, failure: Failure) {
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
        if let Err(failure) = self.deliver(envelope, payload, reply)
            && let Some(death) = death(envelope, payload.type_name(), *failure)
        {
            self.halt(death);
        }
    }

    #[cold]
    fn call_failed(&self, envelope: &Envelope, payload: &dyn Slot, failure: Failure) -> CallError {
        let &Envelope { session, sender, event, caller } = envelope;
        match failure {
            Failure::Unhandled => CallError::NoHandler { session, event },
            Failure::Busy => CallError::Busy { session, event },
            Failure::WrongPayload { expected } => {
                let sent = payload.type_name();
                CallError::WrongPayload { session, event, expected, sent, caller }
            }
            Failure::WrongReply { expected, returned } => {
                CallError::WrongReply { session, event, expected, returned, caller }
            }
            Failure::Error(_) | Failure::Panic(_) => {
                let Some(death) = death(envelope, payload.type_name(), failure) else {
                    return CallError::NoHandler { session, event };
                };
                if session != sender {
                    self.raise(&death);
                }
                CallError::Died(death)
            }
        }
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
        let stale = {
            let sessions = self.inner.sessions.borrow();
            let gone = |id: SessionId| !id.is_kernel() && !sessions.is_live(id);
            self.inner
                .queue
                .borrow_mut()
                .purge(|Header { envelope, .. }| gone(envelope.session) || gone(envelope.sender))
        };
        for event in &stale {
            if event.header.kind == Kind::Signal
                && let Some(death) = event.payload.downcast_ref::<SharedDeath>()
            {
                // The session that it was to be told in has gone; somebody must be told.
                self.halt(Arc::clone(death));
            }
            let Envelope { session, sender, event, .. } = event.header.envelope;
            trace!(
                self,
                EVENTS,
                session,
                "event {event:?} from session {sender} dropped: one of them is gone"
            );
            let mut sessions = self.inner.sessions.borrow_mut();
            let marks = sessions.marks();
            sessions.release_event(session, sender, marks);
        }
    }

    /// Dispatches the next event due in this pass, posted or timed: by due time, then first come, first served. When
    /// there is none, the pass may become the next one. False when nothing was dispatched.
    #[inline(always)]
    pub(crate) fn dispatch_next(&self, pass: &mut Pass) -> bool {
        if self.inner.next_timer.get() <= pass.now
            && let Some(timer) = self.next_timer(pass)
        {
            self.dispatch_timer(timer);
            return true;
        }
        let queue = self.inner.queue.borrow_mut();
        let Some(event) = queue.front() else { return false };
        if event.header.sequence >= pass.limit && !self.begin_next(pass) {
            return false;
        }
        self.dispatch_posted(RefMut::map(queue, Queue::pop));
        true
    }

    /// The next timer due in this pass, if it goes before all that is posted.
    #[cold]
    fn next_timer(&self, &Pass { now, limit, .. }: &Pass) -> Option<(Timer, Nanos)> {
        let timed = self.change_timers(|timers| timers.peek_due(now, limit))?;
        let queue = self.inner.queue.borrow();
        if let Some(posted) = queue.front().map(|event| event.header)
            && posted.sequence < limit
            && (posted.due, posted.sequence) < (timed.due, timed.sequence)
        {
            return None;
        }
        let timer = self.change_timers(Timers::pop)?;
        Some((timer, timed.due))
    }
}

#[cold]
fn boxed(failure: Failure) -> Box<Failure> {
    Box::new(failure)
}

#[cold]
fn no_session(destination: &impl Destination, event: Name) -> PostError {
    PostError { destination: destination.describe(), event }
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
fn no_reply<R: 'static>(envelope: &Envelope) -> Result<R, CallError> {
    let &Envelope { session, event, caller, .. } = envelope;
    crate::take(&mut Some(())).ok_or(CallError::WrongReply {
        session,
        event,
        expected: std::any::type_name::<R>(),
        returned: "()",
        caller,
    })
}
