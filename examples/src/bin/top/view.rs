//! What of a snapshot is to be seen, and the keys that say so.

use std::cmp::Ordering;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::watched::Row;

/// What the list is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Session,
    Name,
    Events,
    Busy,
    References,
    P99,
    Max,
}

impl Sort {
    /// In the order of the columns.
    pub(crate) const ALL: [Self; 7] = [
        Self::Session,
        Self::Name,
        Self::Events,
        Self::Busy,
        Self::References,
        Self::P99,
        Self::Max,
    ];

    fn compare(self, one: &Row, other: &Row) -> Ordering {
        // Of numbers, the greatest comes first.
        let order = match self {
            Self::Session => Ordering::Equal,
            Self::Name => one.name.cmp(&other.name),
            Self::Events => other.events.total_cmp(&one.events),
            Self::Busy => other.busy.total_cmp(&one.busy),
            Self::References => other.references.cmp(&one.references),
            Self::P99 => other.p99.total_cmp(&one.p99),
            Self::Max => other.max.total_cmp(&one.max),
        };
        order.then(one.session.cmp(&other.session))
    }
}

/// What a key asks for that is not about the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Nothing,
    Quit,
    Suspend,
    Redraw,
}

#[derive(Debug)]
pub(crate) struct View {
    /// The session that was selected; until one was, it is the first of the list.
    selected: Option<u64>,
    /// Which it was in the list, in case it goes.
    at: usize,
    pub(crate) sort: Sort,
    pub(crate) is_reversed: bool,
    pub(crate) filter: String,
    /// Keys go to the filter.
    pub(crate) is_filtering: bool,
    pub(crate) is_paused: bool,
    pub(crate) is_helping: bool,
    /// How many rows of the list there was room for.
    pub(crate) page: usize,
    first: usize,
}

impl View {
    pub(crate) fn new() -> Self {
        Self {
            selected: None,
            at: 0,
            sort: Sort::Events,
            is_reversed: false,
            filter: String::new(),
            is_filtering: false,
            is_paused: false,
            is_helping: false,
            page: 1,
            first: 0,
        }
    }

