//! A place in a file, to be gone on from later.

/// How many octets before a place are compared when it is come back to.
pub(super) const WINDOW: usize = 1024;

/// How far a wheel has come: behind the last record that it delivered (POE: `tell`, which says how far was read).
///
/// It can be stored, with the feature `serde` in any of its formats, and given to
/// [`FollowTailBuilder::position`](super::FollowTailBuilder::position) later, in another process too. It is of one file: its
/// inode, and a sum of up to 1 KiB before the place, are compared then.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Position {
    inode: u64,
    offset: u64,
    sum: u64,
}

impl Position {
    /// The place at `offset`, behind these octets.
    pub(super) fn new(inode: u64, offset: u64, before: &[u8]) -> Self {
        Self { inode, offset, sum: sum(before) }
    }

    /// How many octets of the file are before the place.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn inode(&self) -> u64 {
        self.inode
    }

    pub(super) fn is_behind(&self, before: &[u8]) -> bool {
        self.sum == sum(before)
    }
}

/// FNV-1a, which is the same in each version and on each machine.
fn sum(octets: &[u8]) -> u64 {
    octets.iter().fold(0xcbf2_9ce4_8422_2325, |sum, octet| {
        (sum ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_that_of_the_books() {
        assert_eq!(sum(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(sum(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
