//! Changing the text: inserting, deleting, killing, yanking, changing case, and taking that back.

use std::path::PathBuf;

use super::{Argument, Editor, Effect, F, LONGEST, Side};
use crate::read_line::key::Key;
use crate::read_line::text::Text;

impl Editor {
    pub(super) fn insert_key(&mut self, key: Key, argument: Argument) {
        let Some(char) = key.printable() else { return self.ding() };
        if argument.is_negative {
            return;
        }
        let text = char.to_string().repeat(argument.count());
        let at = self.text.cursor();
        if self.insert(&text) && self.overwrite {
            let start = self.text.cursor();
            let end = self.text.forward(start, argument.count());
            self.text.cut(start..end);
            self.text.go(at + text.len());
        }
    }

    pub(super) fn delete(&mut self, argument: Argument, backward: bool) {
        let at = self.text.cursor();
        let range = if backward != argument.is_negative {
            self.text.backward(at, argument.count())..at
        } else {
            at..self.text.forward(at, argument.count())
        };
        if range.is_empty() {
            self.ding();
        } else {
            self.text.cut(range);
        }
    }

    pub(super) fn delete_blanks(&mut self) {
        let at = self.text.cursor();
        let start = self.text.skip_back(at, |char| matches!(char, ' ' | '\t'));
        let end = self.text.skip(at, |char| matches!(char, ' ' | '\t'));
        self.text.cut(start..end);
    }

    pub(super) fn kill_to_end(&mut self) {
        self.kill(self.text.cursor()..self.text.len(), Side::After);
    }

    pub(super) fn kill_back_to(&mut self, start: usize) {
        self.kill(start..self.text.cursor(), Side::Before);
    }

    pub(super) fn kill_all(&mut self) {
        self.kill(0..self.text.len(), Side::After);
    }

    /// A word goes with the blanks behind it.
    pub(super) fn kill_words(&mut self, argument: Argument) {
        if argument.is_negative {
            return self.kill_words_back(Argument { is_negative: false, ..argument });
        }
        let at = self.text.cursor();
        let end = (0..argument.count().min(self.text.len()))
            .fold(at, |at, _| self.text.skip(self.text.word_end(at), char::is_whitespace));
        self.kill(at..end, Side::After);
    }

    pub(super) fn kill_words_back(&mut self, argument: Argument) {
        if argument.is_negative {
            return self.kill_words(Argument { is_negative: false, ..argument });
        }
        let count = argument.count().min(self.text.len());
        let start = (0..count).fold(self.text.cursor(), |at, _| self.text.word_start(at));
        self.kill_back_to(start);
    }

    pub(super) fn kill_blank_words_back(&mut self, argument: Argument) {
        let count = argument.count().min(self.text.len());
        let start = (0..count).fold(self.text.cursor(), |at, _| self.text.blank_word_start(at));
        self.kill_back_to(start);
    }

    fn region(&self) -> std::ops::Range<usize> {
        let mut mark = self.text.clone();
        mark.go(self.mark);
        let (mark, at) = (mark.cursor(), self.text.cursor());
        mark.min(at)..mark.max(at)
    }

    pub(super) fn copy_region(&mut self) {
        let text = self.text.as_str()[self.region()].to_owned();
        self.kills.kill(&text, None);
    }

    pub(super) fn kill_region(&mut self) {
        self.kill(self.region(), Side::After);
    }

    pub(super) fn yank(&mut self, argument: Argument) {
        let Some(killed) = self.kills.latest() else { return self.ding() };
        if killed.len().saturating_mul(argument.count()) > LONGEST {
            return self.ding();
        }
        let text = killed.repeat(argument.count());
        let at = self.text.cursor();
        if self.insert(&text) {
            self.yanked = Some(at..self.text.cursor());
        }
    }

    /// Puts what was killed before in the place of what was yanked just now.
    pub(super) fn yank_before(&mut self) {
        if !matches!(self.last, F::Yank | F::YankPop) {
            return self.ding();
        }
        let Some(range) = self.yanked.take() else { return self.ding() };
        self.kills.rotate();
        self.text.cut(range);
        self.yank(Argument::default());
    }

    pub(super) fn change_case(&mut self, function: F, argument: Argument) {
        for _ in 0..argument.count() {
            let at = self.text.cursor();
            let (start, end) = if argument.is_negative {
                (self.text.word_start(at), at)
            } else {
                (at, self.text.word_end(at))
            };
            if start == end {
                break;
            }
            let word = &self.text.as_str()[start..end];
            let changed = match function {
                F::UpcaseWord => word.to_uppercase(),
                F::DowncaseWord => word.to_lowercase(),
                _ => capitalized(word),
            };
            self.text.replace(start..end, &changed);
            if argument.is_negative {
                self.text.go(start);
            }
        }
    }

