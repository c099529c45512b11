//! The kernel's time: monotonic, or virtual for tests.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::sys::monotonic_time;

/// A moment on the kernel's clock: nanoseconds since the kernel was made, negative before.
pub(crate) type Nanos = i64;

/// Where the kernel's time comes from.
#[derive(Debug)]
pub(crate) enum Clock {
    /// The monotonic clock. The wall clock is read once, so that its later steps neither fire nor delay a timer.
    Monotonic { started: Nanos, wall: SystemTime },
    /// A clock that stands still until the kernel moves it to the next due time.
    Virtual { now: Cell<Nanos>, wall: SystemTime },
}

impl Clock {
    pub(crate) fn monotonic() -> Self {
        Self::Monotonic { started: system_nanos(), wall: SystemTime::now() }
    }

    pub(crate) fn simulated(wall: SystemTime) -> Self {
        Self::Virtual { now: Cell::new(0), wall }
    }

    pub(crate) fn is_virtual(&self) -> bool {
        matches!(self, Self::Virtual { .. })
    }

    pub(crate) fn read(&self) -> Nanos {
        match self {
            Self::Monotonic { started, .. } => system_nanos() - started,
            Self::Virtual { now, .. } => now.get(),
        }
    }

    /// How long ago a moment was; nothing if it is still to come.
    pub(crate) fn since(&self, moment: Nanos) -> Duration {
        Duration::from_nanos(self.read().saturating_sub(moment).max(0).unsigned_abs())
    }

    /// How long it is to a moment; nothing if it is past.
    pub(crate) fn until(&self, moment: Nanos) -> Duration {
        Duration::from_nanos(moment.saturating_sub(self.read()).max(0).unsigned_abs())
    }

    /// Moves a virtual clock forward; a real one moves by itself.
    pub(crate) fn advance_to(&self, moment: Nanos) {
        if let Self::Virtual { now, .. } = self {
            now.set(now.get().max(moment));
        }
    }

    pub(crate) fn to_wall(&self, moment: Nanos) -> SystemTime {
        let wall = self.wall_start();
        let distance = Duration::from_nanos(moment.unsigned_abs());
        if moment >= 0 {
            wall.checked_add(distance).unwrap_or(wall)
        } else {
            wall.checked_sub(distance).unwrap_or(UNIX_EPOCH)
        }
    }

    #[expect(clippy::wrong_self_convention, reason = "a time of day means a moment of this clock")]
    pub(crate) fn from_wall(&self, time: SystemTime) -> Nanos {
        match time.duration_since(self.wall_start()) {
            Ok(later) => nanos(later),
            Err(error) => -nanos(error.duration()),
        }
    }

    fn wall_start(&self) -> SystemTime {
        match self {
            Self::Monotonic { wall, .. } | Self::Virtual { wall, .. } => *wall,
        }
    }
}

const NANOS_PER_SECOND: Nanos = 1_000_000_000;

/// The clock that `Instant` reads, without what it does to bring two of its moments to a difference: that takes longer
/// than to read it.
fn system_nanos() -> Nanos {
    let now = monotonic_time();
    // Where times have 32 bits, the casts make them longer.
    now.tv_sec as Nanos * NANOS_PER_SECOND + now.tv_nsec as Nanos
}

/// A length of time in the kernel's unit; what does not fit lasts as long as can be said, 292 years.
#[inline]
pub(crate) fn nanos(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_secs())
        .unwrap_or(Nanos::MAX)
        .saturating_mul(NANOS_PER_SECOND)
        .saturating_add(Nanos::from(duration.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_survives_the_round_trip() {
        let clock = Clock::monotonic();
        for time in [UNIX_EPOCH, UNIX_EPOCH + Duration::from_nanos(1), SystemTime::now()] {
            assert_eq!(clock.to_wall(clock.from_wall(time)), time);
        }
    }

    #[test]
    fn the_wall_clock_is_read_once() {
        // As if the system's clock had been set back, or ahead, by a day since the clock was made.
        let (day, now) = (Duration::from_secs(86_400), SystemTime::now());
        for wall in [now + day, now - day] {
            let clock = Clock::Monotonic { started: system_nanos(), wall };
            let (before, soon) = (clock.read(), nanos(Duration::from_secs(10)));
            assert!((0..soon).contains(&before), "its moments are counted from its start");
            assert_eq!(clock.to_wall(soon), wall + Duration::from_secs(10));
            assert_eq!(clock.from_wall(wall + Duration::from_secs(10)), soon);
            let left = clock.until(clock.from_wall(wall + Duration::from_secs(10)));
            assert!(left <= Duration::from_secs(10) && left > Duration::ZERO, "{left:?}");
        }
    }

    #[test]
    fn a_virtual_clock_moves_forward_only() {
        let clock = Clock::simulated(UNIX_EPOCH);
        clock.advance_to(50);
        clock.advance_to(20);
        assert_eq!(clock.read(), 50);
        assert_eq!(clock.to_wall(50), UNIX_EPOCH + Duration::from_nanos(50));
    }
}
