//! What ought not to be: tables that disagree, and what is left over when a run has ended.

use std::fmt;
use std::panic::Location;
use std::rc::{Rc, Weak};

use crate::hash::IdMap;
use crate::sessions::table::Hold;
use crate::trace::trace;
use crate::{
    Asserts, Diagnostic, Dispatch, Kernel, Reason, ReasonCause, SessionId, SessionOption, Traces,
};

/// A session that was freed while leaks were looked for.
pub(crate) struct Freed {
    session: SessionId,
    created: &'static Location<'static>,
    body: Weak<dyn Dispatch>,
}

impl Kernel {
    #[inline]
    pub(crate) fn is_looking_at_freed(&self) -> bool {
        self.inner.observing.get()
            || !self.traces().is_empty()
            || self.asserts().contains(Asserts::DATA)
    }

    /// Takes note of a session that is about to be dropped.
    #[cold]
    pub(crate) fn observe_freed(&self, session: SessionId) {
        if let Some(measurements) = &mut *self.inner.measurements.borrow_mut() {
            measurements.end_session(session);
        }
        let (body, created) = {
            let sessions = self.inner.sessions.borrow();
            (sessions.body(session).cloned(), sessions.created(session))
        };
        let (Some(body), Some(created)) = (body, created) else { return };
        trace!(self, SESSIONS, session, at created, "session {session} freed, created");
        if self.traces().contains(Traces::REFCNT) {
            self.observe_references_gone(session, created);
        }
        trace!(
            self,
            DESTROY,
            session,
            at created,
            "session {session} is dropped with the heap {}, the options {:?} and handlers for {:?}, created",
            fmt::from_fn(|f| body.show(f)),
            SessionOption::all_on(&*body),
            body.event_names()
        );
        if self.asserts().contains(Asserts::DATA) {
            let mut freed = self.inner.freed.borrow_mut();
            if freed.len() == freed.capacity() {
                freed.retain(|session| session.body.strong_count() > 0);
            }
            freed.push(Freed { session, created, body: Rc::downgrade(&body) });
        }
    }

    /// Says what goes with a session, but for what says so itself: its watches, and events on their way.
    #[cold]
    fn observe_references_gone(&self, session: SessionId, created: &'static Location<'static>) {
        let parent = self.parent(session).unwrap_or(SessionId::KERNEL);
        for Reason { cause, since: at, .. } in self.why_alive(session) {
            match cause {
                ReasonCause::Alias(alias) => {
                    trace!(self, REFCNT, session, at at, "- alias {alias:?} of session {session}");
                }
                ReasonCause::Timer { event, .. } => self.observe_timer_gone(session, event, at),
                ReasonCause::Process { pid } => {
                    trace!(self, REFCNT, session, at at, "- child process {pid} of session {session}");
                }
                ReasonCause::Reference { tag, count } => {
                    for _ in 0..count {
                        trace!(self, REFCNT, session, at at, "- reference {tag:?} to session {session}");
                    }
                }
                ReasonCause::Child(child) => {
                    trace!(self, REFCNT, session, at at, "- child {child} of session {session}");
                    trace!(self, REFCNT, parent, at at, "+ child {child} of session {parent}");
                }
                _ => {}
            }
        }
        trace!(self, REFCNT, parent, at created, "- child {session} of session {parent}");
    }

    /// Looks whether what is counted of each session is what there is.
    #[cold]
    pub(crate) fn verify(&self) {
        if !self.active_session().is_kernel() {
            // The event being handled counts, and is in no table.
            return;
        }
        if self.inner.process.get() != std::process::id() {
            let message = String::from("this is a child process, and has_forked was not called");
            self.assertion_failed(Asserts::DATA, message);
        }
        let mut found_of: IdMap<SessionId, [u32; Hold::ALL.len()]> = IdMap::default();
        for reason in self.why_alive(SessionId::KERNEL) {
            let hold = match &reason.cause {
                ReasonCause::EventTo { .. } | ReasonCause::Timer { .. } => Hold::EventTo,
                ReasonCause::EventFrom { .. } => Hold::EventFrom,
                ReasonCause::Alias(_) => Hold::Alias,
                ReasonCause::Handle { .. } => Hold::Handle,
                ReasonCause::Process { .. } => Hold::Process,
                // A tag is one hold, however many places it was taken at.
                ReasonCause::Reference { .. } | ReasonCause::Child(_) => continue,
            };
            found_of.entry(reason.session).or_default()[hold as usize] += 1;
        }
        let sessions: Vec<SessionId> = self.inner.sessions.borrow().iter().collect();
        for session in sessions {
            let mut found = found_of.remove(&session).unwrap_or_default();
            found[Hold::Reference as usize] = self.inner.references.borrow().tags(session) as u32;
            for hold in Hold::ALL {
                let counted = self.inner.sessions.borrow().held(session, hold);
                if counted != found[hold as usize] {
                    let found = found[hold as usize];
                    self.assertion_failed(
                        Asserts::DATA,
                        format!(
                            "session {session} counts {counted} of {hold:?}, and there are {found}"
                        ),
                    );
                }
            }
        }
    }

    /// Reports what is left when no session is.
    #[cold]
    pub(crate) fn report_leftovers(&self) {
        for freed in self.inner.freed.take() {
            let Some(body) = freed.body.upgrade() else { continue };
            let what = format!(
                "its heap and handlers ({}) are still held, by a cycle of its own or by others",
                body.type_name()
            );
            self.report(&Diagnostic::Leak {
                session: freed.session,
                what: &what,
                since: freed.created,
            });
        }
        let abandoned: Vec<_> = self.inner.signals.borrow().children.abandoned().collect();
        for (pid, caller) in abandoned {
            let what = format!("child process {pid} goes on, and nobody is left to be told");
            let (session, since) = (SessionId::KERNEL, caller.location);
            self.report(&Diagnostic::Leak { session, what: &what, since });
        }
        for reason in self.why_alive(SessionId::KERNEL) {
            let what = reason.cause.to_string();
            self.report(&Diagnostic::Leak {
                session: reason.session,
                what: &what,
                since: reason.since,
            });
        }
    }
}
