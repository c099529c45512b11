//! The only unsafe code of the crate.
#![expect(
    unsafe_code,
    reason = "polling leaves it to its user that a descriptor outlives its registration"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use polling::{Event, PollMode, Poller};

/// Registers a handle. The caller keeps a share of the handle until it has deleted it from the poller.
pub(crate) fn add_to_poller(
    poller: &Poller,
    handle: &dyn AsFd,
    event: Event,
    mode: PollMode,
) -> io::Result<()> {
    let descriptor = handle.as_fd().as_raw_fd();
    // SAFETY: the descriptor must be deleted from the poller before it is closed. `PollingLoop`, the only caller,
    // keeps the `Rc` it is borrowed from until its `delete`, and deletes all that is left when it is dropped.
    unsafe { poller.add_with_mode(descriptor, event, mode) }
}
