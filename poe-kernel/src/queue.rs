//! Posted events: a ring, first come, first served.

use std::cmp::Ordering;
use std::panic::Location;

use crate::carried::Stored;
use crate::clock::Nanos;
use crate::{Caller, Envelope, Name, Payload, QueuedKind, SessionId};

/// What kind of thing lies in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An event for a handler.
    Post,
    /// A signal, to be walked through the tree below its destination.
    Signal,
    /// Keeps a new session alive until the queue has reached it; runs nothing.
    Newborn,
}

impl From<Kind> for QueuedKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Post => Self::Post,
            Kind::Signal => Self::Signal,
            Kind::Newborn => Self::Newborn,
        }
    }
}

/// An event that waits to be dispatched.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) header: Header,
    pub(crate) payload: Stored,
}

impl Queued {
    /// Moves the payload out.
    pub(crate) fn take_payload(&mut self) -> Payload {
        std::mem::take(&mut self.payload).into()
    }
}

/// What the queue knows of an event besides its payload.
///
/// No two words that lie beside each other here do so elsewhere. They would be copied as one from or to where they are
/// written or read one by one at about the same time, and for that a processor waits.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) sequence: u64,
    pub(crate) event: Name,
    pub(crate) session: SessionId,
    pub(crate) location: &'static Location<'static>,
    pub(crate) sender: SessionId,
    pub(crate) state: Option<Name>,
    pub(crate) due: Nanos,
    pub(crate) kind: Kind,
}

impl Header {
    #[inline(always)]
    pub(crate) fn new(sequence: u64, envelope: Envelope, due: Nanos, kind: Kind) -> Self {
        let Envelope { session, sender, event, caller: Caller { location, state } } = envelope;
        Self { sequence, event, session, location, sender, state, due, kind }
    }

    #[inline(always)]
    pub(crate) fn envelope(&self) -> Envelope {
        let &Self { event, session, location, sender, state, .. } = self;
        Envelope { session, sender, event, caller: Caller { location, state } }
    }
}

/// The events posted and not yet dispatched.
///
/// A ring of our own, because events are written to and read from where they lie: to move one around costs more than
/// all else that is done to it.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// A power of two of places, or none. One that is vacant holds some old event, without its payload if that was
    /// boxed.
    places: Vec<Queued>,
    /// How many events have left the ring, and how many have come: the last digits of both are places.
    left: usize,
    come: usize,
}

