//! Passes that are interrupted to look at the handles, and go on afterwards as if they had not been.

use std::cell::Cell;

use crate::Kernel;
use crate::clock::Nanos;

/// What is left of a pass that was interrupted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interrupted {
    /// What is due by then,
    pub(crate) now: Nanos,
    /// and has a lesser number.
    pub(crate) end: u64,
    /// How many events are to be dispatched before handles are looked at again.
    pub(crate) owed: u64,
    /// How many urgent events were dispatched in it that were posted since it began.
    pub(crate) high: u32,
}

/// The pass that is interrupted, if one is.
pub(crate) type Interruption = Cell<Option<Interrupted>>;

impl Kernel {
    /// Whether a pass has been interrupted, and is to go on. It is no matter of turns that a handler runs meanwhile.
    #[inline]
    pub(crate) fn is_interrupted(&self) -> bool {
        self.inner.interrupted.get().is_some() && self.active_session().is_kernel()
    }

    /// Whether it is time to look at the handles: there is nothing else to do, or that has gone on for long enough.
    pub(crate) fn is_time_to_poll(&self) -> bool {
        let inner = &*self.inner;
        match inner.interrupted.get() {
            None => inner.queue.borrow().is_empty() || inner.pace.is_over(&inner.clock),
            Some(pass) => inner.pace.is_over(&inner.clock) && pass.owed == 0,
        }
    }

    /// Sees to it that handles which are looked at within a pass, and were told of since an event would have had this
    /// number, leave the pass its share: as long as they took, and two events for each that they posted. Otherwise who
    /// sends faster than events are dispatched would have the queue grow without end, a pass being ever longer than the
    /// last one.
    pub(crate) fn share_with_pass(&self, sequence: u64) {
        let inner = &*self.inner;
        if self.is_interrupted()
            && let Some(pass) = inner.interrupted.get()
        {
            let owed = (self.sequence() - sequence) * 2;
            inner.interrupted.set(Some(Interrupted { owed, ..pass }));
            inner.pace.share(&inner.clock);
        }
    }

    /// Collects, but for sessions that a pass has left which is to go on: those are stopped at its end.
    pub(crate) fn collect_between_passes(&self) {
        if !self.is_interrupted() {
            self.collect();
        }
    }
}
