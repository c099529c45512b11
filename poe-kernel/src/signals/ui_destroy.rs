//! `UIDESTROY`: a window is closed, and with it the program.

use std::sync::Arc;

use crate::{Kernel, Name, Wake, WeakKernel};

/// Tells the kernel that its user interface is gone; [`Kernel::signal_ui_destroy`] makes it.
#[derive(Clone, Debug)]
#[must_use]
pub struct UiDestroy {
    kernel: WeakKernel,
    waker: Arc<dyn Wake>,
}

impl UiDestroy {
    /// Sends `UIDESTROY` to every session, if there is any, and has the kernel see to it.
    ///
    /// Unlike all else of a kernel this may be called while its event loop waits, as the callbacks of a toolkit are.
    #[track_caller]
    pub fn notify(&self) {
        let Some(kernel) = self.kernel.upgrade() else { return };
        if kernel.session_count() > 0 {
            kernel.signal_all(Name::new("UIDESTROY"));
            self.waker.wake();
        }
    }
}

impl Kernel {
    /// What a toolkit is to call when a window is closed that the program ends with (POE: `signal_ui_destroy`, which is
    /// given the window).
    ///
    /// Every session that watches `UIDESTROY` is told, leaves first, and then all are stopped, whatever they say to it.
    ///
    /// ```
    /// # use poe_kernel::{Delivery, Dispatch, Kernel, Outcome};
    /// # struct Mute;
    /// # impl Dispatch for Mute {
    /// #     fn dispatch(&self, _: Delivery<'_>) -> Outcome {
    /// #         Ok(())
    /// #     }
    /// # }
    /// # struct Window(Option<Box<dyn Fn()>>);
    /// # impl Window {
    /// #     fn on_close(&mut self, f: impl Fn() + 'static) { self.0 = Some(Box::new(f)); }
    /// #     fn close(&self) { self.0.as_ref().unwrap()() }
    /// # }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut window = Window(None);
    /// let kernel = Kernel::new()?;
    /// # let session = kernel.session_alloc(std::rc::Rc::new(Mute), ())?;
    /// # kernel.refcount_increment(session, "has work")?;
    /// let destroyed = kernel.signal_ui_destroy();
    /// window.on_close(move || destroyed.notify());
    /// // And when the user closes it:
    /// window.close();
    /// kernel.run()?;
    /// assert_eq!(kernel.session_count(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn signal_ui_destroy(&self) -> UiDestroy {
        UiDestroy { kernel: self.downgrade(), waker: self.inner.event_loop.borrow().waker() }
    }
}
