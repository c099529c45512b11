//! Idle connections: the server's resident memory for each.
//!
//! Each has sent one line and has its answer, so that the server has surely accepted it, and has shown
//! what it keeps after use.

use std::io;
use std::time::Duration;

use crate::contest::{Contest, Rounds};
use crate::load::Load;
use crate::report::{Report, Unit};
use crate::server::{Kind, Server};
use crate::system;

const CONNECTIONS: usize = 10_000;

/// At most 2 KiB.
pub fn run(_: Rounds, report: &mut Report) {
    let limit = system::descriptor_limit().unwrap_or(1024);
    let connections = CONNECTIONS.min(limit.saturating_sub(200));
    let name = format!("resident memory of an idle connection, of {connections}");
    let mut contest = Contest::new(Unit::Bytes).case(name, Some(2048.0));
    if cfg!(feature = "ours") {
        contest = contest.ours(|| resident(Kind::Ours, connections));
    }
    contest
        .peer("bare epoll", None, || resident(Kind::Epoll, connections))
        .peer("tokio Framed<LinesCodec>", None, || resident(Kind::Tokio, connections))
        .hold(Rounds(1), report);
}

fn resident(kind: Kind, connections: usize) -> io::Result<Vec<f64>> {
    let server = Server::start(kind)?;
    // What the first few connections bring about once is not theirs.
    let mut first = Load::start(server.address(), 10, 1)?;
    first.run(Duration::from_millis(100))?;
    let before = server.resident_bytes()?;
    let mut load = Load::start(server.address(), connections, 1)?;
    load.settle()?;
    let grown = server.resident_bytes()?.saturating_sub(before);
    Ok(vec![grown as f64 / connections as f64])
}
