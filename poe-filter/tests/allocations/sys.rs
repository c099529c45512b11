//! Counts what a thread asks of the allocator.
#![allow(unsafe_code, reason = "a global allocator is unsafe to write")]
#![allow(dead_code, unreachable_pub, reason = "no test uses all of this")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What a thread has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// How often it asked for memory.
    pub allocations: usize,
    /// How many octets it has, less what it gave back of another's.
    pub held: isize,
    /// The most that it ever had.
    pub peak: isize,
}

thread_local! {
    static TALLY: Cell<Tally> = const { Cell::new(Tally { allocations: 0, held: 0, peak: 0 }) };
}

/// How this thread stands.
pub fn tally() -> Tally {
    TALLY.get()
}

/// The result of some work, how often it asked for memory, and how much more the thread had in between than before.
pub fn measure<R>(work: impl FnOnce() -> R) -> (R, usize, usize) {
    let before = tally();
    TALLY.set(Tally { peak: before.held, ..before });
    let result = work();
    let after = tally();
    let growth = usize::try_from(after.peak - before.held).unwrap_or(0);
    (result, after.allocations - before.allocations, growth)
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is handed on to the system's allocator as it came; counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut tally = TALLY.get();
        tally.allocations += 1;
        tally.held += layout.size().cast_signed();
        tally.peak = tally.peak.max(tally.held);
        TALLY.set(tally);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let mut tally = TALLY.get();
        tally.held -= layout.size().cast_signed();
        TALLY.set(tally);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}
