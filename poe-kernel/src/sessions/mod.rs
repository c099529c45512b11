//! The life of sessions: created, stopped, collected, and told of each other.

pub(crate) mod numbers;
pub(crate) mod table;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use self::table::Hold;
use crate::kernel::Active;
use crate::queue::Kind;
use crate::trace::trace;
use crate::{
    Asserts, Caller, Destination, DetachError, Dispatch, Envelope, Kernel, KernelError, Name,
    NoActiveSession, Payload, ReplyTo, SessionId, SpawnError,
};

/// What happened to a child (POE: `ARG0` of `_child`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// It was created.
    Create,
    /// It was given to this session: by a child of it that stopped, or by [`Kernel::move_child`].
    Gain,
    /// It stopped.
    Stop,
    /// It moved to another parent. POE calls this and `Stop` by one name, `lose`.
    Leave,
}

impl Change {
    /// POE's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Gain => "gain",
            Self::Stop | Self::Leave => "lose",
        }
    }
}

/// The payload of `_child`.
#[derive(Debug)]
#[non_exhaustive]
pub struct Child {
    /// What happened.
    pub change: Change,
    /// The child.
    pub session: SessionId,
    /// What its `_start` (at [`Change::Create`]) or `_stop` (at [`Change::Stop`]) returned.
    pub value: Payload,
}

/// The payload of `_parent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parent {
    /// The parent until now.
    pub old: SessionId,
    /// The parent from now on.
    pub new: SessionId,
}

