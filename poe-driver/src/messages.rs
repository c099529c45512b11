//! Where the messages of an output queue end.

use std::mem;

/// So many messages that are out are forgotten by themselves only where they are half of those that are kept.
const FEW: usize = 32;

/// Which of the messages that were queued are out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Messages {
    /// The end of each message that is ended, counted like `written`. One goes behind the other, which takes less than a ring
    /// does.
    ends: Vec<u64>,
    /// How many of these are out.
    out: usize,
    /// The end of the last message that was ended.
    last_end: u64,
    /// How many octets are out since the queue was made.
    written: u64,
}

impl Messages {
    /// Ends a message behind the `octets` queued, if there is one.
    #[inline]
    pub(crate) fn end(&mut self, octets: usize) -> bool {
        let end = self.written + octets as u64;
        let is_some = end > self.last_end;
        if is_some {
            self.last_end = end;
            if octets > 0 {
                self.ends.push(end);
            }
        }
        is_some
    }

    /// Ends a message without octets behind the last one.
    #[cold]
    pub(crate) fn end_empty(&mut self) {
        self.ends.push(self.last_end);
    }

    /// How many octets the first message that is ended has.
    pub(crate) fn first_len(&self) -> Option<usize> {
        self.ends.get(self.out).map(|end| (end - self.written) as usize)
    }

    /// Notes that the first message is out, and tells how many octets it had.
    pub(crate) fn pop_first(&mut self) -> Option<usize> {
        let count = self.first_len()?;
        self.written += count as u64;
        self.out += 1;
        self.forget();
        Some(count)
    }

    /// Notes that so many octets more are out.
    pub(crate) fn advance(&mut self, count: usize) {
        self.written += count as u64;
        if self.ends.last().is_some_and(|end| *end <= self.written) {
            self.out = self.ends.len();
        } else {
            let queued = &self.ends[self.out..];
            self.out += queued.iter().take_while(|end| **end <= self.written).count();
        }
        self.forget();
    }

    /// How many messages are queued along with so many octets, one counted that is not ended.
    pub(crate) fn count(&self, octets: usize) -> usize {
        let unfinished = octets > 0 && self.written + octets as u64 > self.last_end;
        self.ends.len() - self.out + usize::from(unfinished)
    }

    /// Whether no message that is ended is queued.
    pub(crate) fn has_none_ended(&self) -> bool {
        self.ends.is_empty()
    }

    /// Gives its memory away, while no message is queued.
    pub(crate) fn give_memory(&mut self) -> Vec<u64> {
        mem::take(&mut self.ends)
    }

    /// Takes memory for its own, unless it has some.
    pub(crate) fn take_memory(&mut self, memory: Vec<u64>) {
        if self.ends.capacity() == 0 {
            self.ends = memory;
        }
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.ends.capacity()
    }

    /// Forgets what is out, where that is all, or so much that moving the rest is no more than has been done for it.
    fn forget(&mut self) {
        if self.out == self.ends.len() {
            self.ends.clear();
            self.out = 0;
        } else if self.out > FEW && self.out * 2 >= self.ends.len() {
            self.ends.drain(..self.out);
            self.out = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    #[test]
    fn what_never_runs_dry_holds_no_more_than_is_queued() {
        let mut messages = Messages::default();
        let mut lengths = VecDeque::new();
        let mut queued = 0;
        for n in 0..10_000 {
            let length = 1 + n % 7;
            queued += length;
            assert!(messages.end(queued));
            lengths.push_back(length);
            while lengths.len() > 100 {
                let first = lengths.pop_front();
                assert_eq!(messages.first_len(), first);
                queued -= first.unwrap();
                if n % 2 == 0 {
                    assert_eq!(messages.pop_first(), first);
                } else {
                    messages.advance(first.unwrap());
                }
            }
            assert_eq!(messages.count(queued), lengths.len());
            assert!(messages.ends.len() <= 2 * lengths.len() + FEW);
        }
        messages.advance(queued);
        assert!(messages.has_none_ended());
        assert_eq!(messages.capacity(), messages.give_memory().capacity());
        assert_eq!(messages.capacity(), 0);
    }
}
