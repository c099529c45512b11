//! The timers: a slab of them, a heap of their due times, and groups of them by session and name.

use std::mem;

use super::callers::Callers;
use super::groups::Groups;
use super::heap::{GONE, Heap, Owner};
use crate::carried::Stored;
use crate::clock::Nanos;
use crate::{Caller, Name, SessionId, TimerId};

const NONE: u32 = u32::MAX;

/// Of a position: there are no more entries than slots, which are less.
const PARKED: u32 = GONE;

/// A pending timer's event.
#[derive(Debug)]
pub(crate) struct Timer {
    pub(crate) session: SessionId,
    pub(crate) event: Name,
    pub(crate) caller: Caller,
    pub(crate) payload: Stored,
}

/// What there is to say of a pending timer.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) id: TimerId,
    pub(crate) session: SessionId,
    pub(crate) event: Name,
    pub(crate) caller: Caller,
    pub(crate) payload: &'static str,
    pub(crate) due: Nanos,
    pub(crate) sequence: u64,
}

/// When a timer is due, and the tie-breaker among equals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) due: Nanos,
    pub(crate) sequence: u64,
}

/// Where the timer of a slot stands.
#[derive(Debug)]
struct Place {
    /// Where its entry lies in the heap, or with `PARKED` in that of those parked.
    position: u32,
    generation: u32,
    /// The group that it is in; `NONE` of a slot that is free, or will be once the heap has dropped its entry.
    group: u32,
    /// Who set it, by their number.
    caller: u32,
}

/// The places and numbers of all slots, which are what moves in the heap read and write.
#[derive(Debug)]
struct Places {
    places: Vec<Place>,
    sequences: Vec<u64>,
    /// The free slots; apart, so that nothing is fetched to note one more.
    free: Vec<u32>,
}

impl Places {
    #[inline]
    fn get(&self, slot: u32) -> &Place {
        &self.places[slot as usize]
    }

    #[inline]
    fn get_mut(&mut self, slot: u32) -> &mut Place {
        &mut self.places[slot as usize]
    }

    fn is_pending(&self, id: TimerId) -> bool {
        self.places.get(id.slot as usize).is_some_and(|place| place.generation == id.generation)
    }

    #[inline]
    fn is_in(&self, slot: u32, group: u32) -> bool {
        self.get(slot).group == group
    }
}

impl Owner for Places {
    #[inline]
    fn sequence(&self, slot: u32) -> u64 {
        self.sequences[slot as usize]
    }

    #[inline]
    fn moved(&mut self, slot: u32, position: u32) {
        self.get_mut(slot).position = position;
    }

    #[inline]
    fn dropped(&mut self, slot: u32) {
        self.free.push(slot);
    }
}

/// The places, for the heap of those parked.
struct Parked<'a>(&'a mut Places);

impl Owner for Parked<'_> {
    fn sequence(&self, slot: u32) -> u64 {
        self.0.sequence(slot)
    }

    fn moved(&mut self, slot: u32, position: u32) {
        self.0.moved(slot, position | PARKED);
    }

    fn dropped(&mut self, slot: u32) {
        self.0.dropped(slot);
    }
}

/// All pending timers of a kernel.
///
/// A million of them are random places in memory, and each that is touched has to be waited for. So what is looked at
/// together lies together, apart from what is not, and no timer has links to others. And it is little: to have the memory
/// for the first time costs more than all that is done with it.
#[derive(Debug)]
pub(crate) struct Timers {
    places: Places,
    /// What each timer's event carries; nothing of a free slot.
    payloads: Vec<Stored>,
    heap: Heap,
    /// Set for a moment already past while a pass was on: they wait outside the heap for the next pass.
    parked: Heap,
    groups: Groups,
    callers: Callers,
    /// The generation of what is first in its slot, which is far from that of other kernels.
    first_generation: u32,
}

