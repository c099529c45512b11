//! Why a component could not begin.

use poe_kernel::{AliasError, SpawnError};
use poe_wheel::WheelError;
use thiserror::Error;

/// Why a component could not begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ComponentError {
    /// Parameters that go together were not given together.
    #[error("{parameters} go together; give all of them or none")]
    Incomplete {
        /// Which ones.
        parameters: &'static str,
    },
    /// A parameter was not given without which there is nothing to do.
    #[error("{parameter} is missing; {advice}")]
    Missing {
        /// Which one.
        parameter: &'static str,
        /// What to do about it.
        advice: &'static str,
    },
    /// Parameters were given of which one makes the other useless.
    #[error("{parameter} has no use with {with}; give one of them")]
    Conflict {
        /// The one without use.
        parameter: &'static str,
        /// The other.
        with: &'static str,
    },
    /// A state has the name of an event that the component handles itself.
    #[error("event {event:?} is the component's own; use a callback instead")]
    Reserved {
        /// The event.
        event: &'static str,
    },
    /// Its alias is another session's.
    #[error(transparent)]
    Alias(#[from] AliasError),
    /// Its wheel could not begin.
    #[error(transparent)]
    Wheel(#[from] WheelError),
    /// Its session could not begin.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
}
