//! Making sockets: listening for connections, and connecting.

mod address;
mod connector;
mod ends;
mod made;
mod options;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use poe_kernel::{EventFor, Kernel, Name, NoActiveSession};
use socket2::SockAddr;

pub use self::address::{Domain, Port, SocketType};
use self::connector::{Connector, Failed, Plan, Target};
use self::ends::Ends;
use self::made::Made;
use self::options::Options;
use crate::listener::Listener;
use crate::unix_path::{self, Turn, UnixPath};
use crate::{Address, Connection, IoError, Socket, WheelError, WheelId};

/// Makes sockets of TCP, of UDP and of the UNIX domain (POE: `POE::Wheel::SocketFactory`).
///
/// - Without a remote address it listens: each client is an event that carries a [`Connection`].
/// - With one it connects, and sends one [`Connection`]. A name is looked up by another thread. All addresses of the host
///   are tried: IPv6 and IPv4 by turns, the next one joining when the last has not answered for a quarter of a second, or
///   at once when it has failed; the first to answer is the one (RFC 8305, "Happy Eyeballs").
/// - A [datagram](SocketFactoryBuilder::socket_type) socket without a remote address is bound and sent as a
///   [`Connection`] to [nobody](Address::Nobody).
///
/// What fails before `spawn` returns is its error when listening; what fails later is an event that carries an
/// [`IoError`]. Failing to connect is always an event, so that it is met in one place.
///
/// ```
/// use poe_session::prelude::*;
/// use poe_wheel::{Connection, IoError, SocketFactory};
///
/// #[derive(Default)]
/// struct Wheels { server: Option<SocketFactory>, client: Option<SocketFactory> }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kernel = Kernel::new()?;
/// Session::build(Wheels::default())
///     .on_start(|cx| -> HandlerResult {
///         let server = SocketFactory::build()
///             .bind_address("127.0.0.1")
///             .success_event("accepted")
///             .failure_event("failed")
///             .spawn(cx.kernel)?;
///         let port = server.local_address()?.port().unwrap_or(0);
///         cx.heap.server = Some(server);
///         cx.heap.client = Some(
///             SocketFactory::build()
///                 .remote_address("127.0.0.1")
///                 .remote_port(port)
///                 .success_event("connected")
///                 .failure_event("failed")
///                 .spawn(cx.kernel)?,
///         );
///         Ok(())
///     })
///     .on("connected", |cx, _: Connection| cx.heap.client = None)
///     .on("accepted", |cx, _: Connection| cx.heap.server = None)
///     .on("failed", |_, error: IoError| Err::<(), _>(error))
///     .spawn(&kernel)?;
/// kernel.run()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a wheel ends when it is dropped"]
pub struct SocketFactory {
    work: Work,
}

enum Work {
    Listen(Rc<Listener>),
    Connect(Rc<Connector>),
    HandOver(Rc<Made>),
}

impl SocketFactory {
    /// A wheel to be configured.
    pub fn build() -> SocketFactoryBuilder {
        SocketFactoryBuilder::default()
    }

    /// The wheel's identity (POE: `ID`).
    #[must_use]
    pub fn id(&self) -> WheelId {
        match &self.work {
            Work::Listen(listener) => listener.id(),
            Work::Connect(connector) => connector.id(),
            Work::HandOver(made) => made.id(),
        }
    }

    /// The address of this end (POE: `getsockname`).
    ///
    /// # Errors
    ///
    /// What the operating system says; of a wheel that connects, before there is an address to connect to and once the
    /// socket has been handed over.
    pub fn local_address(&self) -> io::Result<Address> {
        match &self.work {
            Work::Listen(listener) => listener.handle().local_address(),
            Work::Connect(connector) => connector.local_address(),
            Work::HandOver(made) => made.local_address(),
        }
    }

    /// Sends connections under another name from now on (POE: `event`).
    pub fn success_event(&self, event: impl EventFor<Connection>) {
        match &self.work {
            Work::Listen(listener) => listener.set_accepted(event.name()),
            Work::Connect(connector) => connector.set_connected(event.name()),
            Work::HandOver(made) => made.set_made(event.name()),
        }
    }

