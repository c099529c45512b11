//! How a connection ends: by an error, by the peer, or because it was asked to.

use std::io;
use std::time::Duration;

use poe_kernel::Diagnostic;
use poe_session::{Cx, HandlerResult};
use poe_wheel::{IoCause, IoError, ReadWrite, WheelId};

use super::talk::SHUTDOWN;
use super::{Link, Talk};
use crate::callback::{Callback, call, rescue};

/// How long a drained connection has, unless it is told otherwise.
pub(crate) const DRAIN_TIME: Duration = Duration::from_secs(5);

/// How long the handshake of a driver has, unless it is told otherwise.
pub(super) const HANDSHAKE_TIME: Duration = Duration::from_secs(30);

/// The events of connections' wheels.
pub(super) mod events {
    pub(in crate::tcp) const INPUT: &str = "tcp_got_input";
    pub(in crate::tcp) const PARTIAL: &str = "tcp_got_partial";
    pub(in crate::tcp) const ERROR: &str = "tcp_got_error";
    pub(in crate::tcp) const FLUSHED: &str = "tcp_got_flush";
    pub(in crate::tcp) const HIGH: &str = "tcp_got_high";
    pub(in crate::tcp) const LOW: &str = "tcp_got_low";
    /// Shuts down the connection of this wheel, unless there is another by then.
    pub(in crate::tcp) const OVER: &str = "tcp_got_over";
    /// The time for the handshake of this wheel's driver is over.
    pub(in crate::tcp) const SLOW: &str = "tcp_got_no_handshake";
    /// The time to drain is over.
    pub(in crate::tcp) const CUT: &str = "tcp_got_late";
}

/// A heap with a connection.
pub(crate) trait Party: Sized + 'static {
    type In: 'static;
    type Out: 'static;

    fn link(&mut self) -> &mut Link<Self::In, Self::Out>;

    fn flags(&mut self) -> Flags<'_>;

    /// Whether an error is of the everyday kind that nobody has to hear of.
    fn is_quiet(error: &IoError) -> bool;

    /// Whom the connection is to or from, for reports.
    fn describe(&self) -> String;

    /// Ends the connection now, if there is one.
    fn disconnect(
        cx: &mut Cx<'_, Self>,
        disconnected: Option<&Callback<Self, ()>>,
    ) -> HandlerResult;
}

/// How far a connection's end is.
#[derive(Debug)]
pub(crate) struct Flags<'a> {
    pub(crate) shutdown: &'a mut bool,
    pub(crate) got_an_error: &'a mut bool,
    pub(crate) shutdown_on_error: bool,
}

/// Tells of an error, and shuts the connection down after it.
pub(super) fn fail<H: Party>(cx: &mut Cx<'_, H>, error: IoError, talk: &Talk<H>) -> HandlerResult {
    // What a filter refuses is no fault of the connection: output still goes.
    let is_broken = matches!(error.cause, IoCause::Os(_));
    let was_shutdown = *cx.heap.flags().shutdown;
    if was_shutdown && matches!(error.cause, IoCause::Filter(_)) {
        return Ok(());
    }
    *cx.heap.flags().got_an_error |= is_broken;
    if is_broken {
        cx.heap.link().catch_up();
    }
    let result = match &talk.error {
        Some(callback) => rescue(cx, |cx| callback(cx, error), end_later),
        None => {
            if !H::is_quiet(&error)
                && let Some(of_others) = talk.reports.admit(cx.kernel.time())
            {
                let message = format!("{} got {error}{of_others}", cx.heap.describe());
                report(cx, &message);
            }
            Ok(())
        }
    };
    if was_shutdown && is_broken {
        // Nobody is left to take the output that the shutdown waits for.
        H::disconnect(cx, talk.disconnected.as_ref())?;
    } else {
        end_later(cx);
    }
    result
}

