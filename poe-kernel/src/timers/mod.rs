//! Timers: alarms at a time of day, delays from now.

mod callers;
mod groups;
mod heap;
pub(crate) mod table;

use std::panic::Location;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use self::table::{Timer, Timers};
use crate::carried::Stored;
use crate::clock::{Nanos, nanos};
use crate::sessions::table::Hold;
use crate::trace::trace;
use crate::{
    Asserts, Caller, EventFor, Kernel, Name, NoActiveSession, Payload, SessionId, TimerError,
    TimerId,
};

/// A timer that was removed before it was due.
#[derive(Debug)]
#[non_exhaustive]
pub struct Alarm {
    /// The event that it would have sent.
    pub event: Name,
    /// When it was due.
    pub time: SystemTime,
    /// What the event would have carried.
    pub payload: Payload,
}

/// How far to move a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// Away from now.
    Later(Duration),
    /// Towards now, or past it.
    Earlier(Duration),
}

/// Something that wants to know that a time has come: the part of a wheel that the kernel calls.
///
/// It runs with its session active, outside any handler, as a [`Watch`](crate::Watch) does, and a panic in it is a death
/// of the session, with the event `_timeout`.
pub trait Timeout {
    /// The time has come.
    fn timed_out(&self, kernel: &Kernel);
}

impl TimerId {
    /// An id that no timer has.
    pub const NONE: Self = Self { slot: u32::MAX, generation: u32::MAX };
}

