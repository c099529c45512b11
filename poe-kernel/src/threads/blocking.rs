//! `blocking`: work that would hold up the kernel, done by other threads.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::inbox::Parcel;
use super::pool::{Job, NoRoom, Pool};
use crate::queue::Kind;
use crate::{Caller, EventFor, Kernel, KernelBuilder, Name, Panic, SessionId};

pub(super) const TAG: &str = "blocking";

impl Kernel {
    /// Has another thread do what would hold up this one, and sends the active session the result.
    ///
    /// The event carries `Result<T, BlockingError>`: what `work` returned, or that it panicked. Its sender is the session
    /// itself. Results come in the order in which they are had. POE has no counterpart but a child process.
    ///
    /// The session lives until it has the result: the work counts as an extra reference, tagged `blocking`. Work of a
    /// session that is stopped all the same is never begun, or its result is dropped.
    ///
    /// The threads belong to the kernel. They are made when there is work for them, up to
    /// [`KernelBuilder::blocking_threads`], and end when there has been none for a while. With the kernel they end too: it
    /// drops what has not begun, and waits for what has, as long as [`KernelBuilder::blocking_grace`] says.
    ///
    /// ```
    /// # use std::cell::RefCell;
    /// # use std::rc::Rc;
    /// # use poe_kernel::{Delivery, Dispatch, Failure, Kernel, Outcome, take};
    /// use poe_kernel::{BlockingError, Event};
    ///
    /// const READ: Event<Result<std::io::Result<String>, BlockingError>> = Event::new("read");
    ///
    /// # #[derive(Default)]
    /// struct Reader {
    ///     // ...
    /// #     text: RefCell<String>,
    /// }
    ///
    /// impl Dispatch for Reader {
    ///     fn dispatch(&self, delivery: Delivery<'_>) -> Outcome {
    ///         match delivery.event.as_str() {
    ///             "_start" => {
    ///                 let work = || std::fs::read_to_string("Cargo.toml");
    ///                 delivery.kernel.blocking(work, READ).map_err(|full| Failure::Error(full.into()))?;
    ///             }
    ///             "read" => {
    ///                 let done: Option<Result<std::io::Result<String>, BlockingError>> =
    ///                     take(delivery.payload);
    /// #               if let Some(Ok(Ok(text))) = done { self.text.replace(text); }
    ///                 // ...
    ///             }
    ///             _ => {}
    ///         }
    ///         Ok(())
    ///     }
    /// }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// # let reader = Rc::new(Reader::default());
    /// # kernel.session_alloc(reader.clone(), ())?;
    /// # kernel.run()?;
    /// # assert!(reader.text.borrow().contains("poe-kernel"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`BlockingRefused`] gives the work back: when there is as much already as may be, when the system has no thread
    /// for it, or when no session is active. To return it from a handler, drop the work:
    /// `.map_err(BlockingRefused::without_work)?`.
    #[track_caller]
    pub fn blocking<F, T>(
        &self,
        work: F,
        event: impl EventFor<Result<T, BlockingError>>,
    ) -> Result<(), BlockingRefused<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.blocking_event(work, event.name(), false)
    }

    /// As [`Kernel::blocking`], but if there is as much work already as may be, it waits here until some of it is done.
    ///
    /// The kernel does nothing else meanwhile: it dispatches no event and takes nothing in. What the work itself wants of
    /// the kernel it must not wait for; a [`Poster`](crate::Poster) that it uses says so instead of waiting.
    ///
    /// # Errors
    ///
    /// As for [`Kernel::blocking`], but for [`BlockingRefused::Full`].
    #[track_caller]
    pub fn blocking_wait<F, T>(
        &self,
        work: F,
        event: impl EventFor<Result<T, BlockingError>>,
    ) -> Result<(), BlockingRefused<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.blocking_event(work, event.name(), true)
    }

    #[track_caller]
    fn blocking_event<F, T>(
        &self,
        work: F,
        event: Name,
        waits: bool,
    ) -> Result<(), BlockingRefused<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.is_misused(if waits { "blocking_wait" } else { "blocking" });
        let (session, caller) = (self.active_session(), self.caller());
        let done =
            move |result| -> Box<dyn Parcel> { Box::new(Done { session, event, caller, result }) };
        let wants = Wants { room: waits, call: None, since: caller.location };
        self.begin_blocking(session, work, done, wants)
    }

    pub(super) fn begin_blocking<F, T>(
        &self,
        session: SessionId,
        work: F,
        done: impl FnOnce(Result<T, BlockingError>) -> Box<dyn Parcel> + Send + 'static,
        wants: Wants,
    ) -> Result<(), BlockingRefused<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        if !self.is_live(session) {
            return Err(BlockingRefused::NoSession { work });
        }
        let (inbox, threads) = (Arc::clone(self.inbox()), &self.inner.threads);
        let pool = Rc::clone(
            (threads.pool.borrow_mut())
                .get_or_insert_with(|| Rc::new(Pool::new(threads.settings.pool))),
        );
        let mut room = pool.room(false);
        if wants.room && matches!(room, Err(NoRoom::Full)) {
            inbox.set_home_waits(true);
            room = pool.room(true);
            inbox.set_home_waits(false);
        }
        let room = match room {
            Ok(room) => room,
            Err(NoRoom::Full) => {
                return Err(BlockingRefused::Full { work, capacity: pool.capacity() });
            }
            Err(NoRoom::NoThread(source)) => {
                return Err(BlockingRefused::NoThread { work, source });
            }
        };
        let run = Box::new(move |end: &dyn Fn()| {
            let result = inbox.work(|| catch_unwind(AssertUnwindSafe(work)));
            end();
            let result = result.map_err(|panic| BlockingError::Panicked(Panic::new(panic)));
            inbox.put(done(result));
        });
        room.fill(Job { session, call: wants.call, run });
        threads.arrivals.expect_one();
        // It lives, so that this is no error.
        let _ = self.take(session, Name::new(TAG), wants.since);
        Ok(())
    }

    /// Drops the work of a session that has stopped, as far as it has not begun.
    pub(crate) fn forget_blocking(&self, session: SessionId) {
        let threads = &self.inner.threads;
        let pool = threads.pool.borrow().as_ref().map(Rc::clone);
        if let Some(pool) = pool {
            let is_its = |job: &Job| job.session == session && job.call.is_none();
            threads.arrivals.expect_less(pool.cancel(is_its));
        }
        self.cancel_calls_of(session);
    }

    /// Waits for no work any more, because the threads that do it are those of a parent process.
    pub(crate) fn disown_blocking(&self) {
        let threads = &self.inner.threads;
        if threads.pool.take().is_some() {
            // What was done before the fork has come to both processes.
            self.open_arrivals();
            self.leave_calls_to_parent();
            let sessions: Vec<SessionId> = self.inner.sessions.borrow().iter().collect();
            for session in sessions {
                let tag = Name::new(TAG);
                let taken = || self.inner.references.borrow().taken(session, tag);
                while let Some(since) = taken() {
                    self.give_back(session, tag, since);
                    threads.arrivals.expect_less(1);
                }
            }
        }
    }
}

