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
    /// None where it is the parent's as it is, which need not be copied then.
    pub(super) environment: Option<Vec<CString>>,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", Name::Program(path)),
            Self::Shell(command) => write!(f, "{}", Name::Shell(command)),
            Self::Code(_) => f.write_str("code"),
        }
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
        let (path, first) = match name {
            Name::Program(name) => {
                CString::new(name.as_bytes())?;
                (self.find(name)?, vec![name])
            }
            Name::Shell(command) => {
                let dummy = "sh"; // What `$0` is; the arguments are `$1` and so on.
                // A command that begins with `-` is none of the shell's options.
                let first = ["sh", "-c", "--"].map(OsStr::new).into_iter();
                let first = first.chain([command, OsStr::new(dummy)]).collect();
                (PathBuf::from("/bin/sh"), first)
            }
        };
        let arguments = first.into_iter().chain(arguments.iter().map(OsString::as_os_str));
        Ok(Command {
            path: CString::new(path.into_os_string().into_vec())?,
            arguments: arguments
                .map(|one| Ok(CString::new(one.as_bytes())?))
                .collect::<io::Result<_>>()?,
            environment: self.environment()?,
        })
    }

    fn environment(&self) -> io::Result<Option<Vec<CString>>> {
        if !self.clear && self.changes.is_empty() {
            return Ok(None);
        }
        let parents = (!self.clear).then(std::env::vars_os).into_iter().flatten();
        let kept = parents.filter(|(name, _)| !self.changes.contains_key(name));
        let mut environment: Vec<CString> =
            kept.map(|(name, value)| assignment(&name, &value)).collect::<io::Result<_>>()?;
        for (name, value) in &self.changes {
            if let Some(value) = value {
                check_name(name)?;
                environment.push(assignment(name, value)?);
            }
        }
        Ok(Some(environment))
    }

    /// What a variable is for the child.
    fn variable(&self, name: &str) -> Option<OsString> {
        match self.changes.get(OsStr::new(name)) {
            Some(value) => value.clone(),
            None if self.clear => None,
            None => std::env::var_os(name),
        }
    }

    /// The first that may be executed, as the shell would find it; where none may, what stands in the way.
    fn find(&self, name: &OsStr) -> io::Result<PathBuf> {
        if name.is_empty() || name.as_bytes().contains(&b'/') {
            return Ok(name.into());
        }
        let paths = self.variable("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
        let mut error = io::Error::from(nix::errno::Errno::ENOENT);
        for folder in std::env::split_paths(&paths) {
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

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(path) => write!(f, "{}", path.display()),
            Self::Shell(command) => write!(f, "{:?}", command.display().to_string()),
        }
    }
}

fn may_execute(path: &Path) -> io::Result<()> {
    access(path, AccessFlags::X_OK)?;
    if path.is_dir() { Err(nix::errno::Errno::EACCES.into()) } else { Ok(()) }
}

/// Refuses what the child would take for another variable.
fn check_name(name: &OsStr) -> io::Result<()> {
    if name.is_empty() || name.as_bytes().contains(&b'=') {
        let message =
            format!("{name:?} is no name of a variable; it may not be empty, nor have = in it");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok(())
}

fn assignment(name: &OsStr, value: &OsStr) -> io::Result<CString> {
    let mut octets = Vec::with_capacity(name.len() + value.len() + 2);
    octets.extend_from_slice(name.as_bytes());
    octets.push(b'=');
    octets.extend_from_slice(value.as_bytes());
    Ok(CString::new(octets)?)
}
