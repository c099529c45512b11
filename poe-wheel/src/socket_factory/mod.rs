//! Making sockets: listening for connections, and connecting.

mod address;
mod connector;
mod unix_path;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use poe_kernel::{EventFor, Kernel, Name, NoActiveSession};
use socket2::{SockAddr, Type};

pub use self::address::{Domain, Port};
use self::connector::{Connector, Failed, Target};
use self::unix_path::UnixPath;
use crate::listener::Listener;
use crate::{Address, Connection, IoError, Socket, WheelError, WheelId};

/// Makes TCP and UNIX stream sockets (POE: `POE::Wheel::SocketFactory`).
///
/// Without a remote address it listens: each client is an event that carries a [`Connection`]. With one it connects, to
/// the host's addresses one after the other until one answers, and sends one [`Connection`].
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
    _path: Option<UnixPath>,
}

enum Work {
    Listen(Rc<Listener>),
    Connect(Rc<Connector>),
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
        }
    }

    /// The address of this end (POE: `getsockname`).
    ///
    /// # Errors
    ///
    /// What the operating system says; of a wheel that connects, once the socket has been handed over.
    pub fn local_address(&self) -> io::Result<Address> {
        match &self.work {
            Work::Listen(listener) => listener.handle().local_address(),
            Work::Connect(connector) => connector.local_address(),
        }
    }

    /// Sends connections under another name from now on (POE: `event`).
    pub fn success_event(&self, event: impl EventFor<Connection>) {
        match &self.work {
            Work::Listen(listener) => listener.set_accepted(event.name()),
            Work::Connect(connector) => connector.set_connected(event.name()),
        }
    }

    /// Sends failures under another name from now on (POE: `event`).
    pub fn failure_event(&self, event: impl EventFor<IoError>) {
        match &self.work {
            Work::Listen(listener) => listener.set_failed(Some(event.name())),
            Work::Connect(connector) => connector.set_failed(event.name()),
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
        }
    }
}

impl fmt::Debug for SocketFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.work {
            Work::Listen(listener) => f.debug_tuple("SocketFactory").field(listener).finish(),
            Work::Connect(connector) => f.debug_tuple("SocketFactory").field(connector).finish(),
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
    reuse: bool,
    listen_queue: i32,
    connect_timeout: Option<Duration>,
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
            reuse: false,
            listen_queue: 1024,
            connect_timeout: None,
            succeeded: Name::new("success"),
            failed: Name::new("failure"),
        }
    }
}

impl SocketFactoryBuilder {
    /// The address family (POE: `SocketDomain`). Without it the address decides, and IPv4 where there is none.
    pub fn socket_domain(mut self, domain: Domain) -> Self {
        self.domain = Some(domain);
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
    /// A socket that is there, but that nobody listens at any more, is replaced. The path is removed when the wheel ends,
    /// if it still is this wheel's.
    pub fn bind_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.bind_path = Some(path.into());
        self.domain = Some(Domain::Unix);
        self
    }

