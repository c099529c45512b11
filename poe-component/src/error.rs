//! Why a component could not begin.

use poe_kernel::SpawnError;
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
    /// Its wheel could not begin.
    #[error(transparent)]
    Wheel(#[from] WheelError),
    /// Its session could not begin.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
}
