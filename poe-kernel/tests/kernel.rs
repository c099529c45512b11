//! The kernel by itself, with sessions that are bare [`Dispatch`]es.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};
use std::time::{Duration, UNIX_EPOCH};

use poe_kernel::{
    CallError, Cause, Delivery, Dispatch, Failure, Flush, Kernel, KernelError, Mode, Name, Outcome,
    ReasonCause, SessionId, Signal, SpawnError, Timeout, Traces, Watch, WatchId, take,
};

/// A session that is a function.
struct Function<F>(F);

impl<F: Fn(&mut Delivery<'_>) -> Outcome> Dispatch for Function<F> {
    fn dispatch(&self, mut delivery: Delivery<'_>) -> Outcome {
        (self.0)(&mut delivery)
    }
}

fn spawn(kernel: &Kernel, f: impl Fn(&mut Delivery<'_>) -> Outcome + 'static) -> SessionId {
    kernel.session_alloc(Rc::new(Function(f)), ()).unwrap()
}

fn virtual_kernel() -> Kernel {
    Kernel::builder().virtual_clock(UNIX_EPOCH + Duration::from_secs(1000)).build().unwrap()
}

#[test]
fn any_dispatch_is_a_session() {
    let kernel = virtual_kernel();
    let log = Rc::new(RefCell::new(Vec::new()));
    let l = log.clone();
    let id = spawn(&kernel, move |delivery| {
        l.borrow_mut().push(delivery.event.to_string());
        match delivery.event.as_str() {
            "number" => {
                let n: u32 =
                    take(delivery.payload).ok_or(Failure::WrongPayload { expected: "u32" })?;
                l.borrow_mut().push(n.to_string());
                Ok(())
            }
            _ => Ok(()),
        }
    });
    kernel.post(id, "number", 7_u32).unwrap();
    let error = kernel.call::<(), _>(id, "number", "seven").unwrap_err();
    assert!(matches!(error, CallError::WrongPayload { sent: "&str", .. }), "{error}");
    kernel.run().unwrap();
    assert_eq!(*log.borrow(), ["_start", "number", "number", "7", "_stop"]);
}

#[test]
fn a_parent_that_says_it_is_busy_gets_no_child() {
    struct Busy(Cell<Option<SpawnError>>);
    impl Dispatch for Busy {
        fn dispatch(&self, delivery: Delivery<'_>) -> Outcome {
            if delivery.event == "_start" {
                let child = Rc::new(Function(|_: &mut Delivery<'_>| Ok(())));
                self.0.set(delivery.kernel.session_alloc(child, ()).err());
            }
            Ok(())
        }

        fn is_busy(&self) -> bool {
            true
        }
    }
    let kernel = virtual_kernel();
    let busy = Rc::new(Busy(Cell::new(None)));
    let id = kernel.session_alloc(busy.clone(), ()).unwrap();
    assert_eq!(busy.0.take(), Some(SpawnError::ParentBusy(id)));
    kernel.run().unwrap();
}

struct Echo {
    socket: Rc<UnixStream>,
    id: Cell<Option<WatchId>>,
    seen: Rc<RefCell<Vec<String>>>,
}

impl Watch for Echo {
    fn ready(&self, kernel: &Kernel, mode: Mode) {
        assert_eq!(mode, Mode::Read);
        assert!(kernel.active_event().is_none());
        let mut bytes = [0; 9];
        match (&*self.socket).read(&mut bytes) {
            Ok(0) => {
                if let Some(id) = self.id.take() {
                    kernel.unwatch(id);
                    kernel.unwatch(id);
                    assert!(!kernel.pause_watch(id) && !kernel.resume_watch(id));
                }
            }
            Ok(count) => {
                let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
                self.seen.borrow_mut().push(text);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_watch_is_called_for_its_session_and_holds_it() {
    let kernel = virtual_kernel();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let echo = Rc::new(Echo { socket: Rc::new(ours), id: Cell::new(None), seen: seen.clone() });
    let weak = Rc::downgrade(&echo);
    let id = spawn(&kernel, {
        let echo = RefCell::new(Some(echo));
        move |delivery| {
            if delivery.event == "_start"
                && let Some(echo) = echo.take()
            {
                let (kernel, session) = (delivery.kernel, delivery.session);
                let socket = echo.socket.clone();
                let id = kernel.watch(session, socket, Mode::Read, echo.clone()).unwrap();
                echo.id.set(Some(id));
            }
            Ok(())
        }
    });
    theirs.write_all(b"one").unwrap();
    kernel.run_one_timeslice().unwrap();
    theirs.write_all(b"two").unwrap();
    kernel.run_one_timeslice().unwrap();
    assert!(kernel.is_live(id) && weak.upgrade().is_some());
    drop(theirs);
    kernel.run().unwrap();
    assert_eq!(*seen.borrow(), ["one", "two"]);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_watch_of_another_kernel_is_not_ended() {
    let watching = |kernel: &Kernel| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (socket, seen) = (Rc::new(ours), Rc::default());
        let echo = Rc::new(Echo { socket: socket.clone(), id: Cell::new(None), seen });
        let session = spawn(kernel, |_| Ok(()));
        let id = kernel.watch(session, socket, Mode::Read, echo.clone()).unwrap();
        echo.id.set(Some(id));
        (echo, theirs, id)
    };
    let (one, two) = (virtual_kernel(), virtual_kernel());
    let ((echo, mut peer, id), (_, _, stranger)) = (watching(&one), watching(&two));
    assert_ne!(id, stranger);
    one.unwatch(stranger);
    assert!(!one.pause_watch(stranger));
    peer.write_all(b"heard").unwrap();
    drop(peer);
    one.run().unwrap();
    assert_eq!(*echo.seen.borrow(), ["heard"]);
}

#[test]
fn a_watch_that_panics_leaves_run_and_nobody_active() {
    struct Panics;
    impl Watch for Panics {
        fn ready(&self, _: &Kernel, _: Mode) {
            panic!("in a watch");
        }
    }
    let kernel = virtual_kernel();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"x").unwrap();
    let ours = Rc::new(ours);
    let id = spawn(&kernel, move |delivery| {
        if delivery.event == "_start" {
            let session = delivery.session;
            delivery.kernel.watch(session, ours.clone(), Mode::Read, Rc::new(Panics)).unwrap();
        }
        Ok(())
    });
    let result = catch_unwind(AssertUnwindSafe(|| kernel.run()));
    assert!(result.is_err());
    assert!(kernel.active_session().is_kernel());
    kernel.stop().unwrap();
    assert!(!kernel.is_live(id));
    kernel.run().unwrap();
}

#[test]
fn what_is_kept_back_is_flushed_once_before_the_kernel_waits() {
    struct Kept(Cell<u32>);
    impl Flush for Kept {
        fn flush(&self, _: &Kernel) {
            self.0.set(self.0.get() + 1);
        }
    }
    let kernel = virtual_kernel();
    let kept = Rc::new(Kept(Cell::new(0)));
    let weak = Rc::downgrade(&kept);
    spawn(&kernel, move |delivery| {
        if delivery.event == "_start" {
            delivery.kernel.flush_later(delivery.session, weak.clone());
            let _ = delivery.kernel.delay("later", Duration::from_secs(1), ());
        }
        Ok(())
    });
    assert_eq!(kept.0.get(), 0);
    kernel.run().unwrap();
    assert_eq!(kept.0.get(), 1);
}

#[test]
fn a_panic_in_what_the_kernel_calls_for_a_session_is_a_death_of_that_session() {
    struct Faulty(&'static str);
    impl Watch for Faulty {
        fn ready(&self, _: &Kernel, _: Mode) {
            panic!("{}", self.0);
        }
    }
    impl Timeout for Faulty {
        fn timed_out(&self, _: &Kernel) {
            panic!("{}", self.0);
        }
    }
    impl Flush for Faulty {
        fn flush(&self, _: &Kernel) {
            panic!("{}", self.0);
        }
    }
    for part in ["_ready", "_timeout", "_flush"] {
        let kernel = Kernel::new().unwrap();
        let (near, far) = UnixStream::pair().unwrap();
        (&far).write_all(b"x").unwrap();
        let (near, faulty) = (Rc::new(near), Rc::new(Faulty(part)));
        let told = Rc::new(RefCell::new(Vec::new()));
        let t = told.clone();
        let kept = faulty.clone();
        let guard = spawn(&kernel, move |delivery| {
            let kernel = delivery.kernel;
            match delivery.event.as_str() {
                "_start" => {
                    kernel.sig("DIE", "died").unwrap();
                    let session = delivery.session;
                    match part {
                        "_ready" => {
                            let near: Rc<UnixStream> = near.clone();
                            kernel.watch(session, near, Mode::Read, faulty.clone()).unwrap();
                        }
                        "_timeout" => {
                            kernel.call_later(session, Duration::from_millis(1), faulty.clone());
                        }
                        _ => {
                            let weak: Weak<Faulty> = Rc::downgrade(&faulty);
                            kernel.flush_later(session, weak);
                            kernel.refcount_increment(session, "until it died").unwrap();
                        }
                    }
                }
                "died" => {
                    let signal: Signal = take(delivery.payload).unwrap();
                    let death = signal.death().unwrap();
                    let Cause::Panic(panic) = &death.cause else { panic!("{death}") };
                    t.borrow_mut().push((death.event.as_str(), panic.message().to_owned()));
                    kernel.sig_handled();
                    kernel.stop().unwrap();
                }
                _ => {}
            }
            Ok(())
        });
        kernel.run().unwrap();
        assert!(!kernel.is_live(guard));
        assert_eq!(*told.borrow(), [(part, part.to_owned())]);
        drop((kept, far));
    }
}

#[test]
fn watches_of_one_session_end_in_any_order() {
    struct Never;
    impl Watch for Never {
        fn ready(&self, _: &Kernel, _: Mode) {}
    }
    let kernel = virtual_kernel();
    let session = spawn(&kernel, |_| Ok(()));
    kernel.refcount_increment(session, "test").unwrap();
    let mut watches = Vec::new();
    for _ in 0..20 {
        let handle = Rc::new(UnixStream::pair().unwrap().0);
        watches.push(kernel.watch(session, handle, Mode::Write, Rc::new(Never)).unwrap());
    }
    for step in [7, 3, 11, 1, 5] {
        let id = watches.remove(step);
        kernel.unwatch(id);
        assert!(!kernel.pause_watch(id), "it has ended");
        assert!(watches.iter().all(|&id| kernel.resume_watch(id)), "the others have not");
    }
    kernel.stop().unwrap();
    assert!(watches.iter().all(|&id| !kernel.resume_watch(id)), "all have ended with it");
}

/// It would not end in minutes if each tag were looked for among all the others.
#[test]
fn a_session_has_as_many_tags_as_it_likes() {
    const TAGS: usize = 100_000;
    let kernel = virtual_kernel();
    let session = spawn(&kernel, |_| Ok(()));
    let tags: Vec<Name> = (0..TAGS).map(|tag| Name::from(format!("tag {tag}"))).collect();
    let mut kept = Vec::new();
    for &tag in &tags {
        assert_eq!(kernel.refcount_increment(session, tag).unwrap(), 1);
        kept.push(kernel.keep_alive(session, tag).unwrap());
    }
    assert_eq!(kernel.refcount_increment(session, tags[TAGS / 2]).unwrap(), 2);
    assert_eq!(kernel.refcount_decrement(session, tags[TAGS / 2]).unwrap(), 1);
    let reasons = kernel.why_alive(session);
    let shown: Vec<Name> = reasons
        .iter()
        .filter_map(|reason| match reason.cause {
            ReasonCause::Reference { tag, .. } => Some(tag),
            _ => None,
        })
        .collect();
    let twice: Vec<Name> = tags.iter().flat_map(|&tag| [tag, tag]).collect();
    assert!(shown == twice, "in the order in which they were taken");
    drop(kept);
    kernel.run_one_timeslice().unwrap();
    assert!(kernel.is_live(session));
    for &tag in &tags {
        assert_eq!(kernel.refcount_decrement(session, tag).unwrap(), 0);
    }
    assert!(kernel.refcount_decrement(session, tags[0]).is_err());
    kernel.run().unwrap();
    assert!(!kernel.is_live(session));
}

#[test]
fn a_kernel_is_told_from_others_and_printed() {
    let (one, two) = (virtual_kernel(), virtual_kernel());
    assert_ne!(one.id(), two.id());
    assert!(format!("{one:?}").contains(one.id().as_str()));
    assert_eq!(one.event_loop_name(), two.event_loop_name());
    let weak = one.downgrade();
    assert_eq!(weak.upgrade().unwrap().id(), one.id());
    drop(one);
    assert!(weak.upgrade().is_none());
}

#[test]
fn run_is_not_entered_twice() {
    let kernel = virtual_kernel();
    let refused = Rc::new(Cell::new(false));
    let r = refused.clone();
    let id = spawn(&kernel, move |delivery| {
        if delivery.event == "again" {
            r.set(matches!(delivery.kernel.run(), Err(KernelError::AlreadyRunning)));
        }
        Ok(())
    });
    kernel.post(id, "again", ()).unwrap();
    kernel.run().unwrap();
    assert!(refused.get());
}

// Conformance: KRG-19
#[test]
fn a_programs_own_signal_handler_is_left_alone() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let came = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(nix::libc::SIGALRM, came.clone()).unwrap();
    let kernel = virtual_kernel();
    spawn(&kernel, |delivery| {
        if delivery.event == "_start" {
            delivery.kernel.sig("USR1", "signal").unwrap();
            nix::sys::signal::raise(nix::sys::signal::SIGALRM).unwrap();
        }
        Ok(())
    });
    kernel.run().unwrap();
    assert!(came.load(Ordering::SeqCst));
}

#[test]
fn a_listener_that_panics_is_still_told_of_what_follows() {
    let told = Rc::new(Cell::new(0));
    let t = told.clone();
    let kernel = Kernel::builder()
        .traces(Traces::SIGNALS)
        .diagnostics(move |_| {
            if t.replace(t.get() + 1) == 0 {
                std::panic::resume_unwind(Box::new("the listener's"));
            }
        })
        .build()
        .unwrap();
    kernel.sig_ignore("MOOD");
    assert_eq!(told.get(), 1);
    kernel.sig_ignore("MOOD");
    assert_eq!(told.get(), 2);
    assert!(catch_unwind(AssertUnwindSafe(|| kernel.run())).is_err());
    kernel.run().unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_handle_gets_its_own_mode_back_whatever_else_has_its_inode() {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    use nix::sys::epoll::{Epoll, EpollCreateFlags};
    use nix::sys::eventfd::{EfdFlags, EventFd};
    use std::os::fd::AsFd;

    struct Nothing;

    impl Watch for Nothing {
        fn ready(&self, _: &Kernel, _: Mode) {}
    }

    fn is_blocking(handle: &dyn AsFd) -> bool {
        let flags = fcntl(handle.as_fd(), FcntlArg::F_GETFL).unwrap();
        !OFlag::from_bits_retain(flags).contains(OFlag::O_NONBLOCK)
    }

    let (reader, writer) = nix::unistd::pipe2(OFlag::O_NONBLOCK).unwrap();
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap().0;
    let event = EventFd::from_flags(EfdFlags::EFD_NONBLOCK).unwrap();
    let blocking: [Rc<dyn AsFd>; 2] = [Rc::new(writer), Rc::new(epoll)];
    let nonblocking: [Rc<dyn AsFd>; 2] = [Rc::new(reader), Rc::new(event)];
    let kernel = virtual_kernel();
    let session = spawn(&kernel, |_| Ok(()));
    let watch = |handle: &Rc<dyn AsFd>| {
        kernel.watch(session, handle.clone(), Mode::Read, Rc::new(Nothing)).unwrap()
    };
    for (one, two) in blocking.iter().zip(&nonblocking) {
        let watches = [watch(one), watch(two)];
        assert!(!is_blocking(&**one) && !is_blocking(&**two));
        kernel.unwatch(watches[0]);
        assert!(is_blocking(&**one), "it was");
        kernel.unwatch(watches[1]);
        assert!(!is_blocking(&**two), "it was not");
    }
}
