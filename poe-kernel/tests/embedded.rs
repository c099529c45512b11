//! Kernels in somebody else's loop: one of the test's own, which watches the kernel's descriptor by level or by edge.
#![cfg(target_os = "linux")]

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use poe_kernel::{
    Delivery, Dispatch, EmbedError, Embedded, Failure, Kernel, KernelError, LoopKind, Next,
    Outcome, Priority, Ready, SessionId, take,
};

/// A session that is a function.
struct Function<F>(F);

impl<F: Fn(&mut Delivery<'_>) -> Outcome> Dispatch for Function<F> {
    fn dispatch(&self, mut delivery: Delivery<'_>) -> Outcome {
        (self.0)(&mut delivery)
    }
}

fn spawn(kernel: &Kernel, f: impl Fn(&mut Delivery<'_>) + 'static) -> SessionId {
    let f = move |delivery: &mut Delivery<'_>| {
        f(delivery);
        Ok(())
    };
    kernel.session_alloc(Rc::new(Function(f)), ()).unwrap()
}

fn kernel() -> Kernel {
    Kernel::builder().loop_kind(LoopKind::Polling).build().unwrap()
}

/// A loop that has a kernel in it.
struct Host {
    epoll: Epoll,
    embedded: Embedded,
    timeslices: Cell<u32>,
}

impl Host {
    fn new(kernel: &Kernel, by: EpollFlags) -> Self {
        let embedded = kernel.embed().unwrap();
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
        epoll.add(&embedded, EpollEvent::new(EpollFlags::EPOLLIN | by, 0)).unwrap();
        Self { epoll, embedded, timeslices: Cell::new(0) }
    }

    fn run(&self) -> Result<(), KernelError> {
        loop {
            self.timeslices.set(self.timeslices.get() + 1);
            match self.embedded.run_one_timeslice()? {
                Next::Done => return Ok(()),
                Next::Again => {}
                Next::Wait(longest) => self.wait(longest),
            }
        }
    }

    fn wait(&self, longest: Option<Duration>) {
        // Nothing takes as long, unless a wake is lost.
        let longest = longest.unwrap_or(Duration::from_secs(20));
        let millis = u16::try_from(longest.as_nanos().div_ceil(1_000_000)).unwrap();
        let begun = Instant::now();
        let _ = self.epoll.wait(&mut [EpollEvent::empty()], EpollTimeout::from(millis));
        assert!(begun.elapsed() < Duration::from_secs(15), "nobody woke the other loop");
    }
}

/// By level, and by edge.
fn hosts() -> impl Iterator<Item = (Kernel, Host)> {
    [EpollFlags::empty(), EpollFlags::EPOLLET].into_iter().map(|by| {
        let kernel = kernel();
        let host = Host::new(&kernel, by);
        (kernel, host)
    })
}

/// Sessions that post and have children, and one that waits then; the log says in which order. Were there two that wait,
/// how busy the machine is would say whether they come in one turn.
fn program(kernel: &Kernel) -> Rc<RefCell<Vec<String>>> {
    let log = Rc::new(RefCell::new(Vec::new()));
    for name in ["a", "b", "c"] {
        let l = Rc::clone(&log);
        spawn(kernel, move |delivery| {
            let kernel = delivery.kernel;
            l.borrow_mut().push(format!("{name} {}", delivery.event));
            match delivery.event.as_str() {
                "_start" => kernel.yield_event("first", 0_u32).unwrap(),
                "first" => {
                    if let Some(n @ 0..3) = take::<u32>(delivery.payload) {
                        return kernel.yield_event("first", n + 1).unwrap();
                    }
                    let l = Rc::clone(&l);
                    spawn(kernel, move |delivery| {
                        l.borrow_mut().push(format!("{name}'s child {}", delivery.event));
                    });
                    if name == "a" {
                        kernel.delay("later", Duration::from_millis(3), ()).unwrap();
                    }
                }
                "later" => _ = kernel.delay("at last", Duration::from_millis(1), ()).unwrap(),
                _ => {}
            }
        });
    }
    log
}

#[test]
fn a_program_does_the_same_in_its_own_and_in_anothers_loop() {
    let kernel = kernel();
    let log = program(&kernel);
    kernel.run().unwrap();
    let expected = log.take();
    for (kernel, host) in hosts() {
        let log = program(&kernel);
        host.run().unwrap();
        assert_eq!(log.take(), expected);
        assert!(host.timeslices.get() < 60, "{}", host.timeslices.get());
    }
}

