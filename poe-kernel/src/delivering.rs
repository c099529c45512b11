//! Events that a session's watcher hands it one after the other.

use std::any::type_name;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use crate::kernel::Active;
use crate::send::{caught, run_caught};
use crate::{
    Caller, Carried, Delivery, Dispatch, Envelope, Kernel, Name, Outcome, ReplyTo, SessionId, Slot,
    Taker,
};

/// A session to which a watcher (a wheel, a filter, a driver) hands events one after the other, as those of all the
/// records of one read: it, and where its kind allows for that, its handler, is looked up once. Until this is dropped the
/// session is not collected.
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use poe_kernel::{Delivery, Dispatch, Kernel, Name, Outcome};
///
/// #[derive(Default)]
/// struct Count(Cell<u32>);
///
/// impl Dispatch for Count {
///     fn dispatch(&self, delivery: Delivery<'_>) -> Outcome {
///         if delivery.event == "record" {
///             self.0.set(self.0.get() + 1);
///         }
///         Ok(())
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kernel = Kernel::new()?;
/// let count = Rc::new(Count::default());
/// let session = kernel.session_alloc(count.clone(), ())?;
/// let mut delivering = kernel.delivering(session);
/// for record in ["one", "two", "three"] {
///     delivering.event(Name::new("record"), record);
/// }
/// assert_eq!(count.0.get(), 3);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Delivering<'a, P: 'static> {
    kernel: &'a Kernel,
    /// None when the session has stopped.
    body: Option<Rc<dyn Dispatch>>,
    /// The handler of the event, once there have been several of that name.
    taker: Option<Taker<P>>,
    /// Of the last event, and of the next one, but for its name.
    envelope: Envelope,
    /// How many events of that name there have been.
    count: usize,
    /// Who is active before and after each.
    before: Active,
    /// The changes of sessions up to which the session and its handler are known to be what they are.
    changes: u64,
}

impl Kernel {
    /// Begins to hand a session events; see [`Delivering`].
    #[track_caller]
    #[inline]
    pub fn delivering<P: 'static>(&self, session: SessionId) -> Delivering<'_, P> {
        let inner = &*self.inner;
        let caller = Caller::new(Location::caller(), None);
        let event = inner.names.start;
        Delivering {
            kernel: self,
            body: inner.sessions.borrow_mut().enter(session),
            taker: None,
            envelope: Envelope { session, sender: session, event, caller },
            count: 0,
            before: inner.active.get(),
            changes: inner.changes.get(),
        }
    }

    /// Has an event handled now on behalf of a session's own watcher (a wheel, a filter, a driver).
    ///
    /// The sender is the session itself. A handler that is missing is no error; one that fails raises `DIE`.
    #[track_caller]
    pub fn deliver_event<P: 'static>(&self, session: SessionId, event: Name, payload: P) {
        self.delivering(session).event(event, payload);
    }

    /// Says that an event of some session has another handler from now on: [takers](Dispatch::taker) are let go of when the
    /// handler that runs has returned. This is for those who write a kind of session that has some.
    #[inline]
    pub fn handlers_changed(&self) {
        self.inner.changes.set(self.inner.changes.get() + 1);
    }
}

impl<P: 'static> Delivering<'_, P> {
    /// Has an event handled now; as [`Kernel::deliver_event`].
    #[inline(always)]
    pub fn event(&mut self, event: Name, payload: P) {
        let inner = &*self.kernel.inner;
        let is_known = self.envelope.event == event && self.changes == inner.changes.get();
        if let Some(taker) = &self.taker
            && is_known
            && !inner.observing.get()
        {
            let (kernel, envelope) = (self.kernel, &self.envelope);
            inner.active.set(Active { session: envelope.session, event: Some(event) });
            let result = caught(|| taker.run(kernel, envelope, payload));
            self.handled(result);
        } else {
            self.seek_and_handle(event, payload);
        }
    }

    /// Looks for the session and its handler, as far as they are not known. The handler of a second event of one name is kept
    /// for those behind it.
    #[inline(never)]
    fn seek_and_handle(&mut self, event: Name, payload: P) {
        // It may have been stopped in a turn since.
        self.look_around();
        if self.envelope.event != event {
            (self.envelope.event, self.taker, self.count) = (event, None, 0);
        }
        self.count += 1;
        let Some(body) = &self.body else { return };
        let (kernel, envelope) = (self.kernel, &self.envelope);
        let inner = &*kernel.inner;
        if inner.observing.get() {
            kernel.deliver_or_die(envelope, &mut Some(payload), ReplyTo::nobody());
            return self.look_around();
        }
        if self.count == 2 {
            // What takes another type is no taker, and is found out about below.
            Rc::clone(body).taker(event, ReplyTo::slot(&mut self.taker));
        }
        inner.active.set(Active { session: envelope.session, event: Some(event) });
        let result = match &self.taker {
            Some(taker) => caught(|| taker.run(kernel, envelope, payload)),
            None => {
                let slot = &mut Some(payload);
                let payload = &mut Carried::from(slot as &mut dyn Slot);
                let reply = ReplyTo::nobody();
                run_caught(&**body, Delivery { kernel, envelope, payload, reply })
            }
        };
        self.handled(result);
    }

    #[inline(always)]
    fn handled(&mut self, result: Outcome) {
        self.kernel.inner.active.set(self.before);
        if let Err(failure) = result {
            self.kernel.die(&self.envelope, type_name::<P>(), *failure);
        }
        // What it kept, as the wheel itself, ends now.
        self.look_around();
    }

    /// Lets go of what is no more, if there was any change of sessions.
    #[inline(always)]
    fn look_around(&mut self) {
        let changes = self.kernel.inner.changes.get();
        if changes != self.changes {
            self.changes = changes;
            self.look_again();
        }
    }

    #[cold]
    #[inline(never)]
    fn look_again(&mut self) {
        (self.taker, self.count) = (None, 0);
        if !self.kernel.is_live(self.envelope.session) {
            self.body = None;
        }
    }
}

impl<P: 'static> Drop for Delivering<'_, P> {
    #[inline]
    fn drop(&mut self) {
        if self.body.is_some() {
            self.kernel.inner.sessions.borrow_mut().leave(self.envelope.session);
        }
    }
}

impl<P: 'static> fmt::Debug for Delivering<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivering")
            .field("session", &self.envelope.session)
            .finish_non_exhaustive()
    }
}
