//! Records in order, of which there is hardly ever more than one.

use std::collections::VecDeque;

/// A queue that needs no memory of its own for a single record.
#[derive(Debug)]
pub(crate) struct Queue<R> {
    first: Option<R>,
    /// Empty if there is no first one.
    more: VecDeque<R>,
}

impl<R> Queue<R> {
    #[inline]
    pub(crate) fn push(&mut self, record: R) {
        if self.first.is_none() {
            self.first = Some(record);
        } else {
            self.more.push_back(record);
        }
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<R> {
        let record = self.first.take()?;
        if !self.more.is_empty() {
            self.first = self.more.pop_front();
            if self.more.is_empty() {
                self.more = VecDeque::new();
            }
        }
        Some(record)
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &R> {
        self.first.iter().chain(&self.more)
    }
}

impl<R> Default for Queue<R> {
    fn default() -> Self {
        Self { first: None, more: VecDeque::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_in_first_out_and_no_memory_when_empty() {
        let mut queue = Queue::default();
        for round in 1..5 {
            for number in 0..round {
                queue.push(number);
            }
            assert!(queue.iter().copied().eq(0..round));
            assert_eq!(queue.len(), round);
            for number in 0..round {
                assert_eq!(queue.pop(), Some(number));
            }
            assert_eq!((queue.pop(), queue.len(), queue.more.capacity()), (None, 0, 0));
        }
    }
}
