//! A four-way heap of due times that can find, move and remove any of its members.

use crate::clock::Nanos;

/// One member. Its sequence number is not here but with its owner, who is asked for it only when two times are equal:
/// so four children fill a cache line.
#[derive(Clone, Copy, Debug)]
struct Entry {
    due: Nanos,
    slot: u32,
}

/// Who owns what is in a heap.
pub(super) trait Owner {
    /// What orders a member among those due at the same time.
    fn sequence(&self, slot: u32) -> u64;

    /// A member now lies at a position.
    fn moved(&mut self, slot: u32, position: u32);
}

/// The heap. Its owner keeps, by slot, the position that it is told.
#[derive(Debug, Default)]
pub(super) struct Heap {
    entries: Vec<Entry>,
}

const WAYS: usize = 4;

impl Heap {
    #[inline]
    pub(super) fn peek(&self) -> Option<(Nanos, u32)> {
        self.entries.first().map(|entry| (entry.due, entry.slot))
    }

    pub(super) fn memory(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
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
            self.sift_up(position, owner);
        } else {
            owner.moved(slot, position as u32);
        }
    }

    /// Removes what lies at a position; when it was due.
    pub(super) fn remove(&mut self, position: u32, owner: &mut impl Owner) -> Nanos {
        let position = position as usize;
        let Entry { due, .. } = self.entries.swap_remove(position);
        if position < self.entries.len() {
            self.settle(position, owner);
        }
        due
    }

    pub(super) fn change(&mut self, position: u32, due: Nanos, owner: &mut impl Owner) {
        self.entries[position as usize].due = due;
        self.settle(position as usize, owner);
    }

    fn settle(&mut self, position: usize, owner: &mut impl Owner) {
        let entry = self.entries[position];
        if position > 0 && is_before(entry, self.entries[(position - 1) / WAYS], owner) {
            self.sift_up(position, owner);
        } else {
            self.sift_down(position, owner);
        }
    }

    fn sift_up(&mut self, mut position: usize, owner: &mut impl Owner) {
        let entry = self.entries[position];
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

    fn sift_down(&mut self, mut position: usize, owner: &mut impl Owner) {
        let entry = self.entries[position];
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
        owner.moved(entry.slot, position as u32);
    }
}

#[inline]
fn is_before(a: Entry, b: Entry, owner: &impl Owner) -> bool {
    a.due < b.due || a.due == b.due && owner.sequence(a.slot) < owner.sequence(b.slot)
}
