//! Callbacks: handlers that a component calls itself.

use std::rc::Rc;

use poe_kernel::{BoxError, Failure, ReplyTo};
use poe_session::{Cx, HandlerResult, IntoOutcome};

/// A callback, what it returns hidden.
pub(crate) type Callback<H, P> = Rc<dyn Fn(&mut Cx<'_, H>, P) -> HandlerResult>;

pub(crate) fn callback<H: 'static, P: 'static, R: IntoOutcome>(
    f: impl Fn(&mut Cx<'_, H>, P) -> R + 'static,
) -> Callback<H, P> {
    Rc::new(move |cx: &mut Cx<'_, H>, payload: P| finish(f(cx, payload)))
}

/// Nobody waits for what a callback returns, but its error counts.
pub(crate) fn finish(outcome: impl IntoOutcome) -> HandlerResult {
    outcome.into_outcome(ReplyTo::nobody()).map_err(|failure| match failure {
        Failure::Error(error) => error,
        other => BoxError::from(format!("callback failed: {other:?}")),
    })
}
