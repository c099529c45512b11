//! A server's connections: their heap, and how they begin and end.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use poe_kernel::{SessionId, WeakKernel};
use poe_session::{Cx, HandlerResult};
use poe_wheel::{Address, IoError, Socket};

use super::{DISCONNECTED, Listener};
use crate::Link;
use crate::callback::{Callback, call, rescue};
use crate::tcp::{Flags, Party, Sessions, Talk, drain, forget_handshake, time_left};

/// The heap of a connection's session.
#[derive(Debug)]
#[non_exhaustive]
pub struct Connection<U = (), In: 'static = Bytes, Out: 'static = Bytes> {
    /// The wheel to talk to the client with (POE: `client`).
    pub client: Link<In, Out>,
    /// The client's address (POE: `remote_addr`).
    pub remote_addr: Address,
    /// Whether the connection is being shut down: input is ignored, and it ends when all output has gone (POE:
    /// `shutdown`). [`SHUTDOWN`](super::SHUTDOWN) sets it; a callback that posts that may set it
    /// too, to ignore at once what was read along with the present record.
    pub shutdown: bool,
    /// Whether the connection has failed, so that output is not waited for (POE: `got_an_error`). Neither the end of file
    /// nor what a filter refuses is a failure of the connection.
    pub got_an_error: bool,
    /// Whether an error, or the end of file, shuts the connection down (POE: `shutdown_on_error`).
    pub shutdown_on_error: bool,
    /// What the program keeps for each connection; see [`client_state`](super::TcpBuilder::client_state).
    pub user: U,
    socket: Option<Socket>,
    /// Its end has been told.
    is_over: bool,
    listener: SessionId,
    /// None once only the end of the connection lingers.
    place: Option<Place>,
}

impl<U, In: 'static, Out: 'static> Connection<U, In, Out> {
    pub(super) fn new(
        cx: &Cx<'_, Listener>,
        accepted: poe_wheel::Connection,
        shutdown_on_error: bool,
        user: U,
    ) -> Self {
        Self {
            client: Link::none(),
            remote_addr: accepted.peer,
            shutdown: false,
            got_an_error: false,
            shutdown_on_error,
            user,
            socket: Some(accepted.socket),
            is_over: false,
            listener: cx.session(),
            place: Some(Place { kernel: cx.kernel.downgrade(), listener: cx.session() }),
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

/// One of the connections that a server counts, for as long as the heap lives, however its session ends; but not while all
/// that is left to do is to see a peer off that was told of the end.
struct Place {
    kernel: WeakKernel,
    listener: SessionId,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(kernel) = self.kernel.upgrade() {
            // The server may have gone before.
            let _ = kernel.call::<(), ()>(self.listener, DISCONNECTED, ());
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// Shuts a connection down, and cuts it if that takes longer than the time it carries.
pub(super) const DRAIN_CONNECTION: &str = "tcp_server_drain";

/// The events of connections that are no user's states.
pub(super) const OWN: [&str; 2] = ["_start", DRAIN_CONNECTION];

pub(super) fn sessions<U: 'static, In: 'static, Out: 'static>(
    talk: Talk<Connection<U, In, Out>>,
) -> Sessions<Connection<U, In, Out>> {
    talk.sessions(|users, talk| {
        let talk = talk.clone();
        users
            .on_start(move |cx| start(cx, &talk))
            .on(DRAIN_CONNECTION, |cx, time: Duration| drain(cx, time))
    })
}

fn start<U: 'static, In: 'static, Out: 'static>(
    cx: &mut Cx<'_, Connection<U, In, Out>>,
    talk: &Talk<Connection<U, In, Out>>,
) -> HandlerResult {
    let Some(socket) = cx.heap.socket.take() else { return Ok(()) };
    if talk.begin(cx, socket) { call(cx, talk.connected.as_ref(), ()) } else { Ok(()) }
}

impl<U: 'static, In: 'static, Out: 'static> Party for Connection<U, In, Out> {
    type In = In;
    type Out = Out;

    fn link(&mut self) -> &mut Link<In, Out> {
        &mut self.client
    }

    fn flags(&mut self) -> Flags<'_> {
        Flags {
            shutdown: &mut self.shutdown,
            got_an_error: &mut self.got_an_error,
            shutdown_on_error: self.shutdown_on_error,
        }
    }

    fn is_quiet(error: &IoError) -> bool {
        let is_reset = error.kind() == Some(std::io::ErrorKind::ConnectionReset);
        error.is_eof() || (error.operation == "read" && is_reset)
    }

    fn describe(&self) -> String {
        format!("connection from {}", self.remote_addr)
    }

    fn disconnect(
        cx: &mut Cx<'_, Self>,
        disconnected: Option<&Callback<Self, ()>>,
    ) -> HandlerResult {
        if !cx.heap.client.is_connected() || std::mem::replace(&mut cx.heap.is_over, true) {
            return Ok(());
        }
        cx.heap.shutdown = true;
        forget_handshake(cx);
        let time_left = time_left(cx);
        let result = rescue(cx, |cx| call(cx, disconnected, ()), |cx| cx.heap.client.clear());
        if cx.heap.got_an_error {
            cx.heap.client.clear();
        } else if cx.heap.client.close(time_left) {
            let place = cx.heap.place.take();
            cx.suspend(|_| drop(place));
        }
        result
    }
}
