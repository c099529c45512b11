//! The only unsafe code of the crate.
#![cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "calls that want AVX2 or SSE2"))]

/// How many octets are compared before it is looked at what that has found.
const WINDOW: usize = 64;

/// How many places are told at once.
pub(crate) const PLACES: usize = 25;

/// Looks from a place on for octets that are one of these, and tells where they are: how many, and how far was searched. Less
/// than all is searched if there are too many of them, or if what is left is short.
#[inline]
pub(crate) fn find_all<const N: usize>(
    octets: &[u8],
    from: usize,
    these: [u8; N],
    places: &mut [usize; PLACES],
) -> (usize, usize) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        unsafe { find_all_avx2(octets, from, these, places) }
    } else {
        // SAFETY: all processors of this architecture have SSE2.
        unsafe { find_all_sse2(octets, from, these, places) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = (octets, these, places);
        (0, from)
    }
}

/// As above; `find` tells of a window which of its octets these are, the first one's bit being the lowest.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn find_by(
    octets: &[u8],
    from: usize,
    places: &mut [usize; PLACES],
    find: impl Fn(&[u8; WINDOW]) -> u64,
) -> (usize, usize) {
    let (mut count, mut start) = (0, from);
    while let Some(window) = octets[start..].first_chunk() {
        let mut found = find(window);
        while found != 0 {
            let place = start + found.trailing_zeros() as usize;
            places[count] = place;
            count += 1;
            if count == PLACES {
                return (count, place + 1);
            }
            found &= found - 1;
        }
        start += WINDOW;
    }
    (count, start)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn find_all_avx2<const N: usize>(
    octets: &[u8],
    from: usize,
    these: [u8; N],
    places: &mut [usize; PLACES],
) -> (usize, usize) {
    use std::arch::x86_64::{
        _mm256_cmpeq_epi8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set_epi64x,
        _mm256_set1_epi8, _mm256_setzero_si256,
    };

    let these = these.map(|octet| _mm256_set1_epi8(octet.cast_signed()));
    find_by(octets, from, places, |window| {
        window.as_chunks::<32>().0.iter().rev().fold(0, |found, half| {
            let (words, _) = half.as_chunks::<8>();
            let word = |index: usize| i64::from_le_bytes(words[index]);
            // One load.
            let octets = _mm256_set_epi64x(word(3), word(2), word(1), word(0));
            let are = these.iter().fold(_mm256_setzero_si256(), |are, this| {
                _mm256_or_si256(are, _mm256_cmpeq_epi8(octets, *this))
            });
            found << 32 | u64::from(_mm256_movemask_epi8(are).cast_unsigned())
        })
    })
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
fn find_all_sse2<const N: usize>(
    octets: &[u8],
    from: usize,
    these: [u8; N],
    places: &mut [usize; PLACES],
) -> (usize, usize) {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
        _mm_setzero_si128,
    };

    let these = these.map(|octet| _mm_set1_epi8(octet.cast_signed()));
    find_by(octets, from, places, |window| {
        window.as_chunks::<16>().0.iter().rev().fold(0, |found, quarter| {
            let (words, _) = quarter.as_chunks::<8>();
            let word = |index: usize| i64::from_le_bytes(words[index]);
            // One load.
            let octets = _mm_set_epi64x(word(1), word(0));
            let are = these.iter().fold(_mm_setzero_si128(), |are, this| {
                _mm_or_si128(are, _mm_cmpeq_epi8(octets, *this))
            });
            found << 16 | u64::from(_mm_movemask_epi8(are).cast_unsigned())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Miri takes its time.
    const STEP: usize = if cfg!(miri) { 13 } else { 1 };

    type Find = fn(&[u8], usize, [u8; 2], &mut [usize; PLACES]) -> (usize, usize);

    #[cfg(target_arch = "x86_64")]
    const FINDS: [Find; 2] = [
        |octets, from, these, places| {
            // SAFETY: all processors of this architecture have SSE2.
            unsafe { find_all_sse2(octets, from, these, places) }
        },
        find_all,
    ];

    /// Wherever in memory it begins, and however long it is, no octet beyond the end is told, nor one left out.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn octets_of_any_length_anywhere() {
        let memory: Vec<u8> =
            (0..300).map(|place| b"x\ny\r"[usize::from(place % 7 < 4) * (place % 4)]).collect();
        for find in FINDS {
            for start in (0..=WINDOW).step_by(STEP) {
                for length in (0..=2 * WINDOW + 2).step_by(STEP) {
                    let octets = &memory[start..start + length];
                    let mut places = [0; PLACES];
                    let (count, searched) = find(octets, length % 5, *b"\r\n", &mut places);
                    let is_one = |at: &usize| matches!(octets[*at], b'\r' | b'\n');
                    let expected: Vec<_> = (length % 5..searched).filter(is_one).collect();
                    assert_eq!(places[..count], expected);
                    let left = length - searched;
                    assert!(left < WINDOW || count == PLACES, "{start}, {length}: {left} left");
                }
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn all_of_both_octets_are_told_in_order_and_no_others() {
        for find in FINDS {
            for (first, second) in [(b'\r', b'\n'), (0, 0), (0xff, 0x7f)] {
                for place in (0..3 * WINDOW).step_by(STEP) {
                    let mut octets = [b'a'; 3 * WINDOW + 10];
                    octets[place] = first;
                    octets[3 * WINDOW - 1 - place / 2] = second;
                    for from in [0, 1, place, place + 1] {
                        let searched = from + (octets.len() - from) / WINDOW * WINDOW;
                        let is_one = |at: &usize| [first, second].contains(&octets[*at]);
                        let expected: Vec<_> = (from..searched).filter(is_one).collect();
                        let mut places = [0; PLACES];
                        let found = find(&octets, from, [first, second], &mut places);
                        assert_eq!(found, (expected.len(), searched));
                        assert_eq!(places[..expected.len()], expected);
                    }
                }
            }
        }
    }

    #[test]
    fn no_more_are_told_than_there_is_room_for() {
        let (octets, mut places) = ([b'a'; 2 * WINDOW], [0; PLACES]);
        let (count, searched) = find_all(&octets, 3, [b'a'], &mut places);
        assert_eq!(searched, 3 + count);
        assert_eq!(places[..count], (3..3 + count).collect::<Vec<_>>());
    }
}
