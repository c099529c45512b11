//! Going through the history, and taking words from it.

use super::{Argument, Editor, F};

impl Editor {
    pub(super) fn go_to_line(&mut self, to: usize) {
        match self.history.go(to, self.text.as_str()).map(str::to_owned) {
            Some(line) => self.put_line(&line),
            None => self.ding(),
        }
    }

    pub(super) fn go_up(&mut self, argument: Argument) {
        if argument.is_negative {
            return self.go_down(Argument { is_negative: false, ..argument });
        }
        let at = self.history.at();
        self.go_to_line(at.saturating_sub(argument.count()));
    }

    pub(super) fn go_down(&mut self, argument: Argument) {
        if argument.is_negative {
            return self.go_up(Argument { is_negative: false, ..argument });
        }
        let to = self.history.at() + argument.count();
        self.go_to_line(to.min(self.history.lines().len()));
    }

    /// The line of a number, from 1; without one, the first.
    pub(super) fn fetch(&mut self, argument: Argument) {
        let number = argument.digits.unwrap_or(1);
        if number == 0 || number > self.history.lines().len() {
            self.ding();
        } else {
            self.go_to_line(number - 1);
        }
    }

    /// The last word of the line before; again, of the one before that. Lines without such a word are passed over.
    pub(super) fn yank_last_argument(&mut self, argument: Argument) {
        let goes_on = matches!(self.last, F::YankLastArg | F::ViYankArg);
        let passed = if goes_on { self.last_argument } else { 0 };
        let word_of = |line: &String| {
            let mut words = line.split_whitespace();
            let word = match argument.digits {
                Some(number) => words.nth(number),
                None => words.next_back(),
            };
            word.map(str::to_owned)
        };
        let before = self.history.lines().iter().rev().enumerate().skip(passed);
        let found = before.into_iter().find_map(|(at, line)| Some((at + 1, word_of(line)?)));
        let Some((at, word)) = found else { return self.ding() };
        self.last_argument = at;
        if goes_on && let Some(range) = self.yanked.take() {
            self.text.cut(range);
        }
        let at = self.text.cursor();
        if self.insert(&word) {
            self.yanked = Some(at..self.text.cursor());
        }
    }

    /// Vi's: behind the cursor's character, and what is typed then is inserted there.
    pub(super) fn append_last_argument(&mut self, argument: Argument) {
        let (at, length) = (self.text.cursor(), self.text.len());
        let map = self.map;
        self.insert_at(self.text.next(at));
        self.yank_last_argument(argument);
        if self.text.len() == length {
            self.text.go(at);
            self.map = map;
        }
    }

    /// A word of the line before, by its number, from 0; the first behind the command without one.
    pub(super) fn yank_nth_argument(&mut self, argument: Argument) {
        let number = argument.digits.unwrap_or(1);
        let line = self.history.lines().last().cloned().unwrap_or_default();
        let mut words = line.split_whitespace();
        let word = if argument.is_negative { words.nth_back(number) } else { words.nth(number) };
        match word {
            Some(word) => drop(self.insert(word)),
            None => self.ding(),
        }
    }
}
