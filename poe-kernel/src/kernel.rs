//! The kernel itself: its parts, how it is built, who is active in it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::time::SystemTime;

use crate::aliases::Aliases;
use crate::clock::{Clock, Nanos};
use crate::death::SharedDeath;
use crate::diagnostic::{Diagnostic, Listener, to_file, to_standard_error};
use crate::handles::table::Handles;
use crate::id::KernelId;
use crate::interrupted::Interruption;
use crate::leaks::Freed;
use crate::pace::Pace;
use crate::place::Said;
use crate::priority::Prioritized;
use crate::profile::Measurements;
use crate::queue::Queue;
use crate::references::References;
use crate::run::Outputs;
use crate::sessions::table::{Mark, Sessions};
use crate::signals::Signals;
use crate::threads::{ThreadSettings, Threads};
use crate::timers::table::Timers;
use crate::{
    Asserts, Caller, EventLoop, KernelError, LoopKind, Name, Readiness, SessionId, Traces,
};

/// Dispatches events to sessions, and looks after all that they wait for.
///
/// A `Kernel` is a cheap handle: clones are the same kernel. It lives on one thread; a process may have one on each.
/// What is kept inside a session holds a [`WeakKernel`], so that dropping the last handle frees everything.
///
/// ```
/// use poe_kernel::Kernel;
///
/// let kernel = Kernel::new()?;
/// // Sessions are created here, and then:
/// kernel.run()?;
/// # Ok::<(), poe_kernel::KernelError>(())
/// ```
#[derive(Clone)]
pub struct Kernel {
    pub(crate) inner: Rc<Inner>,
}

/// The parts of a kernel, a cell each, so that no part is borrowed while a handler runs.
pub(crate) struct Inner {
    pub(crate) id: RefCell<KernelId>,
    /// Which one of its process it is, for ids.
    pub(crate) number: u32,
    /// The process that it is in, as far as it has been told.
    pub(crate) process: Cell<u32>,
    pub(crate) names: Names,
    pub(crate) listener: Listener,
    pub(crate) clock: Clock,
    /// The time as it was read for this turn.
    pub(crate) now: Cell<Nanos>,
    sequence: Cell<u64>,
    pub(crate) active: Cell<Active>,
    /// The session whose posted event is being dispatched, the kernel for none.
    pub(crate) dispatching: Cell<SessionId>,
    /// The same, for as long as nothing has taken over that event's hold; nobody otherwise.
    pub(crate) spare_hold: Cell<SessionId>,
    /// The line to be shown for what is made, if it is not the caller's.
    pub(crate) place: Cell<Said>,
    pub(crate) running: Cell<bool>,
    /// Another loop waits in its place.
    pub(crate) never_waits: Cell<bool>,
    pub(crate) fatal: RefCell<Option<SharedDeath>>,
    /// Whether there is something in `fatal`.
    pub(crate) is_fatal: Cell<bool>,
    /// Whether something came about that is to be seen to between this pass and the next one: a session to collect, one
    /// that is gone, a death.
    pub(crate) unsettled: Rc<Cell<bool>>,
    pub(crate) sessions: RefCell<Sessions>,
    /// How often one of them has stopped or changed its handlers.
    pub(crate) changes: Cell<u64>,
    pub(crate) marks: RefCell<Vec<Mark>>,
    pub(crate) queue: RefCell<Queue>,
    pub(crate) prioritized: Prioritized,
    /// With so many events queued, no more are posted.
    pub(crate) max_events: usize,
    pub(crate) has_stale_events: Cell<bool>,
    pub(crate) timers: RefCell<Timers>,
    /// When the next timer is due; `Nanos::MAX` when there is none, and `Nanos::MIN` when there is an urgent event.
    pub(crate) next_timer: Cell<Nanos>,
    pub(crate) aliases: RefCell<Aliases>,
    pub(crate) references: RefCell<References>,
    pub(crate) signals: RefCell<Signals>,
    pub(crate) event_loop: RefCell<Box<dyn EventLoop>>,
    pub(crate) handles: RefCell<Handles>,
    pub(crate) ready: RefCell<Vec<Readiness>>,
    pub(crate) outputs: RefCell<Outputs>,
    pub(crate) pace: Pace,
    pub(crate) interrupted: Interruption,
    pub(crate) threads: Threads,
    pub(crate) traces: Cell<Traces>,
    pub(crate) asserts: Cell<Asserts>,
    /// Whether a trace is being reported.
    pub(crate) tracing: Cell<bool>,
    /// Sessions that were freed while leaks are looked for.
    pub(crate) freed: RefCell<Vec<Freed>>,
    pub(crate) measurements: RefCell<Option<Measurements>>,
    /// Whether somebody wants to know of each event.
    pub(crate) observing: Cell<bool>,
    /// Turns so far, and events dispatched in them.
    pub(crate) turns: Cell<u64>,
    /// How many there were when the end of a run was last reported.
    pub(crate) reported: Cell<u64>,
    pub(crate) dispatched: Cell<u64>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.threads.close();
    }
}

