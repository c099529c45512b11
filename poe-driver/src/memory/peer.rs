//! The test's end.

use std::mem;
use std::sync::Arc;

use bytes::Bytes;

use super::Faults;
use super::state::Shared;

/// Who a [`Memory`](super::Memory) talks with: the test, which says what is there to read, looks at what was written, and has
/// reads and writes go wrong. It may do so from another thread.
///
/// When all of its clones are dropped, the peer has gone: the input ends, and output fails with `EPIPE`.
#[derive(Debug, Clone)]
pub struct MemoryPeer(Arc<Hold>);

impl MemoryPeer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(Arc::new(Hold(shared)))
    }

    /// Sends octets. A read gives no more than what was sent at once, so that the test decides how input is divided. No
    /// octets are not sent at all.
    pub fn send(&self, octets: impl Into<Bytes>) {
        let octets = octets.into();
        self.shared().with(|state| {
            if !(octets.is_empty() || state.is_ended) {
                state.chunks.push_back(octets);
            }
        });
    }

    /// Sends no more: behind what was sent the input ends. Output is still received.
    pub fn end(&self) {
        self.shared().with(|state| state.is_ended = true);
    }

    /// Resets the connection: what was sent and not read is lost, the next read or write fails with `ECONNRESET`, and then
    /// input has ended and output fails with `EPIPE`.
    pub fn reset(&self) {
        self.shared().with(|state| state.part(true));
    }

    /// What reads meet from now on. Places of [`Faults::at`] are counted from the first octet that was ever read.
    pub fn read_faults(&self, faults: Faults) {
        self.shared().with(|state| state.input.faults = faults);
    }

    /// What writes meet from now on. Places are counted from the first octet that was ever written.
    pub fn write_faults(&self, faults: Faults) {
        self.shared().with(|state| state.output.faults = faults);
    }

    /// Goes on after a [`Fault::Stall`](super::Fault::Stall), in both directions.
    pub fn go_on(&self) {
        self.shared().with(|state| {
            state.input.is_stalled = false;
            state.output.is_stalled = false;
        });
    }

    /// Takes no more than so many octets until [`received`](Self::received) makes room: a peer that does not read. There is
    /// no limit at first.
    pub fn set_room(&self, octets: usize) {
        self.shared().with(|state| state.room = octets);
    }

    /// Takes what was written since the last time.
    #[must_use = "what was received is gone from the peer"]
    pub fn received(&self) -> Bytes {
        self.shared().with(|state| mem::take(&mut state.received)).into()
    }

    /// How many octets [`received`](Self::received) would give.
    #[must_use]
    pub fn received_len(&self) -> usize {
        self.shared().look().received.len()
    }

    /// How many octets that were sent were not read.
    #[must_use]
    pub fn unread_len(&self) -> usize {
        self.shared().look().chunks.iter().map(Bytes::len).sum()
    }

    /// Whether no more output will come: the driver was told to shut it down.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.shared().look().is_shut_down
    }

    fn shared(&self) -> &Shared {
        &self.0.0
    }
}

/// What the clones of a peer have in common.
#[derive(Debug)]
struct Hold(Arc<Shared>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.with(|state| state.part(false));
    }
}
