//! A socket that neither listens nor connects, and so is handed over as it is.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use poe_kernel::{Kernel, Name, SessionId, Timeout, TimerId, WeakKernel};

use crate::{Address, Connection, Socket, WheelId};

#[derive(Debug)]
pub(super) struct Made {
    kernel: WeakKernel,
    session: SessionId,
    id: WheelId,
    made: Cell<Name>,
    socket: RefCell<Option<Socket>>,
    handing_over: Cell<TimerId>,
}

impl Made {
    /// Hands the socket over once the handler that is running has returned.
    pub(super) fn begin(kernel: &Kernel, socket: Socket, made: Name) -> Rc<Self> {
        let session = kernel.active_session();
        let this = Rc::new(Self {
            kernel: kernel.downgrade(),
            session,
            id: WheelId::allocate(),
            made: Cell::new(made),
            socket: RefCell::new(Some(socket)),
            handing_over: Cell::new(TimerId::NONE),
        });
        this.handing_over.set(kernel.call_later(session, Duration::ZERO, Rc::clone(&this) as _));
        this
    }

    pub(super) fn id(&self) -> WheelId {
        self.id
    }

    pub(super) fn local_address(&self) -> io::Result<Address> {
        self.socket.borrow().as_ref().ok_or(io::ErrorKind::NotConnected)?.local_address()
    }

    pub(super) fn set_made(&self, event: Name) {
        self.made.set(event);
    }

    pub(super) fn end(&self) {
        if let Some(kernel) = self.kernel.upgrade() {
            kernel.cancel_call(self.handing_over.replace(TimerId::NONE));
        }
        self.socket.take();
    }
}

impl Timeout for Made {
    fn timed_out(&self, kernel: &Kernel) {
        self.handing_over.set(TimerId::NONE);
        if let Some(socket) = self.socket.take() {
            let connection = Connection::new(socket, Address::Nobody, self.id);
            kernel.deliver_event(self.session, self.made.get(), connection);
        }
    }
}