    /// Sends failures under another name from now on (POE: `event`).
    pub fn failure_event(&self, event: impl EventFor<IoError>) {
        match &self.work {
            Work::Listen(listener) => listener.set_failed(Some(event.name())),
            Work::Connect(connector) => connector.set_failed(event.name()),
            Work::HandOver(_) => {}
        }
    }

    /// Lets clients wait in the operating system's queue. Nothing to a wheel that connects.
    pub fn pause_accept(&self) {
        if let Work::Listen(listener) = &self.work {
            listener.pause();
        }
    }

    /// Accepts clients again.
    pub fn resume_accept(&self) {
        if let Work::Listen(listener) = &self.work {
            listener.resume();
        }
    }
}

impl Drop for SocketFactory {
    fn drop(&mut self) {
        match &self.work {
            Work::Listen(listener) => listener.end(),
            Work::Connect(connector) => connector.end(),
            Work::HandOver(made) => made.end(),
        }
    }
}

impl fmt::Debug for SocketFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.work {
            Work::Listen(listener) => f.debug_tuple("SocketFactory").field(listener).finish(),
            Work::Connect(connector) => f.debug_tuple("SocketFactory").field(connector).finish(),
            Work::HandOver(made) => f.debug_tuple("SocketFactory").field(made).finish(),
        }
    }
}

/// Builds a [`SocketFactory`] wheel (POE: the parameters of `POE::Wheel::SocketFactory->new`).
#[derive(Clone, Debug)]
#[must_use = "a wheel begins when it is spawned"]
pub struct SocketFactoryBuilder {
    domain: Option<Domain>,
    bind_address: Option<String>,
    bind_port: Option<Port>,
    bind_path: Option<PathBuf>,
    remote_address: Option<String>,
    remote_port: Option<Port>,
    remote_path: Option<PathBuf>,
    options: Options,
    listen_queue: i32,
    connect_timeout: Option<Duration>,
    attempt_delay: Duration,
    succeeded: Name,
    failed: Name,
}

impl Default for SocketFactoryBuilder {
    fn default() -> Self {
        Self {
            domain: None,
            bind_address: None,
            bind_port: None,
            bind_path: None,
            remote_address: None,
            remote_port: None,
            remote_path: None,
            options: Options::default(),
            listen_queue: 1024,
            connect_timeout: None,
            attempt_delay: Duration::from_millis(250),
            succeeded: Name::new("success"),
            failed: Name::new("failure"),
        }
    }
}

impl SocketFactoryBuilder {
    /// The address family (POE: `SocketDomain`). Without it the address or the path decides, and IPv4 where there is neither. It
    /// must be that of what is given: [`Unix`](Domain::Unix) goes with paths, and the others with addresses and ports.
    pub fn socket_domain(mut self, domain: Domain) -> Self {
        self.domain = Some(domain);
        self
    }

