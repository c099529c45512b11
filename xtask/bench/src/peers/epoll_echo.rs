//! A bare epoll loop that writes back what it read: the least that an echo server can do.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// Serves until killed.
pub fn serve(listener: TcpListener) -> io::Result<()> {
    serve_with(listener, |stream, read, _| stream.write_all(read))
}

/// Serves until killed, and answers what one read brought by `answer`, which may use a buffer.
pub fn serve_with(
    listener: TcpListener,
    mut answer: impl FnMut(&mut TcpStream, &[u8], &mut Vec<u8>) -> io::Result<()>,
) -> io::Result<()> {
    const LISTENER: u64 = u64::MAX;

    listener.set_nonblocking(true)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    let mut streams: Vec<Option<TcpStream>> = Vec::new();
    let mut free = Vec::new();
    let mut events = vec![EpollEvent::empty(); 1024];
    let mut buffer = vec![0; 64 * 1024];
    let mut output = Vec::new();
    loop {
        let ready = epoll.wait(&mut events, EpollTimeout::NONE)?;
        for event in &events[..ready] {
            if event.data() == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    let index = free.pop().unwrap_or_else(|| {
                        streams.push(None);
                        streams.len() - 1
                    });
                    epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
                    streams[index] = Some(stream);
                }
                continue;
            }
            let index = event.data() as usize;
            let Some(stream) = &mut streams[index] else { continue };
            let answered = match stream.read(&mut buffer) {
                Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => answer(stream, &buffer[..read], &mut output),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
                Err(error) => Err(error),
            };
            if answered.is_err() {
                // Closing it takes it out of the poller.
                streams[index] = None;
                free.push(index);
            }
        }
    }
}
