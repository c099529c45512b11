//! Postbacks and callbacks: events of a session as things to hand to others.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;

use poe_kernel::{CallError, KeepAlive, Kernel, Name, NoSession, PostError, SessionId, WeakKernel};

use crate::{Scope, Suspended};

/// Posts its session an event when it is invoked; made by [`Cx::postback`](crate::Cx::postback).
///
/// ```
/// use poe_session::prelude::*;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kernel = Kernel::new()?;
/// Session::build(())
///     .on_start(|cx| -> HandlerResult {
///         let when_done: Postback<&str, u32> = cx.postback("done", "job 1");
///         when_done.post(42)?;
///         Ok(())
///     })
///     .on("done", |_, (job, result): (&str, u32)| assert_eq!((job, result), ("job 1", 42)))
///     .spawn(&kernel)?;
/// kernel.run()?;
/// # Ok(())
/// # }
/// ```
pub struct Postback<C, A> {
    target: Target<C>,
    invoked: PhantomData<fn(A)>,
}

impl<C: Clone + 'static, A: 'static> Postback<C, A> {
    #[track_caller]
    pub(crate) fn new(kernel: &Kernel, session: SessionId, event: Name, created: C) -> Self {
        Self { target: Target::new(kernel, session, event, created), invoked: PhantomData }
    }

    /// Posts the event.
    ///
    /// # Errors
    ///
    /// [`PostError`] when the session has stopped, its kernel is gone, or too many events wait.
    #[track_caller]
    pub fn post(&self, args: A) -> Result<(), PostError> {
        let Target { session, event, created, .. } = &self.target;
        match self.target.kernel.upgrade() {
            Some(kernel) => kernel.post(*session, *event, (created.clone(), args)),
            None => Err(self.target.gone().into()),
        }
    }

    /// Lets the session end although the postback is still there (POE: `weaken`).
    #[must_use]
    pub fn weaken(self) -> Self {
        drop(self.target.held.take());
        self
    }
}

/// Calls its session when it is invoked; made by [`Cx::callback`](crate::Cx::callback).
///
/// ```
/// # use poe_session::prelude::*;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
/// type Price = Callback<&'static str, u32, u32>;
///
/// let shop = Session::build(3_u32)
///     .on("price", |cx, (currency, count): (&str, u32)| {
///         assert_eq!(currency, "EUR");
///         Reply(*cx.heap * count)
///     })
///     .on("ask", |cx, ()| {
///         let price: Price = cx.callback("price", "EUR");
///         Reply(price)
///     })
///     .spawn(&kernel)?;
/// let price: Price = kernel.call(shop, "ask", ())?;
/// assert_eq!(price.call(&kernel, 7)?, 21);
/// drop(price); // It has kept the shop open.
/// # kernel.run()?;
/// # Ok(())
/// # }
/// ```
pub struct Callback<C, A, R> {
    target: Target<C>,
    invoked: PhantomData<fn(A) -> R>,
}

impl<C: Clone + 'static, A: 'static, R: 'static> Callback<C, A, R> {
    #[track_caller]
    pub(crate) fn new(kernel: &Kernel, session: SessionId, event: Name, created: C) -> Self {
        Self { target: Target::new(kernel, session, event, created), invoked: PhantomData }
    }

    /// Calls the session; from a handler pass its `cx`, as the session may be its own.
    ///
    /// # Errors
    ///
    /// As for [`Kernel::call`].
    #[track_caller]
    pub fn call(&self, scope: impl Scope, args: A) -> Result<R, CallError> {
        let Target { session, event, created, .. } = &self.target;
        let mut suspended = scope.suspend();
        let result = suspended.kernel().call(*session, *event, (created.clone(), args));
        suspended.resume();
        result
    }

    /// Lets the session end although the callback is still there (POE: `weaken`).
    #[must_use]
    pub fn weaken(self) -> Self {
        drop(self.target.held.take());
        self
    }
}

const TAG: &str = "anon_event";

/// A session to be kept alive, and the event it gets.
#[derive(Clone)]
struct Target<C> {
    kernel: WeakKernel,
    session: SessionId,
    event: Name,
    created: C,
    /// None where it is weak, or the session was gone already.
    held: RefCell<Option<KeepAlive>>,
}

impl<C> Target<C> {
    #[track_caller]
    fn new(kernel: &Kernel, session: SessionId, event: Name, created: C) -> Self {
        let held = RefCell::new(kernel.keep_alive(session, TAG).ok());
        Self { kernel: kernel.downgrade(), session, event, created, held }
    }

    fn gone(&self) -> NoSession {
        NoSession { destination: self.session.to_string(), event: self.event }
    }
}

/// Both post the event. Each keeps the session alive by itself, but for a weakened one.
impl<C: Clone, A> Clone for Postback<C, A> {
    fn clone(&self) -> Self {
        Self { target: self.target.clone(), invoked: PhantomData }
    }
}

/// Both call the session. Each keeps it alive by itself, but for a weakened one.
impl<C: Clone, A, R> Clone for Callback<C, A, R> {
    fn clone(&self) -> Self {
        Self { target: self.target.clone(), invoked: PhantomData }
    }
}

impl<C> fmt::Debug for Target<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {} event {:?}", self.session, self.event)
    }
}

impl<C, A> fmt::Debug for Postback<C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Postback({:?})", self.target)
    }
}

impl<C, A, R> fmt::Debug for Callback<C, A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Callback({:?})", self.target)
    }
}