    /// The rows that are listed, in their order.
    pub(crate) fn listed<'a>(&self, rows: &'a [Row]) -> Vec<&'a Row> {
        let wanted = self.filter.to_lowercase();
        let is_wanted = |row: &&Row| row.name.to_lowercase().contains(&wanted);
        let mut listed: Vec<&Row> = rows.iter().filter(is_wanted).collect();
        listed.sort_unstable_by(|one, other| {
            let order = self.sort.compare(one, other);
            if self.is_reversed { order.reverse() } else { order }
        });
        listed
    }

    /// Which of those listed is selected: the same session as before, or what is in its place.
    pub(crate) fn select(&mut self, listed: &[&Row]) -> Option<usize> {
        let last = listed.len().checked_sub(1)?;
        let same = listed.iter().position(|row| Some(row.session) == self.selected);
        self.at = same.unwrap_or(self.at.min(last));
        self.selected = self.selected.map(|_| listed[self.at].session);
        Some(self.at)
    }

    /// The first that is to be seen of so many, so that what is selected is among them.
    pub(crate) fn scroll(&mut self, selected: usize, count: usize, room: usize) -> usize {
        self.page = room.max(1);
        let first = self.first.clamp((selected + 1).saturating_sub(self.page), selected);
        self.first = first.min(count.saturating_sub(self.page));
        self.first
    }

    pub(crate) fn key(&mut self, key: KeyEvent, rows: &[Row]) -> Wish {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Wish::Quit,
                KeyCode::Char('z') => Wish::Suspend,
                KeyCode::Char('l') => Wish::Redraw,
                _ => Wish::Nothing,
            };
        }
        if key.modifiers.contains(KeyModifiers::ALT) {
            return Wish::Nothing;
        }
        if self.is_filtering {
            match key.code {
                KeyCode::Enter => self.is_filtering = false,
                KeyCode::Esc => {
                    self.is_filtering = false;
                    self.filter.clear();
                }
                KeyCode::Backspace => drop(self.filter.pop()),
                KeyCode::Char(char) => self.filter.push(char),
                _ => {}
            }
            return Wish::Nothing;
        }
        if self.is_helping {
            self.is_helping = false;
            return Wish::Nothing;
        }
        let page = self.page as isize;
        match key.code {
            KeyCode::Char('q') => return Wish::Quit,
            KeyCode::Up | KeyCode::Char('k') => self.go(-1, rows),
            KeyCode::Down | KeyCode::Char('j') => self.go(1, rows),
            KeyCode::PageUp => self.go(-page, rows),
            KeyCode::PageDown => self.go(page, rows),
            KeyCode::Home | KeyCode::Char('g') => self.go(isize::MIN, rows),
            KeyCode::End | KeyCode::Char('G') => self.go(isize::MAX, rows),
            KeyCode::Char('s') => {
                let at = Sort::ALL.iter().position(|&sort| sort == self.sort).unwrap_or_default();
                self.sort = Sort::ALL[(at + 1) % Sort::ALL.len()];
            }
            KeyCode::Char('r') => self.is_reversed = !self.is_reversed,
            KeyCode::Char('/') => self.is_filtering = true,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Char('p' | ' ') => self.is_paused = !self.is_paused,
            KeyCode::Char('h' | '?') => self.is_helping = true,
            _ => {}
        }
        Wish::Nothing
    }

    /// What is pasted is for the filter, in one line.
    pub(crate) fn paste(&mut self, text: &str) {
        if self.is_filtering {
            self.filter.extend(text.chars().filter(|char| !char.is_control()));
        }
    }

    fn go(&mut self, by: isize, rows: &[Row]) {
        let listed = self.listed(rows);
        if let Some(at) = self.select(&listed) {
            self.at = at.saturating_add_signed(by).min(listed.len() - 1);
            self.selected = Some(listed[self.at].session);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let row = |session: u64, name: &str, events: f64| Row {
            session,
            parent: 0,
            name: name.to_owned(),
            events,
            busy: 0.0,
            references: 1,
            p99: 0.0,
            max: 0.0,
            failures: 0,
        };
        vec![row(1, "Listener", 2.0), row(2, "worker", 9.0), row(3, "Connection", 0.0)]
    }

    fn press(view: &mut View, keys: &str) {
        for key in keys.chars() {
            let code = match key {
                '\n' => KeyCode::Enter,
                '\x1B' => KeyCode::Esc,
                other => KeyCode::Char(other),
            };
            assert_eq!(view.key(code.into(), &rows()), Wish::Nothing);
        }
    }

    fn order(view: &View) -> Vec<u64> {
        view.listed(&rows()).iter().map(|row| row.session).collect()
    }

    #[test]
    fn rows_are_sorted_and_filtered() {
        let mut view = View::new();
        assert_eq!(order(&view), [2, 1, 3]);
        press(&mut view, "r");
        assert_eq!(order(&view), [3, 1, 2]);
        press(&mut view, "r/NE\n");
        assert_eq!(order(&view), [1, 3]);
        press(&mut view, "ssss");
        assert_eq!(view.sort, Sort::Max);
        press(&mut view, "s");
        assert_eq!((view.sort, order(&view)), (Sort::Session, vec![1, 3]));
        press(&mut view, "s/\x1B");
        assert_eq!((view.sort, order(&view)), (Sort::Name, vec![3, 1, 2]));
    }

    #[test]
    fn a_selection_stays_with_its_session() {
        let (mut view, mut rows) = (View::new(), rows());
        assert_eq!(view.select(&view.listed(&rows)), Some(0));
        press(&mut view, "jj");
        assert_eq!(view.selected, Some(3));
        press(&mut view, "r");
        assert_eq!(view.select(&view.listed(&rows)), Some(0));
        rows.remove(2);
        assert_eq!(view.select(&view.listed(&rows)), Some(0));
        assert_eq!(view.selected, Some(1));
        // Until something is selected, it is what comes first.
        let mut view = View::new();
        assert_eq!(view.select(&view.listed(&rows)), Some(0));
        press(&mut view, "r");
        assert_eq!(view.select(&view.listed(&rows)), Some(0));
        press(&mut view, "gG");
        assert_eq!(view.select(&[]), None);
        press(&mut view, "k");
        assert_eq!(view.key(KeyCode::PageDown.into(), &[]), Wish::Nothing);
    }

    #[test]
    fn what_is_selected_is_seen() {
        let mut view = View::new();
        assert_eq!(view.scroll(0, 10, 4), 0);
        assert_eq!(view.scroll(5, 10, 4), 2);
        assert_eq!(view.scroll(3, 10, 4), 2);
        assert_eq!(view.scroll(1, 10, 4), 1);
        assert_eq!(view.scroll(9, 10, 4), 6);
        assert_eq!(view.scroll(2, 3, 4), 0);
        assert_eq!(view.scroll(2, 3, 0), 2);
    }

    #[test]
    fn there_is_always_a_way_out() {
        let mut view = View::new();
        press(&mut view, "/q");
        assert_eq!(view.filter, "q");
        let control = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(view.key(control, &rows()), Wish::Quit);
        press(&mut view, "\nhq");
        assert_eq!(view.key(KeyCode::Char('q').into(), &rows()), Wish::Quit);
    }
}
