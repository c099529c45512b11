//! A call to another session, whose handler returns a value.

use crate::contest::{Contest, Rounds, nanoseconds_each};
use crate::peers::actix_actors;
use crate::report::{Report, Unit};

const CALLS: u64 = 500_000;

/// Turns in a round.
const TURNS: usize = 4;

/// At most 40 ns, and a twentieth of what actix needs to send and be answered.
pub fn run(rounds: Rounds, report: &mut Report) {
    let contest = Contest::new(Unit::Nanoseconds).case("a call with a reply", Some(40.0));
    #[cfg(feature = "ours")]
    let contest = contest.ours(|| Ok(vec![nanoseconds_each(crate::ours::call(CALLS)?, CALLS)]));
    contest
        .peer("actix send and reply", 0.05, || {
            Ok(vec![nanoseconds_each(actix_actors::send_and_reply(CALLS)?, CALLS)])
        })
        .hold(rounds.times(TURNS), report);
}
