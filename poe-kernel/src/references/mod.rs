//! Extra references: tagged counts that keep a session alive.

mod tags;

use std::panic::Location;

use self::tags::{Owner, Reference, Tags};
use crate::hash::IdMap;
use crate::sessions::table::Hold;
use crate::trace::trace;
use crate::{Asserts, Kernel, Name, Place, RefcountError, SessionId};

/// The references of each session that has any.
#[derive(Debug, Default)]
pub(crate) struct References {
    by_session: IdMap<SessionId, Tags>,
}

impl References {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_session.is_empty()
    }

    /// How many sessions have any.
    pub(crate) fn count(&self) -> usize {
        self.by_session.len()
    }

    /// In the order in which they were taken.
    pub(crate) fn of(&self, session: SessionId) -> Vec<Reference> {
        self.by_session.get(&session).map_or_else(Vec::new, Tags::all)
    }

    /// How many tags a session has: each holds it once, however often it is counted.
    pub(crate) fn tags(&self, session: SessionId) -> usize {
        self.by_session.get(&session).map_or(0, Tags::count)
    }

    /// A place at which a reference was taken that its taker is to give back.
    pub(crate) fn taken(&self, session: SessionId, tag: Name) -> Option<Place> {
        Some(self.by_session.get(&session)?.first(tag, Owner::Taker)?.since)
    }

    pub(crate) fn clear(&mut self, session: SessionId) -> Option<Tags> {
        self.by_session.remove(&session)
    }

    /// Counts one more; how many there are of this tag and owner.
    fn increment(&mut self, session: SessionId, tag: Name, owner: Owner, since: Place) -> u32 {
        self.by_session.entry(session).or_insert_with(Tags::new).increment(tag, owner, since)
    }

    /// Counts one less: of those taken at this place, or the place named last if that is not known.
    fn decrement(
        &mut self,
        session: SessionId,
        tag: Name,
        owner: Owner,
        since: Option<Place>,
    ) -> Option<u32> {
        let all = self.by_session.get_mut(&session)?;
        let count = all.decrement(tag, owner, since)?;
        if all.is_empty() {
            self.by_session.remove(&session);
        }
        Some(count)
    }
}

impl Kernel {
    /// Counts one more reference of this tag to a session (POE: `refcount_increment`); returns the tag's count.
    ///
    /// A session with a counted tag is alive, and the kernel is not idle. Tags are the session's own: two users of one
    /// session should use two tags, or [`Kernel::keep_alive`], where nobody gives back what another has taken.
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
    /// assert_eq!(kernel.refcount_increment(session, "download")?, 1);
    /// kernel.run_one_timeslice()?;
    /// assert!(kernel.is_live(session));
    /// assert_eq!(kernel.refcount_decrement(session, "download")?, 0);
    /// assert!(kernel.refcount_decrement(session, "download").is_err());
    /// kernel.run()?;
    /// assert!(!kernel.is_live(session));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`RefcountError::NoSession`].
    #[track_caller]
    pub fn refcount_increment(
        &self,
        session: SessionId,
        tag: impl Into<Name>,
    ) -> Result<u32, RefcountError> {
        let count = self.add_reference(session, tag.into(), Owner::Anyone, self.place());
        self.returned("refcount_increment", Asserts::RETVALS, count)
    }

    /// Gives one reference of this tag back (POE: `refcount_decrement`); returns the tag's count.
    ///
    /// Of several that were taken at different lines, [`Kernel::why_alive`] takes it for one of the line that came last.
    ///
    /// # Errors
    ///
    /// [`RefcountError::NoSession`], and [`RefcountError::NotHeld`] where the original's count would become negative. What
    /// a [`KeepAlive`](crate::KeepAlive) holds, as a postback does, is not to be had by its tag.
    #[track_caller]
    pub fn refcount_decrement(
        &self,
        session: SessionId,
        tag: impl Into<Name>,
    ) -> Result<u32, RefcountError> {
        let (tag, at) = (tag.into(), Location::caller());
        let count = self.remove_reference(session, tag, Owner::Anyone, None, at);
        self.returned("refcount_decrement", Asserts::RETVALS | Asserts::DATA, count)
    }

    /// Counts a reference that only its taker can give back, whoever else uses the same tag.
    pub(crate) fn take(
        &self,
        session: SessionId,
        tag: Name,
        since: Place,
    ) -> Result<(), RefcountError> {
        self.add_reference(session, tag, Owner::Taker, since).map(drop)
    }

    /// Gives back what was taken at this place; false if the session has stopped, which is no fault.
    pub(crate) fn give_back(&self, session: SessionId, tag: Name, since: Place) -> bool {
        self.remove_reference(session, tag, Owner::Taker, Some(since), since).is_ok()
    }

    fn add_reference(
        &self,
        session: SessionId,
        tag: Name,
        owner: Owner,
        since: Place,
    ) -> Result<u32, RefcountError> {
        let mut sessions = self.inner.sessions.borrow_mut();
        if !sessions.is_live(session) {
            return Err(RefcountError::NoSession(session));
        }
        let count = self.inner.references.borrow_mut().increment(session, tag, owner, since);
        if count == 1 {
            sessions.hold(session, Hold::Reference);
        }
        drop(sessions);
        trace!(self, REFCNT, session, at since, "+ reference {tag:?} to session {session}, now {count}");
        Ok(count)
    }

    fn remove_reference(
        &self,
        session: SessionId,
        tag: Name,
        owner: Owner,
        since: Option<Place>,
        at: Place,
    ) -> Result<u32, RefcountError> {
        let mut sessions = self.inner.sessions.borrow_mut();
        if !sessions.is_live(session) {
            return Err(RefcountError::NoSession(session));
        }
        let count = self.inner.references.borrow_mut().decrement(session, tag, owner, since);
        let count = count.ok_or(RefcountError::NotHeld { session, tag })?;
        if count == 0 {
            sessions.release(session, Hold::Reference);
        }
        drop(sessions);
        trace!(self, REFCNT, session, at at, "- reference {tag:?} to session {session}, now {count}");
        Ok(count)
    }
}
