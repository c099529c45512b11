//! Passes: what was due when one began is dispatched, posted and timed merged.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use crate::carried::{Small, Stored};
use crate::clock::Nanos;
use crate::interrupted::Interrupted;
use crate::kernel::{Active, Inner};
use crate::queue::{Header, Kind, Queue};
use crate::send::run_caught;
use crate::sessions::table::Hold;
use crate::timers::table::{Timer, Timers};
use crate::{
    Caller, Carried, Delivery, Dispatch, Envelope, Kernel, Payload, ReplyTo, SessionId, Slot,
    Timeout,
};

/// What belongs to a pass, and how far it has come.
struct Pass {
    /// What is due by then,
    now: Nanos,
    /// and has a lesser number; of what is posted, up to where it is interrupted.
    limit: u64,
    /// What `limit` will be when it goes on; 0 if it is not interrupted.
    end: u64,
    /// There is no next pass for what has this number or a greater one.
    cut: u64,
    dispatched: u32,
    /// With so many events dispatched no timer is.
    most: u32,
    /// How many events are to be dispatched before handles are looked at.
    owed: u64,
    /// How many urgent events were dispatched that were posted since it began.
    high: u32,
}

impl Pass {
    /// With so many of those dispatched the others wait for the next one, so that who always posts more starves nobody.
    const MOST_HIGH: u32 = 4096;

    /// Whether an urgent event of this number goes ahead in it.
    fn has_ahead(&self, sequence: u64) -> bool {
        !self.is_since(sequence) || self.high < Self::MOST_HIGH
    }

    /// Whether what has this number was sent since it began.
    fn is_since(&self, sequence: u64) -> bool {
        sequence >= self.end()
    }

    /// What belongs to it has a lesser number, be it interrupted or not.
    fn end(&self) -> u64 {
        self.limit.max(self.end)
    }
}

impl Kernel {
    /// Whether there is anything for a pass to do.
    #[inline]
    pub(crate) fn has_due(&self) -> bool {
        let inner = &*self.inner;
        !inner.queue.borrow().is_empty() || inner.next_timer.get() <= inner.now.get()
    }

    /// Dispatches what is due now and was set before now. How many events that were.
    ///
    /// With a number of events that may be dispatched before it is to be asked whether to look at the handles, the pass is
    /// interrupted there; or if it has come to its end before that, and nothing else is to be seen to, it goes on with
    /// what was set meanwhile.
    pub(crate) fn pass(&self, most: Option<u32>) -> u32 {
        let inner = &*self.inner;
        let _outer = Outer::set_aside(inner);
        let mut pass = self.begin_pass(most);
        while self.dispatch_next(&mut pass) {
            pass.dispatched += 1;
            if inner.unsettled.get() {
                pass.cut = 0;
                if inner.is_fatal.get() {
                    pass.end = 0;
                    break;
                }
            }
        }
        if pass.limit < pass.end && self.is_left(&pass) {
            self.interrupt(&pass);
        } else if inner.next_timer.get() <= pass.now {
            // What was set for the past meanwhile waits for the next pass.
            self.change_timers(Timers::end_pass);
        }
        pass.dispatched
    }

    /// Dispatches the next event due in this pass, posted or timed: by due time, then first come, first served. When
    /// there is none, the pass may become the next one. False when nothing was dispatched.
    ///
    /// A posted event takes those behind it along that are of its session to itself.
    #[inline(always)]
    fn dispatch_next(&self, pass: &mut Pass) -> bool {
        if self.inner.next_timer.get() <= pass.now
            && let Some(dispatched) = self.dispatch_ahead(pass)
        {
            return dispatched;
        }
        let Some(queue) = self.next_posted(pass) else { return false };
        let Some(event) = queue.front() else { return false };
        let Header { session: to, sender: from, kind, .. } = event.header;
        if kind == Kind::Post
            && (from == to || from.is_kernel() || self.is_live(from))
            && !self.inner.observing.get()
        {
            self.dispatch_posted(pass, queue, to);
        } else {
            self.dispatch_other(queue);
        }
        true
    }

