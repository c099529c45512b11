//! A million timers, due within a minute: set, adjusted in another order, and removed in a third.

use std::io;
use std::time::Duration;

use crate::contest::{Contest, Rounds, nanoseconds_each};
use crate::peers::delay_queue;
use crate::report::{Report, Unit};

const COUNT: usize = 1_000_000;

/// How long each part of the work took.
#[derive(Clone, Copy, Debug)]
pub struct Durations {
    /// All timers set.
    pub set: Duration,
    /// All timers given another time.
    pub adjust: Duration,
    /// All timers removed.
    pub remove: Duration,
}

/// Each at most what the `DelayQueue` needs, which is a wheel and keeps no order within its tick.
pub fn run(rounds: Rounds, report: &mut Report) {
    let contest = Contest::new(Unit::Nanoseconds)
        .case("a timer set, of a million", None)
        .case("a timer adjusted, of a million", None)
        .case("a timer removed, of a million", None);
    #[cfg(feature = "ours")]
    let contest = contest.ours(|| each(crate::ours::set_adjust_remove(COUNT)));
    contest
        .peer("tokio-util DelayQueue", 1.0, || each(delay_queue::set_adjust_remove(COUNT)))
        .hold(rounds, report);
}

/// When each timer is due, in milliseconds from now, and an order that is none.
pub fn shuffled(count: usize) -> (Vec<u64>, Vec<usize>) {
    let mut random = Random::default();
    let due = (0..count).map(|_| 1 + random.below(60_000) as u64).collect();
    let mut order: Vec<usize> = (0..count).collect();
    for index in (1..count).rev() {
        order.swap(index, random.below(index + 1));
    }
    (due, order)
}

/// Numbers that are the same in each run (xorshift64).
#[derive(Debug)]
pub struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Random {
    /// A number below `limit`, which is not zero.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

fn each(durations: io::Result<Durations>) -> io::Result<Vec<f64>> {
    let Durations { set, adjust, remove } = durations?;
    Ok([set, adjust, remove].map(|duration| nanoseconds_each(duration, COUNT as u64)).to_vec())
}
