//! A client's session: its heap, and how it connects and disconnects.

use std::fmt;
use std::rc::Rc;

use bytes::Bytes;
use poe_kernel::Diagnostic;
use poe_session::{Cx, HandlerResult, Handlers};
use poe_wheel::{Address, IoError, Socket, SocketFactory, SocketFactoryBuilder, WheelId};

use super::{CONNECT, RECONNECT, Remote, SHUTDOWN};
use crate::callback::Callback;
use crate::tcp::{EventNames, Plan};
use crate::{Driven, Link};

/// The heap of a client's session.
#[derive(Debug)]
#[non_exhaustive]
pub struct Connection<U = (), In: 'static = Bytes, Out: 'static = Bytes> {
    /// The wheel to talk to the server with, while connected (POE: `server`).
    pub server: Link<In, Out>,
    /// The server's address, once connected.
    pub remote_addr: Option<Address>,
    /// Whether there is a connection (POE: `connected`).
    pub connected: bool,
    /// Whether the client is shutting down: input is ignored (POE: `shutdown`).
    pub shutdown: bool,
    /// Whether an error ends the connection, the end of file included (POE: `shutdown_on_error`).
    pub shutdown_on_error: bool,
    /// Whether the connection has met an error (POE: `got_an_error`). The end of file is none.
    pub got_an_error: bool,
    /// What the program keeps; see `state_of_client`.
    pub user: U,
    factory: SocketFactoryBuilder,
    connecting: Option<SocketFactory>,
    alias: Option<String>,
}

impl<U, In: 'static, Out: 'static> Connection<U, In, Out> {
    pub(super) fn new(factory: SocketFactoryBuilder, alias: Option<String>, user: U) -> Self {
        Self {
            server: Link::none(),
            remote_addr: None,
            connected: false,
            shutdown: false,
            shutdown_on_error: true,
            got_an_error: false,
            user,
            factory,
            connecting: None,
            alias,
        }
    }
}

pub(super) const EVENTS: EventNames = EventNames {
    input: "got_server_input",
    partial: "got_server_partial",
    error: "got_server_error",
    flushed: "got_server_flush",
    high: "got_high",
    low: "got_low",
};

const CONNECTED: &str = "got_connect_success";
const FAILED: &str = "got_connect_error";

type Client<'a, U, In, Out> = Cx<'a, Connection<U, In, Out>>;
type Called<U, In, Out, P> = Option<Callback<Connection<U, In, Out>, P>>;
type PreConnect<H> = Rc<dyn Fn(&mut Cx<'_, H>, Socket) -> Option<Driven>>;

/// The callbacks of a client other than for input.
pub(super) struct Reactions<U: 'static, In: 'static, Out: 'static> {
    pub(super) started: Called<U, In, Out, ()>,
    pub(super) pre_connect: Option<PreConnect<Connection<U, In, Out>>>,
    pub(super) connected: Called<U, In, Out, ()>,
    pub(super) connect_error: Called<U, In, Out, IoError>,
    pub(super) disconnected: Called<U, In, Out, ()>,
    pub(super) error: Called<U, In, Out, IoError>,
    pub(super) flushed: Called<U, In, Out, ()>,
}

impl<U: 'static, In: 'static, Out: 'static> Default for Reactions<U, In, Out> {
    fn default() -> Self {
        Self {
            started: None,
            pre_connect: None,
            connected: None,
            connect_error: None,
            disconnected: None,
            error: None,
            flushed: None,
        }
    }
}

impl<U, In, Out> fmt::Debug for Reactions<U, In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reactions")
    }
}

/// Adds the component's own handlers to the user's; a user's state of the same name as a command goes first, as in POE.
pub(super) fn complete<U: 'static, In: 'static, Out: 'static>(
    users: Handlers<Connection<U, In, Out>>,
    plan: Plan<In, Out>,
    reactions: Reactions<U, In, Out>,
) -> Handlers<Connection<U, In, Out>> {
    let reactions = Rc::new(reactions);
    let with = || Rc::clone(&reactions);
    let (start, accept, refuse, error, flush, close) =
        (with(), with(), with(), with(), with(), with());
    let mut handlers = users
        .on_start(move |cx| {
            cx.yield_event(RECONNECT, ());
            call(cx, start.started.as_ref(), ())
        })
        .on(CONNECTED, move |cx, made: poe_wheel::Connection| connect(cx, made, &plan, &accept))
        .on(FAILED, move |cx, error: IoError| refused(cx, error, &refuse))
        .on(EVENTS.error, move |cx, failure: IoError| fail(cx, failure, &error))
        .on(EVENTS.flushed, move |cx, _: WheelId| flushed(cx, &flush));
    if !handlers.handles(SHUTDOWN) {
        handlers = handlers.on(SHUTDOWN, move |cx, ()| shut_down(cx, &close));
    }
    if !handlers.handles(RECONNECT) {
        handlers = handlers.on(RECONNECT, |cx, ()| reconnect(cx));
    }
    if !handlers.handles(CONNECT) {
        handlers = handlers.on(CONNECT, |cx, Remote { address, port }| {
            let mut factory = cx.heap.factory.clone();
            if let Some(address) = address {
                factory = factory.remote_address(address);
            }
            if let Some(port) = port {
                factory = factory.remote_port(port);
            }
            cx.heap.factory = factory;
            cx.yield_event(RECONNECT, ());
        });
    }
    handlers
}

