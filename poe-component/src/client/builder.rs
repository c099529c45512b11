//! How a TCP client is to be.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use poe_filter::Filter;
use poe_kernel::{EventFor, SessionOption};
use poe_session::{Cx, Handlers, IntoOutcome, Scope, Session};
use poe_wheel::{
    Domain, Input, IoError, Port, Socket, SocketFactory, SocketFactoryBuilder, WheelId,
};

use super::connection::{EVENTS, Reactions, complete};
use super::{Connection, Tcp};
use crate::callback::{callback, finish};
use crate::tcp::Plan;
use crate::{ComponentError, IntoDriven};

/// The stage of a [`TcpBuilder`] at which its records and its state can be chosen.
#[derive(Debug)]
pub enum Parameters {}

/// The stage of a [`TcpBuilder`] after the first callback, which settles their types.
#[derive(Debug)]
pub enum Callbacks {}

type Customize<H> = Rc<dyn Fn(Session<H>) -> Session<H>>;

/// Builds a TCP client (POE: the parameters of `POE::Component::Client::TCP->new`).
///
/// `client_state` and the filters decide the types that callbacks see, so they come before any callback: afterwards the
/// builder no longer has them. All else comes in any order.
#[must_use = "a client begins when it is spawned"]
pub struct TcpBuilder<U: 'static, In: 'static = Bytes, Out: 'static = Bytes, Stage = Parameters> {
    socket: SocketFactoryBuilder,
    has_remote: bool,
    has_input: bool,
    alias: Option<String>,
    plan: Plan<In, Out>,
    state: Box<dyn FnOnce() -> U>,
    reactions: Reactions<U, In, Out>,
    handlers: Handlers<Connection<U, In, Out>>,
    session: Option<Customize<Connection<U, In, Out>>>,
    stage: PhantomData<Stage>,
}

impl TcpBuilder<()> {
    pub(super) fn new() -> Self {
        Self {
            socket: SocketFactory::build(),
            has_remote: false,
            has_input: false,
            alias: None,
            plan: Plan::new(),
            state: Box::new(|| ()),
            reactions: Reactions::default(),
            handlers: Handlers::new(),
            session: None,
            stage: PhantomData,
        }
    }
}

/// What decides the types of the client.
impl<U: 'static, In: 'static, Out: 'static> TcpBuilder<U, In, Out> {
    /// What the client keeps for the program, at `cx.heap.user`.
    pub fn client_state<V: 'static>(self, state: V) -> TcpBuilder<V, In, Out> {
        self.retype(|plan, _| (plan, Box::new(|| state)))
    }

    /// The filter (POE: `Filter`); `Line` if none is given. Each connection gets a fresh one.
    pub fn filter<F: Filter + 'static>(self, filter: F) -> TcpBuilder<U, F::In, F::Out> {
        self.retype(|plan, state| (plan.filter(filter), state))
    }

    /// The filter of input.
    pub fn input_filter<F: Filter + 'static>(self, filter: F) -> TcpBuilder<U, F::In, Out> {
        self.retype(|plan, state| (plan.input_filter(filter), state))
    }

    /// The filter of output.
    pub fn output_filter<F: Filter + 'static>(self, filter: F) -> TcpBuilder<U, In, F::Out> {
        self.retype(|plan, state| (plan.output_filter(filter), state))
    }

    fn retype<V: 'static, I: 'static, O: 'static>(
        self,
        change: impl FnOnce(
            Plan<In, Out>,
            Box<dyn FnOnce() -> U>,
        ) -> (Plan<I, O>, Box<dyn FnOnce() -> V>),
    ) -> TcpBuilder<V, I, O> {
        let (plan, state) = change(self.plan, self.state);
        TcpBuilder {
            socket: self.socket,
            has_remote: self.has_remote,
            has_input: false,
            alias: self.alias,
            plan,
            state,
            // At this stage no callback is set yet that is of the old types.
            reactions: Reactions::default(),
            handlers: Handlers::new(),
            session: None,
            stage: PhantomData,
        }
    }
}

