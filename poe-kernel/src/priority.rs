//! Priorities of posted events: those that go ahead of all that is posted, and those that wait until nothing else is to do.

use std::cell::{Cell, RefCell};

use crate::clock::Nanos;
use crate::kernel::Inner;
use crate::queue::{Header, Kind, Queue};
use crate::trace::trace;
use crate::{Destination, Envelope, EventFor, Kernel, PostError, PostId, SessionId};

/// When a posted event comes among all that is queued. POE knows no priorities.
///
/// Those of one priority come in the order in which they were posted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Priority {
    /// Ahead of all that has another priority, in the pass that is going on. Timers that were due before keep their turn, and
    /// handles are looked at in between. Of those that are posted while a pass goes on, 4096 go ahead in it: who always posts so
    /// has other posts wait, and signals, which are posts, but not for ever.
    High,
    /// As [`Kernel::post`] has it: by due time, then first come, first served.
    #[default]
    Normal,
    /// When no event is queued, no timer is due, and handles have been looked at; one at a time. It never keeps another
    /// event, a timer or a handle waiting for longer than its own handler takes. What other frameworks call an idle event.
    Low,
}

/// The events of other priorities than most have.
#[derive(Debug)]
pub(crate) struct Prioritized {
    pub(crate) high: RefCell<Queue>,
    pub(crate) low: RefCell<Queue>,
    /// How many there are of both,
    count: Cell<usize>,
    /// with how many others beside them no more are posted,
    room: Cell<usize>,
    /// and by when the kernel has something to do because of urgent ones: `Nanos::MIN`, or `Nanos::MAX` for none.
    due: Cell<Nanos>,
}

impl Prioritized {
    pub(crate) fn new(max_events: usize) -> Self {
        Self {
            high: RefCell::default(),
            low: RefCell::default(),
            count: Cell::new(0),
            room: Cell::new(max_events),
            due: Cell::new(Nanos::MAX),
        }
    }

    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.room.get()
    }

    #[inline]
    pub(crate) fn due(&self) -> Nanos {
        self.due.get()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.count.get() == 0
    }

    /// Keeps the numbers at hand.
    fn changed(&self, max_events: usize) {
        let (high, low) = (self.high.borrow().len(), self.low.borrow().len());
        self.count.set(high + low);
        self.room.set(max_events.saturating_sub(high + low));
        self.due.set(if high == 0 { Nanos::MAX } else { Nanos::MIN });
    }
}

impl Inner {
    /// All events that were posted, in the order of their priorities.
    pub(crate) fn queues(&self) -> [(Priority, &RefCell<Queue>); 3] {
        let Prioritized { high, low, .. } = &self.prioritized;
        [(Priority::High, high), (Priority::Normal, &self.queue), (Priority::Low, low)]
    }
}

impl Kernel {
    /// As [`Kernel::post_set`], with a priority.
    ///
    /// ```
    /// # use std::cell::RefCell;
    /// # use std::rc::Rc;
    /// # use poe_kernel::{Delivery, Dispatch, Kernel, Outcome, Priority};
    /// # #[derive(Default)]
    /// # struct Log(RefCell<Vec<&'static str>>);
    /// # impl Dispatch for Log {
    /// #     fn dispatch(&self, delivery: Delivery<'_>) -> Outcome {
    /// #         if !delivery.event.as_str().starts_with('_') {
    /// #             self.0.borrow_mut().push(delivery.event.as_str());
    /// #         }
    /// #         Ok(())
    /// #     }
    /// # }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// # let log = Rc::new(Log::default());
    /// # let session = kernel.session_alloc(log.clone(), ())?;
    /// kernel.post_with(Priority::Low, session, "tidy up", ())?;
    /// kernel.post(session, "work", ())?;
    /// kernel.post_with(Priority::High, session, "cancel", ())?;
    /// kernel.run()?;
    /// # let events = log.0.take();
    /// assert_eq!(events, ["cancel", "work", "tidy up"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`Kernel::post`].
    #[track_caller]
    pub fn post_with<P: 'static>(
        &self,
        priority: Priority,
        destination: impl Destination,
        event: impl EventFor<P>,
        payload: P,
    ) -> Result<PostId, PostError> {
        self.post_named("post_with", priority, destination, event, payload)
    }

    /// Queues an event among those of its priority; false when its sender or its receiver is gone.
    pub(crate) fn enqueue_among<P: 'static>(
        &self,
        priority: Priority,
        envelope: Envelope,
        value: P,
    ) -> bool {
        let Envelope { session: to, sender: from, event, caller } = envelope;
        let queue = match priority {
            Priority::Normal => {
                return self.enqueue(Kind::Post, to, from, event, caller, value);
            }
            Priority::High => &self.inner.prioritized.high,
            Priority::Low => &self.inner.prioritized.low,
        };
        if !self.inner.sessions.borrow_mut().hold_event(to, from) {
            return false;
        }
        let (due, sequence) = (self.inner.now.get(), self.next_sequence());
        queue.borrow_mut().push(Header::new(sequence, envelope, due, Kind::Post), value);
        self.priorities_changed();
        if self.inner.observing.get() {
            self.observe_enqueued(Kind::Post, to, from, event, caller, sequence);
            trace!(self, EVENTS, to, at caller.location, "event {event:?} to session {to} has {priority:?} priority");
        }
        true
    }

    /// Keeps at hand what there is of events of other priorities, after each change: how many may still be posted beside them,
    /// and that there are urgent ones, as though a timer were due before all else.
    pub(crate) fn priorities_changed(&self) {
        self.inner.prioritized.changed(self.inner.max_events);
        self.change_timers(|_| ());
    }

    /// Whether no more events are to be posted.
    #[inline]
    pub(crate) fn is_queue_full(&self) -> bool {
        self.has_no_room() && self.has_no_room_when_purged()
    }

    #[inline]
    fn has_no_room(&self) -> bool {
        self.inner.queue.borrow().len() >= self.inner.prioritized.room()
    }

    /// What was taken back, or goes to or comes from a session that is gone, takes no room.
    #[cold]
    fn has_no_room_when_purged(&self) -> bool {
        self.purge();
        self.has_no_room()
    }

    /// Whether there is an event that is posted, of any priority.
    #[inline]
    pub(crate) fn has_posted(&self) -> bool {
        !self.inner.queue.borrow().is_empty() || !self.inner.prioritized.is_empty()
    }

    /// When the urgent event is due that is next, and its number. What was taken back is none, and nothing waits for it.
    pub(crate) fn next_high(&self) -> Option<(Nanos, u64)> {
        loop {
            let mut high = self.inner.prioritized.high.borrow_mut();
            let Header { session, due, sequence, .. } = high.front()?.header;
            if session != SessionId::NOBODY {
                return Some((due, sequence));
            }
            high.remove_front();
            drop(high);
            self.priorities_changed();
        }
    }

    /// Drops all that is queued.
    pub(crate) fn drop_queues(&self) {
        let queues = self.inner.queues().map(|(_, queue)| queue.take());
        self.priorities_changed();
        let headers = queues.iter().flat_map(Queue::iter).map(|event| event.header);
        for header in headers.filter(|header| header.session != SessionId::NOBODY) {
            self.observe_event_gone(&header.envelope());
        }
        drop(queues);
    }
}
