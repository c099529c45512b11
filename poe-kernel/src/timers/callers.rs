//! Who set timers, each of them once.

use std::ptr;

use crate::hash::IdMap;
use crate::{Caller, Name};

/// The callers that have set a timer, by number: a timer keeps the number, which is a quarter of a caller. There are no more
/// than places in the program that set timers, each with the events during which it did.
#[derive(Debug, Default)]
pub(super) struct Callers {
    callers: Vec<Caller>,
    by_caller: IdMap<(usize, Option<Name>), u32>,
    /// The one last asked for: who sets one timer often sets another.
    last: u32,
}

impl Callers {
    #[inline]
    pub(super) fn get(&self, number: u32) -> Caller {
        self.callers[number as usize]
    }

    #[inline]
    pub(super) fn number(&mut self, caller: Caller) -> u32 {
        if let Some(last) = self.callers.get(self.last as usize)
            && ptr::eq(last.location, caller.location)
            && last.state == caller.state
        {
            return self.last;
        }
        self.last = self.find_or_add(caller);
        self.last
    }

    #[inline(never)]
    fn find_or_add(&mut self, caller: Caller) -> u32 {
        let key = (ptr::from_ref(caller.location).addr(), caller.state);
        let callers = &mut self.callers;
        *self.by_caller.entry(key).or_insert_with(|| {
            callers.push(caller);
            (callers.len() - 1) as u32
        })
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;

    #[test]
    fn a_caller_has_one_number() {
        let (here, there) = (Location::caller(), Location::caller());
        let names = [None, Some(Name::new("callers-test"))];
        let mut callers = Callers::default();
        let all = [here, there].map(|location| names.map(|state| Caller::new(location, state)));
        for _ in 0..3 {
            for (expected, caller) in all.concat().into_iter().enumerate() {
                let number = callers.number(caller);
                assert_eq!(number as usize, expected);
                assert_eq!(callers.number(caller), number);
                assert_eq!(callers.get(number), caller);
            }
        }
    }
}
