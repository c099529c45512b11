//! Signals: from the operating system, from sessions, and the kernel's own `IDLE`, `ZOMBIE` and `DIE`.

mod children;
mod claims;
mod class;
mod os;
mod process;
mod tally;
mod ui_destroy;

use std::any::Any;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

pub(crate) use self::children::Children;
pub use self::children::{ChildExit, WatchChild};
pub use self::class::{SignalClass, signal_class};
use self::os::{OsSignals, without_prefix};
pub(crate) use self::tally::Tally;
pub use self::ui_destroy::UiDestroy;
use crate::death::{Death, SharedDeath};
use crate::hash::IdMap;
use crate::queue::Kind;
use crate::trace::trace;
use crate::{
    Asserts, Caller, Destination, Envelope, EventFor, Kernel, Name, NoActiveSession, NoSession,
    Payload, ReplyTo, SessionId, SignalError, Traces,
};

/// The payload of a signal's event.
#[derive(Clone)]
#[non_exhaustive]
pub struct Signal {
    /// The signal's name, without `SIG`.
    pub name: Name,
    args: Option<Rc<Payload>>,
}

impl Signal {
    /// What was sent along, if it is a `T` (POE: the arguments of `signal`).
    #[must_use]
    pub fn args<T: Any>(&self) -> Option<&T> {
        self.args.as_ref()?.downcast_ref()
    }

    /// The death that a `DIE` reports.
    #[must_use]
    pub fn death(&self) -> Option<&Death> {
        self.args::<SharedDeath>().map(|death| &**death)
    }

    /// The child whose end a `CHLD` reports. A `CHLD` without one says that a child has ended that this kernel was not
    /// asked for with [`Kernel::sig_child`], and that nobody has waited for it yet.
    #[must_use]
    pub fn child(&self) -> Option<&ChildExit> {
        self.args()
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").field("name", &self.name).field("args", &self.args).finish()
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct SignalWatch {
    pub(crate) session: SessionId,
    pub(crate) event: Name,
    pub(crate) since: &'static Location<'static>,
}

/// Who watches which signal, and how the one being delivered fares.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    watches: IdMap<Name, IdMap<SessionId, SignalWatch>>,
    /// Those that are not what they are in POE.
    classes: IdMap<Name, SignalClass>,
    handled: bool,
    /// Whether a handler of `DIE` runs.
    pub(crate) telling_death: bool,
    os: OsSignals,
    pub(crate) children: Children,
}

impl Signals {
    pub(crate) fn new(use_sigchld: bool) -> Self {
        Self { children: Children::new(use_sigchld), ..Self::default() }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Name, &SignalWatch)> {
        self.watches.iter().flat_map(|(name, watches)| watches.values().map(|watch| (*name, watch)))
    }

    fn of(&self, signal: Name) -> IdMap<SessionId, SignalWatch> {
        self.watches.get(&signal).cloned().unwrap_or_default()
    }

