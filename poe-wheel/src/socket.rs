//! Sockets and their addresses, whatever their family.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{SockAddr, SockRef};

use crate::unix_path::UnixPath;

/// A socket of any family: what the socket wheels hand out, and a handle to give to others.
///
/// It becomes a `TcpStream`, a `UnixDatagram` or whatever it is with `into()`.
///
/// A UNIX socket that a wheel has bound to a path removes the path when it is dropped, if it still is its own. One that was
/// made something else leaves it to its owner.
#[derive(Debug)]
pub struct Socket {
    handle: OwnedFd,
    path: Option<UnixPath>,
}

impl Socket {
    pub(crate) fn at_path(socket: socket2::Socket, path: Option<UnixPath>) -> Self {
        Self { handle: socket.into(), path }
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn local_address(&self) -> io::Result<Address> {
        SockRef::from(self).local_addr().map(Address::from)
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// What the operating system says: the socket is not connected.
    pub fn peer_address(&self) -> io::Result<Address> {
        SockRef::from(self).peer_addr().map(Address::from)
    }

    /// Sends small segments at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// What the operating system says: the socket is not a TCP one.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        SockRef::from(self).set_tcp_nodelay(nodelay)
    }

    /// Has the operating system look whether a silent peer is still there (`SO_KEEPALIVE`).
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn set_keepalive(&self, keepalive: bool) -> io::Result<()> {
        SockRef::from(self).set_keepalive(keepalive)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

macro_rules! conversions {
    ($($type:ty),*) => {$(
        impl From<$type> for Socket {
            fn from(handle: $type) -> Self {
                Self { handle: handle.into(), path: None }
            }
        }

        impl From<Socket> for $type {
            fn from(socket: Socket) -> Self {
                if let Some(path) = socket.path {
                    path.leave();
                }
                socket.handle.into()
            }
        }
    )*};
}

conversions!(OwnedFd, TcpStream, TcpListener, UdpSocket, UnixStream, UnixListener, UnixDatagram);

impl From<socket2::Socket> for Socket {
    fn from(socket: socket2::Socket) -> Self {
        Self::at_path(socket, None)
    }
}

/// The address of an end of a socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// IPv4 or IPv6, and a port.
    Ip(SocketAddr),
    /// A UNIX socket's path; most clients have none.
    Unix(Option<PathBuf>),
    /// Nobody's: that of the other end of a datagram socket which has none, or of a server whose name is yet to be looked up.
    Nobody,
    /// A family that is neither.
    Other,
}

impl Address {
    /// The address without the port (POE: `remote_ip`, which is undefined for IPv6 there).
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(address.ip()),
            Self::Unix(_) | Self::Nobody | Self::Other => None,
        }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Ip(address) => Some(address.port()),
            Self::Unix(_) | Self::Nobody | Self::Other => None,
        }
    }

    /// The path of a UNIX socket.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) => path.as_deref(),
            Self::Ip(_) | Self::Nobody | Self::Other => None,
        }
    }
}

impl From<SockAddr> for Address {
    fn from(address: SockAddr) -> Self {
        if let Some(address) = address.as_socket() {
            // What comes over IPv4 to a socket of IPv6 is told as what it is.
            match address.ip().to_canonical() {
                IpAddr::V4(ip) => Self::Ip((ip, address.port()).into()),
                IpAddr::V6(_) => Self::Ip(address),
            }
        } else if address.is_unix() {
            Self::Unix(
                address.as_pathname().map(Path::to_path_buf).or_else(|| abstract_name(&address)),
            )
        } else {
            Self::Other
        }
    }
}

/// The name of a UNIX socket that is none of a file, as it is given: after an octet of 0.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn abstract_name(address: &SockAddr) -> Option<PathBuf> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let name = address.as_abstract_namespace()?;
    Some(OsStr::from_bytes(&[b"\0", name].concat()).into())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn abstract_name(_: &SockAddr) -> Option<PathBuf> {
    None
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(Some(path)) => match path.to_string_lossy().strip_prefix('\0') {
                // As it is shown everywhere.
                Some(name) => write!(f, "@{name}"),
                None => path.display().fmt(f),
            },
            Self::Unix(None) => f.pad("LOCAL"),
            Self::Nobody => f.pad("nobody"),
            Self::Other => f.pad("unknown"),
        }
    }
}

/// The payload of the event for a new connection, accepted or established (POE: socket, address, port, wheel id).
#[derive(Debug)]
#[non_exhaustive]
pub struct Connection {
    /// The connection.
    pub socket: Socket,
    /// The other end.
    pub peer: Address,
    /// The wheel that made it.
    pub wheel: crate::WheelId,
}

impl Connection {
    /// A connection that a wheel has made, for a wheel that sends it, or a test of a handler.
    #[must_use]
    pub fn new(socket: Socket, peer: Address, wheel: crate::WheelId) -> Self {
        Self { socket, peer, wheel }
    }
}
