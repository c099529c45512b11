//! Our own side of every comparison, written as a user would write it.

pub mod filters;
pub mod follow_tail;
pub mod http;
pub mod spawn;
pub mod storable;
pub mod udp;

use std::cell::Cell;
use std::error::Error;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use poe_session::prelude::*;

use crate::anyevent_bench2::{Shape, TIMEOUT};
use crate::timers::{Durations, Random, shuffled};

struct Counter {
    left: u64,
    sum: u64,
}

/// So many events, each of which yields the next.
pub fn yield_unit(events: u64) -> io::Result<Duration> {
    let kernel = kernel()?;
    Session::build(Counter { left: events, sum: 0 })
        .on_start(|cx| cx.yield_event("tick", ()))
        .on("tick", |cx, ()| {
            cx.heap.sum += 1;
            cx.heap.left -= 1;
            if cx.heap.left > 0 {
                cx.yield_event("tick", ());
            }
        })
        .on_stop(move |cx| assert!(cx.heap.sum >= events))
        .spawn(&kernel)
        .map_err(failed)?;
    time_run(&kernel)
}

/// The same, and each event carries a number that its handler uses.
pub fn yield_u64(events: u64) -> io::Result<Duration> {
    let kernel = kernel()?;
    Session::build(Counter { left: events, sum: 0 })
        .on_start(|cx| cx.yield_event("tick", 1_u64))
        .on("tick", |cx, number: u64| {
            cx.heap.sum = cx.heap.sum.wrapping_add(number);
            cx.heap.left -= 1;
            if cx.heap.left > 0 {
                cx.yield_event("tick", number + 1);
            }
        })
        .on_stop(move |cx| assert!(cx.heap.sum >= events))
        .spawn(&kernel)
        .map_err(failed)?;
    time_run(&kernel)
}

/// So many calls of another session, which replies with twice what it is given.
pub fn call(calls: u64) -> io::Result<Duration> {
    let kernel = kernel()?;
    let took = Rc::new(Cell::new(Duration::ZERO));
    let doubler = Session::build(())
        .on("double", |_, number: u64| Reply(number * 2))
        .spawn(&kernel)
        .map_err(failed)?;
    let taken = took.clone();
    Session::build(())
        .on_start(move |cx| -> HandlerResult {
            let started = Instant::now();
            for number in 0..calls {
                let twice: u64 = cx.call(doubler, "double", number)?;
                std::hint::black_box(twice);
            }
            taken.set(started.elapsed());
            Ok(())
        })
        .spawn(&kernel)
        .map_err(failed)?;
    kernel.run().map_err(failed)?;
    Ok(took.get())
}

/// Sets, adjusts and removes so many timers.
pub fn set_adjust_remove(count: usize) -> io::Result<Durations> {
    let kernel = kernel()?;
    let (due, order) = shuffled(count);
    let found = Rc::new(Cell::new(None));
    let result = found.clone();
    Session::build(())
        .on_start(move |cx| -> HandlerResult {
            let started = Instant::now();
            let timers: Vec<TimerId> = due
                .iter()
                .map(|&due| cx.delay_set("due", Duration::from_millis(due), due))
                .collect();
            let set = started.elapsed();

            let started = Instant::now();
            for &index in &order {
                cx.delay_adjust(timers[index], Duration::from_millis(due[order[index]]))?;
            }
            let adjust = started.elapsed();

            let started = Instant::now();
            for &index in order.iter().rev() {
                cx.alarm_remove(timers[index])?;
            }
            let remove = started.elapsed();
            result.set(Some(Durations { set, adjust, remove }));
            Ok(())
        })
        .on("due", |_, _: u64| {})
        .spawn(&kernel)
        .map_err(failed)?;
    kernel.run().map_err(failed)?;
    found.get().ok_or_else(|| io::Error::other("the timers were not measured"))
}

