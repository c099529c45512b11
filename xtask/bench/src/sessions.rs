//! A million sessions created and stopped, and the memory of one.

use crate::contest::{Contest, Rounds, nanoseconds_each};
use crate::peers::{actix_actors, tokio_mpsc};
use crate::report::{Report, Unit};

const COUNT: usize = 1_000_000;

/// At most 400 ns for a session's whole life, and 300 bytes besides its heap.
///
/// The memory is measured by the program `session-memory`, whose allocator counts: here that would
/// slow down whoever allocates.
pub fn run(rounds: Rounds, report: &mut Report) {
    let contest =
        Contest::new(Unit::Nanoseconds).case("a session created and stopped", Some(400.0));
    #[cfg(feature = "ours")]
    let contest = contest
        .ours(|| Ok(vec![nanoseconds_each(crate::ours::create_and_stop(COUNT)?, COUNT as u64)]));
    contest
        .peer("tokio task", None, || {
            Ok(vec![nanoseconds_each(tokio_mpsc::spawn(COUNT)?, COUNT as u64)])
        })
        .peer("actix actor", None, || {
            Ok(vec![nanoseconds_each(actix_actors::start_and_stop(COUNT)?, COUNT as u64)])
        })
        .hold(rounds, report);

    let contest = Contest::new(Unit::Bytes).case("memory of a session, of a million", Some(300.0));
    #[cfg(feature = "ours")]
    let contest = contest.ours(memory);
    contest.hold(Rounds(1), report);
}

#[cfg(feature = "ours")]
fn memory() -> std::io::Result<Vec<f64>> {
    use std::io::Error;

    let program = std::env::current_exe()?.with_file_name("session-memory");
    let output = std::process::Command::new(program).arg(COUNT.to_string()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let bytes = text.trim().parse().map_err(|_| {
        Error::other(format!("session-memory: {}", String::from_utf8_lossy(&output.stderr)))
    })?;
    Ok(vec![bytes])
}
