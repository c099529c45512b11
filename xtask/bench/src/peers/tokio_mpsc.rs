//! tokio: a task that sends to itself through an unbounded channel, on one thread.

use std::io;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

/// So many messages, each sent when the one before has come.
pub fn yield_to_self<T: 'static>(events: u64, message: impl Fn(u64) -> T) -> io::Result<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let started = Instant::now();
        for event in 0..events {
            sender.send(message(event)).map_err(|_| io::ErrorKind::BrokenPipe)?;
            std::hint::black_box(receiver.recv().await);
        }
        Ok(started.elapsed())
    })
}

/// So many tasks spawned, which end at once.
pub fn spawn(tasks: usize) -> io::Result<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let started = Instant::now();
        let tasks: Vec<_> = (0..tasks)
            .map(|task| tokio::spawn(async move { std::hint::black_box(task) }))
            .collect();
        for task in tasks {
            task.await.map_err(io::Error::other)?;
        }
        Ok(started.elapsed())
    })
}
