//! One frame: its header and its mask.

use super::{MAX_CONTROL, WebSocketError};

/// The longest header: two octets, eight of a length, four of a mask.
pub(super) const MAX_HEADER: usize = 14;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) last: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: Option<[u8; 4]>,
    /// How many octets the payload has.
    pub(super) length: u64,
    /// How many octets the header has.
    pub(super) octets: usize,
}

impl Header {
    /// Reads the header at the start of some octets; `None` if its end is not there yet. Who is wrong
    /// is told as soon as that can be seen.
    pub(super) fn decode(octets: &[u8], masked: bool) -> Result<Option<Self>, WebSocketError> {
        let Some(first) = octets.first() else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(WebSocketError::Reserved);
        }
        let opcode = match first & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            other => return Err(WebSocketError::Opcode(other)),
        };
        let last = first & 0x80 != 0;
        let Some(second) = octets.get(1) else { return Ok(None) };
        if (second & 0x80 != 0) != masked {
            return Err(WebSocketError::Mask);
        }
        let short = second & 0x7f;
        if opcode.is_control() && (!last || usize::from(short) > MAX_CONTROL) {
            return Err(WebSocketError::LongControl);
        }
        let rest = &octets[2..];
        let (length, size) = match short {
            126 => match rest.first_chunk::<2>() {
                Some(length) => (u64::from(u16::from_be_bytes(*length)), 2),
                None => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(length) => (u64::from_be_bytes(*length), 8),
                None => return Ok(None),
            },
            short => (u64::from(short), 0),
        };
        let fits = match size {
            2 => length > 125,
            8 => length > u64::from(u16::MAX) && length >> 63 == 0,
            _ => true,
        };
        if !fits {
            return Err(WebSocketError::Length);
        }
        let rest = &rest[size..];
        let mask = match (masked, rest.first_chunk::<4>()) {
            (false, _) => None,
            (true, Some(mask)) => Some(*mask),
            (true, None) => return Ok(None),
        };
        let octets = 2 + size + 4 * usize::from(masked);
        Ok(Some(Self { last, opcode, mask, length, octets }))
    }

    /// The header of a payload of so many octets.
    pub(super) fn encode(
        last: bool,
        opcode: Opcode,
        mask: Option<[u8; 4]>,
        length: usize,
    ) -> Vec<u8> {
        let mut header = Vec::with_capacity(MAX_HEADER);
        header.push(opcode as u8 | u8::from(last) << 7);
        let masked = u8::from(mask.is_some()) << 7;
        if length <= 125 {
            header.push(masked | length as u8);
        } else if let Ok(length) = u16::try_from(length) {
            header.push(masked | 126);
            header.extend_from_slice(&length.to_be_bytes());
        } else {
            header.push(masked | 127);
            header.extend_from_slice(&(length as u64).to_be_bytes());
        }
        header.extend_from_slice(&mask.unwrap_or_default()[..4 * usize::from(mask.is_some())]);
        header
    }
}

/// Masks octets, or unmasks them.
pub(super) fn apply(mask: [u8; 4], octets: &mut [u8]) {
    // Eight at a time, then what is left.
    let wide = u64::from_ne_bytes([mask, mask].concat().try_into().unwrap_or_default());
    let (chunks, rest) = octets.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (octet, key) in rest.iter_mut().zip(mask.iter().cycle()) {
        *octet ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        for length in [0, 1, 125, 126, 127, 65535, 65536, 1 << 40] {
            for mask in [None, Some([1, 2, 3, 4])] {
                let mut octets = Header::encode(false, Opcode::Text, mask, length);
                for part in 0..octets.len() {
                    assert_eq!(Header::decode(&octets[..part], mask.is_some()), Ok(None));
                }
                let header = Header {
                    last: false,
                    opcode: Opcode::Text,
                    mask,
                    length: length as u64,
                    octets: octets.len(),
                };
                octets.push(0xff);
                assert_eq!(Header::decode(&octets, mask.is_some()), Ok(Some(header)));
            }
        }
    }

    #[test]
    fn a_mask_goes_round() {
        for length in 0..40 {
            let mut octets = vec![0; length];
            apply([1, 2, 3, 4], &mut octets);
            assert!(octets.iter().zip([1, 2, 3, 4].iter().cycle()).all(|(a, b)| a == b));
            apply([1, 2, 3, 4], &mut octets);
            assert_eq!(octets, vec![0; length]);
        }
    }
}
