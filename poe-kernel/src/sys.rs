//! The only unsafe code of the crate.
#![expect(
    unsafe_code,
    reason = "what polling leaves to its user, what runs in a signal handler, and the clock"
)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use nix::libc::timespec;
#[cfg(not(target_os = "linux"))]
use polling::{Event, PollMode, Poller};
use signal_hook::SigId;

use crate::signals::Tally;

/// The monotonic clock; zero should it not be there.
///
/// `nix` hands on in one piece what the system has just written in two, for which a processor waits: 5 ns of each timer.
/// `rustix` does not, but under Valgrind it fails.
pub(crate) fn monotonic_time() -> timespec {
    let mut now = MaybeUninit::<timespec>::zeroed();
    // SAFETY: the call writes no more than one `timespec` to where there is one. It is of numbers, for which zeros are values.
    unsafe {
        nix::libc::clock_gettime(nix::libc::CLOCK_MONOTONIC, now.as_mut_ptr());
        now.assume_init()
    }
}

/// Registers a handle. The caller keeps a share of the handle until it has deleted it from the poller.
#[cfg(not(target_os = "linux"))]
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

/// Puts another file in the place of a descriptor's, which keeps its number and its owner.
#[cfg(target_os = "linux")]
pub(crate) fn replace_file(descriptor: impl AsFd, by: impl AsFd) -> io::Result<()> {
    let number = descriptor.as_fd().as_raw_fd();
    // SAFETY: the number is an open descriptor's, which is borrowed, and stays open: `dup3` closes its file and opens the
    // other one under the same number in one step. What it returns is that number again, whose owner is the caller's.
    let replaced = unsafe { nix::unistd::dup3_raw(by, number, nix::fcntl::OFlag::O_CLOEXEC) }?;
    std::mem::forget(replaced);
    Ok(())
}

/// Has a child process do something, and end.
#[cfg(feature = "testkit")]
pub(crate) fn in_child_process(f: impl FnOnce()) -> io::Result<nix::unistd::Pid> {
    use nix::unistd::ForkResult;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    // SAFETY: the child has this thread alone, on its own copy of the memory, and never leaves this function. What other
    // threads hold stays held there. Of what `f` needs that is the allocator, which C libraries make good for the child;
    // should it be anything else, the child waits for ever, and its parent ends it.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let panicked = catch_unwind(AssertUnwindSafe(f)).is_err();
            // SAFETY: it ends the process at once: nothing of its parent's is flushed, dropped or run a second time.
            unsafe { nix::libc::_exit(i32::from(panicked)) }
        }
    }
}

/// Has a signal noted whenever it comes, until the action is unregistered.
pub(crate) fn on_signal(number: i32, tally: Arc<Tally>) -> io::Result<SigId> {
    // SAFETY: the action runs in a signal handler. `Tally::note` does nothing but atomic operations, `getpid` and a
    // `write` that does not block: it neither allocates nor locks nor panics, and `errno` is restored after it.
    unsafe { signal_hook::low_level::register(number, move || tally.note(number)) }
}