impl Kernel {
    /// The kernel's time of day: the system's as it was when the kernel was made, and monotonic from there.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        self.inner.clock.to_wall(self.inner.clock.read())
    }

    /// Sends the active session an event at a time of day, in place of its timers of the same name (POE: `alarm`).
    ///
    /// A time that is past is due at once, ahead of events already queued.
    ///
    /// # Errors
    ///
    /// [`NoActiveSession`] outside a handler, as for all that set timers.
    #[track_caller]
    pub fn alarm<P: 'static>(
        &self,
        event: impl EventFor<P>,
        time: SystemTime,
        payload: P,
    ) -> Result<TimerId, NoActiveSession> {
        self.set_only("alarm", event.name(), self.inner.clock.from_wall(time), Stored::new(payload))
    }

    /// Sends the active session an event at a time of day, besides its other timers of that name (POE: `alarm_add`,
    /// `alarm_set`).
    ///
    /// # Errors
    ///
    /// As for [`Kernel::alarm`].
    #[track_caller]
    pub fn alarm_set<P: 'static>(
        &self,
        event: impl EventFor<P>,
        time: SystemTime,
        payload: P,
    ) -> Result<TimerId, NoActiveSession> {
        self.set("alarm_set", event.name(), self.inner.clock.from_wall(time), payload)
    }

    /// Sends the active session an event after a time, in place of its timers of the same name (POE: `delay`).
    ///
    /// The delay is measured from this call. Putting off a timeout in this way costs little however often it is done.
    ///
    /// # Errors
    ///
    /// As for [`Kernel::alarm`].
    #[track_caller]
    pub fn delay<P: 'static>(
        &self,
        event: impl EventFor<P>,
        after: Duration,
        payload: P,
    ) -> Result<TimerId, NoActiveSession> {
        self.set_only("delay", event.name(), self.after(after), Stored::new(payload))
    }

    /// Sends the active session an event after a time, besides its other timers of that name (POE: `delay_add`,
    /// `delay_set`).
    ///
    /// # Errors
    ///
    /// As for [`Kernel::alarm`].
    #[track_caller]
    pub fn delay_set<P: 'static>(
        &self,
        event: impl EventFor<P>,
        after: Duration,
        payload: P,
    ) -> Result<TimerId, NoActiveSession> {
        self.set("delay_set", event.name(), self.after(after), payload)
    }

    /// Removes the active session's timers of a name, however they were set (POE: `alarm` or `delay` without a time).
    /// Events of that name already posted stay.
    #[track_caller]
    pub fn alarm_clear(&self, event: impl Into<Name>) -> Vec<Alarm> {
        self.is_misused("alarm_clear");
        let session = self.active_session();
        let removed = self.change_timers(|timers| timers.remove_named(session, event.into()));
        self.all_removed(removed)
    }

    /// Moves a timer of the active session by a length of time (POE: `alarm_adjust`); when it is due now.
    ///
    /// # Errors
    ///
    /// [`TimerError::Gone`] when it has fired or was removed, [`TimerError::NotYours`] when it is another session's.
    #[track_caller]
    pub fn alarm_adjust(&self, timer: TimerId, shift: Shift) -> Result<SystemTime, TimerError> {
        self.own_timer("alarm_adjust", timer)?;
        let due = self.inner.timers.borrow().due(timer).ok_or(TimerError::Gone(timer))?;
        let due = match shift {
            Shift::Later(by) => due.saturating_add(nanos(by)),
            Shift::Earlier(by) => due.saturating_sub(nanos(by)),
        };
        Ok(self.set_due(timer, due))
    }

    /// Makes a timer of the active session due a length of time from now (POE: `delay_adjust`); when that is.
    ///
    /// # Errors
    ///
    /// As for [`Kernel::alarm_adjust`].
    #[track_caller]
    pub fn delay_adjust(&self, timer: TimerId, after: Duration) -> Result<SystemTime, TimerError> {
        self.own_timer("delay_adjust", timer)?;
        Ok(self.set_due(timer, self.after(after)))
    }

    /// Removes a timer of the active session (POE: `alarm_remove`).
    ///
    /// # Errors
    ///
    /// As for [`Kernel::alarm_adjust`].
    #[track_caller]
    pub fn alarm_remove(&self, timer: TimerId) -> Result<Alarm, TimerError> {
        let session = self.active_session();
        // Not by `change_timers`, through which the timer would be moved once more.
        let mut timers = self.inner.timers.borrow_mut();
        if let Some((removed, due)) = timers.take_own(timer, session) {
            self.keep_next(&timers);
            drop(timers);
            return Ok(self.removed(removed, due, Location::caller()));
        }
        drop(timers);
        self.own_timer("alarm_remove", timer)?;
        Err(TimerError::Gone(timer))
    }

    /// Removes all timers of the active session, soonest first (POE: `alarm_remove_all`).
    #[track_caller]
    pub fn alarm_remove_all(&self) -> Vec<Alarm> {
        self.is_misused("alarm_remove_all");
        let session = self.active_session();
        let kept = Some(self.inner.names.timeout);
        let removed = self.change_timers(|timers| timers.remove_all_but(session, kept));
        self.all_removed(removed)
    }

    /// Calls `target` for a session after a time, instead of sending an event; what wheels are made of. The pending call
    /// keeps the session alive. [`TimerId::NONE`] when there is no such session.
    #[track_caller]
    pub fn call_later(
        &self,
        session: SessionId,
        after: Duration,
        target: Rc<dyn Timeout>,
    ) -> TimerId {
        let (event, caller) = (self.inner.names.timeout, Caller::new(self.place(), None));
        self.enter_timer(session, event, caller, self.after(after), target)
    }

    /// Takes a [`Kernel::call_later`] back. One that has been made already is no error.
    #[track_caller]
    pub fn cancel_call(&self, timer: TimerId) {
        if self.inner.timers.borrow().owner(timer).is_some() {
            let (timer, due) = self.change_timers(|timers| timers.take(timer.slot));
            drop(self.removed(timer, due, Location::caller()));
        }
    }

    /// When the next event is due: now if one is queued (POE: `get_next_event_time`).
    #[must_use]
    pub fn get_next_event_time(&self) -> Option<SystemTime> {
        self.purge();
        let posted = self.inner.queues().map(|(_, queue)| {
            let queue = queue.borrow();
            queue.front().map(|event| event.header.due)
        });
        let posted = posted.into_iter().flatten();
        let timed = self.inner.timers.borrow().next_due();
        posted.chain(timed).min().map(|due| self.inner.clock.to_wall(due))
    }

    /// Changes the timers, and keeps at hand when the next is due.
    #[inline]
    pub(crate) fn change_timers<R>(&self, change: impl FnOnce(&mut Timers) -> R) -> R {
        let mut timers = self.inner.timers.borrow_mut();
        let result = change(&mut timers);
        self.keep_next(&timers);
        result
    }

    /// Keeps at hand when the next timer is due, after each change. An urgent event goes before all of them.
    #[inline]
    fn keep_next(&self, timers: &Timers) {
        let due = timers.next_due().unwrap_or(Nanos::MAX);
        self.inner.next_timer.set(due.min(self.inner.prioritized.due()));
    }

    /// A delay of nothing is due with what is posted in this turn, so that both keep their order; any other is measured
    /// from the very moment.
    fn after(&self, after: Duration) -> Nanos {
        if after.is_zero() {
            self.inner.now.get()
        } else {
            self.inner.clock.read().saturating_add(nanos(after))
        }
    }

    #[track_caller]
    #[inline(always)]
    fn set<P: 'static>(
        &self,
        method: &'static str,
        event: Name,
        due: Nanos,
        payload: P,
    ) -> Result<TimerId, NoActiveSession> {
        let id = self.enter_timer(self.active_session(), event, self.caller(), due, payload);
        if id == TimerId::NONE { self.no_timer(method) } else { Ok(id) }
    }

    #[cold]
    #[track_caller]
    fn no_timer(&self, method: &'static str) -> Result<TimerId, NoActiveSession> {
        self.returned(method, Asserts::USAGE, Err(NoActiveSession(method)))
    }

    #[track_caller]
    fn set_only(
        &self,
        method: &'static str,
        event: Name,
        due: Nanos,
        payload: Stored,
    ) -> Result<TimerId, NoActiveSession> {
        let session = self.active_session();
        if !self.is_live(session) {
            return self.no_timer(method);
        }
        let caller = self.caller();
        let timer = Timer { session, event, caller, payload };
        let sequence = self.next_sequence();
        let replaced = self.change_timers(|timers| timers.replace_only(timer, due, sequence));
        match replaced {
            Ok((id, old)) => {
                if self.inner.observing.get() {
                    self.observe_removal(session, event, caller.location);
                    self.observe_timer(id, session, event, due, caller);
                }
                drop(old);
                Ok(id)
            }
            Err(timer) => {
                let removed = self.change_timers(|timers| timers.remove_named(session, event));
                let id =
                    self.enter_timer(session, event, caller, due, Payload::from(timer.payload));
                drop(self.all_removed(removed));
                Ok(id)
            }
        }
    }

    /// Enters a timer that holds its session; [`TimerId::NONE`] if there is no such session.
    #[inline(always)]
    fn enter_timer<P: 'static>(
        &self,
        session: SessionId,
        event: Name,
        caller: Caller,
        due: Nanos,
        payload: P,
    ) -> TimerId {
        let id = self.enter_empty_timer(session, event, caller, due);
        if id != TimerId::NONE {
            self.inner.timers.borrow_mut().carry(id, payload);
            if self.inner.observing.get() {
                self.observe_timer(id, session, event, due, caller);
            }
        }
        id
    }

    /// The part of it that is the same for all payloads.
    #[inline(never)]
    fn enter_empty_timer(
        &self,
        session: SessionId,
        event: Name,
        caller: Caller,
        due: Nanos,
    ) -> TimerId {
        if !self.inner.sessions.borrow_mut().hold(session, Hold::EventTo) {
            return TimerId::NONE;
        }
        let sequence = self.next_sequence();
        let id = self.inner.timers.borrow_mut().set(session, event, caller, due, sequence);
        self.inner.next_timer.set(due.min(self.inner.next_timer.get()));
        id
    }

    #[cold]
    fn observe_timer(
        &self,
        id: TimerId,
        session: SessionId,
        event: Name,
        due: Nanos,
        caller: Caller,
    ) {
        self.observe_name(session, event, caller);
        let at = caller.location;
        let after = self.inner.clock.until(due);
        trace!(
            self,
            EVENTS,
            session,
            at at,
            "timer {id} {event:?} of session {session} set, due in {after:?}"
        );
        trace!(self, REFCNT, session, at at, "+ timer {event:?} of session {session}");
    }

    #[cold]
    fn observe_removal(&self, session: SessionId, event: Name, at: &'static Location<'static>) {
        trace!(self, EVENTS, session, at at, "timer {event:?} of session {session} removed");
        self.observe_timer_gone(session, event, at);
    }

    /// Says that a timer holds its session no more.
    #[cold]
    pub(crate) fn observe_timer_gone(
        &self,
        session: SessionId,
        event: Name,
        at: &'static Location<'static>,
    ) {
        trace!(self, REFCNT, session, at at, "- timer {event:?} of session {session}");
    }

    fn set_due(&self, timer: TimerId, due: Nanos) -> SystemTime {
        let sequence = self.next_sequence();
        self.change_timers(|timers| timers.set_due(timer, due, sequence));
        self.inner.clock.to_wall(due)
    }

    #[track_caller]
    fn own_timer(&self, method: &'static str, timer: TimerId) -> Result<(), TimerError> {
        let owner = self.inner.timers.borrow().owner(timer);
        let owned = match owner {
            Some(owner) if owner == self.active_session() => return Ok(()),
            _ if self.active_session().is_kernel() => Err(NoActiveSession(method).into()),
            Some(owner) => Err(TimerError::NotYours { timer, owner }),
            None => Err(TimerError::Gone(timer)),
        };
        // One fault is enough.
        let fault = if self.is_misused(method) { Asserts::NONE } else { Asserts::RETVALS };
        self.returned(method, fault, owned)
    }

    #[track_caller]
    fn all_removed(&self, removed: Vec<(Timer, Nanos)>) -> Vec<Alarm> {
        let at = Location::caller();
        removed.into_iter().map(|(timer, due)| self.removed(timer, due, at)).collect()
    }

    /// Lets go of the session of a timer that was removed.
    #[inline(always)]
    fn removed(&self, timer: Timer, due: Nanos, at: &'static Location<'static>) -> Alarm {
        self.inner.sessions.borrow_mut().release(timer.session, Hold::EventTo);
        if self.inner.observing.get() {
            self.observe_removal(timer.session, timer.event, at);
        }
        let time = self.inner.clock.to_wall(due);
        Alarm { event: timer.event, time, payload: timer.payload.into() }
    }
}
