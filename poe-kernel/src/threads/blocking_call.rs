//! Blocking work whose result is not an event: what wheels are made of.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::blocking::{TAG, Wants};
use super::inbox::Parcel;
use crate::{BlockingError, BlockingRefused, Kernel, Name, Place, SessionId, Timeout};

/// Blocking work that was begun by [`Kernel::call_blocking`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockingCall(u64);

/// Takes the result of a call, a `Result<T, BlockingError>` whose type is hidden; `None` if it is left to a parent process.
type Then = Box<dyn FnOnce(&Kernel, Option<Box<dyn Any + Send>>)>;

/// The calls whose work is under way.
#[derive(Default)]
pub(super) struct BlockingCalls {
    last: Cell<u64>,
    pending: RefCell<BTreeMap<u64, Pending>>,
}

struct Pending {
    session: SessionId,
    since: Place,
    then: Then,
}

impl Kernel {
    /// Has another thread do what would hold up this one, and calls `then` for a session with the result, instead of
    /// sending an event; what wheels are made of.
    ///
    /// The work keeps the session alive until it has been called, or the call is cancelled. It takes its turn with all
    /// [blocking](Kernel::blocking) work, but the kernel's end does not wait for it: let it change nothing that matters.
    ///
    /// ```
    /// # use std::cell::Cell;
    /// # use std::rc::Rc;
    /// # use poe_kernel::{BlockingRefused, Delivery, Dispatch, Kernel, Outcome};
    /// # struct Mute;
    /// # impl Dispatch for Mute {
    /// #     fn dispatch(&self, _: Delivery<'_>) -> Outcome { Ok(()) }
    /// # }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// # let session = kernel.session_alloc(Rc::new(Mute), ())?;
    /// let sum = Rc::new(Cell::new(0));
    /// let s = Rc::clone(&sum);
    /// let work = || (1..=100).sum::<i32>();
    /// kernel
    ///     .call_blocking(session, work, move |_, sum| s.set(sum.unwrap_or(0)))
    ///     .map_err(BlockingRefused::without_work)?;
    /// kernel.run()?;
    /// assert_eq!(sum.get(), 5050);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`Kernel::blocking`], about `session` instead of the active one.
    #[track_caller]
    pub fn call_blocking<F, T>(
        &self,
        session: SessionId,
        work: F,
        then: impl FnOnce(&Self, Result<T, BlockingError>) + 'static,
    ) -> Result<BlockingCall, BlockingRefused<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let calls = &self.inner.threads.calls;
        let number = calls.last.get() + 1;
        calls.last.set(number);
        let done = move |result: Result<T, BlockingError>| -> Box<dyn Parcel> {
            Box::new(Called { number, result: Box::new(result) })
        };
        let since = self.place();
        self.begin_blocking(session, work, done, Wants { room: false, call: Some(number), since })?;
        let then: Then = Box::new(move |kernel, result| match result.map(|it| it.downcast()) {
            Some(Ok(result)) => then(kernel, *result),
            _ => then(kernel, Err(BlockingError::LeftToParent)),
        });
        calls.pending.borrow_mut().insert(number, Pending { session, since, then });
        Ok(BlockingCall(number))
    }

    /// Takes a [`Kernel::call_blocking`] back: work that has begun is done in vain. One that has been made already is no
    /// error.
    pub fn cancel_blocking(&self, call: BlockingCall) {
        if let Some(Pending { session, since, then }) = self.take_call(call.0) {
            let pool = self.inner.threads.pool.borrow().as_ref().map(Rc::clone);
            if let Some(pool) = pool {
                pool.cancel(|job| job.call == Some(call.0));
            }
            self.give_back(session, Name::new(TAG), since);
            drop(then);
        }
    }

    /// Cancels the calls for a session that has stopped.
    pub(super) fn cancel_calls_of(&self, stopped: SessionId) {
        for number in self.calls(|session| session == stopped) {
            self.cancel_blocking(BlockingCall(number));
        }
    }

    /// Has those who wait for a parent's threads learn that they wait in vain.
    pub(super) fn leave_calls_to_parent(&self) {
        for number in self.calls(|_| true) {
            if let Some(Pending { session, since, then }) = self.take_call(number) {
                // The timer keeps the session alive until it has been told.
                let told = LeftToParent(Cell::new(Some(then)));
                self.call_later(session, Duration::ZERO, Rc::new(told));
                self.give_back(session, Name::new(TAG), since);
            }
        }
    }

    /// Each call whose work is under way is waited for until this is called.
    fn take_call(&self, number: u64) -> Option<Pending> {
        let threads = &self.inner.threads;
        let call = threads.calls.pending.borrow_mut().remove(&number)?;
        threads.arrivals.expect_less(1);
        Some(call)
    }

    fn calls(&self, which: impl Fn(SessionId) -> bool) -> Vec<u64> {
        let pending = self.inner.threads.calls.pending.borrow();
        let wanted = pending.iter().filter(|(_, call)| which(call.session));
        wanted.map(|(number, _)| *number).collect()
    }
}

/// The result of work on its way to its call.
struct Called {
    number: u64,
    result: Box<dyn Any + Send>,
}

impl Parcel for Called {
    fn open(self: Box<Self>, kernel: &Kernel) {
        if let Some(Pending { session, since, then }) = kernel.take_call(self.number) {
            kernel.run_part(session, Name::new(TAG), || then(kernel, Some(self.result)));
            kernel.give_back(session, Name::new(TAG), since);
        }
    }
}

struct LeftToParent(Cell<Option<Then>>);

impl Timeout for LeftToParent {
    fn timed_out(&self, kernel: &Kernel) {
        if let Some(then) = self.0.take() {
            then(kernel, None);
        }
    }
}

impl fmt::Debug for BlockingCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.pending.borrow().keys()).finish()
    }
}
