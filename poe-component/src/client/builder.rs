//! How a TCP client is to be.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use poe_filter::Filter;
use poe_kernel::{EventFor, SessionOption};
use poe_session::{Cx, IntoOutcome, Scope, Session};
use poe_wheel::{Domain, IoError, Port, Socket, SocketFactory, SocketFactoryBuilder};

use super::connection::{self, Connection, Draining, OWN, Reactions};
use super::{Remote, Tcp};
use crate::callback::callback;
use crate::tcp::{DRAIN_TIME, Plan, Talk, check_alias, suspended};
use crate::{ComponentError, IntoDriven};

/// The stage of a [`TcpBuilder`] at which its records and its state can be chosen.
#[derive(Debug)]
pub enum Parameters {}

/// The stage of a [`TcpBuilder`] after the first callback, which settles their types.
#[derive(Debug)]
pub enum Callbacks {}

/// Builds a TCP client (POE: the parameters of `POE::Component::Client::TCP->new`).
///
/// `client_state` and the filters decide the types that callbacks see, so they come before any callback: afterwards the
/// builder no longer has them. All else comes in any order.
#[must_use = "a client begins when it is spawned"]
pub struct TcpBuilder<U: 'static, In: 'static = Bytes, Out: 'static = Bytes, Stage = Parameters> {
    connecting: Connecting,
    state: U,
    reactions: Reactions<U, In, Out>,
    talk: Talk<Connection<U, In, Out>>,
    stage: PhantomData<Stage>,
}

/// What does not depend on the types of the client.
#[derive(Debug)]
struct Connecting {
    socket: SocketFactoryBuilder,
    remote: Remote,
    alias: Option<String>,
    draining: Draining,
}

impl TcpBuilder<()> {
    pub(super) fn new() -> Self {
        let connecting = Connecting {
            socket: SocketFactory::build(),
            remote: Remote::default(),
            alias: None,
            draining: Draining { signals: Vec::new(), time: DRAIN_TIME },
        };
        Self::with(connecting, (), Plan::new())
    }
}

/// What decides the types of the client.
impl<U: 'static, In: 'static, Out: 'static> TcpBuilder<U, In, Out> {
    /// What the client keeps for the program, at `cx.heap.user`.
    ///
    /// ```
    /// use poe_component::prelude::*;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// # let server = server::Tcp::build()
    /// #     .address("127.0.0.1")
    /// #     .client_input(|cx, line| cx.heap.client.put(line))
    /// #     .spawn(&kernel)?;
    /// # let port = server.local_address().port().unwrap_or(0);
    /// client::Tcp::build()
    ///     .remote_address("127.0.0.1")
    ///     .remote_port(port)
    ///     .client_state(0_u32)
    ///     .connected(|cx| cx.heap.server.put("again"))
    ///     .server_input(move |cx, line| {
    ///         cx.heap.user += 1;
    ///         if cx.heap.user < 3 {
    ///             cx.heap.server.put(line);
    ///         } else {
    ///             cx.yield_event(client::SHUTDOWN, ());
    /// #             let _ = cx.post(&server, server::SHUTDOWN, ());
    ///         }
    ///     })
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn client_state<V: 'static>(self, state: V) -> TcpBuilder<V, In, Out> {
        TcpBuilder::with(self.connecting, state, self.talk.plan)
    }

    /// The filter (POE: `Filter`); `Line` if none is given. Each connection gets a fresh one.
    pub fn filter<F: Filter + 'static>(self, filter: F) -> TcpBuilder<U, F::In, F::Out> {
        TcpBuilder::with(self.connecting, self.state, self.talk.plan.filter(filter))
    }

    /// The filter of input.
    pub fn input_filter<F: Filter + 'static>(self, filter: F) -> TcpBuilder<U, F::In, Out> {
        TcpBuilder::with(self.connecting, self.state, self.talk.plan.input_filter(filter))
    }

    /// The filter of output.
    pub fn output_filter<F: Filter + 'static>(self, filter: F) -> TcpBuilder<U, In, F::Out> {
        TcpBuilder::with(self.connecting, self.state, self.talk.plan.output_filter(filter))
    }

    fn with(connecting: Connecting, state: U, plan: Plan<In, Out>) -> Self {
        // At this stage no callback is set yet.
        let reactions = Reactions { started: None, connect_error: None };
        Self { connecting, state, reactions, talk: Talk::new(plan), stage: PhantomData }
    }
}

