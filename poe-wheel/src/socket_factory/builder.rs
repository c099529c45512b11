//! How a SocketFactory wheel is to be.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use poe_kernel::{EventFor, Kernel, Name, NoActiveSession};

use super::address::{Domain, Port, SocketType};
use super::connector::{Connector, Plan, Target};
use super::ends::Ends;
use super::made::Made;
use super::options::Options;
use super::this_end::ThisEnd;
use super::{ListeningSocket, SocketFactory, Work};
use crate::listener::{Listener, Listening};
use crate::{Connection, IoError, Socket, WheelError, unix_path};

/// Builds a [`SocketFactory`] wheel (POE: the parameters of `POE::Wheel::SocketFactory->new`).
#[derive(Clone, Debug)]
#[must_use = "a wheel begins when it is spawned"]
pub struct SocketFactoryBuilder {
    this_end: ThisEnd,
    remote_address: Option<String>,
    remote_port: Option<Port>,
    remote_path: Option<PathBuf>,
    connect_timeout: Option<Duration>,
    attempt_delay: Duration,
    succeeded: Name,
    failed: Name,
    listening: Option<Name>,
}

impl Default for SocketFactoryBuilder {
    fn default() -> Self {
        Self {
            this_end: ThisEnd::default(),
            remote_address: None,
            remote_port: None,
            remote_path: None,
            connect_timeout: None,
            attempt_delay: Duration::from_millis(250),
            succeeded: Name::new("success"),
            failed: Name::new("failure"),
            listening: None,
        }
    }
}

impl SocketFactoryBuilder {
    /// The address family (POE: `SocketDomain`). Without it the address or the path decides, and IPv4 where there is neither. It
    /// must be that of what is given: [`Unix`](Domain::Unix) goes with paths, and the others with addresses and ports.
    pub fn socket_domain(mut self, domain: Domain) -> Self {
        self.this_end.domain = Some(domain);
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
        self.this_end.options.kind = kind;
        self
    }

    /// The address of this end: an IPv4 or IPv6 address, or a host name; all of the machine's if none is given (POE:
    /// `BindAddress`).
    ///
    /// A name is looked up by another thread, as one to connect to is, so that the address is not known when
    /// [`spawn`](Self::spawn) returns; it comes with the [listening event](Self::listening_event). `localhost` is looked up
    /// nowhere: it is 127.0.0.1, or ::1.
    ///
    /// A wheel has one socket, and so one of the addresses that a name may have: the first of IPv4, or of IPv6 if that is the
    /// [domain](Self::socket_domain) or there is no other. Those that this machine does not have are passed over, but not
    /// one where the port is in use. To listen at several, have a wheel for each.
    pub fn bind_address(mut self, address: impl fmt::Display) -> Self {
        self.this_end.address = Some(address.to_string());
        self
    }

    /// The port of this end, or the name of its service; any free one if none is given (POE: `BindPort`). To listen, a service
    /// is looked up in `/etc/services` at once.
    pub fn bind_port(mut self, port: impl Into<Port>) -> Self {
        self.this_end.port = Some(port.into());
        self
    }

