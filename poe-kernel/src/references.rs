//! Extra references: tagged counts that keep a session alive.

use std::panic::Location;

use crate::hash::IdMap;
use crate::sessions::table::Hold;
use crate::trace::trace;
use crate::{Asserts, Kernel, Name, RefcountError, SessionId};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Reference {
    pub(crate) tag: Name,
    pub(crate) count: u32,
    pub(crate) since: &'static Location<'static>,
}

/// The tags of each session that has any.
#[derive(Debug, Default)]
pub(crate) struct References {
    by_session: IdMap<SessionId, Vec<Reference>>,
}

impl References {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_session.is_empty()
    }

    pub(crate) fn of(&self, session: SessionId) -> &[Reference] {
        self.by_session.get(&session).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn clear(&mut self, session: SessionId) -> Option<Vec<Reference>> {
        self.by_session.remove(&session)
    }

    fn increment(
        &mut self,
        session: SessionId,
        tag: Name,
        since: &'static Location<'static>,
    ) -> u32 {
        let tags = self.by_session.entry(session).or_insert_with(|| Vec::with_capacity(1));
        if let Some(reference) = tags.iter_mut().find(|reference| reference.tag == tag) {
            reference.count += 1;
            return reference.count;
        }
        tags.push(Reference { tag, count: 1, since });
        1
    }

    fn decrement(&mut self, session: SessionId, tag: Name) -> Option<u32> {
        let tags = self.by_session.get_mut(&session)?;
        let position = tags.iter().position(|reference| reference.tag == tag)?;
        tags[position].count -= 1;
        let count = tags[position].count;
        if count == 0 {
            tags.remove(position);
            if tags.is_empty() {
                self.by_session.remove(&session);
            }
        }
        Some(count)
    }
}

impl Kernel {
    /// Counts one more reference of this tag to a session (POE: `refcount_increment`); returns the tag's count.
    ///
    /// A session with a counted tag is alive, and the kernel is not idle. Tags are the session's own: two users of one
    /// session should use two tags.
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
        let since = Location::caller();
        let tag = tag.into();
        let count = self.add_reference(session, tag, since);
        if let Ok(count) = count {
            trace!(self, REFCNT, session, "+ reference {tag:?} to session {session}, now {count}");
        }
        self.returned("refcount_increment", Asserts::RETVALS, count)
    }

    fn add_reference(
        &self,
        session: SessionId,
        tag: Name,
        since: &'static Location<'static>,
    ) -> Result<u32, RefcountError> {
        let mut sessions = self.inner.sessions.borrow_mut();
        if !sessions.is_live(session) {
            return Err(RefcountError::NoSession(session));
        }
        let count = self.inner.references.borrow_mut().increment(session, tag, since);
        if count == 1 {
            sessions.hold(session, Hold::Reference);
        }
        Ok(count)
    }

    /// Gives one reference of this tag back (POE: `refcount_decrement`); returns the tag's count.
    ///
    /// # Errors
    ///
    /// [`RefcountError::NoSession`], and [`RefcountError::NotHeld`] where the original's count would become negative.
    #[track_caller]
    pub fn refcount_decrement(
        &self,
        session: SessionId,
        tag: impl Into<Name>,
    ) -> Result<u32, RefcountError> {
        let count = self.give_back(session, tag.into());
        self.returned("refcount_decrement", Asserts::RETVALS | Asserts::DATA, count)
    }

    /// As `refcount_decrement`, for what may be given back when the session has stopped: that is no fault then.
    #[track_caller]
    pub(crate) fn give_back(&self, session: SessionId, tag: Name) -> Result<u32, RefcountError> {
        let count = self.remove_reference(session, tag);
        if let Ok(count) = count {
            trace!(self, REFCNT, session, "- reference {tag:?} to session {session}, now {count}");
        }
        count
    }

    fn remove_reference(&self, session: SessionId, tag: Name) -> Result<u32, RefcountError> {
        let mut sessions = self.inner.sessions.borrow_mut();
        if !sessions.is_live(session) {
            return Err(RefcountError::NoSession(session));
        }
        let count = self.inner.references.borrow_mut().decrement(session, tag);
        let count = count.ok_or(RefcountError::NotHeld { session, tag })?;
        if count == 0 {
            sessions.release(session, Hold::Reference);
        }
        Ok(count)
    }
}
