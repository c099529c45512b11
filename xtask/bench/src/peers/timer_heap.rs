//! An indexed heap of timers: set, adjusted and removed in O(log n), in exact order.

use std::time::Instant;

/// How many children a node has.
const ARITY: usize = 4;

/// Timers by their due time, one for each index.
#[derive(Debug, Default)]
pub struct TimerHeap {
    heap: Vec<Entry>,
    /// Where each timer's entry is in the heap.
    positions: Vec<usize>,
    sequence: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    due: Instant,
    /// Of two that are due together, the one set first comes first.
    sequence: u64,
    timer: usize,
}

impl TimerHeap {
    /// Adds a timer, whose index is the number of those before it.
    pub fn push(&mut self, due: Instant) {
        let timer = self.positions.len();
        self.sequence += 1;
        self.heap.push(Entry { due, sequence: self.sequence, timer });
        self.positions.push(timer);
        self.sift_up(timer);
    }

    /// Gives a timer another due time.
    pub fn adjust(&mut self, timer: usize, due: Instant) {
        let position = self.positions[timer];
        self.sequence += 1;
        self.heap[position] = Entry { due, sequence: self.sequence, timer };
        let position = self.sift_up(position);
        self.sift_down(position);
    }

    /// When the next timer is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.heap.first().map(|entry| entry.due)
    }

    fn sift_up(&mut self, mut position: usize) -> usize {
        let entry = self.heap[position];
        while position > 0 {
            let parent = (position - 1) / ARITY;
            if self.heap[parent] <= entry {
                break;
            }
            self.place(position, self.heap[parent]);
            position = parent;
        }
        self.place(position, entry);
        position
    }

    fn sift_down(&mut self, mut position: usize) {
        let entry = self.heap[position];
        loop {
            let first = position * ARITY + 1;
            let last = (first + ARITY).min(self.heap.len());
            let Some(least) = (first..last).min_by_key(|&child| self.heap[child]) else { break };
            if entry <= self.heap[least] {
                break;
            }
            self.place(position, self.heap[least]);
            position = least;
        }
        self.place(position, entry);
    }

    fn place(&mut self, position: usize, entry: Entry) {
        self.heap[position] = entry;
        self.positions[entry.timer] = position;
    }
}