    /// The path of this end of a UNIX socket: to listen at, or for a client to be known by (POE: `BindAddress` in the UNIX
    /// domain).
    ///
    /// A socket that is there, but that nobody listens at any more, is replaced. The path is removed when the [`Socket`] that is
    /// bound to it is dropped, if it still is its own: of one that listens, with the wheel. On Linux, what follows an octet of
    /// 0 is a name that needs no file.
    ///
    /// The path's directory is locked while the path is taken or given up. When another program holds a lock on it, that may
    /// take up to 50 milliseconds.
    pub fn bind_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.this_end.path = Some(path.into());
        self
    }

    /// The host to connect to, by address or name (POE: `RemoteAddress`). A name is looked up by another thread, as
    /// [blocking](Kernel::blocking) work is done.
    pub fn remote_address(mut self, address: impl fmt::Display) -> Self {
        self.remote_address = Some(address.to_string());
        self
    }

    /// The port to connect to, or the name of its service (POE: `RemotePort`). A [remote address](Self::remote_address) needs one.
    pub fn remote_port(mut self, port: impl Into<Port>) -> Self {
        self.remote_port = Some(port.into());
        self
    }

    /// The path of the UNIX socket to connect to (POE: `RemoteAddress` in the UNIX domain).
    ///
    /// While its server has as many clients waiting as may, it is tried again, at first after a millisecond and at last eight
    /// times a second, for as long as [`connect_timeout`](Self::connect_timeout) says. Without that it is for ever, as with the
    /// operating system's own `connect`.
    pub fn remote_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.remote_path = Some(path.into());
        self
    }

    /// Lets the address be used again while old connections linger (POE: `Reuse`). The socket that they came by must have asked
    /// for it too. A port that somebody listens at is in use all the same.
    pub fn reuse(mut self, reuse: bool) -> Self {
        self.this_end.options.reuse = reuse;
        self
    }

    /// Lets several sockets have the address at the same time, if all ask for it: the system shares out clients, or
    /// datagrams, among them (`SO_REUSEPORT`). It is how kernels of several threads, or processes, serve one port.
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.this_end.options.reuse_port = reuse;
        self
    }

    /// Whether a socket of IPv6 is for IPv6 alone, or for IPv4 as well ("dual stack"); as the system is set up if nothing
    /// is said here. Addresses of IPv4 are told as such.
    pub fn v6_only(mut self, only: bool) -> Self {
        self.this_end.options.v6_only = Some(only);
        self
    }

    /// Has connections send small segments at once (`TCP_NODELAY`).
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.this_end.options.nodelay = nodelay;
        self
    }

    /// Has the system look whether the other end of a connection is still there when it has been silent for so long
    /// (`SO_KEEPALIVE`, `TCP_KEEPIDLE`); one second at least.
    pub fn keep_alive(mut self, silence: Duration) -> Self {
        self.this_end.options.keep_alive = Some(silence.max(Duration::from_secs(1)));
        self
    }

    /// Lets datagrams be sent to all hosts of a network (`SO_BROADCAST`).
    pub fn broadcast(mut self, broadcast: bool) -> Self {
        self.this_end.options.broadcast = broadcast;
        self
    }

    /// How many clients may wait to be accepted; 1024 if not given, and no more than the system allows (POE:
    /// `ListenQueue`).
    pub fn listen_queue(mut self, clients: u16) -> Self {
        self.this_end.listen_queue = i32::from(clients);
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

    /// The event for a wheel that listens: from where on, which a name tells only when it has been looked up (see
    /// [`bind_address`](Self::bind_address)). It comes once, before any client and never before the handler has returned.
    ///
    /// ```
    /// use poe_session::prelude::*;
    /// use poe_wheel::{IoError, Listening, SocketFactory};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// # let hostname = "127.1";
    /// Session::build(None)
    ///     .on_start(move |cx| -> HandlerResult {
    ///         let server = SocketFactory::build().bind_address(hostname).listening_event("listening");
    ///         *cx.heap = Some(server.failure_event("failed").spawn(cx.kernel)?);
    ///         Ok(())
    ///     })
    ///     .on("listening", |cx, listening: Listening| {
    ///         println!("listening at {}", listening.address);
    /// #       *cx.heap = None;
    ///     })
    ///     .on("failed", |_, error: IoError| Err::<(), _>(error))
    ///     .spawn(&kernel)?;
    /// kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn listening_event(mut self, event: impl EventFor<Listening>) -> Self {
        self.listening = Some(event.name());
        self
    }

    /// Begins; the wheel belongs to the session that is active.
    ///
    /// # Errors
    ///
    /// [`WheelError::NoActiveSession`] outside a handler; [`WheelError::Parameters`] when they do not go together. Without a
    /// remote address: [`WheelError::Socket`] as `"bind"` or `"listen"` fail, which is the failure event's of a name that is
    /// looked up; [`WheelError::Resolve`] for a service that is not known.
    #[track_caller]
    pub fn spawn(self, kernel: &Kernel) -> Result<SocketFactory, WheelError> {
        if kernel.active_session().is_kernel() {
            return Err(NoActiveSession("a SocketFactory wheel").into());
        }
        self.check()?;
        let (succeeded, failed) = (self.succeeded, self.failed);
        if let Some(target) = self.target() {
            let connector = Connector::begin(kernel, target, self.plan(), succeeded, failed);
            return Ok(SocketFactory::new(Work::Connect(connector)));
        }
        let work = match self.this_end.options.kind {
            SocketType::Datagram => Work::HandOver(Made::begin(kernel, succeeded, failed)),
            SocketType::Stream => {
                Work::Listen(Listener::begin(kernel, succeeded, Some(failed), self.listening)?)
            }
        };
        let place = kernel.place();
        kernel.made_at(place, || work.bind(kernel, self.this_end))
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
    /// A name is looked up before this returns, which may take long: a handler that has one to listen at rather
    /// [spawns](Self::spawn) the wheel.
    ///
    /// # Errors
    ///
    /// [`WheelError::Resolve`], [`WheelError::Socket`] and [`WheelError::Parameters`].
    pub fn listen(&self) -> Result<ListeningSocket, WheelError> {
        self.check()?;
        Ok(ListeningSocket::bound(self.for_streams().bind()?))
    }

    /// As [`listen`](Self::listen), but a name is looked up later, by another thread: when the wheel begins to accept. Until
    /// then it has no [address](ListeningSocket::local_address).
    ///
    /// # Errors
    ///
    /// As for [`listen`](Self::listen), for what is known by now.
    pub fn prepare(&self) -> Result<ListeningSocket, WheelError> {
        self.check()?;
        let this_end = self.for_streams();
        match this_end.name() {
            None => this_end.bind().map(ListeningSocket::bound),
            Some(_) => this_end.port_number().map(|_| ListeningSocket::named(this_end)),
        }
    }

    fn for_streams(&self) -> ThisEnd {
        let options = Options { kind: SocketType::Stream, ..self.this_end.options };
        ThisEnd { options, ..self.this_end.clone() }
    }

    /// Binds a socket to the address of this end at once; one for streams listens then. For a wheel that takes a socket, such
    /// as [`Udp`](crate::Udp).
    ///
    /// A name is looked up before this returns, which may take long: a handler that has one rather [spawns](Self::spawn) the
    /// wheel, which sends the socket.
    ///
    /// # Errors
    ///
    /// [`WheelError::Resolve`], [`WheelError::Socket`] and [`WheelError::Parameters`].
    pub fn bind(&self) -> Result<Socket, WheelError> {
        self.check()?;
        self.this_end.bind()
    }

    /// Refuses what says two things about one end, or half of one, and ends that cannot have to do with each other.
    fn check(&self) -> Result<(), WheelError> {
        let ThisEnd { domain, path, .. } = &self.this_end;
        let has_remote_host = self.remote_address.is_some();
        let has_remote_port = self.remote_port.is_some();
        let has_bind_host = self.this_end.address.is_some() || self.this_end.port.is_some();
        let has_path = path.is_some() || self.remote_path.is_some();
        let error = if self.remote_path.is_some() && (has_remote_host || has_remote_port) {
            "remote_path excludes remote_address and remote_port; give one way to the server"
        } else if has_remote_port && !has_remote_host {
            "remote_port needs a remote_address; without one the wheel would listen"
        } else if has_remote_host && !has_remote_port {
            "remote_address needs a remote_port; say at which the server listens"
        } else if path.is_some() && has_bind_host {
            "bind_path excludes bind_address and bind_port; give one address of this end"
        } else if self.remote_path.is_some() && has_bind_host {
            "remote_path excludes bind_address and bind_port; its client can have a bind_path"
        } else if path.is_some() && has_remote_host {
            "bind_path excludes remote_address; its server has a remote_path"
        } else if *domain == Some(Domain::Unix) && !has_path {
            "the domain Unix needs a bind_path or a remote_path; it has no addresses and ports"
        } else if domain.is_some_and(|domain| domain != Domain::Unix) && has_path {
            "bind_path and remote_path are of the domain Unix; leave the domain out"
        } else {
            return Ok(());
        };
        Err(WheelError::Parameters(error))
    }

    /// How to connect.
    pub(super) fn plan(&self) -> Plan {
        Plan {
            options: self.this_end.options,
            local_path: self.this_end.path.clone(),
            timeout: self.connect_timeout,
            head_start: self.attempt_delay,
        }
    }

    /// What to connect to, if anything.
    fn target(&self) -> Option<Target> {
        if let Some(path) = &self.remote_path {
            let address = unix_path::address(path).map(|address| vec![address]);
            return Some(Target::Known(address.map_err(|e| ("connect", e))));
        }
        Some(Target::Ends(Ends {
            domain: self.this_end.domain,
            kind: self.this_end.options.kind,
            remote_address: self.remote_address.clone()?,
            remote_port: self.remote_port.clone()?,
            bind_address: self.this_end.address.clone(),
            bind_port: self.this_end.port.clone(),
        }))
    }
}
