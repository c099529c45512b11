//! The identity that every event of a wheel carries.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names one wheel of the process; none is given out twice (POE: a wheel's `ID`).
///
/// ```
/// use poe_wheel::WheelId;
///
/// assert_ne!(WheelId::allocate(), WheelId::allocate());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WheelId(u64);

impl WheelId {
    /// A new identity; for those who write wheels (POE: `allocate_wheel_id`).
    #[must_use]
    pub fn allocate() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

impl fmt::Display for WheelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for WheelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WheelId({})", self.0)
    }
}