/// The names that the kernel itself uses.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) start: Name,
    pub(crate) stop: Name,
    pub(crate) child: Name,
    pub(crate) parent: Name,
    pub(crate) newborn: Name,
    pub(crate) ready: Name,
    pub(crate) timeout: Name,
    pub(crate) flush: Name,
    pub(crate) die: Name,
    pub(crate) idle: Name,
    pub(crate) zombie: Name,
}

impl Names {
    /// Whether an event of this name is the kernel's to send.
    pub(crate) fn are_for_events(&self, event: Name) -> bool {
        [self.start, self.stop, self.child, self.parent].contains(&event)
    }
}

/// Whose handler runs, and for which event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Active {
    pub(crate) session: SessionId,
    pub(crate) event: Option<Name>,
}

impl Kernel {
    /// A kernel on the default event loop and the monotonic clock.
    ///
    /// # Errors
    ///
    /// [`KernelError::EventLoop`] when the operating system refuses the loop its descriptors.
    pub fn new() -> Result<Self, KernelError> {
        Self::builder().build()
    }

    /// A kernel to be configured.
    pub fn builder() -> KernelBuilder {
        KernelBuilder::default()
    }

    /// A handle that does not keep the kernel alive; for what is kept inside sessions.
    #[must_use]
    pub fn downgrade(&self) -> WeakKernel {
        WeakKernel(Rc::downgrade(&self.inner))
    }

    /// The kernel's identity among all kernels (POE: `ID`). It is another one in a child process that was told so.
    #[must_use]
    pub fn id(&self) -> KernelId {
        self.inner.id.borrow().clone()
    }

    /// The session whose handler is running, or the kernel (POE: `get_active_session`).
    #[must_use]
    #[inline]
    pub fn active_session(&self) -> SessionId {
        self.inner.active.get().session
    }

    /// The event that is being handled (POE: `get_active_event`).
    #[must_use]
    #[inline]
    pub fn active_event(&self) -> Option<Name> {
        self.inner.active.get().event
    }

    /// How many events and timers wait (POE: `get_event_count`).
    #[must_use]
    pub fn get_event_count(&self) -> usize {
        self.purge();
        let posted = self.inner.queues().map(|(_, queue)| queue.borrow().len());
        posted.into_iter().sum::<usize>() + self.inner.timers.borrow().len()
    }

    /// The name of the event loop (POE: `poe_kernel_loop`).
    #[must_use]
    pub fn event_loop_name(&self) -> &'static str {
        self.inner.event_loop.borrow().name()
    }

    /// Where a public method was called from.
    #[track_caller]
    #[inline]
    pub(crate) fn caller(&self) -> Caller {
        Caller::new(Location::caller(), self.active_event())
    }

    #[inline]
    pub(crate) fn next_sequence(&self) -> u64 {
        self.inner.sequence.replace(self.inner.sequence.get() + 1)
    }

    /// The sequence number that the next event will have.
    #[inline]
    pub(crate) fn sequence(&self) -> u64 {
        self.inner.sequence.get()
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel")
            .field("id", &self.inner.id.borrow())
            .field("sessions", &self.session_count())
            .field("active", &self.inner.active.get())
            .finish_non_exhaustive()
    }
}

/// A handle on a kernel that does not keep it alive.
#[derive(Clone)]
pub struct WeakKernel(Weak<Inner>);

impl WeakKernel {
    /// The kernel, if it is still there.
    #[must_use]
    pub fn upgrade(&self) -> Option<Kernel> {
        self.0.upgrade().map(|inner| Kernel { inner })
    }
}

impl fmt::Debug for WeakKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakKernel")
    }
}

