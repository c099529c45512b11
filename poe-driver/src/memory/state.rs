//! What lies between a driver and its peer.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes};
use nix::errno::Errno;

use super::readiness::Readiness;
use super::{Fault, Faults};

/// What both ends share. The peer's end may be in another thread.
#[derive(Debug)]
pub(super) struct Shared(Mutex<State>);

impl Shared {
    pub(super) fn new(readiness: Readiness) -> Self {
        let input = Way { faults: Faults::none(), moved: 0, is_stalled: false };
        let output = Way { faults: Faults::none(), moved: 0, is_stalled: false };
        Self(Mutex::new(State {
            chunks: VecDeque::new(),
            input,
            is_ended: false,
            received: Vec::new(),
            output,
            room: usize::MAX,
            is_shut_down: false,
            is_gone: false,
            is_reset: false,
            readiness,
        }))
    }

    /// Does something, and then has the descriptor say what can be done.
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.look();
        let result = f(&mut state);
        state.tell();
        result
    }

    pub(super) fn look(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(super) struct State {
    /// What the peer has sent, send by send.
    pub(super) chunks: VecDeque<Bytes>,
    pub(super) input: Way,
    /// The peer sends no more.
    pub(super) is_ended: bool,
    /// What the driver has written, and the peer has not looked at.
    pub(super) received: Vec<u8>,
    pub(super) output: Way,
    /// How much may be received before the peer looks at it.
    pub(super) room: usize,
    /// The driver has said that it writes no more.
    pub(super) is_shut_down: bool,
    /// The peer receives no more.
    pub(super) is_gone: bool,
    /// The connection is reset, which the driver was not told yet.
    pub(super) is_reset: bool,
    readiness: Readiness,
}

/// What there is for each direction.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) faults: Faults,
    /// How many octets have gone this way.
    pub(super) moved: u64,
    pub(super) is_stalled: bool,
}

impl Way {
    /// How many octets a call may move.
    fn next(&mut self) -> Result<usize, Fault> {
        match self.faults.next(self.moved) {
            Fault::Short(0) => Err(Fault::WouldBlock),
            Fault::Short(octets) => Ok(octets),
            Fault::Stall => {
                self.is_stalled = true;
                Err(Fault::WouldBlock)
            }
            fault => Err(fault),
        }
    }

    fn is_faulty(&self) -> bool {
        self.faults.is_ready(self.moved)
    }
}

impl State {
    pub(super) fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if mem::take(&mut self.is_reset) {
            return Err(Errno::ECONNRESET.into());
        }
        if !self.is_readable() {
            return Err(Errno::EAGAIN.into());
        }
        let most = match self.input.next() {
            Ok(most) => most,
            Err(Fault::Eof) => {
                self.chunks.clear();
                self.part(false);
                return Ok(0);
            }
            Err(fault) => return Err(self.fail(fault)),
        };
        let Some(chunk) = self.chunks.front_mut() else { return self.read_nothing() };
        let count = chunk.len().min(space.len()).min(most);
        chunk.copy_to_slice(&mut space[..count]);
        if chunk.is_empty() {
            self.chunks.pop_front();
        }
        self.input.moved += count as u64;
        Ok(count)
    }

    /// The end of the input, unless a fault was expected here that has not come about.
    fn read_nothing(&self) -> io::Result<usize> {
        if self.is_ended { Ok(0) } else { Err(Errno::EAGAIN.into()) }
    }

    pub(super) fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if mem::take(&mut self.is_reset) {
            return Err(Errno::ECONNRESET.into());
        }
        if self.is_gone || self.is_shut_down {
            return Err(Errno::EPIPE.into());
        }
        if !self.is_writable() {
            return Err(Errno::EAGAIN.into());
        }
        let most = match self.output.next() {
            Ok(most) => most,
            Err(Fault::Eof) => {
                self.part(false);
                return Err(Errno::EPIPE.into());
            }
            Err(fault) => return Err(self.fail(fault)),
        };
        let count = octets.len().min(self.room - self.received.len().min(self.room)).min(most);
        if count == 0 && !octets.is_empty() {
            return Err(Errno::EAGAIN.into());
        }
        self.received.extend_from_slice(&octets[..count]);
        self.output.moved += count as u64;
        Ok(count)
    }

    /// The peer goes: what it has sent may be read, unless the connection is reset.
    pub(super) fn part(&mut self, is_reset: bool) {
        self.is_ended = true;
        self.is_gone = true;
        if is_reset {
            self.is_reset = true;
            self.chunks.clear();
        }
    }

    fn fail(&mut self, fault: Fault) -> io::Error {
        match fault {
            Fault::Interrupted => Errno::EINTR.into(),
            Fault::Error(number) => io::Error::from_raw_os_error(number),
            Fault::Reset => {
                self.part(true);
                self.is_reset = false;
                Errno::ECONNRESET.into()
            }
            _ => Errno::EAGAIN.into(),
        }
    }

    fn is_readable(&self) -> bool {
        let has_something = !self.chunks.is_empty() || self.is_ended || self.input.is_faulty();
        self.is_reset || has_something && !self.input.is_stalled
    }

    fn is_writable(&self) -> bool {
        let takes_something = self.received.len() < self.room || self.output.is_faulty();
        self.is_reset || self.is_gone || takes_something && !self.output.is_stalled
    }

    fn tell(&mut self) {
        let (is_readable, is_writable) = (self.is_readable(), self.is_writable());
        self.readiness.set(is_readable, is_writable);
    }
}
