//! How a TCP server is to be.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::panic::Location;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use poe_filter::Filter;
use poe_kernel::Diagnostic;
use poe_session::{Cx, IntoOutcome, Scope, Session};
use poe_wheel::{
    Address, Domain, IoError, ListeningSocket, Port, SocketFactory, SocketFactoryBuilder,
    WheelError,
};

use super::connection::{self, Connection, OWN};
use super::listener::{Acceptor, Duties, Listener, session};
use super::{Known, Tcp};
use crate::ComponentError;
use crate::callback::callback;
use crate::maker::for_maker;
use crate::tcp::{Plan, Talk, check_alias, suspended};

/// The stage of a [`TcpBuilder`] at which the records and the state of connections can be chosen.
#[derive(Debug)]
pub enum Parameters {}

/// The stage of a [`TcpBuilder`] after the first callback of connections, which settles their types.
#[derive(Debug)]
pub enum Callbacks {}

/// Builds a TCP server (POE: the parameters of `POE::Component::Server::TCP->new`).
///
/// `client_state` and the filters decide the types that callbacks see, so they come before any `client_…` callback:
/// afterwards the builder no longer has them. All else comes in any order.
#[must_use = "a server begins when it is spawned"]
pub struct TcpBuilder<U: 'static, In: 'static = Bytes, Out: 'static = Bytes, Stage = Parameters> {
    pub(super) listening: Listening,
    pub(super) state: Rc<dyn Fn() -> U>,
    pub(super) talk: Talk<Connection<U, In, Out>>,
    pub(super) stage: PhantomData<Stage>,
}

type Customize = Box<dyn FnOnce(Session<Listener>) -> Session<Listener>>;

/// What does not depend on the types of connections.
pub(super) struct Listening {
    socket: SocketFactoryBuilder,
    alias: Option<String>,
    concurrency: Option<usize>,
    acceptor: Option<Acceptor>,
    duties: Duties,
    session: Option<Customize>,
    shutdown_on_error: bool,
}

impl TcpBuilder<()> {
    pub(super) fn new() -> Self {
        let listening = Listening {
            socket: SocketFactory::build().reuse(true),
            alias: None,
            concurrency: None,
            acceptor: None,
            duties: Duties::default(),
            session: None,
            shutdown_on_error: true,
        };
        let talk = Talk::new(Plan::new());
        Self { listening, state: Rc::new(|| ()), talk, stage: PhantomData }
    }
}

/// What decides the types of connections.
impl<U: 'static, In: 'static, Out: 'static> TcpBuilder<U, In, Out> {
    /// Makes what each connection keeps for the program, at `cx.heap.user`.
    ///
    /// ```
    /// use poe_component::prelude::*;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// let server = server::Tcp::build()
    ///     .address("127.0.0.1")
    ///     .client_state(|| 0_u32)
    ///     .client_input(|cx, _| {
    ///         cx.heap.user += 1;
    ///         cx.heap.client.put(format!("that was line {}", cx.heap.user))
    ///     })
    ///     .spawn(&kernel)?;
    /// # kernel.post(&server, server::SHUTDOWN, ())?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn client_state<V: 'static>(
        self,
        state: impl Fn() -> V + 'static,
    ) -> TcpBuilder<V, In, Out> {
        self.retype(|plan, _| (plan, Rc::new(state)))
    }

    /// The filter of connections (POE: `ClientFilter`); `Line` if none is given. Each connection gets a fresh one.
    ///
    /// A connection may change over to another filter of the same type of records, as from lines to blocks after a greeting:
    /// `cx.heap.client.wheel()` has [`set_filter`](poe_wheel::ReadWrite::set_filter), and what was read already goes to the new
    /// one. Where the types of records differ, let one filter make values of an enumeration of them.
    ///
    /// ```
    /// use poe_component::prelude::*;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// let server = server::Tcp::build()
    ///     .address("127.0.0.1")
    ///     .client_filter(Line::literal("|")?)
    ///     .client_input(|cx, record| cx.heap.client.put(record))
    ///     .spawn(&kernel)?;
    /// # kernel.post(&server, server::SHUTDOWN, ())?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn client_filter<F: Filter + 'static>(self, filter: F) -> TcpBuilder<U, F::In, F::Out> {
        self.retype(|plan, state| (plan.filter(filter), state))
    }

    /// The filter of connections' input (POE: `ClientInputFilter`).
    pub fn client_input_filter<F: Filter + 'static>(self, filter: F) -> TcpBuilder<U, F::In, Out> {
        self.retype(|plan, state| (plan.input_filter(filter), state))
    }

    /// The filter of connections' output (POE: `ClientOutputFilter`).
    pub fn client_output_filter<F: Filter + 'static>(self, filter: F) -> TcpBuilder<U, In, F::Out> {
        self.retype(|plan, state| (plan.output_filter(filter), state))
    }

    fn retype<V: 'static, I: 'static, O: 'static>(
        self,
        change: impl FnOnce(Plan<In, Out>, Rc<dyn Fn() -> U>) -> (Plan<I, O>, Rc<dyn Fn() -> V>),
    ) -> TcpBuilder<V, I, O> {
        // At this stage no callback is set yet that is of the old types.
        let (plan, state) = change(self.talk.plan, self.state);
        let talk = Talk::new(plan);
        TcpBuilder { listening: self.listening, state, talk, stage: PhantomData }
    }
}