/// The connection to be made.
impl<U: 'static, In: 'static, Out: 'static, Stage> TcpBuilder<U, In, Out, Stage> {
    /// The host to connect to, by address or name (POE: `RemoteAddress`).
    pub fn remote_address(mut self, address: impl fmt::Display) -> Self {
        self.connecting.remote.address = Some(address.to_string());
        self
    }

    /// The port to connect to, or the name of its service (POE: `RemotePort`).
    pub fn remote_port(mut self, port: impl Into<Port>) -> Self {
        self.connecting.remote.port = Some(port.into());
        self
    }

    /// The path of the UNIX socket to connect to (POE: `RemoteAddress` with `Domain` `AF_UNIX`).
    pub fn remote_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.connecting.remote.path = Some(path.into());
        self
    }

    /// What else there is to say of the socket: `.socket(|socket| socket.nodelay(true))`.
    pub fn socket(
        mut self,
        change: impl FnOnce(SocketFactoryBuilder) -> SocketFactoryBuilder,
    ) -> Self {
        self.connecting.socket = change(self.connecting.socket);
        self
    }

    /// The address of this end (POE: `BindAddress`).
    pub fn bind_address(mut self, address: impl fmt::Display) -> Self {
        self.connecting.socket = self.connecting.socket.bind_address(address);
        self
    }

    /// The port of this end (POE: `BindPort`).
    pub fn bind_port(mut self, port: impl Into<Port>) -> Self {
        self.connecting.socket = self.connecting.socket.bind_port(port);
        self
    }

    /// The address family (POE: `Domain`), where the address does not tell.
    pub fn domain(mut self, domain: Domain) -> Self {
        self.connecting.socket = self.connecting.socket.socket_domain(domain);
        self
    }

    /// How long to try to connect, exactly (POE: `ConnectTimeout`); then `connect_error` gets `"connect"`, `ETIMEDOUT`.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connecting.socket = self.connecting.socket.connect_timeout(timeout);
        self
    }

    /// The alias of the client's session (POE: `Alias`).
    ///
    /// It is there from before `started` until the client shuts down, and again when it reconnects.
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.connecting.alias = Some(alias.into());
        self
    }

    /// Ends the client in good order at these signals, as `["INT", "TERM"]`: it takes no more input, sends what is queued,
    /// disconnects, and does not connect again, whatever `disconnected` asks for. A second signal does not wait for what is
    /// queued. The signals stop nobody else.
    ///
    /// ```no_run
    /// use poe_component::prelude::*;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// client::Tcp::build()
    ///     .remote_address("127.0.0.1")
    ///     .remote_port(12345)
    ///     .drain_on(["INT", "TERM"])
    ///     .disconnected(|cx| cx.delay(client::RECONNECT, std::time::Duration::from_secs(60), ()))
    ///     .server_input(|_, _| ())
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn drain_on<S: Into<String>>(mut self, signals: impl IntoIterator<Item = S>) -> Self {
        self.connecting.draining.signals = signals.into_iter().map(Into::into).collect();
        self
    }

    /// How long what is queued has to be sent, and to be received, once a signal ends the client; five seconds if not given.
    pub fn drain_time(mut self, time: Duration) -> Self {
        self.connecting.draining.time = time;
        self
    }

    /// How long a driver that the pre-connect callback has put on a connection may take for its handshake; thirty seconds if
    /// not given, and any time with [`Duration::MAX`]. A peer that takes longer, as one that is silent, is an error of the
    /// operation `"handshake"`, with [`TimedOut`](std::io::ErrorKind::TimedOut) as its kind.
    ///
    /// A driver that takes another's place later has no limit.
    pub fn handshake_time(mut self, time: Duration) -> Self {
        self.talk.plan.needs().handshake_time = Some(time);
        self
    }

    /// How much queued output is too much, in octets (POE: `HighMark`); goes with `low_mark` and `server_low`. That it is
    /// reached is what [`put`](crate::Link::put) returns, and `server_high` is called if there is one.
    pub fn high_mark(mut self, octets: usize) -> Self {
        self.talk.plan.needs().high_mark = Some(octets);
        self
    }

    /// How much queued output is little enough again, in octets (POE: `LowMark`).
    pub fn low_mark(mut self, octets: usize) -> Self {
        self.talk.plan.needs().low_mark = Some(octets);
        self
    }

    /// Reads no more from the server while as many octets wait for it as the first of these, until no more do than the second: one that
    /// sends without reading what it gets costs no more memory than that. Both marks are those of `high_mark` and `low_mark`;
    /// the callbacks for them may be given besides.
    ///
    /// What is put by [`Link::put`](crate::Link::put) counts. Where the server's input stops for other reasons too,
    /// [`pause_input`](crate::Link::pause_input) and [`resume_input`](crate::Link::resume_input) go together with this.
    pub fn marks(mut self, high: usize, low: usize) -> Self {
        self.talk.plan.keep_pace(high, low);
        self
    }

    /// Begins to connect; whether that succeeds is told by callbacks.
    ///
    /// # Errors
    ///
    /// [`ComponentError::Alias`] when the alias is taken, and [`ComponentError::Spawn`] when there can be no session; the
    /// other errors when parameters are missing or do not go together.
    #[track_caller]
    pub fn spawn(self, scope: impl Scope) -> Result<Tcp, ComponentError> {
        self.check()?;
        let place = Location::caller();
        let Connecting { socket, remote, alias, draining } = self.connecting;
        suspended(scope, |kernel| {
            check_alias(kernel, alias.as_ref())?;
            let heap = Connection::new(socket, remote, alias, self.state);
            let sessions = connection::sessions(self.talk, self.reactions, draining);
            let session = kernel.made_at(place, || sessions.session(heap).spawn(kernel))?;
            Ok(Tcp { session })
        })
    }

    fn check(&self) -> Result<(), ComponentError> {
        let Remote { address, port, path } = &self.connecting.remote;
        let (parameter, advice) = if path.is_none() && address.is_none() {
            ("remote_address", "give it and remote_port, or remote_path")
        } else if path.is_none() && port.is_none() {
            ("remote_port", "say at which port of the host the server listens")
        } else if !self.talk.has_input {
            ("server_input", "say what to do with what the server sends")
        } else {
            return self.talk.check(&OWN);
        };
        Err(ComponentError::Missing { parameter, advice })
    }
}

