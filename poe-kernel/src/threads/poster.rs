//! `Poster`: events from other threads.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use thiserror::Error;

use super::inbox::{Inbox, Parcel, Refusal};
use crate::queue::Kind;
use crate::{Caller, Destination, Diagnostic, EventFor, Kernel, KernelBuilder, Name, SessionId};

/// Posts events into a kernel from any thread, and wakes it.
///
/// This is how threads, callbacks of other libraries and futures hand in what they have. It is `Send`, `Sync` and a cheap
/// `Clone`; [`Kernel::poster`] makes it. POE, whose programs have one thread, has no counterpart.
///
/// ```
/// # use poe_kernel::{Delivery, Dispatch, Failure, Kernel, Outcome, take};
/// # use std::cell::Cell;
/// # use std::rc::Rc;
/// # #[derive(Default)]
/// # struct Sum(Cell<u32>);
/// # impl Dispatch for Sum {
/// #     fn dispatch(&self, delivery: Delivery<'_>) -> Outcome {
/// #         if delivery.event == "add" {
/// #             let n: u32 = take(delivery.payload).ok_or(Failure::WrongPayload { expected: "u32" })?;
/// #             self.0.set(self.0.get() + n);
/// #         }
/// #         Ok(())
/// #     }
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kernel = Kernel::new()?;
/// # let sum = Rc::new(Sum::default());
/// # let session = kernel.session_alloc(sum.clone(), ())?;
/// // This one keeps the session alive, until the thread is done with it.
/// let poster = kernel.poster_for(session);
/// let thread = std::thread::spawn(move || {
///     for n in 1..=4_u32 {
///         poster.post("add", n).unwrap();
///     }
/// });
/// kernel.run()?;
/// # assert_eq!(sum.0.get(), 10);
/// # thread.join().unwrap();
/// # Ok(())
/// # }
/// ```
///
/// # Order
///
/// What one thread posts arrives in the order in which it was posted, through whichever poster of the kernel. It takes its
/// place in the kernel's queue, behind all that is there, when the kernel next looks at its handles. The sender is the
/// kernel, and the time it was posted at is that of its arrival.
///
/// # Bounds
///
/// Up to [`KernelBuilder::poster_capacity`] events wait to be taken in, those of all posters of the kernel together. Then
/// [`Poster::try_post`] is refused, and [`Poster::post`] waits. The kernel takes in all that wait at once, and no more until
/// these were dispatched: so there are never more than twice as many of them as the capacity says.
///
/// # What it keeps alive
///
/// Nothing: neither the kernel nor a session. A kernel that is gone is an error. A kernel with nothing else to come is
/// idle, and ends its sessions, although there is a poster: let there be a [`SessionPoster`], which keeps its session. An
/// event that arrives when there is no such session any more is dropped, counted by [`Kernel::undelivered_posts`], and
/// reported as [`Diagnostic::Undelivered`].
///
/// An event posted while no session lives waits for the next [`Kernel::run`].
#[derive(Clone, Debug)]
pub struct Poster {
    inbox: Arc<Inbox>,
}