#[test]
fn events_of_any_priority_are_dispatched_in_the_other_loop_and_known_to_it() {
    for (kernel, host) in hosts() {
        let log = Rc::new(RefCell::new(Vec::new()));
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (l, ours) = (Rc::clone(&log), Rc::new(ours));
        let session = spawn(&kernel, move |delivery| match delivery.event.as_str() {
            "_start" => delivery.kernel.select_read(&ours, "read").unwrap(),
            "read" => {
                let ready: Ready<UnixStream> = take(delivery.payload).unwrap();
                (&*ready.handle).read_exact(&mut [0]).unwrap();
                l.borrow_mut().push("read");
            }
            "end" => delivery.kernel.select_end(&ours, poe_kernel::Mode::Read),
            _ => l.borrow_mut().extend(take::<&'static str>(delivery.payload)),
        });
        let embedded = &host.embedded;
        let timeslices = || {
            let slices = std::iter::repeat_with(|| embedded.run_one_timeslice().unwrap());
            slices.take(20).take_while(|next| *next == Next::Again).count()
        };
        timeslices();
        assert_eq!(embedded.next().unwrap(), Next::Wait(None));
        // Who posts between two timeslices is told that there is one to run, whatever the priority.
        for priority in [Priority::High, Priority::Normal, Priority::Low] {
            kernel.post_with(priority, session, "event", "alone").unwrap();
            assert_eq!(embedded.next().unwrap(), Next::Again);
            timeslices();
            assert_eq!(log.take(), ["alone"]);
            let taken = kernel.post_with(priority, session, "event", "never").unwrap();
            kernel.post_remove(taken).unwrap();
            assert!(timeslices() <= 1);
            assert_eq!(embedded.next().unwrap(), Next::Wait(None));
        }
        // Those of low priority come one by one, each after the handles.
        for (priority, text) in [
            (Priority::Low, "low"),
            (Priority::Low, "low"),
            (Priority::Normal, "normal"),
            (Priority::High, "high"),
        ] {
            kernel.post_with(priority, session, "event", text).unwrap();
        }
        theirs.write_all(b"x").unwrap();
        assert_eq!(embedded.run_one_timeslice().unwrap(), Next::Again);
        assert_eq!(log.take(), ["read", "high", "normal"]);
        theirs.write_all(b"x").unwrap();
        assert_eq!(embedded.run_one_timeslice().unwrap(), Next::Again);
        assert_eq!(log.take(), ["read", "low"]);
        assert_eq!(embedded.run_one_timeslice().unwrap(), Next::Wait(None));
        assert_eq!(log.take(), ["low"]);
        kernel.post_with(Priority::Low, session, "end", ()).unwrap();
        host.run().unwrap();
        assert!(host.timeslices.get() < 10, "{}", host.timeslices.get());
    }
}

#[test]
fn handles_are_waited_for_in_the_other_loop() {
    for (kernel, host) in hosts() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let ours = Rc::new(ours);
        let heard = Rc::new(RefCell::new(Vec::new()));
        let h = Rc::clone(&heard);
        spawn(&kernel, move |delivery| match delivery.event.as_str() {
            "_start" => delivery.kernel.select_read(&ours, "readable").unwrap(),
            "readable" => {
                let ready: Ready<UnixStream> = take(delivery.payload).unwrap();
                // One octet at a time: what is left is no new edge.
                let mut octet = [0];
                match (&*ready.handle).read(&mut octet).unwrap() {
                    0 => delivery.kernel.select_end(&ready.handle, poe_kernel::Mode::Read),
                    _ => h.borrow_mut().push(octet[0]),
                }
            }
            _ => {}
        });
        let thread = thread::spawn(move || {
            for word in ["now ", "and ", "then"] {
                theirs.write_all(word.as_bytes()).unwrap();
                thread::yield_now();
            }
        });
        host.run().unwrap();
        thread.join().unwrap();
        assert_eq!(heard.take(), b"now and then");
    }
}

#[test]
fn more_ready_handles_than_one_wait_reports_are_all_told() {
    const HANDLES: usize = 600;
    for (kernel, host) in hosts() {
        // Descriptors of two files, because Linux lets no loop within a loop wait for one file 500 times.
        let pairs = [UnixStream::pair().unwrap(), UnixStream::pair().unwrap()];
        let [(one, mut one_peer), (two, mut two_peer)] = pairs;
        let told = Rc::new(Cell::new(0));
        let t = Rc::clone(&told);
        spawn(&kernel, move |delivery| match delivery.event.as_str() {
            "_start" => {
                for ours in [&one, &two].into_iter().cycle().take(HANDLES) {
                    let handle = Rc::new(ours.try_clone().unwrap());
                    delivery.kernel.select_read(&handle, "readable").unwrap();
                }
            }
            "readable" => {
                let ready: Ready<UnixStream> = take(delivery.payload).unwrap();
                delivery.kernel.select_end(&ready.handle, poe_kernel::Mode::Read);
                t.set(t.get() + 1);
            }
            _ => {}
        });
        one_peer.write_all(b"x").unwrap();
        two_peer.write_all(b"x").unwrap();
        host.run().unwrap();
        assert_eq!(told.get(), HANDLES);
    }
}

#[test]
fn other_threads_wake_the_other_loop() {
    for (kernel, host) in hosts() {
        let sum = Rc::new(Cell::new(0));
        let s = Rc::clone(&sum);
        let session = spawn(&kernel, move |delivery| {
            s.set(s.get() + take::<u32>(delivery.payload).unwrap_or_default());
        });
        let poster = kernel.poster_for(session);
        let thread = thread::spawn(move || (1..=1_000_u32).try_for_each(|n| poster.post("n", n)));
        host.run().unwrap();
        thread.join().unwrap().unwrap();
        assert_eq!(sum.get(), 500_500);
    }
}