    /// The character before the cursor goes behind the next ones; at the end, the two before it change places.
    pub(super) fn transpose_chars(&mut self, argument: Argument) {
        let at = self.text.cursor();
        let middle = if at == self.text.len() { self.text.previous(at) } else { at };
        let argument = if at == self.text.len() { Argument::default() } else { argument };
        let start = self.text.previous(middle);
        if start == middle || at == 0 {
            return self.ding();
        }
        if argument.count() == 0 {
            return;
        }
        let (to, end) = if argument.is_negative {
            (self.text.backward(start, argument.count()), start)
        } else {
            (middle, self.text.forward(middle, argument.count()))
        };
        let line = self.text.as_str();
        let (moved, passed) = (&line[start..middle], &line[to..end]);
        if argument.is_negative {
            let (changed, cursor) = (format!("{moved}{passed}"), to + moved.len());
            self.text.replace(to..middle, &changed);
            self.text.go(cursor);
        } else {
            let changed = format!("{passed}{moved}");
            self.text.replace(start..end, &changed);
        }
    }

    /// The word before the cursor, and the one at or behind it, or so many words behind.
    pub(super) fn transpose_words(&mut self, argument: Argument) {
        if argument.is_negative {
            return self.ding();
        }
        let count = argument.count().min(self.text.len());
        let second_end = (0..count).fold(self.text.cursor(), |at, _| self.text.word_end(at));
        let second = self.text.word_start(second_end);
        let first = (0..count).fold(second, |at, _| self.text.word_start(at));
        let first_end = self.text.word_end(first);
        if first_end > second || first == second {
            return self.ding();
        }
        let line = self.text.as_str();
        let (one, between, two) =
            (&line[first..first_end], &line[first_end..second], &line[second..second_end]);
        let swapped = format!("{two}{between}{one}");
        self.text.replace(first..second_end, &swapped);
    }

    pub(super) fn undo_once(&mut self, argument: Argument) {
        for _ in 0..argument.count() {
            match self.undo.pop() {
                Some(text) => self.text = text,
                None => return self.ding(),
            }
        }
    }

    /// Takes back all that was done to the line.
    pub(super) fn revert(&mut self) {
        match self.undo.pop_all() {
            Some(text) => self.text = text,
            None => self.ding(),
        }
    }

    pub(super) fn comment(&mut self) {
        let begin = self.settings.get("comment-begin").to_owned();
        self.text.go(0);
        self.insert(&begin);
        self.accept();
    }

    pub(super) fn expand_tilde(&mut self) -> bool {
        let at = self.text.cursor();
        let is_word = |char: char| !char.is_whitespace();
        let (start, end) = (self.text.skip_back(at, is_word), self.text.skip(at, is_word));
        let word = &self.text.as_str()[start..end];
        let (name, rest) = word.split_at(word.find('/').unwrap_or(word.len()));
        let Some(home) = name.strip_prefix('~').and_then(home_of) else {
            self.ding();
            return false;
        };
        let expanded = format!("{}{rest}", home.display());
        self.text.replace(start..end, &expanded);
        true
    }

    pub(super) fn show_list(&mut self, lines: Vec<String>) {
        // The names of files may be anything.
        let is_shown =
            |char: char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char };
        let lines = lines.iter().map(|line| line.chars().map(is_shown).collect()).collect();
        self.effects.push(Effect::Print(lines));
    }

    pub(super) fn put_line(&mut self, line: &str) {
        self.undo.clear();
        self.text = Text::new(line);
    }
}

fn capitalized(word: &str) -> String {
    let mut is_first = true;
    let mut changed = String::new();
    for char in word.chars() {
        if !char.is_alphanumeric() {
            changed.push(char);
        } else if std::mem::take(&mut is_first) {
            changed.extend(char.to_uppercase());
        } else {
            changed.extend(char.to_lowercase());
        }
    }
    changed
}

/// The home directory of a user, of ours if there is no name.
fn home_of(user: &str) -> Option<PathBuf> {
    if user.is_empty() {
        return std::env::var_os("HOME").map(PathBuf::from);
    }
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let entry = users.lines().find(|line| line.split(':').next() == Some(user))?;
    entry.split(':').nth(5).map(PathBuf::from)
}
