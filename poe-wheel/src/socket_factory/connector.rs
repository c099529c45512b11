//! Connecting without waiting, to one address after the other.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::time::Duration;
use std::vec;

use nix::errno::Errno;
use poe_kernel::{Kernel, Mode, Name, SessionId, Timeout, TimerId, Watch, WatchId, WeakKernel};
use socket2::{SockAddr, SockRef, Type};

use super::unix_path::UnixPath;
use crate::{Address, Connection, IoCause, IoError, Socket, WheelId};

/// A step of connecting, and why it failed.
pub(super) type Failed = (&'static str, io::Error);

pub(super) struct Target {
    pub(super) addresses: Result<Vec<SockAddr>, Failed>,
    pub(super) local: Result<Vec<SocketAddr>, Failed>,
    pub(super) local_path: Option<PathBuf>,
    pub(super) timeout: Option<Duration>,
    pub(super) reuse: bool,
}

pub(super) struct Connector {
    this: Weak<Self>,
    kernel: WeakKernel,
    session: SessionId,
    id: WheelId,
    connected: Cell<Name>,
    failed: Cell<Name>,
    addresses: RefCell<vec::IntoIter<SockAddr>>,
    local: Vec<SocketAddr>,
    local_path: Option<PathBuf>,
    bound: RefCell<Option<UnixPath>>,
    reuse: bool,
    attempt: RefCell<Option<(Rc<Socket>, WatchId)>>,
    /// How it ended, to be told when no handler is running.
    failure: RefCell<Option<Failed>>,
    timeout: Cell<TimerId>,
    ended: Cell<bool>,
}

impl Connector {
    pub(super) fn begin(
        kernel: &Kernel,
        target: Target,
        connected: Name,
        failed: Name,
    ) -> Rc<Self> {
        let ends = target.addresses.and_then(|addresses| Ok((addresses, target.local?)));
        let ((addresses, local), unresolved) = match ends {
            Ok(ends) => (ends, None),
            Err(failed) => (Default::default(), Some(failed)),
        };
        let connector = Rc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            kernel: kernel.downgrade(),
            session: kernel.active_session(),
            id: WheelId::allocate(),
            connected: Cell::new(connected),
            failed: Cell::new(failed),
            addresses: RefCell::new(addresses.into_iter()),
            local,
            local_path: target.local_path,
            bound: RefCell::default(),
            reuse: target.reuse,
            attempt: RefCell::default(),
            failure: RefCell::default(),
            timeout: Cell::new(TimerId::NONE),
            ended: Cell::new(false),
        });
        if let Some(timeout) = target.timeout {
            let timer = kernel.call_later(connector.session, timeout, Rc::clone(&connector) as _);
            connector.timeout.set(timer);
        }
        match unresolved {
            Some(failed) => connector.fail_later(kernel, failed),
            None => connector.try_next(kernel, None),
        }
        connector
    }

    pub(super) fn id(&self) -> WheelId {
        self.id
    }

    pub(super) fn local_address(&self) -> io::Result<Address> {
        match &*self.attempt.borrow() {
            Some((socket, _)) => socket.local_address(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    pub(super) fn set_connected(&self, event: Name) {
        self.connected.set(event);
    }

    pub(super) fn set_failed(&self, event: Name) {
        self.failed.set(event);
    }

    pub(super) fn end(&self) {
        if !self.ended.replace(true)
            && let Some(kernel) = self.kernel.upgrade()
        {
            kernel.cancel_call(self.timeout.replace(TimerId::NONE));
            drop(self.give_up_attempt(&kernel));
        }
        self.bound.take();
    }

    /// Tries the next address; without one, fails as the last attempt did.
    fn try_next(&self, kernel: &Kernel, mut last: Option<Failed>) {
        loop {
            let Some(address) = self.addresses.borrow_mut().next() else {
                let unreachable = || ("connect", io::ErrorKind::AddrNotAvailable.into());
                return self.fail_later(kernel, last.unwrap_or_else(unreachable));
            };
            match self.attempt(kernel, &address) {
                Ok(()) => return,
                Err(failed) => last = Some(failed),
            }
        }
    }

    fn attempt(&self, kernel: &Kernel, address: &SockAddr) -> Result<(), Failed> {
        let socket = socket2::Socket::new(address.domain(), Type::STREAM, None)
            .map_err(|e| ("socket", e))?;
        socket.set_nonblocking(true).map_err(|e| ("socket", e))?;
        if self.reuse {
            socket.set_reuse_address(true).map_err(|e| ("setsockopt", e))?;
        }
        if !self.local.is_empty() {
            let is_v4 = address.is_ipv4();
            let local = self.local.iter().find(|local| local.is_ipv4() == is_v4);
            let other_family = || ("bind", io::Error::from(Errno::EAFNOSUPPORT));
            let local = local.ok_or_else(other_family)?;
            socket.bind(&SockAddr::from(*local)).map_err(|e| ("bind", e))?;
        }
        if let Some(path) = &self.local_path {
            *self.bound.borrow_mut() = Some(UnixPath::bind(&socket, path)?);
        }
        match socket.connect(address) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(Errno::EINPROGRESS as i32) => {}
            Err(error) => return Err(("connect", error)),
        }
        let socket = Rc::new(Socket::from(socket));
        let Some(this) = self.this.upgrade() else { return Ok(()) };
        let watch = kernel
            .watch(self.session, Rc::clone(&socket) as _, Mode::Write, this)
            .map_err(|error| ("connect", io::Error::other(error)))?;
        *self.attempt.borrow_mut() = Some((socket, watch));
        Ok(())
    }

    fn give_up_attempt(&self, kernel: &Kernel) -> Option<Rc<Socket>> {
        let (socket, watch) = self.attempt.take()?;
        kernel.unwatch(watch);
        Some(socket)
    }

    fn finish(&self, kernel: &Kernel, socket: Socket) {
        kernel.cancel_call(self.timeout.replace(TimerId::NONE));
        match socket.peer_address() {
            Ok(peer) => {
                let connection = Connection::new(socket, peer, self.id);
                kernel.deliver_event(self.session, self.connected.get(), connection);
            }
            Err(error) => self.fail(kernel, ("getpeername", error)),
        }
    }

    fn fail(&self, kernel: &Kernel, (operation, error): Failed) {
        kernel.cancel_call(self.timeout.replace(TimerId::NONE));
        if !self.ended.get() {
            let error = IoError::new(operation, IoCause::Os(error), self.id);
            kernel.deliver_event(self.session, self.failed.get(), error);
        }
    }

    fn fail_later(&self, kernel: &Kernel, failed: Failed) {
        self.failure.replace(Some(failed));
        // The call keeps the session alive until it has been told.
        if let Some(this) = self.this.upgrade() {
            kernel.cancel_call(self.timeout.get());
            self.timeout.set(kernel.call_later(self.session, Duration::ZERO, this));
        }
    }
}

impl Watch for Connector {
    fn ready(&self, kernel: &Kernel, _: Mode) {
        let Some(socket) = self.give_up_attempt(kernel) else { return };
        match SockRef::from(&*socket).take_error() {
            // The kernel's share went with the watch, and so this is the last.
            Ok(None) => match Rc::into_inner(socket) {
                Some(socket) => self.finish(kernel, socket),
                None => self.fail(kernel, ("connect", io::ErrorKind::ResourceBusy.into())),
            },
            Ok(Some(error)) | Err(error) => self.try_next(kernel, Some(("connect", error))),
        }
    }
}

impl Timeout for Connector {
    fn timed_out(&self, kernel: &Kernel) {
        self.timeout.set(TimerId::NONE);
        drop(self.give_up_attempt(kernel));
        let failed = self.failure.take();
        self.fail(kernel, failed.unwrap_or_else(|| ("connect", Errno::ETIMEDOUT.into())));
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("id", &self.id)
            .field("session", &self.session)
            .field("addresses_left", &self.addresses.borrow().len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

    use poe_session::prelude::*;

    use super::*;

    /// Connects to the first of some addresses that answers: the one it was, or the error's number.
    fn connect(addresses: Vec<SockAddr>) -> Result<Address, i32> {
        let kernel = Kernel::new().unwrap();
        let outcome = Rc::new(RefCell::new(None));
        let [connected, failed] = [Rc::clone(&outcome), Rc::clone(&outcome)];
        Session::build(None::<Rc<Connector>>)
            .on_start(move |cx| {
                let target = Target {
                    addresses: Ok(addresses.clone()),
                    local: Ok(Vec::new()),
                    local_path: None,
                    timeout: None,
                    reuse: false,
                };
                let names = ("connected".into(), "failed".into());
                *cx.heap = Some(Connector::begin(cx.kernel, target, names.0, names.1));
            })
            .on("connected", move |_, connection: Connection| {
                assert!(connected.replace(Some(Ok(connection.peer))).is_none());
            })
            .on("failed", move |_, error: IoError| {
                assert!(failed.replace(Some(Err(error.errno()))).is_none());
            })
            .spawn(&kernel)
            .unwrap();
        kernel.run().unwrap();
        outcome.take().unwrap()
    }

    fn bound(ip: impl Into<std::net::IpAddr>) -> (socket2::Socket, SockAddr) {
        let address = SockAddr::from(SocketAddr::new(ip.into(), 0));
        let socket = socket2::Socket::new(address.domain(), Type::STREAM, None).unwrap();
        socket.bind(&address).unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    #[test]
    fn an_address_that_refuses_is_passed_over() {
        let (_v6, refused_v6) = bound(Ipv6Addr::LOCALHOST);
        let (_v4, refused_v4) = bound(Ipv4Addr::LOCALHOST);
        let path = SockAddr::unix("/no/such/socket").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let alive = listener.local_addr().unwrap();
        let addresses = vec![refused_v6, path, refused_v4, alive.into(), alive.into()];
        assert_eq!(connect(addresses), Ok(Address::Ip(alive)));
    }

    #[test]
    fn the_last_failure_is_told_when_no_address_answers() {
        let (_v4, refused) = bound(Ipv4Addr::LOCALHOST);
        let path = SockAddr::unix("/no/such/socket").unwrap();
        assert_eq!(connect(vec![path.clone(), refused.clone()]), Err(Errno::ECONNREFUSED as i32));
        assert_eq!(connect(vec![refused, path]), Err(Errno::ENOENT as i32));
        assert_eq!(connect(Vec::new()), Err(Errno::EADDRNOTAVAIL as i32));
    }
}
