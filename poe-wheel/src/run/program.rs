//! What a child runs, and what it finds when it begins.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::code::Code;

/// Where programs are looked for if `PATH` is not set.
const DEFAULT_PATH: &str = "/usr/local/bin:/bin:/usr/bin";

/// What a child runs.
pub(super) enum Program {
    /// A program, by its path or to be found in `PATH`.
    Path(OsString),
    /// A command for the shell.
    Shell(OsString),
    Code(Code),
}

/// Its path, and its arguments, of which the first is its name.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) path: CString,
    pub(super) arguments: Vec<CString>,
    pub(super) environment: Vec<CString>,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Shell(command) => write!(f, "{:?}", command.display().to_string()),
            Self::Code(_) => f.write_str("code"),
        }
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a child finds.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    pub(super) directory: Option<PathBuf>,
    pub(super) clear: bool,
    pub(super) changes: BTreeMap<OsString, Option<OsString>>,
}

impl Surroundings {
    pub(super) fn is_given(&self) -> bool {
        self.directory.is_some() || self.clear || !self.changes.is_empty()
    }

    /// What a program is started with, and by which path.
    pub(super) fn command(&self, name: Name<'_>, arguments: &[OsString]) -> io::Result<Command> {
        let environment = self.environment();
        let (path, first) = match name {
            Name::Program(name) => {
                CString::new(name.as_bytes())?;
                let paths = environment.get(OsStr::new("PATH")).map(OsString::as_os_str);
                (self.find(name, paths.unwrap_or(OsStr::new(DEFAULT_PATH)))?, vec![name])
            }
            Name::Shell(command) => {
                let dummy = "sh"; // What `$0` is; the arguments are `$1` and so on.
                let first = [OsStr::new("sh"), OsStr::new("-c"), command, OsStr::new(dummy)];
                (PathBuf::from("/bin/sh"), first.to_vec())
            }
        };
        let arguments = first.into_iter().chain(arguments.iter().map(OsString::as_os_str));
        Ok(Command {
            path: CString::new(path.into_os_string().into_vec())?,
            arguments: arguments
                .map(|one| Ok(CString::new(one.as_bytes())?))
                .collect::<io::Result<_>>()?,
            environment: environment.into_iter().map(assignment).collect::<io::Result<_>>()?,
        })
    }

    fn environment(&self) -> BTreeMap<OsString, OsString> {
        let mut environment = BTreeMap::new();
        if !self.clear {
            environment.extend(std::env::vars_os());
        }
        for (name, value) in &self.changes {
            match value {
                Some(value) => _ = environment.insert(name.clone(), value.clone()),
                None => _ = environment.remove(name),
            }
        }
        environment
    }

    /// The first that may be executed, as the shell would find it; where none may, what stands in the way.
    fn find(&self, name: &OsStr, paths: &OsStr) -> io::Result<PathBuf> {
        if name.is_empty() || name.as_bytes().contains(&b'/') {
            return Ok(name.into());
        }
        let mut error = io::Error::from(nix::errno::Errno::ENOENT);
        for folder in std::env::split_paths(paths) {
            let path = folder.join(name);
            match may_execute(&self.seen_from_there(&path)) {
                // A path without a folder is one in the child's.
                Ok(()) if path.parent() == Some(Path::new("")) => {
                    return Ok(Path::new(".").join(path));
                }
                Ok(()) => return Ok(path),
                Err(denied) if denied.kind() == io::ErrorKind::PermissionDenied => error = denied,
                Err(_) => {}
            }
        }
        Err(error)
    }

    /// A path as it is from the child's directory.
    fn seen_from_there(&self, path: &Path) -> PathBuf {
        match &self.directory {
            Some(directory) => directory.join(path),
            None => path.to_owned(),
        }
    }
}

/// A program or a command.
#[derive(Clone, Copy, Debug)]
pub(super) enum Name<'a> {
    Program(&'a OsStr),
    Shell(&'a OsStr),
}

fn may_execute(path: &Path) -> io::Result<()> {
    access(path, AccessFlags::X_OK)?;
    if path.is_dir() { Err(nix::errno::Errno::EACCES.into()) } else { Ok(()) }
}

fn assignment((name, value): (OsString, OsString)) -> io::Result<CString> {
    let mut octets = name.into_vec();
    octets.push(b'=');
    octets.extend_from_slice(value.as_bytes());
    Ok(CString::new(octets)?)
}
