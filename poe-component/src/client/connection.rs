//! A client's session: its heap, and how it connects and disconnects.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use poe_kernel::Signal;
use poe_session::{Cx, HandlerResult};
use poe_wheel::{Address, IoError, SocketFactory, SocketFactoryBuilder};

use super::{CONNECT, CUT, RECONNECT, Remote, SHUTDOWN};
use crate::Link;
use crate::callback::{Callback, call, rescue};
use crate::maker::for_maker;
use crate::tcp::{
    Flags, Party, Sessions, Talk, cut, drain, forget_handshake, report, shut_down, time_left,
};

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
    /// Whether the client is shutting down: input is ignored (POE: `shutdown`). To be read; [`SHUTDOWN`] sets it, and
    /// connecting anew resets it.
    pub shutdown: bool,
    /// Whether an error ends the connection, the end of file included (POE: `shutdown_on_error`).
    pub shutdown_on_error: bool,
    /// Whether this connection has failed, so that output is not waited for (POE: `got_an_error`). Neither the end of file
    /// nor what a filter refuses is a failure of the connection.
    pub got_an_error: bool,
    /// What the program keeps; see [`client_state`](super::TcpBuilder::client_state).
    pub user: U,
    factory: SocketFactoryBuilder,
    remote: Remote,
    connecting: Option<SocketFactory>,
    alias: Option<String>,
    /// A signal has ended it: it is not to connect again.
    is_draining: bool,
}

impl<U, In: 'static, Out: 'static> Connection<U, In, Out> {
    pub(super) fn new(
        factory: SocketFactoryBuilder,
        remote: Remote,
        alias: Option<String>,
        user: U,
    ) -> Self {
        Self {
            server: Link::none(),
            remote_addr: None,
            connected: false,
            shutdown: false,
            shutdown_on_error: true,
            got_an_error: false,
            user,
            factory,
            remote,
            connecting: None,
            alias,
            is_draining: false,
        }
    }

    /// The server's address without its port; none of a UNIX socket.
    #[must_use]
    pub fn remote_ip(&self) -> Option<IpAddr> {
        self.remote_addr.as_ref().and_then(Address::ip)
    }

    /// The server's port; none of a UNIX socket.
    #[must_use]
    pub fn remote_port(&self) -> Option<u16> {
        self.remote_addr.as_ref().and_then(Address::port)
    }

    /// Where the client connects to, now and when it reconnects.
    #[must_use]
    pub fn remote(&self) -> &Remote {
        &self.remote
    }
}

/// Connects for the first time, unless the client has been shut down by then.
const BEGIN: &str = "tcp_client_begin";
const CONNECTED: &str = "tcp_client_got_connection";
const REFUSED: &str = "tcp_client_got_refusal";
const SIGNALLED: &str = "tcp_client_got_signal";

/// The client's events that are no user's states.
pub(super) const OWN: [&str; 5] = ["_start", BEGIN, CONNECTED, REFUSED, SIGNALLED];

type Client<'a, U, In, Out> = Cx<'a, Connection<U, In, Out>>;
type Callbacks<U, In, Out> = Talk<Connection<U, In, Out>>;
type Called<U, In, Out, P> = Option<Callback<Connection<U, In, Out>, P>>;

/// What a client calls besides what connections do.
pub(super) struct Reactions<U: 'static, In: 'static, Out: 'static> {
    pub(super) started: Called<U, In, Out, ()>,
    pub(super) connect_error: Called<U, In, Out, IoError>,
}

/// The signals that end a client in good order, and how long that may take.
#[derive(Debug)]
pub(super) struct Draining {
    pub(super) signals: Vec<String>,
    pub(super) time: Duration,
}

