//! How much is reported of errors that no callback handles: strangers can make as many as they like.

use std::cell::Cell;
use std::time::{Duration, SystemTime};

/// So many are reported within this time, and the others counted.
const MOST: u32 = 10;
const WITHIN: Duration = Duration::from_secs(60);

/// What has been reported of late.
#[derive(Debug, Default)]
pub(super) struct Reports {
    since: Cell<Option<SystemTime>>,
    told: Cell<u32>,
    kept_back: Cell<u64>,
}

impl Reports {
    /// Whether one more is to be reported, and what is to be said of those that were not or will not be.
    pub(super) fn admit(&self, now: SystemTime) -> Option<String> {
        let elapsed = self.since.get().map(|since| now.duration_since(since).unwrap_or(WITHIN));
        if elapsed.is_none_or(|elapsed| elapsed >= WITHIN) {
            self.since.set(Some(now));
            self.told.set(0);
        }
        if self.told.get() == MOST {
            self.kept_back.set(self.kept_back.get() + 1);
            return None;
        }
        self.told.set(self.told.get() + 1);
        Some(match (self.kept_back.take(), self.told.get() == MOST) {
            (0, false) => String::new(),
            (0, true) => String::from(" (for a minute, more of these are only counted)"),
            (kept_back, _) => format!(" ({kept_back} more were not reported)"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_a_minute_are_told_and_the_others_counted() {
        let (reports, now) = (Reports::default(), SystemTime::UNIX_EPOCH);
        let told: Vec<_> = (0..25).filter_map(|_| reports.admit(now)).collect();
        assert_eq!(told.len(), 10);
        assert!(told[..9].iter().all(String::is_empty), "{told:?}");
        assert!(told[9].contains("only counted"), "{told:?}");
        let later = now + Duration::from_secs(59);
        assert_eq!(reports.admit(later), None);
        let later = now + WITHIN;
        assert_eq!(reports.admit(later).unwrap(), " (16 more were not reported)");
        assert_eq!(reports.admit(later).unwrap(), "");
        // A clock that was set back begins anew.
        assert_eq!((0..20).filter_map(|_| reports.admit(now)).count(), 10);
    }
}
