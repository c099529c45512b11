//! Connecting without waiting: names looked up by another thread, and all addresses tried (RFC 8305).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::time::Duration;

use nix::errno::Errno;
use poe_kernel::{
    BlockingCall, BlockingRefused, Kernel, Mode, Name, Place, SessionId, Timeout, TimerId, Watch,
    WatchId, WeakKernel,
};
use socket2::{SockAddr, SockRef};

use super::address::is_without_way;
use super::ends::{Addresses, Ends};
use super::options::Options;
use crate::unix_path::{Turn, UnixPath};
use crate::{Address, Connection, IoCause, IoError, Socket, WheelId};

/// How long to leave a UNIX server that has as many clients waiting as may, at first and at most. Nothing tells when it has
/// accepted one.
const RETRY: Duration = Duration::from_millis(1);
const LONGEST_RETRY: Duration = Duration::from_millis(128);

/// A step of connecting, and why it failed.
pub(super) type Failed = (&'static str, io::Error);

/// What to connect to.
pub(super) enum Target {
    Ends(Ends),
    Known(Result<Vec<SockAddr>, Failed>),
}

/// How to connect.
pub(super) struct Plan {
    pub(super) options: Options,
    /// The path of this end of a UNIX socket.
    pub(super) local_path: Option<PathBuf>,
    pub(super) timeout: Option<Duration>,
    /// How long an attempt may take before the next one joins it.
    pub(super) head_start: Duration,
}

pub(super) struct Connector {
    this: Weak<Self>,
    kernel: WeakKernel,
    session: SessionId,
    /// The line that made it.
    since: Place,
    id: WheelId,
    connected: Cell<Name>,
    failed: Cell<Name>,
    plan: Plan,
    lookup: Cell<Option<BlockingCall>>,
    /// Those that are yet to be tried.
    remote: RefCell<VecDeque<SockAddr>>,
    local: RefCell<Vec<SocketAddr>>,
    attempts: RefCell<Vec<Rc<Attempt>>>,
    /// Has the next attempt join those under way.
    next: Cell<TimerId>,
    /// How long to leave a busy server next time.
    retry: Cell<Duration>,
    timeout: Cell<TimerId>,
    /// Why the last attempt failed that got anywhere.
    last: RefCell<Option<Failed>>,
    /// How it ended, to be told when no handler is running.
    failure: RefCell<Option<Failed>>,
    ended: Cell<bool>,
}

/// One address that is being connected to.
struct Attempt {
    connector: Weak<Connector>,
    socket: Cell<Option<Rc<Socket>>>,
    watch: Cell<Option<WatchId>>,
}

impl Connector {
    #[track_caller]
    pub(super) fn begin(
        kernel: &Kernel,
        target: Target,
        plan: Plan,
        connected: Name,
        failed: Name,
    ) -> Rc<Self> {
        let since = kernel.place();
        let connector = Rc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            kernel: kernel.downgrade(),
            session: kernel.active_session(),
            since,
            id: WheelId::allocate(),
            connected: Cell::new(connected),
            failed: Cell::new(failed),
            plan,
            lookup: Cell::default(),
            remote: RefCell::default(),
            local: RefCell::default(),
            attempts: RefCell::default(),
            next: Cell::new(TimerId::NONE),
            retry: Cell::new(RETRY),
            timeout: Cell::new(TimerId::NONE),
            last: RefCell::default(),
            failure: RefCell::default(),
            ended: Cell::new(false),
        });
        if let Some(timeout) = connector.plan.timeout {
            let this = Rc::clone(&connector) as _;
            let begin = || kernel.call_later(connector.session, timeout, this);
            let timer = kernel.made_at(since, begin);
            connector.timeout.set(timer);
        }
        match target {
            Target::Known(Ok(remote)) => connector.try_all(kernel, remote, Vec::new()),
            Target::Known(Err(failed)) => connector.fail_later(kernel, failed),
            Target::Ends(ends) if ends.are_literal() => connector.resolved(kernel, ends.resolve()),
            Target::Ends(ends) => connector.look_up(kernel, ends),
        }
        connector
    }

    pub(super) fn id(&self) -> WheelId {
        self.id
    }

    pub(super) fn local_address(&self) -> io::Result<Address> {
        let attempts = self.attempts.borrow();
        let socket = attempts.first().and_then(|attempt| attempt.socket());
        socket.ok_or(io::ErrorKind::NotConnected)?.local_address()
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
            self.give_up(&kernel);
        }
    }

    fn look_up(&self, kernel: &Kernel, ends: Ends) {
        let this = Weak::clone(&self.this);
        let then = move |kernel: &Kernel, found: Result<_, _>| {
            if let Some(this) = this.upgrade() {
                this.lookup.set(None);
                let lost = |error| Err(("getaddrinfo", io::Error::other(error)));
                this.resolved(kernel, found.unwrap_or_else(lost));
            }
        };
        let begin = || kernel.call_blocking(self.session, move || ends.resolve(), then);
        let begun = kernel.made_at(self.since, begin);
        match begun.map_err(BlockingRefused::without_work) {
            Ok(lookup) => self.lookup.set(Some(lookup)),
            Err(refused) => self.fail_later(kernel, ("getaddrinfo", io::Error::other(refused))),
        }
    }

    fn resolved(&self, kernel: &Kernel, found: Result<Addresses, Failed>) {
        match found {
            Ok(Addresses { remote, local }) => {
                self.try_all(kernel, remote.into_iter().map(SockAddr::from), local);
            }
            Err(failed) => self.fail_later(kernel, failed),
        }
    }

    fn try_all(
        &self,
        kernel: &Kernel,
        remote: impl IntoIterator<Item = SockAddr>,
        local: Vec<SocketAddr>,
    ) {
        self.remote.borrow_mut().extend(remote);
        self.local.replace(local);
        self.try_next(kernel);
    }

    /// Begins the next attempt; if none is left and none under way, fails as the last one did that got anywhere.
    fn try_next(&self, kernel: &Kernel) {
        kernel.cancel_call(self.next.replace(TimerId::NONE));
        loop {
            let address = self.remote.borrow_mut().pop_front();
            let Some(address) = address else { break };
            match self.attempt(kernel, &address) {
                Ok(()) => return self.have_next_join(kernel),
                Err((_, error)) if address.is_unix() && is_full(&error) => {
                    self.remote.borrow_mut().push_front(address);
                    let retry = self.retry.get();
                    self.retry.set(LONGEST_RETRY.min(retry * 2));
                    return self.join_after(kernel, retry);
                }
                Err(failed) => self.note(failed),
            }
        }
        if self.attempts.borrow().is_empty() {
            let nowhere = || ("connect", io::ErrorKind::AddrNotAvailable.into());
            let failed = self.last.take().unwrap_or_else(nowhere);
            self.fail_later(kernel, failed);
        }
    }

    /// Keeps a failure in mind. That there is no way to one address is no news when another has answered.
    fn note(&self, failed: Failed) {
        let mut last = self.last.borrow_mut();
        if last.is_none() || !is_without_way(&failed.1) {
            *last = Some(failed);
        }
    }

    /// Two attempts from one port of this end could be in each other's way.
    fn have_next_join(&self, kernel: &Kernel) {
        let has_port = self.local.borrow().iter().any(|local| local.port() != 0);
        if !has_port && !self.remote.borrow().is_empty() {
            self.join_after(kernel, self.plan.head_start);
        }
    }

    fn join_after(&self, kernel: &Kernel, time: Duration) {
        let next = Rc::new(Next(Weak::clone(&self.this)));
        let begin = || kernel.call_later(self.session, time, next);
        self.next.set(kernel.made_at(self.since, begin));
    }

    fn attempt(&self, kernel: &Kernel, address: &SockAddr) -> Result<(), Failed> {
        let socket = self.plan.options.socket(address.domain())?;
        let local = self.local.borrow();
        if !local.is_empty() {
            let local = local.iter().find(|local| local.is_ipv4() == address.is_ipv4());
            let other_family = || ("bind", io::Error::from(Errno::EAFNOSUPPORT));
            let local = local.ok_or_else(other_family)?;
            socket.bind(&SockAddr::from(*local)).map_err(|e| ("bind", e))?;
        }
        let kind = self.plan.options.type_of_socket();
        let path = self.plan.local_path.as_deref();
        let bind = |path| UnixPath::bind(&Turn::at(path), &socket, kind);
        let path = path.map(bind).transpose()?.flatten();
        match socket.connect(address) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(Errno::EINPROGRESS as i32) => {}
            Err(error) => return Err(("connect", error)),
        }
        let socket = Rc::new(Socket::at_path(socket, path));
        let attempt = Rc::new(Attempt {
            connector: Weak::clone(&self.this),
            socket: Cell::new(Some(Rc::clone(&socket))),
            watch: Cell::default(),
        });
        let target = Rc::clone(&attempt) as _;
        let begin = || kernel.watch(self.session, socket, Mode::Write, target);
        let watch = kernel
            .made_at(self.since, begin)
            .map_err(|error| ("connect", io::Error::other(error)))?;
        attempt.watch.set(Some(watch));
        self.attempts.borrow_mut().push(attempt);
        Ok(())
    }

    /// Ends what is under way.
    fn give_up(&self, kernel: &Kernel) {
        if let Some(lookup) = self.lookup.take() {
            kernel.cancel_blocking(lookup);
        }
        kernel.cancel_call(self.next.replace(TimerId::NONE));
        kernel.cancel_call(self.timeout.replace(TimerId::NONE));
        self.remote.borrow_mut().clear();
        let attempts = self.attempts.take();
        attempts.iter().for_each(|attempt| drop(attempt.end(kernel)));
    }

    fn finish(&self, kernel: &Kernel, socket: Socket) {
        self.give_up(kernel);
        match socket.peer_address() {
            Ok(peer) => {
                let connection = Connection::new(socket, peer, self.id);
                kernel.deliver_event(self.session, self.connected.get(), connection);
            }
            Err(error) => self.fail(kernel, ("getpeername", error)),
        }
    }

    fn fail(&self, kernel: &Kernel, (operation, error): Failed) {
        self.give_up(kernel);
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
            let begin = || kernel.call_later(self.session, Duration::ZERO, this);
            self.timeout.set(kernel.made_at(self.since, begin));
        }
    }
}

