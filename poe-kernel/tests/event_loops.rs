//! The event loops, each given the same things to do.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use poe_kernel::{
    Delivery, Dispatch, Kernel, KernelError, LoopKind, Mode, Outcome, SessionId, Timeout, Watch,
};

const LOOPS: [LoopKind; 3] = [LoopKind::Polling, LoopKind::Poll, LoopKind::Select];

struct Mute;

impl Dispatch for Mute {
    fn dispatch(&self, _: Delivery<'_>) -> Outcome {
        Ok(())
    }
}

/// Does something when its handle is ready.
struct When<F>(F);

impl<F: Fn(&Kernel, Mode)> Watch for When<F> {
    fn ready(&self, kernel: &Kernel, mode: Mode) {
        (self.0)(kernel, mode);
    }
}

impl<F: Fn(&Kernel, Mode)> Timeout for When<F> {
    fn timed_out(&self, kernel: &Kernel) {
        (self.0)(kernel, Mode::Read);
    }
}

fn kernels() -> impl Iterator<Item = (Kernel, SessionId)> {
    LOOPS.into_iter().map(|kind| {
        let kernel = Kernel::builder().loop_kind(kind).build().unwrap();
        let session = kernel.session_alloc(Rc::new(Mute), ()).unwrap();
        kernel.refcount_increment(session, "test").unwrap();
        // Nothing here takes long; a loop that loses something would wait for ever.
        let late = Rc::new(When(|kernel: &Kernel, _| panic!("{} waits", kernel.event_loop_name())));
        kernel.call_later(session, Duration::from_secs(20), late);
        (kernel, session)
    })
}

/// Runs until the flag is set.
fn run(kernel: &Kernel, done: &Cell<bool>) {
    assert!(kernel.run_while(|| !done.get()).is_ok());
    assert!(done.get());
}

// Conformance: LOP-01, LOP-02
#[test]
fn loops_are_chosen_by_kind_and_by_name() {
    for (kind, names) in [
        (LoopKind::Polling, &["polling", "epoll"][..]),
        (LoopKind::Poll, &["poll", "IO_Poll", "POE::Loop::IO_Poll", "Loop::Poll"]),
        (LoopKind::Select, &["select", "Select", "POE::XS::Loop::Select"]),
    ] {
        for name in names {
            assert_eq!(name.parse(), Ok(kind), "{name}");
        }
        let kernel = Kernel::builder().loop_kind(kind).build().unwrap();
        assert_eq!(kernel.event_loop_name().parse(), Ok(kind));
    }
    let error = KernelError::from("Tk".parse::<LoopKind>().unwrap_err());
    assert!(error.to_string().contains("\"Tk\""), "{error}");
}

#[test]
fn what_can_be_read_and_written_is_told_until_it_is_done() {
    for (kernel, session) in kernels() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let ours = Rc::new(ours);
        let (log, done) = (Rc::new(RefCell::new(Vec::new())), Rc::new(Cell::new(false)));
        let (l, d, handle) = (log.clone(), done.clone(), ours.clone());
        let target = Rc::new(When(move |_: &Kernel, mode| {
            l.borrow_mut().push(mode);
            if mode == Mode::Read {
                let mut octet = [0];
                d.set((&*handle).read(&mut octet).unwrap() == 0);
            }
        }));
        let write = kernel.watch(session, ours.clone(), Mode::Write, target.clone()).unwrap();
        kernel.run_one_timeslice().unwrap();
        assert_eq!(log.take(), [Mode::Write]);
        kernel.watch(session, ours.clone(), Mode::Read, target).unwrap();
        theirs.write_all(b"ab").unwrap();
        kernel.run_one_timeslice().unwrap();
        assert_eq!(log.take(), [Mode::Read, Mode::Write], "{}", kernel.event_loop_name());
        kernel.pause_watch(write);
        drop(theirs);
        run(&kernel, &done);
        assert_eq!(log.take(), [Mode::Read, Mode::Read]);
    }
}

#[test]
fn a_peer_that_is_gone_spins_no_paused_watch() {
    for (kernel, session) in kernels() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let done = Rc::new(Cell::new(false));
        let never = Rc::new(When(|_: &Kernel, _| panic!("a paused watch was called")));
        let watch = kernel.watch(session, Rc::new(ours), Mode::Read, never).unwrap();
        kernel.pause_watch(watch);
        drop(theirs);
        let d = done.clone();
        let soon = Rc::new(When(move |_: &Kernel, _| d.set(true)));
        kernel.call_later(session, Duration::from_millis(30), soon);
        let turns = Cell::new(0);
        kernel
            .run_while(|| {
                turns.set(turns.get() + 1);
                !done.get()
            })
            .unwrap();
        assert!(turns.get() < 10, "{} turns of {}", turns.get(), kernel.event_loop_name());
    }
}

#[test]
fn regular_files_are_always_ready() {
    for (kernel, session) in kernels() {
        let file = Rc::new(File::open("/dev/null").unwrap());
        let own = Rc::new(File::open(std::env::current_exe().unwrap()).unwrap());
        let count = Rc::new(Cell::new(0));
        for handle in [file, own] {
            let c = count.clone();
            let target = Rc::new(When(move |_: &Kernel, _| c.set(c.get() + 1)));
            kernel.watch(session, handle, Mode::Read, target).unwrap();
        }
        kernel.run_one_timeslice().unwrap();
        assert_eq!(count.get(), 2, "{}", kernel.event_loop_name());
    }
}

#[test]
fn many_handles_come_and_go() {
    for (kernel, session) in kernels() {
        let pairs: Vec<_> = (0..100).map(|_| UnixStream::pair().unwrap()).collect();
        let heard = Rc::new(RefCell::new(Vec::new()));
        let mut watches = Vec::new();
        for (n, (ours, _)) in pairs.iter().enumerate() {
            let h = heard.clone();
            let target = Rc::new(When(move |_: &Kernel, _| h.borrow_mut().push(n)));
            let handle = Rc::new(ours.try_clone().unwrap());
            watches.push(kernel.watch(session, handle, Mode::Read, target).unwrap());
        }
        for watch in watches.iter().step_by(3) {
            kernel.unwatch(*watch);
        }
        for (_, theirs) in &pairs {
            (&*theirs).write_all(b"x").unwrap();
        }
        kernel.run_one_timeslice().unwrap();
        let mut heard = heard.take();
        heard.sort_unstable();
        assert_eq!(heard, (0..100).filter(|n| n % 3 != 0).collect::<Vec<_>>());
    }
}

#[test]
fn short_waits_are_neither_too_short_nor_rounded_to_nothing() {
    for (kernel, session) in kernels() {
        let done = Rc::new(Cell::new(false));
        let d = done.clone();
        let begun = std::time::Instant::now();
        let target = Rc::new(When(move |_: &Kernel, _| d.set(true)));
        kernel.call_later(session, Duration::from_micros(300), target);
        let turns = Cell::new(0);
        kernel
            .run_while(|| {
                turns.set(turns.get() + 1);
                !done.get()
            })
            .unwrap();
        assert!(begun.elapsed() >= Duration::from_micros(300));
        assert!(turns.get() < 10, "{} turns of {}", turns.get(), kernel.event_loop_name());
    }
}
