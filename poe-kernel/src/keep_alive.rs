//! `KeepAlive`: an extra reference with an owner.

use std::fmt;

use crate::{Asserts, Kernel, Name, Place, RefcountError, SessionId, WeakKernel};

/// Keeps a session alive until it is dropped; made by [`Kernel::keep_alive`].
///
/// This is what postbacks hold their sessions by. It does not keep the kernel itself, and a session that is stopped by
/// force, as by a signal, is stopped all the same.
#[must_use = "what it holds it gives back when it is dropped"]
pub struct KeepAlive {
    kernel: WeakKernel,
    session: SessionId,
    tag: Name,
    since: Place,
}

impl KeepAlive {
    /// The session.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// What the reference is tagged, for whoever asks why the session lives.
    #[must_use]
    pub fn tag(&self) -> Name {
        self.tag
    }
}

impl Kernel {
    /// Keeps a session alive for as long as what is returned is there.
    ///
    /// This is an extra reference whose owner alone can give it back: [`Kernel::refcount_decrement`] with the same tag does
    /// not reach it. The tag is what [`Kernel::why_alive`] shows, with the line that called this. POE's postbacks count as
    /// references of the tag `anon_event`, which anyone may give back.
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
    /// let download = kernel.keep_alive(session, "download")?;
    /// kernel.run_one_timeslice()?;
    /// assert!(kernel.is_live(session));
    /// assert!(kernel.refcount_decrement(session, "download").is_err());
    /// drop(download);
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
    pub fn keep_alive(
        &self,
        session: SessionId,
        tag: impl Into<Name>,
    ) -> Result<KeepAlive, RefcountError> {
        let (tag, since) = (tag.into(), self.place());
        let taken = self.take(session, tag, since);
        self.returned("keep_alive", Asserts::RETVALS, taken)?;
        Ok(KeepAlive { kernel: self.downgrade(), session, tag, since })
    }
}

/// Each holds the session by itself, and is shown at the line that made the first.
impl Clone for KeepAlive {
    fn clone(&self) -> Self {
        let Self { kernel, session, tag, since } = self;
        if let Some(kernel) = kernel.upgrade() {
            // Where the session has stopped, there is nothing to hold.
            let _ = kernel.take(*session, *tag, since);
        }
        Self { kernel: kernel.clone(), session: *session, tag: *tag, since }
    }
}

impl Drop for KeepAlive {
    fn drop(&mut self) {
        if let Some(kernel) = self.kernel.upgrade() {
            kernel.give_back(self.session, self.tag, self.since);
        }
    }
}

impl fmt::Debug for KeepAlive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeepAlive(session {} {:?} since {})", self.session, self.tag, self.since)
    }
}