    /// Whether it is to carry a stream or datagrams; a stream if nothing is said here (POE: `SocketType`, `SocketProtocol`).
    ///
    /// ```
    /// use std::net::UdpSocket;
    ///
    /// use poe_session::prelude::*;
    /// use poe_wheel::{Connection, SocketFactory, SocketType};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// Session::build(None)
    ///     .on_start(|cx| -> HandlerResult {
    ///         let udp = SocketFactory::build().socket_type(SocketType::Datagram);
    ///         *cx.heap = Some(udp.bind_address("127.0.0.1").success_event("bound").spawn(cx.kernel)?);
    ///         Ok(())
    ///     })
    ///     .on("bound", |_, bound: Connection| {
    ///         let _socket = UdpSocket::from(bound.socket);
    ///     })
    ///     .spawn(&kernel)?;
    /// kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn socket_type(mut self, kind: SocketType) -> Self {
        self.options.kind = kind;
        self
    }

    /// The address of this end: an IPv4 or IPv6 address, or a host name; all of the machine's if none is given (POE:
    /// `BindAddress`).
    pub fn bind_address(mut self, address: impl fmt::Display) -> Self {
        self.bind_address = Some(address.to_string());
        self
    }

    /// The port of this end, or the name of its service; any free one if none is given (POE: `BindPort`).
    pub fn bind_port(mut self, port: impl Into<Port>) -> Self {
        self.bind_port = Some(port.into());
        self
    }

    /// The path of this end of a UNIX socket: to listen at, or for a client to be known by (POE: `BindAddress` in the UNIX
    /// domain).
    ///
    /// A socket that is there, but that nobody listens at any more, is replaced. The path is removed when the [`Socket`] that is
    /// bound to it is dropped, if it still is its own: of one that listens, with the wheel. On Linux, what follows an octet of
    /// 0 is a name that needs no file.
    pub fn bind_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.bind_path = Some(path.into());
        self
    }

    /// The host to connect to, by address or name (POE: `RemoteAddress`). A name is looked up by another thread, as
    /// [blocking](Kernel::blocking) work is done.
    pub fn remote_address(mut self, address: impl fmt::Display) -> Self {
        self.remote_address = Some(address.to_string());
        self
    }

    /// The port to connect to, or the name of its service (POE: `RemotePort`).
    pub fn remote_port(mut self, port: impl Into<Port>) -> Self {
        self.remote_port = Some(port.into());
        self
    }

    /// The path of the UNIX socket to connect to (POE: `RemoteAddress` in the UNIX domain).
    ///
    /// While its server has as many clients waiting as may, it is tried again, for as long as
    /// [`connect_timeout`](Self::connect_timeout) says.
    pub fn remote_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.remote_path = Some(path.into());
        self
    }

    /// Lets the address be used again while old connections linger (POE: `Reuse`).
    pub fn reuse(mut self, reuse: bool) -> Self {
        self.options.reuse = reuse;
        self
    }

    /// Lets several sockets have the address at the same time, if all ask for it: the system shares out clients, or
    /// datagrams, among them (`SO_REUSEPORT`). It is how kernels of several threads, or processes, serve one port.
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.options.reuse_port = reuse;
        self
    }

    /// Whether a socket of IPv6 is for IPv6 alone, or for IPv4 as well ("dual stack"); as the system is set up if nothing
    /// is said here. Addresses of IPv4 are told as such.
    pub fn v6_only(mut self, only: bool) -> Self {
        self.options.v6_only = Some(only);
        self
    }

    /// Has connections send small segments at once (`TCP_NODELAY`).
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.options.nodelay = nodelay;
        self
    }

    /// Has the system look whether the other end of a connection is still there when it has been silent for so long
    /// (`SO_KEEPALIVE`, `TCP_KEEPIDLE`); one second at least.
    pub fn keep_alive(mut self, silence: Duration) -> Self {
        self.options.keep_alive = Some(silence.max(Duration::from_secs(1)));
        self
    }

    /// Lets datagrams be sent to all hosts of a network (`SO_BROADCAST`).
    pub fn broadcast(mut self, broadcast: bool) -> Self {
        self.options.broadcast = broadcast;
        self
    }

    /// How many clients may wait to be accepted; 1024 if not given, and no more than the system allows (POE:
    /// `ListenQueue`).
    pub fn listen_queue(mut self, clients: u16) -> Self {
        self.listen_queue = i32::from(clients);
        self
    }

    /// How long to try to connect, the name being looked up and all addresses tried; as long as the operating system does if
    /// not given. The failure is `"connect"` with `ETIMEDOUT`.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// How long one address may take to answer before the next one is tried besides (RFC 8305: "Connection Attempt Delay");
    /// 250 milliseconds if not given. With a port of this end, addresses are tried one after the other.
    pub fn attempt_delay(mut self, delay: Duration) -> Self {
        self.attempt_delay = delay;
        self
    }

    /// The event for each connection (POE: `SuccessEvent`); `"success"` if none is given.
    pub fn success_event(mut self, event: impl EventFor<Connection>) -> Self {
        self.succeeded = event.name();
        self
    }

    /// The event for failures (POE: `FailureEvent`); `"failure"` if none is given.
    pub fn failure_event(mut self, event: impl EventFor<IoError>) -> Self {
        self.failed = event.name();
        self
    }

    /// Begins; the wheel belongs to the session that is active.
    ///
    /// # Errors
    ///
    /// [`WheelError::NoActiveSession`] outside a handler; [`WheelError::Parameters`] when they do not go together. Without a
    /// remote address: [`WheelError::Resolve`] and [`WheelError::Socket`] as `"bind"` or `"listen"` fail.
    pub fn spawn(self, kernel: &Kernel) -> Result<SocketFactory, WheelError> {
        if kernel.active_session().is_kernel() {
            return Err(NoActiveSession("a SocketFactory wheel").into());
        }
        self.check()?;
        if let Some(target) = self.target() {
            let plan = Plan {
                options: self.options,
                local_path: self.bind_path,
                timeout: self.connect_timeout,
                head_start: self.attempt_delay,
            };
            let connector = Connector::begin(kernel, target, plan, self.succeeded, self.failed);
            return Ok(SocketFactory { work: Work::Connect(connector) });
        }
        if self.options.kind == SocketType::Datagram {
            let made = Made::begin(kernel, self.bind()?, self.succeeded);
            return Ok(SocketFactory { work: Work::HandOver(made) });
        }
        let (succeeded, failed) = (self.succeeded, self.failed);
        self.listen()?.accept(kernel, succeeded, failed)
    }

    /// Binds and listens without beginning to accept; for a server that reports its address, or its failure, before it has
    /// a session.
    ///
    /// ```
    /// use poe_wheel::SocketFactory;
    ///
    /// let listening = SocketFactory::build().bind_address("127.0.0.1").listen()?;
    /// assert!(listening.local_address()?.port() > Some(0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WheelError::Resolve`], [`WheelError::Socket`] and [`WheelError::Parameters`].
    pub fn listen(&self) -> Result<ListeningSocket, WheelError> {
        let stream =
            Self { options: Options { kind: SocketType::Stream, ..self.options }, ..self.clone() };
        Ok(ListeningSocket { socket: stream.bind()? })
    }

    /// Binds a socket to the address of this end at once; one for streams listens then. For a wheel that takes a socket, such
    /// as [`Udp`](crate::Udp).
    ///
    /// # Errors
    ///
    /// [`WheelError::Resolve`], [`WheelError::Socket`] and [`WheelError::Parameters`].
    pub fn bind(&self) -> Result<Socket, WheelError> {
        self.check()?;
        if let Some(path) = &self.bind_path {
            let address = Address::Unix(Some(path.clone()));
            return self.bind_to_path(path).map_err(|failed| socket_error(address, failed));
        }
        let mut last = None;
        for address in self.bind_addresses()? {
            match self.bind_to(address) {
                Ok(socket) => return Ok(socket),
                Err(failed) => last = Some(socket_error(Address::Ip(address), failed)),
            }
        }
        Err(last.unwrap_or_else(|| unreachable!("a host resolves to one address at least")))
    }

    fn bind_to(&self, address: SocketAddr) -> Result<Socket, Failed> {
        let socket = self.options.socket(socket2::Domain::for_address(address))?;
        socket.bind(&SockAddr::from(address)).map_err(|e| ("bind", e))?;
        self.listen_if_stream(&socket)?;
        Ok(socket.into())
    }

    fn bind_to_path(&self, path: &Path) -> Result<Socket, Failed> {
        let socket = self.options.socket(socket2::Domain::UNIX)?;
        let turn = Turn::at(path);
        let path = UnixPath::bind(&turn, &socket, self.options.type_of_socket())?;
        let listening = self.listen_if_stream(&socket);
        drop(turn);
        let socket = Socket::at_path(socket, path);
        listening.map(|()| socket)
    }

    fn listen_if_stream(&self, socket: &socket2::Socket) -> Result<(), Failed> {
        match self.options.kind {
            SocketType::Stream => socket.listen(self.listen_queue).map_err(|e| ("listen", e)),
            SocketType::Datagram => Ok(()),
        }
    }

    fn bind_addresses(&self) -> Result<Vec<SocketAddr>, WheelError> {
        let port = self.bind_port.clone().unwrap_or(Port::Number(0));
        let number = port.number(self.options.kind);
        let Some(host) = &self.bind_address else {
            let number = number.map_err(|source| resolve_error("*", &port, source))?;
            return Ok(vec![address::any(number, self.domain)]);
        };
        number
            .and_then(|number| address::resolve(host, number, self.domain))
            .map_err(|source| resolve_error(host, &port, source))
    }

    /// Refuses what says two things about one end, or half of one, and ends that cannot have to do with each other.
    fn check(&self) -> Result<(), WheelError> {
        let has_remote_host = self.remote_address.is_some();
        let has_remote_port = self.remote_port.is_some();
        let has_bind_host = self.bind_address.is_some() || self.bind_port.is_some();
        let has_path = self.bind_path.is_some() || self.remote_path.is_some();
        let error = if self.remote_path.is_some() && (has_remote_host || has_remote_port) {
            "remote_path excludes remote_address and remote_port; give one way to the server"
        } else if has_remote_port && !has_remote_host {
            "remote_port needs a remote_address; without one the wheel would listen"
        } else if self.bind_path.is_some() && has_bind_host {
            "bind_path excludes bind_address and bind_port; give one address of this end"
        } else if self.remote_path.is_some() && has_bind_host {
            "remote_path excludes bind_address and bind_port; its client can have a bind_path"
        } else if self.bind_path.is_some() && has_remote_host {
            "bind_path excludes remote_address; its server has a remote_path"
        } else if self.domain == Some(Domain::Unix) && !has_path {
            "the domain Unix needs a bind_path or a remote_path; it has no addresses and ports"
        } else if self.domain.is_some_and(|domain| domain != Domain::Unix) && has_path {
            "bind_path and remote_path are of the domain Unix; leave the domain out"
        } else {
            return Ok(());
        };
        Err(WheelError::Parameters(error))
    }

    /// What to connect to, if anything.
    fn target(&self) -> Option<Target> {
        if let Some(path) = &self.remote_path {
            let address = unix_path::address(path).map(|address| vec![address]);
            return Some(Target::Known(address.map_err(|e| ("connect", e))));
        }
        Some(Target::Ends(Ends {
            domain: self.domain,
            kind: self.options.kind,
            remote_address: self.remote_address.clone()?,
            remote_port: self.remote_port.clone(),
            bind_address: self.bind_address.clone(),
            bind_port: self.bind_port.clone(),
        }))
    }
}

fn socket_error(address: Address, (operation, source): Failed) -> WheelError {
    WheelError::Socket { operation, address, source }
}

fn resolve_error(host: &str, port: &Port, source: io::Error) -> WheelError {
    WheelError::Resolve { host: format!("{host}:{port}"), source }
}

/// A socket that listens and is not accepted from yet.
#[derive(Debug)]
pub struct ListeningSocket {
    socket: Socket,
}

impl ListeningSocket {
    /// The address it listens at.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn local_address(&self) -> io::Result<Address> {
        self.socket.local_address()
    }

    /// Begins to accept; the wheel belongs to the session that is active.
    ///
    /// # Errors
    ///
    /// [`WheelError::NoActiveSession`] outside a handler, [`WheelError::Watch`] when the socket cannot be watched.
    pub fn accept(
        self,
        kernel: &Kernel,
        success_event: impl EventFor<Connection>,
        failure_event: impl EventFor<IoError>,
    ) -> Result<SocketFactory, WheelError> {
        let (succeeded, failed) = (success_event.name(), failure_event.name());
        let listener = Listener::begin(kernel, self.socket, succeeded, Some(failed))?;
        Ok(SocketFactory { work: Work::Listen(listener) })
    }
}
