//! Extra references.

use poe_kernel::{Name, RefcountError, SessionId};

use super::Cx;
use crate::Kind;

impl<H: 'static, K: Kind> Cx<'_, H, K> {
    /// As [`Kernel::refcount_increment`](poe_kernel::Kernel::refcount_increment).
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
        self.kernel.refcount_increment(session, tag)
    }

    /// As [`Kernel::refcount_decrement`](poe_kernel::Kernel::refcount_decrement).
    ///
    /// # Errors
    ///
    /// [`RefcountError`] when there is no such session, or nothing to give back.
    pub fn refcount_decrement(
        &self,
        session: SessionId,
        tag: impl Into<Name>,
    ) -> Result<u32, RefcountError> {
        self.kernel.refcount_decrement(session, tag)
    }
}
