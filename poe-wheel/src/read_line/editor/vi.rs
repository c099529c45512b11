//! What only vi's maps have: operators, and going between its modes.

use super::motion::Motion;
use super::{Argument, Editor, LONGEST, MACRO_KEYS, MOST, Side};
use crate::read_line::key::Key;
use crate::read_line::keymap::MapName;
use crate::read_line::stroke::Stroke;

/// An operator that waits to be told what it is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operator {
    verb: Verb,
    letter: Option<char>,
    argument: Argument,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Change,
    Delete,
    Yank,
}

impl Editor {
    /// `c`, `d` and `y` ask how far; in upper case they take all to the end of the line.
    pub(super) fn begin_operator(&mut self, verb: Verb, key: Key, argument: Argument) {
        let letter = key.letter();
        self.operator = Some(Operator { verb, letter, argument });
        if letter.is_some_and(char::is_uppercase) {
            self.operate(Motion::to(self.text.len()));
        } else {
            self.map = MapName::ViSpecification;
        }
    }

    /// A count before the operator and one before the motion are multiplied.
    pub(super) fn with_operator(&self, argument: Argument) -> Argument {
        let Some(before) = self.operator.and_then(|operator| operator.argument.digits) else {
            return argument;
        };
        Argument { digits: Some(before.saturating_mul(argument.count()).min(MOST)), ..argument }
    }

    /// The operator has what it is for; it takes that.
    pub(super) fn operate(&mut self, motion: Motion) {
        let Some(operator) = self.operator.take() else { return };
        self.map = MapName::ViCommand;
        let at = self.text.cursor();
        let (start, mut end) = (at.min(motion.to), at.max(motion.to));
        if motion.is_inclusive {
            end = self.text.next(end);
        }
        if operator.verb == Verb::Change && motion.is_to_word {
            // `cw` leaves the blanks behind the word.
            let trimmed = self.text.skip_back(end, char::is_whitespace);
            end = if trimmed > start { trimmed } else { end };
        }
        self.apply_verb(operator.verb, start..end);
    }

    fn apply_verb(&mut self, verb: Verb, range: std::ops::Range<usize>) {
        if verb == Verb::Yank {
            let text = self.text.as_str()[range.clone()].to_owned();
            self.kills.kill(&text, None);
            self.text.go(range.start);
            return;
        }
        let text = self.text.cut(range);
        self.kills.kill(&text, None);
        if verb == Verb::Change {
            self.map = MapName::ViInsert;
        }
    }

    /// A key that is no motion: the operator's own letter takes the whole line, any other ends it.
    pub(super) fn end_operator_without(&mut self, key: Key) {
        let Some(operator) = self.operator.take() else { return self.ding() };
        self.map = MapName::ViCommand;
        if key.letter() == operator.letter && !key.ctrl && !key.meta {
            let at = self.text.cursor();
            self.apply_verb(operator.verb, 0..self.text.len());
            if operator.verb == Verb::Yank {
                self.text.go(at);
            }
        } else if key != Key::ESCAPE {
            self.ding();
        }
    }

    pub(super) fn drop_operator(&mut self) {
        if self.operator.take().is_some() {
            self.map = MapName::ViCommand;
        }
    }

    pub(super) fn insert_at(&mut self, at: usize) {
        self.text.go(at);
        self.map = MapName::ViInsert;
        self.overwrite = false;
    }

    pub(super) fn leave_insertion(&mut self) {
        self.overwrite = false;
        if self.map == MapName::ViInsert {
            self.map = MapName::ViCommand;
            self.text.go(self.text.previous(self.text.cursor()));
        } else {
            self.map = MapName::ViCommand;
        }
    }

    pub(super) fn vi_delete(&mut self, key: Key, argument: Argument) {
        let at = self.text.cursor();
        let range = if key.letter() == Some('X') {
            self.text.backward(at, argument.count())..at
        } else {
            at..self.text.forward(at, argument.count())
        };
        if range.is_empty() {
            return self.ding();
        }
        let text = self.text.cut(range);
        self.kills.kill(&text, None);
    }

    /// `s` puts what is typed in the place of characters, `S` of the line.
    pub(super) fn substitute(&mut self, key: Key, argument: Argument) {
        if key.letter() == Some('S') {
            self.kill(0..self.text.len(), Side::After);
        } else {
            let at = self.text.cursor();
            self.kill(at..self.text.forward(at, argument.count()), Side::After);
        }
        self.map = MapName::ViInsert;
    }

    pub(super) fn replace_chars(&mut self, key: Key, argument: Argument) {
        let at = self.text.cursor();
        let end = self.text.forward(at, argument.count());
        match key.printable() {
            Some(char) if end > at => {
                self.remember();
                let count = self.text.as_str()[at..end].chars().count().min(argument.count());
                self.text.replace(at..end, &char.to_string().repeat(count));
                self.text.go(self.text.previous(self.text.cursor()));
            }
            _ if key == Key::ESCAPE => {}
            _ => self.ding(),
        }
    }

    pub(super) fn swap_case(&mut self, argument: Argument) {
        let at = self.text.cursor();
        let end = self.text.forward(at, argument.count());
        let mut changed = String::new();
        for char in self.text.as_str()[at..end].chars() {
            if char.is_uppercase() {
                changed.extend(char.to_lowercase());
            } else {
                changed.extend(char.to_uppercase());
            }
        }
        self.text.replace(at..end, &changed);
    }

    /// Puts what was killed behind the cursor's character, or with `P` before it.
    pub(super) fn put(&mut self, key: Key, argument: Argument) {
        let Some(killed) = self.kills.latest() else { return self.ding() };
        if killed.len().saturating_mul(argument.count()) > LONGEST {
            return self.ding();
        }
        let text = killed.repeat(argument.count());
        if key.letter() != Some('P') {
            self.text.go(self.text.next(self.text.cursor()));
        }
        self.insert(&text);
        self.text.go(self.text.previous(self.text.cursor()));
    }

    /// Types the last change again; with a count, which takes the place of those that it had.
    pub(super) fn redo(&mut self, argument: Argument) {
        let strokes = match argument.digits {
            Some(count) => counted(count, &self.repeated),
            None => self.repeated.clone(),
        };
        self.macro_keys += strokes.len();
        if self.repeated.is_empty() || self.macro_keys > MACRO_KEYS {
            return self.ding();
        }
        for stroke in strokes.into_iter().rev() {
            self.queue.push_front(stroke);
        }
    }
}

/// A command with another count.
fn counted(count: usize, strokes: &[Stroke]) -> Vec<Stroke> {
    let command = without_count(strokes);
    let (operator, rest) = match command.split_first() {
        Some((first, rest)) if matches!(letter(first), Some('c' | 'd' | 'y')) => {
            (Some(first), without_count(rest))
        }
        _ => (None, command),
    };
    let digits = count.to_string();
    let digits = digits.chars().map(|digit| Stroke::Key(Key::char(digit)));
    digits.chain(operator.into_iter().chain(rest).cloned()).collect()
}

fn without_count(strokes: &[Stroke]) -> &[Stroke] {
    let is_digit = |stroke: &Stroke| letter(stroke).is_some_and(|char| char.is_ascii_digit());
    match strokes.first().and_then(letter) {
        Some('1'..='9') => {
            let length = strokes.iter().take_while(|stroke| is_digit(stroke)).count();
            &strokes[length..]
        }
        _ => strokes,
    }
}

fn letter(stroke: &Stroke) -> Option<char> {
    match stroke {
        Stroke::Key(key) if !key.ctrl && !key.meta => key.letter(),
        _ => None,
    }
}