fn call<H: 'static, P>(
    cx: &mut Cx<'_, H>,
    callback: Option<&Callback<H, P>>,
    payload: P,
) -> HandlerResult {
    callback.map_or(Ok(()), |callback| callback(cx, payload))
}

fn reconnect<U: 'static, In: 'static, Out: 'static>(
    cx: &mut Client<'_, U, In, Out>,
) -> HandlerResult {
    let heap = &mut *cx.heap;
    heap.shutdown = false;
    heap.connected = false;
    heap.got_an_error = false;
    heap.server.clear();
    heap.connecting = None;
    if let Some(alias) = &cx.heap.alias {
        cx.alias_set(alias)?;
    }
    let factory = cx.heap.factory.clone().success_event(CONNECTED).failure_event(FAILED);
    cx.heap.connecting = Some(factory.spawn(cx.kernel)?);
    Ok(())
}

fn connect<U: 'static, In: 'static, Out: 'static>(
    cx: &mut Client<'_, U, In, Out>,
    made: poe_wheel::Connection,
    plan: &Plan<In, Out>,
    reactions: &Reactions<U, In, Out>,
) -> HandlerResult {
    cx.heap.connecting = None;
    cx.heap.remote_addr = Some(made.peer);
    let driven = match &reactions.pre_connect {
        Some(pre_connect) => pre_connect(cx, made.socket),
        None => Some(made.socket.into()),
    };
    let Some(driven) = driven else { return give_up(cx) };
    let wheel = plan.spawn(cx.kernel, driven, EVENTS)?;
    cx.heap.server.set(wheel);
    cx.heap.connected = true;
    call(cx, reactions.connected.as_ref(), ())
}

fn refused<U: 'static, In: 'static, Out: 'static>(
    cx: &mut Client<'_, U, In, Out>,
    error: IoError,
    reactions: &Reactions<U, In, Out>,
) -> HandlerResult {
    cx.heap.connected = false;
    cx.heap.connecting = None;
    if reactions.connect_error.is_none() {
        report(cx, &error);
    }
    call(cx, reactions.connect_error.as_ref(), error)
}

fn fail<U: 'static, In: 'static, Out: 'static>(
    cx: &mut Client<'_, U, In, Out>,
    error: IoError,
    reactions: &Reactions<U, In, Out>,
) -> HandlerResult {
    let is_eof = error.is_eof();
    let was_closing = cx.heap.shutdown;
    cx.heap.got_an_error |= !is_eof;
    if reactions.error.is_none() && !is_eof {
        report(cx, &error);
    }
    let result = call(cx, reactions.error.as_ref(), error);
    if was_closing && !is_eof {
        disconnect(cx, reactions)?;
    } else if cx.heap.shutdown_on_error && cx.heap.connected {
        cx.yield_event(SHUTDOWN, ());
    }
    result
}

fn flushed<U: 'static, In: 'static, Out: 'static>(
    cx: &mut Client<'_, U, In, Out>,
    reactions: &Reactions<U, In, Out>,
) -> HandlerResult {
    let result = call(cx, reactions.flushed.as_ref(), ());
    if cx.heap.shutdown && cx.heap.server.get_driver_out_octets() == 0 {
        disconnect(cx, reactions)?;
    }
    result
}

fn shut_down<U: 'static, In: 'static, Out: 'static>(
    cx: &mut Client<'_, U, In, Out>,
    reactions: &Reactions<U, In, Out>,
) -> HandlerResult {
    cx.heap.shutdown = true;
    cx.heap.connecting = None;
    if !cx.heap.connected {
        return give_up(cx);
    }
    if cx.heap.got_an_error || cx.heap.server.get_driver_out_octets() == 0 {
        disconnect(cx, reactions)?;
    }
    Ok(())
}

/// Ends the connection, and with it the session unless the callback has something in mind, such as to reconnect.
fn disconnect<U: 'static, In: 'static, Out: 'static>(
    cx: &mut Client<'_, U, In, Out>,
    reactions: &Reactions<U, In, Out>,
) -> HandlerResult {
    if !std::mem::replace(&mut cx.heap.connected, false) {
        return Ok(());
    }
    cx.heap.server.clear();
    let result = call(cx, reactions.disconnected.as_ref(), ());
    give_up(cx)?;
    result
}

/// Lets go of the alias, which would keep the session; reconnecting sets it again.
fn give_up<U: 'static, In: 'static, Out: 'static>(
    cx: &mut Client<'_, U, In, Out>,
) -> HandlerResult {
    if let Some(alias) = &cx.heap.alias
        && cx.kernel.alias_resolve(alias) == Some(cx.session())
    {
        cx.alias_remove(alias)?;
    }
    Ok(())
}

fn report<U: 'static, In: 'static, Out: 'static>(cx: &Client<'_, U, In, Out>, error: &IoError) {
    let message = format!("client got {error}");
    cx.kernel.report(&Diagnostic::Component { session: cx.session(), message: &message });
}
