//! The wheel of a connection, while there is one.

use bytes::Bytes;
use poe_filter::IntoRecord;
use poe_wheel::{ReadWrite, WheelId};

/// The `ReadWrite` wheel of a connection, for as long as it is connected; before and after, what is put is dropped.
///
/// All of the wheel is at [`Self::wheel`]; what a callback needs most is here.
#[derive(Debug)]
pub struct Link<In: 'static = Bytes, Out: 'static = Bytes>(Option<ReadWrite<In, Out>>);

impl<In: 'static, Out: 'static> Link<In, Out> {
    pub(crate) fn none() -> Self {
        Self(None)
    }

    pub(crate) fn set(&mut self, wheel: ReadWrite<In, Out>) {
        self.0 = Some(wheel);
    }

    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }

    /// Sends a record. Whether as much output is queued now as the high mark.
    ///
    /// See [`ReadWrite::put`].
    pub fn put(&self, record: impl IntoRecord<Out>) -> bool {
        self.0.as_ref().is_some_and(|wheel| wheel.put(record))
    }

    /// The wheel, while there is a connection.
    #[must_use]
    pub fn wheel(&self) -> Option<&ReadWrite<In, Out>> {
        self.0.as_ref()
    }

    /// Whether there is a connection.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.0.is_some()
    }

    /// The wheel's identity, while there is a connection.
    #[must_use]
    pub fn id(&self) -> Option<WheelId> {
        self.0.as_ref().map(ReadWrite::id)
    }

    /// How many octets of output are queued.
    #[must_use]
    pub fn get_driver_out_octets(&self) -> usize {
        self.0.as_ref().map_or(0, ReadWrite::get_driver_out_octets)
    }

    /// Stops the input until [`Self::resume_input`].
    pub fn pause_input(&self) {
        if let Some(wheel) = &self.0 {
            wheel.pause_input();
        }
    }

    /// Lets input through again.
    pub fn resume_input(&self) {
        if let Some(wheel) = &self.0 {
            wheel.resume_input();
        }
    }
}
