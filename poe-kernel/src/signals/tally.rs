//! What signal handlers leave for a kernel: they may run at any moment, on any thread.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};

/// One more than the greatest number of a signal that can be watched.
pub(crate) const NUMBERS: usize = 32;

/// How often each signal has come, and a pipe with an octet for each time.
///
/// The counts decide; the octets wake the loop, and say in which order signals came. A pipe that is full therefore loses
/// nothing. In a child process that has not yet been told that it is one, the pipe is still its parent's: nothing is
/// written there, and what comes is counted apart.
#[derive(Debug)]
pub(crate) struct Tally {
    process: u32,
    counts: Counts,
    in_child: Counts,
    writer: UnixStream,
}

type Counts = [AtomicU32; NUMBERS];

impl Tally {
    /// With the writing end of a pipe, which must not block.
    pub(super) fn new(writer: UnixStream) -> Self {
        let process = std::process::id();
        Self { process, counts: Counts::default(), in_child: Counts::default(), writer }
    }

    /// Notes that a signal came. This is what a signal handler calls: it must not allocate, lock, or panic.
    pub(crate) fn note(&self, number: i32) {
        let Ok(octet) = u8::try_from(number) else { return };
        if std::process::id() == self.process {
            count(&self.counts, octet);
            let _ = nix::unistd::write(&self.writer, &[octet]);
        } else {
            count(&self.in_child, octet);
        }
    }

    /// Takes the signals that came since they were last taken, first come first, and gives each to `each`.
    pub(super) fn drain(&self, mut reader: impl io::Read, mut each: impl FnMut(usize)) {
        let mut octets = [0; 256];
        // An octet comes after its count, so that at the end of the pipe all that has come by now is counted.
        while let Ok(read @ 1..) = reader.read(&mut octets) {
            for &octet in &octets[..read] {
                let number = usize::from(octet);
                if self.counts.get(number).is_some_and(take_one) {
                    each(number);
                }
            }
        }
        for number in 0..NUMBERS {
            for _ in 0..self.take(number) {
                each(number);
            }
        }
    }

    /// Whether there is something to take.
    pub(super) fn is_filled(&self) -> bool {
        self.counts.iter().any(|count| count.load(Ordering::SeqCst) > 0)
    }

    /// Takes all that came of one signal.
    pub(super) fn take(&self, number: usize) -> u32 {
        self.counts.get(number).map_or(0, |count| count.swap(0, Ordering::SeqCst))
    }

    /// Takes what came in a child process before it knew that it is one.
    pub(super) fn take_in_child(&self, number: usize) -> u32 {
        self.in_child.get(number).map_or(0, |count| count.swap(0, Ordering::SeqCst))
    }
}

fn count(counts: &Counts, octet: u8) {
    if let Some(count) = counts.get(usize::from(octet)) {
        count.fetch_add(1, Ordering::SeqCst);
    }
}

fn take_one(count: &AtomicU32) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| count.checked_sub(1)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handles::set_nonblocking;

    fn tally() -> (Tally, UnixStream) {
        let (reader, writer) = UnixStream::pair().unwrap();
        set_nonblocking(&reader).unwrap();
        set_nonblocking(&writer).unwrap();
        (Tally::new(writer), reader)
    }

    fn drained(tally: &Tally, reader: &UnixStream) -> Vec<usize> {
        let mut list = Vec::new();
        tally.drain(reader, |number| list.push(number));
        list
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri cannot write to the pipe that keeps the order")]
    fn signals_come_out_in_the_order_they_came_in() {
        let (tally, reader) = tally();
        for number in [10, 12, 10, 1, 12] {
            tally.note(number);
        }
        assert_eq!(drained(&tally, &reader), [10, 12, 10, 1, 12]);
        assert_eq!(drained(&tally, &reader), []);
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes Miri too long")]
    fn a_full_pipe_loses_none() {
        let (tally, reader) = tally();
        for round in 0..100_000 {
            tally.note(1 + round % 2);
        }
        let list = drained(&tally, &reader);
        for number in [1, 2] {
            assert_eq!(list.iter().filter(|&&one| one == number).count(), 50_000);
        }
        tally.note(3);
        assert_eq!(drained(&tally, &reader), [3]);
    }

    #[test]
    fn what_was_taken_apart_is_not_drained_again() {
        let (tally, reader) = tally();
        for number in [5, 6, 5] {
            tally.note(number);
        }
        assert_eq!(tally.take(5), 2);
        assert_eq!(drained(&tally, &reader), [6]);
        for number in [-1, 0x1_0005, 64] {
            tally.note(number);
        }
        assert_eq!(drained(&tally, &reader), [], "there are no such signals");
    }

    #[test]
    fn none_is_lost_while_others_are_taken() {
        let (tally, reader) = tally();
        const EACH: usize = 20_000;
        let mut taken = 0;
        std::thread::scope(|scope| {
            for number in [1, 2] {
                let tally = &tally;
                scope.spawn(move || (0..EACH).for_each(|_| tally.note(number)));
            }
            while taken < 2 * EACH {
                tally.drain(&reader, |_| taken += 1);
            }
        });
        assert_eq!(taken + drained(&tally, &reader).len(), 2 * EACH);
    }
}