/// How a kernel is to be.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use poe_kernel::Kernel;
///
/// let kernel = Kernel::builder()
///     .virtual_clock(UNIX_EPOCH + Duration::from_secs(1_000_000))
///     .diagnostics(|diagnostic| println!("{diagnostic}"))
///     .build()?;
/// # Ok::<(), poe_kernel::KernelError>(())
/// ```
#[derive(Default)]
#[must_use]
pub struct KernelBuilder {
    virtual_start: Option<SystemTime>,
    event_loop: Option<Box<dyn EventLoop>>,
    loop_kind: Option<LoopKind>,
    listener: Option<Listener>,
    pub(crate) threads: ThreadSettings,
    use_sigchld: bool,
    max_events: Option<usize>,
    traces: Traces,
    asserts: Asserts,
    profiling: bool,
}

impl KernelBuilder {
    /// Lets the kernel's time stand still, beginning at `start`, but for jumps to the next due time whenever there is
    /// nothing else to do.
    ///
    /// Timers then take no time, and go off in the same order each run; handles are still waited for in real time, once
    /// no timer is left.
    pub fn virtual_clock(mut self, start: SystemTime) -> Self {
        self.virtual_start = Some(start);
        self
    }

    /// Which of the kernel's own event loops to wait with. If nothing is said here, the variable `POE_EVENT_LOOP` in the
    /// environment decides, and if that is not set, it is [`LoopKind::Polling`].
    pub fn loop_kind(mut self, kind: LoopKind) -> Self {
        self.loop_kind = Some(kind);
        self
    }

    /// An event loop of the program's own to wait with.
    pub fn event_loop(mut self, event_loop: Box<dyn EventLoop>) -> Self {
        self.event_loop = Some(event_loop);
        self
    }

    /// Has children looked after when `SIGCHLD` comes even where each could have a descriptor (POE: `USE_SIGCHLD`); for
    /// programs with more children than descriptors to spare.
    pub fn use_sigchld(mut self, yes: bool) -> Self {
        self.use_sigchld = yes;
        self
    }

