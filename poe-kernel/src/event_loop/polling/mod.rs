//! The default loop: the poller of `polling`, and on Linux its epoll descriptor.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use polling::Poller;

#[cfg(target_os = "linux")]
use self::linux::System;
#[cfg(not(target_os = "linux"))]
use self::portable::System;
use super::{EventLoop, Interest, Key, Readiness, Wake};
use crate::hash::IdMap;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod portable;

/// A loop on the operating system's best poller.
pub(crate) struct PollingLoop {
    poller: Arc<Poller>,
    system: System,
    waker: Arc<PollerWaker>,
    /// A share of each handle in the poller, so that none is closed there.
    handles: IdMap<Key, Rc<dyn AsFd>>,
    /// The process that the poller is of.
    process: u32,
}

/// Wakes the loop's poller, which is another one in a child process, and gone with the loop.
#[derive(Debug)]
struct PollerWaker(RwLock<Weak<Poller>>);

impl Wake for PollerWaker {
    fn wake(&self) {
        let poller = self.0.read().unwrap_or_else(PoisonError::into_inner).upgrade();
        if let Some(poller) = poller {
            // It fails only when the system has no descriptor for it, and that it has.
            let _ = poller.notify();
        }
    }
}

impl PollingLoop {
    pub(crate) fn new() -> io::Result<Self> {
        let poller = Arc::new(Poller::new()?);
        let system = System::new(&poller)?;
        let waker = Arc::new(PollerWaker(RwLock::new(Arc::downgrade(&poller))));
        Ok(Self { poller, system, waker, handles: IdMap::default(), process: std::process::id() })
    }

    fn handle(&self, key: Key) -> io::Result<&Rc<dyn AsFd>> {
        self.handles.get(&key).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl EventLoop for PollingLoop {
    fn name(&self) -> &'static str {
        "polling"
    }

    fn add(&mut self, handle: Rc<dyn AsFd>, key: Key, modes: Interest) -> io::Result<()> {
        self.system.add(&self.poller, &*handle, key, modes)?;
        self.handles.insert(key, handle);
        Ok(())
    }

    fn modify(&mut self, key: Key, modes: Interest) -> io::Result<()> {
        self.system.modify(&self.poller, self.handle(key)?.as_fd(), key, modes)
    }

    fn delete(&mut self, key: Key) -> io::Result<()> {
        let result = self.handle(key).and_then(|handle| self.poller.delete(handle.as_fd()));
        self.handles.remove(&key);
        result
    }

    fn has_forked(&mut self) -> io::Result<()> {
        let poller = Arc::new(Poller::new()?);
        let system = System::new(&poller)?;
        // Held by a thread that is not in this process, it could be waited for in vain.
        let mut woken = self.waker.0.try_write().map_err(|_| io::ErrorKind::WouldBlock)?;
        *woken = Arc::downgrade(&poller);
        drop(woken);
        self.system = system;
        disown(std::mem::replace(&mut self.poller, poller));
        self.handles.clear();
        self.process = std::process::id();
        Ok(())
    }

    fn wait(&mut self, ready: &mut Vec<Readiness>, timeout: Option<Duration>) -> io::Result<()> {
        self.system.wait(&self.poller, ready, timeout)
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::clone(&self.waker) as Arc<dyn Wake>
    }

    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        target_vendor = "apple",
        target_os = "freebsd",
        target_os = "dragonfly",
        target_os = "openbsd",
        target_os = "netbsd",
    ))]
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.poller.as_fd())
    }
}

impl Drop for PollingLoop {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            return disown(Arc::clone(&self.poller));
        }
        // The poller may outlive this in a waker that is at work: it must not keep descriptors whose handles go now.
        for handle in self.handles.values() {
            let _ = self.poller.delete(handle.as_fd());
        }
    }
}

/// Lets go of a poller that a parent process shares: what its drop would do to the epoll is done to an empty one.
#[cfg(target_os = "linux")]
fn disown(poller: Arc<Poller>) {
    use nix::sys::epoll::{Epoll, EpollCreateFlags};
    let empty = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(io::Error::from);
    if empty.and_then(|empty| crate::sys::replace_file(&*poller, &empty.0)).is_err() {
        std::mem::forget(poller);
    }
}

/// A kqueue is not inherited: the number may be another file's by now, which is not to be closed.
#[cfg(not(target_os = "linux"))]
fn disown(poller: Arc<Poller>) {
    std::mem::forget(poller);
}

impl fmt::Debug for PollingLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollingLoop").field("handles", &self.handles.len()).finish_non_exhaustive()
    }
}
