//! The path of a UNIX socket: taken over from the dead, and removed at the end.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Type};

/// A path that this process has bound; removed on drop, unless it is somebody else's by then.
#[derive(Debug)]
pub(crate) struct UnixPath {
    path: PathBuf,
    identity: (u64, u64),
    process: u32,
}

impl UnixPath {
    /// Binds a socket of a type; what failed, and why.
    pub(crate) fn bind(
        socket: &socket2::Socket,
        kind: Type,
        path: &Path,
    ) -> Result<Self, (&'static str, io::Error)> {
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
        let identity = identity(path).map_err(|e| ("stat", e))?;
        Ok(Self { path: path.to_path_buf(), identity, process: std::process::id() })
    }

    /// Has the path stay where it is.
    pub(crate) fn leave(mut self) {
        self.process = 0;
    }
}

impl Drop for UnixPath {
    fn drop(&mut self) {
        let is_ours = identity(&self.path).is_ok_and(|identity| identity == self.identity);
        if is_ours && self.process == std::process::id() {
            // A path that cannot be removed is replaced by the next server.
            let _ = fs::remove_file(&self.path);
        }
    }
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
