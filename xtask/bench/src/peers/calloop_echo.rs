//! calloop: a source for each connection, which writes back what it read.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use calloop::generic::{Generic, NoIoDrop};
use calloop::{EventLoop, Interest, LoopHandle, Mode, PostAction};

struct Server {
    handle: LoopHandle<'static, Self>,
    buffer: Vec<u8>,
}

/// Serves until killed.
pub fn serve(listener: TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut events = EventLoop::<Server>::try_new().map_err(io::Error::other)?;
    let handle = events.handle();
    handle
        .insert_source(
            Generic::new(listener, Interest::READ, Mode::Level),
            |_, listener, server| {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    let source = Generic::new(stream, Interest::READ, Mode::Level);
                    server
                        .handle
                        .insert_source(source, |_, stream, server| server.echo(stream))
                        .map_err(|error| io::Error::other(error.to_string()))?;
                }
                Ok(PostAction::Continue)
            },
        )
        .map_err(|error| io::Error::other(error.to_string()))?;
    let mut server = Server { handle, buffer: vec![0; 64 * 1024] };
    loop {
        events.dispatch(None, &mut server).map_err(io::Error::other)?;
    }
}

impl Server {
    fn echo(&mut self, stream: &mut NoIoDrop<TcpStream>) -> io::Result<PostAction> {
        let mut stream: &TcpStream = stream;
        match stream.read(&mut self.buffer) {
            Ok(0) => Ok(PostAction::Remove),
            Ok(read) => match stream.write_all(&self.buffer[..read]) {
                Ok(()) => Ok(PostAction::Continue),
                Err(_) => Ok(PostAction::Remove),
            },
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(PostAction::Continue),
            Err(_) => Ok(PostAction::Remove),
        }
    }
}
