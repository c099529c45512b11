//! Lengths as integers before blocks, as binary protocols have them.

use crate::{DecodedLength, FilterError, LengthCodec, Sink};

/// A length of 1, 2, 4 or 8 octets, in either order.
///
/// ```
/// use poe_filter::{Block, Filter, IntegerLength};
///
/// let mut filter = Block::builder().length_codec(IntegerLength::U16_BE).build()?;
/// let mut out = Vec::<u8>::new();
/// filter.put("abc".into(), &mut out)?;
/// assert_eq!(out, b"\0\x03abc");
/// assert_eq!(filter.get(out.into())?, ["abc"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntegerLength {
    octets: usize,
    little_endian: bool,
}

impl IntegerLength {
    /// One octet.
    pub const U8: Self = Self { octets: 1, little_endian: false };
    /// Two octets, the most significant one first.
    pub const U16_BE: Self = Self { octets: 2, little_endian: false };
    /// Two octets, the least significant one first.
    pub const U16_LE: Self = Self { octets: 2, little_endian: true };
    /// Four octets, the most significant one first.
    pub const U32_BE: Self = Self { octets: 4, little_endian: false };
    /// Four octets, the least significant one first.
    pub const U32_LE: Self = Self { octets: 4, little_endian: true };
    /// Eight octets, the most significant one first.
    pub const U64_BE: Self = Self { octets: 8, little_endian: false };
    /// Eight octets, the least significant one first.
    pub const U64_LE: Self = Self { octets: 8, little_endian: true };
}

impl LengthCodec for IntegerLength {
    fn encode(&self, length: usize, sink: &mut dyn Sink) -> Result<(), FilterError> {
        let value = length as u64;
        if self.octets < 8 && value >> (8 * self.octets) != 0 {
            return Err(FilterError::record(TooLong { length, octets: self.octets }));
        }
        if self.little_endian {
            sink.put_slice(&value.to_le_bytes()[..self.octets]);
        } else {
            sink.put_slice(&value.to_be_bytes()[8 - self.octets..]);
        }
        Ok(())
    }

    #[inline]
    fn decode(&self, octets: &[u8]) -> DecodedLength {
        // By width, which is several times faster than octet by octet.
        let length = match (self.octets, self.little_endian) {
            (1, _) => octets.first().copied().map(u64::from),
            (2, false) => octets.first_chunk().map(|octets| u16::from_be_bytes(*octets).into()),
            (2, true) => octets.first_chunk().map(|octets| u16::from_le_bytes(*octets).into()),
            (4, false) => octets.first_chunk().map(|octets| u32::from_be_bytes(*octets).into()),
            (4, true) => octets.first_chunk().map(|octets| u32::from_le_bytes(*octets).into()),
            (_, false) => octets.first_chunk().map(|octets| u64::from_be_bytes(*octets)),
            (_, true) => octets.first_chunk().map(|octets| u64::from_le_bytes(*octets)),
        };
        let Some(length) = length else { return DecodedLength::NeedMore };
        DecodedLength::Length { prefix: self.octets, length }
    }

    fn max_prefix(&self) -> usize {
        self.octets
    }

    fn clone_box(&self) -> Box<dyn LengthCodec> {
        Box::new(*self)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a block of {length} octets is too long for a length of {octets} octets; use a wider one")]
struct TooLong {
    length: usize,
    octets: usize,
}

/// A length in groups of seven bits, the least significant one first, each octet but the last
/// with its highest bit set: the `varint` of Protocol Buffers, also called LEB128.
///
/// ```
/// use poe_filter::{Block, Filter, VarintLength};
///
/// let mut filter = Block::builder().length_codec(VarintLength).build()?;
/// let mut out = Vec::<u8>::new();
/// filter.put([b'x'; 300].into_iter().collect(), &mut out)?;
/// assert!(out.starts_with(b"\xac\x02xxx"));
/// assert_eq!(filter.get(out.into())?[0].len(), 300);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VarintLength;

impl LengthCodec for VarintLength {
    fn encode(&self, length: usize, sink: &mut dyn Sink) -> Result<(), FilterError> {
        let mut octets = [0; 10];
        let mut used = 0;
        let mut rest = length as u64;
        loop {
            let more = rest > 0x7f;
            octets[used] = rest as u8 & 0x7f | u8::from(more) << 7;
            used += 1;
            rest >>= 7;
            if !more {
                break;
            }
        }
        sink.put_slice(&octets[..used]);
        Ok(())
    }

    fn decode(&self, octets: &[u8]) -> DecodedLength {
        let mut length = 0;
        for (index, octet) in octets.iter().enumerate().take(10) {
            let bits = u64::from(octet & 0x7f);
            // The tenth octet has room for one bit.
            if index == 9 && *octet > 1 {
                return DecodedLength::Bad { reason: "the varint has more than 64 bits" };
            }
            length |= bits << (7 * index);
            if octet & 0x80 == 0 {
                return DecodedLength::Length { prefix: index + 1, length };
            }
        }
        DecodedLength::NeedMore
    }

    fn max_prefix(&self) -> usize {
        10
    }

    fn clone_box(&self) -> Box<dyn LengthCodec> {
        Box::new(*self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [IntegerLength; 7] = [
        IntegerLength::U8,
        IntegerLength::U16_BE,
        IntegerLength::U16_LE,
        IntegerLength::U32_BE,
        IntegerLength::U32_LE,
        IntegerLength::U64_BE,
        IntegerLength::U64_LE,
    ];

    #[test]
    fn what_is_encoded_is_decoded() {
        for bits in 0..64 {
            for length in [(1_usize << bits) - 1, 1 << bits] {
                let codecs = ALL.iter().map(|codec| codec as &dyn LengthCodec);
                for codec in codecs.chain([&VarintLength as &dyn LengthCodec]) {
                    let mut out = Vec::<u8>::new();
                    if codec.encode(length, &mut out).is_err() {
                        assert!(out.is_empty() && length >> (8 * codec.max_prefix()) > 0);
                        continue;
                    }
                    for part in 0..out.len() {
                        assert_eq!(codec.decode(&out[..part]), DecodedLength::NeedMore);
                    }
                    let prefix = out.len();
                    out.push(0x55);
                    let length = length as u64;
                    assert_eq!(codec.decode(&out), DecodedLength::Length { prefix, length });
                }
            }
        }
    }

    #[test]
    fn orders() {
        let encoded = |codec: IntegerLength| {
            let mut out = Vec::<u8>::new();
            codec.encode(0x42, &mut out).unwrap();
            out
        };
        assert_eq!(encoded(IntegerLength::U32_BE), [0, 0, 0, 0x42]);
        assert_eq!(encoded(IntegerLength::U32_LE), [0x42, 0, 0, 0]);
        assert_eq!(encoded(IntegerLength::U8), [0x42]);
    }

    #[test]
    fn a_varint_of_more_than_64_bits_is_refused() {
        let mut octets = [0xff; 10];
        assert!(matches!(VarintLength.decode(&octets), DecodedLength::Bad { .. }));
        octets[9] = 1;
        let length = u64::MAX;
        assert_eq!(VarintLength.decode(&octets), DecodedLength::Length { prefix: 10, length });
    }
}
