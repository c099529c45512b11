//! Checks of handles that come and go.

use std::collections::HashSet;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::trial::{Outcome, READ, Starter, Trial, WRITE, drain, ensure, pair};
use super::{Named, Options};
use crate::Key;

pub(super) const CHECKS: &[Named] = &[
    ("a handle is kept for as long as it is watched, and no longer", kept),
    ("the end of the loop lets go of all handles, although its waker lives", ended),
    ("keys that are not watched are errors", unknown_keys),
    ("any key but the greatest is a key", all_keys),
    ("a deleted handle is not reported, although others of its file are open", deleted),
    ("descriptors of one file are watched each by itself", two_of_one_file),
    ("a descriptor's number that is used again means the new one", used_again),
    ("what is ready and then deleted is not reported by the next wait", deleted_while_ready),
    ("many handles are all reported", many),
    ("handles that come and go leave nothing behind", come_and_go),
];

fn kept(start: &Starter, options: Options) -> Outcome {
    let mut trial = Trial::new(start, options)?;
    let (ours, mut theirs) = pair()?;
    let weak = Rc::downgrade(&ours);
    trial.add(&ours, 1, READ)?;
    drop(ours);
    ensure(weak.strong_count() > 0, || String::from("it is dropped when it was added"))?;
    theirs.write_all(b"x")?;
    trial.until_only(1, READ)?;
    trial.event_loop.modify(1, WRITE)?;
    ensure(weak.strong_count() == 1, || format!("{} shares are kept", weak.strong_count()))?;
    trial.event_loop.delete(1)?;
    ensure(weak.strong_count() == 0, || String::from("it is kept when it was deleted"))
}

fn ended(start: &Starter, options: Options) -> Outcome {
    let mut trial = Trial::new(start, options)?;
    let waker = trial.event_loop.waker();
    let (ours, theirs) = pair()?;
    let weak = Rc::downgrade(&ours);
    trial.add(&ours, 1, READ)?;
    drop((ours, trial));
    ensure(weak.strong_count() == 0, || String::from("a handle outlives its loop"))?;
    waker.wake();
    // Nor is the descriptor itself kept: its peer is told.
    let end = (&theirs).write(b"x");
    ensure(end.is_err(), || String::from("a descriptor outlives its loop"))
}

fn unknown_keys(start: &Starter, options: Options) -> Outcome {
    let mut trial = Trial::new(start, options)?;
    let refuses = |result: std::io::Result<()>, what: &str| {
        ensure(result.is_err(), || format!("{what} of a key that is not watched is no error"))
    };
    refuses(trial.event_loop.modify(1, READ), "modify")?;
    refuses(trial.event_loop.delete(1), "delete")?;
    let (ours, _theirs) = pair()?;
    trial.add(&ours, 1, READ)?;
    refuses(trial.event_loop.delete(2), "delete")?;
    trial.event_loop.delete(1)?;
    refuses(trial.event_loop.modify(1, READ), "modify")?;
    refuses(trial.event_loop.delete(1), "delete")
}

fn all_keys(start: &Starter, options: Options) -> Outcome {
    let mut trial = Trial::new(start, options)?;
    let keys = [0, 1, usize::MAX / 2, usize::MAX / 2 + 1, usize::MAX - 1];
    let pairs = keys.map(|key| pair().map(|pair| (key, pair)));
    for pair in pairs {
        let (key, (ours, _theirs)) = pair?;
        trial.add(&ours, key, WRITE)?;
        trial.until_only(key, WRITE)?;
        trial.event_loop.delete(key)?;
    }
    trial.nothing()
}

fn deleted(start: &Starter, options: Options) -> Outcome {
    let mut trial = Trial::new(start, options)?;
    let (ours, mut theirs) = pair()?;
    let _copy = ours.try_clone()?;
    trial.add(&ours, 1, READ)?;
    trial.nothing()?;
    trial.event_loop.delete(1)?;
    drop(ours);
    theirs.write_all(b"x")?;
    trial.nothing()
}

