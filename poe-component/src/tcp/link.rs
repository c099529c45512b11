//! The wheel of a connection, while there is one.

use std::time::Duration;

use bytes::Bytes;
use poe_filter::IntoRecord;
use poe_wheel::{Lingering, ReadWrite, WheelId};

/// The `ReadWrite` wheel of a connection, for as long as it is connected; before and after, what is put is dropped.
///
/// All of the wheel is at [`Self::wheel`]; what a callback needs most is here.
#[derive(Debug)]
pub struct Link<In: 'static = Bytes, Out: 'static = Bytes> {
    wheel: Option<ReadWrite<In, Out>>,
    /// The end of the last connection, if its peer was still sending.
    lingering: Option<Lingering>,
    /// A timer waits for the handshake of the wheel's driver.
    pub(crate) is_limited: bool,
}

/// How long a peer that was sent all there was for it may take to receive it or to stop sending, before it is cut off.
const LINGER: Duration = Duration::from_secs(5);

impl<In: 'static, Out: 'static> Link<In, Out> {
    pub(crate) fn none() -> Self {
        Self { wheel: None, lingering: None, is_limited: false }
    }

    pub(crate) fn set(&mut self, wheel: ReadWrite<In, Out>) {
        self.wheel = Some(wheel);
    }

    /// Drops the connection, with what is queued.
    pub(crate) fn clear(&mut self) {
        self.wheel = None;
    }

    /// Ends the connection so that the peer receives all that was sent to it, even if it is sending itself, but for no longer
    /// than this. Whether that takes any time.
    pub(crate) fn close(&mut self, limit: Option<Duration>) -> bool {
        if let Some(wheel) = self.wheel.take() {
            self.lingering = wheel.linger(limit.map_or(LINGER, |limit| limit.min(LINGER)));
        }
        self.lingering.is_some()
    }

    /// Gives what is left of a connection no more time than this.
    pub(crate) fn hasten(&mut self, limit: Duration) {
        match &self.lingering {
            Some(lingering) if !limit.is_zero() => lingering.set_limit(limit.min(LINGER)),
            _ => self.lingering = None,
        }
    }

    /// Drops the connection and what is left of the one before.
    pub(crate) fn cut(&mut self) {
        self.wheel = None;
        self.lingering = None;
    }

    /// Sends a record. Whether as much output is queued now as the high mark.
    ///
    /// See [`ReadWrite::put`].
    pub fn put(&self, record: impl IntoRecord<Out>) -> bool {
        self.wheel.as_ref().is_some_and(|wheel| wheel.put(record))
    }

    /// The wheel, while there is a connection.
    #[must_use]
    pub fn wheel(&self) -> Option<&ReadWrite<In, Out>> {
        self.wheel.as_ref()
    }

    /// Whether there is a connection.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.wheel.is_some()
    }

    /// The wheel's identity, while there is a connection.
    #[must_use]
    pub fn id(&self) -> Option<WheelId> {
        self.wheel.as_ref().map(ReadWrite::id)
    }

    /// How many octets of output are queued.
    #[must_use]
    pub fn get_driver_out_octets(&self) -> usize {
        self.wheel.as_ref().map_or(0, ReadWrite::get_driver_out_octets)
    }

    /// Stops the input until [`Self::resume_input`].
    pub fn pause_input(&self) {
        if let Some(wheel) = &self.wheel {
            wheel.pause_input();
        }
    }

    /// Lets input through again.
    pub fn resume_input(&self) {
        if let Some(wheel) = &self.wheel {
            wheel.resume_input();
        }
    }
}
