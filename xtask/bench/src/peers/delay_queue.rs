//! tokio-util's `DelayQueue`: a timer wheel.

use std::io;
use std::time::{Duration, Instant};

use tokio_util::time::DelayQueue;

use crate::timers::{Durations, shuffled};

/// Sets, resets and removes so many timers.
pub fn set_adjust_remove(count: usize) -> io::Result<Durations> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let _entered = runtime.enter();
    let (due, order) = shuffled(count);
    let mut queue = DelayQueue::new();

    let started = Instant::now();
    let keys: Vec<_> =
        due.iter().map(|&due| queue.insert(due, Duration::from_millis(due))).collect();
    let set = started.elapsed();

    let started = Instant::now();
    for &index in &order {
        queue.reset(&keys[index], Duration::from_millis(due[order[index]]));
    }
    let adjust = started.elapsed();

    let started = Instant::now();
    for &index in order.iter().rev() {
        queue.remove(&keys[index]);
    }
    let remove = started.elapsed();
    assert!(queue.is_empty());
    Ok(Durations { set, adjust, remove })
}
