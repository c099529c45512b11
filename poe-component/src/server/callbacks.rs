//! What a TCP server calls for its connections.

use std::marker::PhantomData;
use std::rc::Rc;

use poe_kernel::{EventFor, SessionOption};
use poe_session::{Cx, IntoOutcome, Session};
use poe_wheel::{IoError, Socket};

use super::builder::{Callbacks, TcpBuilder};
use super::connection::Connection;
use crate::IntoDriven;
use crate::callback::callback;

/// The connections' sessions.
impl<U: 'static, In: 'static, Out: 'static, Stage> TcpBuilder<U, In, Out, Stage> {
    /// A client has sent a record (POE: `ClientInput`).
    ///
    /// ```
    /// use poe_component::prelude::*;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// let server = server::Tcp::build()
    ///     .address("127.0.0.1")
    ///     .client_input(|cx, line| {
    ///         if line == "quit" {
    ///             cx.heap.client.put("goodbye");
    ///             cx.yield_event(server::SHUTDOWN, ());
    ///         }
    ///     })
    ///     .spawn(&kernel)?;
    /// # kernel.post(&server, server::SHUTDOWN, ())?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn client_input<R: IntoOutcome>(
        mut self,
        input: impl Fn(&mut Cx<'_, Connection<U, In, Out>>, In) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.talk.on_input(input);
        self.settled()
    }

    /// A client's input has ended within a record, which is this. Without this it is dropped.
    pub fn client_partial<R: IntoOutcome>(
        mut self,
        input: impl Fn(&mut Cx<'_, Connection<U, In, Out>>, In) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.talk.on_partial(input);
        self.settled()
    }

    /// A client has connected, before its wheel is made (POE: `ClientPreConnect`): the place to refuse it, by returning
    /// `None`, to set its socket's options, or to give it another driver.
    ///
    /// ```
    /// use poe_component::prelude::*;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// let server = server::Tcp::build()
    ///     .address("127.0.0.1")
    ///     .client_pre_connect(|cx, socket| -> std::io::Result<Socket> {
    ///         socket.set_nodelay(true)?;
    ///         if cx.heap.remote_port() == Some(666) {
    ///             return Err(std::io::ErrorKind::PermissionDenied.into());
    ///         }
    ///         Ok(socket)
    ///     })
    ///     .client_input(|cx, line| cx.heap.client.put(line))
    ///     .spawn(&kernel)?;
    /// # kernel.post(&server, server::SHUTDOWN, ())?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn client_pre_connect<D: IntoDriven>(
        mut self,
        pre_connect: impl Fn(&mut Cx<'_, Connection<U, In, Out>>, Socket) -> D + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.talk.on_pre_connect(pre_connect);
        self.settled()
    }

    /// A client has connected (POE: `ClientConnected`).
    pub fn client_connected<R: IntoOutcome>(
        mut self,
        connected: impl Fn(&mut Cx<'_, Connection<U, In, Out>>) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.talk.connected = Some(callback(move |cx, ()| connected(cx)));
        self.settled()
    }

    /// As [`Self::client_connected`], with arguments (POE: `ClientConnected` with `ClientArgs`).
    pub fn client_connected_with<A: Clone + 'static, R: IntoOutcome>(
        self,
        client_args: A,
        connected: impl Fn(&mut Cx<'_, Connection<U, In, Out>>, A) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.client_connected(move |cx| connected(cx, client_args.clone()))
    }

    /// A connection has ended, from either side (POE: `ClientDisconnected`). Its wheel is still there. Called once for
    /// each client that was connected.
    pub fn client_disconnected<R: IntoOutcome>(
        mut self,
        disconnected: impl Fn(&mut Cx<'_, Connection<U, In, Out>>) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.talk.disconnected = Some(callback(move |cx, ()| disconnected(cx)));
        self.settled()
    }

    /// A connection has failed, or its input has ended (POE: `ClientError`). Without this, failures other than the end of
    /// file and a reset are reported as diagnostics, ten of them a minute; of the others it is said how many they were.
    pub fn client_error<R: IntoOutcome>(
        mut self,
        error: impl Fn(&mut Cx<'_, Connection<U, In, Out>>, IoError) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.talk.error = Some(callback(error));
        self.settled()
    }

    /// All output to a client has gone (POE: `ClientFlushed`). When the connection is shutting down, it ends after this,
    /// whatever this puts.
    pub fn client_flushed<R: IntoOutcome>(
        mut self,
        flushed: impl Fn(&mut Cx<'_, Connection<U, In, Out>>) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.talk.flushed = Some(callback(move |cx, ()| flushed(cx)));
        self.settled()
    }

    /// As much output to a client is queued as the high mark (POE: `ClientHigh`).
    pub fn client_high<R: IntoOutcome>(
        mut self,
        high: impl Fn(&mut Cx<'_, Connection<U, In, Out>>) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.talk.on_high(high);
        self.settled()
    }

    /// No more output to a client is queued than the low mark (POE: `ClientLow`).
    pub fn client_low<R: IntoOutcome>(
        mut self,
        low: impl Fn(&mut Cx<'_, Connection<U, In, Out>>) -> R + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.talk.on_low(low);
        self.settled()
    }

    /// Adds an event to the connections' sessions (POE: `InlineStates`, `PackageStates`). A `shutdown` of the user's
    /// replaces the component's.
    ///
    /// ```
    /// use poe_component::prelude::*;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// let server = server::Tcp::build()
    ///     .address("127.0.0.1")
    ///     .client_connected(|cx| cx.delay("idle", std::time::Duration::from_secs(60), ()))
    ///     .client_input(|cx, _| cx.delay("idle", std::time::Duration::from_secs(60), ()))
    ///     .state("idle", |cx, ()| cx.yield_event(server::SHUTDOWN, ()))
    ///     .spawn(&kernel)?;
    /// # kernel.post(&server, server::SHUTDOWN, ())?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
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

    /// Sets an option of the connections' sessions (POE: `SessionParams`).
    pub fn client_option(
        mut self,
        option: SessionOption,
        on: bool,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.talk.option(option, on);
        self.settled()
    }

    /// Adds to each connection's session what this builder has no parameter for (POE: `SessionType`, `SessionParams`). Its
    /// `_start` is the component's. Handlers added here cost each connection a table of its own; those of [`Self::state`] do
    /// not.
    pub fn client_session(
        mut self,
        customize: impl Fn(Session<Connection<U, In, Out>>) -> Session<Connection<U, In, Out>> + 'static,
    ) -> TcpBuilder<U, In, Out, Callbacks> {
        self.talk.customize(customize);
        self.settled()
    }

    fn settled(self) -> TcpBuilder<U, In, Out, Callbacks> {
        let Self { listening, state, talk, .. } = self;
        TcpBuilder { listening, state, talk, stage: PhantomData }
    }
}
