//! Identities: of the kernel, its sessions, timers and watchers. A stale one is refused, and so is another kernel's: neither
//! is mistaken for one of this kernel.

use std::ffi::OsStr;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::sessions::numbers;

/// Names one session for the whole life of its kernel.
///
/// Sessions are numbered from 1, and a number is not given out again; `Display` prints that number. The kernel itself
/// is [`SessionId::KERNEL`], the root of the session tree and the sender of what no session sent.
///
/// Every kernel of a process counts from 1, and yet no two of them have an id in common: a session of another kernel is
/// refused as one that there is not. That holds for a kernel that is gone, too, until some 60,000 more have been made.
///
/// ```
/// use poe_kernel::SessionId;
///
/// assert_eq!(SessionId::KERNEL.to_string(), "kernel");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(u64);

const SLOT_BITS: u32 = 24;
const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;
const NUMBER_MASK: u64 = (1 << SessionId::NUMBER_BITS) - 1;
const RANGE_SHIFT: u32 = SLOT_BITS + SessionId::NUMBER_BITS;

impl SessionId {
    /// The kernel, as parent of every top-level session and as sender of its own events.
    pub const KERNEL: Self = Self(0);

    /// An id that no session has.
    pub(crate) const NOBODY: Self = Self(u64::MAX);

    /// How many sessions can live at one time.
    pub(crate) const MOST: usize = SLOT_MASK as usize - 1;

    /// How much of a number is in the id. What is above it, the range that the number is in tells.
    pub(crate) const NUMBER_BITS: u32 = 24;

    /// How many ranges of numbers there are for all kernels.
    pub(crate) const RANGES: usize = 1 << (u64::BITS - RANGE_SHIFT);

    pub(crate) fn new(range: usize, number: u64, slot: usize) -> Self {
        Self((range as u64) << RANGE_SHIFT | (number & NUMBER_MASK) << SLOT_BITS | slot as u64)
    }

    /// The session's number: 1 for the first of its kernel, 0 for the kernel.
    #[must_use]
    pub fn number(self) -> u64 {
        if self.is_kernel() {
            return 0;
        }
        let within = self.0 >> SLOT_BITS & NUMBER_MASK;
        numbers::ordinal((self.0 >> RANGE_SHIFT) as usize) << Self::NUMBER_BITS | within
    }

    #[inline]
    pub(crate) fn slot(self) -> usize {
        (self.0 & SLOT_MASK) as usize
    }

    pub(crate) fn to_bits(self) -> u64 {
        self.0
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Whether this is the kernel rather than a session.
    #[must_use]
    #[inline]
    pub fn is_kernel(self) -> bool {
        self == Self::KERNEL
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_kernel() { f.pad("kernel") } else { fmt::Display::fmt(&self.number(), f) }
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

/// Names one pending timer; refused once the timer has fired or was removed, and by other kernels.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimerId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// [`TimerId::NONE`].
impl Default for TimerId {
    fn default() -> Self {
        Self::NONE
    }
}

impl fmt::Display for TimerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NONE {
            return f.pad("none");
        }
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

impl fmt::Debug for TimerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TimerId({self})")
    }
}

/// The identity of a kernel among all kernels of all hosts: `host-time-process-sequence`, the last three in
/// hexadecimal (POE: `$poe_kernel->ID`).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KernelId(Arc<str>);

impl KernelId {
    /// A new identity, and its sequence number.
    pub(crate) fn generate() -> (Self, u32) {
        static SEQUENCE: AtomicU32 = AtomicU32::new(0);
        let system = nix::sys::utsname::uname();
        let host = system.as_ref().map_or(OsStr::new(""), |system| system.nodename());
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let sequence = SEQUENCE.fetch_add(1, Ordering::Relaxed) + 1;
        let process = std::process::id();
        let id = format!("{}-{seconds:08x}-{process:08x}-{sequence:08x}", host.display());
        (Self(id.into()), sequence)
    }

    /// The identity as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KernelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for KernelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KernelId({})", self.0)
    }
}