/// So many sessions that share their handlers, all there at once, and stopped because nothing is left
/// for them to do.
pub fn create_and_stop(count: usize) -> io::Result<Duration> {
    let kernel = kernel()?;
    let stopped = Rc::new(Cell::new(0));
    let counted = stopped.clone();
    let handlers = Handlers::new()
        .on_start(|cx| *cx.heap += 1_u64)
        .on_stop(move |cx| counted.set(counted.get() + *cx.heap));
    let started = Instant::now();
    for _ in 0..count {
        Session::with(&handlers, 0).spawn(&kernel).map_err(failed)?;
    }
    kernel.run().map_err(failed)?;
    let took = started.elapsed();
    assert_eq!(stopped.get(), count as u64);
    Ok(took)
}

/// Holds so many sessions without a heap, each by an extra reference, while `measure` runs.
pub fn hold(count: usize, measure: impl FnOnce()) -> io::Result<()> {
    /// As connections come: some in each turn, and not all before the first.
    const BATCH: usize = 100;

    let kernel = kernel()?;
    let handlers = Handlers::new().on("stop", |cx, ()| -> HandlerResult {
        cx.refcount_decrement(cx.session(), "held")?;
        Ok(())
    });
    for first in (0..count).step_by(BATCH) {
        for _ in first..count.min(first + BATCH) {
            let session = Session::with(&handlers, ()).spawn(&kernel).map_err(failed)?;
            kernel.refcount_increment(session, "held").map_err(failed)?;
        }
        kernel.run_one_timeslice().map_err(failed)?;
    }
    assert!(kernel.session_count() >= count);
    measure();
    Ok(())
}

struct Pairs {
    clients: Vec<UnixStream>,
    timers: Vec<TimerId>,
    random: Random,
    left: u64,
    started: Instant,
}

/// AnyEvent's bench2: passes the messages on, and says how long all requests took.
pub fn bench2(shape: Shape) -> io::Result<Duration> {
    let kernel = kernel()?;
    let took = Rc::new(Cell::new(Duration::ZERO));
    let taken = took.clone();
    let pairs = Pairs {
        clients: Vec::with_capacity(shape.pairs),
        timers: Vec::with_capacity(shape.pairs),
        random: Random::default(),
        left: shape.requests,
        started: Instant::now(),
    };
    Session::build(pairs)
        .on_start(move |cx| -> HandlerResult {
            for index in 0..shape.pairs {
                let (server, client) = UnixStream::pair()?;
                cx.kernel.select_with(&Rc::new(server), Mode::Read, "readable", index)?;
                let timer = cx.delay_set("silent", TIMEOUT, index);
                cx.heap.timers.push(timer);
                cx.heap.clients.push(client);
            }
            for client in &mut cx.heap.clients[..shape.active] {
                client.write_all(b"x")?;
            }
            cx.heap.started = Instant::now();
            Ok(())
        })
        .on("readable", move |cx, ready: Ready<UnixStream, usize>| -> HandlerResult {
            let mut message = [0; 1];
            (&*ready.handle).read_exact(&mut message)?;
            cx.delay_adjust(cx.heap.timers[ready.args], TIMEOUT)?;
            cx.heap.left = cx.heap.left.saturating_sub(1);
            if cx.heap.left == 0 {
                taken.set(cx.heap.started.elapsed());
                cx.stop()?;
                return Ok(());
            }
            let next = cx.heap.random.below(shape.pairs);
            cx.heap.clients[next].write_all(&message)?;
            Ok(())
        })
        .on("silent", |_, _: usize| {})
        .spawn(&kernel)
        .map_err(failed)?;
    kernel.run().map_err(failed)?;
    Ok(took.get())
}

fn kernel() -> io::Result<Kernel> {
    Kernel::new().map_err(failed)
}

fn time_run(kernel: &Kernel) -> io::Result<Duration> {
    let started = Instant::now();
    kernel.run().map_err(failed)?;
    Ok(started.elapsed())
}

fn failed(error: impl Error) -> io::Error {
    io::Error::other(error.to_string())
}
