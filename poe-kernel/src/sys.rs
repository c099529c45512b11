//! The only unsafe code of the crate.
#![expect(
    unsafe_code,
    reason = "what polling leaves to its user, and what runs in a signal handler"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use polling::{Event, PollMode, Poller};
use signal_hook::SigId;

use crate::signals::Tally;

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

/// Has a signal noted whenever it comes, until the action is unregistered.
pub(crate) fn on_signal(number: i32, tally: Arc<Tally>) -> io::Result<SigId> {
    // SAFETY: the action runs in a signal handler. `Tally::note` does nothing but atomic operations, `getpid` and a
    // `write` that does not block: it neither allocates nor locks nor panics, and `errno` is restored after it.
    unsafe { signal_hook::low_level::register(number, move || tally.note(number)) }
}
