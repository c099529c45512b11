//! Aliases of the session whose handler runs.

use poe_kernel::{AliasError, Destination, SessionId};

use super::Cx;
use crate::Kind;

impl<H: 'static, K: Kind> Cx<'_, H, K> {
    /// As [`Kernel::alias_set`](poe_kernel::Kernel::alias_set).
    ///
    /// # Errors
    ///
    /// [`AliasError::InUse`] when another session has it.
    #[track_caller]
    pub fn alias_set(&self, alias: impl AsRef<str>) -> Result<(), AliasError> {
        self.kernel.alias_set(alias)
    }

    /// As [`Kernel::alias_remove`](poe_kernel::Kernel::alias_remove).
    ///
    /// # Errors
    ///
    /// [`AliasError`] when this session does not have it.
    #[track_caller]
    pub fn alias_remove(&self, alias: impl AsRef<str>) -> Result<(), AliasError> {
        self.kernel.alias_remove(alias)
    }

    /// As [`Kernel::alias_resolve`](poe_kernel::Kernel::alias_resolve).
    #[must_use]
    pub fn alias_resolve(&self, destination: impl Destination) -> Option<SessionId> {
        self.kernel.alias_resolve(destination)
    }

    /// The aliases of this session, sorted (POE: `alias_list`).
    #[must_use]
    pub fn alias_list(&self) -> Vec<String> {
        self.kernel.alias_list(self.session())
    }
}
