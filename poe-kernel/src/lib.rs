//! Events, time, handles, signals, the session tree and event loops: the kernel of POE.
//!
//! A [`Kernel`] dispatches events to sessions. A session is anything that implements [`Dispatch`]; the kernel knows it by
//! a [`SessionId`], places it in a tree, and looks after all that it waits for:
//!
//! - events, posted or called: [`Kernel::post`], [`Kernel::yield_event`], [`Kernel::call`]. Each has a [`Name`] and one
//!   [`Payload`] of any type; an [`Event<P>`](Event) is a name that knows its payload's type;
//! - timers: [`Kernel::alarm`] and its kin for a time of day, [`Kernel::delay`] and its kin for a time from now;
//! - handles: [`Kernel::select_read`] and its kin send a [`Ready`] event; [`Kernel::watch`] calls a [`Watch`], the part of
//!   a wheel that the kernel knows;
//! - signals: [`Kernel::sig`] watches them and [`Kernel::signal`] sends them, of any name. `IDLE`, `ZOMBIE` and `DIE` are
//!   the kernel's own. [`Kernel::sig_child`] waits for a child process;
//! - names and references: [`Kernel::alias_set`], [`Kernel::refcount_increment`];
//! - other threads: a [`Poster`] posts events from any of them; [`Kernel::blocking`] has them do what would take long;
//! - being asked: [`Kernel::inspect`] shows all there is, [`Kernel::why_alive`] why it is still there, [`Kernel::profile`]
//!   what it costs. [`Traces`] say what is going on, and [`Asserts`] make faults of errors.
//!
//! What acts for a session acts for the active one: the one whose handler runs. An [`EventLoop`] waits; in somebody else's
//! loop the kernel is [`Embedded`]. Programs take sessions from `poe-session`; this crate alone is for those who write a
//! kind of session, or a wheel.
//!
//! `SEMANTICS.md` in the repository says what a program may rely on, each statement with the test that proves it, and
//! `PORTING.md` where each method of `POE::Kernel` has gone.
//!
//! # What keeps a session alive
//!
//! A session stops by itself, with a last `_stop`, when none of these is left:
//!
//! | what | from | until |
//! |---|---|---|
//! | an event queued to it, a signal and a timer included | it was sent or set | it was dispatched or removed |
//! | an event queued from it to another session | it was sent | it was dispatched or removed |
//! | an alias | [`alias_set`](Kernel::alias_set) | [`alias_remove`](Kernel::alias_remove), or idleness |
//! | a child session | its creation | it has stopped, or was detached or given away |
//! | a watched handle, paused or not | [`select_read`](Kernel::select_read) … | [`select_end`](Kernel::select_end) |
//! | a child process it asked for | [`sig_child`](Kernel::sig_child) | its end was told, or [`sig_child_ignore`](Kernel::sig_child_ignore) |
//! | a tag of extra references | its first [`refcount_increment`](Kernel::refcount_increment) | as many [`refcount_decrement`](Kernel::refcount_decrement) |
//! | a [`KeepAlive`], and so a postback | [`keep_alive`](Kernel::keep_alive) | it is dropped |
//! | a [`SessionPoster`] on any thread | [`poster_for`](Kernel::poster_for) | its last clone was dropped, and what it posted was dispatched |
//! | blocking work | [`blocking`](Kernel::blocking) | its result was dispatched |
//! | its creation | | the queue was gone through as it was then |
//!
//! A watched signal, a clone of the kernel, a plain [`Poster`] and the heap do **not** keep it alive. Sessions are collected at the end of a
//! turn and after a batch of ready handles, last released first, never in the middle of their own handler.
//!
//! The kernel is idle when no event, timer, watched handle, awaited child or extra reference is left: then sessions that
//! only have aliases get the signal `IDLE`, and are stopped unless one handles it.
//!
//! # Signals
//!
//! A signal is an event that goes to a session and all below it, leaves first, to those among them that watch it; sent to
//! the kernel, to everyone. Then its [class](signal_class) decides who goes on, which
//! [`set_signal_class`](Kernel::set_signal_class) can change:
//!
//! | class | signals | sessions that it reached, watching or not |
//! |---|---|---|
//! | [benign](SignalClass::Benign) | all others, as `CHLD` `PIPE` `USR1` `WINCH` and made-up ones | go on |
//! | [terminal](SignalClass::Terminal) | `QUIT` `INT` `KILL` `TERM` `HUP` `IDLE` `DIE` | are stopped, unless one of them called [`sig_handled`](Kernel::sig_handled) |
//! | [non-maskable](SignalClass::NonMaskable) | `ZOMBIE` `UIDESTROY` | are stopped |
//!
//! **Signals of the operating system** are caught from the first watch of their name to the last, and go to everyone, as
//! events behind those that are queued already; until then, and from then on, they do what they do to any program, but for
//! `PIPE`, which Rust ignores. What arrives while they are caught is not lost, at whatever moment: it is counted by the
//! signal handler, each time it runs. Two that arrive before it runs are one, as always. Watching costs a pipe, and nothing
//! for as long as nothing comes.
//!
//! With several kernels in a process, one on each thread, **each kernel that watches a signal gets it**, whichever thread
//! the system interrupts, and the default action is off while any of them watches.
//!
//! **Child processes** are waited for one by one, and only those that a session asked for with
//! [`sig_child`](Kernel::sig_child), by the kernel that was asked; if several were, each is told. All others are left to
//! those who started them, such as libraries, `Command::status`, or other kernels. The signal `CHLD` brings the exits of
//! the children this kernel was asked for ([`Signal::child`]); without one in it, it says that some other child has ended
//! that nobody has waited for yet. One such may stand for several, and may be about a child that another kernel was asked
//! for.
//!
//! # Features
//!
//! - `serde`: snapshots and measurements can be serialized;
//! - `tracing`: diagnostics can be passed on to the crate `tracing`;
//! - `testkit`: a conformance kit for those who write an [`EventLoop`].
//!
//! # Example
//!
//! A session that counts seconds, on a clock that does not wait for them:
//!
//! ```
//! use std::cell::Cell;
//! use std::rc::Rc;
//! use std::time::{Duration, UNIX_EPOCH};
//!
//! use poe_kernel::{Delivery, Dispatch, Event, Failure, Kernel, Outcome, take};
//!
//! const TICK: Event<u32> = Event::new("tick");
//!
//! #[derive(Default)]
//! struct Clock {
//!     ticks: Cell<u32>,
//! }
//!
//! impl Dispatch for Clock {
//!     fn dispatch(&self, delivery: Delivery<'_>) -> Outcome {
//!         let kernel = delivery.kernel;
//!         match delivery.event.as_str() {
//!             "_start" => {
//!                 let _ = kernel.delay(TICK, Duration::from_secs(1), 1);
//!             }
//!             "tick" => {
//!                 let n = take(delivery.payload).ok_or(Failure::WrongPayload { expected: "u32" })?;
//!                 self.ticks.set(n);
//!                 if n < 60 {
//!                     let _ = kernel.delay(TICK, Duration::from_secs(1), n + 1);
//!                 }
//!             }
//!             _ => return Err(Failure::Unhandled.into()),
//!         }
//!         Ok(())
//!     }
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let kernel = Kernel::builder().virtual_clock(UNIX_EPOCH).build()?;
//!     let clock = Rc::new(Clock::default());
//!     kernel.session_alloc(clock.clone(), ())?;
//!     kernel.run()?;
//!     assert_eq!(clock.ticks.get(), 60);
//!     assert_eq!(kernel.time(), UNIX_EPOCH + Duration::from_secs(60));
//!     Ok(())
//! }
//! ```
//!
//! # Design
//!
//! - **A kernel is a value**, one a thread and any number a process. What is kept in a session holds a [`WeakKernel`].
//! - **Order** is by due time, then first come, first served. A pass takes what was due and sent when it began: a session
//!   that yields for ever, or sets timers for the past, starves neither handles nor timers.
//! - **No part of the kernel is borrowed while other people's code runs**, the `Drop` of a payload, a heap, a handle or a
//!   handler included: all of these may call the kernel.
//! - **Ids carry a generation.** One that is stale, or another kernel's, is refused, and never means another session, timer or
//!   watch.
//! - **A watched handle cannot be closed**: the kernel has a share of it until the watch ends.
//! - **A failure is a signal, then an error.** A handler that returns an error or panics raises `DIE` in its session;
//!   unhandled, it stops every session and leaves [`Kernel::run`] as it was, a panic as a panic.
//!
//! # Differences from POE
//!
//! What its reference calls a mistake is right here:
//!
//! - Watching a handle again replaces the event and its arguments; POE only resumed the old watch.
//! - A handle is blocking again, if it was, when its last watch has ended, and that of its copies; POE leaves a shared standard input
//!   non-blocking for those it is shared with.
//! - A closed handle that is still watched hung the program; here it cannot be had.
//! - `delay_adjust` reports a timer that is gone or another session's, as `alarm_adjust` does.
//! - `alarm_remove_all` gives records of one shape with `alarm_remove`, and every one has its time.
//! - A reference given back too often is an error; a negative count held the kernel for ever.
//! - Posted events have the time they were posted at. POE pushed each a microsecond behind the one before, so that a
//!   timer of no delay could overtake them.
//! - A timer set for the past in a pass waits for the next pass, and cannot starve handles.
//! - While events are pending, handles are looked at every few events or microseconds, and not between any two
//!   generations of events; [`Kernel::run_one_timeslice`] always looks. So a generation of any size is no reason for handles
//!   to wait: in POE they do for all of it.
//! - `call` means the same whether to the own session or to another: the active event changes, and a failure comes back
//!   as an error. Only `DIE` is for other sessions' failures.
//! - The error of a failed handler leaves `run` itself, with its source, not its text.
//! - A failure in `_stop` ends the run at once; POE dispatches one event more.
//! - A death whose session was stopped before it could be told ends the run; POE forgets it.
//! - A session that was stopped while a signal goes round is not called for it any more.
//! - A `DIE` sent by hand stops whom it reaches, if unhandled, and is no failure of `run`.
//! - `ZOMBIE` follows an `IDLE` that was handled without new work under `run_one_timeslice` as under `run`. An extra
//!   reference is work.
//! - `_child` tells a child that stopped ([`Change::Stop`]) from one that moved away ([`Change::Leave`]); POE's word for
//!   both is `lose`.
//! - A child can be given to any session ([`move_child`](Kernel::move_child)), not to the kernel alone; and signals can be
//!   of another class ([`set_signal_class`](Kernel::set_signal_class)).
//! - A posted event can be taken back ([`post_set`](Kernel::post_set)), and may go ahead of all others or wait until nothing
//!   else is to do ([`post_with`](Kernel::post_with)); POE's come by time alone.
//! - A session whose handler is on the stack is not collected by turns nested in it.
//! - Sending from a session that was stopped, as by its own handler's `stop`, is an error, or nothing for `yield_event`;
//!   POE took it for the kernel's.
//! - A destination is an id or an alias; the text of a number is an alias.
//! - Setting a signal's watch takes no arguments to pass on: a handler can capture what it wants.
//! - Children are waited for by pid, when a session asked for them, and never all of them: POE takes those of other
//!   libraries, and loses the status of a child that ends before it is asked for. So a watch of `CHLD` alone neither waits
//!   for children nor keeps the kernel from being idle.
//! - What is no child of the process is refused by `sig_child`; in POE its event never comes. An awaited child is work for
//!   the session that handled `IDLE`.
//! - [`signal_ui_destroy`](Kernel::signal_ui_destroy) gives a toolkit something to call; POE's knows some toolkits' windows.
//! - Asking for a child twice holds the session once.
//! - `has_forked` in a process that has not forked does nothing, and does not warn under [`Asserts::USAGE`].
//! - The names of events, signals, states and tags are kept for as long as the process lives. In POE one goes with the last that has
//!   it, so that a program may make a new one for each request; here that belongs in the payload.
//! - In a forked process nobody waits for the children that were asked for before: sessions that lived for them stop,
//!   rather than linger until the kernel is idle. [`Kernel::has_forked`] says what goes on.
//!
//! What its reference calls a limit, and is as it was; `PORTING.md` says why:
//!
//! - `_child` does not say again at [`Change::Gain`] what `_start` returned.
//! - The creator of a session that detaches itself in its `_start` never hears of it.
//! - [`sig_handled`](Kernel::sig_handled) counts from wherever the signal's handlers lead by calls.
//! - An unhandled death stops all sessions, and is told behind what was queued before it.
//!
//! Case by case:
//!
//! - Difference: KRB-03 (a count below zero cannot be had: giving back too much is refused)
//! - Difference: KRB-04 (the kernel is no session that could be freed before its children)
//! - Difference: KRB-43 (the kernel keeps no count of its own events: whether it is idle is looked at, not counted)
//! - Difference: KRG-08 (a watch of a signal has no arguments to pass on: its handler can capture them, and each watch may have an
//!   event of its own)
//! - Difference: KRU-01 (what ends, clears, pauses or resumes finds nothing to do outside of a session, and is refused under
//!   [`Asserts::USAGE`] alone; `state` is a method of `cx`, and does not compile there)
//! - Difference: KRU-03 (a handle is an `Rc` of something that is open)
//! - Difference: KRU-04 (an argument that is absent does not compile)
//! - Difference: KRU-06 (a [`Dispatch`] that is allocated twice is two sessions, which may share it)
//! - Difference: KRX-02 (failures are always caught; unhandled, they leave `run`)
//! - Difference: LOP-03 (an option that there is not does not compile)
//! - Difference: QUE-02 (timer ids are opaque; a posted event has one if it is asked for)
//! - Difference: QUE-04 (timer ids are opaque, and may use a place again under another generation)
//! - Difference: QUE-09 (timer ids are opaque)
//! - Difference: QUE-10 (timers are removed by id, by name, or all of a session's, never by a predicate)
//! - Difference: QUE-11 (timers are removed by id, by name, or all of a session's, never by a predicate)
//! - Difference: QUE-12 (a session cannot look at timers without removing them)
//! - Difference: QUE-18 (each kernel has its own timers and ids)

