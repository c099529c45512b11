//! A TCP line echo server: its processor time for each line of 64 bytes.
//!
//! Time, and not throughput: on a busy machine the load is the limit, and says little of the server.

use std::io;
use std::time::Duration;

use crate::contest::{Contest, Rounds, nanoseconds_each};
use crate::load::Load;
use crate::report::{Report, Unit};
use crate::server::{Kind, Server};

/// A turn; each contender gets a dozen in each round, and keeps its connections between them.
const MEASURED: Duration = Duration::from_millis(100);
const TURNS: usize = 12;

/// What comes before a turn is measured.
const WARM_UP: Duration = Duration::from_millis(20);

/// With one line in flight at most 1.10 times a bare epoll loop; with 32, at most 1.3 times the best
/// loop for lines, and a tenth of tokio's.
pub fn run(rounds: Rounds, report: &mut Report) {
    hold(
        1,
        1,
        [(Kind::Epoll, Some(1.10)), (Kind::EpollLines, None), (Kind::Tokio, None)],
        rounds,
        report,
    );
    hold(
        64,
        1,
        [(Kind::Epoll, Some(1.10)), (Kind::EpollLines, None), (Kind::Tokio, None)],
        rounds,
        report,
    );
    hold(
        64,
        32,
        [(Kind::Epoll, None), (Kind::EpollLines, Some(1.3)), (Kind::Tokio, Some(0.1))],
        rounds,
        report,
    );
}

fn hold(
    connections: usize,
    in_flight: usize,
    peers: [(Kind, Option<f64>); 3],
    rounds: Rounds,
    report: &mut Report,
) {
    let name = format!("CPU per echoed line, {connections} x {in_flight} in flight");
    let mut contest = Contest::new(Unit::Nanoseconds).case(name, None);
    if cfg!(feature = "ours") {
        contest = contest.ours(turns(Kind::Ours, connections, in_flight));
    }
    for (kind, target) in peers {
        contest = contest.peer(title(kind), target, turns(kind, connections, in_flight));
    }
    contest
        .peer(title(Kind::Calloop), None, turns(Kind::Calloop, connections, in_flight))
        .hold(rounds.times(TURNS), report);
}

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Ours => "ours",
        Kind::Epoll => "bare epoll, bytes",
        Kind::EpollLines => "bare epoll, memchr, one write",
        Kind::Tokio => "tokio Framed<LinesCodec>",
        Kind::Calloop => "calloop, bytes",
    }
}

/// A server that is started with its first turn, and measured in each.
fn turns(kind: Kind, connections: usize, in_flight: usize) -> impl FnMut() -> io::Result<Vec<f64>> {
    let mut running = None;
    move || {
        let (server, load) = match &mut running {
            Some(running) => running,
            None => {
                let server = Server::start(kind)?;
                let load = Load::start(server.address(), connections, in_flight)?;
                running.insert((server, load))
            }
        };
        load.run(WARM_UP)?;
        let before = server.cpu_time()?;
        let lines = load.run(MEASURED)?;
        let used = server.cpu_time()? - before;
        Ok(vec![nanoseconds_each(used, lines)])
    }
}
