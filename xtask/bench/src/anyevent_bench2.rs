//! AnyEvent's published bench2: many pairs of sockets, few of them active, and a timeout that is set
//! anew for each message.
//!
//! A message is passed from pair to pair: whoever gets it resets its timeout, and writes to another
//! pair at random. A figure is the time for one message got.

use std::io;
use std::process::Command;
use std::time::Duration;

use crate::contest::{Contest, Rounds, nanoseconds_each};
use crate::peers::epoll_bench2;
use crate::report::{Report, Unit};
use crate::system;

/// How long a pair may be silent: longer than the run.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// Turns in a round.
const TURNS: usize = 6;

/// How big a run is.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Pairs of sockets.
    pub pairs: usize,
    /// Messages on their way at any time.
    pub active: usize,
    /// Messages to be got in all.
    pub requests: u64,
}

/// At most 1.2 times a bare epoll loop with the same heap of timers; Perl's POE is beside it where it
/// is installed.
pub fn run(rounds: Rounds, report: &mut Report) {
    let limit = system::descriptor_limit().unwrap_or(1024);
    let pairs = 10_000.min(limit.saturating_sub(100) / 2);
    let active = 100.min(pairs);
    hold(Shape { pairs, active, requests: 50_000 }, 300, rounds, report);
    hold(Shape { pairs: 8, active: 3, requests: 50_000 }, 30_000, rounds, report);
}

fn hold(shape: Shape, perl_requests: u64, rounds: Rounds, report: &mut Report) {
    let name = format!("bench2, {} pairs, {} active", shape.pairs, shape.active);
    let contest = Contest::new(Unit::Nanoseconds).case(name, None);
    #[cfg(feature = "ours")]
    let contest = contest
        .ours(move || Ok(vec![nanoseconds_each(crate::ours::bench2(shape)?, shape.requests)]));
    // Perl's turn is long, and its figure is not to be reached: one is enough.
    let mut perl = None;
    contest
        .peer("bare epoll, indexed heap", 1.2, move || {
            Ok(vec![nanoseconds_each(epoll_bench2::run(shape)?, shape.requests)])
        })
        .peer("Perl POE", None, move || {
            let measured = match perl {
                Some(measured) => measured,
                None => perl_poe(Shape { requests: perl_requests, ..shape })?,
            };
            perl = Some(measured);
            Ok(vec![measured])
        })
        .hold(rounds.times(TURNS), report);
}

/// Runs the same in Perl, and reads the nanoseconds of a message that it prints.
fn perl_poe(shape: Shape) -> io::Result<f64> {
    let installed = Command::new("perl").args(["-MPOE", "-e", "1"]).output();
    if !installed.is_ok_and(|output| output.status.success()) {
        return Err(io::Error::other("not installed"));
    }
    let output = Command::new("perl")
        .args(["-e", include_str!("../perl/bench2.pl"), "--"])
        .args([shape.pairs.to_string(), shape.active.to_string(), shape.requests.to_string()])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let failed = || io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    text.trim().parse().map_err(|_| failed())
}
