//! Posted events that can be taken back.

use std::cell::RefCell;
use std::fmt;

use thiserror::Error;

use crate::queue::Queue;
use crate::send::no_session;
use crate::{
    Asserts, Destination, Envelope, EventFor, Kernel, Payload, PostError, Priority, SessionId,
};

/// Names one posted event; refused once that was dispatched or taken back, and by other kernels.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PostId {
    kernel: u32,
    sequence: u64,
}

impl PostId {
    /// Of the event that is posted next.
    pub(crate) fn next(kernel: &Kernel) -> Self {
        Self { kernel: kernel.inner.number, sequence: kernel.sequence() }
    }

    /// Of one that is never queued.
    pub(crate) fn nowhere(kernel: &Kernel) -> Self {
        Self { kernel: kernel.inner.number, sequence: u64::MAX }
    }
}

impl fmt::Debug for PostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostId({})", self.sequence)
    }
}

/// Why a posted event was not taken back.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PostRemoveError {
    /// It was dispatched, dropped or taken back, or is another kernel's.
    #[error("the event has been dispatched or taken back")]
    Gone(PostId),
    /// Another session has sent it.
    #[error("the event was sent by session {sender}; only its sender may take it back")]
    NotYours {
        /// The event.
        event: PostId,
        /// Who sent it.
        sender: SessionId,
    },
}

impl Kernel {
    /// As [`Kernel::post`], for an event that may have to be taken back. POE has no id for what was posted.
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
    /// let id = kernel.post_set(session, "work", 5_u32)?;
    /// assert_eq!(kernel.post_remove(id)?.downcast::<u32>().ok(), Some(5));
    /// assert!(kernel.post_remove(id).is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`Kernel::post`].
    #[track_caller]
    pub fn post_set<P: 'static>(
        &self,
        destination: impl Destination,
        event: impl EventFor<P>,
        payload: P,
    ) -> Result<PostId, PostError> {
        self.post_named("post_set", Priority::Normal, destination, event, payload)
    }

    /// Posts an event, and names it. The method that does so is named to who is told that it fails.
    #[track_caller]
    pub(crate) fn post_named<P: 'static>(
        &self,
        method: &'static str,
        priority: Priority,
        destination: impl Destination,
        event: impl EventFor<P>,
        payload: P,
    ) -> Result<PostId, PostError> {
        let (caller, event) = (self.caller(), event.name());
        let Some(session) = destination.resolve(self) else {
            let missing = no_session(destination, event);
            return self.returned(method, Asserts::DATA, Err(missing.into()));
        };
        if session.is_kernel() {
            // It does nothing, and is nowhere.
            return Ok(PostId::nowhere(self));
        }
        if self.is_queue_full() {
            return self.returned(method, Asserts::NONE, Err(self.queue_full(event)));
        }
        let (id, sender) = (PostId::next(self), self.active_session());
        let envelope = Envelope { session, sender, event, caller };
        if self.enqueue_among(priority, envelope, payload) {
            Ok(id)
        } else {
            self.returned(method, Asserts::DATA, Err(no_session(sender, event).into()))
        }
    }

    /// Takes a posted event back, if the active session has sent it, or the kernel where none is active. What it carried.
    ///
    /// It holds its sessions no more, and those that nothing else holds stop.
    ///
    /// # Errors
    ///
    /// [`PostRemoveError`], above all for an event that has been dispatched.
    #[track_caller]
    pub fn post_remove(&self, event: PostId) -> Result<Payload, PostRemoveError> {
        let removed = self.take_posted(event);
        self.returned("post_remove", Asserts::RETVALS, removed)
    }

    fn take_posted(&self, event: PostId) -> Result<Payload, PostRemoveError> {
        let is_ours = event.kernel == self.inner.number;
        let is_in = |queue: &RefCell<Queue>| queue.borrow_mut().find(event.sequence).is_some();
        let queues = self.inner.queues().into_iter().map(|(_, queue)| queue);
        let found = queues.into_iter().find(|queue| is_ours && is_in(queue));
        let mut queue = found.ok_or(PostRemoveError::Gone(event))?.borrow_mut();
        let queued = queue.find(event.sequence);
        let queued = queued.filter(|queued| queued.header.session != SessionId::NOBODY);
        let queued = queued.ok_or(PostRemoveError::Gone(event))?;
        let envelope = queued.header.envelope();
        let (to, sender) = (envelope.session, envelope.sender);
        if sender != self.active_session() {
            return Err(PostRemoveError::NotYours { event, sender });
        }
        // It stays in its place, for nobody, until the queue is next purged.
        (queued.header.session, queued.header.sender) = (SessionId::NOBODY, SessionId::NOBODY);
        let payload = queued.take_payload();
        drop(queue);
        self.inner.has_stale_events.set(true);
        if to == sender && self.is_handed_on(to) && self.is_live(to) {
            // That of the event being handled, which is to end only with that.
            self.inner.spare_hold.set(to);
        } else {
            let mut sessions = self.inner.sessions.borrow_mut();
            let marks = sessions.marks();
            sessions.release_event(to, sender, marks);
        }
        self.observe_event_gone(&envelope);
        Ok(payload)
    }
}
