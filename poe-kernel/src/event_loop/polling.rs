//! The default loop: registration through `polling`, and on Linux the wait through its epoll descriptor.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use polling::{Event, PollMode, Poller};

use super::{EventLoop, Interest, Key, Readiness, Wake};
use crate::hash::IdMap;

/// A loop on the operating system's best poller.
pub(crate) struct PollingLoop {
    poller: Arc<Poller>,
    wait: Wait,
    waker: Arc<PollerWaker>,
    /// A share of each handle in the poller, so that none is closed there.
    handles: IdMap<Key, Rc<dyn AsFd>>,
    /// The process that the poller is of.
    process: u32,
}

/// Wakes the loop's poller, which is another one in a child process.
#[derive(Debug)]
struct PollerWaker(RwLock<Arc<Poller>>);

impl Wake for PollerWaker {
    fn wake(&self) {
        // It fails only when the poller is gone, and then nobody waits.
        let _ = self.0.read().unwrap_or_else(PoisonError::into_inner).notify();
    }
}

impl PollingLoop {
    pub(crate) fn new() -> io::Result<Self> {
        let poller = Arc::new(Poller::new()?);
        let wait = Wait::new(&poller)?;
        let waker = Arc::new(PollerWaker(RwLock::new(Arc::clone(&poller))));
        Ok(Self { poller, wait, waker, handles: IdMap::default(), process: std::process::id() })
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
        crate::sys::add_to_poller(&self.poller, &*handle, event(key, modes), PollMode::Level)?;
        self.handles.insert(key, handle);
        Ok(())
    }

    fn modify(&mut self, key: Key, modes: Interest) -> io::Result<()> {
        let handle = self.handle(key)?.as_fd();
        self.poller.modify_with_mode(handle, event(key, modes), PollMode::Level)
    }

    fn delete(&mut self, key: Key) -> io::Result<()> {
        let result = self.handle(key).and_then(|handle| self.poller.delete(handle.as_fd()));
        self.handles.remove(&key);
        result
    }

    fn has_forked(&mut self) -> io::Result<()> {
        let poller = Arc::new(Poller::new()?);
        let wait = Wait::new(&poller)?;
        // Held by a thread that is not in this process, it could be waited for in vain.
        let mut woken = self.waker.0.try_write().map_err(|_| io::ErrorKind::WouldBlock)?;
        *woken = Arc::clone(&poller);
        drop(woken);
        self.wait = wait;
        disown(std::mem::replace(&mut self.poller, poller));
        self.handles.clear();
        self.process = std::process::id();
        Ok(())
    }

    fn wait(&mut self, ready: &mut Vec<Readiness>, timeout: Option<Duration>) -> io::Result<()> {
        self.wait.wait(&self.poller, ready, timeout)
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::clone(&self.waker) as Arc<dyn Wake>
    }
}

impl Drop for PollingLoop {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            return disown(Arc::clone(&self.poller));
        }
        // The poller may outlive this in a waker: it must not keep descriptors whose handles go now.
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

fn event(key: Key, modes: Interest) -> Event {
    let mut event = Event::new(key, modes.read, modes.write);
    event.set_priority(modes.expedite);
    event
}

#[cfg(target_os = "linux")]
use self::linux::Wait;
#[cfg(not(target_os = "linux"))]
use self::portable::Wait;

/// `Poller::wait` costs five system calls whatever it finds; waiting on its epoll descriptor costs one.
#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::AsFd;
    use std::time::Duration;

    use nix::errno::Errno;
    use nix::poll::{PollFd, PollFlags, ppoll};
    use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags, EpollTimeout};
    use nix::sys::time::TimeSpec;
    use polling::{Events, Poller};

    use crate::event_loop::{Interest, Readiness};

    const BATCH: usize = 512;

    /// The key that the poller keeps for its own notifications.
    const NOTIFICATION: u64 = u64::MAX;

    pub(super) struct Wait {
        epoll: Epoll,
        events: Vec<EpollEvent>,
        scratch: Events,
    }

    impl Wait {
        pub(super) fn new(poller: &Poller) -> io::Result<Self> {
            let epoll = Epoll(poller.as_fd().try_clone_to_owned()?);
            Ok(Self { epoll, events: vec![EpollEvent::empty(); BATCH], scratch: Events::new() })
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

    fn modes(flags: EpollFlags) -> Interest {
        let broken = flags.intersects(EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR);
        Interest {
            read: broken || flags.intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP),
            write: broken || flags.contains(EpollFlags::EPOLLOUT),
            expedite: broken || flags.contains(EpollFlags::EPOLLPRI),
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod portable {
    use std::io;
    use std::time::Duration;

    use polling::{Events, Poller};

    use crate::event_loop::{Interest, Readiness};

    pub(super) struct Wait {
        events: Events,
    }

    impl Wait {
        pub(super) fn new(_: &Poller) -> io::Result<Self> {
            Ok(Self { events: Events::new() })
        }

        pub(super) fn wait(
            &mut self,
            poller: &Poller,
            ready: &mut Vec<Readiness>,
            timeout: Option<Duration>,
        ) -> io::Result<()> {
            self.events.clear();
            poller.wait(&mut self.events, timeout)?;
            ready.extend(self.events.iter().map(|event| {
                let broken = event.is_interrupt() || event.is_err() == Some(true);
                let modes = Interest {
                    read: broken || event.readable,
                    write: broken || event.writable,
                    expedite: broken || event.is_priority(),
                };
                Readiness::new(event.key, modes)
            }));
            Ok(())
        }
    }
}
