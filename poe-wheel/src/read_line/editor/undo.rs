//! What a line was before, to go back to.

use std::collections::VecDeque;

use crate::read_line::text::Text;

/// So many octets of lines are kept, and then the oldest are not; but the first one is.
const MOST: usize = 1 << 23;

/// What each counts besides: they may be short, and many.
const OVERHEAD: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Undo {
    first: Option<Text>,
    later: VecDeque<Text>,
    octets: usize,
}

impl Undo {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn push(&mut self, text: Text) {
        if self.first.is_none() {
            self.first = Some(text);
            return;
        }
        self.octets += OVERHEAD + text.len();
        self.later.push_back(text);
        while self.octets > MOST
            && let Some(oldest) = self.later.pop_front()
        {
            self.octets -= OVERHEAD + oldest.len();
        }
    }

    pub(super) fn pop(&mut self) -> Option<Text> {
        match self.later.pop_back() {
            Some(text) => {
                self.octets -= OVERHEAD + text.len();
                Some(text)
            }
            None => self.first.take(),
        }
    }

    /// What the line was at first.
    pub(super) fn pop_all(&mut self) -> Option<Text> {
        std::mem::take(self).first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_are_kept() {
        let mut undo = Undo::default();
        assert_eq!(undo.pop(), None);
        let texts: Vec<Text> = ["", "a", "b"].into_iter().map(Text::new).collect();
        texts.iter().for_each(|text| undo.push(text.clone()));
        assert_eq!(
            [undo.pop(), undo.pop(), undo.pop()],
            [2, 1, 0].map(|at| Some(texts[at].clone()))
        );
        assert_eq!(undo.pop(), None);

        let long = Text::new("x".repeat(MOST / 4 - OVERHEAD));
        undo.push(texts[1].clone());
        (0..10).for_each(|_| undo.push(long.clone()));
        assert_eq!((undo.later.len(), undo.octets), (4, MOST));
        assert_eq!(undo.pop().as_ref(), Some(&long));
        assert_eq!(undo.pop_all().as_ref(), Some(&texts[1]));
        assert_eq!(undo.pop_all(), None);
        (0..MOST / OVERHEAD + 9).for_each(|_| undo.push(texts[0].clone()));
        assert_eq!(undo.later.len(), MOST / OVERHEAD);
    }
}