impl Timeout for Connector {
    fn timed_out(&self, kernel: &Kernel) {
        self.timeout.set(TimerId::NONE);
        let failed = self.failure.take();
        self.fail(kernel, failed.unwrap_or_else(|| ("connect", Errno::ETIMEDOUT.into())));
    }
}

impl Attempt {
    fn socket(&self) -> Option<Rc<Socket>> {
        let socket = self.socket.take()?;
        self.socket.set(Some(Rc::clone(&socket)));
        Some(socket)
    }

    fn end(&self, kernel: &Kernel) -> Option<Rc<Socket>> {
        if let Some(watch) = self.watch.take() {
            kernel.unwatch(watch);
        }
        self.socket.take()
    }
}

impl Watch for Attempt {
    fn ready(&self, kernel: &Kernel, _: Mode) {
        let Some(connector) = self.connector.upgrade() else { return };
        let Some(socket) = self.end(kernel) else { return };
        connector.attempts.borrow_mut().retain(|other| !std::ptr::eq(&**other, self));
        match SockRef::from(&*socket).take_error() {
            // The kernel's share went with the watch, and so this is the last.
            Ok(None) => match Rc::into_inner(socket) {
                Some(socket) => connector.finish(kernel, socket),
                None => connector.fail(kernel, ("connect", io::ErrorKind::ResourceBusy.into())),
            },
            Ok(Some(error)) | Err(error) => {
                drop(socket);
                connector.note(("connect", error));
                connector.try_next(kernel);
            }
        }
    }
}

