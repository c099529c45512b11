//! An event yielded to oneself: each handler yields the next, so that one is queued at any time.

use crate::contest::{Contest, Rounds, nanoseconds_each};
use crate::peers::{actix_actors, boxed_closures, tokio_mpsc};
use crate::report::{Report, Unit};

const EVENTS: u64 = 1_000_000;

/// Turns in a round.
const TURNS: usize = 6;

/// At most 1.7 times a queue of boxed closures, and less than actix and tokio.
pub fn run(rounds: Rounds, report: &mut Report) {
    let contest = Contest::new(Unit::Nanoseconds).case("an event yielded to oneself", None);
    #[cfg(feature = "ours")]
    let contest = contest.ours(|| Ok(each(crate::ours::yield_unit(EVENTS)?)));
    contest
        .peer("VecDeque of boxed closures", 1.7, || Ok(each(boxed_closures::yield_unit(EVENTS))))
        .peer("actix notify", 1.0, || Ok(each(actix_actors::notify(EVENTS)?)))
        .peer("tokio mpsc to self", 1.0, || Ok(each(tokio_mpsc::yield_to_self(EVENTS, |_| ())?)))
        .hold(rounds.times(TURNS), report);

    let contest =
        Contest::new(Unit::Nanoseconds).case("an event yielded to oneself, with a u64", None);
    #[cfg(feature = "ours")]
    let contest = contest.ours(|| Ok(each(crate::ours::yield_u64(EVENTS)?)));
    contest
        .peer("VecDeque of boxed closures", 1.7, || Ok(each(boxed_closures::yield_u64(EVENTS))))
        .peer("actix notify", 1.0, || Ok(each(actix_actors::notify_u64(EVENTS)?)))
        .peer("tokio mpsc to self", 1.0, || Ok(each(tokio_mpsc::yield_to_self(EVENTS, |n| n)?)))
        .hold(rounds.times(TURNS), report);
}

fn each(duration: std::time::Duration) -> Vec<f64> {
    vec![nanoseconds_each(duration, EVENTS)]
}
