//! Running: turns of waiting, dispatching ready handles, and dispatching what is due.

use std::cell::Cell;
use std::rc::Weak;
use std::time::Duration;

use crate::trace::trace;
use crate::{Asserts, Kernel, KernelError, SessionId, Traces};

/// Something that keeps output back until the end of a turn, so that all of it goes out at once.
///
/// It runs with its session active, outside any handler, as a [`Watch`](crate::Watch) does, and a panic in it is a death
/// of the session, with the event `_flush`.
pub trait Flush {
    /// Writes what was kept back.
    fn flush(&self, kernel: &Kernel);
}

/// Who is to be flushed before the kernel next waits.
pub(crate) type Outputs = Vec<(SessionId, Weak<dyn Flush>)>;

impl Kernel {
    /// Runs until no session is left (POE: `run`). It may be called again, once there are new sessions.
    ///
    /// When nothing can happen any more (no event, timer, watched handle, awaited child or extra reference), the sessions that are left
    /// get the signal `IDLE`, and are stopped unless one handles it.
    ///
    /// # Errors
    ///
    /// [`KernelError::Died`] when a handler failed and no session handled its `DIE`: all sessions have been stopped. A
    /// handler that panicked so panics here. [`KernelError::EventLoop`] when the operating system fails the loop;
    /// the sessions are as they were. [`KernelError::AlreadyRunning`] when called by a handler.
    pub fn run(&self) -> Result<(), KernelError> {
        if !self.active_session().is_kernel() {
            return Err(KernelError::AlreadyRunning);
        }
        let _running = Running::begin(&self.inner.running)?;
        self.has_forked()?;
        self.inner.pace.begin(&self.inner.clock);
        while self.session_count() > 0 || self.inner.is_fatal.get() {
            self.turn(false)?;
        }
        self.end()
    }

    /// Runs one turn: waits for handles if nothing is due, dispatches those that are ready, then all that was due when
    /// the turn began (POE: `run_one_timeslice`). False when no session is left.
    ///
    /// # Errors
    ///
    /// As for [`Kernel::run`], but for `AlreadyRunning`: a handler may run single turns, through its `cx`. There, a death
    /// that ends the run is an error of each turn, and of the run in the end; sessions are stopped, and a panic goes on,
    /// once the handler has returned. A session whose handler is on the stack is not collected by them.
    /// [`KernelError::HeapHeld`] when a handler up the stack holds the heap of a session, which could then be sent nothing: no turn
    /// was made.
    pub fn run_one_timeslice(&self) -> Result<bool, KernelError> {
        self.refuse_held_heaps()?;
        self.slice()
    }

    fn slice(&self) -> Result<bool, KernelError> {
        if self.session_count() > 0 || self.inner.is_fatal.get() {
            self.turn(true)?;
            if self.session_count() == 0 && self.active_session().is_kernel() {
                self.end()?;
            }
        }
        Ok(self.session_count() > 0)
    }

    /// Runs turns while a condition holds and sessions are left (POE: `run_while`); what the condition last was.
    ///
    /// # Errors
    ///
    /// As for [`Kernel::run_one_timeslice`].
    pub fn run_while(&self, mut condition: impl FnMut() -> bool) -> Result<bool, KernelError> {
        self.refuse_held_heaps()?;
        while condition() {
            if !self.slice()? {
                return Ok(condition());
            }
        }
        Ok(false)
    }

    /// Has something of a session flushed before the kernel next waits; what wheels use to send a turn's output at once.
    pub fn flush_later(&self, session: SessionId, output: Weak<dyn Flush>) {
        self.inner.outputs.borrow_mut().push((session, output));
    }

    #[inline(never)]
    fn turn(&self, always_poll: bool) -> Result<(), KernelError> {
        let inner = &*self.inner;
        let (is_within, sequence) = (self.is_interrupted(), self.sequence());
        let is_polling = always_poll || self.is_time_to_poll();
        if is_polling {
            self.flush_outputs();
            if self.session_count() == 0 && !inner.is_fatal.get() {
                return Ok(());
            }
            if self.active_session().is_kernel() {
                self.test_idle();
            }
            self.poll()?;
            if is_within {
                self.share_with_pass(sequence);
            }
        }
        if inner.is_fatal.get() {
            // Nothing more is dispatched.
        } else if is_within || self.has_due() {
            let dispatched = self.pass((!always_poll).then(|| inner.pace.left()));
            inner.pace.count(dispatched);
            inner.dispatched.set(inner.dispatched.get() + u64::from(dispatched));
            if self.is_interrupted() {
                return Ok(());
            }
        } else if is_polling && !inner.prioritized.is_empty() {
            self.dispatch_low();
            inner.dispatched.set(inner.dispatched.get() + 1);
        }
        inner.turns.set(inner.turns.get() + 1);
        inner.unsettled.set(inner.is_fatal.get());
        self.collect();
        while inner.has_stale_events.get() {
            // What they held may have nothing else.
            self.purge();
            self.collect();
        }
        if inner.asserts.get().contains(Asserts::DATA) {
            self.verify();
        }
        if inner.is_fatal.get() { self.end_if_fatal() } else { Ok(()) }
    }

