//! Completing words.

use unicode_width::UnicodeWidthStr;

use super::{Editor, Effect};
use crate::read_line::keymap::MapName;

/// What a completion function is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Completion {
    /// What there is of the word: all between a blank and the cursor.
    pub word: String,
    /// The whole line.
    pub line: String,
    /// Where the word starts in it, in octets.
    pub start: usize,
    /// Where the cursor is, in octets; there the word ends.
    pub cursor: usize,
}

/// What is done about the words that come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::read_line) enum How {
    Extend,
    List,
    Insert,
}

impl Editor {
    pub(super) fn complete(&mut self, how: How) {
        let is_command = self.map == MapName::ViCommand;
        let is_word = |char: char| !char.is_whitespace();
        // In vi's command mode the cursor is on a character of the word, not behind it.
        let at = self.text.cursor();
        let cursor = if is_command { self.text.skip(at, is_word) } else { at };
        let start = self.text.skip_back(cursor, is_word);
        let word = self.text.as_str()[start..cursor].to_owned();
        let line = self.text.as_str().to_owned();
        if is_command && how != How::List {
            self.insert_at(cursor);
        }
        // What comes of it depends on what was done before.
        let how = match how {
            How::Extend if self.last.completes() && self.is_ambiguous => How::List,
            how => how,
        };
        self.effects.push(Effect::Complete(Completion { word, line, start, cursor }, how));
    }

    /// Takes the words that a line may be completed with.
    pub(in crate::read_line) fn completed(
        &mut self,
        asked: &Completion,
        how: How,
        mut words: Vec<String>,
        columns: usize,
    ) -> Vec<Effect> {
        words.retain(|word| word.starts_with(&asked.word));
        self.is_ambiguous = words.len() > 1;
        if self.text.as_str() != asked.line || words.is_empty() {
            self.ding();
        } else if how == How::Insert {
            self.complete_with(asked, &words.join(" "));
        } else {
            let common = common_start(&words).to_owned();
            if how == How::Extend && common.len() > asked.word.len() {
                self.complete_with(asked, &common);
            }
            let lists = how == How::List || self.settings.is_on("show-all-if-ambiguous");
            if self.is_ambiguous && lists {
                let lines = if self.settings.is_on("print-completions-horizontally") {
                    in_columns(&words, columns)
                } else {
                    words
                };
                self.show_list(lines);
            } else if self.is_ambiguous {
                self.ding();
            } else if how == How::List {
                self.show_list(words);
            }
        }
        std::mem::take(&mut self.effects)
    }

    fn complete_with(&mut self, asked: &Completion, text: &str) {
        self.remember();
        self.text.replace(asked.start..asked.cursor, text);
    }
}

fn common_start(words: &[String]) -> &str {
    let Some((first, others)) = words.split_first() else { return "" };
    let common = |word: &String| {
        let same = first.char_indices().zip(word.chars()).find(|((_, one), other)| one != other);
        same.map_or(first.len().min(word.len()), |((at, _), _)| at)
    };
    &first[..others.iter().map(common).min().unwrap_or(first.len())]
}

fn in_columns(words: &[String], columns: usize) -> Vec<String> {
    let widest = words.iter().map(|word| word.width()).max().unwrap_or(0) + 2;
    let in_row = (columns / widest).max(1);
    let rows = words.chunks(in_row).map(|row| {
        let mut line = String::new();
        for word in row {
            line.push_str(word);
            line.extend(std::iter::repeat_n(' ', widest - word.width()));
        }
        line.trim_end().to_owned()
    });
    rows.collect()
}
