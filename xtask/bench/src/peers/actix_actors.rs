//! actix: actors that notify themselves, and that answer.

use std::io;
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, Handler, Message, System};
use tokio::sync::oneshot;

/// So many messages that an actor sends itself, each when it handles the one before.
pub fn notify(events: u64) -> io::Result<Duration> {
    chain(events, Tick)
}

/// The same, and each message carries a number that its handler uses.
pub fn notify_u64(events: u64) -> io::Result<Duration> {
    chain(events, TickWith(1))
}

/// So many messages to another actor, each sent when the reply to the one before has come.
pub fn send_and_reply(calls: u64) -> io::Result<Duration> {
    System::new().block_on(async {
        let doubler = Doubler.start();
        let started = Instant::now();
        for call in 0..calls {
            let reply = doubler.send(Double(call)).await.map_err(io::Error::other)?;
            std::hint::black_box(reply);
        }
        Ok(started.elapsed())
    })
}

/// So many actors started, which stop once nobody has their address.
pub fn start_and_stop(actors: usize) -> io::Result<Duration> {
    System::new().block_on(async {
        let started = Instant::now();
        for batch in 0..actors.div_ceil(1000) {
            let addresses: Vec<_> =
                (0..1000.min(actors - batch * 1000)).map(|_| Doubler.start()).collect();
            let last = addresses.last().cloned();
            drop(addresses);
            // Actors run in the order they were started: when the last has answered, all have run.
            if let Some(last) = last {
                last.send(Double(1)).await.map_err(io::Error::other)?;
            }
        }
        Ok(started.elapsed())
    })
}

fn chain<M>(events: u64, first: M) -> io::Result<Duration>
where
    M: Message<Result = ()> + Send + 'static,
    Counter: Handler<M>,
{
    System::new().block_on(async {
        let (done, ended) = oneshot::channel();
        let counter = Counter { left: events, sum: 0, done: Some(done) }.start();
        let started = Instant::now();
        counter.do_send(first);
        let sum = ended.await.map_err(io::Error::other)?;
        assert!(sum >= events);
        Ok(started.elapsed())
    })
}

struct Counter {
    left: u64,
    sum: u64,
    done: Option<oneshot::Sender<u64>>,
}

impl Counter {
    fn count(&mut self, number: u64) -> bool {
        self.sum = self.sum.wrapping_add(number);
        self.left -= 1;
        if self.left == 0
            && let Some(done) = self.done.take()
        {
            // Who waits for the end of the run is still there.
            let _ = done.send(self.sum);
        }
        self.left > 0
    }
}

impl Actor for Counter {
    type Context = Context<Self>;
}

struct Tick;

impl Message for Tick {
    type Result = ();
}

impl Handler<Tick> for Counter {
    type Result = ();

    fn handle(&mut self, _: Tick, context: &mut Context<Self>) {
        if self.count(1) {
            context.notify(Tick);
        }
    }
}

struct TickWith(u64);

impl Message for TickWith {
    type Result = ();
}

impl Handler<TickWith> for Counter {
    type Result = ();

    fn handle(&mut self, TickWith(number): TickWith, context: &mut Context<Self>) {
        if self.count(number) {
            context.notify(TickWith(number + 1));
        }
    }
}

struct Doubler;

impl Actor for Doubler {
    type Context = Context<Self>;
}

struct Double(u64);

impl Message for Double {
    type Result = u64;
}

impl Handler<Double> for Doubler {
    type Result = u64;

    fn handle(&mut self, Double(number): Double, _: &mut Context<Self>) -> u64 {
        number * 2
    }
}