impl Timers {
    pub(crate) fn of_kernel(sequence: u32) -> Self {
        Self {
            places: Places { places: Vec::new(), sequences: Vec::new(), free: Vec::new() },
            payloads: Vec::new(),
            heap: Heap::default(),
            parked: Heap::default(),
            groups: Groups::default(),
            callers: Callers::default(),
            first_generation: sequence.reverse_bits(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len() + self.parked.len()
    }

    /// The earliest due time.
    #[inline]
    pub(crate) fn next_due(&self) -> Option<Nanos> {
        let (heaped, parked) = (self.heap.peek(), self.parked.peek());
        heaped.into_iter().chain(parked).map(|(due, _)| due).min()
    }

    /// Enters a timer, which carries nothing yet.
    #[inline(always)]
    pub(crate) fn set(
        &mut self,
        session: SessionId,
        event: Name,
        caller: Caller,
        due: Nanos,
        sequence: u64,
    ) -> TimerId {
        let group = self.groups.find_or_add(session, event);
        let caller = self.callers.number(caller);
        let id = self.allocate(group, caller, sequence);
        self.groups.add(group, id.slot);
        self.heap.push(due, id.slot, &mut self.places);
        id
    }

    /// Gives a timer that carries nothing what its event is to carry.
    #[inline(always)]
    pub(crate) fn carry<P: 'static>(&mut self, id: TimerId, payload: P) {
        // It is written where it lies, as to move it costs more; there is nothing to drop.
        mem::forget(mem::replace(&mut self.payloads[id.slot as usize], Stored::new(payload)));
    }

    /// Replaces the only timer of its name, if there is just one; the common case of an idle timeout put off again.
    ///
    /// # Errors
    ///
    /// The timer, when there is no timer of that name or more than one.
    pub(crate) fn replace_only(
        &mut self,
        timer: Timer,
        due: Nanos,
        sequence: u64,
    ) -> Result<(TimerId, Stored), Timer> {
        let Some(group) = self.groups.find(timer.session, timer.event) else { return Err(timer) };
        let Some(slot) = self.groups.only(group, |slot| self.places.is_in(slot, group)) else {
            return Err(timer);
        };
        let place = self.places.get_mut(slot);
        place.generation = place.generation.wrapping_add(1);
        place.caller = self.callers.number(timer.caller);
        let id = TimerId { slot, generation: place.generation };
        self.places.sequences[slot as usize] = sequence;
        let old = mem::replace(&mut self.payloads[slot as usize], timer.payload);
        self.change(slot, due);
        Ok((id, old))
    }

    /// The timer's session, if the timer is pending.
    pub(crate) fn owner(&self, id: TimerId) -> Option<SessionId> {
        let place = self.places.places.get(id.slot as usize)?;
        (place.generation == id.generation).then(|| self.groups.session(place.group))
    }

    pub(crate) fn due(&self, id: TimerId) -> Option<Nanos> {
        self.places.is_pending(id).then(|| self.due_of(id.slot))
    }

    /// Moves a pending timer to another due time; behind its new equals, unless the time is the one it has.
    pub(crate) fn set_due(&mut self, id: TimerId, due: Nanos, sequence: u64) {
        if self.due_of(id.slot) == due {
            return;
        }
        self.places.sequences[id.slot as usize] = sequence;
        self.change(id.slot, due);
    }

    /// Removes all timers of that name and session, soonest first.
    pub(crate) fn remove_named(&mut self, session: SessionId, event: Name) -> Vec<(Timer, Nanos)> {
        match self.groups.find(session, event) {
            Some(group) => self.take_all(self.pending(group).collect()),
            None => Vec::new(),
        }
    }

    /// Removes all timers of a session, soonest first. Those a session left behind go when it stops, so that the next
    /// one in its slot finds none.
    pub(crate) fn remove_all(&mut self, session: SessionId) -> Vec<(Timer, Nanos)> {
        self.remove_all_but(session, None)
    }

    /// Removes all timers of a session but those of one name, soonest first.
    pub(crate) fn remove_all_but(
        &mut self,
        session: SessionId,
        kept: Option<Name>,
    ) -> Vec<(Timer, Nanos)> {
        let groups = self.groups.of_session(session);
        let taken = groups.filter(|&group| Some(self.groups.event(group)) != kept);
        self.take_all(taken.flat_map(|group| self.pending(group)).collect())
    }

    /// The key of the next timer due by `now` and set before `limit`.
    #[inline(always)]
    pub(crate) fn peek_due(&mut self, now: Nanos, limit: u64) -> Option<Key> {
        loop {
            let (due, slot) = self.heap.peek()?;
            if due > now {
                return None;
            }
            let sequence = self.places.sequence(slot);
            if sequence < limit {
                return Some(Key { due, sequence });
            }
            self.heap.remove(0, &mut self.places);
            self.parked.push(due, slot, &mut Parked(&mut self.places));
        }
    }

    /// Takes the timer that `peek_due` found.
    pub(crate) fn pop(&mut self) -> Option<Timer> {
        let (_, slot) = self.heap.peek()?;
        let (timer, _) = self.take(slot);
        Some(timer)
    }

    /// Ends a pass: what was set for the past during it can be due in the next.
    pub(crate) fn end_pass(&mut self) {
        for (due, slot) in self.parked.take_all(&mut self.places) {
            self.heap.push(due, slot, &mut self.places);
        }
    }

    /// All pending timers, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Pending> {
        let pending = self.places.places.iter().zip(&self.payloads).enumerate();
        pending.filter(|(_, (place, _))| place.group != NONE).map(|(slot, (place, payload))| {
            let slot = slot as u32;
            Pending {
                id: TimerId { slot, generation: place.generation },
                session: self.groups.session(place.group),
                event: self.groups.event(place.group),
                caller: self.callers.get(place.caller),
                payload: payload.type_name(),
                due: self.due_of(slot),
                sequence: self.places.sequence(slot),
            }
        })
    }