    /// The queue, if what is at its front belongs to this pass, or to the next one and that may begin.
    #[inline(always)]
    fn next_posted(&self, pass: &mut Pass) -> Option<RefMut<'_, Queue>> {
        // To borrow it alone takes fewer steps than to count who else does.
        let queue = self.inner.queue.borrow_mut();
        let sequence = queue.front()?.header.sequence;
        (sequence < pass.limit || self.begin_next(pass, sequence)).then_some(queue)
    }

    /// Makes a pass that has come to its end the next one, if nothing has to be done first.
    #[inline(always)]
    fn begin_next(&self, pass: &mut Pass, sequence: u64) -> bool {
        let (now, end) = (self.inner.now.get(), self.sequence());
        if end > pass.cut || self.inner.next_timer.get() <= now {
            return self.begin_last(pass, sequence);
        }
        (pass.now, pass.limit) = (now, end);
        true
    }

    /// The same where the next pass, if there is one, will be interrupted.
    #[cold]
    #[inline(never)]
    fn begin_last(&self, pass: &mut Pass, sequence: u64) -> bool {
        let now = self.inner.now.get();
        if sequence >= pass.cut || self.inner.next_timer.get() <= now {
            return false;
        }
        (pass.now, pass.limit, pass.end) = (now, pass.cut, self.sequence());
        true
    }

    /// Dispatches the event at the front of the queue, and those behind it for as long as they are small ones of the same
    /// session to itself and nothing is to be seen to: that takes fewer steps than one by one.
    #[inline(always)]
    fn dispatch_posted(&self, pass: &mut Pass, queue: RefMut<'_, Queue>, to: SessionId) {
        let sessions = self.inner.sessions.borrow_mut();
        let marks = sessions.marks();
        let body = sessions.body(to).cloned();
        drop(sessions);
        let Some(body) = body else { return self.dispatch_other(queue) };
        let before = self.inner.active.get();
        let burst = Burst { kernel: self, to, target: &*body, before };
        self.inner.dispatching.set(to);
        let caller = burst.dispatch(queue, marks);
        let mut envelope =
            Envelope { session: to, sender: to, event: self.inner.names.start, caller };
        while let Some(small) = self.next_own(pass, to, &mut envelope) {
            pass.dispatched += 1;
            // Whoever marks a session says that there is something to be seen to, so that there are no marks.
            burst.run(to, &envelope, Carried::small(small), || small.type_name(), 0);
        }
    }

    /// Takes the next event out of the queue if it is one of this pass, from a session to itself, and small.
    #[inline(always)]
    fn next_own(&self, pass: &mut Pass, to: SessionId, envelope: &mut Envelope) -> Option<Small> {
        if self.inner.unsettled.get() || self.inner.next_timer.get() <= pass.now {
            return None;
        }
        let mut queue = self.next_posted(pass)?;
        let event = queue.front()?;
        let Header { session, sender, event: name, location, state, kind, .. } = event.header;
        let Stored::Small(small) = event.payload else { return None };
        if session != to || sender != to || kind != Kind::Post {
            return None;
        }
        queue.remove_front();
        (envelope.event, envelope.caller) = (name, Caller { location, state });
        Some(small)
    }

    /// Dispatches what is at the front of the queue and is no event for a handler, or one that somebody looks at.
    #[inline(never)]
    fn dispatch_other(&self, mut queue: RefMut<'_, Queue>) {
        let event = queue.pop();
        let (header, payload) = (event.header, event.take_payload());
        drop(queue);
        self.dispatch_taken(&header, payload);
    }

    /// Dispatches what was taken out of a queue.
    fn dispatch_taken(&self, header: &Header, payload: Payload) {
        let (envelope, Header { kind, due, .. }) = (header.envelope(), *header);
        let Envelope { session: to, sender: from, event, caller } = envelope;
        if to == SessionId::NOBODY {
            // It was taken back, and told of then.
            return;
        }
        let marks = self.inner.sessions.borrow().marks();
        let is_sent = || from.is_kernel() || self.is_live(from);
        match kind {
            Kind::Signal if is_sent() => self.dispatch_signal(to, event, caller, payload),
            Kind::Post if is_sent() => payload.with(|slot| {
                if self.inner.observing.get() {
                    self.run_queued_observed(&envelope, due, slot);
                } else {
                    self.run_queued(&envelope, slot);
                }
            }),
            _ => {}
        }
        self.inner.sessions.borrow_mut().release_event(to, from, marks);
        if self.inner.observing.get() {
            self.observe_event_gone(&envelope);
        }
    }

    /// Dispatches what goes before all that is posted, if there is anything of the kind.
    #[cold]
    fn dispatch_ahead(&self, pass: &mut Pass) -> Option<bool> {
        if self.inner.next_timer.get() == Nanos::MIN
            && let Some(dispatched) = self.dispatch_high(pass)
        {
            return Some(dispatched);
        }
        let timer = self.next_timer(pass)?;
        self.dispatch_timer(timer);
        Some(true)
    }

    /// Dispatches the next urgent event, or a timer of this pass that was due before it; false if it is not to be dispatched
    /// now, and `None` if there is none that goes ahead.
    #[cold]
    #[inline(never)]
    fn dispatch_high(&self, pass: &mut Pass) -> Option<bool> {
        let next = self.next_high().filter(|&(_, sequence)| pass.has_ahead(sequence))?;
        let (now, end) = (pass.now, pass.end());
        let timed = self.change_timers(|timers| timers.peek_due(now, end));
        if pass.dispatched >= pass.most {
            (pass.limit, pass.end) = (0, end);
            return Some(false);
        }
        if let Some(timed) = timed.filter(|timed| (timed.due, timed.sequence) < next) {
            let timer = self.change_timers(Timers::pop)?;
            self.dispatch_timer((timer, timed.due));
        } else {
            pass.high += u32::from(pass.is_since(next.1));
            self.dispatch_front(&self.inner.prioritized.high);
        }
        Some(true)
    }

    /// Dispatches one event that waits until nothing else is to do.
    #[cold]
    pub(crate) fn dispatch_low(&self) {
        let _outer = Outer::set_aside(&self.inner);
        self.dispatch_front(&self.inner.prioritized.low);
    }

    /// Dispatches the first event of a queue of those that have not the usual priority.
    fn dispatch_front(&self, queue: &RefCell<Queue>) {
        let mut queue = queue.borrow_mut();
        if queue.is_empty() {
            return;
        }
        let event = queue.pop();
        let (header, payload) = (event.header, event.take_payload());
        drop(queue);
        self.priorities_changed();
        self.dispatch_taken(&header, payload);
    }

    /// Dispatches a timer that is due.
    fn dispatch_timer(&self, (timer, due): (Timer, Nanos)) {
        let Timer { session, event, caller, payload } = timer;
        let payload = Payload::from(payload);
        let marks = self.inner.sessions.borrow().marks();
        let release = || self.inner.sessions.borrow_mut().release_event(session, session, marks);
        if event == self.inner.names.timeout && payload.is::<Rc<dyn Timeout>>() {
            self.time_out(session, payload);
            release();
            if self.inner.observing.get() {
                self.observe_timer_gone(session, event, caller.location);
            }
        } else {
            let envelope = Envelope { session, sender: session, event, caller };
            payload.with(|slot| {
                if self.inner.observing.get() {
                    self.run_queued_observed(&envelope, due, slot);
                    self.observe_timer_gone(session, event, caller.location);
                } else {
                    self.run_queued(&envelope, slot);
                }
                release();
            });
        }
    }

    fn time_out(&self, session: SessionId, target: Payload) {
        if let Ok(target) = target.downcast::<Rc<dyn Timeout>>() {
            self.run_part(session, self.inner.names.timeout, || target.timed_out(self));
        }
    }

    /// Runs the handler of an event that was queued, whose hold keeps the session from being collected.
    fn run_queued(&self, envelope: &Envelope, payload: &mut dyn Slot) {
        let body = self.inner.sessions.borrow().body(envelope.session).cloned();
        let Some(body) = body else { return };
        let carried = &mut Carried::from(&mut *payload);
        if let Err(failure) = self.run_handler(&*body, envelope, carried, ReplyTo::nobody()) {
            self.die(envelope, payload.type_name(), *failure);
        }
    }

    /// Runs the handler of an event from the queue, and takes down what it costs.
    #[cold]
    fn run_queued_observed(&self, envelope: &Envelope, due: Nanos, payload: &mut dyn Slot) {
        let body = self.inner.sessions.borrow().body(envelope.session).cloned();
        let Some(body) = body else { return };
        let (carried, reply) = (&mut Carried::from(&mut *payload), ReplyTo::nobody());
        let result = self.run_observed(&*body, envelope, Some(due), carried, reply);
        if let Err(failure) = result {
            self.die(envelope, payload.type_name(), *failure);
        }
    }

    /// Whether the hold of the event that a session is handling has been handed on, so that it is not counted twice.
    pub(crate) fn is_handed_on(&self, session: SessionId) -> bool {
        self.inner.dispatching.get() == session && self.inner.spare_hold.get() != session
    }

    /// The next timer due in this pass, if it goes before all that is posted.
    #[inline(always)]
    fn next_timer(&self, pass: &mut Pass) -> Option<(Timer, Nanos)> {
        let (now, end) = (pass.now, pass.end());
        let timed = self.change_timers(|timers| timers.peek_due(now, end))?;
        let queue = self.inner.queue.borrow();
        if let Some(posted) = queue.front()
            && posted.header.sequence < end
            && (posted.header.due, posted.header.sequence) < (timed.due, timed.sequence)
        {
            return None;
        }
        if pass.dispatched >= pass.most {
            (pass.limit, pass.end) = (0, end);
            return None;
        }
        let timer = self.change_timers(Timers::pop)?;
        Some((timer, timed.due))
    }

    /// A pass, or what is left of the one that was interrupted.
    #[inline(always)]
    fn begin_pass(&self, most: Option<u32>) -> Pass {
        let inner = &*self.inner;
        let (now, limit) = (inner.now.get(), self.sequence());
        let mut pass =
            Pass { now, limit, end: 0, cut: 0, dispatched: 0, most: u32::MAX, owed: 0, high: 0 };
        if let Some(most) = most {
            pass.most = most.max(1);
            // As many as may be dispatched beside those that are there.
            let more = (pass.most as usize).checked_sub(inner.queue.borrow().len());
            pass.cut = more.map_or(0, |more| limit + more as u64);
        }
        if pass.cut == 0 || self.is_interrupted() {
            self.resume_pass(&mut pass);
        }
        pass
    }

    /// Takes up what is left of the pass that was interrupted, if one was, and has it interrupted in its turn.
    #[cold]
    #[inline(never)]
    fn resume_pass(&self, pass: &mut Pass) {
        if self.is_interrupted()
            && let Some(Interrupted { now, end, owed, high }) = self.inner.interrupted.take()
        {
            (pass.now, pass.limit, pass.cut) = (now, end, 0);
            (pass.owed, pass.high) = (owed, high);
        } else if self.inner.next_timer.get() <= pass.now {
            // To one in the middle of another, all that the other has put off is due.
            self.change_timers(Timers::end_pass);
        }
        let queue = self.inner.queue.borrow();
        let next = queue.front().map_or(u64::MAX, |event| event.header.sequence);
        let limit = next.saturating_add(u64::from(pass.most));
        if pass.most < u32::MAX && limit < pass.limit {
            (pass.limit, pass.end) = (limit, pass.limit);
        }
    }

    /// Whether something is left of a pass.
    #[cold]
    fn is_left(&self, pass: &Pass) -> bool {
        let is_timed =
            || self.change_timers(|timers| timers.peek_due(pass.now, pass.end).is_some());
        self.inner.queue.borrow().front().is_some_and(|event| event.header.sequence < pass.end)
            || self.next_high().is_some_and(|(_, sequence)| pass.has_ahead(sequence))
            || is_timed()
    }

    #[cold]
    fn interrupt(&self, &Pass { now, end, owed, high, dispatched, .. }: &Pass) {
        let owed = owed.saturating_sub(u64::from(dispatched));
        self.inner.interrupted.set(Some(Interrupted { now, end, owed, high }));
    }
}

