//! Extra references.

use poe_kernel::{KeepAlive, Name, RefcountError, SessionId};

use super::Cx;
use crate::Kind;

impl<H: 'static, K: Kind> Cx<'_, H, K> {
    /// As [`Kernel::refcount_increment`](poe_kernel::Kernel::refcount_increment).
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// use std::time::Duration;
    ///
    /// // Whoever asks waits for the answer, though nothing else keeps it.
    /// let oracle = Session::build(())
    ///     .on("ask", |cx, question: &str| -> HandlerResult {
    ///         cx.refcount_increment(cx.sender(), "answer")?;
    ///         cx.delay_set("answer", Duration::from_secs(1), (cx.sender(), question.len()));
    ///         Ok(())
    ///     })
    ///     .on("answer", |cx, (asked, answer): (SessionId, usize)| -> HandlerResult {
    ///         cx.post(asked, "answer", answer)?;
    ///         cx.refcount_decrement(asked, "answer")?;
    ///         Ok(())
    ///     })
    ///     .spawn(&kernel)?;
    /// Session::build(0)
    ///     .on_start(move |cx| cx.post(oracle, "ask", "why?"))
    ///     .on("answer", |cx, answer: usize| *cx.heap = answer)
    ///     .on_stop(|cx| assert_eq!(*cx.heap, 4))
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
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
        self.kernel.refcount_increment(session, tag)
    }

    /// As [`Kernel::refcount_decrement`](poe_kernel::Kernel::refcount_decrement).
    ///
    /// # Errors
    ///
    /// [`RefcountError`] when there is no such session, or nothing to give back.
    #[track_caller]
    pub fn refcount_decrement(
        &self,
        session: SessionId,
        tag: impl Into<Name>,
    ) -> Result<u32, RefcountError> {
        self.kernel.refcount_decrement(session, tag)
    }

    /// As [`Kernel::keep_alive`](poe_kernel::Kernel::keep_alive), of this session.
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// let session = Session::build(None)
    ///     .on_start(|cx| -> HandlerResult {
    ///         *cx.heap = Some(cx.keep_alive("visitors")?);
    ///         Ok(())
    ///     })
    ///     .on("close", |cx, ()| *cx.heap = None)
    ///     .spawn(&kernel)?;
    /// kernel.run_one_timeslice()?;
    /// assert!(kernel.is_live(session));
    /// kernel.post(session, "close", ())?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`RefcountError::NoSession`] when the session has been stopped.
    #[track_caller]
    pub fn keep_alive(&self, tag: impl Into<Name>) -> Result<KeepAlive, RefcountError> {
        self.kernel.keep_alive(self.session(), tag)
    }
}
