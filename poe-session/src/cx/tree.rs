//! The place of the session whose handler runs in the tree, and the end of all.

use poe_kernel::{Destination, DetachError, KernelError};

use super::Cx;
use crate::Kind;

impl<H: 'static, K: Kind> Cx<'_, H, K> {
    /// As [`Kernel::detach_myself`](poe_kernel::Kernel::detach_myself).
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// Session::build(())
    ///     .on_start(|cx| {
    ///         Session::build(()).on_start(|cx| cx.detach_myself()).spawn(&mut *cx)?;
    ///         assert!(cx.kernel.children(cx.session()).is_empty());
    ///         HandlerResult::Ok(())
    ///     })
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`DetachError`] when the session is at the top already.
    #[track_caller]
    pub fn detach_myself(&mut self) -> Result<(), DetachError> {
        self.heap.release();
        let result = self.kernel.detach_myself();
        self.take_heap();
        result
    }

    /// As [`Kernel::detach_child`](poe_kernel::Kernel::detach_child).
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// Session::build(())
    ///     .on_start(|cx| -> HandlerResult {
    ///         let child = Session::build(()).on_parent(|_, parent| assert!(parent.new.is_kernel()));
    ///         let child = child.spawn(&mut *cx)?;
    ///         cx.detach_child(child)?;
    ///         assert_eq!(cx.kernel.parent(child), Some(SessionId::KERNEL));
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
    /// [`DetachError`] when there is no such child.
    #[track_caller]
    pub fn detach_child(&mut self, child: impl Destination) -> Result<(), DetachError> {
        self.heap.release();
        let result = self.kernel.detach_child(child);
        self.take_heap();
        result
    }

    /// As [`Kernel::move_child`](poe_kernel::Kernel::move_child).
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// Session::build(())
    ///     .on_start(|cx| -> HandlerResult {
    ///         let [pool, job] = [(); 2].map(|()| Session::build(()).spawn(&mut *cx));
    ///         let (pool, job) = (pool?, job?);
    ///         cx.move_child(job, pool)?;
    ///         assert_eq!(cx.kernel.parent(job), Some(pool));
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
    /// [`DetachError`] when there is no such child, or no such session to give it to.
    #[track_caller]
    pub fn move_child(
        &mut self,
        child: impl Destination,
        to: impl Destination,
    ) -> Result<(), DetachError> {
        self.heap.release();
        let result = self.kernel.move_child(child, to);
        self.take_heap();
        result
    }

    /// As [`Kernel::stop`](poe_kernel::Kernel::stop).
    ///
    /// # Errors
    ///
    /// [`KernelError::HeapHeld`] when another handler up the stack holds its heap: it called through the kernel, not its `cx`.
    #[track_caller]
    pub fn stop(&mut self) -> Result<(), KernelError> {
        self.heap.release();
        let result = self.kernel.stop();
        self.take_heap();
        result
    }
}