#[test]
fn a_timeslice_never_waits_and_says_what_to_wait_for() {
    let kernel = kernel();
    let embedded = kernel.embed().unwrap();
    assert_eq!(embedded.run_one_timeslice().unwrap(), Next::Done);
    let session = spawn(&kernel, |delivery| {
        if delivery.event == "set" {
            delivery.kernel.delay("timer", Duration::from_secs(500), ()).unwrap();
        }
    });
    kernel.refcount_increment(session, "test").unwrap();
    assert_eq!(embedded.next().unwrap(), Next::Again);
    assert_eq!(embedded.run_one_timeslice().unwrap(), Next::Wait(None));
    kernel.post(session, "set", ()).unwrap();
    assert_eq!(embedded.next().unwrap(), Next::Again);
    let next = embedded.run_one_timeslice().unwrap();
    let Next::Wait(Some(time)) = next else { panic!("{next:?}") };
    assert!((490..=500).contains(&time.as_secs()), "{time:?}");
    kernel.poster().wake();
    assert_eq!(embedded.next().unwrap(), Next::Again);
    assert!(matches!(embedded.run_one_timeslice().unwrap(), Next::Wait(Some(_))));
    kernel.refcount_decrement(session, "test").unwrap();
    kernel.stop().unwrap();
    assert_eq!(embedded.run_one_timeslice().unwrap(), Next::Done);
    assert!(format!("{embedded:?}").contains("Embedded"));
    assert_eq!(embedded.kernel().id(), kernel.id());
}

#[test]
fn an_idle_kernel_ends_its_sessions_and_may_have_new_ones() {
    for (kernel, host) in hosts() {
        for round in 0..3 {
            let log = Rc::new(RefCell::new(Vec::new()));
            let l = Rc::clone(&log);
            spawn(&kernel, move |delivery| {
                if delivery.event == "_start" {
                    // It keeps the session, and not the kernel.
                    delivery.kernel.alias_set("name").unwrap();
                }
                l.borrow_mut().push(delivery.event.to_string());
            });
            host.run().unwrap();
            assert_eq!(log.take(), ["_start", "_stop"], "round {round}");
        }
    }
}

#[test]
fn a_handlers_error_leaves_the_timeslice() {
    let kernel = kernel();
    let embedded = kernel.embed().unwrap();
    let fails = |delivery: &mut Delivery<'_>| match delivery.event.as_str() {
        "fail" => Err(Failure::Error("on purpose".into()).into()),
        _ => Ok(()),
    };
    let session = kernel.session_alloc(Rc::new(Function(fails)), ()).unwrap();
    kernel.post(session, "fail", ()).unwrap();
    let error = loop {
        match embedded.run_one_timeslice() {
            Ok(next) => assert_ne!(next, Next::Done),
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, KernelError::Died(death) if death.to_string().contains("on purpose")));
    assert_eq!(embedded.run_one_timeslice().unwrap(), Next::Done);
}

#[test]
fn a_handler_runs_no_timeslice_of_the_other_loops() {
    let kernel = kernel();
    let embedded = kernel.embed().unwrap();
    let refused = Rc::new(Cell::new(false));
    let r = Rc::clone(&refused);
    let session = spawn(&kernel, move |delivery| {
        if delivery.event == "try" {
            let error = embedded.run_one_timeslice().unwrap_err();
            r.set(matches!(error, KernelError::AlreadyRunning));
            assert!(embedded.next().is_err());
        }
    });
    kernel.post(session, "try", ()).unwrap();
    kernel.run().unwrap();
    assert!(refused.get());
}

#[test]
fn loops_without_a_descriptor_say_so() {
    for (kind, name) in [(LoopKind::Poll, "poll"), (LoopKind::Select, "select")] {
        let kernel = Kernel::builder().loop_kind(kind).build().unwrap();
        let error = kernel.embed().unwrap_err();
        assert!(matches!(error, EmbedError::NoDescriptor { event_loop } if event_loop == name));
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn the_descriptor_can_be_watched_by_anyone() {
    fn watchable<T: AsFd + 'static>() {}
    watchable::<Embedded>();
}

#[test]
fn a_handler_that_waits_in_turns_of_its_own_waits() {
    for (kernel, host) in hosts() {
        let (turns, done) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
        let (t, d) = (turns.clone(), done.clone());
        spawn(&kernel, move |delivery| {
            let (kernel, t) = (delivery.kernel, &t);
            match delivery.event.as_str() {
                "_start" => kernel.yield_event("wait", ()).unwrap(),
                "wait" => {
                    let _ = kernel.delay("due", Duration::from_millis(30), ());
                    let goes_on = || t.replace(t.get() + 1) < 1_000_000 && !d.get();
                    kernel.run_while(goes_on).unwrap();
                }
                "due" => d.set(true),
                _ => {}
            }
        });
        host.run().unwrap();
        assert!(done.get());
        assert!(turns.get() < 10, "{} turns", turns.get());
    }
}
