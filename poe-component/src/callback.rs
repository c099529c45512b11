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

/// Calls a callback, if there is one.
pub(crate) fn call<H: 'static, P>(
    cx: &mut Cx<'_, H>,
    callback: Option<&Callback<H, P>>,
    payload: P,
) -> HandlerResult {
    callback.map_or(Ok(()), |callback| callback(cx, payload))
}

/// Does something, and something else should the first panic, so that a session whose `DIE` is handled is sound.
pub(crate) fn rescue<'a, H: 'static, R>(
    cx: &mut Cx<'a, H>,
    attempt: impl FnOnce(&mut Cx<'a, H>) -> R,
    on_panic: impl FnOnce(&mut Cx<'a, H>),
) -> R {
    struct Rescue<'c, 'a, H: 'static, F: FnOnce(&mut Cx<'a, H>)>(&'c mut Cx<'a, H>, Option<F>);

    impl<'a, H: 'static, F: FnOnce(&mut Cx<'a, H>)> Drop for Rescue<'_, 'a, H, F> {
        fn drop(&mut self) {
            if let Some(on_panic) = self.1.take() {
                on_panic(self.0);
            }
        }
    }

    let mut rescue = Rescue(cx, Some(on_panic));
    let result = attempt(rescue.0);
    rescue.1 = None;
    result
}

/// Nobody waits for what a callback returns, but its error counts.
pub(crate) fn finish(outcome: impl IntoOutcome) -> HandlerResult {
    outcome.into_outcome(ReplyTo::nobody()).map_err(|failure| match *failure {
        Failure::Error(error) => error,
        other => BoxError::from(format!("callback failed: {other:?}")),
    })
}
