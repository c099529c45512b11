//! Events, time, handles, signals, the session tree and event loops: the kernel of POE.

mod aliases;
mod clock;
mod death;
mod diagnostic;
mod dispatch;
mod error;
mod event_loop;
mod handles;
mod hash;
mod id;
mod kernel;
mod name;
mod payload;
mod queue;
mod references;
mod run;
mod send;
mod sessions;
mod signals;
mod sys;
mod timers;

pub use death::{Cause, Death, Panic, SharedDeath};
pub use diagnostic::Diagnostic;
pub use dispatch::{BoxError, Caller, Delivery, Dispatch, Envelope, Failure, SessionOption};
pub use error::{
    AliasError, CallError, DetachError, KernelError, NoActiveSession, PostError, RefcountError,
    SignalError, SpawnError, TimerError, WatchError,
};
pub use event_loop::{EventLoop, Interest, Key, Mode, Readiness, Wake};
pub use handles::{Ready, Watch, WatchId};
pub use id::{KernelId, SessionId, TimerId};
pub use kernel::{Kernel, KernelBuilder, WeakKernel};
pub use name::{Event, EventFor, Name};
pub use payload::{Payload, ReplyTo, Slot, take};
pub use run::Flush;
pub use send::Destination;
pub use sessions::{Change, Child, Parent};
pub use signals::{Signal, SignalClass, signal_class};
pub use timers::{Alarm, Shift, Timeout};
