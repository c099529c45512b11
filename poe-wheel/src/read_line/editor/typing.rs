//! What is typed, so that vi can type it again.

use super::{LONGEST, MACRO_KEYS};
use crate::read_line::stroke::Stroke;

/// The strokes since a command began, unless they are more than would be typed again.
#[derive(Debug, Default)]
pub(super) struct Typing {
    strokes: Vec<Stroke>,
    octets: usize,
    is_too_long: bool,
}

impl Typing {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn push(&mut self, stroke: Stroke) {
        if let Stroke::Paste(text) = &stroke {
            self.octets += text.len();
        }
        self.is_too_long |= self.strokes.len() == MACRO_KEYS || self.octets > LONGEST;
        if self.is_too_long {
            self.strokes = Vec::new();
        } else {
            self.strokes.push(stroke);
        }
    }

    pub(super) fn pop(&mut self) {
        self.strokes.pop();
    }

    /// All of it; nothing if it is too long.
    pub(super) fn take(&mut self) -> Vec<Stroke> {
        std::mem::take(self).strokes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_line::key::Key;

    #[test]
    fn it_does_not_grow_for_ever() {
        let mut typing = Typing::default();
        let key = || Stroke::Key(Key::char('x'));
        (0..MACRO_KEYS).for_each(|_| typing.push(key()));
        typing.pop();
        typing.push(key());
        assert_eq!(typing.strokes.len(), MACRO_KEYS);
        for _ in 0..10 {
            typing.push(key());
            assert_eq!(typing.strokes.capacity(), 0);
        }
        assert!(typing.take().is_empty());
        let paste = || Stroke::Paste("x".repeat(LONGEST / 2));
        typing.push(paste());
        typing.push(paste());
        assert_eq!(typing.strokes.len(), 2);
        typing.push(paste());
        typing.push(key());
        assert!(typing.take().is_empty());
        typing.push(key());
        assert_eq!(typing.take().len(), 1);
    }
}
