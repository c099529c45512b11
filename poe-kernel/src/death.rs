//! What killed a session: the error or the panic of a handler, and where it was being handled.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::{BoxError, Caller, Name, SessionId};

/// The failure of a handler, as the `DIE` signal and the result of [`Kernel::run`](crate::Kernel::run) carry it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Death {
    /// The session whose handler failed.
    pub session: SessionId,
    /// The session that had sent the event.
    pub sender: SessionId,
    /// The event that was being handled.
    pub event: Name,
    /// Where, and during which event, it had been sent.
    pub caller: Caller,
    /// What happened.
    pub cause: Cause,
}

/// What a handler failed with.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// It returned this error.
    Error(BoxError),
    /// It panicked.
    Panic(Panic),
}

/// A caught panic: its message, and what to resume it with.
#[derive(Debug)]
pub struct Panic {
    message: String,
    payload: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Panic {
    pub(crate) fn new(payload: Box<dyn Any + Send>) -> Self {
        let message = if let Some(text) = payload.downcast_ref::<&str>() {
            (*text).to_owned()
        } else if let Some(text) = payload.downcast_ref::<String>() {
            text.clone()
        } else {
            String::from("a value that is not text")
        };
        Self { message, payload: Mutex::new(Some(payload)) }
    }

    /// The panic's message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn take(&self) -> Option<Box<dyn Any + Send>> {
        self.payload.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => fmt::Display::fmt(error, f),
            Self::Panic(panic) => write!(f, "panic: {}", panic.message),
        }
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "session {} died handling event {:?} (sent by session {} at {}): {}",
            self.session, self.event, self.sender, self.caller, self.cause
        )
    }
}

impl Error for Death {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Error(error) => Some(&**error),
            Cause::Panic(_) => None,
        }
    }
}

/// A death as it is shared by the signal, the caller and the result of `run`.
pub type SharedDeath = Arc<Death>;