/// Posted events dispatched to one session, one after the other. While one of them is handled its hold is spare: it keeps
/// the session from being collected, and an event that the session sends itself may take it over.
struct Burst<'a> {
    kernel: &'a Kernel,
    to: SessionId,
    target: &'a dyn Dispatch,
    /// Who is active before and after.
    before: Active,
}

impl Burst<'_> {
    /// Takes the event at the front of the queue and runs its handler.
    #[inline(always)]
    fn dispatch(&self, mut queue: RefMut<'_, Queue>, marks: usize) -> Caller {
        let event = queue.pop();
        let envelope = event.header.envelope();
        let from = envelope.sender;
        match event.payload {
            Stored::Small(small) => {
                drop(queue);
                self.run(from, &envelope, Carried::small(small), || small.type_name(), marks);
            }
            Stored::Text(text) => {
                drop(queue);
                let sent = || std::any::type_name::<&'static str>();
                self.run(from, &envelope, Carried::text(text), sent, marks);
            }
            Stored::Boxed(_) => {
                let stored = std::mem::take(&mut event.payload);
                drop(queue);
                if let Stored::Boxed(slot) = stored {
                    self.run_boxed(&envelope, slot, marks);
                }
            }
        }
        envelope.caller
    }

    #[inline(never)]
    fn run_boxed(&self, envelope: &Envelope, mut slot: Box<dyn Slot>, marks: usize) {
        let sent = (*slot).type_name();
        self.run(envelope.sender, envelope, Carried::from(&mut *slot), || sent, marks);
        // What the handler did not take is dropped outside of it.
        self.kernel.inner.active.set(self.before);
    }

    /// Runs the handler of an event and ends the event's hold on its sessions, as though that had ended before.
    #[inline(always)]
    fn run(
        &self,
        from: SessionId,
        envelope: &Envelope,
        payload: Carried<'_>,
        sent: impl FnOnce() -> &'static str,
        marks: usize,
    ) {
        let (kernel, to) = (self.kernel, self.to);
        let (was, active) =
            (kernel.inner.active.get(), Active { session: to, event: Some(envelope.event) });
        if was != active {
            // To look whether it is so already takes less than to write it.
            kernel.inner.active.set(active);
        }
        kernel.inner.spare_hold.set(to);
        let (mut payload, reply) = (payload, ReplyTo::nobody());
        let payload = &mut payload;
        let delivery = Delivery { kernel, envelope, payload, reply };
        if let Err(failure) = run_caught(self.target, delivery) {
            kernel.inner.active.set(self.before);
            kernel.die(envelope, sent(), *failure);
        }
        if from != to {
            kernel.inner.sessions.borrow_mut().release_sender(from, marks);
        }
        if kernel.inner.spare_hold.get() == to {
            kernel.inner.spare_hold.set(SessionId::NOBODY);
            kernel.inner.sessions.borrow_mut().release_receiver(to, marks);
        }
    }
}

