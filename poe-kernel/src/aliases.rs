//! Symbolic names of sessions.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::rc::Rc;

use crate::hash::IdMap;
use crate::sessions::table::Hold;
use crate::trace::trace;
use crate::{AliasError, Asserts, Destination, Kernel, Place, SessionId};

/// Which session has which alias, and where it was set.
#[derive(Debug, Default)]
pub(crate) struct Aliases {
    // Aliases may come from outside: the standard, keyed hash.
    owners: HashMap<Rc<str>, SessionId>,
    by_session: IdMap<SessionId, BTreeMap<Rc<str>, Place>>,
}

impl Aliases {
    pub(crate) fn owner(&self, alias: &str) -> Option<SessionId> {
        self.owners.get(alias).copied()
    }

    pub(crate) fn of(&self, session: SessionId) -> impl Iterator<Item = (&str, Place)> {
        let aliases = self.by_session.get(&session).into_iter().flatten();
        aliases.map(|(alias, place)| (&**alias, *place))
    }

    pub(crate) fn clear(&mut self, session: SessionId) -> usize {
        let aliases = self.by_session.remove(&session).unwrap_or_default();
        for alias in aliases.keys() {
            self.owners.remove(alias);
        }
        aliases.len()
    }

    fn insert(&mut self, alias: &str, session: SessionId, place: Place) {
        let alias: Rc<str> = alias.into();
        self.owners.insert(alias.clone(), session);
        self.by_session.entry(session).or_default().insert(alias, place);
    }

    fn remove(&mut self, alias: &str, session: SessionId) {
        self.owners.remove(alias);
        if let Some(aliases) = self.by_session.get_mut(&session) {
            aliases.remove(alias);
            if aliases.is_empty() {
                self.by_session.remove(&session);
            }
        }
    }
}

impl Kernel {
    /// Gives the active session a name that others can send to (POE: `alias_set`).
    ///
    /// A session may have many aliases, and keeps each for as long as it lives; setting one again is no error. An alias
    /// keeps its session alive, but does not keep the kernel from being idle: when nothing else is left, sessions that
    /// only have aliases are stopped. Outside a handler the name is the kernel's.
    ///
    /// ```
    /// use poe_kernel::{Kernel, SessionId};
    ///
    /// let kernel = Kernel::new()?;
    /// kernel.alias_set("root")?;
    /// assert_eq!(kernel.alias_resolve("root"), Some(SessionId::KERNEL));
    /// assert_eq!(kernel.alias_list(SessionId::KERNEL), ["root"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AliasError::InUse`] when another session has the alias, [`AliasError::Stopped`] when the active session has
    /// stopped.
    #[track_caller]
    pub fn alias_set(&self, alias: impl AsRef<str>) -> Result<(), AliasError> {
        let set = self.set_alias(alias.as_ref(), self.place());
        self.returned("alias_set", Asserts::RETVALS | Asserts::USAGE, set)
    }

    fn set_alias(&self, alias: &str, since: Place) -> Result<(), AliasError> {
        let session = self.active_session();
        let mut aliases = self.inner.aliases.borrow_mut();
        match aliases.owner(alias) {
            Some(owner) if owner == session => return Ok(()),
            Some(owner) => return Err(AliasError::InUse { alias: alias.to_owned(), owner }),
            None => {}
        }
        let mut sessions = self.inner.sessions.borrow_mut();
        if !session.is_kernel() && !sessions.is_live(session) {
            return Err(AliasError::Stopped { alias: alias.to_owned(), session });
        }
        aliases.insert(alias, session, since);
        sessions.hold(session, Hold::Alias);
        drop((aliases, sessions));
        trace!(self, REFCNT, session, at since, "+ alias {alias:?} of session {session}");
        Ok(())
    }

    /// Takes an alias away from the active session (POE: `alias_remove`).
    ///
    /// # Errors
    ///
    /// [`AliasError::Unknown`] when no session has it, [`AliasError::NotYours`] when another session has.
    #[track_caller]
    pub fn alias_remove(&self, alias: impl AsRef<str>) -> Result<(), AliasError> {
        let removed = self.remove_alias(alias.as_ref());
        self.returned("alias_remove", Asserts::RETVALS | Asserts::USAGE, removed)
    }

    #[track_caller]
    fn remove_alias(&self, alias: &str) -> Result<(), AliasError> {
        let session = self.active_session();
        let mut aliases = self.inner.aliases.borrow_mut();
        match aliases.owner(alias) {
            Some(owner) if owner == session => {
                aliases.remove(alias, session);
                drop(aliases);
                self.inner.sessions.borrow_mut().release(session, Hold::Alias);
                trace!(self, REFCNT, session, "- alias {alias:?} of session {session}");
                Ok(())
            }
            Some(owner) => Err(AliasError::NotYours { alias: alias.to_owned(), owner }),
            None => Err(AliasError::Unknown { alias: alias.to_owned() }),
        }
    }

    /// The session that a destination means now (POE: `alias_resolve`).
    #[must_use]
    pub fn alias_resolve(&self, destination: impl Destination) -> Option<SessionId> {
        destination.resolve(self)
    }

    /// The aliases of a session, sorted (POE: `alias_list`).
    #[must_use]
    pub fn alias_list(&self, session: SessionId) -> Vec<String> {
        let aliases = self.inner.aliases.borrow();
        aliases.of(session).map(|(alias, _)| alias.to_owned()).collect()
    }
}
