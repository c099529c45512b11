//! The least that a loop of events can be: a queue of boxed closures, each of which finds its target
//! by an index.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

type Task = Box<dyn FnOnce(&mut Loop)>;

struct Loop {
    queue: VecDeque<Task>,
    targets: Vec<Target>,
}

#[derive(Default)]
struct Target {
    left: u64,
    sum: u64,
}

/// So many events, each of which yields the next.
pub fn yield_unit(events: u64) -> Duration {
    run(events, tick(3))
}

/// The same, and each event carries a number that its handler uses.
pub fn yield_u64(events: u64) -> Duration {
    run(events, tick_with(3, 1))
}

fn tick(target: usize) -> Task {
    Box::new(move |turn| {
        let state = &mut turn.targets[target];
        state.sum += 1;
        state.left -= 1;
        if state.left > 0 {
            turn.queue.push_back(tick(target));
        }
    })
}

fn tick_with(target: usize, number: u64) -> Task {
    Box::new(move |turn| {
        let state = &mut turn.targets[target];
        state.sum = state.sum.wrapping_add(number);
        state.left -= 1;
        if state.left > 0 {
            turn.queue.push_back(tick_with(target, number + 1));
        }
    })
}

fn run(events: u64, first: Task) -> Duration {
    let mut turn = Loop { queue: VecDeque::new(), targets: Vec::new() };
    turn.targets.resize_with(8, Target::default);
    turn.targets[3].left = events;
    turn.queue.push_back(first);
    let started = Instant::now();
    while let Some(task) = turn.queue.pop_front() {
        task(&mut turn);
    }
    let took = started.elapsed();
    assert!(std::hint::black_box(turn.targets[3].sum) >= events);
    took
}
