//! Checks of how long a wait lasts, and of what ends it.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::pthread::{pthread_kill, pthread_self};
use nix::sys::signal::Signal;

use super::trial::{Outcome, READ, Starter, Trial, WRITE, drain, ensure, pair};
use super::{Named, Options};

pub(super) const CHECKS: &[Named] = &[
    ("a wait of no time returns at once", no_time),
    ("a wait lasts as long as it may", lasts),
    ("a short wait is neither too short nor rounded to nothing", short),
    ("a wait without end ends when a handle is ready", without_end),
    ("a wake before a wait ends it", woken_before),
    ("any number of wakes ends one wait", woken_often),
    ("a wake from another thread ends a wait, whenever it comes", woken_at_any_moment),
    ("a wake ends the longest wait", woken_from_the_longest),
    ("a wake hides no handle, and no handle hides it", woken_while_ready),
    ("a wake is for one loop, and harms none that is gone", woken_alone),
    ("a signal is no error", interrupted),
    ("its descriptor can be read when a wait would find something", descriptor),
];

fn no_time(start: &Starter, options: Options) -> Outcome {
    let mut trial = Trial::new(start, options)?;
    let begun = Instant::now();
    for _ in 0..100 {
        trial.wait(Some(Duration::ZERO))?;
    }
    ensure(begun.elapsed() < trial.limit, || format!("100 of them lasted {:?}", begun.elapsed()))
}

fn lasts(start: &Starter, options: Options) -> Outcome {
    waits_for(start, options, Duration::from_millis(300))
}

fn short(start: &Starter, options: Options) -> Outcome {
    [10, 300, 1_400, 5_500].into_iter().try_for_each(|micros| {
        // A first wait may have to set something up.
        waits_for(start, options, Duration::from_micros(micros))
    })
}

/// A wait may be cut short, as by a signal, but not time after time.
fn waits_for(start: &Starter, options: Options, time: Duration) -> Outcome {
    const MOST: u32 = 5;
    let mut trial = Trial::new(start, options)?;
    let (ours, _theirs) = pair()?;
    trial.add(&ours, 1, READ)?;
    let (begun, mut waits) = (Instant::now(), 0);
    while let Some(left) = time.checked_sub(begun.elapsed()).filter(|left| !left.is_zero()) {
        let ready = trial.wait(Some(left))?;
        ensure(ready.is_empty(), || format!("nothing is ready, but {ready:?} is reported"))?;
        waits += 1;
        ensure(waits <= MOST, || format!("{waits} waits took {:?} of {time:?}", begun.elapsed()))?;
    }
    ensure(begun.elapsed() < trial.limit, || format!("{time:?} took {:?}", begun.elapsed()))
}

fn without_end(start: &Starter, options: Options) -> Outcome {
    let mut trial = Trial::new(start, options)?;
    for _ in 0..50 {
        let (ours, mut theirs) = pair()?;
        trial.add(&ours, 1, READ)?;
        let peer = thread::spawn(move || {
            thread::yield_now();
            theirs.write_all(b"x").map(|()| theirs)
        });
        while trial.wait(None)?.is_empty() {}
        drop(peer.join());
        trial.event_loop.delete(1)?;
    }
    Ok(())
}

fn woken_before(start: &Starter, options: Options) -> Outcome {
    let mut trial = Trial::new(start, options)?;
    let waker = trial.event_loop.waker();
    for _ in 0..10 {
        waker.wake();
        trial.ends()?;
    }
    Ok(())
}

fn woken_often(start: &Starter, options: Options) -> Outcome {
    let mut trial = Trial::new(start, options)?;
    let waker = trial.event_loop.waker();
    for wakes in [2, 1_000, 300_000] {
        for _ in 0..wakes {
            waker.wake();
        }
        trial.ends()?;
        let begun = Instant::now();
        trial.wait(Some(Duration::from_millis(20)))?;
        let took = begun.elapsed();
        ensure(took >= Duration::from_millis(20), || {
            format!("{wakes} wakes end another wait, after {took:?}")
        })?;
    }
    Ok(())
}

fn woken_at_any_moment(start: &Starter, options: Options) -> Outcome {
    const ROUNDS: u32 = 5_000;
    let mut trial = Trial::new(start, options)?;
    let (asked, answered) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (waker, stops) = (trial.event_loop.waker(), Arc::new(AtomicBool::new(false)));
    let thread = {
        let (asked, answered, stops) =
            (Arc::clone(&asked), Arc::clone(&answered), Arc::clone(&stops));
        thread::spawn(move || {
            for round in 1..=ROUNDS {
                while asked.load(Ordering::SeqCst) < round {
                    if stops.load(Ordering::SeqCst) {
                        return;
                    }
                    std::hint::spin_loop();
                    thread::yield_now();
                }
                answered.store(round, Ordering::SeqCst);
                waker.wake();
            }
        })
    };
    let outcome = (1..=ROUNDS).try_for_each(|round| {
        asked.store(round, Ordering::SeqCst);
        let begun = Instant::now();
        // As a kernel does: it looks first, and waits if there was nothing.
        while answered.load(Ordering::SeqCst) < round {
            trial.wait(Some(trial.limit))?;
            ensure(begun.elapsed() < trial.limit / 2, || {
                format!("the wake of round {round} is lost")
            })?;
        }
        Ok(())
    });
    stops.store(true, Ordering::SeqCst);
    drop(thread.join());
    outcome
}

