//! A four-way heap of due times that can find, move and remove any of its members.

use std::mem;

use crate::clock::Nanos;

/// One member. Its sequence number is not here but with its owner, who is asked for it only when two times are equal:
/// so four children fill a cache line.
#[derive(Clone, Copy, Debug)]
struct Entry {
    due: Nanos,
    /// With `GONE` when its owner gave it up.
    slot: u32,
}

/// Slots are less.
pub(super) const GONE: u32 = 1 << 31;

impl Entry {
    #[inline(always)]
    fn slot(self) -> u32 {
        self.slot & !GONE
    }

    #[inline(always)]
    fn is_gone(self) -> bool {
        self.slot & GONE != 0
    }
}

/// Who owns what is in a heap.
pub(super) trait Owner {
    /// What orders a member among those due at the same time.
    fn sequence(&self, slot: u32) -> u64;

    /// A member now lies at a position.
    fn moved(&mut self, slot: u32, position: u32);

    /// A member that was given up is no longer in the heap. Until then it keeps its sequence number.
    fn dropped(&mut self, slot: u32);
}

/// The heap. Its owner keeps, by slot, the position that it is told.
///
/// To take one out of the middle, when there are many, is to wait for the memory of its parent, its children and whoever
/// takes its place. So it stays when its owner gives it up, until it comes to the front or too many are such. The first is
/// never one.
#[derive(Debug, Default)]
pub(super) struct Heap {
    entries: Vec<Entry>,
    /// How many of them were given up.
    gone: usize,
}

const WAYS: usize = 4;

/// So many that were given up are no reason to go through all.
const FEW: usize = 64;

impl Heap {
    #[inline]
    pub(super) fn peek(&self) -> Option<(Nanos, u32)> {
        self.entries.first().map(|entry| (entry.due, entry.slot))
    }

    pub(super) fn memory(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.gone
    }

    pub(super) fn due(&self, position: u32) -> Nanos {
        self.entries[position as usize].due
    }

    #[inline(always)]
    pub(super) fn push(&mut self, due: Nanos, slot: u32, owner: &mut impl Owner) {
        let (position, entry) = (self.entries.len(), Entry { due, slot });
        self.entries.push(entry);
        // Most stay where they are.
        if position > 0 && is_before(entry, self.entries[(position - 1) / WAYS], owner) {
            self.sift_up(position, entry, owner);
        } else {
            owner.moved(slot, position as u32);
        }
    }

    /// Removes a member that was not given up, at once.
    pub(super) fn remove(&mut self, position: u32, owner: &mut impl Owner) {
        self.remove_at(position as usize, owner);
        self.drop_first(owner);
    }

    /// Takes all, in no order.
    #[inline]
    pub(super) fn take_all(&mut self, owner: &mut impl Owner) -> Vec<(Nanos, u32)> {
        self.gone = 0;
        let entries = mem::take(&mut self.entries).into_iter();
        let pending = entries.filter(|entry| {
            if entry.is_gone() {
                owner.dropped(entry.slot());
            }
            !entry.is_gone()
        });
        pending.map(|entry| (entry.due, entry.slot)).collect()
    }

    /// Takes a member that its owner gives up; when it was due.
    #[inline(always)]
    pub(super) fn give_up(&mut self, position: u32, owner: &mut impl Owner) -> Nanos {
        let entry = &mut self.entries[position as usize];
        entry.slot |= GONE;
        let due = entry.due;
        self.gone += 1;
        if position == 0 {
            self.drop_first(owner);
        } else if self.gone > self.len() + FEW {
            self.drop_all(owner);
        }
        due
    }

    /// Drops those at the front that were given up: one by one while they are few, as to go through all costs more.
    fn drop_first(&mut self, owner: &mut impl Owner) {
        while self.gone > 0
            && let Some(&entry) = self.entries.first()
            && entry.is_gone()
        {
            if self.gone > self.entries.len() / 8 + FEW {
                return self.drop_all(owner);
            }
            self.gone -= 1;
            self.remove_at(0, owner);
            owner.dropped(entry.slot());
        }
    }