pub(super) fn sessions<U: 'static, In: 'static, Out: 'static>(
    talk: Callbacks<U, In, Out>,
    Reactions { started, connect_error }: Reactions<U, In, Out>,
    Draining { signals, time }: Draining,
) -> Sessions<Connection<U, In, Out>> {
    talk.sessions(|users, talk| {
        let of = || talk.clone();
        let (of_begin, of_connection, of_shutdown, of_reconnect) = (of(), of(), of(), of());
        let of_cut = of();
        let has_reconnect = users.handles(RECONNECT);
        let mut handlers = users
            .on_start(move |cx| {
                set_alias(cx)?;
                for signal in &signals {
                    let watch = || cx.sig(signal.clone(), SIGNALLED);
                    for_maker(cx.kernel, cx.session(), watch)?;
                }
                cx.yield_event(BEGIN, ());
                call(cx, started.as_ref(), ())
            })
            .on(BEGIN, move |cx, ()| match (cx.heap.shutdown, has_reconnect) {
                (true, _) => Ok(()),
                (false, true) => {
                    cx.yield_event(RECONNECT, ());
                    Ok(())
                }
                (false, false) => reconnect(cx, &of_begin),
            })
            .on(CONNECTED, move |cx, made: poe_wheel::Connection| connect(cx, made, &of_connection))
            .on(REFUSED, move |cx, error: IoError| refused(cx, error, connect_error.as_ref()));
        handlers = handlers.on(SIGNALLED, move |cx, _: Signal| signalled(cx, time));
        // A user's state of the same name as a command replaces it, as in POE.
        if !handlers.handles(SHUTDOWN) {
            handlers = handlers.on(SHUTDOWN, move |cx, ()| close(cx, &of_shutdown));
        }
        if !handlers.handles(CUT) {
            handlers = handlers.on(CUT, move |cx, ()| {
                call_off(cx);
                cx.heap.shutdown = true;
                cut(cx, &of_cut)
            });
        }
        if !has_reconnect {
            handlers = handlers.on(RECONNECT, move |cx, ()| reconnect(cx, &of_reconnect));
        }
        if !handlers.handles(CONNECT) {
            handlers = handlers.on(CONNECT, |cx, remote: Remote| {
                cx.heap.remote.change(remote);
                cx.yield_event(RECONNECT, ());
            });
        }
        handlers
    })
}

fn reconnect<U: 'static, In: 'static, Out: 'static>(
    cx: &mut Client<'_, U, In, Out>,
    talk: &Callbacks<U, In, Out>,
) -> HandlerResult {
    if cx.heap.is_draining {
        return Ok(());
    }
    let told = leave(cx, talk.disconnected.as_ref());
    // Those put off until later, by the callback too, have nothing left to do.
    cx.alarm_clear(RECONNECT);
    let heap = &mut *cx.heap;
    heap.shutdown = false;
    heap.got_an_error = false;
    heap.remote_addr = None;
    heap.connecting = None;
    set_alias(cx)?;
    let factory = cx.heap.remote.apply(cx.heap.factory.clone());
    let factory = factory.success_event(CONNECTED).failure_event(REFUSED);
    let factory = for_maker(cx.kernel, cx.session(), || factory.spawn(cx.kernel))?;
    cx.heap.connecting = Some(factory);
    told
}

fn connect<U: 'static, In: 'static, Out: 'static>(
    cx: &mut Client<'_, U, In, Out>,
    made: poe_wheel::Connection,
    talk: &Callbacks<U, In, Out>,
) -> HandlerResult {
    cx.heap.connecting = None;
    cx.heap.remote_addr = Some(made.peer);
    if !rescue(cx, |cx| talk.begin(cx, made.socket), retire) {
        retire(cx);
        return Ok(());
    }
    cx.heap.connected = true;
    call(cx, talk.connected.as_ref(), ())
}

fn refused<U: 'static, In: 'static, Out: 'static>(
    cx: &mut Client<'_, U, In, Out>,
    error: IoError,
    callback: Option<&Callback<Connection<U, In, Out>, IoError>>,
) -> HandlerResult {
    cx.heap.connecting = None;
    if callback.is_none() {
        report(cx, &format!("client got {error}"));
    }
    let result = rescue(cx, |cx| call(cx, callback, error), retire);
    retire(cx);
    result
}

