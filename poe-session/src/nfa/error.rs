//! What goes wrong with states.

use poe_kernel::{CallError, Name, SpawnError};
use thiserror::Error;

/// What goes wrong with the states of a machine.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StateError {
    /// There is no such state.
    #[error("machine has no state {state:?} to go to; name one that it was built with")]
    NoState {
        /// The state that was named.
        state: Name,
    },
    /// A state was to be entered, or returned to, with an event that has no handler there.
    #[error("state {state:?} cannot be entered with event {event:?}, for which it has no handler")]
    NoEntry {
        /// The state.
        state: Name,
        /// The event.
        event: Name,
    },
    /// A state was to be entered, returned to or left, and its handler takes another type than it was given.
    #[error("handler of {event:?} in state {state:?} takes {expected}, but was given {sent}")]
    WrongArgs {
        /// The state.
        state: Name,
        /// The event.
        event: Name,
        /// The type that the handler takes.
        expected: &'static str,
        /// The type it was given.
        sent: &'static str,
    },
    /// There is no `call_state` left to return from.
    #[error("state {state:?} was not called, so that there is none to return to")]
    NotCalled {
        /// The state that the machine is in.
        state: Name,
    },
    /// An event came that the state has no handler for, nor a default one.
    #[error(
        "state {state:?} has neither a handler for event {event:?} nor a default one; add it there or to any state"
    )]
    Unexpected {
        /// The state that the machine is in.
        state: Name,
        /// The event that came.
        event: Name,
    },
    /// A transition that was to be made at once failed in a handler: the old state's `leave`, or the new one's event of entry.
    #[error(transparent)]
    Failed(#[from] CallError),
}

/// Why a machine was not spawned.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NfaError {
    /// It cannot be in the state that it was to begin with.
    #[error(transparent)]
    State(#[from] StateError),
    /// There was no place for its session.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
}
