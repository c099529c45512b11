//! A socket that neither listens nor connects, and so is handed over as it is.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use poe_kernel::{Kernel, Name, Place, SessionId, Timeout, TimerId, WeakKernel};

use super::connector::Failed;
use crate::{Address, Connection, IoCause, IoError, Socket, WheelId};

#[derive(Debug)]
pub(super) struct Made {
    kernel: WeakKernel,
    session: SessionId,
    /// The line that made it.
    since: Place,
    id: WheelId,
    made: Cell<Name>,
    failed: Cell<Name>,
    outcome: RefCell<Option<Result<Socket, Failed>>>,
    handing_over: Cell<TimerId>,
}

impl Made {
    #[track_caller]
    pub(super) fn begin(kernel: &Kernel, made: Name, failed: Name) -> Rc<Self> {
        let since = kernel.place();
        Rc::new(Self {
            kernel: kernel.downgrade(),
            session: kernel.active_session(),
            since,
            id: WheelId::allocate(),
            made: Cell::new(made),
            failed: Cell::new(failed),
            outcome: RefCell::default(),
            handing_over: Cell::new(TimerId::NONE),
        })
    }

    /// Hands the socket over, or says why there is none, once the handler that is running has returned.
    pub(super) fn hand_over(self: &Rc<Self>, kernel: &Kernel, outcome: Result<Socket, Failed>) {
        self.outcome.replace(Some(outcome));
        let begin = || kernel.call_later(self.session, Duration::ZERO, Rc::clone(self) as _);
        let call = kernel.made_at(self.since, begin);
        self.handing_over.set(call);
    }

    pub(super) fn id(&self) -> WheelId {
        self.id
    }

    pub(super) fn local_address(&self) -> io::Result<Address> {
        match &*self.outcome.borrow() {
            Some(Ok(socket)) => socket.local_address(),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    pub(super) fn set_made(&self, event: Name) {
        self.made.set(event);
    }

    pub(super) fn set_failed(&self, event: Name) {
        self.failed.set(event);
    }

    pub(super) fn end(&self) {
        if let Some(kernel) = self.kernel.upgrade() {
            kernel.cancel_call(self.handing_over.replace(TimerId::NONE));
        }
        self.outcome.take();
    }
}

impl Timeout for Made {
    fn timed_out(&self, kernel: &Kernel) {
        self.handing_over.set(TimerId::NONE);
        match self.outcome.take() {
            Some(Ok(socket)) => {
                let connection = Connection::new(socket, Address::Nobody, self.id);
                kernel.deliver_event(self.session, self.made.get(), connection);
            }
            Some(Err((operation, error))) => {
                let error = IoError::new(operation, IoCause::Os(error), self.id);
                kernel.deliver_event(self.session, self.failed.get(), error);
            }
            None => {}
        }
    }
}
