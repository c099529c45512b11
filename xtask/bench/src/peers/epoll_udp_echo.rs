//! A bare epoll loop that sends back each datagram it received: the least that one would write by hand.

use std::io::{self, ErrorKind};
use std::net::UdpSocket;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::udp_echo::{END, LONGEST};

/// Serves until the end.
pub fn serve(socket: UdpSocket) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
    let mut events = [EpollEvent::empty(); 1];
    let mut room = [0; LONGEST];
    loop {
        epoll.wait(&mut events, EpollTimeout::NONE)?;
        loop {
            match socket.recv_from(&mut room) {
                Ok((length, _)) if &room[..length] == END => return Ok(()),
                Ok((length, from)) => socket.send_to(&room[..length], from).map(drop)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
    }
}
