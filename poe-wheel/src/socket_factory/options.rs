//! What a socket is made with.

use std::time::Duration;

use socket2::{Domain, TcpKeepalive, Type};

use super::SocketType;
use super::connector::Failed;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    pub(super) kind: SocketType,
    pub(super) reuse: bool,
    pub(super) reuse_port: bool,
    pub(super) v6_only: Option<bool>,
    pub(super) nodelay: bool,
    pub(super) keep_alive: Option<Duration>,
    pub(super) broadcast: bool,
}

impl Options {
    pub(super) fn type_of_socket(&self) -> Type {
        match self.kind {
            SocketType::Stream => Type::STREAM,
            SocketType::Datagram => Type::DGRAM,
        }
    }

    /// A socket that does not block. What is set of one that listens, its clients have as well.
    pub(super) fn socket(&self, domain: Domain) -> Result<socket2::Socket, Failed> {
        let kind = self.type_of_socket();
        let socket = socket2::Socket::new(domain, kind, None).map_err(|e| ("socket", e))?;
        socket.set_nonblocking(true).map_err(|e| ("socket", e))?;
        self.set(&socket, domain).map_err(|e| ("setsockopt", e))?;
        Ok(socket)
    }

    fn set(&self, socket: &socket2::Socket, domain: Domain) -> std::io::Result<()> {
        if domain == Domain::UNIX {
            return Ok(());
        }
        if self.reuse {
            socket.set_reuse_address(true)?;
        }
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        if let Some(v6_only) = self.v6_only
            && domain == Domain::IPV6
        {
            socket.set_only_v6(v6_only)?;
        }
        if self.kind == SocketType::Datagram {
            return if self.broadcast { socket.set_broadcast(true) } else { Ok(()) };
        }
        if self.nodelay {
            socket.set_tcp_nodelay(true)?;
        }
        match self.keep_alive {
            Some(silence) => socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(silence)),
            None => Ok(()),
        }
    }
}
