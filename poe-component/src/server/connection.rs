//! A server's connections: their heap, and how they begin and end.

use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;

use bytes::Bytes;
use poe_kernel::{Diagnostic, SessionId};
use poe_session::{Cx, HandlerResult, Handlers};
use poe_wheel::{Address, IoError, Socket, WheelId};

use super::{DISCONNECTED, SHUTDOWN};
use crate::callback::Callback;
use crate::tcp::{EventNames, Plan};
use crate::{Driven, Link};

/// The heap of a connection's session.
#[derive(Debug)]
#[non_exhaustive]
pub struct Connection<U = (), In: 'static = Bytes, Out: 'static = Bytes> {
    /// The wheel to talk to the client with (POE: `client`).
    pub client: Link<In, Out>,
    /// The client's address (POE: `remote_addr`).
    pub remote_addr: Address,
    /// Whether the connection is being shut down: input is ignored, and it ends when all output has gone (POE:
    /// `shutdown`).
    pub shutdown: bool,
    /// Whether an error has been met (POE: `got_an_error`). The end of file is none.
    pub got_an_error: bool,
    /// Whether an error, or the end of file, shuts the connection down (POE: `shutdown_on_error`).
    pub shutdown_on_error: bool,
    /// What the program keeps for each connection; see `client_state`.
    pub user: U,
    socket: Option<Socket>,
    listener: SessionId,
}

impl<U, In: 'static, Out: 'static> Connection<U, In, Out> {
    pub(super) fn new(
        socket: Socket,
        remote_addr: Address,
        listener: SessionId,
        shutdown_on_error: bool,
        user: U,
    ) -> Self {
        Self {
            client: Link::none(),
            remote_addr,
            shutdown: false,
            got_an_error: false,
            shutdown_on_error,
            user,
            socket: Some(socket),
            listener,
        }
    }

    /// The client's address without its port (POE: `remote_ip`); none of a UNIX socket.
    #[must_use]
    pub fn remote_ip(&self) -> Option<IpAddr> {
        self.remote_addr.ip()
    }

    /// The client's port (POE: `remote_port`); none of a UNIX socket.
    #[must_use]
    pub fn remote_port(&self) -> Option<u16> {
        self.remote_addr.port()
    }

    /// The session of the server that the connection belongs to.
    #[must_use]
    pub fn listener(&self) -> SessionId {
        self.listener
    }
}

pub(super) const EVENTS: EventNames = EventNames {
    input: "tcp_server_got_input",
    partial: "tcp_server_got_partial",
    error: "tcp_server_got_error",
    flushed: "tcp_server_got_flush",
    high: "tcp_server_got_high",
    low: "tcp_server_got_low",
};

/// Cuts a connection whose output does not go.
pub(super) const CUT: &str = "tcp_server_cut";

type Ends<U, In, Out> = Connection<U, In, Out>;
type PreConnect<H> = Rc<dyn Fn(&mut Cx<'_, H>, Socket) -> Option<Driven>>;

/// The callbacks of a connection other than for input.
pub(super) struct Reactions<U: 'static, In: 'static, Out: 'static> {
    pub(super) pre_connect: Option<PreConnect<Ends<U, In, Out>>>,
    pub(super) connected: Option<Callback<Ends<U, In, Out>, ()>>,
    pub(super) disconnected: Option<Callback<Ends<U, In, Out>, ()>>,
    pub(super) error: Option<Callback<Ends<U, In, Out>, IoError>>,
    pub(super) flushed: Option<Callback<Ends<U, In, Out>, ()>>,
}

impl<U: 'static, In: 'static, Out: 'static> Default for Reactions<U, In, Out> {
    fn default() -> Self {
        Self { pre_connect: None, connected: None, disconnected: None, error: None, flushed: None }
    }
}

impl<U, In, Out> fmt::Debug for Reactions<U, In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reactions")
    }
}

