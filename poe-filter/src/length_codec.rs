//! How the length of a block is written before it.

use std::fmt::Debug;

use crate::{FilterError, Sink};

/// Writes and reads the lengths that go before blocks. POE's `LengthCodec`.
///
/// ```
/// use poe_filter::{Block, DecodedLength, Filter, FilterError, LengthCodec, Sink};
///
/// /// Four octets, the most significant one first.
/// #[derive(Debug, Clone)]
/// struct Network;
///
/// impl LengthCodec for Network {
///     fn encode(&self, length: usize, sink: &mut dyn Sink) -> Result<(), FilterError> {
///         let length = u32::try_from(length).map_err(FilterError::record)?;
///         sink.put_slice(&length.to_be_bytes());
///         Ok(())
///     }
///
///     fn decode(&self, octets: &[u8]) -> DecodedLength {
///         match octets.first_chunk::<4>() {
///             Some(prefix) => DecodedLength::Length {
///                 prefix: 4,
///                 length: u32::from_be_bytes(*prefix).into(),
///             },
///             None => DecodedLength::NeedMore,
///         }
///     }
///
///     fn clone_box(&self) -> Box<dyn LengthCodec> {
///         Box::new(self.clone())
///     }
/// }
///
/// let mut filter = Block::builder().length_codec(Network).build()?;
/// let mut out = Vec::<u8>::new();
/// filter.put("abc".into(), &mut out)?;
/// assert_eq!(out, b"\0\0\0\x03abc");
/// assert_eq!(filter.get(out.into())?, ["abc"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait LengthCodec: Debug + Send {
    /// Puts out the prefix of a block of `length` octets.
    ///
    /// # Errors
    ///
    /// If a prefix can not express the length. Nothing has been put out then.
    fn encode(&self, length: usize, sink: &mut dyn Sink) -> Result<(), FilterError>;

    /// Reads the prefix at the start of `octets`, of which there is at least one, and at most
    /// [`max_prefix`](LengthCodec::max_prefix). It may be asked for prefixes of blocks that nobody asks for yet, and again for the
    /// same one.
    fn decode(&self, octets: &[u8]) -> DecodedLength;

    /// The most octets a prefix may have, which is as far as [`decode`](LengthCodec::decode) looks:
    /// 32 by default.
    fn max_prefix(&self) -> usize {
        32
    }

    /// The same codec once more.
    fn clone_box(&self) -> Box<dyn LengthCodec>;
}

/// What a [`LengthCodec`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodedLength {
    /// There may be a prefix, but its end is not there yet.
    NeedMore,
    /// There is a prefix.
    Length {
        /// How many octets the prefix has; at least one.
        prefix: usize,
        /// How many octets the block behind it has.
        length: u64,
    },
    /// The octets are no prefix, but there may be one behind them.
    Junk {
        /// How many octets to skip; at least one is skipped.
        octets: usize,
    },
    /// The octets are no prefix, and there is no telling where the next one is.
    Bad {
        /// What is wrong, for [`FilterError::BadLength`](crate::FilterError::BadLength).
        reason: &'static str,
    },
}

/// The default: the length in decimal digits, then a NUL.
///
/// What is no such prefix is junk, up to the next digit.
///
/// ```
/// use poe_filter::{DecimalLength, DecodedLength, LengthCodec};
///
/// let mut prefix = Vec::<u8>::new();
/// DecimalLength.encode(12, &mut prefix)?;
/// assert_eq!(prefix, b"12\0");
/// assert_eq!(DecimalLength.decode(b"12\0"), DecodedLength::Length { prefix: 3, length: 12 });
/// assert_eq!(DecimalLength.decode(b"12"), DecodedLength::NeedMore);
/// assert_eq!(DecimalLength.decode(b"12x3\0"), DecodedLength::Junk { octets: 3 });
/// # Ok::<(), poe_filter::FilterError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DecimalLength;

impl LengthCodec for DecimalLength {
    fn encode(&self, length: usize, sink: &mut dyn Sink) -> Result<(), FilterError> {
        // The digits of a 64-bit number, and the NUL.
        let mut digits = [0; 21];
        let mut start = digits.len() - 1;
        let mut rest = length;
        loop {
            start -= 1;
            digits[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        sink.put_slice(&digits[start..]);
        Ok(())
    }

    #[inline]
    fn decode(&self, octets: &[u8]) -> DecodedLength {
        let (mut digits, mut value, mut too_large) = (0, 0_u64, false);
        while let Some(digit) = octets.get(digits).map(|octet| octet.wrapping_sub(b'0'))
            && digit < 10
        {
            let (tens, one_over) = value.overflowing_mul(10);
            let (sum, other_over) = tens.overflowing_add(digit.into());
            value = sum;
            too_large |= one_over | other_over;
            digits += 1;
        }
        match octets.get(digits) {
            None => DecodedLength::NeedMore,
            Some(0) if digits > 0 && too_large => {
                DecodedLength::Bad { reason: "the number is too large" }
            }
            Some(0) if digits > 0 => DecodedLength::Length { prefix: digits + 1, length: value },
            Some(_) => {
                let rest = &octets[digits..];
                let others = rest.iter().take_while(|octet| !octet.is_ascii_digit()).count();
                DecodedLength::Junk { octets: digits + others }
            }
        }
    }

    fn clone_box(&self) -> Box<dyn LengthCodec> {
        Box::new(*self)
    }
}