impl Kernel {
    /// Enters a session into the tree, below the active one, and runs its `_start` (POE: `session_alloc`).
    ///
    /// Then the parent gets `_child`. The session lives at least until the queue has been gone through as it is now, so
    /// that its creator can send it something. This is for those who write a kind of session; programs use
    /// `Session::build`.
    ///
    /// # Errors
    ///
    /// [`SpawnError::ParentBusy`] when the parent's handler is up the stack and holds its heap, and
    /// [`SpawnError::TooMany`]. A `_start` that fails is no error here: the session gets `DIE`.
    #[track_caller]
    pub fn session_alloc<A: 'static>(
        &self,
        session: Rc<dyn Dispatch>,
        args: A,
    ) -> Result<SessionId, SpawnError> {
        let location = self.place();
        let parent = match self.active_session() {
            // Its handler has stopped it, and goes on: what it creates still needs a place in the tree.
            stopped if !self.is_live(stopped) => SessionId::KERNEL,
            active => active,
        };
        if self.is_busy(parent) {
            return Err(SpawnError::ParentBusy(parent));
        }
        let inserted = self.inner.sessions.borrow_mut().insert(session, parent, location);
        let Some(id) = inserted else { return Err(SpawnError::TooMany(SessionId::MOST)) };
        let caller = Caller::new(location, self.active_event());
        trace!(self, SESSIONS, id, "session {id} created below session {parent} at {location}");
        trace!(self, REFCNT, parent, at location, "+ child {id} of session {parent}");
        let mut value = Payload::default();
        let event = self.inner.names.start;
        let envelope = Envelope { session: id, sender: parent, event, caller };
        self.deliver_or_die(&envelope, &mut Some(args), ReplyTo::any(&mut value));
        // It may have detached itself, and its creator may be gone.
        if let Some(parent) = self.parent(id) {
            self.tell_child(parent, Change::Create, id, value, caller);
        }
        if self.is_live(id) {
            // The hold that it was entered with is this event's from here on, behind all that its start has sent.
            let event = self.inner.names.newborn;
            let envelope = Envelope { session: id, sender: id, event, caller };
            self.push_event(Kind::Newborn, envelope, ());
        }
        Ok(id)
    }

    /// The parent of a session, `None` when there is no such session.
    #[must_use]
    pub fn parent(&self, session: SessionId) -> Option<SessionId> {
        self.inner.sessions.borrow().parent(session)
    }

    /// The children of a session, or of the kernel, first created first.
    #[must_use]
    pub fn children(&self, session: SessionId) -> Vec<SessionId> {
        self.inner.sessions.borrow().children(session).collect()
    }

    /// Whether the session is alive.
    #[must_use]
    #[inline]
    pub fn is_live(&self, session: SessionId) -> bool {
        self.inner.sessions.borrow().is_live(session)
    }

    /// The live session with this number (POE: `ID_id_to_session`). Looks at every session.
    #[must_use]
    pub fn session_by_number(&self, number: u64) -> Option<SessionId> {
        self.inner.sessions.borrow().by_number(number)
    }

    /// How many sessions live, the kernel not counted.
    #[must_use]
    #[inline]
    pub fn session_count(&self) -> usize {
        self.inner.sessions.borrow().len()
    }

    /// Moves the active session to the top of the tree (POE: `detach_myself`).
    ///
    /// First its parent gets `_child` with [`Change::Leave`], unless the session is in its `_start`; then the session
    /// gets `_parent`; then the tree changes. Called by a handler through `cx`.
    ///
    /// # Errors
    ///
    /// [`DetachError::TopLevel`] when it is there already, and [`DetachError::Busy`] when a handler up the stack holds
    /// a heap that is to be told.
    #[track_caller]
    pub fn detach_myself(&self) -> Result<(), DetachError> {
        let fault = self.detach_fault("detach_myself", Asserts::RETVALS | Asserts::USAGE);
        let detached = self.detach_active();
        self.returned("detach_myself", fault, detached)
    }

    #[track_caller]
    fn detach_active(&self) -> Result<(), DetachError> {
        let caller = self.caller();
        let session = self.active_session();
        if session.is_kernel() {
            return Err(NoActiveSession("detach_myself").into());
        }
        let parent = self.parent(session).ok_or(DetachError::TopLevel(session))?;
        if parent.is_kernel() {
            return Err(DetachError::TopLevel(session));
        }
        if let Some(busy) = [session, parent].into_iter().find(|&id| self.is_busy(id)) {
            return Err(DetachError::Busy(busy));
        }
        if self.active_event() != Some(self.inner.names.start) {
            self.tell_child(parent, Change::Leave, session, Payload::default(), caller);
        }
        self.detach(session, parent, SessionId::KERNEL, caller);
        Ok(())
    }

    /// Moves a child of the active session to the top of the tree (POE: `detach_child`).
    ///
    /// First the active session gets `_child` with [`Change::Leave`], then the child gets `_parent`; then the tree
    /// changes. Called by a handler through `cx`.
    ///
    /// # Errors
    ///
    /// [`DetachError::NoSession`] for a destination that is not there, [`DetachError::NotAChild`] for one that is not
    /// a child of the active session, and [`DetachError::Busy`] as for [`Kernel::detach_myself`].
    #[track_caller]
    pub fn detach_child(&self, child: impl Destination) -> Result<(), DetachError> {
        let faults = Asserts::RETVALS | Asserts::USAGE | Asserts::DATA;
        let fault = self.detach_fault("detach_child", faults);
        let detached = self.move_below("detach_child", &child, &SessionId::KERNEL);
        self.returned("detach_child", fault, detached)
    }

    /// Gives a child of the active session to another session, or to the kernel, which is [`Kernel::detach_child`]. POE can
    /// do the latter only.
    ///
    /// First the active session gets `_child` with [`Change::Leave`], then the new parent gets it with [`Change::Gain`], then
    /// the child gets `_parent`; then the tree changes. Should the new parent have gone meanwhile, the child goes to the top.
    /// Called by a handler through `cx`.
    ///
    /// # Errors
    ///
    /// As for [`Kernel::detach_child`], and [`DetachError::Cycle`] for a new parent that is the child itself or below it.
    #[track_caller]
    pub fn move_child(
        &self,
        child: impl Destination,
        to: impl Destination,
    ) -> Result<(), DetachError> {
        let faults = Asserts::RETVALS | Asserts::USAGE | Asserts::DATA;
        let fault = self.detach_fault("move_child", faults);
        let moved = self.move_below("move_child", &child, &to);
        self.returned("move_child", fault, moved)
    }

    /// What is a fault when a method cannot detach; where no session is active, that is one already.
    #[track_caller]
    fn detach_fault(&self, method: &'static str, faults: Asserts) -> Asserts {
        if self.is_misused(method) { Asserts::NONE } else { faults }
    }

    #[track_caller]
    fn move_below(
        &self,
        method: &'static str,
        child: &dyn Destination,
        to: &dyn Destination,
    ) -> Result<(), DetachError> {
        let caller = self.caller();
        let parent = self.active_session();
        if parent.is_kernel() {
            return Err(NoActiveSession(method).into());
        }
        let found = |one: &dyn Destination| {
            one.resolve(self).ok_or_else(|| DetachError::NoSession(one.describe()))
        };
        let (child, to) = (found(child)?, found(to)?);
        if self.parent(child) != Some(parent) {
            return Err(DetachError::NotAChild { child, parent });
        }
        if self.is_within(to, child) {
            return Err(DetachError::Cycle { child, to });
        }
        if to == parent {
            return Ok(());
        }
        if let Some(busy) = [parent, child, to].into_iter().find(|&id| self.is_busy(id)) {
            return Err(DetachError::Busy(busy));
        }
        self.tell_child(parent, Change::Leave, child, Payload::default(), caller);
        self.tell_child(to, Change::Gain, child, Payload::default(), caller);
        self.detach(child, parent, to, caller);
        Ok(())
    }

    /// Whether a session is another one, or below it.
    fn is_within(&self, id: SessionId, root: SessionId) -> bool {
        id == root || self.ancestors(id).contains(&root)
    }

    /// Stops every session, leaves first (POE: `stop`).
    ///
    /// Each gets its `_stop`, and its parent `_child`; pending events and timers are dropped, and then `run` returns.
    /// A handler calls this through `cx`, so that its own session can be told too.
    ///
    /// # Errors
    ///
    /// [`KernelError::HeapHeld`] when a handler up the stack holds the heap of a session, which could not be told: nothing has
    /// happened then.
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
    /// kernel.stop()?;
    /// assert_eq!((kernel.session_count(), kernel.get_event_count()), (0, 0));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn stop(&self) -> Result<(), KernelError> {
        self.refuse_held_heaps()?;
        self.stop_all();
        Ok(())
    }

    #[track_caller]
    pub(crate) fn stop_all(&self) {
        let caller = self.caller();
        // If it fails here, `run` says so.
        let _ = self.has_forked();
        for session in self.below(SessionId::KERNEL).into_iter().rev() {
            self.stop_session(session, caller);
        }
        self.collect();
    }

    /// Stops one session, whatever holds it (POE: what the `stop` of a `POE::NFA` does); one that is stopping already is left to
    /// that.
    ///
    /// Its children are given to its parent, it gets its `_stop`, and what was queued to it and from it is dropped. This is
    /// for those who write a kind of session; the handlers of others send the session an event or a signal.
    ///
    /// # Errors
    ///
    /// [`KernelError::HeapHeld`] when a handler up the stack holds the heap of a session that is to be told, which are this one,
    /// its parent and its children: nothing has happened then.
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
    /// kernel.session_stop(session)?;
    /// assert!(!kernel.is_live(session));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn session_stop(&self, session: SessionId) -> Result<(), KernelError> {
        let told = [session].into_iter().chain(self.parent(session)).chain(self.children(session));
        self.refuse_held(told)?;
        self.stop_session(session, self.caller());
        Ok(())
    }

    /// What may run any session's handlers begins only if all could run.
    pub(crate) fn refuse_held_heaps(&self) -> Result<(), KernelError> {
        if self.active_session().is_kernel() {
            // No handler is on the stack.
            return Ok(());
        }
        let sessions: Vec<SessionId> = self.inner.sessions.borrow().iter().collect();
        self.refuse_held(sessions)
    }

    fn refuse_held(&self, told: impl IntoIterator<Item = SessionId>) -> Result<(), KernelError> {
        let held = told.into_iter().find(|&session| self.is_busy(session));
        held.map_or(Ok(()), |session| Err(KernelError::HeapHeld(session)))
    }

    /// A session and all below it, breadth first; the kernel itself is not listed.
    pub(crate) fn below(&self, root: SessionId) -> Vec<SessionId> {
        let sessions = self.inner.sessions.borrow();
        let mut list: Vec<SessionId> = if root.is_kernel() {
            sessions.children(root).collect()
        } else {
            sessions.is_live(root).then_some(root).into_iter().collect()
        };
        let mut next = 0;
        while let Some(&session) = list.get(next) {
            list.extend(sessions.children(session));
            next += 1;
        }
        list
    }

    /// Stops a session: its children move up, it gets `_stop`, its parent is told, and all it held goes.
    pub(crate) fn stop_session(&self, id: SessionId, caller: Caller) {
        if !self.inner.sessions.borrow_mut().begin_stop(id) {
            return;
        }
        let parent = self.parent(id).unwrap_or(SessionId::KERNEL);
        trace!(self, SESSIONS, id, "session {id} stops, below session {parent}");
        let has_children = self.inner.sessions.borrow().first_child(id).is_some();
        let children = if has_children { self.children(id) } else { Vec::new() };
        for child in children {
            self.tell_child(parent, Change::Gain, child, Payload::default(), caller);
            self.tell_parent(child, id, parent, caller);
        }
        let mut value = Payload::default();
        let (sender, event) = (self.active_session(), self.inner.names.stop);
        let envelope = Envelope { session: id, sender, event, caller };
        self.deliver_or_halt(&envelope, &mut Some(()), ReplyTo::any(&mut value));
        let parent = self.parent(id).unwrap_or(SessionId::KERNEL);
        self.tell_child(parent, Change::Stop, id, value, caller);
        self.free_session(id);
    }

    /// Stops the sessions that nothing holds any more: latest marked first, then those freed by that.
    #[inline]
    pub(crate) fn collect(&self) {
        if self.inner.sessions.borrow().has_marks() {
            self.collect_marked();
        }
    }

    #[cold]
    #[inline(never)]
    fn collect_marked(&self) {
        let mut round = self.inner.marks.take();
        while self.inner.sessions.borrow().has_marks() {
            self.inner.sessions.borrow_mut().swap_marks(&mut round);
            let mut stopped = false;
            while let Some((id, mark)) = round.pop() {
                if self.inner.sessions.borrow_mut().is_collectable(id, mark) {
                    self.stop_session(id, self.caller());
                    stopped = true;
                }
            }
            // What is left marked now has a handler on the stack, and waits for a later sweep.
            if !stopped {
                break;
            }
        }
        self.inner.marks.replace(round);
    }

    /// Tells a session of its new parent, and moves it there.
    fn detach(&self, session: SessionId, old: SessionId, new: SessionId, caller: Caller) {
        self.tell_parent(session, old, new, caller);
        if !self.is_live(session) {
            return;
        }
        let old = self.parent(session).unwrap_or(old);
        let is_there = new.is_kernel() || self.is_live(new) && !self.is_within(new, session);
        let parent = if is_there { new } else { SessionId::KERNEL };
        self.inner.sessions.borrow_mut().reparent(session, parent);
        trace!(
            self,
            SESSIONS, session, "session {session} moved from session {old} to session {parent}"
        );
        let at = caller.location;
        trace!(self, REFCNT, old, at at, "- child {session} of session {old}");
        trace!(self, REFCNT, parent, at at, "+ child {session} of session {parent}");
        if !is_there {
            self.tell_parent(session, new, parent, caller);
        }
    }

    fn tell_child(
        &self,
        parent: SessionId,
        change: Change,
        session: SessionId,
        value: Payload,
        caller: Caller,
    ) {
        if !parent.is_kernel() {
            let (sender, event) = (SessionId::KERNEL, self.inner.names.child);
            let envelope = Envelope { session: parent, sender, event, caller };
            let mut child = Some(Child { change, session, value });
            self.deliver_or_die(&envelope, &mut child, ReplyTo::nobody());
        }
    }

    fn tell_parent(&self, session: SessionId, old: SessionId, new: SessionId, caller: Caller) {
        let (sender, event) = (SessionId::KERNEL, self.inner.names.parent);
        let envelope = Envelope { session, sender, event, caller };
        self.deliver_or_die(&envelope, &mut Some(Parent { old, new }), ReplyTo::nobody());
    }

    /// Takes all that a stopped session held, and drops it where its drop may call the kernel again.
    fn free_session(&self, id: SessionId) {
        let inner = &self.inner;
        if self.is_looking_at_freed() {
            // First, as whoever listens may give it something.
            self.observe_freed(id);
        }
        // Most sessions end because nothing is left of all this, and what holds a session is counted.
        let held = |hold| inner.sessions.borrow().held(id, hold) as usize;
        let aliases = (held(Hold::Alias) > 0).then(|| inner.aliases.borrow_mut().clear(id));
        let references =
            (held(Hold::Reference) > 0).then(|| inner.references.borrow_mut().clear(id));
        let (handles, processes) = (held(Hold::Handle), held(Hold::Process));
        let events = held(Hold::EventTo);
        let timers = if events > 0 {
            self.change_timers(|timers| timers.remove_all(id))
        } else {
            Vec::new()
        };
        if events > timers.len() || held(Hold::EventFrom) > 0 {
            inner.has_stale_events.set(true);
        }
        inner.unsettled.set(true);
        if inner.spare_hold.get() == id {
            inner.spare_hold.set(SessionId::NOBODY);
        }
        let body = inner.sessions.borrow_mut().remove(id);
        inner.changes.set(inner.changes.get() + 1);
        // From here on it is gone, so that what the drops below do cannot be done for it.
        self.forget_signals(id);
        if processes > 0 {
            self.forget_children(id);
        }
        if references.is_some() {
            self.forget_blocking(id);
        }
        if handles > 0 {
            self.forget_handles(id);
        }
        let leftovers = (aliases, references, timers, body);
        // One that panics is not to keep the others from being stopped.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(leftovers))) {
            self.drop_failed(id, panic);
        }
    }

    /// Whether a handler up the stack holds the session's heap.
    pub(crate) fn is_busy(&self, id: SessionId) -> bool {
        let body = self.inner.sessions.borrow().body(id).cloned();
        body.is_some_and(|body| body.is_busy())
    }

    #[inline]
    pub(crate) fn with_active<R>(
        &self,
        session: SessionId,
        event: Option<Name>,
        f: impl FnOnce() -> R,
    ) -> R {
        let _before =
            Before(&self.inner.active, self.inner.active.replace(Active { session, event }));
        f()
    }
}

/// Makes active again who was so before, panics included.
struct Before<'a>(&'a Cell<Active>, Active);

impl Drop for Before<'_> {
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}
