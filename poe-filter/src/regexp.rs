//! A line terminator that is a regular expression.

use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

use crate::ConfigError;
use crate::buffer::InputBuffer;
use crate::newline::Found;

/// What is taken for the longest match of an expression that has no longest match, when a line is
/// to be called too long.
const UNBOUNDED: usize = 1024;

/// How far the text around a match can decide about it: word boundaries look at one character.
const LOOK_AROUND: usize = 4;

/// A compiled expression, and where the search for it got to.
#[derive(Debug, Clone)]
pub(crate) struct Regexp {
    /// Shared, for with it goes a cache of some size.
    regex: Arc<Regex>,
    longest: Option<usize>,
    /// Which octets a match can begin with.
    first: Arc<[bool; 256]>,
    /// Which octets a match can end with, if it does not depend on what is behind it.
    last: Option<Arc<[bool; 256]>>,
    /// How many octets from the start of the line were searched before. Without a longest match, none of these is the
    /// beginning of one.
    searched: usize,
    /// How many octets of the line have no match in them.
    seen: usize,
}

impl Regexp {
    pub(crate) fn new(pattern: &str) -> Result<Self, ConfigError> {
        let bad = |reason: String| ConfigError::BadRegexp { pattern: pattern.to_owned(), reason };
        // A stream is octets, which need not be UTF-8 nor arrive in whole characters.
        let syntax = ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern);
        let syntax = syntax.map_err(|error| bad(error.to_string()))?;
        if syntax.properties().minimum_len() == Some(0) {
            return Err(ConfigError::EmptyRegexp { pattern: pattern.to_owned() });
        }
        let regex = RegexBuilder::new(pattern)
            .unicode(false)
            .build()
            .map_err(|error| bad(error.to_string()))?;
        let (mut first, mut last) = ([false; 256], [false; 256]);
        add_end(&syntax, End::First, &mut first);
        add_end(&syntax, End::Last, &mut last);
        let looks_around = !syntax.properties().look_set().is_empty();
        Ok(Self {
            regex: Arc::new(regex),
            longest: syntax.properties().maximum_len(),
            first: Arc::new(first),
            last: (!looks_around).then(|| Arc::new(last)),
            searched: 0,
            seen: 0,
        })
    }

    pub(crate) fn find(&mut self, buffer: &mut InputBuffer) -> Option<Found> {
        // What was searched without success is not searched again, except for as much as the
        // beginning of a match can be. Without a bound on that, it may be any octet that a match can begin with.
        let input = buffer.join();
        let new = &input[self.seen..];
        if !self.may_end_in(new) {
            if self.longest.is_some() {
                self.searched = input.len();
            } else if self.searched == self.seen {
                self.searched += self.first_in(new);
            }
            self.seen = input.len();
            buffer.next_chunk();
            return None;
        }
        let from = match self.longest {
            Some(longest) => self.searched.saturating_sub(longest.saturating_add(LOOK_AROUND)),
            None => self.searched,
        };
        match self.regex.find_at(input, from) {
            Some(found) => {
                self.restart();
                Some(Found { line: found.start(), terminator: found.len(), is_open: false })
            }
            None => {
                self.seen = input.len();
                self.searched = match self.longest {
                    Some(_) => input.len(),
                    None => from + self.first_in(&input[from..]),
                };
                buffer.next_chunk();
                None
            }
        }
    }

    /// Whether a match could end in these octets, without which none can have come about.
    fn may_end_in(&self, octets: &[u8]) -> bool {
        let ends = |last: &Arc<[bool; 256]>| octets.iter().any(|octet| last[usize::from(*octet)]);
        self.last.as_ref().is_none_or(ends)
    }

    /// Where the first match could begin: at the end, if none can.
    fn first_in(&self, octets: &[u8]) -> usize {
        let begins = |octet: &u8| self.first[usize::from(*octet)];
        octets.iter().position(begins).unwrap_or(octets.len())
    }

    pub(crate) fn unrecognized(&self) -> usize {
        self.longest.unwrap_or(UNBOUNDED).saturating_add(LOOK_AROUND)
    }

    pub(crate) fn restart(&mut self) {
        (self.searched, self.seen) = (0, 0);
    }
}

/// An end of a match.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    First,
    Last,
}

/// Adds the octets that a match can have at this end; tells whether a match can be empty.
fn add_end(hir: &Hir, end: End, octets: &mut [bool; 256]) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => {
            let octet = match end {
                End::First => literal.0.first(),
                End::Last => literal.0.last(),
            };
            octet.inspect(|octet| octets[usize::from(**octet)] = true).is_none()
        }
        HirKind::Class(class) => {
            match class {
                Class::Bytes(class) => class.iter().for_each(|range| {
                    octets[usize::from(range.start())..=usize::from(range.end())].fill(true);
                }),
                // Of characters, which may begin or end with many octets.
                Class::Unicode(_) => octets.fill(true),
            }
            false
        }
        HirKind::Repetition(repetition) => {
            add_end(&repetition.sub, end, octets) || repetition.min == 0
        }
        HirKind::Capture(capture) => add_end(&capture.sub, end, octets),
        HirKind::Concat(parts) if end == End::Last => {
            parts.iter().rev().all(|part| add_end(part, end, octets))
        }
        HirKind::Concat(parts) => parts.iter().all(|part| add_end(part, end, octets)),
        HirKind::Alternation(parts) => {
            parts.iter().fold(false, |empty, part| add_end(part, end, octets) | empty)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regexp(pattern: &str, pieces: &[&'static str]) -> (Regexp, Option<Found>) {
        let (mut regexp, mut buffer) = (Regexp::new(pattern).unwrap(), InputBuffer::default());
        let mut found = None;
        for piece in pieces {
            buffer.append((*piece).into(), usize::MAX).unwrap();
            found = regexp.find(&mut buffer);
        }
        (regexp, found)
    }

    #[test]
    fn a_search_goes_on_where_a_match_could_begin() {
        for (pattern, searched) in [
            ("\n+", 7),
            ("[a-c]+!", 1),
            ("(?i)C(x*)!", 5),
            ("(?:y|[0-9]*z|\\bd)+", 3),
            ("q?d+\n", 3),
            ("x{3,}", 7),
        ] {
            let (regexp, found) = regexp(pattern, &["-ab", "d", "-cb"]);
            assert_eq!((regexp.searched, found), (searched, None), "{pattern}");
        }
    }

    #[test]
    fn only_where_a_match_could_end_is_one_looked_for() {
        for (pattern, ends) in [
            ("[a-z]+!", "!"),
            ("(?s)a.*(?:xy|z?)", "yz \0"),
            ("\n+", "\n"),
            ("ab(?:c|d*)", "bcd"),
            ("x{2,}", "x"),
            ("x\\b", "anything"),
        ] {
            let regexp = Regexp::new(pattern).unwrap();
            for octet in ends.bytes() {
                assert!(regexp.may_end_in(&[octet]), "{pattern} {octet}");
            }
            assert_eq!(regexp.may_end_in(b"aa"), ["(?s)a.*(?:xy|z?)", "x\\b"].contains(&pattern));
        }
    }

    #[test]
    fn what_began_before_is_found() {
        for (pattern, line, terminator) in [("-\n+", 3, 2), ("c?-+\n", 2, 3), ("(?s)a.*\n", 0, 5)] {
            let found = regexp(pattern, &["ab", "c", "-", "\n"]).1.unwrap();
            assert_eq!((found.line, found.terminator), (line, terminator), "{pattern}");
        }
    }
}