impl Poster {
    /// Posts an event, waiting for room if there is none.
    ///
    /// The destination, a [`SessionId`] or an alias, is looked up when the event arrives.
    ///
    /// # Errors
    ///
    /// [`PosterError::KernelGone`], at once or while it waits. [`PosterError::Deadlock`] instead of a wait that could not
    /// end, because it is the kernel's own thread that would wait, or one it waits for in [`Kernel::blocking_wait`]. That
    /// is all that is known of who waits for whom: two kernels that wait for room with each other wait for ever, so that a
    /// handler uses [`Poster::try_post`]; and so do a handler that joins a thread and this thread, which waits for room.
    #[track_caller]
    pub fn post<P: Send + 'static>(
        &self,
        destination: impl Destination + Send + 'static,
        event: impl EventFor<P>,
        payload: P,
    ) -> Result<(), PosterError<P>> {
        self.send(destination, event.name(), payload, true)
    }

    /// As [`Poster::post`], but never waits.
    ///
    /// # Errors
    ///
    /// [`PosterError::Full`] when there is no room now, and [`PosterError::KernelGone`].
    #[track_caller]
    pub fn try_post<P: Send + 'static>(
        &self,
        destination: impl Destination + Send + 'static,
        event: impl EventFor<P>,
        payload: P,
    ) -> Result<(), PosterError<P>> {
        self.send(destination, event.name(), payload, false)
    }

    /// Ends the kernel's wait, or the next one, so that [`Kernel::run_while`] looks at its condition again.
    ///
    /// ```
    /// # use poe_kernel::{Delivery, Dispatch, Kernel, Outcome};
    /// # struct Mute;
    /// # impl Dispatch for Mute {
    /// #     fn dispatch(&self, _: Delivery<'_>) -> Outcome {
    /// #         Ok(())
    /// #     }
    /// # }
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// # let session = kernel.session_alloc(std::rc::Rc::new(Mute), ())?;
    /// # kernel.refcount_increment(session, "has work")?;
    /// let goes_on = Arc::new(AtomicBool::new(true));
    /// let (poster, flag) = (kernel.poster(), Arc::clone(&goes_on));
    /// std::thread::spawn(move || {
    ///     flag.store(false, Ordering::SeqCst);
    ///     poster.wake();
    /// });
    /// kernel.run_while(|| goes_on.load(Ordering::SeqCst))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn wake(&self) {
        self.inbox.wake();
    }

    #[track_caller]
    fn send<D: Destination + Send + 'static, P: Send + 'static>(
        &self,
        destination: D,
        event: Name,
        payload: P,
        waits: bool,
    ) -> Result<(), PosterError<P>> {
        let caller = Caller::new(Location::caller(), None);
        let posted = Box::new(Posted { destination, event, caller, payload });
        self.inbox.post(posted, waits).map_err(|(refusal, posted)| {
            let (payload, capacity) = (posted.payload, self.inbox.capacity());
            match refusal {
                Refusal::Full => PosterError::Full { payload, capacity },
                Refusal::Deadlock => PosterError::Deadlock { payload, capacity },
                Refusal::Gone => PosterError::KernelGone { payload },
            }
        })
    }
}

/// A [`Poster`] to one session, which it keeps alive.
///
/// It counts as an extra reference of that session, tagged `poster`, until the last clone is dropped and what was posted
/// with it has been handled: [`Kernel::why_alive`] lists it with the line that made it. A session that is stopped by
/// force, as by a signal, is stopped all the same. Made by [`Kernel::poster_for`], or by a handler's `cx.poster()`.
#[derive(Clone, Debug)]
pub struct SessionPoster {
    poster: Poster,
    hold: Arc<Hold>,
}

impl SessionPoster {
    /// As [`Poster::post`], to the session it is for.
    ///
    /// # Errors
    ///
    /// As for [`Poster::post`].
    #[track_caller]
    pub fn post<P: Send + 'static>(
        &self,
        event: impl EventFor<P>,
        payload: P,
    ) -> Result<(), PosterError<P>> {
        self.poster.send(self.hold.session, event.name(), payload, true)
    }

    /// As [`Poster::try_post`], to the session it is for.
    ///
    /// # Errors
    ///
    /// As for [`Poster::try_post`].
    #[track_caller]
    pub fn try_post<P: Send + 'static>(
        &self,
        event: impl EventFor<P>,
        payload: P,
    ) -> Result<(), PosterError<P>> {
        self.poster.send(self.hold.session, event.name(), payload, false)
    }

    /// The session that it posts to.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.hold.session
    }

    /// A poster to any session, which keeps nothing alive.
    #[must_use]
    pub fn poster(&self) -> &Poster {
        &self.poster
    }
}

