//! What reads and writes meet.

use std::collections::VecDeque;

/// What one read or one write meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It moves so many octets at most: a short read, or a short write. With `usize::MAX` there is no fault, and 0 is
    /// [`WouldBlock`](Self::WouldBlock).
    Short(usize),
    /// It would block, although the handle is ready. The next one may not.
    WouldBlock,
    /// A signal interrupts it (`EINTR`).
    Interrupted,
    /// It fails with this error number. The next one may not.
    Error(i32),
    /// The connection is reset: this fails with `ECONNRESET`, and from then on input has ended and output fails with
    /// `EPIPE`.
    Reset,
    /// The peer has gone: the input ends here, and output fails with `EPIPE`.
    Eof,
    /// It would block, and the handle is not ready, until [`MemoryPeer::go_on`](super::MemoryPeer::go_on) is called. This
    /// is a delay, as long as the test likes, for which nobody has to wait.
    Stall,
}

impl Fault {
    /// Whether the handle is ready for this even if there is nothing to move.
    fn is_ready(self) -> bool {
        matches!(self, Self::Error(_) | Self::Reset | Self::Eof)
    }
}

/// What the reads, or the writes, of a [`Memory`](super::Memory) meet, one after the other.
///
/// A call that has nothing to move, since there is no input or no room, meets nothing.
///
/// ```
/// use poe_driver::memory::{Fault, Faults};
///
/// // Each octet comes by itself, and nothing comes before it.
/// let octets = Faults::repeated([Fault::WouldBlock, Fault::Short(1)]);
/// // All is well until the 17th octet.
/// let reset = Faults::none().at(16, Fault::Reset);
/// // The same adversities each time that a test has this seed.
/// let seeded = Faults::seeded(42);
/// # let _ = (octets, reset, seeded);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// By octet, in order.
    at: VecDeque<(u64, Fault)>,
    calls: Calls,
}

/// By call.
#[derive(Debug, Clone, Default)]
enum Calls {
    #[default]
    Asked,
    Script(VecDeque<Fault>),
    Repeated(VecDeque<Fault>),
    Seeded(Random),
}

impl Faults {
    /// Everything is done as asked.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// One for each call, and none behind them.
    #[must_use]
    pub fn script(faults: impl IntoIterator<Item = Fault>) -> Self {
        Self::by(Calls::Script(faults.into_iter().collect()))
    }

    /// One for each call, over and over. One at least should let octets through, or it goes on for ever.
    #[must_use]
    pub fn repeated(faults: impl IntoIterator<Item = Fault>) -> Self {
        Self::by(Calls::Repeated(faults.into_iter().collect()))
    }

    /// Moves of all sizes, many of them of few octets, calls that would block, and interruptions, at random: the same for
    /// the same seed. There are no errors among them, so that everything gets through.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::by(Calls::Seeded(Random(seed)))
    }

    /// Behind so many octets there is this as well: no call moves octets from before and from behind this place, and one
    /// call meets this between them. Several at one place come in the order in which they were added.
    #[must_use]
    pub fn at(mut self, octets: u64, fault: Fault) -> Self {
        let place = self.at.partition_point(|(before, _)| *before <= octets);
        self.at.insert(place, (octets, fault));
        self
    }

    fn by(calls: Calls) -> Self {
        Self { at: VecDeque::new(), calls }
    }

    /// What the next call meets, when so many octets have been moved.
    pub(super) fn next(&mut self, moved: u64) -> Fault {
        let until = match self.at.front() {
            Some((place, fault)) if *place <= moved => {
                let fault = *fault;
                self.at.pop_front();
                return fault;
            }
            Some((place, _)) => usize::try_from(place - moved).unwrap_or(usize::MAX),
            None => usize::MAX,
        };
        match self.next_call() {
            Fault::Short(octets) => Fault::Short(octets.min(until)),
            fault => fault,
        }
    }

    /// Whether the next call meets something that the handle is ready for.
    pub(super) fn is_ready(&self, moved: u64) -> bool {
        let next = match (self.at.front(), &self.calls) {
            (Some((place, fault)), _) if *place <= moved => Some(fault),
            (_, Calls::Script(faults) | Calls::Repeated(faults)) => faults.front(),
            (_, Calls::Asked | Calls::Seeded(_)) => None,
        };
        next.is_some_and(|fault| fault.is_ready())
    }

    fn next_call(&mut self) -> Fault {
        let fault = match &mut self.calls {
            Calls::Asked => None,
            Calls::Script(faults) => faults.pop_front(),
            Calls::Repeated(faults) => {
                faults.rotate_left(usize::from(!faults.is_empty()));
                faults.back().copied()
            }
            Calls::Seeded(random) => Some(random.fault()),
        };
        fault.unwrap_or(Fault::Short(usize::MAX))
    }
}

/// SplitMix64: small, and the same everywhere.
#[derive(Debug, Clone)]
struct Random(u64);

impl Random {
    fn fault(&mut self) -> Fault {
        let number = self.next();
        let size = number >> 8;
        match number % 8 {
            0 | 1 => Fault::WouldBlock,
            2 => Fault::Interrupted,
            3 | 4 => Fault::Short(1 + (size % 4) as usize),
            5 => Fault::Short(1 + (size % 60) as usize),
            6 => Fault::Short(1 + (size % 9000) as usize),
            _ => Fault::Short(usize::MAX),
        }
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let number = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }
}
