//! A loop on `select(2)`.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::select::{FdSet, select};
use nix::sys::time::{TimeVal, TimeValLike};

use super::watched::{LONGEST, WakePipe, WatchedList};
use super::{EventLoop, Interest, Key, Readiness, Wake};

/// A loop on `select(2)`, which there is everywhere, and which knows no descriptor above 1023.
pub(crate) struct SelectLoop {
    watched: WatchedList,
    wake: WakePipe,
}

/// The first descriptor that a set has no place for.
const SET_SIZE: i32 = 1024;

impl SelectLoop {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { watched: WatchedList::default(), wake: wake_pipe()? })
    }
}

fn wake_pipe() -> io::Result<WakePipe> {
    let pipe = WakePipe::new()?;
    check(pipe.reader().as_raw_fd())?;
    Ok(pipe)
}

fn check(descriptor: i32) -> io::Result<()> {
    if descriptor < SET_SIZE {
        return Ok(());
    }
    let message =
        format!("select watches no descriptor above {}; use another event loop", SET_SIZE - 1);
    Err(io::Error::other(message))
}

impl EventLoop for SelectLoop {
    fn name(&self) -> &'static str {
        "select"
    }

    fn add(&mut self, handle: Rc<dyn AsFd>, key: Key, modes: Interest) -> io::Result<()> {
        check(handle.as_fd().as_raw_fd())?;
        self.watched.add(handle, key, modes)
    }

    fn modify(&mut self, key: Key, modes: Interest) -> io::Result<()> {
        self.watched.modify(key, modes)
    }

    fn delete(&mut self, key: Key) -> io::Result<()> {
        self.watched.delete(key)
    }

    fn has_forked(&mut self) -> io::Result<()> {
        self.wake.replace(wake_pipe()?)?;
        self.watched.clear();
        Ok(())
    }

    fn wait(&mut self, ready: &mut Vec<Readiness>, timeout: Option<Duration>) -> io::Result<()> {
        let (mut reads, mut writes, mut excepts) = (FdSet::new(), FdSet::new(), FdSet::new());
        reads.insert(self.wake.reader());
        for one in self.watched.iter() {
            let descriptor = one.handle.as_fd();
            if one.modes.read {
                reads.insert(descriptor);
            }
            if one.modes.write {
                writes.insert(descriptor);
            }
            if one.modes.expedite {
                excepts.insert(descriptor);
            }
        }
        // Rounded up, so that the wait does not end before its time.
        let mut timeout = timeout.map(|timeout| {
            let microseconds = timeout.min(LONGEST).as_nanos().div_ceil(1000);
            TimeVal::microseconds(i64::try_from(microseconds).unwrap_or(i64::MAX))
        });
        match select(None, &mut reads, &mut writes, &mut excepts, timeout.as_mut()) {
            Ok(0) | Err(Errno::EINTR) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        for one in self.watched.iter() {
            let descriptor = one.handle.as_fd();
            let modes = Interest {
                read: reads.contains(descriptor),
                write: writes.contains(descriptor),
                expedite: excepts.contains(descriptor),
            };
            if !modes.is_empty() {
                ready.push(Readiness::new(one.key, modes));
            }
        }
        if reads.contains(self.wake.reader()) {
            self.wake.drain();
        }
        Ok(())
    }

    fn waker(&self) -> Arc<dyn Wake> {
        self.wake.waker()
    }
}

impl fmt::Debug for SelectLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelectLoop").field("handles", &self.watched.len()).finish_non_exhaustive()
    }
}
