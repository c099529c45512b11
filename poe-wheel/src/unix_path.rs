//! The path of a UNIX socket: taken over from the dead, and removed at the end.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use socket2::{Domain, SockAddr, Type};

/// Times that a turn is asked for, and how long after one another: who has it needs it for two system calls.
const TRIES: u32 = 100;
const WAIT: Duration = Duration::from_micros(500);

/// A path that this process has bound; removed on drop, unless it is somebody else's by then.
#[derive(Debug)]
pub(crate) struct UnixPath {
    path: PathBuf,
    identity: (u64, u64),
    process: u32,
}

impl UnixPath {
    /// Binds a socket of a type; what failed, and why. A name that is not one of a file (on Linux, after an octet of 0) needs
    /// nothing else. One that is going to listen does so within the same turn.
    pub(crate) fn bind(
        turn: &Turn<'_>,
        socket: &socket2::Socket,
        kind: Type,
    ) -> Result<Option<Self>, (&'static str, io::Error)> {
        let path = turn.path;
        let address = address(path).map_err(|e| ("bind", e))?;
        match socket.bind(&address) {
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse && is_stale(path, kind, &address) =>
            {
                fs::remove_file(path).map_err(|e| ("unlink", e))?;
                socket.bind(&address).map_err(|e| ("bind", e))?;
            }
            result => result.map_err(|e| ("bind", e))?,
        }
        if is_abstract(path) {
            return Ok(None);
        }
        let identity = identity(path).map_err(|e| ("stat", e))?;
        // Where it is though the program changes its directory.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        Ok(Some(Self { path, identity, process: std::process::id() }))
    }

    /// Has the path stay where it is.
    pub(crate) fn leave(mut self) {
        self.process = 0;
    }
}

impl Drop for UnixPath {
    fn drop(&mut self) {
        let _turn = Turn::at(&self.path);
        let is_ours = identity(&self.path).is_ok_and(|identity| identity == self.identity);
        if is_ours && self.process == std::process::id() {
            // A path that cannot be removed is replaced by the next server.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The turn to bind a path, among those who ask for one in its directory: who takes over a path must not take it from one that has done so
/// in the same moment. A socket that is bound and does not listen yet is like one that nobody has any more.
pub(crate) struct Turn<'a> {
    path: &'a Path,
    _lock: Option<Flock<File>>,
}

impl<'a> Turn<'a> {
    /// Waits for it, but not for long.
    pub(crate) fn at(path: &'a Path) -> Self {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let mut directory = match File::open(directory.unwrap_or(".".as_ref())) {
            Ok(directory) if !is_abstract(path) => directory,
            _ => return Self { path, _lock: None },
        };
        for _ in 0..TRIES {
            match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Self { path, _lock: Some(lock) },
                Err((back, Errno::EAGAIN | Errno::EINTR)) => directory = back,
                Err(_) => break,
            }
            thread::sleep(WAIT);
        }
        Self { path, _lock: None }
    }
}

fn is_abstract(path: &Path) -> bool {
    path.as_os_str().as_bytes().first() == Some(&0)
}

/// The address of a path. The operating system would take what stands before an octet of 0 for all of it.
pub(crate) fn address(path: &Path) -> io::Result<SockAddr> {
    let octets = path.as_os_str().as_bytes();
    if octets.is_empty() || octets[1..].contains(&0) && octets[0] != 0 {
        let message = format!("{path:?} is no path of a socket");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    SockAddr::unix(path)
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Whether a socket of that type is there that nobody has any more. Anything else that is there stays.
fn is_stale(path: &Path, kind: Type, address: &SockAddr) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    is_socket
        && socket2::Socket::new(Domain::UNIX, kind, None)
            .and_then(|probe| {
                probe.set_nonblocking(true)?;
                probe.connect(address)
            })
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}
