//! The timers: a slab of them, a heap of their due times, and lists of them by session and by name.

use super::heap::{Heap, Key};
use crate::clock::Nanos;
use crate::hash::IdMap;
use crate::{Caller, Name, Payload, SessionId, TimerId};

const NONE: u32 = u32::MAX;

/// A pending timer's event.
#[derive(Debug)]
pub(crate) struct Timer {
    pub(crate) session: SessionId,
    pub(crate) event: Name,
    pub(crate) caller: Caller,
    pub(crate) payload: Payload,
}

#[derive(Debug)]
struct Cell {
    timer: Option<Timer>,
    generation: u32,
    next_free: u32,
    of_session: Links,
    of_name: Links,
}

#[derive(Clone, Copy, Debug)]
struct Links {
    previous: u32,
    next: u32,
}

const UNLINKED: Links = Links { previous: NONE, next: NONE };

/// All pending timers of a kernel.
#[derive(Debug)]
pub(crate) struct Timers {
    cells: Vec<Cell>,
    /// Where each cell's key lies in the heap. Apart from the cells, because moving keys writes here all the time.
    positions: Vec<u32>,
    free: u32,
    heap: Heap,
    /// Set for a moment already past while a pass was on: they wait outside the heap for the next pass.
    parked: Vec<(u32, Key)>,
    by_session: Vec<u32>,
    by_name: IdMap<(SessionId, Name), u32>,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            cells: Vec::new(),
            positions: Vec::new(),
            free: NONE,
            heap: Heap::default(),
            parked: Vec::new(),
            by_session: Vec::new(),
            by_name: IdMap::default(),
        }
    }
}

