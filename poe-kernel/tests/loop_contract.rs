//! The conformance kit for event loops: our own pass it, and so does one that a program could have; what breaks the
//! contract does not.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use poe_kernel::testkit::{Kit, Violations};
use poe_kernel::{
    Delivery, Dispatch, EventLoop, Interest, Kernel, Key, LoopKind, Outcome, Readiness, Wake,
};

fn run(kit: &Kit) -> Result<(), Violations> {
    /// Descriptors are numbered through the process, and `select` knows the low ones alone.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    kit.run()
}

fn start(kind: LoopKind) -> Result<(), Violations> {
    run(&Kit::new(move || kind.start()))
}

#[test]
fn polling_keeps_the_contract() -> Result<(), Violations> {
    start(LoopKind::Polling)
}

#[test]
fn poll_keeps_the_contract() -> Result<(), Violations> {
    start(LoopKind::Poll)
}

#[test]
fn select_keeps_the_contract() -> Result<(), Violations> {
    start(LoopKind::Select)
}

#[cfg(target_os = "linux")]
mod bare {
    use nix::errno::Errno;
    use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

    use super::*;

    /// An event loop as a program could have it: on `epoll` alone, and a socket to be woken by.
    pub(super) struct BareLoop {
        epoll: Epoll,
        handles: HashMap<Key, Rc<dyn AsFd>>,
        bell: UnixStream,
        rope: Arc<Rope>,
    }

    #[derive(Debug)]
    struct Rope(UnixStream);

    impl Wake for Rope {
        fn wake(&self) {
            // When it is full, it rings already; when nobody hears it, nobody waits.
            let _ = (&self.0).write(b"!");
        }
    }

    impl BareLoop {
        pub(super) fn new() -> io::Result<Self> {
            let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
            let (bell, rope) = UnixStream::pair()?;
            bell.set_nonblocking(true)?;
            rope.set_nonblocking(true)?;
            epoll.add(&bell, EpollEvent::new(EpollFlags::EPOLLIN, u64::MAX))?;
            Ok(Self { epoll, handles: HashMap::new(), bell, rope: Arc::new(Rope(rope)) })
        }

        fn handle(&self, key: Key) -> io::Result<&Rc<dyn AsFd>> {
            self.handles.get(&key).ok_or_else(|| io::ErrorKind::NotFound.into())
        }
    }

    impl EventLoop for BareLoop {
        fn name(&self) -> &'static str {
            "bare"
        }

        fn add(&mut self, handle: Rc<dyn AsFd>, key: Key, modes: Interest) -> io::Result<()> {
            self.epoll.add(handle.as_fd(), event(key, modes))?;
            self.handles.insert(key, handle);
            Ok(())
        }

        fn modify(&mut self, key: Key, modes: Interest) -> io::Result<()> {
            Ok(self.epoll.modify(self.handle(key)?.as_fd(), &mut event(key, modes))?)
        }

        fn delete(&mut self, key: Key) -> io::Result<()> {
            self.epoll.delete(self.handle(key)?.as_fd())?;
            self.handles.remove(&key);
            Ok(())
        }

        fn wait(
            &mut self,
            ready: &mut Vec<Readiness>,
            timeout: Option<Duration>,
        ) -> io::Result<()> {
            let mut events = [EpollEvent::empty(); 64];
            let millis = timeout.map(|timeout| timeout.as_nanos().div_ceil(1_000_000));
            let timeout = millis.map_or(EpollTimeout::NONE, |millis| {
                let millis = i32::try_from(millis).unwrap_or(i32::MAX);
                EpollTimeout::try_from(millis).unwrap_or(EpollTimeout::MAX)
            });
            let count = match self.epoll.wait(&mut events, timeout) {
                Err(Errno::EINTR) => return Ok(()),
                other => other?,
            };
            for event in &events[..count] {
                if event.data() == u64::MAX {
                    while matches!((&self.bell).read(&mut [0; 1024]), Ok(1..)) {}
                } else {
                    ready.push(Readiness::new(event.data() as Key, modes(event.events())));
                }
            }
            Ok(())
        }

        fn waker(&self) -> Arc<dyn Wake> {
            Arc::clone(&self.rope) as Arc<dyn Wake>
        }