fn close<U: 'static, In: 'static, Out: 'static>(
    cx: &mut Client<'_, U, In, Out>,
    talk: &Callbacks<U, In, Out>,
) -> HandlerResult {
    call_off(cx);
    if cx.heap.connected {
        return shut_down(cx, talk);
    }
    cx.heap.shutdown = true;
    retire(cx);
    Ok(())
}

/// Stops connecting, now and later.
fn call_off<U: 'static, In: 'static, Out: 'static>(cx: &mut Client<'_, U, In, Out>) {
    cx.heap.connecting = None;
    // What was put off until later would bring the client back.
    cx.alarm_clear(RECONNECT);
    cx.alarm_clear(CONNECT);
}

/// Ends the client for good: in good order, or the second time at once.
fn signalled<U: 'static, In: 'static, Out: 'static>(
    cx: &mut Client<'_, U, In, Out>,
    time: Duration,
) {
    cx.sig_handled();
    if std::mem::replace(&mut cx.heap.is_draining, true) {
        cx.yield_event(CUT, ());
    } else if cx.heap.connected {
        drain(cx, time);
    } else {
        cx.yield_event(SHUTDOWN, ());
        cx.heap.server.hasten(time);
    }
}

/// Leaves the connection, if there is one.
fn leave<U: 'static, In: 'static, Out: 'static>(
    cx: &mut Client<'_, U, In, Out>,
    disconnected: Option<&Callback<Connection<U, In, Out>, ()>>,
) -> HandlerResult {
    if !std::mem::replace(&mut cx.heap.connected, false) {
        return Ok(());
    }
    forget_handshake(cx);
    cx.heap.server.clear();
    rescue(cx, |cx| call(cx, disconnected, ()), retire)
}

fn set_alias<U: 'static, In: 'static, Out: 'static>(
    cx: &mut Client<'_, U, In, Out>,
) -> HandlerResult {
    if let Some(alias) = &cx.heap.alias {
        for_maker(cx.kernel, cx.session(), || cx.alias_set(alias))?;
    }
    Ok(())
}

/// Lets go of the alias, which would keep a session that has nothing to do; connecting sets it again.
fn retire<U: 'static, In: 'static, Out: 'static>(cx: &mut Client<'_, U, In, Out>) {
    if cx.heap.is_draining {
        call_off(cx);
    }
    if cx.heap.connecting.is_none()
        && let Some(alias) = &cx.heap.alias
        && cx.kernel.alias_resolve(alias) == Some(cx.session())
    {
        // It is there, and this session's.
        let _ = cx.alias_remove(alias);
    }
}

impl<U: 'static, In: 'static, Out: 'static> Party for Connection<U, In, Out> {
    type In = In;
    type Out = Out;

    fn link(&mut self) -> &mut Link<In, Out> {
        &mut self.server
    }

    fn flags(&mut self) -> Flags<'_> {
        Flags {
            shutdown: &mut self.shutdown,
            got_an_error: &mut self.got_an_error,
            shutdown_on_error: self.shutdown_on_error,
        }
    }

    fn is_quiet(error: &IoError) -> bool {
        error.is_eof()
    }

    fn describe(&self) -> String {
        match &self.remote_addr {
            Some(address) => format!("client of {address}"),
            None => String::from("client"),
        }
    }

    fn disconnect(
        cx: &mut Cx<'_, Self>,
        disconnected: Option<&Callback<Self, ()>>,
    ) -> HandlerResult {
        if !cx.heap.got_an_error {
            let time_left = time_left(cx);
            cx.heap.server.close(time_left);
        }
        let result = leave(cx, disconnected);
        retire(cx);
        result
    }
}