/// Whether a server's queue is full, where the system does not wait for room by itself.
fn is_full(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::EAGAIN as i32)
}

/// Has the next attempt of a connector join those under way.
struct Next(Weak<Connector>);

impl Timeout for Next {
    fn timed_out(&self, kernel: &Kernel) {
        if let Some(connector) = self.0.upgrade() {
            connector.next.set(TimerId::NONE);
            connector.try_next(kernel);
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("id", &self.id)
            .field("session", &self.session)
            .field("attempts", &self.attempts.borrow().len())
            .field("addresses_left", &self.remote.borrow().len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

    use poe_session::prelude::*;
    use socket2::Type;

    use super::*;

    /// Connects to the first of some addresses that answers: the one it was, or the error's number.
    fn connect(addresses: Vec<SockAddr>) -> Result<Address, i32> {
        crate::descriptors::count();
        connect_by(&Kernel::new().unwrap(), addresses, None)
    }

    fn begin(
        kernel: &Kernel,
        addresses: Vec<SockAddr>,
        timeout: Option<Duration>,
    ) -> Rc<Connector> {
        let builder = crate::SocketFactory::build();
        let plan = Plan { timeout, ..builder.plan() };
        assert_eq!(plan.head_start, HEAD_START);
        begin_so(kernel, addresses, plan)
    }

    fn begin_so(kernel: &Kernel, addresses: Vec<SockAddr>, plan: Plan) -> Rc<Connector> {
        let target = Target::Known(Ok(addresses));
        Connector::begin(kernel, target, plan, "connected".into(), "failed".into())
    }

    fn connect_by(
        kernel: &Kernel,
        addresses: Vec<SockAddr>,
        timeout: Option<Duration>,
    ) -> Result<Address, i32> {
        let outcome = Rc::new(RefCell::new(None));
        let [connected, failed] = [Rc::clone(&outcome), Rc::clone(&outcome)];
        Session::build(None::<Rc<Connector>>)
            .on_start(move |cx| *cx.heap = Some(begin(cx.kernel, addresses.clone(), timeout)))
            .on("connected", move |_, connection: Connection| {
                assert!(connected.replace(Some(Ok(connection.peer))).is_none());
            })
            .on("failed", move |_, error: IoError| {
                assert!(failed.replace(Some(Err(error.errno()))).is_none());
            })
            .spawn(kernel)
            .unwrap();
        kernel.run().unwrap();
        outcome.take().unwrap()
    }

    const HEAD_START: Duration = Duration::from_millis(250);

    /// A listener whose queue is full, so that nobody gets an answer; and those who fill it.
    fn silent() -> (Vec<socket2::Socket>, SockAddr) {
        let (listener, address) = bound(Ipv4Addr::LOCALHOST);
        listener.listen(0).unwrap();
        let mut all = vec![listener];
        loop {
            let client = socket2::Socket::new(address.domain(), Type::STREAM, None).unwrap();
            let connected = client.connect_timeout(&address, Duration::from_millis(20));
            all.push(client);
            if connected.is_err() {
                return (all, address);
            }
            assert!(all.len() < 20, "a queue of no length takes 20 clients");
        }
    }

    fn virtual_kernel() -> Kernel {
        crate::descriptors::count();
        Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build().unwrap()
    }

    fn elapsed(kernel: &Kernel) -> Duration {
        kernel.time().duration_since(std::time::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn an_address_that_is_silent_is_joined_by_the_next_one() {
        let (_silent, silent) = silent();
        let (_v4, refused) = bound(Ipv4Addr::LOCALHOST);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let alive = listener.local_addr().unwrap();
        let kernel = virtual_kernel();
        let (first, second) = (silent.clone(), silent.clone());
        let addresses = vec![first, second, refused, alive.into()];
        assert_eq!(connect_by(&kernel, addresses, None), Ok(Address::Ip(alive)));
        // After one head start for each of the silent ones, and none for the other.
        assert_eq!(elapsed(&kernel), 2 * HEAD_START);
    }

    #[test]
    fn the_head_start_is_what_it_is_asked_to_be() {
        let (_silent, silent) = silent();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let alive = SockAddr::from(listener.local_addr().unwrap());
        for delay in [Duration::from_millis(1), Duration::from_secs(7)] {
            let kernel = virtual_kernel();
            let addresses = vec![silent.clone(), silent.clone(), alive.clone()];
            Session::build(None)
                .on_start(move |cx| {
                    let plan = crate::SocketFactory::build().attempt_delay(delay).plan();
                    *cx.heap = Some(begin_so(cx.kernel, addresses.clone(), plan));
                })
                .on("connected", |cx, _: Connection| *cx.heap = None)
                .on("failed", |_, error: IoError| Err::<(), _>(error))
                .spawn(&kernel)
                .unwrap();
            kernel.run().unwrap();
            assert_eq!(elapsed(&kernel), 2 * delay);
        }
    }

    #[test]
    fn a_connection_whose_other_end_is_unknown_by_then_is_a_failure_and_none() {
        crate::descriptors::count();
        let kernel = Kernel::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = SockAddr::from(listener.local_addr().unwrap());
        let told = Rc::new(RefCell::new(Vec::new()));
        let t = Rc::clone(&told);
        Session::build(None)
            .on_start(move |cx| {
                let connector = begin(cx.kernel, vec![address.clone()], None);
                let (client, _) = listener.accept().unwrap();
                // It is reset, and that has been asked after once, as by another who has the socket.
                SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
                drop(client);
                let socket = connector.attempts.borrow()[0].socket().unwrap();
                let mut error = None;
                while error.is_none() {
                    error = SockRef::from(&*socket).take_error().unwrap();
                }
                *cx.heap = Some(connector);
            })
            .on("connected", |_, _: Connection| Err::<(), _>("it is not connected"))
            .on("failed", move |_, error: IoError| {
                t.borrow_mut().push((error.operation, error.errno()));
            })
            .spawn(&kernel)
            .unwrap();
        kernel.run().unwrap();
        assert_eq!(*told.borrow(), [("getpeername", Errno::ENOTCONN as i32)]);
    }

    /// The sockets that the attempts of a connector have, by what the system knows them by.
    #[cfg(target_os = "linux")]
    fn sockets(connector: &Connector) -> Vec<PathBuf> {
        use std::os::fd::{AsFd, AsRawFd};

        let attempts = connector.attempts.borrow();
        let descriptors = attempts.iter().map(|it| it.socket().unwrap().as_fd().as_raw_fd());
        descriptors.map(|it| std::fs::read_link(format!("/proc/self/fd/{it}")).unwrap()).collect()
    }

    /// Those of them that are open.
    #[cfg(target_os = "linux")]
    fn open(sockets: &[PathBuf]) -> usize {
        let open = std::fs::read_dir("/proc/self/fd").unwrap();
        let open: Vec<_> = open.flat_map(|it| std::fs::read_link(it.unwrap().path())).collect();
        sockets.iter().filter(|socket| open.contains(socket)).count()
    }

    /// Attempts that nobody answers, and one that somebody does; or nobody, and the wheel is dropped among them. How many of
    /// their sockets are open then.
    #[cfg(target_os = "linux")]
    fn open_after_a_race(is_won: bool) -> usize {
        let (_silent, silent) = silent();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut addresses = vec![silent; 3];
        if is_won {
            addresses.push(listener.local_addr().unwrap().into());
        }
        let all = Rc::new(RefCell::new(Vec::new()));
        let [seen, at_end] = [Rc::clone(&all), Rc::clone(&all)];
        let left = Rc::new(Cell::new(None));
        let [won, dropped] = [Rc::clone(&left), Rc::clone(&left)];
        let kernel = virtual_kernel();
        Session::build(None::<crate::SocketFactory>)
            .on_start(move |cx| {
                let connector = begin(cx.kernel, addresses.clone(), None);
                let work = super::super::Work::Connect(connector);
                *cx.heap = Some(crate::SocketFactory::new(work));
                cx.delay("look", HEAD_START * 5 / 2, ());
            })
            .on("look", move |cx, ()| {
                let Some(wheel) = &*cx.heap else { panic!("it is there") };
                let super::super::Work::Connect(connector) = &wheel.work else { unreachable!() };
                seen.replace(sockets(connector));
                assert_eq!(open(&seen.borrow()), 3);
                if !is_won {
                    *cx.heap = None;
                    dropped.set(Some(open(&seen.borrow())));
                }
            })
            .on("connected", move |_, _: Connection| won.set(Some(open(&at_end.borrow()))))
            .on("failed", |_, error: IoError| Err::<(), _>(error))
            .spawn(&kernel)
            .unwrap();
        kernel.run().unwrap();
        left.get().unwrap()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_sockets_of_attempts_that_are_given_up_are_closed_by_the_time_that_one_has_connected() {
        assert_eq!(open_after_a_race(true), 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_wheel_dropped_amid_a_race_leaves_no_socket_open() {
        assert_eq!(open_after_a_race(false), 0);
    }

    #[test]
    fn the_time_limit_is_for_all_addresses() {
        let (_silent, silent) = silent();
        let kernel = virtual_kernel();
        let result = connect_by(&kernel, vec![silent; 100], Some(Duration::from_secs(3)));
        assert_eq!(result, Err(Errno::ETIMEDOUT as i32));
        assert_eq!(elapsed(&kernel), Duration::from_secs(3));
    }

    fn bound(ip: impl Into<std::net::IpAddr>) -> (socket2::Socket, SockAddr) {
        crate::descriptors::count();
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

    #[test]
    fn that_there_is_no_way_to_an_address_says_less_than_that_another_has_refused() {
        let (_v4, refused) = bound(Ipv4Addr::LOCALHOST);
        // What is for documentation is nobody's, and this end is on the loopback.
        let nowhere =
            SockAddr::from(SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 1)));
        let local = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
        for remote in [vec![refused.clone(), nowhere.clone()], vec![nowhere, refused]] {
            let kernel = Kernel::new().unwrap();
            let error = Rc::new(Cell::new(0));
            let (told, local) = (Rc::clone(&error), local.clone());
            Session::build(None::<Rc<Connector>>)
                .on_start(move |cx| {
                    let connector = begin(cx.kernel, Vec::new(), None);
                    cx.kernel.cancel_call(connector.timeout.get());
                    connector.failure.take();
                    connector.try_all(cx.kernel, remote.clone(), local.clone());
                    *cx.heap = Some(connector);
                })
                .on("failed", move |_, error: IoError| told.set(error.errno()))
                .spawn(&kernel)
                .unwrap();
            kernel.run().unwrap();
            assert_eq!(error.get(), Errno::ECONNREFUSED as i32);
        }
    }
}
