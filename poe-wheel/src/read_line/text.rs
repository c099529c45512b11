//! A line that is edited: its text, and a cursor that stands between what a person takes for characters.

use std::ops::Range;

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

/// A text with a cursor, in octets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    text: String,
    cursor: usize,
}

/// What vi takes for a word: runs of letters and digits, runs of other signs; or all between blanks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Small,
    Big,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Blank,
    Letters,
    Signs,
}

impl Word {
    fn class(self, char: char) -> Class {
        match self {
            _ if char.is_whitespace() => Class::Blank,
            Self::Small if !is_letter(char) => Class::Signs,
            _ => Class::Letters,
        }
    }
}

fn is_letter(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

impl Text {
    pub(super) fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { cursor: text.len(), text }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn cursor(&self) -> usize {
        self.cursor
    }

    /// Goes to a place, or to the last one before it that there is.
    pub(super) fn go(&mut self, to: usize) {
        let mut to = to.min(self.text.len());
        while !self.text.is_char_boundary(to) {
            to -= 1;
        }
        self.cursor = to;
    }

    pub(super) fn insert(&mut self, text: &str) {
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
    }

    /// Takes a part out; the cursor goes to where it was.
    pub(super) fn cut(&mut self, range: Range<usize>) -> String {
        self.cursor = range.start;
        self.text.drain(range).collect()
    }

    pub(super) fn replace(&mut self, range: Range<usize>, with: &str) {
        self.text.replace_range(range.clone(), with);
        self.cursor = range.start + with.len();
    }

    pub(super) fn char_at(&self, at: usize) -> Option<char> {
        self.text[at..].chars().next()
    }

    pub(super) fn next(&self, at: usize) -> usize {
        let mut graphemes = GraphemeCursor::new(at, self.text.len(), true);
        graphemes.next_boundary(&self.text, 0).ok().flatten().unwrap_or(self.text.len())
    }

    pub(super) fn previous(&self, at: usize) -> usize {
        let mut graphemes = GraphemeCursor::new(at, self.text.len(), true);
        graphemes.prev_boundary(&self.text, 0).ok().flatten().unwrap_or(0)
    }

    pub(super) fn forward(&self, at: usize, count: usize) -> usize {
        self.repeat(at, count, Self::next)
    }

    pub(super) fn backward(&self, at: usize, count: usize) -> usize {
        self.repeat(at, count, Self::previous)
    }

    /// The start of the character of this number, from 0.
    pub(super) fn column(&self, column: usize) -> usize {
        self.text.grapheme_indices(true).nth(column).map_or(self.text.len(), |(at, _)| at)
    }

    /// The end of the word that the place is in or before.
    pub(super) fn word_end(&self, at: usize) -> usize {
        self.skip(self.skip(at, |char| !is_letter(char)), is_letter)
    }

    /// The start of the word that the place is in or behind.
    pub(super) fn word_start(&self, at: usize) -> usize {
        self.skip_back(self.skip_back(at, |char| !is_letter(char)), is_letter)
    }

    /// The start of what lies between blanks before the place.
    pub(super) fn blank_word_start(&self, at: usize) -> usize {
        self.skip_back(self.skip_back(at, char::is_whitespace), |char| !char.is_whitespace())
    }

    pub(super) fn next_vi_word(&self, at: usize, word: Word) -> usize {
        let Some(first) = self.char_at(at) else { return at };
        let class = word.class(first);
        let end = self.skip(at, |char| class != Class::Blank && word.class(char) == class);
        self.skip(end, char::is_whitespace)
    }

    pub(super) fn previous_vi_word(&self, at: usize, word: Word) -> usize {
        let end = self.skip_back(at, char::is_whitespace);
        let Some(last) = self.text[..end].chars().next_back() else { return 0 };
        let class = word.class(last);
        self.skip_back(end, |char| word.class(char) == class)
    }

    /// The last character of the word that ends behind the place.
    pub(super) fn vi_word_end(&self, at: usize, word: Word) -> usize {
        let start = self.skip(self.next(at), char::is_whitespace);
        let Some(first) = self.char_at(start) else { return self.previous(self.text.len()) };
        let class = word.class(first);
        self.previous(self.skip(start, |char| word.class(char) == class))
    }

    pub(super) fn first_print(&self) -> usize {
        self.skip(0, char::is_whitespace)
    }

    pub(super) fn skip(&self, at: usize, is_passed: impl Fn(char) -> bool) -> usize {
        self.text[at..].find(|char| !is_passed(char)).map_or(self.text.len(), |length| at + length)
    }

    pub(super) fn skip_back(&self, at: usize, is_passed: impl Fn(char) -> bool) -> usize {
        self.text[..at].trim_end_matches(is_passed).len()
    }

    /// The bracket that belongs to the first one from a place.
    pub(super) fn matching(&self, at: usize) -> Option<usize> {
        const PAIRS: [(char, char); 3] = [('(', ')'), ('[', ']'), ('{', '}')];
        let is_bracket = |char| PAIRS.iter().any(|&(open, close)| char == open || char == close);
        let at = at + self.text[at..].find(is_bracket)?;
        let bracket = self.char_at(at)?;
        let (open, close) =
            PAIRS.into_iter().find(|&(open, close)| bracket == open || bracket == close)?;
        let mut depth = 0_usize;
        let mut balanced = |(_, char): &(usize, char)| {
            match char {
                char if *char == bracket => depth += 1,
                char if *char == open || *char == close => depth -= 1,
                _ => {}
            }
            depth == 0
        };
        if bracket == open {
            self.text[at..]
                .char_indices()
                .find(|each| balanced(each))
                .map(|(length, _)| at + length)
        } else {
            let end = at + bracket.len_utf8();
            self.text[..end]
                .char_indices()
                .rev()
                .find(|each| balanced(each))
                .map(|(place, _)| place)
        }
    }

    fn repeat(&self, mut at: usize, count: usize, step: impl Fn(&Self, usize) -> usize) -> usize {
        for _ in 0..count {
            let next = step(self, at);
            if next == at {
                break;
            }
            at = next;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_goes_by_what_is_one_character_to_a_person() {
        let text = Text::new("ae\u{301}👨‍👩‍👧漢");
        let mut places = vec![0];
        while places.last() != Some(&text.len()) {
            places.push(text.next(*places.last().unwrap()));
        }
        assert_eq!(places, [0, 1, 4, 22, 25]);
        for pair in places.windows(2) {
            assert_eq!(text.previous(pair[1]), pair[0]);
        }
        assert_eq!(text.column(2), 4);
        assert_eq!((text.previous(0), text.next(25)), (0, 25));
    }

    #[test]
    fn words_are_as_emacs_and_vi_have_them() {
        let text = Text::new("one,two  three");
        assert_eq!([0, 3, 7, 14].map(|at| text.word_end(at)), [3, 7, 14, 14]);
        assert_eq!([14, 9, 4, 0].map(|at| text.word_start(at)), [9, 4, 0, 0]);
        assert_eq!([0, 3, 4, 9].map(|at| text.next_vi_word(at, Word::Small)), [3, 4, 9, 14]);
        assert_eq!([0, 9].map(|at| text.next_vi_word(at, Word::Big)), [9, 14]);
        assert_eq!([14, 9, 4, 3].map(|at| text.previous_vi_word(at, Word::Small)), [9, 4, 3, 0]);
        assert_eq!([0, 2, 3, 6].map(|at| text.vi_word_end(at, Word::Small)), [2, 3, 6, 13]);
        assert_eq!(text.blank_word_start(14), 9);
    }

    #[test]
    fn brackets_match_both_ways() {
        let text = Text::new("x(a[b]{c})");
        assert_eq!([0, 3, 5, 9].map(|at| text.matching(at)), [Some(9), Some(5), Some(3), Some(1)]);
        assert_eq!(Text::new("(").matching(0), None);
    }
}