/// The connection to be made.
impl<U: 'static, In: 'static, Out: 'static, Stage> TcpBuilder<U, In, Out, Stage> {
    /// The host to connect to, by address or name (POE: `RemoteAddress`).
    pub fn remote_address(mut self, address: impl fmt::Display) -> Self {
        self.socket = self.socket.remote_address(address);
        self.has_remote = true;
        self
    }

    /// The port to connect to, or the name of its service (POE: `RemotePort`).
    pub fn remote_port(mut self, port: impl Into<Port>) -> Self {
        self.socket = self.socket.remote_port(port);
        self
    }

    /// The path of the UNIX socket to connect to (POE: `RemoteAddress` with `Domain` `AF_UNIX`).
    pub fn remote_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.socket = self.socket.remote_path(path);
        self.has_remote = true;
        self
    }

    /// The address of this end (POE: `BindAddress`).
    pub fn bind_address(mut self, address: impl fmt::Display) -> Self {
        self.socket = self.socket.bind_address(address);
        self
    }

    /// The port of this end (POE: `BindPort`).
    pub fn bind_port(mut self, port: impl Into<Port>) -> Self {
        self.socket = self.socket.bind_port(port);
        self
    }

    /// The address family (POE: `Domain`), where the address does not tell.
    pub fn domain(mut self, domain: Domain) -> Self {
        self.socket = self.socket.socket_domain(domain);
        self
    }

    /// How long to try to connect, exactly (POE: `ConnectTimeout`); then `connect_error` gets `"connect"`, `ETIMEDOUT`.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.socket = self.socket.connect_timeout(timeout);
        self
    }

    /// The alias of the client's session (POE: `Alias`).
    ///
    /// It is there from before `started` until the client shuts down, and again when it reconnects.
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.alias = Some(alias.into());
        self
    }

    /// How much queued output is too much, in octets (POE: `HighMark`); goes with `low_mark`, `server_high` and
    /// `server_low`.
    pub fn high_mark(mut self, octets: usize) -> Self {
        self.plan.high_mark = Some(octets);
        self
    }

    /// How much queued output is little enough again, in octets (POE: `LowMark`).
    pub fn low_mark(mut self, octets: usize) -> Self {
        self.plan.low_mark = Some(octets);
        self
    }

    /// Begins to connect; whether that succeeds is told by callbacks.
    ///
    /// # Errors
    ///
    /// [`ComponentError::Missing`] and [`ComponentError::Incomplete`] when parameters are, [`ComponentError::Spawn`] when
    /// there can be no session.
    pub fn spawn(self, scope: impl Scope) -> Result<Tcp, ComponentError> {
        if !self.has_remote {
            let advice = "give remote_address and remote_port, or remote_path";
            return Err(ComponentError::Missing { parameter: "remote_address", advice });
        }
        if !self.has_input {
            let advice = "say what to do with what the server sends";
            return Err(ComponentError::Missing { parameter: "server_input", advice });
        }
        self.plan.check()?;
        let heap = Connection::new(self.socket, self.alias, (self.state)());
        let handlers = complete(self.handlers, self.plan, self.reactions);
        let mut session = Session::with(&handlers, heap);
        if let Some(customize) = &self.session {
            session = customize(session);
        }
        Ok(Tcp { session: session.spawn(scope)? })
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
        self.reactions.pre_connect =
            Some(Rc::new(move |cx, socket| pre_connect(cx, socket).into_driven()));
        self.settled()
    }

    /// The client is connected (POE: `Connected`); its address is in `cx.heap.remote_addr`.
    pub fn connected<R: IntoOutcome>(
        mut self,
        connected: impl Fn(&mut Cx<'_, Connection<U, In, Out>>) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.reactions.connected = Some(callback(move |cx, ()| connected(cx)));
        self.settled()
    }

    /// Connecting has failed (POE: `ConnectError`). The session ends unless this asks to reconnect, now or later. Without
    /// it, the failure is reported as a diagnostic.
    pub fn connect_error<R: IntoOutcome>(
        mut self,
        error: impl Fn(&mut Cx<'_, Connection<U, In, Out>>, IoError) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.reactions.connect_error = Some(callback(error));
        self.settled()
    }

    /// The connection has ended, from either side (POE: `Disconnected`); called once for each. The session ends unless this
    /// asks to reconnect, now or later.
    pub fn disconnected<R: IntoOutcome>(
        mut self,
        disconnected: impl Fn(&mut Cx<'_, Connection<U, In, Out>>) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.reactions.disconnected = Some(callback(move |cx, ()| disconnected(cx)));
        self.settled()
    }

    /// The server has sent a record (POE: `ServerInput`).
    pub fn server_input<R: IntoOutcome>(
        mut self,
        input: impl Fn(&mut Cx<'_, Connection<U, In, Out>>, In) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.has_input = true;
        self.on(EVENTS.input, move |cx, got: Input<In>| {
            (!cx.heap.shutdown).then(|| input(cx, got.record))
        })
    }

    /// The server's output has ended within a record, which is this. Without this it is dropped.
    pub fn server_partial<R: IntoOutcome>(
        mut self,
        input: impl Fn(&mut Cx<'_, Connection<U, In, Out>>, In) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.plan.has_partial = true;
        self.on(EVENTS.partial, move |cx, got: Input<In>| {
            (!cx.heap.shutdown).then(|| input(cx, got.record))
        })
    }

    /// The connection has failed, or the server sends no more (POE: `ServerError`). Without this, failures are reported
    /// as diagnostics.
    pub fn server_error<R: IntoOutcome>(
        mut self,
        error: impl Fn(&mut Cx<'_, Connection<U, In, Out>>, IoError) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.reactions.error = Some(callback(error));
        self.settled()
    }

    /// All output has gone (POE: `ServerFlushed`).
    pub fn server_flushed<R: IntoOutcome>(
        mut self,
        flushed: impl Fn(&mut Cx<'_, Connection<U, In, Out>>) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.reactions.flushed = Some(callback(move |cx, ()| flushed(cx)));
        self.settled()
    }

    /// As much output is queued as the high mark (POE: `ServerHigh`).
    pub fn server_high<R: IntoOutcome>(
        mut self,
        high: impl Fn(&mut Cx<'_, Connection<U, In, Out>>) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.plan.has_high = true;
        self.on(EVENTS.high, move |cx, _: WheelId| high(cx))
    }

    /// No more output is queued than the low mark (POE: `ServerLow`).
    pub fn server_low<R: IntoOutcome>(
        mut self,
        low: impl Fn(&mut Cx<'_, Connection<U, In, Out>>) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.plan.has_low = true;
        self.on(EVENTS.low, move |cx, _: WheelId| low(cx))
    }

    /// Adds an event to the session (POE: `InlineStates`, `PackageStates`). One of the names of the client's commands
    /// replaces the command.
    pub fn state<P: 'static, R: IntoOutcome>(
        mut self,
        event: impl EventFor<P>,
        handler: impl Fn(&mut Cx<'_, Connection<U, In, Out>>, P) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.handlers = self.handlers.on(event, handler);
        self.settled()
    }

    /// Adds an event that a method of an object handles (POE: `ObjectStates`).
    pub fn object_state<T: 'static, P: 'static, R: IntoOutcome>(
        mut self,
        object: &Rc<T>,
        event: impl EventFor<P>,
        method: impl Fn(&T, &mut Cx<'_, Connection<U, In, Out>>, P) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.handlers = self.handlers.object(object, event, method);
        self.settled()
    }

    /// Sets an option of the session (POE: `SessionParams`).
    pub fn option(self, option: SessionOption, on: bool) -> TcpBuilder<U, In, Out, Callbacks> {
        self.session(move |session| session.option(option, on))
    }

    /// Adds to the session what this builder has no parameter for (POE: `SessionType`, `SessionParams`).
    pub fn session(
        mut self,
        customize: impl Fn(Session<Connection<U, In, Out>>) -> Session<Connection<U, In, Out>> + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        let before = self.session.take();
        self.session = Some(Rc::new(move |session| match &before {
            Some(before) => customize(before(session)),
            None => customize(session),
        }));
        self.settled()
    }

    fn on<P: 'static, R: IntoOutcome>(
        mut self,
        event: impl EventFor<P>,
        handler: impl Fn(&mut Cx<'_, Connection<U, In, Out>>, P) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.handlers = self.handlers.on(event, move |cx, payload| finish(handler(cx, payload)));
        self.settled()
    }

    fn settled(self) -> TcpBuilder<U, In, Out, Callbacks> {
        TcpBuilder {
            socket: self.socket,
            has_remote: self.has_remote,
            has_input: self.has_input,
            alias: self.alias,
            plan: self.plan,
            state: self.state,
            reactions: self.reactions,
            handlers: self.handlers,
            session: self.session,
            stage: PhantomData,
        }
    }
}

impl<U, In, Out, Stage> fmt::Debug for TcpBuilder<U, In, Out, Stage> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpBuilder")
            .field("socket", &self.socket)
            .field("alias", &self.alias)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}