    /// Drops all that were given up, and puts the rest in order.
    #[cold]
    #[inline(never)]
    fn drop_all(&mut self, owner: &mut impl Owner) {
        self.gone = 0;
        self.entries.retain(|entry| {
            if entry.is_gone() {
                owner.dropped(entry.slot());
            }
            !entry.is_gone()
        });
        for position in (0..self.entries.len()).rev() {
            self.sift_down(position, self.entries[position], &mut Untold(owner));
        }
        // All at once, which need not wait for each other.
        for (position, entry) in self.entries.iter().enumerate() {
            owner.moved(entry.slot(), position as u32);
        }
    }

    fn remove_at(&mut self, position: usize, owner: &mut impl Owner) {
        if let Some(last) = self.entries.pop()
            && position < self.entries.len()
        {
            self.settle(position, last, owner);
        }
    }

    /// Moves a pending member to another time.
    pub(super) fn change(&mut self, position: u32, slot: u32, due: Nanos, owner: &mut impl Owner) {
        self.settle(position as usize, Entry { due, slot }, owner);
        if position == 0 {
            self.drop_first(owner);
        }
    }

    /// Puts a member at a position, or above or below it.
    fn settle(&mut self, position: usize, entry: Entry, owner: &mut impl Owner) {
        if position > 0 && is_before(entry, self.entries[(position - 1) / WAYS], owner) {
            self.sift_up(position, entry, owner);
        } else {
            self.sift_down(position, entry, owner);
        }
    }

    /// Puts a member at a position, or above it.
    fn sift_up(&mut self, mut position: usize, entry: Entry, owner: &mut impl Owner) {
        while position > 0 {
            let parent = (position - 1) / WAYS;
            if !is_before(entry, self.entries[parent], owner) {
                break;
            }
            self.place(position, self.entries[parent], owner);
            position = parent;
        }
        self.place(position, entry, owner);
    }

    /// Puts a member at a position, or below it.
    fn sift_down(&mut self, mut position: usize, entry: Entry, owner: &mut impl Owner) {
        loop {
            let first = position * WAYS + 1;
            let Some(children) = self.entries.get(first..) else { break };
            let mut least = (entry, position);
            for (offset, &child) in children.iter().take(WAYS).enumerate() {
                if is_before(child, least.0, owner) {
                    least = (child, first + offset);
                }
            }
            if least.1 == position {
                break;
            }
            self.place(position, least.0, owner);
            position = least.1;
        }
        self.place(position, entry, owner);
    }

    fn place(&mut self, position: usize, entry: Entry, owner: &mut impl Owner) {
        self.entries[position] = entry;
        owner.moved(entry.slot(), position as u32);
    }
}

#[inline]
fn is_before(a: Entry, b: Entry, owner: &impl Owner) -> bool {
    a.due < b.due || a.due == b.due && owner.sequence(a.slot()) < owner.sequence(b.slot())
}

/// An owner that is to be told later where its members lie.
struct Untold<'a, O>(&'a mut O);

