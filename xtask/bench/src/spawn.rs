//! `/bin/true`, run to its end, one after the other: the processor time for each, of parent and child together. They share a
//! processor that has nothing else to wait for, so that this is what limits the rate, and what else the machine does is left out.
//!
//! Nearly all of it is the program's own, from `execve` to its end: 480 of 540 microseconds without streams. `Command` waits for one
//! thing by blocking; who waits for others meanwhile has to have a descriptor of the process, tell epoll of it and be told, which is
//! 8 microseconds more, and 14 with pipes: that is the second peer. Ours does that, too, in 3 to 5 more, and gains 17 where the child
//! begins: by a `clone3` that takes off all handlers of signals at once and uses the stack that is there, where the C library makes
//! 120 calls and a stack.

use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::contest::{Contest, Rounds, nanoseconds_each};
use crate::peers::epoll_spawn;
use crate::report::{Report, Unit};

const CHILDREN: u64 = 50;

/// Turns in a round.
const TURNS: usize = 20;

/// As many in a second as a loop around `std::process::Command`, with and without pipes for the three streams; and, to tell what
/// waiting for several things costs, as a loop that waits by epoll.
pub fn run(rounds: Rounds, report: &mut Report) {
    for (name, pipes) in [("a program run", false), ("a program run, with three pipes", true)] {
        let contest = Contest::new(Unit::Nanoseconds).case(name, None);
        #[cfg(feature = "ours")]
        let contest = contest.ours(move || each(|| crate::ours::spawn::run(CHILDREN, pipes)));
        contest
            .peer("std::process::Command", 1.0, move || each(|| commands(pipes)))
            .peer("std::process::Command, waited for by epoll", None, move || {
                each(|| epoll_spawn::run(CHILDREN, pipes))
            })
            .hold(rounds.times(TURNS), report);
    }
}

fn each(run: impl FnOnce() -> io::Result<()>) -> io::Result<Vec<f64>> {
    let before = used()?;
    run()?;
    Ok(vec![nanoseconds_each(used()? - before, CHILDREN)])
}

/// The processor time of this process, and of its children that were waited for.
fn used() -> io::Result<Duration> {
    let mut microseconds = 0;
    for who in [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN] {
        let usage = getrusage(who)?;
        microseconds += (usage.user_time() + usage.system_time()).num_microseconds();
    }
    Ok(Duration::from_micros(microseconds.unsigned_abs()))
}

fn commands(pipes: bool) -> io::Result<()> {
    for _ in 0..CHILDREN {
        let mut command = Command::new("/bin/true");
        if pipes {
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let output = command.spawn()?.wait_with_output()?;
        assert!(output.status.success());
    }
    Ok(())
}
