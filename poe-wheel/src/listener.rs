//! Accepting connections on a listening socket: what `ListenAccept` and a listening `SocketFactory` share.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::io;
use std::rc::{Rc, Weak};
use std::time::Duration;

use nix::errno::Errno;
use poe_kernel::{
    Kernel, Mode, Name, NoActiveSession, Place, SessionId, Timeout, TimerId, Watch, WatchError,
    WatchId, WeakKernel,
};
use socket2::{SockAddr, SockRef};

use crate::{Address, Connection, IoCause, IoError, Socket, WheelId};

/// Connections accepted for one readiness, so that a burst of clients cannot hold the loop.
const ACCEPTED_AT_ONCE: usize = 64;

/// How long to leave clients waiting when they cannot be accepted, as when there are no descriptors for them.
const RETRY: Duration = Duration::from_millis(100);

/// What a failed `accept` means.
#[derive(Debug, PartialEq)]
enum Failed {
    /// No client waits.
    NobodyWaits,
    /// The client has gone again, which is nobody's failure.
    ClientGone,
    /// It is not known to be over, and may pass.
    Refused,
    /// No listening socket, or one that was shut down: it would be ready, and fail, for ever.
    ForEver,
}

impl Failed {
    fn of(error: &io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EAGAIN) => Self::NobodyWaits,
            // Errors of the network that the new connection has met already are told here.
            Some(
                Errno::EINTR
                | Errno::ECONNABORTED
                | Errno::EPROTO
                | Errno::ENOPROTOOPT
                | Errno::ENETDOWN
                | Errno::ENETUNREACH
                | Errno::EHOSTDOWN
                | Errno::EHOSTUNREACH,
            ) => Self::ClientGone,
            Some(Errno::EINVAL | Errno::ENOTSOCK | Errno::EOPNOTSUPP) => Self::ForEver,
            _ => Self::Refused,
        }
    }
}

/// Whether a listening wheel goes on by itself after this failure of `accept`.
pub(crate) fn is_tried_again(error: &io::Error) -> bool {
    Failed::of(error) != Failed::ForEver
}

/// The payload of the event for a wheel that has begun to listen; see
/// [`listening_event`](crate::SocketFactoryBuilder::listening_event).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listening {
    /// Where it listens.
    pub address: Address,
    /// The wheel.
    pub wheel: WheelId,
}

