//! What a child's stream is instead of a conduit.

use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
#[cfg(any(target_os = "linux", target_os = "android"))]
use nix::fcntl::{SpliceFFlags, tee};

use super::sys::Failed;
use crate::pipe::PipeHandle;

/// What a child's stream is instead of a conduit to the wheel (POE: the values of `RedirectStdin` and its like): a file, by
/// its path, or an open handle.
///
/// A FIFO that nobody has the other end of open yet is an error, as opening it would have the whole kernel wait; POE's waits.
/// Elsewhere than on Linux one to read from is taken for empty instead. Who wants such a child to wait opens the FIFO for
/// reading and writing, which waits for nobody, and gives the handle; or has [`blocking`](poe_kernel::Kernel::blocking) work
/// open it. To lead from one child to another, [`std::io::pipe`] has both ends at once.
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
            Target::Path(path) | Target::Append(path) => open(&path, File::options().read(true)),
            Target::Handle(handle) => handed_over(handle),
        }
    }

    /// What the child writes to: a file is made, or made empty.
    pub(super) fn open_output(self) -> Result<OwnedFd, (String, Failed)> {
        let mut options = File::options();
        match self.0 {
            Target::Path(path) => open(&path, options.write(true).create(true).truncate(true)),
            Target::Append(path) => open(&path, options.append(true).create(true)),
            Target::Handle(handle) => handed_over(handle),
        }
    }
}

fn open(path: &Path, options: &mut OpenOptions) -> Result<OwnedFd, (String, Failed)> {
    let is_fifo = path.metadata().is_ok_and(|found| found.file_type().is_fifo());
    let opened = if is_fifo { open_fifo(path, options) } else { options.open(path) };
    opened.map(OwnedFd::from).map_err(|error| (path.display().to_string(), ("open", error)))
}

/// Opens a FIFO without waiting for who opens its other end: that would be the whole kernel's wait.
fn open_fifo(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let nobody = || io::Error::other(NOBODY);
    let opened = options.custom_flags(OFlag::O_NONBLOCK.bits()).open(path);
    let fifo = opened.map_err(|error| match error.raw_os_error() {
        Some(errno) if errno == Errno::ENXIO as i32 => nobody(),
        _ => error,
    })?;
    if is_at_end(&fifo)? {
        return Err(nobody());
    }
    let flags = OFlag::from_bits_retain(fcntl(&fifo, FcntlArg::F_GETFL)?);
    fcntl(&fifo, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
    Ok(fifo)
}

const NOBODY: &str = "nobody has the other end of this FIFO open, and the kernel does not wait for it; open it elsewhere, \
                      or for reading and writing, and give the handle";

/// Whether a FIFO that was opened to be read from has nobody who writes. What there is to read stays there.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_at_end(fifo: &File) -> io::Result<bool> {
    let (_reader, writer) = io::pipe()?;
    match tee(fifo, writer, 1, SpliceFFlags::SPLICE_F_NONBLOCK) {
        Ok(octets) => Ok(octets == 0),
        // Nothing is there yet, or this is the end that is written to.
        Err(Errno::EAGAIN | Errno::EBADF) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Nobody can tell without taking an octet.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_at_end(_: &File) -> io::Result<bool> {
    Ok(false)
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
