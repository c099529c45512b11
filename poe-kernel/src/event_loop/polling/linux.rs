//! Linux: handles are entered with the poller's epoll descriptor, and waited for there.
//!
//! `Poller::wait` costs five system calls whatever it finds, and this costs one. `Poller::add` asks for urgent data with
//! all that is to be read: whoever does not read it would be told of it again and again.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;
use polling::{Events, Poller};

use crate::event_loop::{Interest, Key, Readiness};

const BATCH: usize = 512;

/// The key that the poller keeps for its own notifications.
const NOTIFICATION: u64 = u64::MAX;

pub(super) struct System {
    epoll: Epoll,
    events: Vec<EpollEvent>,
    scratch: Events,
}

impl System {
    pub(super) fn new(poller: &Poller) -> io::Result<Self> {
        let epoll = Epoll(poller.as_fd().try_clone_to_owned()?);
        Ok(Self { epoll, events: vec![EpollEvent::empty(); BATCH], scratch: Events::new() })
    }

    pub(super) fn add(
        &self,
        _: &Poller,
        handle: &dyn AsFd,
        key: Key,
        modes: Interest,
    ) -> io::Result<()> {
        Ok(self.epoll.add(handle.as_fd(), event(key, modes))?)
    }

    pub(super) fn modify(
        &self,
        _: &Poller,
        handle: BorrowedFd<'_>,
        key: Key,
        modes: Interest,
    ) -> io::Result<()> {
        Ok(self.epoll.modify(handle, &mut event(key, modes))?)
    }

    pub(super) fn wait(
        &mut self,
        poller: &Poller,
        ready: &mut Vec<Readiness>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        let timeout = self.sleep_below_milliseconds(timeout)?;
        let count = match self.epoll.wait(&mut self.events, timeout) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        for event in &self.events[..count] {
            if event.data() == NOTIFICATION {
                // Only the poller can clear and re-arm its notifier.
                self.scratch.clear();
                poller.wait(&mut self.scratch, Some(Duration::ZERO))?;
            } else {
                ready.push(Readiness::new(event.data() as usize, modes(event.events())));
            }
        }
        Ok(())
    }

    /// Epoll counts milliseconds. A short wait is made exactly, by polling the epoll descriptor itself; a long one
    /// is rounded up, so that it does not end before its time.
    fn sleep_below_milliseconds(&self, timeout: Option<Duration>) -> io::Result<EpollTimeout> {
        const EXACT_BELOW: Duration = Duration::from_millis(5);
        match timeout {
            None => Ok(EpollTimeout::NONE),
            Some(Duration::ZERO) => Ok(EpollTimeout::ZERO),
            Some(timeout) if timeout < EXACT_BELOW => {
                let mut descriptors = [PollFd::new(self.epoll.0.as_fd(), PollFlags::POLLIN)];
                match ppoll(&mut descriptors, Some(TimeSpec::from_duration(timeout)), None) {
                    Ok(_) | Err(Errno::EINTR) => Ok(EpollTimeout::ZERO),
                    Err(error) => Err(error.into()),
                }
            }
            Some(timeout) => {
                let milliseconds = timeout.as_nanos().div_ceil(1_000_000);
                let milliseconds = i32::try_from(milliseconds).unwrap_or(i32::MAX);
                Ok(EpollTimeout::try_from(milliseconds).unwrap_or(EpollTimeout::MAX))
            }
        }
    }
}

fn event(key: Key, modes: Interest) -> EpollEvent {
    let mut flags = EpollFlags::empty();
    flags.set(EpollFlags::EPOLLIN, modes.read);
    flags.set(EpollFlags::EPOLLOUT, modes.write);
    flags.set(EpollFlags::EPOLLPRI, modes.expedite);
    EpollEvent::new(flags, key as u64)
}

fn modes(flags: EpollFlags) -> Interest {
    let broken = flags.intersects(EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR);
    Interest {
        read: broken || flags.contains(EpollFlags::EPOLLIN),
        write: broken || flags.contains(EpollFlags::EPOLLOUT),
        expedite: broken || flags.contains(EpollFlags::EPOLLPRI),
    }
}