        fn descriptor(&self) -> Option<BorrowedFd<'_>> {
            Some(self.epoll.0.as_fd())
        }
    }

    impl fmt::Debug for BareLoop {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("BareLoop")
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

    #[test]
    fn a_loop_of_a_programs_own_keeps_the_contract() -> Result<(), Violations> {
        run(&Kit::new(BareLoop::new).handles(400))
    }

    #[test]
    fn a_kernel_runs_on_a_loop_of_a_programs_own() {
        let kernel =
            Kernel::builder().event_loop(Box::new(BareLoop::new().unwrap())).build().unwrap();
        assert_eq!(kernel.event_loop_name(), "bare");
        let session = kernel.session_alloc(Rc::new(Mute), ()).unwrap();
        let poster = kernel.poster_for(session);
        let thread = std::thread::spawn(move || (0..100).try_for_each(|n| poster.post("n", n)));
        kernel.run().unwrap();
        thread.join().unwrap().unwrap();
    }

    struct Mute;

    impl Dispatch for Mute {
        fn dispatch(&self, _: Delivery<'_>) -> Outcome {
            Ok(())
        }
    }
}

/// A way to break the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    WakesNobody,
    WakesTooOften,
    ReportsOnce,
    ReportsTwice,
    ReportsTheDeleted,
    ReportsAllModes,
    ReportsFew,
    ReportsNoHangUp,
    KeepsHandles,
    KnowsAllKeys,
    CutsKeys,
    ClearsTheList,
    RoundsDown,
    EndsEarly,
    IgnoresTheTime,
    TakesNoLongTime,
    FailsInterrupted,
    Panics,
    DescriptorIsMute,
    StaysItsParents,
}

/// A loop that keeps the contract, but for one thing.
#[derive(Debug)]
struct FlawedLoop {
    inner: Box<dyn EventLoop>,
    flaw: Flaw,
    kept: Kept,
    told: HashSet<Key>,
    mute: UnixStream,
}

#[derive(Default)]
struct Kept(Vec<Rc<dyn AsFd>>);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} kept", self.0.len())
    }
}

#[derive(Debug)]
struct FlawedWaker(Arc<dyn Wake>, Flaw);

impl Wake for FlawedWaker {
    fn wake(&self) {
        if self.1 != Flaw::WakesNobody {
            self.0.wake();
        }
    }
}

impl FlawedLoop {
    fn new(flaw: Flaw) -> io::Result<Self> {
        let (kept, told) = (Kept::default(), HashSet::new());
        let mute = UnixStream::pair()?.0;
        mute.set_nonblocking(true)?;
        Ok(Self { inner: LoopKind::Poll.start()?, flaw, kept, told, mute })
    }
}

