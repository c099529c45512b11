//! Sessions of POE: a heap, and handlers for named events.

mod cx;
mod handlers;
mod outcome;
mod postback;
mod session;
mod table;

pub use cx::{Cx, Heap, Scope};
pub use handlers::{Handlers, Unhandled};
pub use outcome::{HandlerResult, IntoOutcome, Reply};
pub use postback::{Callback, Postback};
pub use session::{Session, Suspended};

/// What a program of sessions uses.
pub mod prelude {
    pub use poe_kernel::{
        Alarm, CallError, Change, Child, Event, Kernel, KernelError, Mode, Name, Parent, Payload, Ready,
        SessionId, SessionOption, Shift, Signal, TimerId,
    };

    pub use crate::{
        Callback, Cx, HandlerResult, Handlers, Postback, Reply, Scope, Session, Unhandled,
    };
}
