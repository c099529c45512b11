//! How often handles are looked at while events are queued.

use std::cell::Cell;
use std::time::Duration;

use crate::clock::{Clock, Nanos, nanos};

/// How long events are dispatched before handles are looked at again.
///
/// Looking costs a system call, which is much against a quick event and little against a slow one; so the number of
/// events between two looks at the clock is adapted to how long they take.
#[derive(Debug)]
pub(crate) struct Pace {
    /// When handles were last looked at.
    polled: Cell<Nanos>,
    /// How long it is until they are looked at again.
    span: Cell<Nanos>,
    /// Events dispatched since then, those of the batch not counted.
    events: Cell<u32>,
    /// How many events may be dispatched before the clock is next read.
    batch: Cell<u32>,
    /// How many of them are left.
    left: Cell<u32>,
    /// When it was last read.
    read: Cell<Nanos>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            polled: Cell::new(0),
            span: Cell::new(nanos(Self::SPAN)),
            events: Cell::new(0),
            batch: Cell::new(1),
            left: Cell::new(1),
            read: Cell::new(0),
        }
    }
}

impl Pace {
    const SPAN: Duration = Duration::from_micros(50);
    const MOST_EVENTS: u32 = 4096;
    /// Should quick events be followed by slow ones, handles wait for so many of those, once.
    const LARGEST_BATCH: u32 = 256;

    /// A run begins: what was posted before comes before what the handles bring, if that is not too much.
    pub(crate) fn begin(&self, clock: &Clock) {
        self.restart(clock.read());
        self.events.set(Self::LARGEST_BATCH - self.batch.get());
        self.left.set(Self::LARGEST_BATCH);
    }

    /// How many events may be dispatched before it is next asked whether it is time.
    #[inline]
    pub(crate) fn left(&self) -> u32 {
        self.left.get()
    }

    #[inline]
    pub(crate) fn count(&self, dispatched: u32) {
        self.left.set(self.left.get().saturating_sub(dispatched));
    }

    /// Whether it is time to look at the handles.
    #[inline]
    pub(crate) fn is_over(&self, clock: &Clock) -> bool {
        self.left.get() == 0 && self.end_batch(clock)
    }

    fn end_batch(&self, clock: &Clock) -> bool {
        let (batch, events) = (self.batch.get(), self.events.get() + self.batch.get());
        let (now, span) = (clock.read(), self.span.get());
        let late = now - self.polled.get() >= span;
        let batch = match now - self.read.replace(now) {
            // However few of them were slow, all that follow may be.
            took if took >= span => 1,
            took if took >= span / 2 => batch,
            _ => batch * 2,
        };
        let batch = batch.clamp(1, Self::LARGEST_BATCH);
        self.batch.set(batch);
        self.left.set(batch);
        self.events.set(events);
        late || events >= Self::MOST_EVENTS
    }

    /// Handles are being looked at.
    pub(crate) fn restart(&self, now: Nanos) {
        self.polled.set(now);
        self.read.set(now);
        self.span.set(nanos(Self::SPAN));
        self.events.set(0);
    }

    /// They have been looked at: events get as long.
    pub(crate) fn share(&self, clock: &Clock) {
        let now = clock.read();
        self.span.set(nanos(Self::SPAN).max(now - self.polled.get()));
        self.polled.set(now);
        self.read.set(now);
    }
}
