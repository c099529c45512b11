//! A conformance kit for event loops: does an [`EventLoop`] keep its contract? (Feature `testkit`.)
//!
//! ```no_run
//! # #[derive(Debug)]
//! # struct MyLoop;
//! # impl MyLoop {
//! #     fn new() -> std::io::Result<Self> { Ok(Self) }
//! # }
//! # impl poe_kernel::EventLoop for MyLoop {
//! #     fn name(&self) -> &'static str { "mine" }
//! #     fn add(&mut self, _: std::rc::Rc<dyn std::os::fd::AsFd>, _: usize, _: poe_kernel::Interest) -> std::io::Result<()> { Ok(()) }
//! #     fn modify(&mut self, _: usize, _: poe_kernel::Interest) -> std::io::Result<()> { Ok(()) }
//! #     fn delete(&mut self, _: usize) -> std::io::Result<()> { Ok(()) }
//! #     fn wait(&mut self, _: &mut Vec<poe_kernel::Readiness>, _: Option<std::time::Duration>) -> std::io::Result<()> { Ok(()) }
//! #     fn waker(&self) -> std::sync::Arc<dyn poe_kernel::Wake> { unimplemented!() }
//! # }
//! use poe_kernel::testkit::{Kit, Violations};
//!
//! # fn main() -> Result<(), Violations> {
//! Kit::new(MyLoop::new).run()
//! # }
//! ```
//!
//! The kit opens sockets on the loopback and descriptors, starts threads, forks, and has the process handle the signal
//! `URG`.
//! Descriptors that other threads of the process open or close meanwhile may take the numbers it wants to see used again,
//! so that it finds less than it might; they never make it find more.

mod forked;
mod handles;
mod readiness;
mod trial;
mod waiting;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use thiserror::Error;

use self::trial::Outcome;
use super::EventLoop;

/// Checks event loops of one kind.
pub struct Kit {
    start: Start,
    options: Options,
    only: Option<String>,
}

/// Makes a loop. Each check has a thread of its own, and its loops are made there.
type Start = Arc<dyn Fn() -> io::Result<Box<dyn EventLoop>> + Send + Sync>;

#[derive(Clone, Copy, Debug)]
struct Options {
    handles: usize,
    expedite: bool,
    patience: Duration,
}

impl Kit {
    /// A kit for the loops that `start` makes.
    pub fn new<L: EventLoop + 'static>(
        start: impl Fn() -> io::Result<L> + Send + Sync + 'static,
    ) -> Self {
        let start = move || start().map(|event_loop| Box::new(event_loop) as Box<dyn EventLoop>);
        let options = Options { handles: 300, expedite: true, patience: Duration::from_secs(10) };
        Self { start: Arc::new(start), options, only: None }
    }

    /// How many handles to watch at a time where there are to be many; 300 if nothing is said here. Each takes two
    /// descriptors.
    #[must_use]
    pub fn handles(mut self, handles: usize) -> Self {
        self.options.handles = handles;
        self
    }

    /// Does not check urgent data, for a loop that does not know it.
    #[must_use]
    pub fn without_expedite(mut self) -> Self {
        self.options.expedite = false;
        self
    }

    /// How long to wait for what must happen at once before it is said not to; 10 seconds if nothing is said here.
    #[must_use]
    pub fn patience(mut self, time: Duration) -> Self {
        self.options.patience = time;
        self
    }

    /// Makes one check alone, by the name that a [`Violation`] has.
    #[must_use]
    pub fn only(mut self, check: &str) -> Self {
        self.only = Some(check.to_owned());
        self
    }

    /// The names of all checks: what a loop has to do.
    pub fn checks() -> impl Iterator<Item = &'static str> {
        CHECKS.into_iter().flatten().map(|(check, _)| *check)
    }

    /// Makes all the checks, and says which of them failed.
    ///
    /// # Errors
    ///
    /// [`Violations`] of the contract. A check that could not be made, because the system refused it something, is one
    /// too.
    pub fn run(&self) -> Result<(), Violations> {
        let is_meant = |check: &str| self.only.as_ref().is_none_or(|only| only == check);
        let checks = CHECKS.into_iter().flatten().filter(|(check, _)| is_meant(check));
        let failed = checks.filter_map(|(check, f)| {
            self.make(*f).err().map(|what| Violation { check, what: what.to_string() })
        });
        let violations: Vec<Violation> = failed.collect();
        if violations.is_empty() { Ok(()) } else { Err(Violations(violations)) }
    }

    fn make(&self, check: Check) -> Outcome {
        let (start, options, (tell, told)) =
            (Arc::clone(&self.start), self.options, mpsc::channel());
        let thread = thread::Builder::new().name(String::from("poe-testkit")).spawn(move || {
            // Nobody listens any more once it has taken too long.
            let _ = tell.send(check(&*start, options));
        })?;
        match told.recv_timeout(options.patience * 6) {
            Ok(outcome) => outcome,
            Err(mpsc::RecvTimeoutError::Timeout) => Err("it does not return".into()),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let panicked = thread.join().err().map(crate::Panic::new);
                let message = panicked.as_ref().map_or("of nothing", crate::Panic::message);
                Err(format!("it panics: {message}").into())
            }
        }
    }
}

impl fmt::Debug for Kit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kit").field("options", &self.options).finish_non_exhaustive()
    }
}

const CHECKS: [&[Named]; 4] = [readiness::CHECKS, handles::CHECKS, waiting::CHECKS, forked::CHECKS];

/// A check, and what it says of a loop that passes.
type Named = (&'static str, Check);

type Check = fn(&trial::Starter, Options) -> Outcome;

/// Something that a loop promises and does not do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// What is promised.
    pub check: &'static str,
    /// What happened.
    pub what: String,
}

/// All that a loop promises and does not do.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub struct Violations(pub Vec<Violation>);

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the event loop breaks its contract")?;
        self.0.iter().try_for_each(|Violation { check, what }| write!(f, "; {check}: {what}"))
    }
}