/// The listening session.
impl<U: 'static, In: 'static, Out: 'static, Stage> TcpBuilder<U, In, Out, Stage> {
    /// The address to listen at: IPv4, IPv6, or a host name (POE: `Address`, `Hostname`); all of the machine's if none is
    /// given.
    ///
    /// A name is looked up before [`spawn`](Self::spawn) returns if that is called outside of handlers, as by a program that
    /// is about to run its kernel. In a handler it would hold others up, and so another thread looks it up: where it leads to
    /// is told to [`listening`](Self::listening), and that it leads nowhere, or cannot be bound to, to [`error`](Self::error).
    ///
    /// One of its addresses is listened at: see [`bind_address`](SocketFactoryBuilder::bind_address).
    pub fn address(mut self, address: impl fmt::Display) -> Self {
        self.listening.socket = self.listening.socket.bind_address(address);
        self
    }

    /// The port to listen at, or the name of its service (POE: `Port`); any free one if none is given.
    pub fn port(mut self, port: impl Into<Port>) -> Self {
        self.listening.socket = self.listening.socket.bind_port(port);
        self
    }

    /// The path of a UNIX socket to listen at (POE: `Address` with `Domain` `AF_UNIX`).
    pub fn path(mut self, path: impl Into<PathBuf>) -> Self {
        self.listening.socket = self.listening.socket.bind_path(path);
        self
    }

    /// What else there is to say of the socket that listens, and so of those of its clients.
    ///
    /// ```
    /// use poe_component::prelude::*;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// let server = server::Tcp::build()
    ///     .address("127.0.0.1")
    ///     .socket(|socket| socket.nodelay(true).reuse_port(true))
    ///     .client_input(|cx, line| cx.heap.client.put(line))
    ///     .spawn(&kernel)?;
    /// # kernel.post(&server, server::SHUTDOWN, ())?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn socket(
        mut self,
        change: impl FnOnce(SocketFactoryBuilder) -> SocketFactoryBuilder,
    ) -> Self {
        self.listening.socket = change(self.listening.socket);
        self
    }

    /// The address family (POE: `Domain`), where the address does not tell.
    pub fn domain(mut self, domain: Domain) -> Self {
        self.listening.socket = self.listening.socket.socket_domain(domain);
        self
    }

    /// How many clients may wait to be accepted.
    pub fn listen_queue(mut self, clients: u16) -> Self {
        self.listening.socket = self.listening.socket.listen_queue(clients);
        self
    }

    /// The alias of the listening session (POE: `Alias`).
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.listening.alias = Some(alias.into());
        self
    }

    /// How many clients may be connected at one time (POE: `Concurrency`); any number if not given, and with 0 none until
    /// [`SET_CONCURRENCY`](super::SET_CONCURRENCY) raises it. Those beyond wait to be accepted.
    ///
    /// A client is counted until its session has gone; but one that was told of the end, and has only to receive the rest or
    /// to stop sending, for which it has up to five seconds, is not.
    ///
    /// ```
    /// use poe_component::prelude::*;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// let server = server::Tcp::build()
    ///     .address("127.0.0.1")
    ///     .concurrency(0)
    ///     .alias("server")
    ///     .client_input(|cx, line| cx.heap.client.put(line))
    ///     // Later, when all is ready: cx.post("server", server::SET_CONCURRENCY, Some(100))
    ///     .spawn(&kernel)?;
    /// # kernel.post(&server, server::SHUTDOWN, ())?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn concurrency(mut self, clients: usize) -> Self {
        self.listening.concurrency = Some(clients);
        self
    }

    /// Deals with accepted connections itself, instead of giving each a session (POE: `Acceptor`). With a `concurrency`,
    /// [`DISCONNECTED`](super::DISCONNECTED) must be sent to the listening session for each that has ended.
    ///
    /// ```
    /// use poe_component::prelude::*;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// let server = server::Tcp::build()
    ///     .address("127.0.0.1")
    ///     .acceptor(|cx, connection| {
    ///         println!("{} has called", connection.peer);
    ///         cx.yield_event(server::DISCONNECTED, ());
    ///     })
    ///     .spawn(&kernel)?;
    /// # kernel.post(&server, server::SHUTDOWN, ())?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn acceptor<R: IntoOutcome>(
        mut self,
        acceptor: impl Fn(&mut Cx<'_, Listener>, poe_wheel::Connection) -> R + 'static,
    ) -> Self {
        self.listening.acceptor = Some(callback(acceptor));
        self
    }

    /// The listening session has started (POE: `Started`).
    pub fn started<R: IntoOutcome>(
        mut self,
        started: impl Fn(&mut Cx<'_, Listener>) -> R + 'static,
    ) -> Self {
        self.listening.duties.started = Some(callback(move |cx, ()| started(cx)));
        self
    }

    /// As [`Self::started`], with arguments (POE: `Started` with `ListenerArgs`).
    pub fn started_with<A: Clone + 'static, R: IntoOutcome>(
        self,
        listener_args: A,
        started: impl Fn(&mut Cx<'_, Listener>, A) -> R + 'static,
    ) -> Self {
        self.started(move |cx| started(cx, listener_args.clone()))
    }

    /// The server listens, and this is its address: told once, after `started`. [`local_address`](Tcp::local_address) tells it
    /// when [`spawn`](Self::spawn) has returned, but of a name that is [looked up](Self::address) for a handler.
    ///
    /// ```
    /// use poe_component::prelude::*;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// # let hostname = "127.1";
    /// Session::build(())
    ///     .on_start(move |cx| -> HandlerResult {
    ///         server::Tcp::build()
    ///             .address(hostname)
    ///             .listening(|cx, address| {
    ///                 println!("listening at {address}");
    /// #               cx.yield_event(server::SHUTDOWN, ());
    ///             })
    ///             .error(|_, error| eprintln!("cannot listen: {error}"))
    ///             .client_input(|cx, line| cx.heap.client.put(line))
    ///             .spawn(cx)?;
    ///         Ok(())
    ///     })
    ///     .spawn(&kernel)?;
    /// kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn listening<R: IntoOutcome>(
        mut self,
        listening: impl Fn(&mut Cx<'_, Listener>, Address) -> R + 'static,
    ) -> Self {
        self.listening.duties.listening = Some(callback(listening));
        self
    }

    /// The listening session stops: after the last connection (POE: `Stopped`).
    pub fn stopped<R: IntoOutcome>(
        mut self,
        stopped: impl Fn(&mut Cx<'_, Listener>) -> R + 'static,
    ) -> Self {
        self.listening.duties.stopped = Some(callback(move |cx, ()| stopped(cx)));
        self
    }

    /// Accepting has failed, or listening at a name that was looked up for a handler (POE: `Error`). Without this, the failure is reported as a diagnostic.
    /// The listener tries again every tenth of a second, but for a failure that is not
    /// [recoverable](IoError::is_recoverable): it ends the listening; connections go on.
    pub fn error<R: IntoOutcome>(
        mut self,
        error: impl Fn(&mut Cx<'_, Listener>, IoError) -> R + 'static,
    ) -> Self {
        self.listening.duties.error = Some(callback(error));
        self
    }

    /// Ends the server in good order at these signals, as `["INT", "TERM"]`: no more clients, what is queued is sent, and
    /// then the connections end. A second signal does not wait for what is queued. The signals stop nobody else.
    ///
    /// ```
    /// use poe_component::prelude::*;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// let server = server::Tcp::build()
    ///     .address("127.0.0.1")
    ///     .drain_on(["INT", "TERM"])
    ///     .client_input(|cx, line| cx.heap.client.put(line))
    ///     .spawn(&kernel)?;
    /// # kernel.post(&server, server::SHUTDOWN, ())?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn drain_on<S: Into<String>>(mut self, signals: impl IntoIterator<Item = S>) -> Self {
        self.listening.duties.drain_signals = signals.into_iter().map(Into::into).collect();
        self
    }

    /// How long connections have to send what is queued, and their peers to receive it, when the server is drained; five
    /// seconds if not given. Their end takes no longer than this.
    pub fn drain_time(mut self, time: Duration) -> Self {
        self.listening.duties.drain_time = time;
        self
    }

    /// Adds to the listening session what this builder has no parameter for: events, options (POE: `SessionType`,
    /// `SessionParams`).
    pub fn listener_session(
        mut self,
        customize: impl FnOnce(Session<Listener>) -> Session<Listener> + 'static,
    ) -> Self {
        self.listening.session = Some(match self.listening.session.take() {
            Some(before) => Box::new(move |session| customize(before(session))),
            None => Box::new(customize),
        });
        self
    }

    /// Whether an error or the end of file shuts a connection down (POE: `ClientShutdownOnError`); it does if not given.
    pub fn client_shutdown_on_error(mut self, shutdown: bool) -> Self {
        self.listening.shutdown_on_error = shutdown;
        self
    }

    /// How long a driver that the pre-connect callback has put on a connection may take for its handshake; thirty seconds if
    /// not given, and any time with [`Duration::MAX`]. A peer that takes longer, as one that is silent, is an error of the
    /// operation `"handshake"`, with [`TimedOut`](std::io::ErrorKind::TimedOut) as its kind.
    ///
    /// A driver that takes another's place later has no limit.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use poe_component::prelude::*;
    ///
    /// let server = server::Tcp::build()
    ///     .handshake_time(Duration::from_secs(5))
    ///     // With the feature `tls`, a driver is put on connections here.
    ///     .client_pre_connect(|_, socket| socket)
    ///     .client_error(|_, error| {
    ///         if error.operation == "handshake" {
    ///             println!("somebody is too slow: {error}");
    ///         }
    ///     })
    ///     .client_input(|cx, line| cx.heap.client.put(line));
    /// # let _ = server;
    /// ```
    pub fn handshake_time(mut self, time: Duration) -> Self {
        self.talk.plan.needs().handshake_time = Some(time);
        self
    }

    /// How much queued output is too much, in octets (POE: `HighMark`); goes with `low_mark` and `client_low`. That it is
    /// reached is what [`put`](crate::Link::put) returns, and `client_high` is called if there is one.
    pub fn high_mark(mut self, octets: usize) -> Self {
        self.talk.plan.needs().high_mark = Some(octets);
        self
    }

    /// How much queued output is little enough again, in octets (POE: `LowMark`).
    pub fn low_mark(mut self, octets: usize) -> Self {
        self.talk.plan.needs().low_mark = Some(octets);
        self
    }

    /// Reads no more from a client while as many octets wait for it as the first of these, until no more do than the second: one that
    /// sends without reading what it gets costs no more memory than that. Both marks are those of `high_mark` and `low_mark`;
    /// the callbacks for them may be given besides.
    ///
    /// What is put by [`Link::put`](crate::Link::put) counts. Where a client's input stops for other reasons too,
    /// [`pause_input`](crate::Link::pause_input) and [`resume_input`](crate::Link::resume_input) go together with this.
    ///
    /// ```
    /// use poe_component::prelude::*;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// let server = server::Tcp::build()
    ///     .address("127.0.0.1")
    ///     .marks(256 * 1024, 16 * 1024)
    ///     .client_input(|cx, line| cx.heap.client.put(line))
    ///     .spawn(&kernel)?;
    /// # kernel.post(&server, server::SHUTDOWN, ())?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn marks(mut self, high: usize, low: usize) -> Self {
        self.talk.plan.keep_pace(high, low);
        self
    }

    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// [`ComponentError::Wheel`] when the address cannot be bound, unless a handler has it [looked up](Self::address),
    /// [`ComponentError::Alias`] when the alias is taken, and
    /// [`ComponentError::Spawn`] when there can be no session; the other errors when parameters do not go together.
    #[track_caller]
    pub fn spawn(self, scope: impl Scope) -> Result<Tcp, ComponentError> {
        self.check()?;
        let place = Location::caller();
        let Listening { socket, alias, concurrency, acceptor, duties, session: customize, .. } =
            self.listening;
        let acceptor = acceptor.unwrap_or_else(|| {
            accept_by_sessions(self.talk, self.state, self.listening.shutdown_on_error)
        });
        suspended(scope, |kernel| {
            check_alias(kernel, alias.as_ref())?;
            // Outside a handler nobody has a turn to be held up.
            let is_turn = !kernel.active_session().is_kernel();
            let socket = if is_turn { socket.prepare() } else { socket.listen() }?;
            let address = known(&socket)?;
            let heap = Listener::new(alias, concurrency, socket, Arc::clone(&address));
            let mut listening = session(heap, acceptor, duties);
            if let Some(customize) = customize {
                listening = customize(listening);
            }
            let session = kernel.made_at(place, || listening.spawn(kernel))?;
            Ok(Tcp { session, address })
        })
    }

    fn check(&self) -> Result<(), ComponentError> {
        match (&self.listening.acceptor, self.talk.has_input) {
            (None, false) => Err(ComponentError::Missing {
                parameter: "client_input",
                advice: "say what to do with what clients send, or give an acceptor",
            }),
            (Some(_), _) if !self.talk.is_empty() => Err(ComponentError::Conflict {
                parameter: "a callback of connections",
                with: "acceptor",
            }),
            _ => self.talk.check(&OWN),
        }
    }
}

