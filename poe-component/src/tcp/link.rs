//! The wheel of a connection, while there is one.

use std::cell::Cell;
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
    /// The input stops while too much output waits.
    keeps_pace: bool,
    /// It has stopped for that.
    is_held: Cell<bool>,
    /// It has been stopped by the program.
    is_paused: Cell<bool>,
}

/// How long a peer that was sent all there was for it may take to receive it or to stop sending, before it is cut off.
const LINGER: Duration = Duration::from_secs(5);

impl<In: 'static, Out: 'static> Link<In, Out> {
    pub(crate) fn none() -> Self {
        Self {
            wheel: None,
            lingering: None,
            is_limited: false,
            keeps_pace: false,
            is_held: Cell::new(false),
            is_paused: Cell::new(false),
        }
    }

    pub(crate) fn set(&mut self, wheel: ReadWrite<In, Out>, keeps_pace: bool) {
        self.wheel = Some(wheel);
        self.keeps_pace = keeps_pace;
        self.is_held.set(false);
        self.is_paused.set(false);
    }

    /// Little enough output waits, or none will ever go: the input need not stop for it.
    pub(crate) fn catch_up(&self) {
        if self.is_held.replace(false) && !self.is_paused.get() {
            self.wheel.iter().for_each(ReadWrite::resume_input);
        }
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
        let Some(wheel) = &self.wheel else { return false };
        let is_high = wheel.put(record);
        if is_high && self.keeps_pace && !self.is_held.replace(true) {
            wheel.pause_input();
        }
        is_high
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
            self.is_paused.set(true);
            wheel.pause_input();
        }
    }

    /// Lets input through again; where the builder was given `marks`, not before the output is down to the low one.
    pub fn resume_input(&self) {
        if let Some(wheel) = &self.wheel {
            self.is_paused.set(false);
            if !self.is_held.get() {
                wheel.resume_input();
            }
        }
    }
}
