//! What a handler may return.

use poe_kernel::{BoxError, Failure, Outcome, ReplyTo, TimerId};

/// A handler's value for whoever called it; for a `_start` or `_stop`, what the parent is told.
///
/// ```
/// use poe_session::prelude::*;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kernel = Kernel::new()?;
/// let adder = Session::build(()).on("add", |_, (a, b): (u32, u32)| Reply(a + b)).spawn(&kernel)?;
/// assert_eq!(kernel.call::<u32, _>(adder, "add", (2_u32, 3_u32))?, 5);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<T>(pub T);

/// What a handler that may fail returns, when it is to be written out: `|cx, n: u32| -> HandlerResult { … Ok(()) }`.
///
/// A `main` may return it, too. One that returns a `Result<(), Box<dyn Error>>` cannot pass on the error of a function that
/// returns this by `?` alone.
pub type HandlerResult<T = ()> = Result<T, BoxError>;

/// What a handler returns: nothing, a [`Reply`], or a `Result` of either. An error raises `DIE` in the session.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    note = "a handler returns nothing, `Reply(value)` for whoever calls it, or a `Result` of either, as `HandlerResult`",
    note = "one that never returns says what it would: `|cx, ()| -> HandlerResult {{ … }}`"
)]
pub trait IntoOutcome {
    /// Hands the value to the caller.
    ///
    /// # Errors
    ///
    /// [`Failure::Error`] with the handler's error, or [`Failure::WrongReply`] when the caller waits for another type.
    fn into_outcome(self, reply: ReplyTo<'_>) -> Outcome;
}

impl IntoOutcome for () {
    #[inline]
    fn into_outcome(self, _: ReplyTo<'_>) -> Outcome {
        Ok(())
    }
}

/// The same as `Reply(bool)`, so that a handler may end with a method that answers yes or no, as a wheel's `put`.
impl IntoOutcome for bool {
    #[inline]
    fn into_outcome(self, reply: ReplyTo<'_>) -> Outcome {
        Reply(self).into_outcome(reply)
    }
}

/// The same as `Reply(id)`, so that a handler may end with setting a timer.
impl IntoOutcome for TimerId {
    fn into_outcome(self, reply: ReplyTo<'_>) -> Outcome {
        Reply(self).into_outcome(reply)
    }
}

/// `None` is nothing.
impl<T: IntoOutcome> IntoOutcome for Option<T> {
    fn into_outcome(self, reply: ReplyTo<'_>) -> Outcome {
        self.map_or(Ok(()), |outcome| outcome.into_outcome(reply))
    }
}

impl<T: 'static> IntoOutcome for Reply<T> {
    #[inline]
    fn into_outcome(self, reply: ReplyTo<'_>) -> Outcome {
        let returned = std::any::type_name::<T>();
        reply.put(self.0).map_err(|expected| Failure::WrongReply { expected, returned }.into())
    }
}

impl<T: IntoOutcome, E: Into<BoxError>> IntoOutcome for Result<T, E> {
    #[inline]
    fn into_outcome(self, reply: ReplyTo<'_>) -> Outcome {
        self.map_err(|error| Failure::Error(error.into()))?.into_outcome(reply)
    }
}
