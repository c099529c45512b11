//! A server's listening session.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use poe_kernel::{Diagnostic, SessionId, Signal};
use poe_session::{Cx, HandlerResult, Session};
use poe_wheel::{Address, IoError, Listening, ListeningSocket, SocketFactory};

use super::connection::DRAIN_CONNECTION;
use super::{CUT, DISCONNECTED, DRAIN, Known, SET_CONCURRENCY, SHUTDOWN};
use crate::callback::{Callback, call};
use crate::maker::for_maker;
use crate::tcp::DRAIN_TIME;

/// The heap of a server's listening session.
#[derive(Debug)]
#[non_exhaustive]
pub struct Listener {
    /// The server's alias (POE: `alias`).
    pub alias: Option<String>,
    /// How many clients may be connected at one time; `None` for any number (POE: `concurrency`).
    pub concurrency: Option<usize>,
    /// How many are (POE: `connections`).
    pub connections: usize,
    /// The wheel that listens; dropping it stops the listening (POE: `listener`).
    pub listener: Option<SocketFactory>,
    socket: Option<ListeningSocket>,
    address: Known,
    is_draining: bool,
}

impl Listener {
    pub(super) fn new(
        alias: Option<String>,
        concurrency: Option<usize>,
        socket: ListeningSocket,
        address: Known,
    ) -> Self {
        Self {
            alias,
            concurrency,
            connections: 0,
            listener: None,
            socket: Some(socket),
            address,
            is_draining: false,
        }
    }

    /// Accepts while there is room for a client, and not otherwise.
    fn accept_or_wait(&self) {
        if let Some(listener) = &self.listener {
            if self.concurrency.is_some_and(|most| self.connections >= most) {
                listener.pause_accept();
            } else {
                listener.resume_accept();
            }
        }
    }
}

const ACCEPTED: &str = "tcp_server_got_connection";
const FAILED: &str = "tcp_server_got_error";
const LISTENING: &str = "tcp_server_got_address";
const SIGNALLED: &str = "tcp_server_got_signal";

/// What becomes of an accepted connection.
pub(super) type Acceptor =
    Rc<dyn Fn(&mut Cx<'_, Listener>, poe_wheel::Connection) -> HandlerResult>;

/// The callbacks and parameters of a listening session.
pub(super) struct Duties {
    pub(super) started: Option<Callback<Listener, ()>>,
    pub(super) listening: Option<Callback<Listener, Address>>,
    pub(super) stopped: Option<Callback<Listener, ()>>,
    pub(super) error: Option<Callback<Listener, IoError>>,
    pub(super) drain_signals: Vec<String>,
    pub(super) drain_time: Duration,
}

impl Default for Duties {
    fn default() -> Self {
        Self {
            started: None,
            listening: None,
            stopped: None,
            error: None,
            drain_signals: Vec::new(),
            drain_time: DRAIN_TIME,
        }
    }
}

impl fmt::Debug for Duties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Duties").field("drain_signals", &self.drain_signals).finish_non_exhaustive()
    }
}

pub(super) fn session(heap: Listener, acceptor: Acceptor, duties: Duties) -> Session<Listener> {
    let Duties { started, listening, stopped, error, drain_signals, drain_time } = duties;
    let of_name = listening.clone();
    Session::build(heap)
        .on_start(move |cx| {
            begin(cx, &drain_signals)?;
            call(cx, started.as_ref(), ())?;
            tell_address(cx, listening.as_ref())
        })
        .on(LISTENING, move |cx, listening: Listening| {
            let _ = cx.heap.address.set(listening.address);
            tell_address(cx, of_name.as_ref())
        })
        .on_stop(move |cx| call(cx, stopped.as_ref(), ()))
        .on(ACCEPTED, move |cx, connection: poe_wheel::Connection| {
            cx.heap.connections += 1;
            cx.heap.accept_or_wait();
            acceptor(cx, connection)
        })
        .on(FAILED, move |cx, failure: IoError| fail(cx, failure, error.as_ref()))
        .on(DISCONNECTED, |cx, ()| {
            match cx.heap.connections.checked_sub(1) {
                Some(connections) => cx.heap.connections = connections,
                None => {
                    let message =
                        format!("more disconnections than connections, told from {}", cx.caller());
                    cx.kernel.report(&Diagnostic::Component {
                        session: cx.session(),
                        message: &message,
                    });
                }
            }
            cx.heap.accept_or_wait();
        })
        .on(SET_CONCURRENCY, |cx, concurrency| {
            cx.heap.concurrency = concurrency;
            cx.heap.accept_or_wait();
        })
        .on(SHUTDOWN, |cx, ()| shut_down(cx))
        .on(DRAIN, move |cx, ()| {
            // Who asks twice does not want to wait.
            let is_second = std::mem::replace(&mut cx.heap.is_draining, true);
            drain(cx, if is_second { Duration::ZERO } else { drain_time })
        })
        .on(CUT, |cx, ()| drain(cx, Duration::ZERO))
        .on(SIGNALLED, |cx, _: Signal| {
            cx.sig_handled();
            cx.yield_event(DRAIN, ());
        })
}

fn begin(cx: &mut Cx<'_, Listener>, drain_signals: &[String]) -> HandlerResult {
    let kernel = cx.kernel;
    for_maker(kernel, cx.session(), || -> HandlerResult {
        if let Some(alias) = &cx.heap.alias {
            cx.alias_set(alias)?;
        }
        for signal in drain_signals {
            cx.sig(signal.clone(), SIGNALLED)?;
        }
        Ok(())
    })?;
    if let Some(socket) = cx.heap.socket.take() {
        let listener = for_maker(kernel, cx.session(), || socket.accept(kernel, ACCEPTED, FAILED))?;
        // This comes of a name alone.
        listener.listening_event(LISTENING);
        cx.heap.listener = Some(listener);
    }
    cx.heap.accept_or_wait();
    Ok(())
}

/// Tells where the server listens, if it does and that is known.
fn tell_address(
    cx: &mut Cx<'_, Listener>,
    listening: Option<&Callback<Listener, Address>>,
) -> HandlerResult {
    match cx.heap.address.get().cloned() {
        Some(address) if cx.heap.listener.is_some() => call(cx, listening, address),
        _ => Ok(()),
    }
}

fn fail(
    cx: &mut Cx<'_, Listener>,
    failure: IoError,
    callback: Option<&Callback<Listener, IoError>>,
) -> HandlerResult {
    if let Some(callback) = callback {
        return callback(cx, failure);
    }
    let message = format!("server got {failure}");
    cx.kernel.report(&Diagnostic::Component { session: cx.session(), message: &message });
    // The wheel tries again by itself.
    if !failure.is_recoverable() {
        cx.heap.listener = None;
    }
    Ok(())
}

fn shut_down(cx: &mut Cx<'_, Listener>) -> HandlerResult {
    cx.heap.listener = None;
    if let Some(alias) = cx.heap.alias.take()
        && cx.kernel.alias_resolve(&alias) == Some(cx.session())
    {
        cx.alias_remove(alias)?;
    }
    Ok(())
}

fn drain(cx: &mut Cx<'_, Listener>, drain_time: Duration) -> HandlerResult {
    let connections: Vec<SessionId> = cx.kernel.children(cx.session());
    for connection in connections {
        // One that an acceptor made may not know the event, and one that has stopped does not need it.
        let _ = cx.call::<(), _>(connection, DRAIN_CONNECTION, drain_time);
    }
    shut_down(cx)
}
