//! A four-way heap of due times that can find, move and remove any of its members.

use crate::clock::Nanos;

/// When a timer is due, and the tie-breaker among equals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) due: Nanos,
    pub(crate) sequence: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: Key,
    slot: u32,
}

/// The heap. Whoever owns it keeps, by slot, the position that the `moved` callback tells.
#[derive(Debug, Default)]
pub(crate) struct Heap {
    entries: Vec<Entry>,
}

const WAYS: usize = 4;

impl Heap {
    pub(crate) fn peek(&self) -> Option<(Key, u32)> {
        self.entries.first().map(|entry| (entry.key, entry.slot))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn key(&self, position: u32) -> Key {
        self.entries[position as usize].key
    }

    pub(crate) fn slot(&self, position: u32) -> u32 {
        self.entries[position as usize].slot
    }

    pub(crate) fn push(&mut self, key: Key, slot: u32, moved: &mut impl FnMut(u32, u32)) {
        self.entries.push(Entry { key, slot });
        self.sift_up(self.entries.len() - 1, moved);
    }

    pub(crate) fn remove(&mut self, position: u32, moved: &mut impl FnMut(u32, u32)) {
        let position = position as usize;
        self.entries.swap_remove(position);
        if position < self.entries.len() {
            self.settle(position, moved);
        }
    }

    pub(crate) fn change(&mut self, position: u32, key: Key, moved: &mut impl FnMut(u32, u32)) {
        self.entries[position as usize].key = key;
        self.settle(position as usize, moved);
    }

    fn settle(&mut self, position: usize, moved: &mut impl FnMut(u32, u32)) {
        let up = position > 0 && self.entries[position].key < self.entries[(position - 1) / WAYS].key;
        if up { self.sift_up(position, moved) } else { self.sift_down(position, moved) }
    }

    fn sift_up(&mut self, mut position: usize, moved: &mut impl FnMut(u32, u32)) {
        let entry = self.entries[position];
        while position > 0 {
            let parent = (position - 1) / WAYS;
            if self.entries[parent].key <= entry.key {
                break;
            }
            self.place(position, self.entries[parent], moved);
            position = parent;
        }
        self.place(position, entry, moved);
    }

    fn sift_down(&mut self, mut position: usize, moved: &mut impl FnMut(u32, u32)) {
        let entry = self.entries[position];
        loop {
            let first = position * WAYS + 1;
            let Some(children) = self.entries.get(first..) else { break };
            let children = &children[..children.len().min(WAYS)];
            let Some((offset, least)) =
                children.iter().enumerate().min_by_key(|(_, child)| child.key)
            else {
                break;
            };
            if entry.key <= least.key {
                break;
            }
            let least = *least;
            self.place(position, least, moved);
            position = first + offset;
        }
        self.place(position, entry, moved);
    }

    fn place(&mut self, position: usize, entry: Entry, moved: &mut impl FnMut(u32, u32)) {
        self.entries[position] = entry;
        moved(entry.slot, position as u32);
    }
}