fn two_of_one_file(start: &Starter, options: Options) -> Outcome {
    let mut trial = Trial::new(start, options)?;
    let (ours, mut theirs) = pair()?;
    let copy = Rc::new(ours.try_clone()?);
    trial.add(&ours, 1, READ)?;
    trial.add(&copy, 2, READ)?;
    theirs.write_all(b"x")?;
    trial.until_only(1, READ)?;
    trial.until_only(2, READ)?;
    trial.event_loop.delete(1)?;
    trial.until_only(2, READ)?;
    let others = trial.wait(Some(Duration::ZERO))?;
    ensure(others.iter().all(|one| one.key == 2), || format!("{others:?} is reported"))?;
    drain(&ours);
    trial.nothing()
}

fn used_again(start: &Starter, options: Options) -> Outcome {
    let mut trial = Trial::new(start, options)?;
    for round in 0..20 {
        let (old_key, new_key) = (2 * round, 2 * round + 1);
        let (ours, mut theirs) = pair()?;
        trial.add(&ours, old_key, READ)?;
        theirs.write_all(b"x")?;
        trial.until_only(old_key, READ)?;
        trial.event_loop.delete(old_key)?;
        let number = ours.as_raw_fd();
        drop(ours);
        // The next one gets the number, if no other thread was faster.
        let (again, mut peer) = pair()?;
        trial.add(&again, new_key, READ)?;
        trial.nothing().map_err(|error| format!("{error}, when {number} was used again"))?;
        peer.write_all(b"x")?;
        trial.until_only(new_key, READ)?;
        trial.event_loop.delete(new_key)?;
    }
    Ok(())
}

fn deleted_while_ready(start: &Starter, options: Options) -> Outcome {
    let mut trial = Trial::new(start, options)?;
    let ((one, _one_peer), (two, _two_peer), (three, _three_peer)) = (pair()?, pair()?, pair()?);
    trial.add(&one, 1, WRITE)?;
    trial.add(&two, 2, WRITE)?;
    trial.until_only(1, WRITE)?;
    trial.until_only(2, WRITE)?;
    trial.event_loop.delete(1)?;
    trial.add(&three, 3, WRITE)?;
    trial.until_only(3, WRITE)?;
    for _ in 0..3 {
        let ready = trial.wait(Some(Duration::ZERO))?;
        ensure(ready.iter().all(|one| one.key != 1), || format!("{ready:?} is reported"))?;
    }
    trial.until_only(2, WRITE)
}

fn many(start: &Starter, options: Options) -> Outcome {
    let mut trial = Trial::new(start, options)?;
    let pairs = pairs(options.handles)?;
    for (key, (ours, _)) in pairs.iter().enumerate() {
        trial.add(ours, key, READ)?;
    }
    trial.nothing()?;
    for (_, theirs) in &pairs {
        (&*theirs).write_all(b"x")?;
    }
    // Each of them more than once, although they stay ready.
    for _ in 0..2 {
        let (mut seen, begun) = (HashSet::new(), Instant::now());
        while seen.len() < pairs.len() {
            let ready = trial.wait(Some(trial.limit))?;
            let keys: HashSet<Key> = ready.iter().map(|one| one.key).collect();
            ensure(keys.len() == ready.len(), || String::from("one is reported twice at once"))?;
            seen.extend(keys);
            let is_late = begun.elapsed() >= trial.limit;
            ensure(!is_late, || format!("only {} of {} are reported", seen.len(), pairs.len()))?;
        }
    }
    for (ours, _) in &pairs {
        drain(ours);
    }
    trial.nothing()
}

fn come_and_go(start: &Starter, options: Options) -> Outcome {
    let mut trial = Trial::new(start, options)?;
    let pairs = pairs(options.handles.min(100))?;
    for (_, theirs) in &pairs {
        (&*theirs).write_all(b"x")?;
    }
    for stride in 2..7 {
        for (key, (ours, _)) in pairs.iter().enumerate() {
            trial.add(ours, key, READ)?;
        }
        for key in (0..pairs.len()).step_by(stride) {
            trial.event_loop.delete(key)?;
        }
        for key in (0..pairs.len()).filter(|key| key % stride != 0) {
            trial.until_only(key, READ)?;
            trial.event_loop.delete(key)?;
        }
        trial.nothing()?;
    }
    Ok(())
}

fn pairs(count: usize) -> Outcome<Vec<(Rc<UnixStream>, UnixStream)>> {
    (0..count).map(|_| pair()).collect()
}