    /// Takes what would be written to standard error, or to the file that the variable `POE_TRACE_FILENAME` names.
    ///
    /// It may call the kernel. If it panics, the run ends with its panic, once what is being dispatched has returned.
    pub fn diagnostics(mut self, listener: impl Fn(&Diagnostic<'_>) + 'static) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    /// What the kernel says of its own doing, unless the environment decides otherwise (POE: `TRACE_…`).
    pub fn traces(mut self, traces: Traces) -> Self {
        self.traces = traces;
        self
    }

    /// What the kernel takes for a fault, unless the environment decides otherwise (POE: `ASSERT_…`).
    pub fn asserts(mut self, asserts: Asserts) -> Self {
        self.asserts = asserts;
        self
    }

    /// How many events may wait that were posted: with so many, [`Kernel::post`] and postbacks are refused, so that who makes
    /// work faster than it is done hears of it. Without a bound by default, as POE's.
    ///
    /// Only posts are refused. What a session yields to itself, signals and what other threads post count, too, but the first two
    /// have to come through, and for the others there is [`poster_capacity`](Self::poster_capacity).
    ///
    /// ```
    /// # use poe_kernel::{Delivery, Dispatch, Kernel, Outcome, PostError};
    /// # struct Mute;
    /// # impl Dispatch for Mute {
    /// #     fn dispatch(&self, _: Delivery<'_>) -> Outcome {
    /// #         Ok(())
    /// #     }
    /// # }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let kernel = Kernel::builder().max_events(100).build()?;
    /// # let session = kernel.session_alloc(std::rc::Rc::new(Mute), ())?;
    /// let mut posted = 0;
    /// let refused = loop {
    ///     match kernel.post(session, "work", ()) {
    ///         Ok(()) => posted += 1,
    ///         Err(error) => break error,
    ///     }
    /// };
    /// assert!(matches!(refused, PostError::QueueFull { limit: 100, .. }));
    /// # assert!(posted <= 100);
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_events(mut self, count: usize) -> Self {
        self.max_events = Some(count);
        self
    }

    /// Measures what events cost from the beginning, as [`Kernel::set_profiling`] does from later on.
    pub fn profiling(mut self, on: bool) -> Self {
        self.profiling = on;
        self
    }

    /// Builds the kernel.
    ///
    /// # Errors
    ///
    /// [`KernelError::EventLoop`] when the operating system refuses the loop its descriptors,
    /// [`KernelError::UnknownLoop`] when the environment asks for one that there is not, and [`KernelError::TraceFile`]
    /// when it names a file for traces that cannot be written.
    #[track_caller]
    pub fn build(self) -> Result<Kernel, KernelError> {
        let event_loop = match self.event_loop {
            Some(event_loop) => event_loop,
            None => {
                let failed = |source| KernelError::EventLoop { operation: "start", source };
                self.loop_kind.map_or_else(chosen_by_environment, Ok)?.start().map_err(failed)?
            }
        };
        let environment = |variable: &str| std::env::var(variable).ok();
        let (traces, asserts) = (self.traces.or_by(environment), self.asserts.or_by(environment));
        let listener = self.listener.map_or_else(chosen_listener, Ok)?;
        let unsettled = Rc::new(Cell::new(false));
        let (id, number) = KernelId::generate();
        let inner = Inner {
            id: RefCell::new(id),
            number,
            process: Cell::new(std::process::id()),
            names: Names {
                start: Name::new("_start"),
                stop: Name::new("_stop"),
                child: Name::new("_child"),
                parent: Name::new("_parent"),
                newborn: Name::new("_garbage_collect"),
                ready: Name::new("_ready"),
                timeout: Name::new("_timeout"),
                flush: Name::new("_flush"),
                die: Name::new("DIE"),
                idle: Name::new("IDLE"),
                zombie: Name::new("ZOMBIE"),
            },
            listener,
            clock: self.virtual_start.map_or_else(Clock::monotonic, Clock::simulated),
            now: Cell::new(0),
            sequence: Cell::new(0),
            active: Cell::new(Active { session: SessionId::KERNEL, event: None }),
            dispatching: Cell::new(SessionId::KERNEL),
            spare_hold: Cell::new(SessionId::NOBODY),
            place: Cell::default(),
            running: Cell::new(false),
            never_waits: Cell::new(false),
            fatal: RefCell::default(),
            is_fatal: Cell::new(false),
            unsettled: Rc::clone(&unsettled),
            sessions: RefCell::new(Sessions::new(Location::caller(), unsettled)),
            changes: Cell::new(0),
            marks: RefCell::default(),
            queue: RefCell::default(),
            prioritized: Prioritized::new(self.max_events.unwrap_or(usize::MAX)),
            max_events: self.max_events.unwrap_or(usize::MAX),
            has_stale_events: Cell::new(false),
            timers: RefCell::new(Timers::of_kernel(number)),
            next_timer: Cell::new(Nanos::MAX),
            aliases: RefCell::default(),
            references: RefCell::default(),
            signals: RefCell::new(Signals::new(self.use_sigchld)),
            event_loop: RefCell::new(event_loop),
            handles: RefCell::new(Handles::of_kernel(number)),
            ready: RefCell::default(),
            outputs: RefCell::default(),
            pace: Pace::default(),
            interrupted: Interruption::default(),
            threads: Threads::new(self.threads),
            traces: Cell::new(traces),
            asserts: Cell::new(asserts),
            tracing: Cell::new(false),
            freed: RefCell::default(),
            measurements: RefCell::default(),
            observing: Cell::new(false),
            turns: Cell::new(0),
            reported: Cell::new(u64::MAX),
            dispatched: Cell::new(0),
        };
        let kernel = Kernel { inner: Rc::new(inner) };
        kernel.set_profiling(self.profiling);
        kernel.set_traces(traces);
        Ok(kernel)
    }
}

fn chosen_listener() -> Result<Listener, KernelError> {
    match std::env::var_os("POE_TRACE_FILENAME") {
        Some(path) if !path.is_empty() => to_file(path.into()),
        _ => Ok(Box::new(to_standard_error)),
    }
}

fn chosen_by_environment() -> Result<LoopKind, KernelError> {
    match std::env::var("POE_EVENT_LOOP") {
        Ok(name) if !name.is_empty() => Ok(name.parse()?),
        _ => Ok(LoopKind::default()),
    }
}

impl fmt::Debug for KernelBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelBuilder")
            .field("virtual_start", &self.virtual_start)
            .field("event_loop", &self.event_loop)
            .finish_non_exhaustive()
    }
}