impl Drop for Burst<'_> {
    fn drop(&mut self) {
        let inner = &*self.kernel.inner;
        inner.active.set(self.before);
        inner.dispatching.set(SessionId::KERNEL);
        inner.spare_hold.set(SessionId::NOBODY);
    }
}

/// The session whose handler runs a pass of its own. What it was handed on is dispatched by that, and yet it must not be
/// collected: its event has its own hold again.
struct Outer<'a> {
    inner: &'a Inner,
    session: SessionId,
}

impl<'a> Outer<'a> {
    #[inline]
    fn set_aside(inner: &'a Inner) -> Option<Self> {
        let session = inner.dispatching.replace(SessionId::KERNEL);
        (!session.is_kernel()).then(|| Self::keep(inner, session))
    }

    #[cold]
    fn keep(inner: &'a Inner, session: SessionId) -> Self {
        if inner.spare_hold.replace(SessionId::NOBODY) != session {
            inner.sessions.borrow_mut().hold(session, Hold::EventTo);
        }
        Self { inner, session }
    }
}

impl Drop for Outer<'_> {
    fn drop(&mut self) {
        let Self { inner, session } = *self;
        if inner.sessions.borrow().is_live(session) {
            inner.spare_hold.set(session);
        }
        inner.dispatching.set(session);
    }
}
