//! How much an image may ask for.

/// What reading an image may cost.
///
/// ```
/// use poe_filter::storable::{Limits, ThawError, Value};
///
/// let nested = b"\x05\x0b\x02\0\0\0\x01\x04\x02\0\0\0\0"; // nfreeze([[]])
/// let limits = Limits::default().max_depth(1);
/// assert!(Value::thaw(&nested[..]).is_ok());
/// assert!(matches!(Value::thaw_within(&nested[..], &limits), Err(ThawError::Limit { .. })));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Limits {
    pub(super) length: usize,
    pub(super) depth: usize,
    pub(super) values: usize,
}

impl Limits {
    /// How long an image may be, in octets: 64 MiB by default, and never more than 4 GiB.
    pub fn max_length(mut self, octets: usize) -> Self {
        self.length = octets;
        self
    }

    /// How deep values may be nested: 1024 by default. An array within an array counts twice, as
    /// the reference and as what it refers to, so this is as deep as Perl will freeze.
    pub fn max_depth(mut self, depth: usize) -> Self {
        self.depth = depth;
        self
    }

    /// How many values there may be, each scalar, reference, array and hash being one: 4 Mi (that is
    /// 2^22) by default. Each costs up to 40 octets of memory beside the image.
    pub fn max_values(mut self, count: usize) -> Self {
        self.values = count;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { length: 64 << 20, depth: 1024, values: 4 << 20 }
    }
}
