//! Eight octets looked at in one go, as a number.

/// Eight octets, the first one in the lowest place, of each of which something can be asked at once.
///
/// The answers are in their highest bits. They are right up to the first octet of which it is so; behind that,
/// something may have been carried. It is so of 0, whatever is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word(u64);

/// The highest bits.
const HIGH: u64 = each(0x80);

const fn each(octet: u8) -> u64 {
    u64::from_ne_bytes([octet; 8])
}

/// Which octets are 0; what is beyond ASCII may be told as well.
#[inline(always)]
const fn zeros(octets: u64) -> u64 {
    octets.wrapping_sub(each(1))
}

/// Which octets are from `first` to `last`, if none is beyond ASCII. Nothing is carried.
#[inline(always)]
const fn within(octets: u64, first: u8, last: u8) -> u64 {
    (octets + each(0x80 - first)) & !(octets + each(0x7f - last))
}

impl Word {
    const LEN: usize = 8;

    /// The first eight octets, or all and zeros behind them.
    #[inline(always)]
    fn first(octets: &[u8]) -> Self {
        match octets.first_chunk() {
            Some(octets) => Self(u64::from_le_bytes(*octets)),
            None => Self::last(octets),
        }
    }

    #[inline(never)]
    fn last(octets: &[u8]) -> Self {
        Self(octets.iter().rev().fold(0, |word, octet| word << 8 | u64::from(*octet)))
    }

    /// Which are control characters.
    #[inline(always)]
    pub(super) fn controls(self) -> u64 {
        let low = self.0.wrapping_sub(each(b' '));
        let delete = zeros(self.0 ^ each(0x7f));
        (low | delete) & !self.0 & HIGH
    }

    /// Which are not of a plain target: white space, control characters, what is beyond ASCII, and ``"#<>` ``.
    #[inline(always)]
    pub(super) fn outside_target(self) -> u64 {
        let low = self.0.wrapping_sub(each(b'!'));
        let delete = self.0.wrapping_add(each(1));
        // The two differ in their lowest bit.
        let quotes = (self.0 ^ each(b'"')).wrapping_sub(each(2));
        let brackets = zeros((self.0 & !each(b'<' ^ b'>')) ^ each(b'<'));
        let backtick = zeros(self.0 ^ each(b'`'));
        (low | delete | quotes | brackets | backtick | self.0) & HIGH
    }

    /// Which are not of a plain name: all but letters, digits, dashes and underscores.
    #[inline(always)]
    pub(super) fn outside_name(self) -> u64 {
        let low = self.0 & !HIGH;
        let letter = within(low | each(0x20), b'a', b'z');
        let digit = within(low, b'0', b'9');
        let no_dash = (low ^ each(b'-')) + each(0x7f);
        let no_underscore = (low ^ each(b'_')) + each(0x7f);
        (!(letter | digit) & no_dash & no_underscore | self.0) & HIGH
    }

    /// Which are not of a plain name of a host: all but letters, digits, dots and dashes.
    #[inline(always)]
    pub(super) fn outside_host(self) -> u64 {
        let low = self.0 & !HIGH;
        let letter = within(low | each(0x20), b'a', b'z');
        let other = within(low, b'-', b'9');
        let no_slash = (low ^ each(b'/')) + each(0x7f);
        (!(letter | other & no_slash) | self.0) & HIGH
    }

    /// Which are no digits.
    #[inline(always)]
    pub(super) fn outside_number(self) -> u64 {
        let low = self.0.wrapping_sub(each(b'0'));
        let high = self.0.wrapping_add(each(0x7f - b'9'));
        (low | high | self.0) & HIGH
    }
}

/// Divides octets before the first one of which this is so. If there is none, all are before it, or it is `None`.
#[inline(always)]
pub(super) fn split(octets: &[u8], is_so: impl Fn(Word) -> u64) -> Option<(&[u8], &[u8])> {
    let mut rest = octets;
    loop {
        let found = is_so(Word::first(rest));
        if found != 0 {
            let passed = octets.len() - rest.len();
            return octets.split_at_checked(passed + found.trailing_zeros() as usize / 8);
        }
        rest = rest.get(Word::LEN..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_one_is_told_whatever_is_behind_it() {
        type Questions = [(fn(Word) -> u64, fn(u8) -> bool); 5];
        let questions: Questions = [
            (Word::controls, |octet| octet.is_ascii_control()),
            (Word::outside_target, |octet| !octet.is_ascii_graphic() || b"\"#<>`".contains(&octet)),
            (Word::outside_name, |octet| !octet.is_ascii_alphanumeric() && !b"-_".contains(&octet)),
            (Word::outside_host, |octet| !octet.is_ascii_alphanumeric() && !b"-.".contains(&octet)),
            (Word::outside_number, |octet| !octet.is_ascii_digit()),
        ];
        for (word, octet) in questions {
            // Any two neighbours, in any place, before them what it is not so of.
            let others: Vec<u8> = (0..=255).filter(|other| !octet(*other)).collect();
            for pair in 0..=u16::MAX {
                for place in 0..7 {
                    let mut octets = [0_u8; 8];
                    for (index, other) in octets[..place].iter_mut().enumerate() {
                        *other = others[(usize::from(pair) * 7 + index * 11) % others.len()];
                    }
                    octets[place..place + 2].copy_from_slice(&pair.to_be_bytes());
                    let first = octets.iter().position(|one| octet(*one)).unwrap_or(8);
                    let found = word(Word(u64::from_le_bytes(octets)));
                    assert_eq!(found.trailing_zeros() as usize / 8, first, "{octets:?}");
                }
            }
        }
    }

    #[test]
    fn octets_are_divided_wherever_they_end() {
        for len in 0..40 {
            let digits = vec![b'7'; len];
            if let Some(both) = split(&digits, Word::outside_number) {
                assert_eq!(both, (&digits[..], &[][..]));
            }
            for place in 0..len {
                let mut octets = digits.clone();
                octets[place] = b':';
                let both = split(&octets, Word::outside_number);
                assert_eq!(both, Some(octets.split_at(place)));
            }
        }
    }
}