    /// The host to connect to, by address or name (POE: `RemoteAddress`). A name is resolved before `spawn` returns.
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
    pub fn remote_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.remote_path = Some(path.into());
        self.domain = Some(Domain::Unix);
        self
    }

    /// Lets the address be used again while old connections linger (POE: `Reuse`).
    pub fn reuse(mut self, reuse: bool) -> Self {
        self.reuse = reuse;
        self
    }

    /// How many clients may wait to be accepted; 1024 if not given, and no more than the system allows (POE:
    /// `ListenQueue`).
    pub fn listen_queue(mut self, clients: u16) -> Self {
        self.listen_queue = i32::from(clients);
        self
    }

    /// How long to try to connect, over all addresses of the host; as long as the operating system does if not given. The
    /// failure is `"connect"` with `ETIMEDOUT`.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
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
    /// [`WheelError::NoActiveSession`] outside a handler. To listen: [`WheelError::Resolve`] and
    /// [`WheelError::Socket`] as `"bind"` or `"listen"` fail.
    pub fn spawn(self, kernel: &Kernel) -> Result<SocketFactory, WheelError> {
        if kernel.active_session().is_kernel() {
            return Err(NoActiveSession("a SocketFactory wheel").into());
        }
        if self.remote_address.is_some() || self.remote_path.is_some() {
            let target = Target {
                addresses: self.targets(),
                local: self.local_of_client(),
                local_path: self.bind_path,
                timeout: self.connect_timeout,
                reuse: self.reuse,
            };
            let connector = Connector::begin(kernel, target, self.succeeded, self.failed);
            return Ok(SocketFactory { work: Work::Connect(connector), _path: None });
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
    /// [`WheelError::Resolve`] and [`WheelError::Socket`].
    pub fn listen(&self) -> Result<ListeningSocket, WheelError> {
        if let Some(path) = &self.bind_path {
            let (socket, path) = UnixPath::listen(path, self.listen_queue)?;
            return Ok(ListeningSocket { socket, path: Some(path) });
        }
        let mut last = None;
        for address in self.bind_addresses()? {
            match self.listen_at(address) {
                Ok(socket) => return Ok(ListeningSocket { socket, path: None }),
                Err((operation, source)) => {
                    let address = Address::Ip(address);
                    last = Some(WheelError::Socket { operation, address, source });
                }
            }
        }
        Err(last.unwrap_or_else(|| unreachable!("a host resolves to one address at least")))
    }

    fn listen_at(&self, address: SocketAddr) -> Result<Socket, Failed> {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, Type::STREAM, None).map_err(|e| ("socket", e))?;
        if self.reuse {
            socket.set_reuse_address(true).map_err(|e| ("setsockopt", e))?;
        }
        socket.bind(&SockAddr::from(address)).map_err(|e| ("bind", e))?;
        socket.listen(self.listen_queue).map_err(|e| ("listen", e))?;
        Ok(socket.into())
    }

    fn bind_addresses(&self) -> Result<Vec<SocketAddr>, WheelError> {
        let port = self.bind_port.clone().unwrap_or(Port::Number(0));
        let Some(host) = &self.bind_address else {
            let number = port.number().map_err(|source| resolve_error("*", &port, source))?;
            return Ok(vec![address::any(number, self.domain)]);
        };
        port.number()
            .and_then(|number| address::resolve(host, number, self.domain))
            .map_err(|source| resolve_error(host, &port, source))
    }

    /// What to connect to, or why that is not known.
    fn targets(&self) -> Result<Vec<SockAddr>, Failed> {
        if let Some(path) = &self.remote_path {
            return unix_path::address(path)
                .map(|address| vec![address])
                .map_err(|e| ("connect", e));
        }
        let port = self.remote_port.as_ref().ok_or_else(|| ("connect", Errno::EINVAL.into()))?;
        let number = port.number().map_err(|e| ("getservbyname", e))?;
        let host = self.remote_address.as_deref().unwrap_or_default();
        let addresses = address::resolve(host, number, self.domain);
        let addresses = addresses.map_err(|e| ("getaddrinfo", e))?;
        Ok(addresses.into_iter().map(SockAddr::from).collect())
    }

    /// What a client's end is bound to: one address of each family will do, and none if nothing was asked for.
    fn local_of_client(&self) -> Result<Vec<SocketAddr>, Failed> {
        let port = self.bind_port.clone().unwrap_or(Port::Number(0));
        let number = port.number().map_err(|e| ("getservbyname", e))?;
        match &self.bind_address {
            Some(host) => address::resolve(host, number, None).map_err(|e| ("getaddrinfo", e)),
            None if self.bind_port.is_none() => Ok(Vec::new()),
            None => Ok([Domain::Inet, Domain::Inet6]
                .map(|domain| address::any(number, Some(domain)))
                .into()),
        }
    }
}

fn resolve_error(host: &str, port: &Port, source: io::Error) -> WheelError {
    WheelError::Resolve { host: format!("{host}:{port}"), source }
}

/// A socket that listens and is not accepted from yet.
#[derive(Debug)]
pub struct ListeningSocket {
    socket: Socket,
    path: Option<UnixPath>,
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
        Ok(SocketFactory { work: Work::Listen(listener), _path: self.path })
    }
}
