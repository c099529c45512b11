//! Aliases of the session whose handler runs.

use poe_kernel::{AliasError, Destination, SessionId};

use super::Cx;
use crate::Kind;

impl<H: 'static, K: Kind> Cx<'_, H, K> {
    /// As [`Kernel::alias_set`](poe_kernel::Kernel::alias_set).
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// let logger = Session::build(Vec::new())
    ///     .on_start(|cx| cx.alias_set("logger"))
    ///     .on("log", |cx, line: String| cx.heap.push(line))
    ///     .on("close", |cx, ()| cx.alias_remove("logger"))
    ///     .on_stop(|cx| assert_eq!(*cx.heap, ["hello"]))
    ///     .spawn(&kernel)?;
    /// Session::build(())
    ///     .on_start(move |cx| -> HandlerResult {
    ///         assert_eq!(cx.alias_resolve("logger"), Some(logger));
    ///         cx.post("logger", "log", String::from("hello"))?;
    ///         cx.post("logger", "close", ())?;
    ///         Ok(())
    ///     })
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
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