impl Queue {
    /// Enters an event.
    #[inline(always)]
    pub(crate) fn push<P: 'static>(&mut self, header: Header, value: P) {
        if !self.has_room() {
            self.grow(header);
        }
        self.push_within(header, value);
    }

    /// Whether one more event can be entered without taking memory for it.
    #[inline(always)]
    pub(crate) fn has_room(&self) -> bool {
        self.len() != self.places.len()
    }

    /// Enters an event for which there is room.
    #[inline(always)]
    pub(crate) fn push_within<P: 'static>(&mut self, header: Header, value: P) {
        let place = self.place(self.come);
        self.come = self.come.wrapping_add(1);
        if let Some(place) = self.places.get_mut(place) {
            place.header = header;
            // A vacant place owns nothing, so that there is nothing to drop.
            std::mem::forget(std::mem::replace(&mut place.payload, Stored::new(value)));
        }
    }

    #[inline(always)]
    pub(crate) fn front(&self) -> Option<&Queued> {
        if self.is_empty() { None } else { self.places.get(self.place(self.left)) }
    }

    /// The event that was at the front, now removed: its payload is to be taken out of it before the next push.
    #[inline(always)]
    pub(crate) fn pop(&mut self) -> &mut Queued {
        let place = self.place(self.left);
        self.remove_front();
        &mut self.places[place]
    }

    /// Removes the event at the front, whose payload is in no box.
    #[inline(always)]
    pub(crate) fn remove_front(&mut self) {
        self.left = self.left.wrapping_add(1);
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.come.wrapping_sub(self.left)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.come == self.left
    }

    /// The bytes that the ring takes.
    pub(crate) fn memory(&self) -> usize {
        self.places.capacity() * size_of::<Queued>()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Queued> {
        (0..self.len()).map(|index| &self.places[self.place(self.left.wrapping_add(index))])
    }

    /// The event of this number, if it is there.
    pub(crate) fn find(&mut self, sequence: u64) -> Option<&mut Queued> {
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let middle = from.midpoint(to);
            let place = self.place(self.left.wrapping_add(middle));
            match self.places[place].header.sequence.cmp(&sequence) {
                Ordering::Less => from = middle + 1,
                Ordering::Greater => to = middle,
                Ordering::Equal => return self.places.get_mut(place),
            }
        }
        None
    }

    /// Takes out the events that `stale` says can no longer be delivered.
    pub(crate) fn purge(&mut self, mut stale: impl FnMut(&Header) -> bool) -> Vec<Queued> {
        if !self.iter().any(|event| stale(&event.header)) {
            return Vec::new();
        }
        self.straighten();
        let events = std::mem::take(self);
        let len = events.len();
        let events = events.places.into_iter().take(len);
        let (removed, kept): (Vec<_>, Vec<_>) = events.partition(|event| stale(&event.header));
        for event in kept {
            self.push(event.header, Payload::from(event.payload));
        }
        removed
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, header: Header) {
        const FEWEST: usize = 16;
        self.straighten();
        let places = (self.places.len() * 2).max(FEWEST);
        self.places.resize_with(places, || Queued { header, payload: Stored::default() });
    }

    /// Moves the events to the beginning of the ring.
    fn straighten(&mut self) {
        let first = if self.places.is_empty() { 0 } else { self.place(self.left) };
        self.places.rotate_left(first);
        (self.left, self.come) = (0, self.len());
    }

    #[inline(always)]
    fn place(&self, number: usize) -> usize {
        number & self.places.len().wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &mut Queue, number: u64) {
        let (session, event) = (SessionId::KERNEL, Name::new("queue-test"));
        let caller = Caller::new(Location::caller(), None);
        let envelope = Envelope { session, sender: session, event, caller };
        let header = Header::new(number, envelope, 0, Kind::Post);
        queue.push(header, number.to_string());
    }

    fn pop(queue: &mut Queue) -> (u64, String) {
        let event = queue.pop();
        let payload = std::mem::take(&mut event.payload);
        (event.header.sequence, Payload::from(payload).downcast().unwrap())
    }

    #[test]
    fn events_come_out_in_order_however_often_the_ring_turns_and_grows() {
        let mut queue = Queue::default();
        let (mut pushed, mut popped) = (0, 0);
        for round in 0..50 {
            for _ in 0..round {
                push(&mut queue, pushed);
                pushed += 1;
            }
            for _ in 0..round / 2 + 1 {
                if queue.is_empty() {
                    break;
                }
                assert_eq!(queue.front().map(|event| event.header.sequence), Some(popped));
                assert_eq!(pop(&mut queue), (popped, popped.to_string()));
                popped += 1;
            }
            assert_eq!(queue.len() as u64, pushed - popped);
        }
    }

    #[test]
    fn a_purge_keeps_the_rest_in_order() {
        let mut queue = Queue::default();
        for number in 0..12 {
            push(&mut queue, number);
        }
        for _ in 0..10 {
            pop(&mut queue);
        }
        for number in 12..24 {
            push(&mut queue, number);
        }
        assert!(queue.purge(|_| false).is_empty());
        let removed = queue.purge(|header| header.sequence % 3 == 0);
        let removed: Vec<u64> = removed.iter().map(|event| event.header.sequence).collect();
        assert_eq!(removed, [12, 15, 18, 21]);
        let kept: Vec<u64> = queue.iter().map(|event| event.header.sequence).collect();
        assert_eq!(kept, [10, 11, 13, 14, 16, 17, 19, 20, 22, 23]);
        assert_eq!(pop(&mut queue), (10, String::from("10")));
    }
}
