//! Where a file is that had the name once, and which had it after that one: told by what rotated files are called.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A file that had the name.
struct Sibling {
    path: PathBuf,
    inode: u64,
    suffix: Suffix,
    modified: SystemTime,
}

/// What comes behind the name; the greater, the later the file had it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Suffix {
    /// As of `log.1`.
    Age(Reverse<u32>),
    /// As of `log-20261122`: how long it is, and what.
    Date(usize, Vec<u8>),
    Other,
}

impl Suffix {
    fn of(name: &OsStr, base: &OsStr) -> Self {
        let rest = name.as_bytes().strip_prefix(base.as_bytes()).and_then(<[u8]>::split_first);
        let Some((b'.' | b'-', suffix)) = rest else { return Self::Other };
        let is_number = suffix.len() < 6 && suffix.iter().all(u8::is_ascii_digit);
        let is_date = |octet: &u8| octet.is_ascii_digit() || b"-_:.T".contains(octet);
        match str::from_utf8(suffix).ok().and_then(|age| age.parse().ok()) {
            Some(age) if is_number => Self::Age(Reverse(age)),
            _ if suffix.len() >= 8 && suffix.iter().all(is_date) => {
                Self::Date(suffix.len(), suffix.to_owned())
            }
            _ => Self::Other,
        }
    }

    /// Whether files are called so in the same manner, and this one later.
    fn is_after(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Age(_), Self::Age(_)) => self > other,
            (Self::Date(length, _), Self::Date(other_length, _)) => {
                length == other_length && self > other
            }
            _ => false,
        }
    }
}

/// The file of this inode in the directory of the name, and then those that had the name after it, without the one that has
/// it now. Nothing if there is no such file.
pub(super) fn since(path: &Path, inode: u64) -> Vec<PathBuf> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let name = path.file_name().unwrap_or_default();
    let Ok(entries) = fs::read_dir(parent.unwrap_or(".".as_ref())) else { return Vec::new() };
    let mut siblings: Vec<Sibling> = entries.flatten().filter_map(|e| sibling(&e, name)).collect();
    let Some(first) = siblings.iter().position(|sibling| sibling.inode == inode) else {
        return Vec::new();
    };
    let first = siblings.swap_remove(first);
    // Where the greater number is the later one, those with a smaller one were not written to since.
    let is_after = |sibling: &Sibling| {
        sibling.suffix.is_after(&first.suffix) && sibling.modified >= first.modified
    };
    siblings.retain(is_after);
    siblings.sort_by(|a, b| a.suffix.cmp(&b.suffix));
    std::iter::once(first).chain(siblings).map(|sibling| sibling.path).collect()
}

fn sibling(entry: &DirEntry, base: &OsStr) -> Option<Sibling> {
    let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
    Some(Sibling {
        path: entry.path(),
        inode: metadata.ino(),
        suffix: Suffix::of(&entry.file_name(), base),
        modified: metadata.modified().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suffix(name: &str) -> Suffix {
        Suffix::of(OsStr::new(name), OsStr::new("log"))
    }

    #[test]
    fn ages_fall_and_dates_rise() {
        let is_after = |a, b| suffix(a).is_after(&suffix(b));
        assert!(is_after("log.1", "log.2") && is_after("log.9", "log.10"));
        assert!(is_after("log-20261122", "log-20261121"));
        assert!(is_after("log.2026-11-22T10:00", "log.2026-11-22T09:59"));
        for (a, b) in [
            ("log.2", "log.1"),
            ("log.1", "log.1"),
            ("log.1", "log-20261121"),
            ("log-2026112200", "log-20261121"),
            ("log.1.gz", "log.2.gz"),
            ("log1", "log2"),
            ("other.1", "other.2"),
            ("log.+1", "log.2"),
            ("log", "log.1"),
        ] {
            assert!(!is_after(a, b), "{a} after {b}");
        }
    }
}
