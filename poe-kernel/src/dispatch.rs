//! How the kernel hands an event to a session.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::rc::Rc;

use crate::{Carried, Kernel, Name, ReplyTo, SessionId};

/// A session as the kernel knows it: something that takes events.
///
/// `poe_session::Session` and `poe_session::Nfa` are two implementations; a program may write its own and hand it to
/// [`Kernel::session_alloc`].
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use poe_kernel::{Delivery, Dispatch, Failure, Kernel, Outcome, take};
///
/// #[derive(Default)]
/// struct Sum(Cell<u32>);
///
/// impl Dispatch for Sum {
///     fn dispatch(&self, delivery: Delivery<'_>) -> Outcome {
///         if delivery.event == "add" {
///             let n: u32 = take(delivery.payload).ok_or(Failure::WrongPayload { expected: "u32" })?;
///             self.0.set(self.0.get() + n);
///         }
///         Ok(())
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kernel = Kernel::new()?;
/// let sum = Rc::new(Sum::default());
/// let session = kernel.session_alloc(sum.clone(), ())?;
/// kernel.post(session, "add", 2_u32)?;
/// kernel.post(session, "add", 3_u32)?;
/// kernel.run()?;
/// assert_eq!(sum.0.get(), 5);
/// # Ok(())
/// # }
/// ```
pub trait Dispatch {
    /// Takes one event.
    ///
    /// # Errors
    ///
    /// [`Failure`] says why the event was not handled, or how its handler failed.
    fn dispatch(&self, delivery: Delivery<'_>) -> Outcome;

    /// Hands over what takes events of this name one after the other, a [`Taker`](crate::Taker) of the type of payload that the handler has.
    /// Nothing by default: each event is dispatched by itself, as are those of a type or name that nothing is handed over for.
    ///
    /// It is used until [`Kernel::handlers_changed`] says that it is another one, or the session has stopped.
    fn taker(self: Rc<Self>, event: Name, place: ReplyTo<'_>) {
        let _ = (event, place);
    }

    /// Whether a handler up the stack holds what the next one would need, so that a synchronous event must be refused
    /// rather than begun.
    fn is_busy(&self) -> bool {
        false
    }

    /// What to call this kind of session in reports; for a `Session`, the type of its heap.
    fn type_name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }

    /// Shows what the session keeps, when it is freed with [`Traces::DESTROY`](crate::Traces::DESTROY) on; for a `Session`,
    /// its heap, if it was built to show that. By default the [type](Self::type_name).
    ///
    /// # Errors
    ///
    /// Those of the formatter.
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.type_name())
    }

    /// The state that it is in, if it is a machine of states, for introspection.
    fn state(&self) -> Option<Name> {
        None
    }

    /// The names of the events that have a handler, for introspection.
    fn event_names(&self) -> Vec<Name> {
        Vec::new()
    }

    /// Sets or reads one of the session's options (POE: `option`); `None` when this kind of session has none.
    fn option(&self, option: SessionOption, value: Option<bool>) -> Option<bool> {
        let _ = (option, value);
        None
    }
}

/// The options that a session knows (POE: `option` of `POE::Session` and `POE::NFA`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum SessionOption {
    /// Report each event as it is dispatched.
    Trace,
    /// Report a handler that replaces another.
    Debug,
    /// Report events that have no handler, unless their sender waits for an answer and so is told. It is on until it is switched off;
    /// for machines, which die of such an event, it is off.
    Default,
    /// Enter another state at once, not when what is queued has been handled. Machines alone have it.
    Immediate,
}

impl SessionOption {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Trace, Self::Debug, Self::Default, Self::Immediate];

    /// Those that a session has on.
    pub(crate) fn all_on(session: &dyn Dispatch) -> Vec<Self> {
        let is_on = |option: &Self| session.option(*option, None) == Some(true);
        Self::ALL.into_iter().filter(is_on).collect()
    }
}

/// One event on its way into a session; it reads as its [`Envelope`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Delivery<'a> {
    /// The kernel that delivers.
    pub kernel: &'a Kernel,
    /// What event it is, who sent it and to whom.
    pub envelope: &'a Envelope,
    /// Its payload (POE: `ARG0` and on).
    pub payload: &'a mut Carried<'a>,
    /// Where the handler's value goes.
    pub reply: ReplyTo<'a>,
}

impl Deref for Delivery<'_> {
    type Target = Envelope;

    #[inline]
    fn deref(&self) -> &Envelope {
        self.envelope
    }
}

/// What is known of an event besides its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Envelope {
    /// The session the event is for (POE: `SESSION`).
    pub session: SessionId,
    /// Who sent it (POE: `SENDER`).
    pub sender: SessionId,
    /// Its name (POE: `STATE`).
    pub event: Name,
    /// Where, and during which event, it was sent.
    pub caller: Caller,
}

/// Where an event was sent from (POE: `CALLER_FILE`, `CALLER_LINE`, `CALLER_STATE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caller {
    /// File and line.
    pub location: &'static Location<'static>,
    /// The event that was being handled, if any was.
    pub state: Option<Name>,
}

impl Caller {
    #[inline]
    pub(crate) fn new(location: &'static Location<'static>, state: Option<Name>) -> Self {
        Self { location, state }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.location.file(), self.location.line())
    }
}

/// The error type of handlers: anything that is an error and may cross threads.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// How an event was handled. A failure comes in a box, so that nothing large is moved about where there is none; `?` and
/// `into()` put it there.
pub type Outcome = Result<(), Box<Failure>>;

/// Why an event was not handled, or how its handler failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// No handler has the event's name, and there is no default one.
    Unhandled,
    /// A handler up the stack holds the session's heap.
    Busy,
    /// The handler takes another type of payload.
    WrongPayload {
        /// The type that the handler takes.
        expected: &'static str,
    },
    /// The handler returned a value of another type than its caller waits for.
    WrongReply {
        /// The type that the caller waits for.
        expected: &'static str,
        /// The type that the handler returned.
        returned: &'static str,
    },
    /// The handler returned an error.
    Error(BoxError),
    /// The handler panicked.
    Panic(Box<dyn Any + Send>),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unhandled => f.write_str("it has no handler"),
            Self::Busy => f.write_str("a handler up the stack holds the heap"),
            Self::WrongPayload { expected } => write!(f, "its handler takes {expected}"),
            Self::WrongReply { expected, returned } => {
                write!(f, "its handler returned {returned}, not {expected}")
            }
            Self::Error(error) => write!(f, "{error}"),
            Self::Panic(_) => f.write_str("its handler panicked"),
        }
    }
}
