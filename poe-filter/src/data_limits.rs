//! How much data made of an image may take.

/// What each value counts for.
pub(crate) const VALUE: usize = 16;

/// What a text, a list or a map counts for beside that.
pub(crate) const COMPOUND: usize = 48;

/// What may be taken whatever the length of the image.
const ALWAYS: usize = 64 << 10;

/// What reading data of any type may cost, whoever made its image: for the codecs of `reference`, for `JsonLines`, and for
/// `from_value` of `storable`.
///
/// Memory is counted before it is taken, as if every value took 16 octets, and a text, a list or a map 64 with the octets
/// of the text. What an image announces counts as if it were there, and what is shared counts wherever it is. No value has
/// an image of less than one octet, so that the defaults refuse no data but such as is shared, or nested, too much, or
/// is more than a few million values.
///
/// What a type takes of itself is beside that: an array of its own, say, or a default of what is not there.
///
#[cfg_attr(
    all(feature = "reference", feature = "msgpack"),
    doc = "
```
use poe_filter::reference::{Codec, MessagePack};
use poe_filter::{DataLimitError, DataLimits};

let codec = MessagePack::<Vec<Vec<u8>>>::within(DataLimits::default().max_depth(1));
assert!(codec.thaw(\"\\x00\".into()).is_err());
let error = codec.thaw(vec![0x91, 0x90].into()).unwrap_err(); // [[]]
let error = error.downcast_ref::<DataLimitError>();
assert!(matches!(error, Some(DataLimitError::Depth { limit: 1 })));
```
"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct DataLimits {
    depth: usize,
    expansion: usize,
    memory: usize,
}

impl DataLimits {
    /// How deep lists, maps and variants may be nested: 128 by default. Each takes its part of the stack. The parsers of
    /// JSON and YAML go no deeper than that whatever is allowed here, YAML's with each newtype for a level.
    pub fn max_depth(mut self, depth: usize) -> Self {
        self.depth = depth;
        self
    }

    /// How many octets the data may take for each octet of its image, beside 64 KiB: 64 by default.
    ///
    /// More is of use where much is shared, by aliases in YAML or references in Storable.
    pub fn max_expansion(mut self, octets: usize) -> Self {
        self.expansion = octets;
        self
    }

    /// How many octets the data may take however long its image is: 256 MiB by default, which 16 Mi numbers are.
    pub fn max_memory(mut self, octets: usize) -> Self {
        self.memory = octets;
        self
    }

    pub(crate) fn depth(self) -> usize {
        self.depth
    }

    /// How many octets the data of such an image may take.
    pub(crate) fn memory(self, image: usize) -> usize {
        image.saturating_mul(self.expansion).saturating_add(ALWAYS).min(self.memory)
    }
}

impl Default for DataLimits {
    fn default() -> Self {
        Self { depth: 128, expansion: 64, memory: 256 << 20 }
    }
}

/// Data that is more than [`DataLimits`] allow. Nothing of it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DataLimitError {
    /// It is nested too deep.
    #[error(
        "data is nested deeper than {limit} times, or within itself; raise max_depth in DataLimits if it may be"
    )]
    Depth {
        /// How deep it may be nested.
        limit: usize,
    },

    /// It takes too much memory, or announces to, or expands to it where it is shared.
    #[error(
        "data expands to too much: it takes more than {limit} octets; raise max_expansion or max_memory in DataLimits if \
         it may"
    )]
    Memory {
        /// How much it may take, in octets.
        limit: usize,
    },
}
