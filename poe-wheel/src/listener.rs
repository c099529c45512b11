//! Accepting connections on a listening socket: what `ListenAccept` and a listening `SocketFactory` share.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::rc::{Rc, Weak};
use std::time::Duration;

use nix::errno::Errno;
use poe_kernel::{
    Kernel, Mode, Name, NoActiveSession, SessionId, Timeout, TimerId, Watch, WatchId, WeakKernel,
};
use socket2::SockRef;

use crate::{Address, Connection, IoCause, IoError, Socket, WheelError, WheelId};

/// Connections accepted for one readiness, so that a burst of clients cannot hold the loop.
const ACCEPTED_AT_ONCE: usize = 64;

/// How long to leave clients waiting when there are no descriptors for them.
const RETRY: Duration = Duration::from_millis(100);

pub(crate) struct Listener {
    this: Weak<Self>,
    kernel: WeakKernel,
    session: SessionId,
    id: WheelId,
    handle: Rc<Socket>,
    accepted: Cell<Name>,
    failed: Cell<Option<Name>>,
    watch: Cell<Option<WatchId>>,
    retry: Cell<TimerId>,
    paused: Cell<bool>,
    /// The last accept found no descriptors left.
    exhausted: Cell<bool>,
    /// That descriptors are used up was told, and clients have been waiting ever since.
    told: Cell<bool>,
    ended: Cell<bool>,
}

impl Listener {
    pub(crate) fn begin(
        kernel: &Kernel,
        handle: Socket,
        accepted: Name,
        failed: Option<Name>,
    ) -> Result<Rc<Self>, WheelError> {
        let session = kernel.active_session();
        if session.is_kernel() {
            return Err(NoActiveSession("a listening wheel").into());
        }
        let listener = Rc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            kernel: kernel.downgrade(),
            session,
            id: WheelId::allocate(),
            handle: Rc::new(handle),
            accepted: Cell::new(accepted),
            failed: Cell::new(failed),
            watch: Cell::new(None),
            retry: Cell::new(TimerId::NONE),
            paused: Cell::new(false),
            exhausted: Cell::new(false),
            told: Cell::new(false),
            ended: Cell::new(false),
        });
        let (handle, target) = (Rc::clone(&listener.handle), Rc::clone(&listener));
        let watch = kernel.watch(session, handle, Mode::Read, target)?;
        listener.watch.set(Some(watch));
        Ok(listener)
    }

    pub(crate) fn id(&self) -> WheelId {
        self.id
    }

    pub(crate) fn handle(&self) -> &Rc<Socket> {
        &self.handle
    }

    pub(crate) fn set_accepted(&self, event: Name) {
        self.accepted.set(event);
    }

    pub(crate) fn set_failed(&self, event: Option<Name>) {
        self.failed.set(event);
    }

    pub(crate) fn pause(&self) {
        self.paused.set(true);
        self.with_watch(Kernel::pause_watch);
    }

    pub(crate) fn resume(&self) {
        self.paused.set(false);
        // Descriptors may be there again; if not, the next accept finds out.
        self.with_watch(Kernel::resume_watch);
    }

    pub(crate) fn end(&self) {
        if !self.ended.replace(true)
            && let Some(kernel) = self.kernel.upgrade()
        {
            kernel.cancel_call(self.retry.get());
            if let Some(watch) = self.watch.take() {
                kernel.unwatch(watch);
            }
        }
    }

    fn fail(&self, kernel: &Kernel, error: io::Error) {
        if let Some(event) = self.failed.get() {
            let error = IoError::new("accept", IoCause::Os(error), self.id);
            kernel.deliver_event(self.session, event, error);
        }
    }

    /// Clients wait in the operating system's queue; without a pause the loop would spin over them.
    fn wait_for_descriptors(&self, kernel: &Kernel, error: io::Error) {
        self.with_watch(Kernel::pause_watch);
        if let Some(this) = self.this.upgrade() {
            kernel.cancel_call(self.retry.get());
            self.retry.set(kernel.call_later(self.session, RETRY, this));
        }
        self.exhausted.set(true);
        if !self.told.replace(true) {
            self.fail(kernel, error);
        }
    }

    fn with_watch(&self, change: impl FnOnce(&Kernel, WatchId) -> bool) {
        if let (Some(watch), Some(kernel)) = (self.watch.get(), self.kernel.upgrade()) {
            change(&kernel, watch);
        }
    }
}

impl Watch for Listener {
    fn ready(&self, kernel: &Kernel, _: Mode) {
        for _ in 0..ACCEPTED_AT_ONCE {
            if self.ended.get() || self.paused.get() {
                break;
            }
            match SockRef::from(&*self.handle).accept() {
                Ok((socket, peer)) => {
                    self.exhausted.set(false);
                    let connection = Connection::new(socket.into(), Address::from(peer), self.id);
                    kernel.deliver_event(self.session, self.accepted.get(), connection);
                }
                Err(error) => match error.raw_os_error().map(Errno::from_raw) {
                    Some(Errno::EAGAIN) => {
                        self.told.set(false);
                        break;
                    }
                    // The client has gone again, which is nobody's failure.
                    Some(Errno::EINTR | Errno::ECONNABORTED | Errno::EPROTO) => {}
                    Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM) => {
                        self.wait_for_descriptors(kernel, error);
                        break;
                    }
                    // No listening socket, or one that was shut down: it would be ready, and fail, for ever.
                    Some(Errno::EINVAL | Errno::ENOTSOCK | Errno::EOPNOTSUPP) => {
                        self.end();
                        self.fail(kernel, error);
                    }
                    _ => {
                        self.fail(kernel, error);
                        break;
                    }
                },
            }
        }
    }
}

impl Timeout for Listener {
    fn timed_out(&self, _: &Kernel) {
        if !self.paused.get() {
            self.with_watch(Kernel::resume_watch);
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("id", &self.id)
            .field("session", &self.session)
            .field("handle", &self.handle)
            .field("paused", &self.paused.get())
            .field("exhausted", &self.exhausted.get())
            .finish_non_exhaustive()
    }
}