/// The callbacks.
impl<U: 'static, In: 'static, Out: 'static, Stage> TcpBuilder<U, In, Out, Stage> {
    /// The session has started, and is about to connect (POE: `Started`).
    pub fn started<R: IntoOutcome>(
        mut self,
        started: impl Fn(&mut Cx<'_, Connection<U, In, Out>>) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.reactions.started = Some(callback(move |cx, ()| started(cx)));
        self.settled()
    }

    /// As [`Self::started`], with arguments (POE: `Started` with `Args`).
    pub fn started_with<A: Clone + 'static, R: IntoOutcome>(
        self,
        args: A,
        started: impl Fn(&mut Cx<'_, Connection<U, In, Out>>, A) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.started(move |cx| started(cx, args.clone()))
    }

    /// The socket is connected, and has no wheel yet (POE: `PreConnect`): the place to set its options, or to give it
    /// another driver. What is not a connection disconnects.
    pub fn pre_connect<D: IntoDriven>(
        mut self,
        pre_connect: impl Fn(&mut Cx<'_, Connection<U, In, Out>>, Socket) -> D + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.talk.on_pre_connect(pre_connect);
        self.settled()
    }

    /// The client is connected (POE: `Connected`); its address is in `cx.heap.remote_addr`.
    pub fn connected<R: IntoOutcome>(
        mut self,
        connected: impl Fn(&mut Cx<'_, Connection<U, In, Out>>) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.talk.connected = Some(callback(move |cx, ()| connected(cx)));
        self.settled()
    }

    /// Connecting has failed (POE: `ConnectError`). The session ends unless this asks to reconnect, now or later. Without
    /// it, the failure is reported as a diagnostic.
    ///
    /// ```no_run
    /// use poe_component::prelude::*;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// client::Tcp::build()
    ///     .remote_address("127.0.0.1")
    ///     .remote_port(12345)
    ///     .connect_timeout(std::time::Duration::from_secs(10))
    ///     .connect_error(|cx, error| {
    ///         eprintln!("{error}; trying again");
    ///         cx.delay(client::RECONNECT, std::time::Duration::from_secs(60), ())
    ///     })
    ///     .server_input(|_, _| ())
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect_error<R: IntoOutcome>(
        mut self,
        error: impl Fn(&mut Cx<'_, Connection<U, In, Out>>, IoError) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.reactions.connect_error = Some(callback(error));
        self.settled()
    }

    /// The connection has ended, from either side (POE: `Disconnected`); called once for each. The session ends unless this
    /// asks to reconnect, now or later.
    ///
    /// ```no_run
    /// use poe_component::prelude::*;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// client::Tcp::build()
    ///     .remote_address("127.0.0.1")
    ///     .remote_port(12345)
    ///     .disconnected(|cx| cx.delay(client::RECONNECT, std::time::Duration::from_secs(60), ()))
    ///     .server_input(|_, _| ())
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn disconnected<R: IntoOutcome>(
        mut self,
        disconnected: impl Fn(&mut Cx<'_, Connection<U, In, Out>>) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.talk.disconnected = Some(callback(move |cx, ()| disconnected(cx)));
        self.settled()
    }

    /// The server has sent a record (POE: `ServerInput`).
    pub fn server_input<R: IntoOutcome>(
        mut self,
        input: impl Fn(&mut Cx<'_, Connection<U, In, Out>>, In) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.talk.on_input(input);
        self.settled()
    }

    /// The server's output has ended within a record, which is this. Without this it is dropped.
    pub fn server_partial<R: IntoOutcome>(
        mut self,
        input: impl Fn(&mut Cx<'_, Connection<U, In, Out>>, In) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.talk.on_partial(input);
        self.settled()
    }

    /// The connection has failed, or the server sends no more (POE: `ServerError`). Without this, failures are reported
    /// as diagnostics.
    pub fn server_error<R: IntoOutcome>(
        mut self,
        error: impl Fn(&mut Cx<'_, Connection<U, In, Out>>, IoError) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.talk.error = Some(callback(error));
        self.settled()
    }

    /// All output has gone (POE: `ServerFlushed`). When the client is shutting down, it disconnects after this, whatever
    /// this puts.
    pub fn server_flushed<R: IntoOutcome>(
        mut self,
        flushed: impl Fn(&mut Cx<'_, Connection<U, In, Out>>) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.talk.flushed = Some(callback(move |cx, ()| flushed(cx)));
        self.settled()
    }

    /// As much output is queued as the high mark (POE: `ServerHigh`).
    pub fn server_high<R: IntoOutcome>(
        mut self,
        high: impl Fn(&mut Cx<'_, Connection<U, In, Out>>) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.talk.on_high(high);
        self.settled()
    }

    /// No more output is queued than the low mark (POE: `ServerLow`).
    pub fn server_low<R: IntoOutcome>(
        mut self,
        low: impl Fn(&mut Cx<'_, Connection<U, In, Out>>) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.talk.on_low(low);
        self.settled()
    }

    /// Adds an event to the session (POE: `InlineStates`, `PackageStates`). One of the names of the client's commands
    /// replaces the command.
    pub fn state<P: 'static, R: IntoOutcome>(
        mut self,
        event: impl EventFor<P>,
        handler: impl Fn(&mut Cx<'_, Connection<U, In, Out>>, P) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.talk.state(event, handler);
        self.settled()
    }

    /// Adds an event that a method of an object handles (POE: `ObjectStates`).
    pub fn object_state<T: 'static, P: 'static, R: IntoOutcome>(
        mut self,
        object: &Rc<T>,
        event: impl EventFor<P>,
        method: impl Fn(&T, &mut Cx<'_, Connection<U, In, Out>>, P) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        let object = Rc::clone(object);
        self.talk.state(event, move |cx, payload| method(&object, cx, payload));
        self.settled()
    }

    /// Sets an option of the session (POE: `SessionParams`).
    pub fn option(mut self, option: SessionOption, on: bool) -> TcpBuilder<U, In, Out, Callbacks> {
        self.talk.option(option, on);
        self.settled()
    }

    /// Adds to the session what this builder has no parameter for (POE: `SessionType`, `SessionParams`). Its `_start` is the
    /// component's.
    pub fn session(
        mut self,
        customize: impl Fn(Session<Connection<U, In, Out>>) -> Session<Connection<U, In, Out>> + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.talk.customize(customize);
        self.settled()
    }

    fn settled(self) -> TcpBuilder<U, In, Out, Callbacks> {
        let Self { connecting, state, reactions, talk, .. } = self;
        TcpBuilder { connecting, state, reactions, talk, stage: PhantomData }
    }
}

impl<U, In, Out, Stage> fmt::Debug for TcpBuilder<U, In, Out, Stage> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpBuilder")
            .field("connecting", &self.connecting)
            .field("talk", &self.talk)
            .finish_non_exhaustive()
    }
}
