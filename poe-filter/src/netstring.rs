//! Netstrings.

use bytes::{Buf, Bytes};

use crate::buffer::InputBuffer;
use crate::{
    ConfigError, DEFAULT_MAX_BUFFER, DEFAULT_MAX_LENGTH, DecimalLength, Filter, FilterError,
    LengthCodec, Sink,
};

/// The digits of the longest length, and the colon.
const MAX_PREFIX: usize = 21;

/// Octets with their length in decimal digits and a colon before them, and a comma behind them.
///
/// What is no netstring (another octet than a digit, a length with a leading zero, a comma that is
/// missing) is a fatal error, as the end of it is unknown. One that is longer than the limit is a
/// [`FilterError::BlockTooLong`], reported when its length has been read; its octets are skipped as
/// they come.
///
/// ```
/// use poe_filter::{Filter, Netstring};
///
/// let mut filter = Netstring::new();
/// let mut out = Vec::<u8>::new();
/// filter.put("hello".into(), &mut out)?;
/// filter.put("".into(), &mut out)?;
/// assert_eq!(out, b"5:hello,0:,");
/// assert_eq!(filter.get(out.into())?, ["hello", ""]);
/// # Ok::<(), poe_filter::FilterError>(())
/// ```
#[derive(Debug)]
pub struct Netstring {
    buffer: InputBuffer,
    max_length: usize,
    /// How many octets are still to come of one that is too long, with its comma.
    skip: u64,
}

impl Netstring {
    /// A filter of netstrings of up to 64 MiB.
    #[must_use]
    pub fn new() -> Self {
        Self::with(DEFAULT_MAX_LENGTH)
    }

    /// A filter of netstrings of up to so many octets.
    ///
    /// ```
    /// use poe_filter::{Filter, FilterError, Netstring};
    ///
    /// let mut filter = Netstring::with_max_length(3)?;
    /// filter.get_one_start("4:long,3:abc,".into())?;
    /// assert!(matches!(filter.get_one(), Err(FilterError::BlockTooLong { length: 4, limit: 3 })));
    /// assert_eq!(filter.get_one()?.unwrap(), "abc");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError::Zero`], or [`ConfigError::BufferTooSmall`] for more than the 512 MiB that are held
    /// at most.
    pub fn with_max_length(max_length: usize) -> Result<Self, ConfigError> {
        let needed = max_length.saturating_add(MAX_PREFIX + 1);
        crate::check_limits(max_length, DEFAULT_MAX_BUFFER, needed)?;
        Ok(Self::with(max_length))
    }

    fn with(max_length: usize) -> Self {
        Self { buffer: InputBuffer::default(), max_length, skip: 0 }
    }

    fn next(&mut self) -> Result<Option<Bytes>, FilterError> {
        if self.skip > 0 {
            let count = usize::try_from(self.skip).unwrap_or(usize::MAX);
            self.skip -= self.buffer.skip(count) as u64;
        }
        let Some((prefix, length)) = length(&self.buffer.peek(MAX_PREFIX))? else {
            return Ok(None);
        };
        let fits = usize::try_from(length).ok().filter(|length| *length <= self.max_length);
        let Some(length) = fits else {
            self.buffer.skip(prefix);
            // The comma too.
            self.skip = length.saturating_add(1);
            return Err(FilterError::BlockTooLong { length, limit: self.max_length });
        };
        let comma = prefix + length;
        if self.buffer.len() <= comma {
            return Ok(None);
        }
        if self.buffer.nth(comma) != Some(b',') {
            return Err(FilterError::BadLength { reason: "no comma follows the octets" });
        }
        let record = self.buffer.take_line(comma, 1);
        Ok(record.map(|mut record| {
            record.advance(prefix);
            record
        }))
    }
}

/// The length at the start of some octets, and how many of them it has with its colon.
fn length(octets: &[u8]) -> Result<Option<(usize, u64)>, FilterError> {
    let digits = octets.iter().take_while(|octet| octet.is_ascii_digit()).count();
    let bad = |reason| Err(FilterError::BadLength { reason });
    if digits > 1 && octets[0] == b'0' {
        return bad("it has a leading zero");
    }
    match octets.get(digits) {
        None if digits < MAX_PREFIX => return Ok(None),
        None => return bad("it has no end"),
        Some(b':') if digits > 0 => {}
        Some(_) => return bad("digits and a colon are expected"),
    }
    let length = octets[..digits].iter().try_fold(0_u64, |value, digit| {
        value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    });
    match length {
        Some(length) => Ok(Some((digits + 1, length))),
        None => bad("the number is too large"),
    }
}

impl Default for Netstring {
    fn default() -> Self {
        Self::new()
    }
}

impl Filter for Netstring {
    type In = Bytes;
    type Out = Bytes;

    fn get_one_start(&mut self, chunk: Bytes) -> Result<(), FilterError> {
        self.buffer.append(chunk, DEFAULT_MAX_BUFFER)
    }

    fn get_one(&mut self) -> Result<Option<Bytes>, FilterError> {
        let record = self.next()?;
        if record.is_none() {
            while self.buffer.next_chunk() {}
        }
        Ok(record)
    }

    fn finish(&mut self) -> Result<Option<Bytes>, FilterError> {
        let held = self.buffer.len();
        if held > 0 || self.skip > 0 { Err(FilterError::Truncated { held }) } else { Ok(None) }
    }

    fn put(&mut self, record: Bytes, sink: &mut dyn Sink) -> Result<(), FilterError> {
        let mut prefix = Vec::<u8>::with_capacity(MAX_PREFIX);
        DecimalLength.encode(record.len(), &mut prefix)?;
        // A colon instead of the NUL.
        prefix.pop();
        prefix.push(b':');
        sink.put_slice(&prefix);
        sink.put_bytes(record);
        sink.put_slice(b",");
        Ok(())
    }

    fn get_pending(&self) -> Bytes {
        self.buffer.copy_all()
    }

    fn pending_len(&self) -> usize {
        self.buffer.len()
    }

    fn take_pending(&mut self) -> Bytes {
        self.skip = 0;
        self.buffer.take_all()
    }

    fn take_unread(&mut self) -> Bytes {
        self.buffer.take_all()
    }

    fn fresh(&self) -> Box<dyn Filter<In = Bytes, Out = Bytes>> {
        Box::new(Self::with(self.max_length))
    }
}
