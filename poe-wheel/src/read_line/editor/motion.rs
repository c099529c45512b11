//! Where the cursor goes, and what an operator of vi takes by that.

use super::{Argument, Awaiting, Editor, F};
use crate::read_line::key::Key;
use crate::read_line::keymap::MapName;
use crate::read_line::text::Word;

/// A place to go to. What an operator takes may be up to that place, or with the character there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Motion {
    pub(super) to: usize,
    pub(super) is_inclusive: bool,
    /// The start of a word.
    pub(super) is_to_word: bool,
}

impl Motion {
    pub(super) fn to(to: usize) -> Self {
        Self { to, is_inclusive: false, is_to_word: false }
    }

    fn onto(to: usize) -> Self {
        Self { is_inclusive: true, ..Self::to(to) }
    }
}

impl Editor {
    /// Where a function goes, if it does so without asking for another key.
    pub(super) fn motion(&self, function: F, key: Key, argument: Argument) -> Option<Motion> {
        let (text, at) = (&self.text, self.text.cursor());
        let count = argument.count();
        let is_back = argument.is_negative;
        let word = match key.letter() {
            Some('W' | 'B' | 'E') => Word::Big,
            _ => Word::Small,
        };
        let repeat = |step: &dyn Fn(usize) -> usize| {
            (0..count.min(text.len() + 1)).fold(at, |at, _| step(at))
        };
        Some(match function {
            F::BackwardChar if !is_back => Motion::to(text.backward(at, count)),
            F::BackwardChar | F::ForwardChar | F::ViSpecForwardChar
                if is_back == (function == F::BackwardChar) =>
            {
                Motion::to(text.forward(at, count))
            }
            F::ForwardChar | F::ViSpecForwardChar => Motion::to(text.backward(at, count)),
            F::BackwardWord | F::ForwardWord if is_back == (function == F::BackwardWord) => {
                Motion::to(repeat(&|at| text.word_end(at)))
            }
            F::BackwardWord | F::ForwardWord => Motion::to(repeat(&|at| text.word_start(at))),
            F::BeginningOfLine | F::ViSpecBeginningOfLine => Motion::to(0),
            F::EndOfLine | F::ViSpecEndOfLine => Motion::to(text.len()),
            F::ViArgDigit if key.letter() == Some('0') && argument.digits.is_none() => {
                Motion::to(0)
            }
            F::ViNextWord | F::ViSpecWord => {
                let to = repeat(&|at| text.next_vi_word(at, word));
                Motion { is_to_word: true, ..Motion::to(to) }
            }
            F::ViPrevWord => Motion::to(repeat(&|at| text.previous_vi_word(at, word))),
            F::ViEndWord => Motion::onto(repeat(&|at| text.vi_word_end(at, word))),
            F::ViFirstPrint | F::ViSpecFirstPrint => Motion::to(text.first_print()),
            F::ViColumn => Motion::to(text.column(count - count.min(1))),
            F::ViMatch => Motion::onto(text.matching(at)?),
            F::ViCharSearch if matches!(key.letter(), Some(';' | ',')) => {
                let (kind, char) = self.last_vi_search?;
                let kind = if key.letter() == Some(';') { kind } else { reversed(kind) };
                return self.found(kind, char, argument, true);
            }
            _ => return None,
        })
    }

    /// Goes there; or has the operator that waits take what is on the way.
    pub(super) fn go_by(&mut self, motion: Motion) {
        if self.operator.is_some() {
            self.operate(motion);
        } else {
            self.text.go(motion.to);
        }
    }

    /// In vi's command mode the cursor is on a character, not behind the last.
    pub(super) fn keep_on_character(&mut self) {
        let (at, end) = (self.text.cursor(), self.text.len());
        if self.map == MapName::ViCommand && at == end {
            self.text.go(self.text.previous(at));
        }
    }

    pub(super) fn await_char(&mut self, backward: bool, argument: Argument) {
        self.awaiting = Some(Awaiting::Search { backward });
        self.argument = Some(argument);
    }

    pub(super) fn go_to_char(&mut self, key: Key, backward: bool, argument: Argument) {
        let kind = if backward == argument.is_negative { 'f' } else { 'F' };
        let found = key.quoted().and_then(|char| self.found(kind, char, argument, false));
        match found {
            Some(motion) => self.text.go(motion.to),
            None => self.ding(),
        }
    }

    pub(super) fn vi_awaits(&mut self, function: F, key: Key, argument: Argument) {
        self.argument = argument.digits.map(|_| argument);
        match (function, key.letter()) {
            (F::ViCharSearch, Some(kind @ ('f' | 'F' | 't' | 'T'))) => {
                self.awaiting = Some(Awaiting::ViSearch(kind));
            }
            // Nothing was searched for before, or it is not there.
            (F::ViCharSearch, _) => {
                self.argument = None;
                self.drop_operator();
                self.ding();
            }
            _ => self.awaiting = Some(Awaiting::GoToMark),
        }
    }

    pub(super) fn vi_search(&mut self, kind: char, key: Key, argument: Argument) {
        let found = key.quoted().and_then(|char| {
            self.last_vi_search = Some((kind, char));
            self.found(kind, char, argument, false)
        });
        self.go_if_found(found);
    }

    pub(super) fn go_to_mark(&mut self, key: Key) {
        let mark = key.printable().and_then(|mark| self.marks.get(&mark));
        let found = mark.map(|&mark| {
            let mut text = self.text.clone();
            text.go(mark);
            Motion::to(text.cursor())
        });
        self.go_if_found(found);
    }

    fn go_if_found(&mut self, found: Option<Motion>) {
        match found {
            Some(motion) => {
                let before = self.text.clone();
                self.go_by(motion);
                if before.as_str() != self.text.as_str() {
                    self.undo.push(before);
                    self.changed = true;
                }
            }
            None => {
                self.drop_operator();
                self.ding();
            }
        }
    }

    /// Where a character is: on it for `f` and `F`, short of it for `t` and `T`.
    fn found(&self, kind: char, char: char, argument: Argument, again: bool) -> Option<Motion> {
        let (text, at) = (&self.text, self.text.cursor());
        let count = argument.count();
        let nth = count.checked_sub(1)?;
        if matches!(kind, 'f' | 't') {
            let mut from = text.next(at);
            if again && kind == 't' && text.char_at(from) == Some(char) {
                from = text.next(from);
            }
            let (length, _) = text.as_str()[from..].match_indices(char).nth(nth)?;
            let to = from + length;
            Some(Motion::onto(if kind == 't' { text.previous(to) } else { to }))
        } else {
            let mut end = at;
            if again && kind == 'T' && text.as_str()[..end].ends_with(char) {
                end = text.previous(end);
            }
            let (to, _) = text.as_str()[..end].rmatch_indices(char).nth(nth)?;
            Some(Motion::to(if kind == 'T' { text.next(to) } else { to }))
        }
    }
}

fn reversed(kind: char) -> char {
    if kind.is_lowercase() { kind.to_ascii_uppercase() } else { kind.to_ascii_lowercase() }
}
