//! AnyEvent's bench2 on a bare epoll loop, with an indexed heap of timers.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::anyevent_bench2::{Shape, TIMEOUT};
use crate::peers::timer_heap::TimerHeap;
use crate::timers::Random;

/// Passes the messages on, and says how long all requests took.
pub fn run(shape: Shape) -> io::Result<Duration> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let mut timers = TimerHeap::default();
    let mut pairs = Vec::with_capacity(shape.pairs);
    for index in 0..shape.pairs {
        let (server, client) = UnixStream::pair()?;
        server.set_nonblocking(true)?;
        epoll.add(&server, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
        timers.push(Instant::now() + TIMEOUT);
        pairs.push((server, client));
    }
    for (_, client) in &mut pairs[..shape.active] {
        client.write_all(b"x")?;
    }

    let mut random = Random::default();
    let mut events = vec![EpollEvent::empty(); 1024];
    let mut message = [0; 1];
    let mut left = shape.requests;
    let started = Instant::now();
    let mut now = started;
    while left > 0 {
        // A timer that is due would be dispatched here; none is within the run.
        let wait = timers.next_due().map_or(TIMEOUT, |due| due.saturating_duration_since(now));
        let wait = EpollTimeout::try_from(wait).map_err(io::Error::other)?;
        let ready = epoll.wait(&mut events, wait)?;
        now = Instant::now();
        for event in &events[..ready] {
            let index = event.data() as usize;
            pairs[index].0.read_exact(&mut message)?;
            timers.adjust(index, now + TIMEOUT);
            left = left.saturating_sub(1);
            let next = random.below(shape.pairs);
            pairs[next].1.write_all(&message)?;
        }
    }
    Ok(started.elapsed())
}
