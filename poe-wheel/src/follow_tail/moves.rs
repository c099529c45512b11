//! Where files of one name were moved to, so that none is missed that had the name for a short while only.

use std::cell::{Cell, RefCell};
use std::ffi::{OsStr, OsString};

use super::notifier::Change;

/// What is known of the names in a directory since they were last looked at.
#[derive(Debug)]
pub(super) struct Moves {
    name: OsString,
    /// How often something of interest has happened.
    count: Cell<u64>,
    /// How often when they were last looked at.
    seen: Cell<u64>,
    /// What files that had the name are called by now, the one that had it first coming first.
    away: RefCell<Vec<OsString>>,
    /// The number of the move that one of them is in, and which of them; if none, it is under the name.
    leaving: Cell<Option<(u32, Option<usize>)>>,
}

impl Moves {
    pub(super) fn of(name: &OsStr) -> Self {
        Self {
            name: name.to_owned(),
            count: Cell::new(0),
            seen: Cell::new(0),
            away: RefCell::default(),
            leaving: Cell::new(None),
        }
    }

    /// Keeps a change in mind. Whether it is of interest.
    pub(super) fn note(&self, change: Change<'_>) -> bool {
        let count = self.count.get();
        match change {
            Change::Went(name, number) => self.went(name, number),
            Change::Came(name, number) => self.came(name, number),
            Change::Anything | Change::DirectoryLost => self.mark(),
            Change::Contents | Change::Unwatched => {}
        }
        self.count.get() != count
    }

    /// Whether there is something to look at.
    pub(super) fn has_news(&self) -> bool {
        self.count.get() != self.seen.get()
    }

    pub(super) fn count(&self) -> u64 {
        self.count.get()
    }

    pub(super) fn away(&self) -> Vec<OsString> {
        self.away.borrow().clone()
    }

    /// They were looked at, but for these, which are to be looked at again.
    pub(super) fn forget_but(&self, unseen: Vec<OsString>) {
        if unseen.is_empty() {
            self.seen.set(self.count.get());
        }
        *self.away.borrow_mut() = unseen;
        // Of a file that is leaving the name, the system may not have told yet where it goes.
        if !matches!(self.leaving.get(), Some((_, None))) {
            self.leaving.set(None);
        }
    }

    /// The directory is another one.
    pub(super) fn leave(&self) {
        self.away.borrow_mut().clear();
        self.leaving.set(None);
        self.mark();
    }

    fn mark(&self) {
        self.count.set(self.count.get() + 1);
    }

    fn went(&self, name: &OsStr, number: u32) {
        let mut away = self.away.borrow_mut();
        let which = away.iter().position(|file| file == name);
        if number == 0 {
            // Deleted.
            if let Some(which) = which {
                away.remove(which);
                self.mark();
            }
        } else if name == self.name {
            self.leaving.set(Some((number, None)));
        } else if which.is_some() {
            self.leaving.set(Some((number, which)));
            self.mark();
        }
    }

    fn came(&self, name: &OsStr, number: u32) {
        if name == self.name {
            self.mark();
        }
        let mut away = self.away.borrow_mut();
        let moved = self.leaving.get().filter(|(leaving, _)| number != 0 && *leaving == number);
        // What had that name has it no longer.
        let replaced = away.iter().position(|file| file == name);
        match moved {
            Some((_, Some(which))) => name.clone_into(&mut away[which]),
            Some((_, None)) => away.push(name.to_owned()),
            None => {}
        }
        if let Some(replaced) = replaced {
            away.remove(replaced);
        }
        if moved.is_some() {
            self.leaving.set(None);
            self.mark();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moves(changes: &[(&str, &str)]) -> (bool, Vec<OsString>) {
        let moves = Moves::of(OsStr::new("log"));
        let mut number = 0;
        for (from, to) in changes {
            number += 1;
            match (*from, *to) {
                ("", new) => _ = moves.note(Change::Came(OsStr::new(new), 0)),
                (old, "") => _ = moves.note(Change::Went(OsStr::new(old), 0)),
                (from, to) => {
                    moves.note(Change::Went(OsStr::new(from), number));
                    moves.note(Change::Came(OsStr::new(to), number));
                }
            }
        }
        (moves.has_news(), moves.away())
    }

    fn names(names: &[&str]) -> Vec<OsString> {
        names.iter().map(OsString::from).collect()
    }

    #[test]
    fn what_is_moved_on_is_known_by_its_last_name() {
        assert_eq!(moves(&[("log", "log.1"), ("", "log")]), (true, names(&["log.1"])));
        let twice = [("log", "log.1"), ("", "log"), ("log.1", "log.2"), ("log", "log.1")];
        assert_eq!(moves(&twice), (true, names(&["log.2", "log.1"])));
    }

    #[test]
    fn what_is_gone_or_of_no_interest_is_forgotten() {
        assert_eq!(moves(&[("a", "b"), ("", "c"), ("c", "")]), (false, names(&[])));
        assert_eq!(moves(&[("log", "log.1"), ("log.1", "")]), (true, names(&[])));
        let replaced = [("log", "log.1"), ("", "log"), ("log", "log.1")];
        assert_eq!(moves(&replaced), (true, names(&["log.1"])));
        let replaced = [("log", "log.1"), ("", "log"), ("log", "log.2"), ("log.2", "log.1")];
        assert_eq!(moves(&replaced), (true, names(&["log.1"])));
    }

    #[test]
    fn a_file_that_is_leaving_is_not_forgotten() {
        let moves = Moves::of(OsStr::new("log"));
        moves.note(Change::Went(OsStr::new("log"), 7));
        moves.forget_but(Vec::new());
        assert!(moves.note(Change::Came(OsStr::new("log.1"), 7)));
        assert_eq!(moves.away(), names(&["log.1"]));
        moves.forget_but(names(&["log.1"]));
        assert!(moves.has_news());
        moves.note(Change::Went(OsStr::new("log.1"), 8));
        moves.forget_but(Vec::new());
        assert!(!moves.has_news());
        assert!(!moves.note(Change::Came(OsStr::new("log.2"), 8)));
    }

    #[test]
    fn what_comes_under_the_name_is_to_be_looked_at() {
        assert_eq!(moves(&[("", "log")]), (true, names(&[])));
        assert_eq!(moves(&[("log.new", "log")]), (true, names(&[])));
    }
}
