//! Which numbers a kernel's sessions have: ranges of its own, so that no two kernels of a process give out one id.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::SessionId;

/// Of each range of numbers: which one of its kernel's it is, counted from 0, and whether a kernel has it.
static RANGES: [AtomicU32; SessionId::RANGES] = [const { AtomicU32::new(0) }; SessionId::RANGES];

const TAKEN: u32 = 1 << 31;

/// Which one of its kernel's ranges this is.
pub(crate) fn ordinal(range: usize) -> u64 {
    u64::from(RANGES[range].load(Ordering::Relaxed) & !TAKEN)
}

/// The ranges of one kernel.
///
/// A range is a kernel's as long as the kernel is there, and all others have had their turn before it is another's.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    ranges: Vec<usize>,
    /// The last number given out.
    last: u64,
}

impl Numbers {
    /// The id of a new session that is to be in this slot.
    pub(crate) fn give(&mut self, slot: usize) -> SessionId {
        self.last += 1;
        let ordinal = self.last >> SessionId::NUMBER_BITS;
        let range = match self.ranges.last() {
            Some(&range) if (self.ranges.len() as u64) > ordinal => range,
            _ => self.take(ordinal),
        };
        SessionId::new(range, self.last, slot)
    }

    #[cold]
    fn take(&mut self, ordinal: u64) -> usize {
        static TURN: AtomicU32 = AtomicU32::new(0);
        let entry = TAKEN | (ordinal as u32 & !TAKEN);
        let mut turns = (0..SessionId::RANGES)
            .map(|_| TURN.fetch_add(1, Ordering::Relaxed) as usize % SessionId::RANGES);
        let is_ours = |range: &usize| {
            let free = |entry| (entry & TAKEN == 0).then_some(entry);
            let free = free(RANGES[*range].load(Ordering::Relaxed));
            free.is_some_and(|free| {
                let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
                RANGES[*range].compare_exchange(free, entry, success, failure).is_ok()
            })
        };
        // With more kernels at one time than there are ranges, some share one.
        let range = turns.find(is_ours).unwrap_or(ordinal as usize % SessionId::RANGES);
        self.ranges.push(range);
        range
    }
}

impl Drop for Numbers {
    fn drop(&mut self) {
        for &range in &self.ranges {
            RANGES[range].fetch_and(!TAKEN, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_from_one_and_no_two_kernels_have_one_id() {
        let (mut one, mut two) = (Numbers::default(), Numbers::default());
        let mine: Vec<_> = (1..4).map(|slot| one.give(slot)).collect();
        let others: Vec<_> = (1..4).map(|slot| two.give(slot)).collect();
        let numbers = |ids: &[SessionId]| ids.iter().map(|id| id.number()).collect::<Vec<_>>();
        assert_eq!(numbers(&mine), [1, 2, 3]);
        assert_eq!(numbers(&others), [1, 2, 3]);
        assert!(mine.iter().all(|id| !others.contains(id)));
        assert_eq!(mine.iter().map(|id| id.slot()).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn a_kernel_with_many_sessions_has_several_ranges_and_goes_on_counting() {
        let (mut numbers, mut other) = (Numbers::default(), Numbers::default());
        let first = numbers.give(1);
        let mut seen = vec![first, other.give(1)];
        for range in 1..3 {
            numbers.last = (range << SessionId::NUMBER_BITS) - 2;
            for step in 0..3 {
                let id = numbers.give(1);
                assert_eq!(id.number(), (range << SessionId::NUMBER_BITS) - 1 + step);
                assert!(!seen.contains(&id) && id > first, "{id}");
                seen.push(id);
            }
        }
        assert_eq!(numbers.ranges.len(), 3);
        let ranges = numbers.ranges.clone();
        drop(numbers);
        let taken = |&range: &usize| RANGES[range].load(Ordering::Relaxed) & TAKEN != 0;
        assert!(!ranges.iter().any(taken), "they are free for others");
        let shown: Vec<_> = seen.iter().map(|id| id.number()).collect();
        assert_eq!(shown[0], 1);
        assert_eq!(shown[7], (2 << SessionId::NUMBER_BITS) + 1, "an id is shown as ever");
    }
}
