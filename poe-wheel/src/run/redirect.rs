//! What a child's stream is instead of a conduit.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::sys::Failed;
use crate::pipe::PipeHandle;

/// What a child's stream is instead of a conduit to the wheel (POE: the values of `RedirectStdin` and its like): a file, by
/// its path, or an open handle.
///
/// ```
/// use poe_wheel::Redirect;
///
/// let here = Redirect::from("/tmp/log");
/// let at_its_end = Redirect::append("/tmp/log");
/// let nowhere = Redirect::null();
/// let (_, writer) = std::io::pipe()?;
/// let into_a_pipe = Redirect::from(writer);
/// # drop((here, at_its_end, nowhere, into_a_pipe));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Redirect(Target);

#[derive(Debug)]
enum Target {
    Path(PathBuf),
    Append(PathBuf),
    Handle(io::Result<OwnedFd>),
}

impl Redirect {
    /// A file that is written to from its end on.
    pub fn append(path: impl Into<PathBuf>) -> Self {
        Self(Target::Append(path.into()))
    }

    /// Nothing to read, and nowhere to write to.
    #[must_use]
    pub fn null() -> Self {
        Self(Target::Path("/dev/null".into()))
    }

    /// What the child reads from. The error names the operation, and what it was done to.
    pub(super) fn open_input(self) -> Result<OwnedFd, (String, Failed)> {
        match self.0 {
            Target::Path(path) | Target::Append(path) => opened(File::open(&path), &path),
            Target::Handle(handle) => handed_over(handle),
        }
    }

    /// What the child writes to: a file is made, or made empty.
    pub(super) fn open_output(self) -> Result<OwnedFd, (String, Failed)> {
        match self.0 {
            Target::Path(path) => opened(File::create(&path), &path),
            Target::Append(path) => {
                opened(File::options().append(true).create(true).open(&path), &path)
            }
            Target::Handle(handle) => handed_over(handle),
        }
    }
}

fn opened(file: io::Result<File>, path: &Path) -> Result<OwnedFd, (String, Failed)> {
    file.map(OwnedFd::from).map_err(|error| (path.display().to_string(), ("open", error)))
}

fn handed_over(handle: io::Result<OwnedFd>) -> Result<OwnedFd, (String, Failed)> {
    handle.map_err(|error| ("a handle of a pipe".to_owned(), ("duplicate", error)))
}

macro_rules! from {
    ($($type:ty => |$value:ident| $target:expr),+ $(,)?) => {
        $(impl From<$type> for Redirect {
            fn from($value: $type) -> Self {
                Self($target)
            }
        })+
    };
}

from! {
    &str => |path| Target::Path(path.into()),
    String => |path| Target::Path(path.into()),
    &Path => |path| Target::Path(path.into()),
    PathBuf => |path| Target::Path(path),
    OwnedFd => |handle| Target::Handle(Ok(handle)),
    File => |handle| Target::Handle(Ok(handle.into())),
    PipeReader => |handle| Target::Handle(Ok(handle.into())),
    PipeWriter => |handle| Target::Handle(Ok(handle.into())),
    UnixStream => |handle| Target::Handle(Ok(handle.into())),
    PipeHandle => |handle| Target::Handle(
        // A program waits for what it reads and writes.
        handle.set_nonblocking(false).and_then(|()| handle.into_owned()),
    ),
}
