//! What was killed, to be yanked.

use std::collections::VecDeque;

const MOST: usize = 60;

#[derive(Debug, Default)]
pub(super) struct KillRing {
    /// The latest first.
    kills: VecDeque<String>,
}

/// Which side of the last kill another one belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Before,
    After,
}

impl KillRing {
    /// Keeps a text; one that was killed right after another is one with it.
    pub(super) fn kill(&mut self, text: &str, joins: Option<Side>) {
        match (joins, self.kills.front_mut()) {
            _ if text.is_empty() => {}
            (Some(Side::After), Some(latest)) => latest.push_str(text),
            (Some(Side::Before), Some(latest)) => latest.insert_str(0, text),
            _ => {
                self.kills.push_front(text.to_owned());
                self.kills.truncate(MOST);
            }
        }
    }

    pub(super) fn latest(&self) -> Option<&str> {
        self.kills.front().map(String::as_str)
    }

    /// Makes the one before the latest.
    pub(super) fn rotate(&mut self) {
        if !self.kills.is_empty() {
            self.kills.rotate_left(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_join_and_go_around() {
        let mut ring = KillRing::default();
        ring.rotate();
        ring.kill("b", None);
        ring.kill("c", Some(Side::After));
        ring.kill("a", Some(Side::Before));
        ring.kill("", None);
        ring.kill("other", None);
        assert_eq!(ring.latest(), Some("other"));
        ring.rotate();
        assert_eq!(ring.latest(), Some("abc"));
        ring.rotate();
        assert_eq!(ring.latest(), Some("other"));
    }
}
