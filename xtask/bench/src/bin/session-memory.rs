//! Prints how many bytes a session takes besides its heap, as asked of the allocator.
#![allow(unsafe_code, reason = "a global allocator is unsafe to write")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: usize = std::env::args().nth(1).unwrap_or_default().parse()?;
    // Twice: what the kernel allocates once and keeps is not a session's.
    let mut growth = [0; 2];
    for (growth, count) in growth.iter_mut().zip([count / 2, count]) {
        let before = IN_USE.load(Ordering::Relaxed);
        poe_bench::ours::hold(count, || {
            *growth = IN_USE.load(Ordering::Relaxed).saturating_sub(before);
        })?;
    }
    println!("{:.1}", growth[1].saturating_sub(growth[0]) as f64 / (count - count / 2) as f64);
    Ok(())
}
