//! Lines that were typed before.

use std::fs::{self, File, OpenOptions};
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
    /// Adds lines; who looks at one of the past goes on doing so.
    pub(super) fn add(&mut self, lines: impl IntoIterator<Item = String>) {
        let is_past = self.at < self.lines.len();
        self.lines.extend(lines);
        if !is_past {
            self.at = self.lines.len();
        }
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
        self.add(wanted.iter().cloned());
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

/// What was typed is for nobody else to read. The old file stays until the new one is whole and on the disk.
fn write(path: &Path, lines: &[String]) -> Result<(), HistoryError> {
    let mut text = lines.join("\n");
    if !lines.is_empty() {
        text.push('\n');
    }
    // A link stays one. What is neither that nor a file, as a device, is written to.
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let written = match real.symlink_metadata() {
        Ok(metadata) if !metadata.is_file() => fs::write(&real, text),
        _ => replace(&real, text.as_bytes()),
    };
    written.map_err(|source| HistoryError { operation: "write", path: path.to_owned(), source })
}

fn replace(path: &Path, octets: &[u8]) -> io::Result<()> {
    let (beside, mut file) = create_beside(path)?;
    let written = file.write_all(octets).and_then(|()| file.sync_all());
    written.and_then(|()| fs::rename(&beside, path)).inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })
}

/// A new file in the same folder, that nobody else has.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let mut number = 0_u32;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.{number}", std::process::id()));
        let beside = PathBuf::from(name);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 1000 => {
                number += 1;
            }
            opened => return Ok((beside, opened?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unfinished_line_comes_back() {
        let mut history = History::default();
        history.add(["one".into(), "two".into()]);
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
        history.add(["one", "två", "three"].map(str::to_owned));
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

    #[test]
    fn a_link_stays_one_and_a_failure_leaves_the_file() {
        let folder = std::env::temp_dir().join(format!("poe-histories-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let (file, link) = (folder.join("file"), folder.join("link"));
        fs::write(&file, "old\n").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut history = History::default();
        history.add(["new".to_owned()]);
        history.write(&link).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new\n");
        assert!(link.symlink_metadata().unwrap().is_symlink());
        // One that leads nowhere leads to the file then.
        fs::remove_file(&file).unwrap();
        history.write(&link).unwrap();
        assert_eq!(fs::read_to_string(&link).unwrap(), "new\n");

        // What another writer has not finished is left alone.
        let other = folder.join(format!("file.{}.0", std::process::id()));
        fs::write(&other, "of somebody else").unwrap();
        history.write(&file).unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "of somebody else");

        let error = history.write(Path::new("/dev/full")).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::StorageFull, "{error}");
        let error = history.write(&folder).unwrap_err();
        assert!(error.to_string().starts_with("cannot write the history in "), "{error}");
        assert!(history.write(&folder.join("no/such/folder")).is_err());
        assert!(History::default().read(&folder, 0, 1).is_err());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn several_may_write_at_once() {
        let path = std::env::temp_dir().join(format!("poe-several-{}", std::process::id()));
        let lines = |number: usize| vec![number.to_string().repeat(1000); 100];
        std::thread::scope(|scope| {
            for number in 0..4 {
                let path = &path;
                scope.spawn(move || (0..10).for_each(|_| write(path, &lines(number)).unwrap()));
            }
        });
        let written = lines_of(&path).unwrap();
        assert!((0..4).any(|number| lines(number) == written));
        fs::remove_file(&path).unwrap();
    }
}