impl<O: Owner> Owner for Untold<'_, O> {
    fn sequence(&self, slot: u32) -> u64 {
        self.0.sequence(slot)
    }

    fn moved(&mut self, _: u32, _: u32) {}

    fn dropped(&mut self, slot: u32) {
        self.0.dropped(slot);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Members by slot, each with its due time while it is pending.
    #[derive(Default)]
    struct Members {
        due: Vec<Option<Nanos>>,
        positions: Vec<u32>,
        dropped: Vec<u32>,
    }

    impl Members {
        fn push(&mut self, heap: &mut Heap, due: Nanos) {
            let slot = self.due.len() as u32;
            self.due.push(Some(due));
            self.positions.push(u32::MAX);
            heap.push(due, slot, self);
        }

        fn give_up(&mut self, heap: &mut Heap, slot: u32) {
            let due = self.due[slot as usize].take();
            assert_eq!(Some(heap.give_up(self.positions[slot as usize], self)), due);
        }

        fn remove(&mut self, heap: &mut Heap, slot: u32) {
            self.due[slot as usize] = None;
            self.dropped.push(slot);
            heap.remove(self.positions[slot as usize], self);
        }

        fn pending(&self) -> impl Iterator<Item = (Nanos, u32)> {
            self.due.iter().zip(0..).filter_map(|(due, slot)| due.map(|due| (due, slot)))
        }
    }

    impl Owner for Members {
        fn sequence(&self, slot: u32) -> u64 {
            u64::from(slot)
        }

        fn moved(&mut self, slot: u32, position: u32) {
            self.positions[slot as usize] = position;
        }

        fn dropped(&mut self, slot: u32) {
            assert_eq!(self.due[slot as usize], None);
            self.dropped.push(slot);
        }
    }

    /// The first that is pending, or another.
    fn first_or(heap: &Heap, other: u32, which: usize) -> u32 {
        if which == 0 { heap.peek().expect("some are pending").1 } else { other }
    }

    /// Numbers that are the same in each run (xorshift64).
    fn numbers() -> impl FnMut(usize) -> usize {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        move |below| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        }
    }

    #[test]
    fn the_first_is_the_least_that_was_not_given_up() {
        let steps = if cfg!(miri) { 200 } else { 4_000 };
        let (mut heap, mut members, mut random) = (Heap::default(), Members::default(), numbers());
        for step in 0..steps {
            let pending: Vec<u32> = members.pending().map(|(_, slot)| slot).collect();
            // Few times, so that many are equal; grows, and then shrinks.
            match random(if step < steps / 2 { 6 } else { 9 }) {
                0..4 => members.push(&mut heap, random(50) as Nanos),
                4 if !pending.is_empty() => {
                    let slot = first_or(&heap, pending[random(pending.len())], random(2));
                    let due = random(50) as Nanos;
                    members.due[slot as usize] = Some(due);
                    heap.change(members.positions[slot as usize], slot, due, &mut members);
                }
                5 if !pending.is_empty() => {
                    let slot = first_or(&heap, pending[random(pending.len())], random(2));
                    members.remove(&mut heap, slot);
                }
                _ if !pending.is_empty() => {
                    members.give_up(&mut heap, pending[random(pending.len())]);
                }
                _ => {}
            }
            assert_eq!(heap.peek(), members.pending().min());
            assert_eq!(heap.len(), members.pending().count());
            assert!(heap.entries.len() <= 2 * heap.len() + FEW + 1);
            let gone = heap.entries.iter().filter(|entry| entry.is_gone()).count();
            assert_eq!(gone, heap.gone);
            assert_eq!(heap.entries.len() + members.dropped.len(), members.due.len());
        }
        while let Some((_, slot)) = heap.peek().filter(|_| heap.len() > 10) {
            assert_eq!(heap.peek(), members.pending().min());
            members.remove(&mut heap, slot);
        }
        let mut rest = heap.take_all(&mut members);
        rest.sort_unstable();
        assert!(rest.into_iter().eq(members.pending().collect::<BTreeSet<_>>()));
        assert_eq!((heap.peek(), heap.len()), (None, 0));
        members.dropped.extend(members.pending().map(|(_, slot)| slot).collect::<Vec<_>>());
        members.dropped.sort_unstable();
        assert!(members.dropped.iter().copied().eq(0..members.due.len() as u32), "each once");
    }

    #[test]
    fn many_given_up_ahead_of_the_first_go_at_once() {
        let (mut heap, mut members) = (Heap::default(), Members::default());
        for due in 0..1000 {
            members.push(&mut heap, due);
        }
        for slot in (1..300).rev() {
            members.give_up(&mut heap, slot);
        }
        assert_eq!(heap.entries.len(), 1000, "those behind the first stay");
        members.give_up(&mut heap, 0);
        assert_eq!(heap.peek(), Some((300, 300)));
        assert_eq!(heap.entries.len(), 700);
        for (position, entry) in heap.entries.iter().enumerate() {
            assert_eq!(members.positions[entry.slot as usize] as usize, position);
        }
    }
}