/// What blocking work wants of the kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wants {
    /// It waits for room, instead of being refused.
    pub(super) room: bool,
    /// Its result is for this call, and nobody waits for it at the kernel's end.
    pub(super) call: Option<u64>,
    /// Where it was asked for.
    pub(super) since: &'static Location<'static>,
}

/// Why there is no result of blocking work.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BlockingError {
    /// It panicked.
    #[error("blocking work panicked: {}", .0.message())]
    Panicked(Panic),
    /// It is done by a thread of the parent process (see [`Kernel::has_forked`]).
    #[error("blocking work was left to the parent process; begin it again")]
    LeftToParent,
}

/// Why blocking work was not begun. It gives the work back.
#[derive(Error)]
#[non_exhaustive]
pub enum BlockingRefused<F> {
    /// No session is active that the result could be for, or it has stopped.
    #[error("blocking work is for the active session, and none is; begin it in a handler")]
    NoSession {
        /// The work.
        work: F,
    },
    /// There is as much already as may be, begun or waiting.
    #[error(
        "{capacity} pieces of blocking work are under way, as many as may be; try again when one is done"
    )]
    Full {
        /// The work.
        work: F,
        /// How much there may be.
        capacity: usize,
    },
    /// The operating system makes no thread, and there is none yet.
    #[error("no thread for blocking work: {source}")]
    NoThread {
        /// The work.
        work: F,
        /// Why.
        source: io::Error,
    },
}

impl<F> BlockingRefused<F> {
    /// The same, with the work dropped: an error that a handler can return, whatever the work is made of.
    #[must_use]
    pub fn without_work(self) -> BlockingRefused<()> {
        match self {
            Self::NoSession { .. } => BlockingRefused::NoSession { work: () },
            Self::Full { capacity, .. } => BlockingRefused::Full { work: (), capacity },
            Self::NoThread { source, .. } => BlockingRefused::NoThread { work: (), source },
        }
    }

    /// The work.
    pub fn into_work(self) -> F {
        match self {
            Self::NoSession { work } | Self::Full { work, .. } | Self::NoThread { work, .. } => {
                work
            }
        }
    }
}

impl<F> fmt::Debug for BlockingRefused<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::NoSession { .. } => "NoSession",
            Self::Full { .. } => "Full",
            Self::NoThread { .. } => "NoThread",
        };
        f.debug_struct(name).finish_non_exhaustive()
    }
}

impl KernelBuilder {
    /// How many threads may do blocking work at a time; 8 if nothing is said here, and 1 at least.
    pub fn blocking_threads(mut self, threads: usize) -> Self {
        self.threads.pool.threads = threads;
        self
    }

    /// How much blocking work may wait for a thread, besides what is being done; 256 pieces if nothing is said here.
    pub fn blocking_queue(mut self, pieces: usize) -> Self {
        self.threads.pool.queue = pieces;
        self
    }

    /// How long a thread waits for blocking work before it ends; 10 seconds if nothing is said here.
    pub fn blocking_idle(mut self, time: Duration) -> Self {
        self.threads.pool.idle = time;
        self
    }

    /// How long the kernel's end waits for blocking work that has begun; 5 seconds if nothing is said here.
    ///
    /// Once this work is done its threads have ended. What takes longer is left to itself: nothing can stop it, and
    /// nobody gets its result.
    pub fn blocking_grace(mut self, time: Duration) -> Self {
        self.threads.pool.grace = time;
        self
    }
}

/// The result of work on its way to its session.
struct Done<T> {
    session: SessionId,
    event: Name,
    caller: Caller,
    result: Result<T, BlockingError>,
}

impl<T: Send + 'static> Parcel for Done<T> {
    fn open(self: Box<Self>, kernel: &Kernel) {
        let Self { session, event, caller, result } = *self;
        kernel.inner.threads.arrivals.expect_less(1);
        // A session that has stopped wants no result.
        kernel.enqueue(Kind::Post, session, session, event, caller, result);
        kernel.give_back(session, Name::new(TAG), caller.location);
    }
}
