//! Posted events: a ring, first come, first served.

use std::collections::VecDeque;

use crate::clock::Nanos;
use crate::{Caller, Name, Payload, SessionId};

/// What kind of thing lies in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An event for a handler.
    Post,
    /// A timer's event.
    Timer,
    /// A signal, to be walked through the tree below its destination.
    Signal,
    /// Keeps a new session alive until the queue has reached it; runs nothing.
    Newborn,
}

/// An event that waits to be dispatched.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) due: Nanos,
    pub(crate) sequence: u64,
    pub(crate) kind: Kind,
    pub(crate) to: SessionId,
    pub(crate) from: SessionId,
    pub(crate) event: Name,
    pub(crate) caller: Caller,
    pub(crate) payload: Payload,
}

/// The events posted and not yet dispatched.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    ring: VecDeque<Queued>,
}

impl Queue {
    pub(crate) fn push(&mut self, event: Queued) {
        self.ring.push_back(event);
    }

    pub(crate) fn front(&self) -> Option<&Queued> {
        self.ring.front()
    }

    pub(crate) fn pop(&mut self) -> Option<Queued> {
        self.ring.pop_front()
    }

    pub(crate) fn len(&self) -> usize {
        self.ring.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Queued> {
        self.ring.iter()
    }

    /// Takes out the events that `stale` says can no longer be delivered.
    pub(crate) fn purge(&mut self, mut stale: impl FnMut(&Queued) -> bool) -> Vec<Queued> {
        let mut removed = Vec::new();
        if self.ring.iter().any(&mut stale) {
            let kept = VecDeque::with_capacity(self.ring.len());
            for event in std::mem::replace(&mut self.ring, kept) {
                if stale(&event) { removed.push(event) } else { self.ring.push_back(event) }
            }
        }
        removed
    }

    /// Gives memory back after a burst.
    pub(crate) fn shrink(&mut self) {
        const KEEP: usize = 4096;
        if self.ring.is_empty() && self.ring.capacity() > KEEP {
            self.ring.shrink_to(KEEP);
        }
    }
}