/// The address of a socket, if it is known by now.
fn known(socket: &ListeningSocket) -> Result<Known, WheelError> {
    match socket.local_address() {
        Ok(address) => Ok(Known::new(address.into())),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(Known::default()),
        Err(source) => {
            let (operation, address) = ("getsockname", Address::Other);
            Err(WheelError::Socket { operation, address, source })
        }
    }
}

/// What POE calls the default Acceptor: a session for each client.
fn accept_by_sessions<U: 'static, In: 'static, Out: 'static>(
    talk: Talk<Connection<U, In, Out>>,
    state: Rc<dyn Fn() -> U>,
    shutdown_on_error: bool,
) -> Acceptor {
    let sessions = connection::sessions(talk);
    Rc::new(move |cx: &mut Cx<'_, Listener>, accepted: poe_wheel::Connection| {
        let heap = Connection::new(cx, accepted, shutdown_on_error, state());
        let (kernel, listener) = (cx.kernel, cx.session());
        let spawn = || sessions.session(heap).spawn(&mut *cx);
        if let Err(error) = for_maker(kernel, listener, spawn) {
            // The heap, and so the client's place, has gone with it.
            let message = format!("server cannot take a client: {error}");
            cx.kernel.report(&Diagnostic::Component { session: cx.session(), message: &message });
        }
        Ok(())
    })
}

impl<U, In, Out, Stage> fmt::Debug for TcpBuilder<U, In, Out, Stage> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpBuilder")
            .field("socket", &self.listening.socket)
            .field("alias", &self.listening.alias)
            .field("concurrency", &self.listening.concurrency)
            .field("talk", &self.talk)
            .finish_non_exhaustive()
    }
}
