//! This end of a socket that listens, or takes datagrams: where it is to be, and how it gets there.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use socket2::SockAddr;

use super::address::{self, Domain, Port, SocketType};
use super::connector::Failed;
use super::options::Options;
use crate::unix_path::{Turn, UnixPath};
use crate::{Address, Socket, WheelError};

#[derive(Clone, Debug)]
pub(super) struct ThisEnd {
    pub(super) domain: Option<Domain>,
    pub(super) address: Option<String>,
    pub(super) port: Option<Port>,
    pub(super) path: Option<PathBuf>,
    pub(super) options: Options,
    pub(super) listen_queue: i32,
}

impl Default for ThisEnd {
    fn default() -> Self {
        Self {
            domain: None,
            address: None,
            port: None,
            path: None,
            options: Options::default(),
            listen_queue: 1024,
        }
    }
}

impl ThisEnd {
    /// The name of a host that somebody has to be asked for, if it is one.
    pub(super) fn name(&self) -> Option<&str> {
        self.address.as_deref().filter(|host| !address::is_known(host))
    }

    /// The number of its port.
    pub(super) fn port_number(&self) -> Result<u16, WheelError> {
        let port = self.port.as_ref().unwrap_or(&Port::Number(0));
        port.number(self.options.kind).map_err(|source| self.unresolved(source))
    }

    pub(super) fn unresolved(&self, source: io::Error) -> WheelError {
        let host = self.address.as_deref().unwrap_or("*");
        let port = self.port.as_ref().unwrap_or(&Port::Number(0));
        let is_bare = host.contains(':') && !host.starts_with('[');
        let host = if is_bare { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        WheelError::Resolve { host, source }
    }

    /// Binds a socket, which listens then if it is for streams. A name is looked up.
    pub(super) fn bind(&self) -> Result<Socket, WheelError> {
        if let Some(path) = &self.path {
            let address = || Address::Unix(Some(path.clone()));
            return self.bind_to_path(path).map_err(|failed| socket_error(address(), failed));
        }
        let port = self.port_number()?;
        let addresses = match &self.address {
            None => vec![address::any(port, self.domain)],
            Some(host) => address::to_bind(host, port, self.domain)
                .map_err(|source| self.unresolved(source))?,
        };
        self.bind_first(addresses).map_err(|(at, failed)| socket_error(Address::Ip(at), failed))
    }

    /// Binds a socket to the first of some addresses that is this machine's. One that is, but is in use, is a failure: who
    /// comes there would find somebody else.
    pub(super) fn bind_first(
        &self,
        addresses: Vec<SocketAddr>,
    ) -> Result<Socket, (SocketAddr, Failed)> {
        let mut last = None;
        for address in addresses {
            match self.bind_to(address) {
                Ok(socket) => return Ok(socket),
                Err(failed) if address::is_without_way(&failed.1) => last = Some((address, failed)),
                Err(failed) => return Err((address, failed)),
            }
        }
        Err(last.unwrap_or_else(|| {
            let failed = ("bind", io::ErrorKind::AddrNotAvailable.into());
            (address::any(0, self.domain), failed)
        }))
    }

    fn bind_to(&self, address: SocketAddr) -> Result<Socket, Failed> {
        let socket = self.options.socket(socket2::Domain::for_address(address))?;
        socket.bind(&SockAddr::from(address)).map_err(|e| ("bind", e))?;
        self.listen_if_stream(&socket)?;
        Ok(socket.into())
    }

    fn bind_to_path(&self, path: &Path) -> Result<Socket, Failed> {
        let socket = self.options.socket(socket2::Domain::UNIX)?;
        let turn = Turn::at(path);
        let path = UnixPath::bind(&turn, &socket, self.options.type_of_socket())?;
        let listening = self.listen_if_stream(&socket);
        drop(turn);
        let socket = Socket::at_path(socket, path);
        listening.map(|()| socket)
    }

    fn listen_if_stream(&self, socket: &socket2::Socket) -> Result<(), Failed> {
        match self.options.kind {
            SocketType::Stream => socket.listen(self.listen_queue).map_err(|e| ("listen", e)),
            SocketType::Datagram => Ok(()),
        }
    }
}

fn socket_error(address: Address, (operation, source): Failed) -> WheelError {
    WheelError::Socket { operation, address, source }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn first(addresses: &[SocketAddr]) -> Result<Address, Option<i32>> {
        let bound = ThisEnd::default().bind_first(addresses.to_vec());
        bound
            .map(|socket| socket.local_address().unwrap())
            .map_err(|(_, (_, error))| error.raw_os_error())
    }

    #[test]
    fn an_address_that_is_not_ours_is_passed_over_and_one_in_use_is_not() {
        crate::descriptors::count();
        // What is for documentation is nobody's.
        let [foreign, other] =
            ["192.0.2.1:0", "[2001:db8::1]:0"].map(|address| address.parse().unwrap());
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let (taken_at, free) = (taken.local_addr().unwrap(), "[::1]:0".parse().unwrap());
        let ip = |bound: Result<Address, _>| bound.map(|address| address.ip().unwrap().to_string());
        assert_eq!(ip(first(&[foreign, free])), Ok("::1".into()));
        assert_eq!(first(&[foreign, taken_at, free]), Err(Some(nix::libc::EADDRINUSE)));
        assert_eq!(first(&[foreign, other]), Err(Some(nix::libc::EADDRNOTAVAIL)));
        assert_eq!(first(&[]), Err(None));
    }
}