pub(crate) struct Listener {
    this: Weak<Self>,
    kernel: WeakKernel,
    session: SessionId,
    /// The line that made it.
    since: Place,
    id: WheelId,
    /// Not there yet while its address is being looked up.
    handle: OnceCell<Rc<Socket>>,
    accepted: Cell<Name>,
    failed: Cell<Option<Name>>,
    /// None once it has been told, too.
    listening: Cell<Option<Name>>,
    /// Why it does not listen, to be told when no handler is running.
    failure: RefCell<Option<(&'static str, io::Error)>>,
    watch: Cell<Option<WatchId>>,
    /// Accepts again, and tells what is yet to be told.
    later: Cell<TimerId>,
    paused: Cell<bool>,
    /// The last accept was refused.
    refused: Cell<bool>,
    /// The error that was told last, while clients have been waiting ever since.
    told: Cell<Option<i32>>,
    ended: Cell<bool>,
}

impl Listener {
    /// A listener that has no socket yet.
    #[track_caller]
    pub(crate) fn begin(
        kernel: &Kernel,
        accepted: Name,
        failed: Option<Name>,
        listening: Option<Name>,
    ) -> Result<Rc<Self>, NoActiveSession> {
        let session = kernel.active_session();
        if session.is_kernel() {
            return Err(NoActiveSession("a listening wheel"));
        }
        let since = kernel.place();
        Ok(Rc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            kernel: kernel.downgrade(),
            session,
            since,
            id: WheelId::allocate(),
            handle: OnceCell::new(),
            accepted: Cell::new(accepted),
            failed: Cell::new(failed),
            listening: Cell::new(listening),
            failure: RefCell::default(),
            watch: Cell::new(None),
            later: Cell::new(TimerId::NONE),
            paused: Cell::new(false),
            refused: Cell::new(false),
            told: Cell::new(None),
            ended: Cell::new(false),
        }))
    }

    /// Gives it its socket.
    pub(crate) fn listen(&self, kernel: &Kernel, handle: Socket) -> Result<(), WatchError> {
        let handle = self.handle.get_or_init(|| Rc::new(handle));
        let this = self.this.upgrade().expect("a listener that is called is there");
        let begin = || kernel.watch(self.session, Rc::clone(handle) as _, Mode::Read, this);
        let watch = kernel.made_at(self.since, begin)?;
        self.watch.set(Some(watch));
        if self.paused.get() {
            kernel.pause_watch(watch);
        }
        if self.listening.get().is_some() {
            self.call_after(kernel, Duration::ZERO);
        }
        Ok(())
    }

    /// It gets no socket.
    pub(crate) fn fail_to_listen(&self, kernel: &Kernel, failure: (&'static str, io::Error)) {
        self.failure.replace(Some(failure));
        // The call keeps the session alive until it has been told.
        self.call_after(kernel, Duration::ZERO);
    }

    pub(crate) fn id(&self) -> WheelId {
        self.id
    }

    pub(crate) fn local_address(&self) -> io::Result<Address> {
        self.handle.get().ok_or(io::ErrorKind::NotConnected)?.local_address()
    }

    pub(crate) fn set_accepted(&self, event: Name) {
        self.accepted.set(event);
    }

    pub(crate) fn set_failed(&self, event: Option<Name>) {
        self.failed.set(event);
    }

    pub(crate) fn set_listening(&self, event: Name) {
        let is_told = self.listening.get().is_none() && self.handle.get().is_some();
        if !is_told {
            self.listening.set(Some(event));
        }
    }

    pub(crate) fn pause(&self) {
        self.paused.set(true);
        self.with_watch(Kernel::pause_watch);
    }

    pub(crate) fn resume(&self) {
        self.paused.set(false);
        // What refused clients may be over; if not, the next accept finds out.
        self.with_watch(Kernel::resume_watch);
    }

    pub(crate) fn end(&self) {
        if !self.ended.replace(true)
            && let Some(kernel) = self.kernel.upgrade()
        {
            kernel.cancel_call(self.later.get());
            if let Some(watch) = self.watch.take() {
                kernel.unwatch(watch);
            }
        }
    }

    fn fail(&self, kernel: &Kernel, operation: &'static str, error: io::Error) {
        if let Some(event) = self.failed.get() {
            let error = IoError::new(operation, IoCause::Os(error), self.id);
            kernel.deliver_event(self.session, event, error);
        }
    }

    /// Tells from where on it listens, if somebody wants to know and has not heard.
    fn tell(&self, kernel: &Kernel) {
        if let Some(event) = self.listening.get()
            && let Ok(address) = self.local_address()
        {
            self.listening.set(None);
            kernel.deliver_event(self.session, event, Listening { address, wheel: self.id });
        }
    }

    fn call_after(&self, kernel: &Kernel, time: Duration) {
        if let Some(this) = self.this.upgrade() {
            kernel.cancel_call(self.later.get());
            let begin = || kernel.call_later(self.session, time, this);
            self.later.set(kernel.made_at(self.since, begin));
        }
    }

    /// Clients wait in the operating system's queue; without a pause the loop would spin over them.
    fn try_later(&self, kernel: &Kernel, error: io::Error) {
        self.with_watch(Kernel::pause_watch);
        self.call_after(kernel, RETRY);
        self.refused.set(true);
        let code = error.raw_os_error();
        if code.is_none() || self.told.replace(code) != code {
            self.fail(kernel, "accept", error);
        }
    }

    /// Whether it goes on: its session may have stopped, though the wheel is still there.
    fn is_accepting(&self, kernel: &Kernel) -> bool {
        let is_wanted = !self.ended.get() && !self.paused.get();
        // It is not paused, so this only tells whether it is there.
        is_wanted && self.watch.get().is_some_and(|watch| kernel.resume_watch(watch))
    }

    fn accept(&self) -> io::Result<(socket2::Socket, SockAddr)> {
        #[cfg(test)]
        if let Some(errno) = tests::REFUSAL.get() {
            return Err(errno.into());
        }
        let handle = self.handle.get().ok_or(io::ErrorKind::NotConnected)?;
        SockRef::from(&**handle).accept()
    }

    fn with_watch(&self, change: impl FnOnce(&Kernel, WatchId) -> bool) {
        if let (Some(watch), Some(kernel)) = (self.watch.get(), self.kernel.upgrade()) {
            change(&kernel, watch);
        }
    }
}