    /// The bytes that the table takes.
    pub(crate) fn memory(&self) -> usize {
        self.payloads.capacity() * size_of::<Stored>()
            + self.places.places.capacity() * size_of::<Place>()
            + self.places.sequences.capacity() * size_of::<u64>()
            + self.places.free.capacity() * size_of::<u32>()
            + self.heap.memory()
            + self.parked.memory()
    }

    fn pending(&self, group: u32) -> impl Iterator<Item = u32> {
        let members = self.groups.members(group).iter().copied();
        members.filter(move |&slot| self.places.is_in(slot, group))
    }

    fn due_of(&self, slot: u32) -> Nanos {
        match self.places.get(slot).position {
            position if position & PARKED != 0 => self.parked.due(position & !PARKED),
            position => self.heap.due(position),
        }
    }

    fn change(&mut self, slot: u32, due: Nanos) {
        match self.places.get(slot).position {
            position if position & PARKED != 0 => {
                // The new time may be one that this pass does not come to.
                self.parked.remove(position & !PARKED, &mut Parked(&mut self.places));
                self.heap.push(due, slot, &mut self.places);
            }
            position => self.heap.change(position, slot, due, &mut self.places),
        }
    }

    fn take_all(&mut self, mut slots: Vec<u32>) -> Vec<(Timer, Nanos)> {
        slots.sort_by_key(|&slot| (self.due_of(slot), self.places.sequence(slot)));
        slots.dedup();
        slots.into_iter().map(|slot| self.take(slot)).collect()
    }

    /// Removes a timer, if it is pending and of that session.
    #[inline(always)]
    pub(crate) fn take_own(&mut self, id: TimerId, session: SessionId) -> Option<(Timer, Nanos)> {
        if self.owner(id) == Some(session) { Some(self.take(id.slot)) } else { None }
    }

    /// Removes a pending timer.
    #[inline(always)]
    pub(crate) fn take(&mut self, slot: u32) -> (Timer, Nanos) {
        // Taken first, so that the processor fetches it while it waits for the place, and then for the heap.
        let payload = mem::take(&mut self.payloads[slot as usize]);
        let place = self.places.get_mut(slot);
        let position = place.position;
        place.generation = place.generation.wrapping_add(1);
        let group = mem::replace(&mut place.group, NONE);
        let caller = self.callers.get(place.caller);
        let due = match position {
            position if position & PARKED != 0 => {
                self.parked.give_up(position & !PARKED, &mut Parked(&mut self.places))
            }
            position => self.heap.give_up(position, &mut self.places),
        };
        let (session, event) = (self.groups.session(group), self.groups.event(group));
        self.groups.remove_one(group, |slot| self.places.is_in(slot, group));
        (Timer { session, event, caller, payload }, due)
    }

    #[inline(always)]
    fn allocate(&mut self, group: u32, caller: u32, sequence: u64) -> TimerId {
        let Some(slot) = self.places.free.pop() else {
            let slot = u32::try_from(self.payloads.len()).unwrap_or(GONE);
            assert!(slot < GONE, "a kernel has less than 2^31 timers");
            self.payloads.push(Stored::default());
            let generation = self.first_generation;
            self.places.places.push(Place { position: NONE, generation, group, caller });
            self.places.sequences.push(sequence);
            return TimerId { slot, generation };
        };
        self.places.sequences[slot as usize] = sequence;
        let place = self.places.get_mut(slot);
        (place.group, place.caller) = (group, caller);
        TimerId { slot, generation: place.generation }
    }
}
