//! A check of a loop that goes on in a child process.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::trial::{Outcome, READ, Starter, Trial, drain, ensure, pair};
use super::{Named, Options};
use crate::Wake;

pub(super) const CHECKS: &[Named] =
    &[("it begins anew in a child process, or says that it cannot", forked)];

fn forked(start: &Starter, options: Options) -> Outcome {
    let mut trial = Trial::new(start, options)?;
    let waker = trial.event_loop.waker();
    let (ours, mut theirs) = pair()?;
    let (told, tell) = UnixStream::pair()?;
    trial.add(&ours, 1, READ)?;
    let child = crate::sys::in_child_process(|| {
        let outcome = begins_anew(&mut trial, &*waker, &ours, &mut theirs);
        let wrong = outcome.err().map(|error| error.to_string());
        // If this fails, nobody listens any more.
        let _ = (&tell).write_all(wrong.unwrap_or_default().as_bytes());
    })?;
    drop(tell);
    let wrong = outcome_of(child, told, trial.limit * 3)?;
    ensure(wrong.is_empty(), || format!("in a child process: {wrong}"))?;
    drain(&ours);
    let begun = Instant::now();
    trial.wait(Some(Duration::from_millis(20)))?;
    ensure(begun.elapsed() >= Duration::from_millis(20), || {
        String::from("a wake in a child process ends a wait of its parent's")
    })?;
    waker.wake();
    trial.ends()?;
    theirs.write_all(b"x")?;
    trial.until_only(1, READ)
}

/// What the child does, with handles that are its parent's too.
fn begins_anew(
    trial: &mut Trial,
    waker: &dyn Wake,
    ours: &Rc<UnixStream>,
    theirs: &mut UnixStream,
) -> Outcome {
    match trial.event_loop.has_forked() {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(()),
        other => other?,
    }
    ensure(Rc::strong_count(ours) == 1, || String::from("a handle is kept"))?;
    ensure(trial.event_loop.modify(1, READ).is_err(), || String::from("a handle is watched"))?;
    waker.wake();
    trial.ends()?;
    theirs.write_all(b"x")?;
    trial.nothing()?;
    trial.add(ours, 1, READ)?;
    trial.until_only(1, READ)?;
    trial.event_loop.delete(1)?;
    trial.nothing()?;
    trial.event_loop.waker().wake();
    trial.ends()?;
    // One that is not taken in is nobody's.
    waker.wake();
    Ok(())
}

fn outcome_of(child: Pid, mut told: UnixStream, limit: Duration) -> Outcome<String> {
    told.set_read_timeout(Some(limit))?;
    let mut wrong = String::new();
    let read = told.read_to_string(&mut wrong);
    if read.is_err() {
        // It has not been waited for, so that this is still its number.
        let _ = kill(child, Signal::SIGKILL);
    }
    let status = waitpid(child, None);
    read.map_err(|_| "a child process does not return")?;
    match status {
        Ok(WaitStatus::Exited(_, 0)) => Ok(wrong),
        Ok(status) => Err(format!("a child process fails: {status:?}").into()),
        // The process has others wait for all children.
        Err(_) => Ok(wrong),
    }
}
