//! A descriptor that is ready when it is told to be.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use nix::sys::socket::{setsockopt, sockopt};

/// A pair of sockets, one of which is watched. It is readable while an octet waits in it, and writable unless it is full.
#[derive(Debug)]
pub(super) struct Readiness {
    watched: Arc<UnixStream>,
    other: UnixStream,
    is_readable: bool,
    is_writable: bool,
}

impl Readiness {
    /// Not readable yet, and writable.
    pub(super) fn new() -> io::Result<(Self, Arc<UnixStream>)> {
        let (watched, other) = UnixStream::pair()?;
        for socket in [&watched, &other] {
            socket.set_nonblocking(true)?;
        }
        // The less it holds, the sooner it is full.
        setsockopt(&watched, sockopt::SndBuf, &1)?;
        let watched = Arc::new(watched);
        let this =
            Self { watched: Arc::clone(&watched), other, is_readable: false, is_writable: true };
        Ok((this, watched))
    }

    /// Makes it so. Of the sockets nothing fails but for want of room, or of octets.
    pub(super) fn set(&mut self, is_readable: bool, is_writable: bool) {
        if self.is_readable != is_readable {
            self.is_readable = is_readable;
            if is_readable {
                let _ = self.other.write(&[0]);
            } else {
                let _ = (&*self.watched).read(&mut [0]);
            }
        }
        if self.is_writable != is_writable {
            self.is_writable = is_writable;
            let mut space = [0; 4096];
            if is_writable {
                while self.other.read(&mut space).is_ok_and(|count| count > 0) {}
            } else {
                while (&*self.watched).write(&space).is_ok_and(|count| count > 0) {}
            }
        }
    }
}
