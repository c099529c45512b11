//! Where lines may end.

use crate::sys::{WINDOW, find_all};

/// Looks for one octet, or for either of two, in a chunk.
///
/// A short line costs less than a search of its own: all places within a window are found at once.
#[derive(Debug)]
pub(crate) struct Ends<const N: usize> {
    octets: [u8; N],
    /// Those in the window that have not been told, the first place's bit being the lowest.
    found: u64,
    /// Where the window begins.
    window: usize,
    /// As far as the chunk has been searched.
    searched: usize,
}

/// What has none in so many windows is searched as a long line.
const SHORT: usize = 4;

impl<const N: usize> Ends<N> {
    /// Looks for them at `from` and behind.
    #[inline(always)]
    pub(crate) fn new(octets: [u8; N], from: usize) -> Self {
        Self { octets, found: 0, window: from, searched: from }
    }

    /// The next place in the chunk, which is the same each time.
    #[inline(always)]
    pub(crate) fn next(&mut self, chunk: &[u8]) -> Option<usize> {
        if self.found == 0 {
            self.search(chunk)?;
        }
        let place = self.window + self.found.trailing_zeros() as usize;
        self.found &= self.found - 1;
        Some(place)
    }

    #[inline(always)]
    fn search(&mut self, chunk: &[u8]) -> Option<()> {
        for _ in 0..SHORT {
            let Some(window) = chunk[self.searched..].first_chunk() else { break };
            let Some(found) = find_all(window, self.octets) else { break };
            (self.found, self.window) = (found, self.searched);
            self.searched += WINDOW;
            if found != 0 {
                return Some(());
            }
        }
        let place = self.searched + find_first(&chunk[self.searched..], self.octets)?;
        (self.found, self.window, self.searched) = (1, place, place + 1);
        Some(())
    }
}

#[inline(never)]
fn find_first<const N: usize>(octets: &[u8], these: [u8; N]) -> Option<usize> {
    match these[..] {
        [first, second] => memchr::memchr2(first, second, octets),
        _ => memchr::memchr(these[0], octets),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_told_once_and_in_order() {
        for gap in [1, 2, 5, 63, 64, 65, 200, 300] {
            let chunk: Vec<u8> =
                (0..1500).map(|place| b"x\ny"[usize::from(place % gap == 0)]).collect();
            for from in [0, 1, 64, 700, 1499, 1500] {
                let expected: Vec<_> = (from..1500).filter(|place| place % gap == 0).collect();
                let mut one = Ends::new([b'\n'], from);
                let mut two = Ends::new([b'\r', b'\n'], from);
                let one: Vec<_> = std::iter::from_fn(|| one.next(&chunk)).collect();
                let two: Vec<_> = std::iter::from_fn(|| two.next(&chunk)).collect();
                assert_eq!(one, expected);
                assert_eq!(two, expected);
            }
        }
    }
}
