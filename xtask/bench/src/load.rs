//! The load on an echo server: connections, each with so many lines in flight.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// 64 bytes, ended as a line is on the network: what a server sends back is as long, whether it
/// returns bytes or lines.
pub const LINE: [u8; 64] = {
    let mut line = [b'x'; 64];
    line[62] = b'\r';
    line[63] = b'\n';
    line
};

/// A server that has said nothing for so long is taken for broken.
const PATIENCE: Duration = Duration::from_secs(5);

/// Clients that send so many lines at a time, and so many more when all of those are back.
#[derive(Debug)]
pub struct Load {
    epoll: Epoll,
    clients: Vec<Client>,
    batch: Vec<u8>,
    in_flight: usize,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Client {
    stream: TcpStream,
    /// Lines sent that are not back yet.
    awaited: usize,
}

impl Load {
    /// Connects the clients, and sends their first lines.
    pub fn start(address: SocketAddr, connections: usize, in_flight: usize) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let batch = LINE.repeat(in_flight);
        let mut clients = Vec::with_capacity(connections);
        for index in 0..connections {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
            (&stream).write_all(&batch)?;
            clients.push(Client { stream, awaited: in_flight });
        }
        Ok(Self { epoll, clients, batch, in_flight, buffer: vec![0; 64 * 1024] })
    }

    /// Keeps the load up for so long, and says how many lines came back.
    pub fn run(&mut self, duration: Duration) -> io::Result<u64> {
        let until = Instant::now() + duration;
        let mut lines = 0;
        while Instant::now() < until {
            lines += self.turn(true)?;
        }
        Ok(lines)
    }

    /// Waits until every line is back, and sends no more.
    pub fn settle(&mut self) -> io::Result<()> {
        let mut awaited = self.clients.iter().map(|client| client.awaited as u64).sum::<u64>();
        while awaited > 0 {
            awaited = awaited.saturating_sub(self.turn(false)?);
        }
        Ok(())
    }

    /// Takes what is back, and with `again` sends as much. It asks without waiting: a load that sleeps
    /// has to be woken by the server's write, and that would be the greater part of what the server
    /// is seen to do.
    fn turn(&mut self, again: bool) -> io::Result<u64> {
        let mut events = [EpollEvent::empty(); 256];
        let asked = Instant::now();
        let ready = loop {
            let ready = self.epoll.wait(&mut events, EpollTimeout::ZERO)?;
            if ready > 0 {
                break ready;
            }
            if asked.elapsed() > PATIENCE {
                return Err(io::Error::new(ErrorKind::TimedOut, "the server has gone silent"));
            }
        };
        let mut lines = 0;
        for event in &events[..ready] {
            let client = &mut self.clients[event.data() as usize];
            lines += client.receive(&mut self.buffer)?;
            if again && client.awaited == 0 {
                client.stream.write_all(&self.batch)?;
                client.awaited = self.in_flight;
            }
        }
        Ok(lines)
    }
}

impl Client {
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<u64> {
        let read = match self.stream.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error),
        };
        let lines = memchr::memchr_iter(b'\n', &buffer[..read]).count();
        self.awaited = self
            .awaited
            .checked_sub(lines)
            .ok_or_else(|| io::Error::other("the server sent more lines than it got"))?;
        Ok(lines as u64)
    }
}
