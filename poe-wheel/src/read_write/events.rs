//! The events of a `ReadWrite` wheel, and the water marks that two of them are about.

use poe_kernel::Name;

use crate::WheelError;

/// The names of a wheel's events.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Events {
    pub(super) input: Option<Name>,
    pub(super) partial: Option<Name>,
    pub(super) error: Option<Name>,
    pub(super) flushed: Option<Name>,
    pub(super) high: Option<Name>,
    pub(super) low: Option<Name>,
}

/// How much queued output is little, and how much is too much.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    pub(super) low: usize,
    pub(super) high: usize,
}

impl Marks {
    pub(super) fn new(low: usize, high: usize) -> Result<Self, WheelError> {
        if low > 0 && low < high {
            Ok(Self { low, high })
        } else {
            Err(WheelError::Marks { low, high })
        }
    }
}

/// Refuses events of marks that there are not, and marks that nobody would learn to have been sunk to.
pub(super) fn check_marks(marks: Option<Marks>, events: &Events) -> Result<(), WheelError> {
    match (marks, events.high, events.low) {
        (None, Some(_), _) => Err(WheelError::NoMarks { event: "high_event" }),
        (None, None, Some(_)) => Err(WheelError::NoMarks { event: "low_event" }),
        (Some(_), _, None) => Err(WheelError::NoLowEvent),
        _ => Ok(()),
    }
}