/// Gives the driver of a new connection this long for its handshake, if it has one.
pub(super) fn limit_handshake<H: Party>(cx: &mut Cx<'_, H>, time: Duration) {
    let wheel = cx.heap.link().wheel().filter(|wheel| wheel.driver_wants().read);
    if time < Duration::MAX
        && let Some(wheel) = wheel.map(ReadWrite::id)
    {
        cx.heap.link().is_limited = true;
        cx.delay(events::SLOW, time, wheel);
    }
}

/// The time is over.
pub(super) fn end_handshake<H: Party>(
    cx: &mut Cx<'_, H>,
    wheel: WheelId,
    talk: &Talk<H>,
) -> HandlerResult {
    cx.heap.link().is_limited = false;
    let is_slow = cx.heap.link().wheel().is_some_and(|wheel| wheel.driver_wants().read);
    if !is_slow || !is_current(cx, wheel) {
        return Ok(());
    }
    let reason = "the peer was silent or too slow (handshake_time gives it more)";
    let cause = IoCause::Os(io::Error::new(io::ErrorKind::TimedOut, reason));
    fail(cx, IoError::new("handshake", cause, wheel), talk)
}

/// There is no handshake to wait for any more.
pub(crate) fn forget_handshake<H: Party>(cx: &mut Cx<'_, H>) {
    if std::mem::take(&mut cx.heap.link().is_limited) {
        cx.alarm_clear(events::SLOW);
    }
}

/// Has the connection shut down, unless it is another one by then.
fn end_later<H: Party>(cx: &mut Cx<'_, H>) {
    if cx.heap.flags().shutdown_on_error
        && let Some(wheel) = cx.heap.link().id()
    {
        cx.yield_event(events::OVER, wheel);
    }
}

/// Whether an event about the end of a connection is about the one that there is.
pub(super) fn is_current<H: Party>(cx: &mut Cx<'_, H>, wheel: WheelId) -> bool {
    cx.heap.link().id() == Some(wheel)
}

/// All output has gone: what a shutdown waits for.
pub(super) fn flushed<H: Party>(cx: &mut Cx<'_, H>, talk: &Talk<H>) -> HandlerResult {
    if !*cx.heap.flags().shutdown {
        return call(cx, talk.flushed.as_ref(), ());
    }
    let result = rescue(cx, |cx| call(cx, talk.flushed.as_ref(), ()), end_later);
    H::disconnect(cx, talk.disconnected.as_ref())?;
    result
}

/// Takes no more input, and ends the connection as soon as its output has gone.
pub(crate) fn shut_down<H: Party>(cx: &mut Cx<'_, H>, talk: &Talk<H>) -> HandlerResult {
    *cx.heap.flags().shutdown = true;
    if *cx.heap.flags().got_an_error || cx.heap.link().get_driver_out_octets() == 0 {
        H::disconnect(cx, talk.disconnected.as_ref())
    } else {
        Ok(())
    }
}

/// Shuts the connection down, and cuts it if that takes longer than this.
pub(crate) fn drain<H: Party>(cx: &mut Cx<'_, H>, time: Duration) {
    if cx.heap.link().is_connected() {
        cx.yield_event(SHUTDOWN, ());
        cx.delay(events::CUT, time, ());
    } else {
        cx.heap.link().hasten(time);
    }
}

/// Ends the connection now, whatever is queued.
pub(crate) fn cut<H: Party>(cx: &mut Cx<'_, H>, talk: &Talk<H>) -> HandlerResult {
    let result = H::disconnect(cx, talk.disconnected.as_ref());
    cx.heap.link().cut();
    result
}

/// What is left of the time to drain, if the connection is drained; it has ended within it.
pub(crate) fn time_left<H: Party>(cx: &Cx<'_, H>) -> Option<Duration> {
    let late = cx.alarm_clear(events::CUT);
    late.first().map(|late| late.time.duration_since(cx.kernel.time()).unwrap_or_default())
}

/// Reports what nobody handles.
pub(crate) fn report<H: 'static>(cx: &Cx<'_, H>, message: &str) {
    cx.kernel.report(&Diagnostic::Component { session: cx.session(), message });
}
