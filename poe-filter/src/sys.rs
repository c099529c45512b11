//! The only unsafe code of the crate.
#![cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "a call that wants SSE2"))]

/// How many octets are compared at once.
pub(crate) const WINDOW: usize = 64;

/// Which of the octets are one of two, the first one's bit being the lowest; `None` where that is not known at once.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn find_all<const N: usize>(window: &[u8; WINDOW], octets: [u8; N]) -> Option<u64> {
    // SAFETY: all processors of this architecture have SSE2.
    Some(unsafe { find_all_sse2(window, octets) })
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn find_all<const N: usize>(_: &[u8; WINDOW], _: [u8; N]) -> Option<u64> {
    None
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
#[inline]
fn find_all_sse2<const N: usize>(window: &[u8; WINDOW], octets: [u8; N]) -> u64 {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
        _mm_setzero_si128,
    };

    let octets = octets.map(|octet| _mm_set1_epi8(octet.cast_signed()));
    let (words, _) = window.as_chunks::<8>();
    let mut found = 0;
    for (index, pair) in words.chunks_exact(2).enumerate() {
        let [low, high] = [pair[0], pair[1]].map(i64::from_le_bytes);
        // One load.
        let these = _mm_set_epi64x(high, low);
        let mut are = _mm_setzero_si128();
        for octet in octets {
            are = _mm_or_si128(are, _mm_cmpeq_epi8(these, octet));
        }
        found |= u64::from(_mm_movemask_epi8(are).cast_unsigned()) << (16 * index);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_both_octets_are_found_and_no_others() {
        for (first, second) in [(b'\r', b'\n'), (0, 0), (0xff, 0x7f)] {
            for place in 0..WINDOW {
                let mut window = [b'a'; WINDOW];
                window[place] = first;
                window[WINDOW - 1 - place / 2] = second;
                let expected =
                    window.iter().enumerate().filter(|(_, o)| [first, second].contains(o));
                let expected = expected.fold(0, |bits, (index, _)| bits | 1_u64 << index);
                let found = find_all(&window, [first, second]);
                assert_eq!(found, cfg!(target_arch = "x86_64").then_some(expected));
            }
        }
    }
}