    fn unwatch(&mut self, signal: Name, session: SessionId) -> bool {
        let Some(watches) = self.watches.get_mut(&signal) else { return false };
        watches.remove(&session);
        let last = watches.is_empty();
        if last {
            self.watches.remove(&signal);
        }
        last
    }
}

impl Kernel {
    /// Has a signal sent to the active session as an event whose payload is a [`Signal`] (POE: `sig`).
    ///
    /// One event per signal and session: watching again replaces it. A name of a real signal (without `SIG`) is caught
    /// from the operating system from the first watch to the last; any other name is for [`Kernel::signal`] alone. The first
    /// watch of `CHLD` also tells of a child that has ended already, and that nobody has waited for.
    /// Watching a signal does **not** keep a session alive: one that should wait for nothing but signals needs an
    /// alias and a watched handle or timer, or an extra reference.
    ///
    /// ```
    /// # use std::rc::Rc;
    /// # use poe_kernel::{BoxError, Delivery, Dispatch, Failure, Kernel, Outcome, Signal, take};
    /// # struct Server;
    /// # impl Server {
    /// #     fn handle(delivery: Delivery<'_>) -> Result<(), BoxError> {
    /// # let kernel = delivery.kernel;
    /// match delivery.event.as_str() {
    ///     "_start" => {
    ///         kernel.sig("TERM", "asked to end")?;
    ///         kernel.delay("work", std::time::Duration::from_secs(1), ())?;
    /// #       kernel.signal(delivery.session, "TERM", ())?;
    ///     }
    ///     "asked to end" => {
    ///         let signal: Option<Signal> = take(delivery.payload);
    ///         assert!(signal.is_some_and(|signal| signal.name == "TERM"));
    ///         kernel.sig_handled(); // Once, it goes on with its work.
    ///         kernel.sig_ignore("TERM"); // The next one ends the program at once.
    ///     }
    ///     "work" => println!("The work is done."),
    ///     _ => {}
    /// }
    /// #         Ok(())
    /// #     }
    /// # }
    /// # impl Dispatch for Server {
    /// #     fn dispatch(&self, delivery: Delivery<'_>) -> Outcome {
    /// #         Ok(Self::handle(delivery).map_err(Failure::Error)?)
    /// #     }
    /// # }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// # kernel.session_alloc(Rc::new(Server), ())?;
    /// # kernel.run()?;
    /// # assert_eq!(kernel.time(), std::time::UNIX_EPOCH + std::time::Duration::from_secs(1));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SignalError`] outside a handler, when the active session has stopped, for a name with `SIG`, or when the operating
    /// system will not have the signal caught. What it can never be asked for, as `KILL`, is watched as a name of our own.
    #[track_caller]
    pub fn sig(
        &self,
        signal: impl Into<Name>,
        event: impl EventFor<Signal>,
    ) -> Result<(), SignalError> {
        let (signal, event) = (signal.into(), event.name());
        let session = self.active_session();
        if session.is_kernel() {
            let error = Err(NoActiveSession("sig").into());
            return self.returned("sig", Asserts::USAGE, error);
        }
        if let Some(name) = without_prefix(signal) {
            let error = Err(SignalError::Prefixed { signal, name });
            return self.returned("sig", Asserts::USAGE, error);
        }
        if !self.is_live(session) {
            return self.returned("sig", Asserts::USAGE, Err(SignalError::Stopped(session)));
        }
        let is_first = !self.inner.signals.borrow().watches.contains_key(&signal);
        if is_first && signal == "CHLD" {
            self.expect_sigchld()?;
        } else {
            self.watch_os_signal(signal)?;
        }
        let watch = SignalWatch { session, event, since: self.place() };
        let mut signals = self.inner.signals.borrow_mut();
        signals.watches.entry(signal).or_default().insert(session, watch);
        drop(signals);
        trace!(self, SIGNALS, session, "signal {signal} watched by session {session} as {event:?}");
        Ok(())
    }

    /// Ends the active session's watch of a signal (POE: `sig` without an event). None is no error.
    #[track_caller]
    pub fn sig_ignore(&self, signal: impl Into<Name>) {
        self.is_misused("sig_ignore");
        let (signal, session) = (signal.into(), self.active_session());
        trace!(self, SIGNALS, session, "signal {signal} no longer watched by session {session}");
        let last = self.inner.signals.borrow_mut().unwatch(signal, session);
        if last {
            self.release_os_signal(signal);
        }
    }

    /// Says that the signal being delivered is dealt with, so that a terminal one stops nobody (POE: `sig_handled`).
    ///
    /// It counts from anywhere below the signal's handler, such as a session it calls; not from an event it posts.
    pub fn sig_handled(&self) {
        self.inner.signals.borrow_mut().handled = true;
    }

    /// Sends a signal of any name to a session and all below it (POE: `signal`); to the kernel, it is for everyone.
    ///
    /// ```
    /// # use poe_kernel::{Delivery, Dispatch, Kernel, Outcome};
    /// # struct Mute;
    /// # impl Dispatch for Mute {
    /// #     fn dispatch(&self, _: Delivery<'_>) -> Outcome {
    /// #         Ok(())
    /// #     }
    /// # }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// # let session = kernel.session_alloc(std::rc::Rc::new(Mute), ())?;
    /// kernel.refcount_increment(session, "has work")?;
    /// kernel.signal(session, "WEATHER", "sunny")?; // Nobody watches it, and it harms nobody.
    /// kernel.signal(session, "TERM", ())?; // Nobody handles it, and it ends the session.
    /// kernel.run()?;
    /// assert!(!kernel.is_live(session));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NoSession`] when the destination is not there.
    #[track_caller]
    pub fn signal<P: 'static>(
        &self,
        destination: impl Destination,
        signal: impl Into<Name>,
        args: P,
    ) -> Result<(), NoSession> {
        let (caller, signal) = (self.caller(), signal.into());
        let missing =
            |to: &dyn Destination| NoSession { destination: to.describe(), event: signal };
        let Some(to) = destination.resolve(self) else {
            return self.returned("signal", Asserts::DATA, Err(missing(&destination)));
        };
        let from = self.active_session();
        if self.enqueue(Kind::Signal, to, from, signal, caller, Payload::new(args)) {
            Ok(())
        } else {
            self.returned("signal", Asserts::DATA, Err(missing(&from)))
        }
    }

