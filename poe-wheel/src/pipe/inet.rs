//! Two ends of a TCP connection over the loopback interface.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::kind::{Failed, failed};

/// How long the connection may take, which is there as soon as it is asked for unless something is very wrong.
const LIMIT: Duration = Duration::from_secs(5);

/// Two connected sockets, neither of which is anybody else's: whoever else connects meanwhile is turned away.
pub(super) fn pair() -> Result<(TcpStream, TcpStream), Failed> {
    let loopback: [SocketAddr; 2] =
        [(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()];
    let listener = TcpListener::bind(&loopback[..]).map_err(failed("bind"))?;
    listener.set_nonblocking(true).map_err(failed("fcntl"))?;
    let address = listener.local_addr().map_err(failed("getsockname"))?;
    let ours = TcpStream::connect_timeout(&address, LIMIT).map_err(failed("connect"))?;
    let us = ours.local_addr().map_err(failed("getsockname"))?;
    let theirs = accept(&listener, us).map_err(failed("accept"))?;
    for end in [&ours, &theirs] {
        end.set_nodelay(true).map_err(failed("setsockopt"))?;
    }
    Ok((ours, theirs))
}

/// The connection from this address.
fn accept(listener: &TcpListener, from: SocketAddr) -> io::Result<TcpStream> {
    let until = Instant::now() + LIMIT;
    loop {
        match listener.accept() {
            Ok((socket, peer)) if peer == from => return Ok(socket),
            Ok(_stranger) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(listener, until)?,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error),
        }
        if Instant::now() > until {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

fn wait(listener: &TcpListener, until: Instant) -> io::Result<()> {
    let left = until.saturating_duration_since(Instant::now());
    let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
    match poll(&mut [PollFd::new(listener.as_fd(), PollFlags::POLLIN)], timeout) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
