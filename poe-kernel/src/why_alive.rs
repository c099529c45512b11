//! Why a session, or the kernel, goes on: every reason, and the line that gave it.

use std::fmt;
use std::panic::Location;
use std::time::SystemTime;

use crate::queue::Header;
use crate::timers::table::Pending;
use crate::{Kernel, Mode, Name, SessionId};

/// One reason for a session to be alive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Reason {
    /// The session it keeps.
    pub session: SessionId,
    /// What it is.
    pub cause: ReasonCause,
    /// Where it was given.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::inspect::place"))]
    pub since: &'static Location<'static>,
}

/// What keeps a session alive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum ReasonCause {
    /// An event is queued to it.
    EventTo {
        /// The event.
        event: Name,
        /// Who sent it.
        sender: SessionId,
    },
    /// An event of its own is queued to another session.
    EventFrom {
        /// The event.
        event: Name,
        /// Who it is for.
        receiver: SessionId,
    },
    /// A timer is set.
    Timer {
        /// The event it sends.
        event: Name,
        /// When it is due.
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serialize::time"))]
        due: SystemTime,
    },
    /// It has an alias. This keeps the session, but not the kernel.
    Alias(String),
    /// It has a child.
    Child(SessionId),
    /// It watches a handle.
    Handle {
        /// The handle's descriptor.
        descriptor: i32,
        /// What for.
        mode: Mode,
        /// Whether the watch is held back.
        paused: bool,
    },
    /// It waits for a child process.
    Process {
        /// The child's process id.
        pid: u32,
    },
    /// It has extra references, or is held by postbacks (tagged `anon_event`), posters (`poster`) or blocking work
    /// (`blocking`). Those of one tag that were taken at different lines are different reasons.
    Reference {
        /// Their tag.
        tag: Name,
        /// How many were taken there.
        count: u32,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {}: {} (since {})", self.session, self.cause, self.since)
    }
}

impl fmt::Display for ReasonCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EventTo { event, sender } => write!(f, "event {event:?} from session {sender}"),
            Self::EventFrom { event, receiver } => {
                write!(f, "event {event:?} to session {receiver}")
            }
            Self::Timer { event, .. } => write!(f, "timer {event:?}"),
            Self::Alias(alias) => write!(f, "alias {alias:?}"),
            Self::Child(child) => write!(f, "child {child}"),
            Self::Handle { descriptor, mode, paused } => {
                let paused = if *paused { ", paused" } else { "" };
                write!(f, "descriptor {descriptor} watched ({mode:?}{paused})")
            }
            Self::Process { pid } => write!(f, "child process {pid}"),
            Self::Reference { tag, count } => write!(f, "{count} references tagged {tag:?}"),
        }
    }
}

impl Kernel {
    /// Why a session is alive: every event, timer, alias, child, watched handle, child process and extra reference that holds it, with the
    /// file and line that gave it; of [`SessionId::KERNEL`], why the kernel goes on: the reasons of all sessions.
    ///
    /// Nothing is kept for this that the kernel does not need itself, but it looks at all there is. An event that is being
    /// handled is no reason any more: in the order of things it let go of its sessions before. That it keeps them until its
    /// handler has returned is what [`Holds::handling`](crate::Holds::handling) counts.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::rc::Rc;
    /// # use poe_kernel::{Delivery, Dispatch, Kernel, Outcome, SessionId};
    /// # struct Mute;
    /// # impl Dispatch for Mute {
    /// #     fn dispatch(&self, _: Delivery<'_>) -> Outcome { Ok(()) }
    /// # }
    /// let kernel = Kernel::new()?;
    /// let session = kernel.session_alloc(Rc::new(Mute), ())?;
    /// kernel.run_one_timeslice()?;
    /// assert!(kernel.why_alive(session).is_empty());
    ///
    /// # let session = kernel.session_alloc(Rc::new(Mute), ())?;
    /// kernel.refcount_increment(session, "my tag")?;
    /// kernel.run_one_timeslice()?;
    /// let reasons = kernel.why_alive(session);
    /// assert!(reasons[0].to_string().contains("1 references tagged \"my tag\" (since "));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn why_alive(&self, session: SessionId) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let is_meant = |id: SessionId| !id.is_kernel() && (session.is_kernel() || id == session);
        self.purge();
        let queues = self.inner.queues().map(|(_, queue)| queue.borrow());
        for event in queues.iter().flat_map(|queue| queue.iter()) {
            let Header { session: to, sender: from, event, location: since, .. } = event.header;
            if is_meant(to) {
                let cause = ReasonCause::EventTo { event, sender: from };
                reasons.push(Reason { session: to, cause, since });
            }
            if from != to && is_meant(from) {
                let cause = ReasonCause::EventFrom { event, receiver: to };
                reasons.push(Reason { session: from, cause, since });
            }
        }
        for timer in self.inner.timers.borrow().iter() {
            let Pending { session: owner, event, caller, due, .. } = timer;
            if is_meant(owner) {
                let cause = ReasonCause::Timer { event, due: self.inner.clock.to_wall(due) };
                reasons.push(Reason { session: owner, cause, since: caller.location });
            }
        }
        for waiting in self.inner.handles.borrow().iter() {
            if is_meant(waiting.session) {
                let (descriptor, mode, paused) = (waiting.descriptor, waiting.mode, waiting.paused);
                let cause = ReasonCause::Handle { descriptor, mode, paused };
                reasons.push(Reason { session: waiting.session, cause, since: waiting.since });
            }
        }
        for (pid, owner, caller) in self.inner.signals.borrow().children.iter() {
            if is_meant(owner) {
                let cause = ReasonCause::Process { pid };
                reasons.push(Reason { session: owner, cause, since: caller.location });
            }
        }
        let sessions = self.inner.sessions.borrow();
        for id in sessions.iter().filter(|&id| is_meant(id)) {
            for (alias, since) in self.inner.aliases.borrow().of(id) {
                let cause = ReasonCause::Alias(alias.to_owned());
                reasons.push(Reason { session: id, cause, since });
            }
            for reference in self.inner.references.borrow().of(id) {
                let (tag, count) = (reference.tag, reference.count);
                let cause = ReasonCause::Reference { tag, count };
                reasons.push(Reason { session: id, cause, since: reference.since });
            }
            for child in sessions.children(id) {
                if let Some(since) = sessions.created(child) {
                    reasons.push(Reason { session: id, cause: ReasonCause::Child(child), since });
                }
            }
        }
        reasons
    }

    /// The signals that a session watches, and where it began to (POE::API::Peek: `signals_watched_by_session`). None of
    /// them keeps it alive.
    #[must_use]
    pub fn signals_watched_by(
        &self,
        session: SessionId,
    ) -> Vec<(Name, &'static Location<'static>)> {
        let signals = self.inner.signals.borrow();
        let watched = signals.iter().filter(|(_, watch)| watch.session == session);
        let mut watched: Vec<_> = watched.map(|(name, watch)| (name, watch.since)).collect();
        watched.sort_unstable_by_key(|(name, _)| *name);
        watched
    }
}
