//! What takes many events of one name without being looked for each time.

use std::fmt;

use crate::{Envelope, Kernel, Outcome};

/// A session's handler of one event, found once for many of them: it takes a payload as it is, where
/// [`Dispatch::dispatch`](crate::Dispatch::dispatch) finds out each time which handler that is and of what type the payload.
///
/// A kind of session that has such takers hands them to who asks by [`Dispatch::taker`](crate::Dispatch::taker).
pub struct Taker<P>(Box<Function<P>>);

type Function<P> = dyn Fn(&Kernel, &Envelope, P) -> Outcome;

impl<P: 'static> Taker<P> {
    /// What runs the handler.
    pub fn new(run: impl Fn(&Kernel, &Envelope, P) -> Outcome + 'static) -> Self {
        Self(Box::new(run))
    }

    #[inline(always)]
    pub(crate) fn run(&self, kernel: &Kernel, envelope: &Envelope, payload: P) -> Outcome {
        (self.0)(kernel, envelope, payload)
    }
}

impl<P> fmt::Debug for Taker<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Taker")
    }
}
