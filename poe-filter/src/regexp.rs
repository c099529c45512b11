//! A line terminator that is a regular expression.

use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;

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
    /// How many octets from the start of the line were searched before.
    searched: usize,
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
        Ok(Self { regex: Arc::new(regex), longest: syntax.properties().maximum_len(), searched: 0 })
    }

    pub(crate) fn find(&mut self, buffer: &mut InputBuffer) -> Option<Found> {
        // What was searched without success is not searched again, except for as much as the
        // beginning of a match can be. Without a bound on that, a match may begin anywhere.
        let from = match self.longest {
            Some(longest) => self.searched.saturating_sub(longest.saturating_add(LOOK_AROUND)),
            None => 0,
        };
        let input = buffer.join();
        match self.regex.find_at(input, from) {
            Some(found) => {
                self.searched = 0;
                Some(Found { line: found.start(), terminator: found.len(), is_open: false })
            }
            None => {
                self.searched = input.len();
                buffer.next_chunk();
                None
            }
        }
    }

    pub(crate) fn unrecognized(&self) -> usize {
        self.longest.unwrap_or(UNBOUNDED).saturating_add(LOOK_AROUND)
    }

    pub(crate) fn restart(&mut self) {
        self.searched = 0;
    }
}
