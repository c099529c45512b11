//! Where lines may end.

use crate::sys::{PLACES, find_all};

/// Looks for one octet, or for either of two, in a chunk.
///
/// A short line costs less than a search of its own: dozens of places are found at once.
#[derive(Debug, Clone)]
pub(crate) struct Ends<const N: usize> {
    octets: [u8; N],
    /// Those that were found, `count` of them, and which is the next to be told.
    places: [usize; PLACES],
    count: usize,
    next: usize,
    /// As far as the chunk has been searched.
    searched: usize,
}

impl<const N: usize> Ends<N> {
    /// Looks for them at `from` and behind.
    #[inline(always)]
    pub(crate) fn new(octets: [u8; N], from: usize) -> Self {
        Self { octets, places: [0; PLACES], count: 0, next: 0, searched: from }
    }

    /// The next place in the chunk, which is the same each time.
    #[inline(always)]
    pub(crate) fn next(&mut self, chunk: &[u8]) -> Option<usize> {
        if self.next == self.count {
            (self.count, self.searched) =
                search(chunk, self.searched, self.octets, &mut self.places)?;
            self.next = 0;
        }
        let place = self.places[self.next];
        self.next += 1;
        Some(place)
    }
}

/// Finds one place or more. How many, and how far was searched.
#[inline(never)]
fn search<const N: usize>(
    chunk: &[u8],
    from: usize,
    octets: [u8; N],
    places: &mut [usize; PLACES],
) -> Option<(usize, usize)> {
    let (count, searched) = find_all(chunk, from, octets, places);
    if count > 0 {
        return Some((count, searched));
    }
    places[0] = searched + find_first(&chunk[searched..], octets)?;
    Some((1, places[0] + 1))
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
