//! Events that a session's watcher hands it one after the other.

use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use crate::kernel::Active;
use crate::send::run_caught;
use crate::{
    Caller, Carried, Delivery, Dispatch, Envelope, Kernel, Name, ReplyTo, SessionId, Slot,
};

/// A session to which a watcher (a wheel, a filter, a driver) hands events one after the other, as those of all the
/// records of one read: it is looked up once. Until this is dropped the session is not collected.
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
pub struct Delivering<'a> {
    kernel: &'a Kernel,
    session: SessionId,
    /// None when it has stopped.
    body: Option<Rc<dyn Dispatch>>,
}

impl Kernel {
    /// Begins to hand a session events; see [`Delivering`].
    #[inline]
    pub fn delivering(&self, session: SessionId) -> Delivering<'_> {
        let body = self.inner.sessions.borrow_mut().enter(session);
        Delivering { kernel: self, session, body }
    }

    /// Has an event handled now on behalf of a session's own watcher (a wheel, a filter, a driver).
    ///
    /// The sender is the session itself. A handler that is missing is no error; one that fails raises `DIE`.
    #[track_caller]
    pub fn deliver_event<P: 'static>(&self, session: SessionId, event: Name, payload: P) {
        self.delivering(session).event(event, payload);
    }
}

impl Delivering<'_> {
    /// Has an event handled now; as [`Kernel::deliver_event`].
    #[track_caller]
    #[inline]
    pub fn event<P: 'static>(&mut self, event: Name, payload: P) {
        self.lend(event, &mut Some(payload));
    }

    /// The same with a payload that lies where it is.
    #[track_caller]
    #[inline(always)]
    fn lend(&mut self, event: Name, slot: &mut dyn Slot) {
        let (kernel, session) = (self.kernel, self.session);
        let Some(body) = &self.body else { return };
        // It may have been stopped in a turn since.
        if !kernel.is_live(session) {
            self.body = None;
            return;
        }
        let caller = Caller::new(Location::caller(), None);
        let envelope = Envelope { session, sender: session, event, caller };
        let inner = &*kernel.inner;
        if inner.observing.get() {
            kernel.deliver_or_die(&envelope, slot, ReplyTo::nobody());
        } else {
            let before = inner.active.replace(Active { session, event: Some(event) });
            let payload = &mut Carried::from(&mut *slot);
            let delivery =
                Delivery { kernel, envelope: &envelope, payload, reply: ReplyTo::nobody() };
            let result = run_caught(&**body, delivery);
            inner.active.set(before);
            if let Err(failure) = result {
                kernel.die(&envelope, slot.type_name(), *failure);
            }
        }
        if !kernel.is_live(session) {
            // What it kept, as the wheel itself, ends now.
            self.body = None;
        }
    }
}

impl Drop for Delivering<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.body.is_some() {
            self.kernel.inner.sessions.borrow_mut().leave(self.session);
        }
    }
}

impl fmt::Debug for Delivering<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivering").field("session", &self.session).finish_non_exhaustive()
    }
}
