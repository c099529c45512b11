//! A loop on trial: waits that end, and what it reports.

use std::error::Error;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::Options;
use crate::{EventLoop, Interest, Key, Mode, Readiness};

/// How a check ends: a sentence about what is wrong.
pub(super) type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

pub(super) type Starter = dyn Fn() -> std::io::Result<Box<dyn EventLoop>> + Send + Sync;

pub(super) const READ: Interest = Interest { read: true, write: false, expedite: false };
pub(super) const WRITE: Interest = Interest { read: false, write: true, expedite: false };
pub(super) const BOTH: Interest = Interest { read: true, write: true, expedite: false };
pub(super) const EXPEDITE: Interest = Interest { read: false, write: false, expedite: true };

pub(super) struct Trial {
    pub(super) event_loop: Box<dyn EventLoop>,
    /// How long something that must happen may take.
    pub(super) limit: Duration,
}

impl Trial {
    pub(super) fn new(start: &Starter, options: Options) -> Outcome<Self> {
        Ok(Self { event_loop: start()?, limit: options.patience })
    }

    pub(super) fn add<T: AsFd + 'static>(
        &mut self,
        handle: &Rc<T>,
        key: Key,
        modes: Interest,
    ) -> Outcome {
        Ok(self.event_loop.add(Rc::clone(handle) as Rc<dyn AsFd>, key, modes)?)
    }

    /// What one wait reports.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> Outcome<Vec<Readiness>> {
        let mut ready = Vec::new();
        self.event_loop.wait(&mut ready, timeout)?;
        Ok(ready)
    }

    /// What is reported of one handle, as soon as it is ready for anything.
    pub(super) fn until(&mut self, key: Key) -> Outcome<Interest> {
        let begun = Instant::now();
        while begun.elapsed() < self.limit {
            let ready = self.wait(Some(self.limit - begun.elapsed().min(self.limit)))?;
            if let Some(readiness) = ready.into_iter().find(|readiness| readiness.key == key) {
                return Ok(readiness.modes);
            }
        }
        Err(format!("handle {key} is ready, but is not reported").into())
    }

    /// Waits until a handle is ready, for these modes and no other.
    pub(super) fn until_only(&mut self, key: Key, modes: Interest) -> Outcome {
        let reported = self.until(key)?;
        ensure(reported == modes, || {
            format!("handle {key} is ready for {modes:?}, but {reported:?} is reported")
        })
    }

    /// Waits until a handle is ready, for this mode if for no other.
    pub(super) fn until_at_least(&mut self, key: Key, mode: Mode) -> Outcome {
        let reported = self.until(key)?;
        ensure(reported.contains(mode), || {
            format!("handle {key} is ready ({mode:?}), but {reported:?} is reported")
        })
    }

    /// The next wait ends at once, and reports nothing.
    pub(super) fn ends(&mut self) -> Outcome {
        let begun = Instant::now();
        let ready = self.wait(Some(self.limit))?;
        ensure(begun.elapsed() < self.limit / 2, || String::from("the wait goes on"))?;
        ensure(ready.is_empty(), || format!("nothing is ready, but {ready:?} is reported"))
    }

    /// Looks several times: nothing is ready.
    pub(super) fn nothing(&mut self) -> Outcome {
        for _ in 0..3 {
            let ready = self.wait(Some(Duration::ZERO))?;
            ensure(ready.is_empty(), || format!("nothing is ready, but {ready:?} is reported"))?;
        }
        Ok(())
    }
}

pub(super) fn ensure(holds: bool, else_what: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(else_what().into()) }
}

/// Two ends of a socket: the one to watch, and its peer.
pub(super) fn pair() -> Outcome<(Rc<UnixStream>, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    Ok((Rc::new(ours), theirs))
}

/// Reads all there is.
pub(super) fn drain(mut socket: &UnixStream) {
    let mut octets = [0; 4096];
    while matches!(socket.read(&mut octets), Ok(1..)) {}
}

/// Writes until nothing more is taken.
pub(super) fn fill(mut socket: &UnixStream) {
    let octets = [0; 4096];
    while matches!(socket.write(&octets), Ok(1..)) {}
}