/// Why an event was not posted. It gives back what was to be posted.
#[derive(Error)]
#[non_exhaustive]
pub enum PosterError<P> {
    /// As many events wait for the kernel as may.
    #[error(
        "{capacity} events of other threads wait for the kernel, as many as may; try again later, or wait with post"
    )]
    Full {
        /// What was to be posted.
        payload: P,
        /// How many events may wait.
        capacity: usize,
    },
    /// As many events wait for the kernel as may, and it cannot take them in before this one that would wait has gone
    /// on: it is on the kernel's own thread, or the kernel waits for it, in [`Kernel::blocking_wait`].
    #[error(
        "{capacity} events of other threads wait for the kernel, as many as may, and it waits for this thread"
    )]
    Deadlock {
        /// What was to be posted.
        payload: P,
        /// How many events may wait.
        capacity: usize,
    },
    /// There is no such kernel any more.
    #[error("the kernel that this was to be posted to is gone")]
    KernelGone {
        /// What was to be posted.
        payload: P,
    },
}

impl<P> PosterError<P> {
    /// What was to be posted.
    pub fn into_payload(self) -> P {
        match self {
            Self::Full { payload, .. }
            | Self::Deadlock { payload, .. }
            | Self::KernelGone { payload } => payload,
        }
    }
}

impl<P> fmt::Debug for PosterError<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Full { .. } => "Full",
            Self::Deadlock { .. } => "Deadlock",
            Self::KernelGone { .. } => "KernelGone",
        };
        f.debug_struct(name).finish_non_exhaustive()
    }
}

const TAG: &str = "poster";

impl Kernel {
    /// Something that posts to this kernel from any thread.
    #[must_use]
    pub fn poster(&self) -> Poster {
        Poster { inbox: Arc::clone(self.inbox()) }
    }

    /// Something that posts to one session from any thread, and keeps it alive meanwhile.
    ///
    /// One that has stopped is not kept, and what is posted to it is undelivered.
    #[must_use]
    #[track_caller]
    pub fn poster_for(&self, session: SessionId) -> SessionPoster {
        let poster = self.poster();
        let since = self.place();
        let holds = self.take(session, Name::new(TAG), since).is_ok();
        if holds {
            self.inner.threads.arrivals.expect_one();
        }
        let inbox = holds.then(|| Arc::clone(&poster.inbox));
        SessionPoster { poster, hold: Arc::new(Hold { session, since, inbox }) }
    }

    /// How many events of other threads came when the session they were for was gone.
    #[must_use]
    pub fn undelivered_posts(&self) -> u64 {
        self.inner.threads.arrivals.undelivered.get()
    }
}

impl KernelBuilder {
    /// How many events that other threads have posted may wait for the kernel; 1024 if nothing is said here, and 1 at
    /// least.
    pub fn poster_capacity(mut self, events: usize) -> Self {
        self.threads.poster_capacity = events;
        self
    }
}

/// An event on its way into the kernel.
struct Posted<D, P> {
    destination: D,
    event: Name,
    caller: Caller,
    payload: P,
}

impl<D: Destination + Send, P: Send + 'static> Parcel for Posted<D, P> {
    fn open(self: Box<Self>, kernel: &Kernel) {
        let Self { destination, event, caller, payload } = *self;
        let to = destination.resolve(kernel);
        let is_there = to.is_some_and(|to| {
            kernel.enqueue(Kind::Post, to, SessionId::KERNEL, event, caller, payload)
        });
        if !is_there {
            let undelivered = &kernel.inner.threads.arrivals.undelivered;
            undelivered.set(undelivered.get() + 1);
            let destination = &destination.describe();
            kernel.report(&Diagnostic::Undelivered { destination, event, caller });
        }
    }
}

/// A reference to a session, to be given back by the last who has it.
#[derive(Debug)]
struct Hold {
    session: SessionId,
    since: &'static Location<'static>,
    /// None if there is nothing to give back.
    inbox: Option<Arc<Inbox>>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(inbox) = &self.inbox {
            // Behind what was posted with it, which so is there before the session could end.
            inbox.put(Box::new(Release { session: self.session, since: self.since }));
        }
    }
}

struct Release {
    session: SessionId,
    since: &'static Location<'static>,
}

impl Parcel for Release {
    fn open(self: Box<Self>, kernel: &Kernel) {
        kernel.inner.threads.arrivals.expect_less(1);
        kernel.give_back(self.session, Name::new(TAG), self.since);
    }
}
