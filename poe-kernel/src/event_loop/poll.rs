//! A loop on `poll(2)`.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
#[cfg(target_os = "linux")]
use nix::sys::time::TimeSpec;

#[cfg(target_os = "linux")]
use super::watched::LONGEST;
use super::watched::{WakePipe, WatchedList};
use super::{EventLoop, Interest, Key, Readiness, Wake};

/// A loop on `poll(2)`: what a wait costs grows with the number of handles, and there is no limit to it.
pub(crate) struct PollLoop {
    watched: WatchedList,
    wake: WakePipe,
}

impl PollLoop {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { watched: WatchedList::default(), wake: WakePipe::new()? })
    }
}

impl EventLoop for PollLoop {
    fn name(&self) -> &'static str {
        "poll"
    }

    fn add(&mut self, handle: Rc<dyn AsFd>, key: Key, modes: Interest) -> io::Result<()> {
        self.watched.add(handle, key, modes)
    }

    fn modify(&mut self, key: Key, modes: Interest) -> io::Result<()> {
        self.watched.modify(key, modes)
    }

    fn delete(&mut self, key: Key) -> io::Result<()> {
        self.watched.delete(key)
    }

    fn has_forked(&mut self) -> io::Result<()> {
        self.wake.replace(WakePipe::new()?)?;
        self.watched.clear();
        Ok(())
    }

    fn wait(&mut self, ready: &mut Vec<Readiness>, timeout: Option<Duration>) -> io::Result<()> {
        let mut descriptors = Vec::with_capacity(self.watched.len() + 1);
        descriptors.push(PollFd::new(self.wake.reader(), PollFlags::POLLIN));
        let handles = self.watched.iter();
        descriptors.extend(handles.map(|one| PollFd::new(one.handle.as_fd(), flags(one.modes))));
        match wait(&mut descriptors, timeout) {
            Ok(0) | Err(Errno::EINTR) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let (wake, descriptors) = descriptors.split_at(1);
        for (one, descriptor) in self.watched.iter().zip(descriptors) {
            let modes = modes(descriptor.revents().unwrap_or(PollFlags::POLLNVAL));
            if !modes.is_empty() {
                ready.push(Readiness::new(one.key, modes));
            }
        }
        if wake[0].any() != Some(false) {
            self.wake.drain();
        }
        Ok(())
    }

    fn waker(&self) -> Arc<dyn Wake> {
        self.wake.waker()
    }
}

impl fmt::Debug for PollLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollLoop").field("handles", &self.watched.len()).finish_non_exhaustive()
    }
}

/// Linux can wait for less than a millisecond; elsewhere the wait is rounded up, so that it does not end too early.
#[cfg(target_os = "linux")]
fn wait(descriptors: &mut [PollFd<'_>], timeout: Option<Duration>) -> nix::Result<i32> {
    let timeout = timeout.map(|timeout| TimeSpec::from_duration(timeout.min(LONGEST)));
    nix::poll::ppoll(descriptors, timeout, None)
}

#[cfg(not(target_os = "linux"))]
fn wait(descriptors: &mut [PollFd<'_>], timeout: Option<Duration>) -> nix::Result<i32> {
    use nix::poll::PollTimeout;
    let milliseconds = timeout.map(|timeout| timeout.as_nanos().div_ceil(1_000_000));
    let timeout = milliseconds.map_or(PollTimeout::NONE, |milliseconds| {
        PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX)
    });
    nix::poll::poll(descriptors, timeout)
}

fn flags(modes: Interest) -> PollFlags {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::POLLIN, modes.read);
    flags.set(PollFlags::POLLOUT, modes.write);
    flags.set(PollFlags::POLLPRI, modes.expedite);
    flags
}

fn modes(flags: PollFlags) -> Interest {
    let broken = flags.intersects(PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL);
    Interest {
        read: broken || flags.contains(PollFlags::POLLIN),
        write: broken || flags.contains(PollFlags::POLLOUT),
        expedite: broken || flags.contains(PollFlags::POLLPRI),
    }
}
