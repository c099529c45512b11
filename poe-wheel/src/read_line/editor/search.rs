//! Searching the history, while the text is typed or when it is whole.

use super::{Editor, F, LONGEST};
use crate::read_line::key::{self, Key};
use crate::read_line::keymap::MapName;
use crate::read_line::stroke::{self, Stroke};
use crate::read_line::text::Text;

#[derive(Clone, Debug)]
pub(super) struct Search {
    pattern: String,
    backward: bool,
    is_incremental: bool,
    /// How a search that is typed whole is asked for.
    sign: char,
    failed: bool,
    /// What there was before.
    line: Text,
    at: usize,
    map: MapName,
}

impl Search {
    pub(super) fn prompt(&self) -> String {
        if !self.is_incremental {
            return self.sign.to_string();
        }
        let failed = if self.failed { "failed " } else { "" };
        let direction = if self.backward { "reverse" } else { "forward" };
        format!("({failed}{direction}-i-search)`{}': ", self.pattern)
    }
}

impl Editor {
    pub(super) fn search_incrementally(&mut self, backward: bool) {
        self.begin_search(backward, None);
        self.map = MapName::ISearch;
    }

    /// In vi, `/` looks back in time and `?` forward; elsewhere the prompt is a colon.
    pub(super) fn search_whole(&mut self, backward: bool, key: Key) {
        let sign = key.printable().filter(|char| matches!(char, '/' | '?'));
        self.begin_search(backward, Some(sign.unwrap_or(':')));
        self.map = MapName::ViSearch;
        self.text = Text::default();
    }

    fn begin_search(&mut self, backward: bool, sign: Option<char>) {
        self.search = Some(Search {
            pattern: String::new(),
            backward,
            is_incremental: sign.is_none(),
            sign: sign.unwrap_or_default(),
            failed: false,
            line: self.text.clone(),
            at: self.history.at(),
            map: self.map,
        });
    }

    /// Whether this is one of the keys that end a search, and do nothing else: by their names, or, as GNU readline has them,
    /// as octets in quotes.
    pub(super) fn ends_search(&self, key: Key) -> bool {
        let is_it = |terminators: &str| match terminators.strip_prefix('"') {
            Some(octets) => key::unquoted(octets.trim_end_matches('"'))
                .iter()
                .any(|octet| stroke::keys(&[*octet]) == [key]),
            None => key::sequence(terminators).is_some_and(|terminator| terminator == [key]),
        };
        self.map == MapName::ISearch
            && self.search.is_some()
            && self.settings.get("isearch-terminators").split_whitespace().any(is_it)
    }

    /// A key that is bound to nothing else while a search goes on.
    pub(super) fn key_in_search(&mut self, key: Key) {
        let erases = key == Key::ctrl('h') || key == Key::ctrl('?');
        let Some(search) = &mut self.search else { return self.ding() };
        if let Some(char) = key.printable() {
            self.search_for_more(char.encode_utf8(&mut [0; 4]));
        } else if erases && search.is_incremental {
            search.pattern.pop();
            self.look(false);
        } else if erases {
            let at = self.text.cursor();
            match self.text.previous(at) {
                start if start < at => _ = self.text.cut(start..at),
                _ => self.abort_search(),
            }
        } else {
            // Any other key ends it, and does what it does.
            self.finish_search();
            self.queue.push_front(Stroke::Key(key));
        }
    }

    pub(super) fn search_for_more(&mut self, text: &str) {
        match &mut self.search {
            Some(search) if !search.is_incremental => _ = self.insert(text),
            Some(search) if search.pattern.len() + text.len() <= LONGEST => {
                search.pattern.push_str(text);
                self.look(false);
            }
            _ => self.ding(),
        }
    }

    /// Looks for the next one; which way, the key says.
    pub(super) fn search_again(&mut self, key: Key) {
        let Some(search) = &mut self.search else { return self.ding() };
        search.backward = key.letter() != Some('s');
        if search.pattern.is_empty() {
            search.pattern.clone_from(&self.last_search.0);
            self.look(false);
        } else {
            self.look(true);
        }
    }

    /// Goes to the nearest line with the pattern: from this one on, or from the next one.
    fn look(&mut self, is_next: bool) {
        let Some(search) = &mut self.search else { return };
        let at = self.history.at();
        let from = match (search.backward, is_next) {
            (true, false) => at + 1,
            (false, true) => at + 1,
            _ => at,
        };
        let found = self.history.search(&search.pattern, from, search.backward);
        search.failed = found.is_none() && !search.pattern.is_empty();
        if search.failed {
            return self.ding();
        }
        let pattern = search.pattern.clone();
        if let Some(found) = found.filter(|_| !pattern.is_empty()) {
            if let Some(line) = self.history.go(found, self.text.as_str()) {
                self.text = Text::new(line);
            }
            let place = self.text.as_str().find(&pattern).unwrap_or(0);
            self.text.go(place);
        }
    }

    /// Stays where the search has come to.
    pub(super) fn finish_search(&mut self) {
        let Some(search) = self.search.take() else { return };
        self.map = search.map;
        if search.is_incremental {
            if !search.pattern.is_empty() {
                self.last_search = (search.pattern, search.backward);
            }
            if self.history.at() != search.at {
                self.undo.clear();
            }
            return;
        }
        let typed = self.text.as_str().to_owned();
        self.text = search.line;
        if !typed.is_empty() {
            self.last_search = (typed, search.backward);
        }
        self.find_last(search.backward);
    }

    pub(super) fn abort_search(&mut self) {
        let Some(search) = self.search.take() else { return self.ding() };
        self.history.go(search.at, self.text.as_str());
        self.text = search.line;
        self.map = search.map;
        self.last = F::SearchAbort;
    }

    /// Looks for what was looked for last: the same way for `n`, the other for `N`.
    pub(super) fn search_whole_again(&mut self, key: Key) {
        let backward = self.last_search.1 == (key.letter() != Some('N'));
        self.find_last(backward);
    }

    fn find_last(&mut self, backward: bool) {
        let at = self.history.at();
        let from = if backward { at } else { at + 1 };
        let pattern = &self.last_search.0;
        match self.history.search(pattern, from, backward).filter(|_| !pattern.is_empty()) {
            Some(found) => {
                self.go_to_line(found);
                self.text.go(0);
            }
            None => self.ding(),
        }
    }
}
