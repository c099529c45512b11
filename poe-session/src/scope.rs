//! Where something may be done that runs other handlers.

use poe_kernel::Kernel;

use crate::{Cx, Kind};

/// Where something that runs other handlers may be done from: `&kernel` outside handlers, `cx` inside.
#[diagnostic::on_unimplemented(
    message = "nothing can be done from `{Self}` that runs other handlers",
    note = "pass `&kernel` outside of handlers, and in a handler `cx`, or `&mut *cx` where it is needed again"
)]
pub trait Scope {
    /// What the scope becomes while it lends the heap.
    type Suspended: Suspended;

    /// Lets go of the heap that a handler holds, if this is a handler's.
    fn suspend(self) -> Self::Suspended;
}

/// A kernel whose active session, if it has one, has let go of its heap until [`Suspended::resume`].
pub trait Suspended {
    /// The kernel.
    fn kernel(&self) -> &Kernel;

    /// Takes the heap again.
    fn resume(&mut self);
}

impl<'k> Scope for &'k Kernel {
    type Suspended = &'k Kernel;

    fn suspend(self) -> Self {
        self
    }
}

impl Suspended for &Kernel {
    fn kernel(&self) -> &Kernel {
        self
    }

    fn resume(&mut self) {}
}

impl<'c, 'a, H: 'static, K: Kind> Scope for &'c mut Cx<'a, H, K> {
    type Suspended = Self;

    fn suspend(self) -> Self {
        self.heap.release();
        self
    }
}

impl<H: 'static, K: Kind> Suspended for &mut Cx<'_, H, K> {
    fn kernel(&self) -> &Kernel {
        self.kernel
    }

    fn resume(&mut self) {
        Cx::take_heap(self);
    }
}