/// Adds the component's own handlers to the user's; a user's state of the same name goes first, as in POE.
pub(super) fn complete<U: 'static, In: 'static, Out: 'static>(
    users: Handlers<Connection<U, In, Out>>,
    plan: Plan<In, Out>,
    reactions: Reactions<U, In, Out>,
) -> Handlers<Connection<U, In, Out>> {
    let reactions = Rc::new(reactions);
    let mut handlers = users;
    let on_start = Rc::clone(&reactions);
    handlers = handlers.on_start(move |cx| start(cx, &plan, &on_start));
    let on_error = Rc::clone(&reactions);
    handlers = handlers.on(EVENTS.error, move |cx, error: IoError| fail(cx, error, &on_error));
    let on_flush = Rc::clone(&reactions);
    handlers = handlers.on(EVENTS.flushed, move |cx, _: WheelId| flushed(cx, &on_flush));
    let on_cut = Rc::clone(&reactions);
    handlers = handlers.on(CUT, move |cx, ()| disconnect(cx, &on_cut));
    if !handlers.handles(SHUTDOWN) {
        let on_shutdown = Rc::clone(&reactions);
        handlers = handlers.on(SHUTDOWN, move |cx, ()| shut_down(cx, &on_shutdown));
    }
    handlers.on_stop(|cx| {
        // Called, because what a stopping session posts is dropped with it. The listener may have gone before.
        let listener = cx.heap.listener;
        let _ = cx.call::<(), ()>(listener, DISCONNECTED, ());
    })
}

fn start<U: 'static, In: 'static, Out: 'static>(
    cx: &mut Cx<'_, Connection<U, In, Out>>,
    plan: &Plan<In, Out>,
    reactions: &Reactions<U, In, Out>,
) -> HandlerResult {
    let Some(socket) = cx.heap.socket.take() else { return Ok(()) };
    let driven = match &reactions.pre_connect {
        Some(pre_connect) => pre_connect(cx, socket),
        None => Some(socket.into()),
    };
    let Some(driven) = driven else { return Ok(()) };
    let wheel = plan.spawn(cx.kernel, driven, EVENTS)?;
    cx.heap.client.set(wheel);
    reactions.connected.as_ref().map_or(Ok(()), |connected| connected(cx, ()))
}

fn fail<U: 'static, In: 'static, Out: 'static>(
    cx: &mut Cx<'_, Connection<U, In, Out>>,
    error: IoError,
    reactions: &Reactions<U, In, Out>,
) -> HandlerResult {
    let is_eof = error.is_eof();
    let was_draining = cx.heap.shutdown;
    cx.heap.got_an_error |= !is_eof;
    let result = match &reactions.error {
        Some(callback) => callback(cx, error),
        None => {
            if !is_eof && !is_reset(&error) {
                let message = format!("connection from {}: {error}", cx.heap.remote_addr);
                cx.kernel
                    .report(&Diagnostic::Component { session: cx.session(), message: &message });
            }
            Ok(())
        }
    };
    if was_draining && !is_eof {
        // Nobody is left to take the output that the shutdown waits for.
        disconnect(cx, reactions)?;
    } else if cx.heap.shutdown_on_error {
        cx.yield_event(SHUTDOWN, ());
    }
    result
}

fn is_reset(error: &IoError) -> bool {
    error.operation == "read" && error.kind() == Some(std::io::ErrorKind::ConnectionReset)
}

fn flushed<U: 'static, In: 'static, Out: 'static>(
    cx: &mut Cx<'_, Connection<U, In, Out>>,
    reactions: &Reactions<U, In, Out>,
) -> HandlerResult {
    let result = reactions.flushed.as_ref().map_or(Ok(()), |flushed| flushed(cx, ()));
    if cx.heap.shutdown && cx.heap.client.get_driver_out_octets() == 0 {
        disconnect(cx, reactions)?;
    }
    result
}

fn shut_down<U: 'static, In: 'static, Out: 'static>(
    cx: &mut Cx<'_, Connection<U, In, Out>>,
    reactions: &Reactions<U, In, Out>,
) -> HandlerResult {
    cx.heap.shutdown = true;
    if cx.heap.got_an_error || cx.heap.client.get_driver_out_octets() == 0 {
        disconnect(cx, reactions)
    } else {
        Ok(())
    }
}

fn disconnect<U: 'static, In: 'static, Out: 'static>(
    cx: &mut Cx<'_, Connection<U, In, Out>>,
    reactions: &Reactions<U, In, Out>,
) -> HandlerResult {
    if !cx.heap.client.is_connected() {
        return Ok(());
    }
    cx.heap.shutdown = true;
    cx.alarm_clear(CUT);
    let result = reactions.disconnected.as_ref().map_or(Ok(()), |callback| callback(cx, ()));
    cx.heap.client.clear();
    result
}