mod aliases;
mod carried;
mod clock;
mod death;
mod delivering;
mod diagnostic;
mod dispatch;
mod embedded;
mod error;
mod event_loop;
mod fork;
mod handles;
mod hash;
mod histogram;
mod id;
mod inspect;
mod interrupted;
mod keep_alive;
mod kernel;
mod leaks;
mod name;
mod pace;
mod pass;
mod payload;
mod place;
mod posted;
mod priority;
mod profile;
mod queue;
mod references;
mod run;
mod send;
#[cfg(feature = "serde")]
mod serialize;
mod sessions;
mod signals;
mod switches;
mod sys;
mod taker;
mod threads;
mod timers;
mod trace;
mod why_alive;

pub use carried::{Carried, take};
pub use death::{Cause, Death, Panic, SharedDeath};
pub use delivering::Delivering;
pub use diagnostic::Diagnostic;
#[cfg(feature = "tracing")]
pub use diagnostic::to_tracing;
pub use dispatch::{
    BoxError, Caller, Delivery, Dispatch, Envelope, Failure, Outcome, SessionOption,
};
pub use embedded::{EmbedError, Embedded, Next};
pub use error::{
    AliasError, AssertionFailed, CallError, DetachError, KernelError, NoActiveSession, NoSession,
    PostError, RefcountError, SignalError, SpawnError, TimerError, WatchError,
};
#[cfg(feature = "testkit")]
pub use event_loop::testkit;
pub use event_loop::{EventLoop, Interest, Key, LoopKind, Mode, Readiness, UnknownLoop, Wake};
pub use handles::{Ready, Watch, WatchId};
pub use histogram::Histogram;
pub use id::{KernelId, SessionId, TimerId};
pub use inspect::{
    Holds, Inspection, PendingTimer, QueuedEvent, QueuedKind, SessionInfo, SignalInfo, WatchInfo,
};
pub use keep_alive::KeepAlive;
pub use kernel::{Kernel, KernelBuilder, WeakKernel};
pub use name::{Event, EventFor, Name};
pub use payload::{Payload, ReplyTo, Slot};
pub use place::Place;
pub use posted::{PostId, PostRemoveError};
pub use priority::Priority;
pub use profile::{EventMeter, Meter, Profile, SlowHandler};
pub use run::Flush;
pub use send::Destination;
pub use sessions::{Change, Child, Parent};
pub use signals::{ChildExit, Signal, SignalClass, UiDestroy, WatchChild, signal_class};
pub use switches::{Asserts, Traces};
pub use taker::Taker;
pub use threads::{
    BlockingCall, BlockingError, BlockingRefused, Poster, PosterError, SessionPoster,
};
pub use timers::{Alarm, Shift, Timeout};
pub use why_alive::{Reason, ReasonCause};