    /// Waits until a handle is ready or something is due, and calls the watchers of what is ready.
    #[inline(never)]
    fn poll(&self) -> Result<(), KernelError> {
        let mut ready = self.inner.ready.take();
        ready.clear();
        self.inner.handles.borrow().always_ready(&mut ready);
        let timeout = if ready.is_empty() { self.timeout() } else { Some(Duration::ZERO) };
        trace!(
            self,
            EVENTS,
            SessionId::KERNEL,
            "waits for handles{}",
            timeout.map_or_else(String::new, |time| format!(" for at most {time:?}"))
        );
        let result = self.tell_loop().and_then(|()| {
            let waited = self.inner.event_loop.borrow_mut().wait(&mut ready, timeout);
            waited.map_err(|source| KernelError::EventLoop { operation: "wait", source })
        });
        if result.is_ok() {
            self.advance_clock(ready.is_empty() && !self.has_arrivals());
            self.take_arrivals();
            self.dispatch_ready(&ready);
        }
        self.inner.ready.replace(ready);
        result
    }

    /// Tells the loop what has changed in the watches.
    pub(crate) fn tell_loop(&self) -> Result<(), KernelError> {
        let mut event_loop = self.inner.event_loop.borrow_mut();
        let told = self.inner.handles.borrow_mut().tell(&mut **event_loop);
        told.map_err(|source| KernelError::EventLoop { operation: "change a watch", source })
    }

    /// How long there is to wait: not at all while something is queued, else to the next timer.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        if self.has_posted()
            || !self.inner.outputs.borrow().is_empty()
            || self.inner.is_fatal.get()
            || self.has_arrivals()
            || self.is_interrupted()
            || (self.inner.never_waits.get() && self.active_session().is_kernel())
        {
            return Some(Duration::ZERO);
        }
        let Some(due) = self.inner.timers.borrow().next_due() else {
            // A handler that runs a turn of its own is something to come, and would wait for itself.
            let nested = !self.active_session().is_kernel();
            let idle = !self.is_waiting() && !self.expects_arrivals();
            return (nested && idle).then_some(Duration::ZERO);
        };
        if self.inner.clock.is_virtual() {
            return Some(Duration::ZERO);
        }
        let left = due.saturating_sub(self.inner.clock.read()).max(0);
        Some(Duration::from_nanos(left.unsigned_abs()))
    }

    /// Says how the run went, if anybody wants to know and it was not said already.
    fn report_end(&self) {
        let turns = self.inner.turns.get();
        if self.inner.reported.replace(turns) == turns {
            return;
        }
        if self.traces().contains(Traces::PROFILE)
            && let Some(profile) = self.profile()
        {
            let profile = profile.to_string();
            trace!(self, PROFILE, SessionId::KERNEL, "{}", profile.trim_end());
        }
        let dispatched = self.inner.dispatched.get();
        trace!(
            self,
            STATISTICS,
            SessionId::KERNEL,
            "{dispatched} events dispatched in {turns} turns, over {:.3?}",
            self.inner.clock.since(0)
        );
        if self.asserts().contains(Asserts::DATA) {
            self.report_leftovers();
        }
    }

    fn advance_clock(&self, nothing_ready: bool) {
        let clock = &self.inner.clock;
        if clock.is_virtual()
            && nothing_ready
            && !self.is_interrupted()
            && !self.has_posted()
            && let Some(due) = self.inner.timers.borrow().next_due()
        {
            clock.advance_to(due);
        }
        let now = clock.read();
        self.inner.now.set(now);
        self.inner.pace.restart(now);
    }

    pub(crate) fn flush_outputs(&self) {
        if self.inner.outputs.borrow().is_empty() {
            return;
        }
        let outputs = self.inner.outputs.take();
        for (session, output) in &outputs {
            if let Some(output) = output.upgrade() {
                self.run_part(*session, self.inner.names.flush, || output.flush(self));
            }
        }
        self.collect_between_passes();
        let mut outputs = outputs;
        outputs.clear();
        let mut list = self.inner.outputs.borrow_mut();
        if list.is_empty() {
            // Keeps the memory of the list for the next turn.
            *list = outputs;
        }
    }

    #[cold]
    #[inline(never)]
    /// Drops what is queued when no session is left for it, so that the next run begins with nothing: signals to all.
    pub(crate) fn forget_leftovers(&self) {
        if self.session_count() == 0 {
            self.drop_queues();
            self.inner.has_stale_events.set(false);
            self.inner.interrupted.set(None);
        }
    }

    fn end_if_fatal(&self) -> Result<(), KernelError> {
        if self.active_session() != SessionId::KERNEL {
            // Whoever waits in a handler is told that what it waits for may never come; the outermost turn ends the run.
            let death = self.inner.fatal.borrow().clone();
            return death.map_or(Ok(()), |death| Err(KernelError::Died(death)));
        }
        self.stop_all();
        self.end()
    }

    /// Ends a run that no session is left of: reports come first, then the death that ended it.
    pub(crate) fn end(&self) -> Result<(), KernelError> {
        self.forget_leftovers();
        self.report_end();
        if !self.inner.is_fatal.get() {
            return Ok(());
        }
        // Whoever was told of the end may have begun something.
        self.stop_all();
        self.forget_leftovers();
        self.take_fatal().map_or(Ok(()), |death| Err(KernelError::Died(death)))
    }
}

/// Marks the kernel as running for as long as it lives, panics included.
pub(crate) struct Running<'a>(&'a Cell<bool>);

impl<'a> Running<'a> {
    pub(crate) fn begin(running: &'a Cell<bool>) -> Result<Self, KernelError> {
        if running.replace(true) { Err(KernelError::AlreadyRunning) } else { Ok(Self(running)) }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