impl Timers {
    pub(crate) fn len(&self) -> usize {
        self.heap.len() + self.parked.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The earliest due time.
    pub(crate) fn next_due(&self) -> Option<Nanos> {
        let parked = self.parked.iter().map(|(_, key)| key.due).min();
        let heaped = self.heap.peek().map(|(key, _)| key.due);
        parked.into_iter().chain(heaped).min()
    }

    pub(crate) fn set(&mut self, timer: Timer, due: Nanos, sequence: u64) -> TimerId {
        let (session, event) = (timer.session, timer.event);
        let slot = self.allocate(timer);
        self.heap_push(Key { due, sequence }, slot);
        self.link(slot, session, event);
        TimerId { slot, generation: self.cells[slot as usize].generation }
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
    ) -> Result<(TimerId, Timer), Timer> {
        let Some(&slot) = self.by_name.get(&(timer.session, timer.event)) else {
            return Err(timer);
        };
        let position = self.positions[slot as usize];
        let cell = &mut self.cells[slot as usize];
        if position == NONE || cell.of_name.next != NONE {
            return Err(timer);
        }
        cell.generation = cell.generation.wrapping_add(1);
        let id = TimerId { slot, generation: cell.generation };
        let Some(old) = cell.timer.replace(timer) else { unreachable!("a listed timer is there") };
        self.heap_change(position, Key { due, sequence });
        Ok((id, old))
    }

    /// The timer's session, if the timer is pending.
    pub(crate) fn owner(&self, id: TimerId) -> Option<SessionId> {
        let cell = self.cells.get(id.slot as usize)?;
        if cell.generation != id.generation {
            return None;
        }
        cell.timer.as_ref().map(|timer| timer.session)
    }

    pub(crate) fn due(&self, id: TimerId) -> Option<Nanos> {
        self.owner(id).map(|_| self.key(id.slot).due)
    }

    /// Moves a pending timer to another due time; behind its new equals, unless the time is the one it has.
    pub(crate) fn set_due(&mut self, id: TimerId, due: Nanos, sequence: u64) {
        let key = Key { due, sequence };
        let position = self.positions[id.slot as usize];
        if position != NONE {
            if self.heap.key(position).due != due {
                self.heap_change(position, key);
            }
        } else if let Some((_, parked)) = self.parked.iter_mut().find(|(slot, _)| *slot == id.slot)
            && parked.due != due
        {
            *parked = key;
        }
    }

    pub(crate) fn remove(&mut self, id: TimerId) -> Option<(Timer, Nanos)> {
        self.owner(id)?;
        Some(self.take(id.slot))
    }

    /// Removes all timers of that name and session, soonest first.
    pub(crate) fn remove_named(&mut self, session: SessionId, event: Name) -> Vec<(Timer, Nanos)> {
        match self.by_name.get(&(session, event)) {
            Some(&head) => self.take_all(self.list(head, |cell| cell.of_name.next)),
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
        let Some(&head) = self.by_session.get(session.slot()) else { return Vec::new() };
        let mut slots = self.list(head, |cell| cell.of_session.next);
        slots.retain(|&slot| {
            let event = self.cells[slot as usize].timer.as_ref().map(|timer| timer.event);
            kept.is_none() || event != kept
        });
        self.take_all(slots)
    }

    /// The key of the next timer due by `now` and set before `limit`.
    pub(crate) fn peek_due(&mut self, now: Nanos, limit: u64) -> Option<Key> {
        loop {
            let (key, slot) = self.heap.peek()?;
            if key.due > now {
                return None;
            }
            if key.sequence < limit {
                return Some(key);
            }
            self.heap_remove(0);
            self.parked.push((slot, key));
        }
    }

    /// Takes the timer that `peek_due` found.
    pub(crate) fn pop(&mut self) -> Option<(Timer, Key)> {
        let (key, slot) = self.heap.peek()?;
        let (timer, _) = self.take(slot);
        Some((timer, key))
    }

    /// Ends a pass: what was set for the past during it can be due in the next.
    pub(crate) fn end_pass(&mut self) {
        for (slot, key) in std::mem::take(&mut self.parked) {
            self.heap_push(key, slot);
        }
    }

    /// All pending timers, in no order, with their due times.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Timer, Nanos)> {
        let pending = self.cells.iter().enumerate();
        pending.filter_map(|(slot, cell)| Some((cell.timer.as_ref()?, self.key(slot as u32).due)))
    }

    fn key(&self, slot: u32) -> Key {
        match self.positions[slot as usize] {
            NONE => match self.parked.iter().find(|(parked, _)| *parked == slot) {
                Some((_, key)) => *key,
                None => unreachable!("a pending timer is in the heap or parked"),
            },
            position => self.heap.key(position),
        }
    }

    fn list(&self, head: u32, next: impl Fn(&Cell) -> u32) -> Vec<u32> {
        let mut slots = Vec::new();
        let mut slot = head;
        while slot != NONE {
            slots.push(slot);
            slot = next(&self.cells[slot as usize]);
        }
        slots
    }

    fn take_all(&mut self, mut slots: Vec<u32>) -> Vec<(Timer, Nanos)> {
        slots.sort_by_key(|&slot| self.key(slot));
        slots.into_iter().map(|slot| self.take(slot)).collect()
    }

    fn take(&mut self, slot: u32) -> (Timer, Nanos) {
        let due = self.key(slot).due;
        match self.positions[slot as usize] {
            NONE => self.parked.retain(|(parked, _)| *parked != slot),
            position => self.heap_remove(position),
        }
        let free = self.free;
        let cell = &mut self.cells[slot as usize];
        let Some(timer) = cell.timer.take() else { unreachable!("a pending timer is there") };
        cell.next_free = free;
        cell.generation = cell.generation.wrapping_add(1);
        self.free = slot;
        self.unlink(slot, timer.session, timer.event);
        (timer, due)
    }

    fn allocate(&mut self, timer: Timer) -> u32 {
        if self.free == NONE {
            let slot = u32::try_from(self.cells.len()).expect("fewer than 2^32 timers");
            self.positions.push(NONE);
            self.cells.push(Cell {
                timer: Some(timer),
                generation: 0,
                next_free: NONE,
                of_session: UNLINKED,
                of_name: UNLINKED,
            });
            return slot;
        }
        let slot = self.free;
        let cell = &mut self.cells[slot as usize];
        self.free = cell.next_free;
        cell.timer = Some(timer);
        slot
    }

    fn link(&mut self, slot: u32, session: SessionId, event: Name) {
        if self.by_session.len() <= session.slot() {
            self.by_session.resize(session.slot() + 1, NONE);
        }
        let head = std::mem::replace(&mut self.by_session[session.slot()], slot);
        self.cells[slot as usize].of_session = Links { previous: NONE, next: head };
        if head != NONE {
            self.cells[head as usize].of_session.previous = slot;
        }
        let head = self.by_name.insert((session, event), slot).unwrap_or(NONE);
        self.cells[slot as usize].of_name = Links { previous: NONE, next: head };
        if head != NONE {
            self.cells[head as usize].of_name.previous = slot;
        }
    }

    fn unlink(&mut self, slot: u32, session: SessionId, event: Name) {
        let Links { previous, next } = self.cells[slot as usize].of_session;
        if next != NONE {
            self.cells[next as usize].of_session.previous = previous;
        }
        match previous {
            NONE => self.by_session[session.slot()] = next,
            _ => self.cells[previous as usize].of_session.next = next,
        }
        let Links { previous, next } = self.cells[slot as usize].of_name;
        if next != NONE {
            self.cells[next as usize].of_name.previous = previous;
        }
        match (previous, next) {
            (NONE, NONE) => drop(self.by_name.remove(&(session, event))),
            (NONE, _) => drop(self.by_name.insert((session, event), next)),
            _ => self.cells[previous as usize].of_name.next = next,
        }
    }

    fn heap_push(&mut self, key: Key, slot: u32) {
        let positions = &mut self.positions;
        self.heap.push(key, slot, &mut |slot, at| positions[slot as usize] = at);
    }

    fn heap_remove(&mut self, position: u32) {
        let positions = &mut self.positions;
        let slot = self.heap.slot(position);
        self.heap.remove(position, &mut |slot, at| positions[slot as usize] = at);
        self.positions[slot as usize] = NONE;
    }

    fn heap_change(&mut self, position: u32, key: Key) {
        let positions = &mut self.positions;
        self.heap.change(position, key, &mut |slot, at| positions[slot as usize] = at);
    }
}
