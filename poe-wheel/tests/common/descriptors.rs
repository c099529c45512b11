//! Descriptors, counted before and after each test that has a kernel, where tests come one after the other:
//! `RUST_TEST_THREADS=1`.

use std::fs;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

thread_local! {
    /// Each test has a thread of its own, which ends when all that the test had is gone.
    static COUNTED: Option<Descriptors> = Descriptors::count();
}

/// How many there were.
struct Descriptors(usize);

/// Counts them now, and has them counted at the end of the test.
pub fn count() {
    COUNTED.with(|_| ());
}

/// Counts them before and after a test that is the only one.
#[allow(dead_code, reason = "others have a thread for each")]
pub fn counted(test: impl FnOnce()) {
    let _counted = Descriptors(open().len());
    test();
}

impl Descriptors {
    /// None where others come and go.
    fn count() -> Option<Self> {
        let is_alone = std::env::var("RUST_TEST_THREADS").is_ok_and(|threads| threads == "1");
        is_alone.then(|| Self(open().len()))
    }
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        // Threads that are about to end close theirs in a moment.
        let begun = Instant::now();
        while open().len() > self.0 {
            if begun.elapsed() > Duration::from_secs(30) {
                let (thread, before, left) = (thread::current(), self.0, open());
                let name = thread.name().unwrap_or("?");
                let _ = writeln!(std::io::stderr(), "{name} had {before} and leaves {left:?}");
                std::process::abort();
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn open() -> Vec<String> {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else { return Vec::new() };
    let targets = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.map(|target| target.to_string_lossy().into_owned()).collect()
}