impl EventLoop for FlawedLoop {
    fn name(&self) -> &'static str {
        "flawed"
    }

    fn add(&mut self, handle: Rc<dyn AsFd>, key: Key, modes: Interest) -> io::Result<()> {
        match self.flaw {
            Flaw::KeepsHandles => self.kept.0.push(Rc::clone(&handle)),
            Flaw::CutsKeys => return self.inner.add(handle, key & 0xffff, modes),
            Flaw::Panics => panic!("a flaw"),
            _ => {}
        }
        self.inner.add(handle, key, modes)
    }

    fn modify(&mut self, key: Key, modes: Interest) -> io::Result<()> {
        self.told.remove(&key);
        self.inner.modify(key, modes)
    }

    fn delete(&mut self, key: Key) -> io::Result<()> {
        self.told.remove(&key);
        match self.flaw {
            Flaw::ReportsTheDeleted => Ok(()),
            Flaw::KnowsAllKeys => self.inner.delete(key).or(Ok(())),
            Flaw::CutsKeys => self.inner.delete(key & 0xffff),
            _ => self.inner.delete(key),
        }
    }

    fn has_forked(&mut self) -> io::Result<()> {
        if self.flaw == Flaw::StaysItsParents { Ok(()) } else { self.inner.has_forked() }
    }

    fn wait(&mut self, ready: &mut Vec<Readiness>, timeout: Option<Duration>) -> io::Result<()> {
        let mut found = Vec::new();
        let timeout = match self.flaw {
            Flaw::RoundsDown => timeout.map(|time| Duration::from_millis(time.as_millis() as u64)),
            Flaw::EndsEarly => timeout.map(|time| time / 32),
            Flaw::IgnoresTheTime => Some(Duration::from_millis(10)),
            Flaw::TakesNoLongTime
                if timeout.is_some_and(|time| time.as_secs() > u32::MAX.into()) =>
            {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            _ => timeout,
        };
        let begun = Instant::now();
        self.inner.wait(&mut found, timeout)?;
        let is_early = timeout.is_some_and(|time| begun.elapsed() < time);
        let told = &mut self.told;
        match self.flaw {
            Flaw::WakesTooOften
                if found.is_empty() && timeout.is_some_and(|time| time.as_millis() > 100) =>
            {
                self.inner.waker().wake();
            }
            Flaw::ReportsOnce => found.retain(|one| told.insert(one.key)),
            Flaw::ReportsTwice => found.extend_from_within(..),
            Flaw::ReportsFew => found.truncate(8),
            Flaw::ReportsNoHangUp => found.retain(|one| !one.modes.expedite),
            Flaw::ReportsAllModes => found.iter_mut().for_each(|one| {
                one.modes = Interest { read: true, write: true, expedite: true };
            }),
            Flaw::ClearsTheList => ready.clear(),
            Flaw::FailsInterrupted if found.is_empty() && is_early => {
                return Err(io::ErrorKind::Interrupted.into());
            }
            _ => {}
        }
        ready.extend(found);
        Ok(())
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::new(FlawedWaker(self.inner.waker(), self.flaw))
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        (self.flaw == Flaw::DescriptorIsMute).then(|| self.mute.as_fd())
    }
}

#[test]
fn each_flaw_is_found() {
    for (flaw, check) in [
        (Flaw::WakesNobody, "a wake before a wait ends it"),
        (Flaw::WakesNobody, "a wake from another thread ends a wait, whenever it comes"),
        (Flaw::WakesTooOften, "any number of wakes ends one wait"),
        (Flaw::ReportsOnce, "a handle that can be read is reported until it was read"),
        (Flaw::ReportsOnce, "a handle that can be written is reported until it was filled"),
        (Flaw::ReportsTwice, "many handles are all reported"),
        (
            Flaw::ReportsTheDeleted,
            "a deleted handle is not reported, although others of its file are open",
        ),
        (
            Flaw::ReportsTheDeleted,
            "what is ready and then deleted is not reported by the next wait",
        ),
        (Flaw::ReportsAllModes, "modes that are not watched are not reported"),
        (Flaw::ReportsFew, "many handles are all reported"),
        (Flaw::ReportsNoHangUp, "a hang-up is readiness for reading and for writing"),
        (Flaw::ReportsNoHangUp, "an error is readiness for reading and for writing"),
        (Flaw::KeepsHandles, "a handle is kept for as long as it is watched, and no longer"),
        (Flaw::KnowsAllKeys, "keys that are not watched are errors"),
        (Flaw::CutsKeys, "any key but the greatest is a key"),
        (Flaw::ClearsTheList, "what is ready is added to the list"),
        (Flaw::RoundsDown, "a short wait is neither too short nor rounded to nothing"),
        (Flaw::EndsEarly, "a wait lasts as long as it may"),
        (Flaw::IgnoresTheTime, "a wait of no time returns at once"),
        (Flaw::TakesNoLongTime, "a wake ends the longest wait"),
        (Flaw::FailsInterrupted, "a signal is no error"),
        (Flaw::Panics, "a handle that can be read is reported until it was read"),
        (Flaw::StaysItsParents, "it begins anew in a child process, or says that it cannot"),
        (Flaw::DescriptorIsMute, "its descriptor can be read when a wait would find something"),
    ] {
        assert!(Kit::checks().any(|known| known == check), "{check}");
        let kit = Kit::new(move || FlawedLoop::new(flaw)).only(check);
        let result = run(&kit.patience(Duration::from_millis(500)));
        let violations = result.expect_err(&format!("{flaw:?} is not found: {check}"));
        assert_eq!(violations.0.len(), 1, "{violations}");
        assert!(violations.to_string().contains(check), "{violations}");
    }
}
