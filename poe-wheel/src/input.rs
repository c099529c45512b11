//! The payload of an input event.

use bytes::Bytes;

use crate::WheelId;

/// A record, as a wheel's input event carries it (POE: `ARG0` and `ARG1`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Input<R = Bytes> {
    /// The record.
    pub record: R,
    /// The wheel that read it.
    pub wheel: WheelId,
}

impl<R> Input<R> {
    /// A record that a wheel has read, for a wheel that sends it, or a test of a handler.
    #[must_use]
    pub fn new(record: R, wheel: WheelId) -> Self {
        Self { record, wheel }
    }
}
