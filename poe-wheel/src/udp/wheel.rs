//! The wheel itself, shared by its owner and the kernel's watches.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::rc::{Rc, Weak};
use std::time::Duration;

use bytes::Bytes;
use nix::errno::Errno;
use poe_driver::{Datagram as Datagrams, Driver};
use poe_kernel::{
    Flush, Kernel, Mode, NoActiveSession, Place, SessionId, Timeout, TimerId, Watch, WatchError,
    WatchId, WeakKernel,
};
use socket2::{SockAddr, SockRef, Type};

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
use super::portable as sys;
use super::queue::{Outgoing, Queue};
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
use super::sys;
use super::{BATCH, Datagram, PutError, Settings};
use crate::unset::Unset;
use crate::{Address, IoCause, IoError, Socket, WheelError, WheelId, unix_path};

/// Batches received for one readiness, so that a flood cannot hold the loop.
const BATCHES_AT_ONCE: usize = 8;

/// How long to wait before a UNIX socket is tried again whose room nobody tells of.
const RETRY: Duration = Duration::from_millis(5);

thread_local! {
    /// Where the wheels of a thread receive: an idle one needs no room. What is not touched takes no memory.
    static ROOM: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

pub(super) struct Wheel {
    this: Weak<Self>,
    kernel: WeakKernel,
    session: SessionId,
    /// The line that made it.
    since: Place,
    id: WheelId,
    socket: Rc<Socket>,
    is_v6: bool,
    is_unix: bool,
    settings: Cell<Settings>,
    /// What was received, and is yet to be delivered.
    arrived: RefCell<VecDeque<Datagram>>,
    queue: RefCell<Queue>,
    /// Room for what has gone.
    gone_ones: Cell<Vec<Outgoing>>,
    failures: RefCell<Vec<IoError>>,
    read_watch: Cell<Option<WatchId>>,
    /// There is one while the socket has taken all it would; or there is a time to try again.
    write_watch: Cell<Option<WatchId>>,
    retry: Cell<TimerId>,
    scheduled: Cell<bool>,
    paused: Cell<bool>,
    /// Datagrams are being delivered, up the stack.
    delivering: Cell<bool>,
    /// Something was sent, or lost, since it was last told that all was.
    gone: Cell<bool>,
    /// The socket is of no use any more.
    failed: Cell<bool>,
    ended: Cell<bool>,
}

impl Wheel {
    #[track_caller]
    pub(super) fn begin(
        kernel: &Kernel,
        socket: Socket,
        settings: Settings,
    ) -> Result<Rc<Self>, WheelError> {
        let session = kernel.active_session();
        if session.is_kernel() {
            return Err(NoActiveSession("a Udp wheel").into());
        }
        let local = SockRef::from(&socket).local_addr();
        let local = local.map_err(|source| WheelError::Socket {
            operation: "getsockname",
            address: Address::Other,
            source,
        })?;
        if !is_of_datagrams(&socket) {
            return Err(WheelError::NoDatagrams { address: local.into() });
        }
        let since = kernel.place();
        let wheel = Rc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            kernel: kernel.downgrade(),
            session,
            since,
            id: WheelId::allocate(),
            socket: Rc::new(socket),
            is_v6: local.is_ipv6(),
            is_unix: local.is_unix(),
            settings: Cell::new(settings),
            arrived: RefCell::default(),
            queue: RefCell::default(),
            gone_ones: Cell::default(),
            failures: RefCell::default(),
            read_watch: Cell::default(),
            write_watch: Cell::default(),
            retry: Cell::new(TimerId::NONE),
            scheduled: Cell::default(),
            paused: Cell::default(),
            delivering: Cell::default(),
            gone: Cell::default(),
            failed: Cell::default(),
            ended: Cell::default(),
        });
        wheel.read_watch.set(Some(wheel.watch(kernel, Mode::Read)?));
        Ok(wheel)
    }

    pub(super) fn id(&self) -> WheelId {
        self.id
    }

    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(super) fn queued(&self) -> (usize, usize) {
        let queue = self.queue.borrow();
        (queue.octets(), queue.len())
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Settings)) {
        let mut settings = self.settings.get();
        change(&mut settings);
        self.settings.set(settings);
    }

    pub(super) fn put(&self, payload: Bytes, to: &Address) -> Result<(), PutError> {
        if self.failed.get() || self.ended.get() {
            return Err(PutError::Over { payload });
        }
        let to = match self.destination(to) {
            Ok(to) => to,
            Err(source) => {
                return Err(PutError::Address { payload, address: to.clone(), source });
            }
        };
        let mut queue = self.queue.borrow_mut();
        if !queue.has_room(&payload, self.settings.get().queue_limit) {
            return Err(PutError::Full { payload, queued: queue.octets() });
        }
        queue.push((payload, to));
        drop(queue);
        if !self.is_waiting() {
            self.schedule();
        }
        Ok(())
    }

    pub(super) fn pause_input(&self) {
        self.paused.set(true);
        self.with_read_watch(Kernel::pause_watch);
    }

    pub(super) fn resume_input(&self) {
        if self.paused.replace(false) && !self.failed.get() {
            self.with_read_watch(Kernel::resume_watch);
            if !self.arrived.borrow().is_empty() {
                self.schedule();
            }
        }
    }

    /// Sends what is queued, as much as the socket takes, and tells of it at the end of the turn.
    pub(super) fn send_and_tell(&self) {
        self.send();
        if self.gone.get() && self.queue.borrow().len() == 0 {
            self.schedule();
        }
    }

    fn send(&self) {
        let mut gone = self.gone_ones.take();
        self.send_batches(&mut gone);
        // Nothing is in use here any more: a payload may call this wheel when it is dropped.
        gone.clear();
        self.gone_ones.set(gone);
    }

    fn send_batches(&self, gone: &mut Vec<Outgoing>) {
        let mut queue = self.queue.borrow_mut();
        while !queue.first().is_empty() {
            match sys::send(self.socket.as_fd(), queue.first()) {
                Ok(count) => {
                    queue.advance(count, gone);
                    self.gone.set(true);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if !ends_output(&error) => {
                    if !is_about_former(&error) || self.is_over_with(&queue) {
                        queue.advance(1, gone);
                        self.gone.set(true);
                    }
                    self.fail_later("write", error, true);
                }
                Err(error) => {
                    let rest = queue.len();
                    queue.advance(rest, gone);
                    drop(queue);
                    return self.give_up("write", error);
                }
            }
        }
        let blocked_on = queue.first().first().map(|(_, to)| to.is_some());
        drop(queue);
        match blocked_on {
            None => self.stop_waiting(),
            Some(has_address) => self.wait(has_address),
        }
    }

    pub(super) fn end(&self) {
        self.ended.set(true);
        self.stop();
        let (queued, arrived) = (self.queue.take(), self.arrived.take());
        drop((queued, arrived));
    }

    /// The news that an earlier datagram was not received may come with this one, which is sent again: whether it has gone
    /// then, or cannot.
    fn is_over_with(&self, queue: &Queue) -> bool {
        let again = sys::send(self.socket.as_fd(), &queue.first()[..1]);
        !again.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    fn destination(&self, to: &Address) -> io::Result<Option<SockAddr>> {
        match to {
            Address::Nobody => Ok(None),
            Address::Ip(_) if self.is_unix => Err(Errno::EAFNOSUPPORT.into()),
            Address::Ip(SocketAddr::V4(v4)) if self.is_v6 => {
                let mapped: Ipv6Addr = v4.ip().to_ipv6_mapped();
                Ok(Some(SocketAddr::from((mapped, v4.port())).into()))
            }
            Address::Ip(SocketAddr::V6(_)) if !self.is_v6 => Err(Errno::EAFNOSUPPORT.into()),
            Address::Ip(address) => Ok(Some((*address).into())),
            Address::Unix(Some(_)) if !self.is_unix => Err(Errno::EAFNOSUPPORT.into()),
            Address::Unix(Some(path)) => unix_path::address(path).map(Some),
            Address::Unix(None) | Address::Other => Err(Errno::EDESTADDRREQ.into()),
        }
    }

    fn receive(&self, kernel: &Kernel) {
        for _ in 0..BATCHES_AT_ONCE {
            let is_over = self.ended.get() || self.paused.get() || self.failed.get();
            if is_over || self.delivering.get() {
                return;
            }
            match self.receive_batch() {
                Ok(count) => {
                    self.deliver(kernel);
                    if count < BATCH {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if is_about_one(&error) => self.report(kernel, "read", error, true),
                Err(error) => {
                    self.give_up("read", error);
                    return self.tell_failures(kernel);
                }
            }
        }
    }

    fn receive_batch(&self) -> io::Result<usize> {
        let room = BATCH * self.settings.get().max_datagram;
        ROOM.with_borrow_mut(|all| {
            if all.len() < room {
                // This way untouched memory is not made the process's.
                *all = vec![0; room];
            }
            let mut arrived = self.arrived.borrow_mut();
            sys::receive(self.socket.as_fd(), &mut all[..room], |payload, peer, is_cut| {
                if is_cut {
                    self.fail_later("read", Errno::EMSGSIZE.into(), true);
                } else {
                    let payload = Bytes::copy_from_slice(payload);
                    let peer = if self.is_unix { named(peer) } else { peer };
                    arrived.push_back(Datagram { payload, peer, wheel: self.id });
                }
            })
        })
    }

    fn deliver(&self, kernel: &Kernel) {
        if self.delivering.replace(true) {
            // The handler of one has the kernel take a turn; the others follow it.
            return;
        }
        let _unset = Unset(&self.delivering);
        let mut delivering = kernel.delivering(self.session);
        while !self.ended.get() && !self.paused.get() {
            let next = self.arrived.borrow_mut().pop_front();
            let Some(datagram) = next else { break };
            if let Some(event) = self.settings.get().input {
                delivering.event(event, datagram);
            }
        }
    }

    fn report(&self, kernel: &Kernel, operation: &'static str, error: io::Error, goes_on: bool) {
        let error = self.error(operation, error, goes_on);
        self.tell_failure(kernel, error);
    }

    fn error(&self, operation: &'static str, error: io::Error, goes_on: bool) -> IoError {
        let error = IoError::new(operation, IoCause::Os(error), self.id);
        if goes_on { error.tried_again() } else { error }
    }

    fn fail_later(&self, operation: &'static str, error: io::Error, goes_on: bool) {
        self.failures.borrow_mut().push(self.error(operation, error, goes_on));
        self.schedule();
    }

    fn give_up(&self, operation: &'static str, error: io::Error) {
        self.failed.set(true);
        self.gone.set(false);
        // The watch keeps the session until it has been told.
        self.with_read_watch(Kernel::pause_watch);
        self.stop_waiting();
        self.fail_later(operation, error, false);
    }

    fn tell_failures(&self, kernel: &Kernel) {
        for error in self.failures.take() {
            self.tell_failure(kernel, error);
        }
    }

    fn tell_failure(&self, kernel: &Kernel, error: IoError) {
        if let Some(event) = self.settings.get().error
            && !self.ended.get()
        {
            kernel.deliver_event(self.session, event, error);
        }
    }

    /// Has the kernel flush this at the end of the turn.
    fn schedule(&self) {
        if !self.ended.get()
            && !self.scheduled.replace(true)
            && let Some(kernel) = self.kernel.upgrade()
        {
            let this: Weak<dyn Flush> = self.this.clone();
            kernel.flush_later(self.session, this);
        }
    }

    /// Waits until the socket takes more. One of the UNIX domain that is not connected seems always to: there is no way but
    /// to try again.
    fn wait(&self, has_address: bool) {
        let Some(kernel) = self.kernel.upgrade() else { return };
        if self.is_unix && has_address {
            // To this one, the socket may be ready for another receiver all the time.
            self.stop_waiting();
            if let Some(this) = self.this.upgrade() {
                let begin = || kernel.call_later(self.session, RETRY, this);
                self.retry.set(kernel.made_at(self.since, begin));
            }
        } else if self.write_watch.get().is_none() {
            self.stop_waiting();
            match self.watch(&kernel, Mode::Write) {
                Ok(watch) => self.write_watch.set(Some(watch)),
                Err(error) => self.give_up("write", io::Error::other(error)),
            }
        }
    }

    fn stop_waiting(&self) {
        if self.is_waiting()
            && let Some(kernel) = self.kernel.upgrade()
        {
            if let Some(watch) = self.write_watch.take() {
                kernel.unwatch(watch);
            }
            kernel.cancel_call(self.retry.replace(TimerId::NONE));
        }
    }

    fn is_waiting(&self) -> bool {
        self.write_watch.get().is_some() || self.retry.get() != TimerId::NONE
    }

    fn watch(&self, kernel: &Kernel, mode: Mode) -> Result<WatchId, WatchError> {
        let this = self.this.upgrade().expect("a wheel that is called is there");
        let begin = || kernel.watch(self.session, Rc::clone(&self.socket) as _, mode, this);
        kernel.made_at(self.since, begin)
    }

    fn with_read_watch(&self, change: impl FnOnce(&Kernel, WatchId) -> bool) {
        if let (Some(watch), Some(kernel)) = (self.read_watch.get(), self.kernel.upgrade()) {
            change(&kernel, watch);
        }
    }

    fn stop(&self) {
        if let (Some(kernel), Some(watch)) = (self.kernel.upgrade(), self.read_watch.take()) {
            kernel.unwatch(watch);
        }
        self.stop_waiting();
    }
}

impl Watch for Wheel {
    fn ready(&self, kernel: &Kernel, mode: Mode) {
        match mode {
            Mode::Write => self.send_and_tell(),
            _ => self.receive(kernel),
        }
    }
}

impl Timeout for Wheel {
    fn timed_out(&self, _: &Kernel) {
        self.retry.set(TimerId::NONE);
        self.send_and_tell();
    }
}

impl Flush for Wheel {
    fn flush(&self, kernel: &Kernel) {
        self.scheduled.set(false);
        if self.ended.get() {
            return;
        }
        if !self.is_waiting() {
            self.send();
        }
        self.tell_failures(kernel);
        self.deliver(kernel);
        if self.failed.get() {
            self.stop();
        }
        if !self.ended.get()
            && self.queue.borrow().len() == 0
            && self.gone.replace(false)
            && let Some(event) = self.settings.get().flushed
        {
            kernel.deliver_event(self.session, event, self.id);
        }
    }
}

/// The name of a UNIX socket, of those too that have none.
fn named(peer: Address) -> Address {
    if peer == Address::Nobody { Address::Unix(None) } else { peer }
}

fn is_of_datagrams(socket: &Socket) -> bool {
    SockRef::from(socket).r#type().is_ok_and(|kind| kind == Type::DGRAM)
}

/// Whether an error of receiving is about one datagram, and others come.
fn is_about_one(error: &io::Error) -> bool {
    Datagrams::new().is_recoverable(error)
}

/// Whether an error of sending is about the socket. Any other is about where one datagram was to go, and others may go
/// elsewhere.
fn ends_output(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw);
    matches!(number, Some(Errno::EBADF | Errno::ENOTSOCK | Errno::EPIPE) | None)
}

/// Whether that one may be another than the one that is being sent.
fn is_about_former(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw);
    !matches!(number, Some(Errno::EMSGSIZE | Errno::ENOBUFS | Errno::EPERM))
}

impl fmt::Debug for Wheel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Udp")
            .field("id", &self.id)
            .field("session", &self.session)
            .field("socket", &self.socket)
            .field("settings", &self.settings.get())
            .finish_non_exhaustive()
    }
}
