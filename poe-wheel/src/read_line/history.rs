//! Lines that were typed before.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A file of history that could not be read or written.
#[derive(Debug, Error)]
#[error("cannot {operation} the history in {}: {source}", path.display())]
#[non_exhaustive]
pub struct HistoryError {
    /// What was being done: `"read"` or `"write"`.
    pub operation: &'static str,
    /// The file.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

/// The lines, and which of them is being edited.
#[derive(Debug, Default)]
pub(super) struct History {
    lines: Vec<String>,
    at: usize,
    /// The line that was left for one of the past.
    unfinished: String,
}

impl History {
    pub(super) fn add(&mut self, line: String) {
        self.lines.push(line);
        self.at = self.lines.len();
    }

    pub(super) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// A new line is begun.
    pub(super) fn reset(&mut self) {
        self.at = self.lines.len();
        self.unfinished.clear();
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Leaves a line for another one, which is returned; the one that is not in the past yet is kept.
    pub(super) fn go(&mut self, to: usize, left: &str) -> Option<&str> {
        if to > self.lines.len() || to == self.at {
            return None;
        }
        if self.at == self.lines.len() {
            left.clone_into(&mut self.unfinished);
        }
        self.at = to;
        Some(self.lines.get(to).unwrap_or(&self.unfinished))
    }

    /// The nearest line with a text in it, from one on, that one included or not.
    pub(super) fn search(&self, text: &str, from: usize, backward: bool) -> Option<usize> {
        let has = |at: &usize| self.lines[*at].contains(text);
        if backward {
            (0..from.min(self.lines.len())).rev().find(has)
        } else {
            (from.min(self.lines.len())..self.lines.len()).find(has)
        }
    }

    /// Adds the lines of a file, of all that it has those from one number to before another.
    pub(super) fn read(
        &mut self,
        path: &Path,
        from: usize,
        to: usize,
    ) -> Result<usize, HistoryError> {
        let lines = lines_of(path)?;
        let to = to.min(lines.len());
        let wanted = lines.get(from.min(to)..to).unwrap_or_default();
        self.lines.extend_from_slice(wanted);
        self.at = self.lines.len();
        Ok(wanted.len())
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), HistoryError> {
        write(path, &self.lines)
    }
}

/// Keeps the last lines of a file only.
pub(super) fn truncate(path: &Path, most: usize) -> Result<(), HistoryError> {
    let lines = lines_of(path)?;
    if lines.len() > most { write(path, &lines[lines.len() - most..]) } else { Ok(()) }
}

fn lines_of(path: &Path) -> Result<Vec<String>, HistoryError> {
    let octets = fs::read(path).map_err(|source| HistoryError {
        operation: "read",
        path: path.to_owned(),
        source,
    })?;
    Ok(String::from_utf8_lossy(&octets).lines().map(str::to_owned).collect())
}

/// What was typed is for nobody else to read. The old file stays until the new one is whole, unless it is a link.
fn write(path: &Path, lines: &[String]) -> Result<(), HistoryError> {
    let put = |to: &Path| {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(to)?;
        let mut text = lines.join("\n");
        if !lines.is_empty() {
            text.push('\n');
        }
        file.write_all(text.as_bytes())
    };
    let written = match path.symlink_metadata() {
        Ok(metadata) if !metadata.is_file() => put(path),
        _ => {
            let mut beside = path.as_os_str().to_owned();
            beside.push(format!(".{}", std::process::id()));
            let beside = PathBuf::from(beside);
            put(&beside).and_then(|()| fs::rename(&beside, path)).inspect_err(|_| {
                let _ = fs::remove_file(&beside);
            })
        }
    };
    written.map_err(|source| HistoryError { operation: "write", path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unfinished_line_comes_back() {
        let mut history = History::default();
        history.add("one".into());
        history.add("two".into());
        assert_eq!(history.go(1, "unfin"), Some("two"));
        assert_eq!(history.go(0, "changed"), Some("one"));
        assert_eq!(history.go(2, "changed"), Some("unfin"));
        assert_eq!(history.go(3, ""), None);
        assert_eq!(history.search("o", 2, true), Some(1));
        assert_eq!(history.search("o", 0, false), Some(0));
        assert_eq!(history.search("three", 2, true), None);
    }

    #[test]
    fn it_is_kept_in_a_file() {
        let path = std::env::temp_dir().join(format!("poe-history-{}", std::process::id()));
        let mut history = History::default();
        ["one", "två", "three"].into_iter().for_each(|line| history.add(line.into()));
        history.write(&path).unwrap();
        let mut read = History::default();
        assert_eq!(read.read(&path, 1, usize::MAX).unwrap(), 2);
        assert_eq!(read.lines(), ["två", "three"]);
        truncate(&path, 1).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
        fs::remove_file(&path).unwrap();
        let error = read.read(&path, 0, usize::MAX).unwrap_err();
        assert!(error.to_string().starts_with("cannot read the history in "), "{error}");
    }
}