fn woken_from_the_longest(start: &Starter, options: Options) -> Outcome {
    // A century and more is what there is when the next timer is far away.
    for time in
        [Duration::from_secs(40 * 86_400), Duration::from_nanos(i64::MAX as u64), Duration::MAX]
    {
        let mut trial = Trial::new(start, options)?;
        let waker = trial.event_loop.waker();
        let woken = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&woken);
        let thread = thread::spawn(move || {
            thread::yield_now();
            flag.store(true, Ordering::SeqCst);
            waker.wake();
        });
        let mut waits = 0;
        while !woken.load(Ordering::SeqCst) {
            trial.wait(Some(time)).map_err(|error| format!("of {time:?}: {error}"))?;
            waits += 1;
            ensure(waits < 1_000, || format!("a wait of {time:?} does not wait"))?;
        }
        drop(thread.join());
    }
    Ok(())
}

fn woken_while_ready(start: &Starter, options: Options) -> Outcome {
    let mut trial = Trial::new(start, options)?;
    let waker = trial.event_loop.waker();
    let (ours, theirs) = pair()?;
    trial.add(&ours, 1, WRITE)?;
    for _ in 0..3 {
        waker.wake();
        trial.until_only(1, WRITE)?;
        trial.until_only(1, WRITE)?;
    }
    super::trial::fill(&ours);
    // The wakes have ended waits that found the handle; none is left over, but one that came too late for its own.
    trial.wait(Some(Duration::ZERO))?;
    let begun = Instant::now();
    trial.wait(Some(Duration::from_millis(20)))?;
    ensure(begun.elapsed() >= Duration::from_millis(20), || String::from("a wake is left over"))?;
    waker.wake();
    trial.ends()?;
    drop(theirs);
    Ok(())
}

fn woken_alone(start: &Starter, options: Options) -> Outcome {
    let (mut one, two) = (Trial::new(start, options)?, Trial::new(start, options)?);
    let waker = two.event_loop.waker();
    waker.wake();
    let begun = Instant::now();
    one.wait(Some(Duration::from_millis(20)))?;
    let took = begun.elapsed();
    ensure(took >= Duration::from_millis(20), || String::from("another loop's wake ends a wait"))?;
    drop(two);
    waker.wake();
    waker.wake();
    Ok(())
}

fn interrupted(start: &Starter, options: Options) -> Outcome {
    let mut trial = Trial::new(start, options)?;
    let (ours, theirs) = pair()?;
    trial.add(&ours, 1, READ)?;
    let came = Arc::new(AtomicBool::new(false));
    let action = signal_hook::flag::register(Signal::SIGURG as i32, Arc::clone(&came))?;
    let (me, is_over) = (pthread_self(), AtomicBool::new(false));
    let waker = trial.event_loop.waker();
    let outcome = thread::scope(|scope| {
        scope.spawn(|| {
            // One after the other, so that all but the first come to a thread that waits.
            for _ in 0..20 {
                let _ = pthread_kill(me, Signal::SIGURG);
                while !came.swap(false, Ordering::SeqCst) && !is_over.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
            }
            is_over.store(true, Ordering::SeqCst);
            waker.wake();
        });
        let begun = Instant::now();
        let mut outcome = Ok(Vec::new());
        while matches!(&outcome, Ok(ready) if ready.is_empty())
            && !is_over.load(Ordering::SeqCst)
            && begun.elapsed() < trial.limit
        {
            outcome = trial.wait(Some(trial.limit));
        }
        is_over.store(true, Ordering::SeqCst);
        outcome
    });
    signal_hook::low_level::unregister(action);
    let ready = outcome.map_err(|error| format!("a wait fails: {error}"))?;
    ensure(ready.is_empty(), || format!("nothing is ready, but {ready:?} is reported"))?;
    (&theirs).write_all(b"x")?;
    trial.until_only(1, READ)
}

fn descriptor(start: &Starter, options: Options) -> Outcome {
    let mut trial = Trial::new(start, options)?;
    if trial.event_loop.descriptor().is_none() {
        return Ok(());
    }
    let waker = trial.event_loop.waker();
    let (ours, mut theirs) = pair()?;
    trial.add(&ours, 1, READ)?;
    for _ in 0..3 {
        trial.wait(Some(Duration::ZERO))?;
        can_be_read(&trial, false)?;
        theirs.write_all(b"x")?;
        can_be_read(&trial, true)?;
        trial.until_only(1, READ)?;
        drain(&ours);
        trial.wait(Some(Duration::ZERO))?;
        can_be_read(&trial, false)?;
        waker.wake();
        can_be_read(&trial, true)?;
    }
    Ok(())
}

fn can_be_read(trial: &Trial, expected: bool) -> Outcome {
    let Some(descriptor) = trial.event_loop.descriptor() else {
        return Err("it has a descriptor no more".into());
    };
    // What is there is there now; what is not may still be coming.
    let timeout = if expected { PollTimeout::from(5_000_u16) } else { PollTimeout::ZERO };
    let mut descriptors = [PollFd::new(descriptor, PollFlags::POLLIN)];
    let can = poll(&mut descriptors, timeout)? > 0;
    ensure(can == expected, || format!("that it can be read is {can}, and should be {expected}"))
}