impl Watch for Listener {
    fn ready(&self, kernel: &Kernel, _: Mode) {
        self.tell(kernel);
        for _ in 0..ACCEPTED_AT_ONCE {
            if !self.is_accepting(kernel) {
                break;
            }
            match self.accept() {
                Ok((socket, peer)) => {
                    self.refused.set(false);
                    let connection = Connection::new(socket.into(), Address::from(peer), self.id);
                    kernel.deliver_event(self.session, self.accepted.get(), connection);
                }
                Err(error) => match Failed::of(&error) {
                    Failed::NobodyWaits => {
                        self.told.set(None);
                        break;
                    }
                    Failed::ClientGone => {}
                    Failed::Refused => {
                        self.try_later(kernel, error);
                        break;
                    }
                    Failed::ForEver => {
                        self.end();
                        self.fail(kernel, "accept", error);
                    }
                },
            }
        }
    }
}

impl Timeout for Listener {
    fn timed_out(&self, kernel: &Kernel) {
        if let Some((operation, error)) = self.failure.take() {
            self.end();
            return self.fail(kernel, operation, error);
        }
        self.tell(kernel);
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
            .field("handle", &self.handle.get())
            .field("paused", &self.paused.get())
            .field("refused", &self.refused.get())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::net::{TcpListener, TcpStream};

    use poe_session::prelude::*;

    use super::*;
    use crate::ListenAccept;

    thread_local! {
        /// What every `accept` of this thread fails with.
        pub(super) static REFUSAL: Cell<Option<Errno>> = const { Cell::new(None) };
    }

    #[test]
    fn a_failure_that_nobody_knows_is_told_once_and_tried_again_after_a_while() {
        crate::descriptors::count();
        let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let told = Rc::new(RefCell::new(Vec::new()));
        let (of_failure, of_change) = (told.clone(), told.clone());
        REFUSAL.set(Some(Errno::EPERM));
        Session::build(None::<ListenAccept>)
            .on_start(move |cx| {
                let builder = ListenAccept::build(listener.try_clone().unwrap());
                let wheel = builder.error_event("failed").spawn(cx.kernel).unwrap();
                *cx.heap = Some(wheel);
                cx.delay("change", RETRY * 5 / 2, ());
            })
            .on("failed", move |_, error: IoError| {
                assert!(error.is_recoverable());
                of_failure.borrow_mut().push(error.errno());
            })
            .on("change", move |cx, ()| {
                // It was tried again meanwhile, and was not told.
                assert_eq!(*of_change.borrow(), [Errno::EPERM as i32]);
                if REFUSAL.replace(Some(Errno::EACCES)) == Some(Errno::EPERM) {
                    cx.delay("relent", RETRY * 3 / 2, ());
                }
            })
            .on("relent", |_, ()| REFUSAL.set(None))
            .on("accept", |cx, _: Connection| *cx.heap = None)
            .spawn(&kernel)
            .unwrap();
        let turns = Cell::new(0);
        kernel.run_while(|| turns.replace(turns.get() + 1) < 1000).unwrap();
        assert_eq!(*told.borrow(), [Errno::EPERM as i32, Errno::EACCES as i32]);
        assert_eq!(kernel.session_count(), 0, "after {} turns", turns.get());
        drop(client);
    }

    #[test]
    fn what_will_never_pass_is_told_apart() {
        let failed = |errno: Errno| Failed::of(&errno.into());
        assert_eq!(failed(Errno::EMFILE), Failed::Refused);
        assert_eq!(failed(Errno::EIO), Failed::Refused);
        assert_eq!(failed(Errno::ECONNABORTED), Failed::ClientGone);
        assert_eq!(failed(Errno::EINVAL), Failed::ForEver);
        assert!(!is_tried_again(&Errno::ENOTSOCK.into()));
    }
}
