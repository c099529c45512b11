//! What a watched handle's event carries.

use std::fmt;
use std::rc::Rc;

use crate::{Kernel, Mode, Name, SessionId, Watch};

/// The payload of a ready handle's event (POE: `ARG0`, `ARG1` and on of a select event).
#[non_exhaustive]
pub struct Ready<T, A = ()> {
    /// The handle.
    pub handle: Rc<T>,
    /// What it is ready for.
    pub mode: Mode,
    /// What was given along when the watch began.
    pub args: A,
}

impl<T, A: fmt::Debug> fmt::Debug for Ready<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Ready");
        debug.field("mode", &self.mode).field("args", &self.args).finish_non_exhaustive()
    }
}

/// A watch that sends its session an event.
pub(super) struct Selected<T, A> {
    pub(super) session: SessionId,
    pub(super) event: Name,
    pub(super) handle: Rc<T>,
    pub(super) args: A,
}

impl<T: 'static, A: Clone + 'static> Watch for Selected<T, A> {
    fn ready(&self, kernel: &Kernel, mode: Mode) {
        let ready = Ready { handle: Rc::clone(&self.handle), mode, args: self.args.clone() };
        kernel.deliver_event(self.session, self.event, ready);
    }
}