    /// Sends `DIE` to the session that a death happened in.
    pub(crate) fn raise(&self, death: &SharedDeath) {
        let die = self.inner.names.die;
        let args = Payload::new(Arc::clone(death));
        if !self.enqueue(Kind::Signal, death.session, SessionId::KERNEL, die, death.caller, args) {
            self.halt(Arc::clone(death));
        }
    }

    /// Walks a signal through the sessions it reaches, leaves first, and stops them if it must.
    pub(crate) fn dispatch_signal(&self, to: SessionId, name: Name, caller: Caller, args: Payload) {
        let names = &self.inner.names;
        let death = args.downcast_ref::<SharedDeath>().map(Arc::clone);
        let mut touched = self.below(to);
        touched.reverse();
        if name == names.die {
            touched.extend(self.ancestors(to));
        }
        let watches = self.inner.signals.borrow().of(name);
        let (at, reached) = (caller.location, touched.len());
        trace!(self, SIGNALS, to, at at, "signal {name} for session {to} reaches {reached} sessions");
        let outer = std::mem::replace(&mut self.inner.signals.borrow_mut().handled, false);
        let args = Rc::new(args);
        for &session in &touched {
            let Some(watch) = watches.get(&session) else { continue };
            let mut signal = Some(Signal { name, args: Some(Rc::clone(&args)) });
            let (sender, event) = (SessionId::KERNEL, watch.event);
            trace!(self, SIGNALS, session, at at, "signal {name} sent to session {session} as {event:?}");
            let envelope = Envelope { session, sender, event, caller };
            if name == names.die {
                let told = self.tell_death(true);
                self.deliver_or_halt(&envelope, &mut signal, ReplyTo::nobody());
                self.tell_death(told);
            } else {
                self.deliver_or_die(&envelope, &mut signal, ReplyTo::nobody());
            }
        }
        let handled = std::mem::replace(&mut self.inner.signals.borrow_mut().handled, outer);
        let ends = match self.signal_class(name) {
            SignalClass::Benign => false,
            SignalClass::Terminal => !handled,
            SignalClass::NonMaskable => true,
        };
        trace!(self, SIGNALS, to, at at, "signal {name} was {}handled", if handled { "" } else { "not " });
        if ends {
            for &session in &touched {
                trace!(self, SIGNALS, session, at at, "signal {name} stops session {session}");
                self.stop_session(session, caller);
            }
            if let Some(death) = death {
                self.halt(death);
            }
        } else if name == names.idle && self.is_still_idle() {
            let caller = self.caller();
            let kernel = SessionId::KERNEL;
            self.enqueue(Kind::Signal, kernel, kernel, names.zombie, caller, Payload::default());
        }
    }

    fn tell_death(&self, telling: bool) -> bool {
        std::mem::replace(&mut self.inner.signals.borrow_mut().telling_death, telling)
    }

    /// Sends `IDLE` when nothing can happen any more: no event, timer, watched handle, awaited child or extra reference
    /// is left.
    pub(crate) fn test_idle(&self) {
        if self.traces().contains(Traces::REFCNT) {
            self.observe_idleness();
        }
        if !self.has_posted()
            && self.is_still_idle()
            && self.session_count() > 0
            && !self.is_interrupted()
        {
            let (kernel, idle) = (SessionId::KERNEL, self.inner.names.idle);
            self.enqueue(Kind::Signal, kernel, kernel, idle, self.caller(), Payload::default());
        }
    }

    /// Ends all of a session's watches of signals.
    pub(crate) fn forget_signals(&self, session: SessionId) {
        let mut unwatched = Vec::new();
        self.inner.signals.borrow_mut().watches.retain(|signal, watches| {
            watches.remove(&session);
            if watches.is_empty() {
                unwatched.push(*signal);
            }
            !watches.is_empty()
        });
        for signal in unwatched {
            self.release_os_signal(signal);
        }
    }

    pub(crate) fn is_still_idle(&self) -> bool {
        self.get_event_count() == 0
            && !self.is_waiting()
            && self.inner.references.borrow().is_empty()
            && !self.has_arrivals()
            && !self.inner.signals.borrow().os.have_come()
    }

    /// Whether sessions wait for handles or children.
    pub(crate) fn is_waiting(&self) -> bool {
        self.inner.handles.borrow().is_watching()
            || self.inner.signals.borrow().children.is_awaited()
    }

    /// Those above a session, the kernel not listed.
    pub(crate) fn ancestors(&self, session: SessionId) -> Vec<SessionId> {
        let sessions = self.inner.sessions.borrow();
        let above = std::iter::successors(sessions.parent(session), |&id| sessions.parent(id));
        above.take_while(|id| !id.is_kernel()).collect()
    }
}
