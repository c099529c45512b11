//! Blocks of octets, all of one size or each with its length before it.

use std::mem;

use bytes::Bytes;

use crate::block_prefix::BlockPrefix;
use crate::buffer::InputBuffer;
use crate::length_codec::{DecodedLength, LengthCodec};
use crate::{ConfigError, DEFAULT_MAX_BUFFER, DEFAULT_MAX_LENGTH, Filter, FilterError, Sink};

/// Cuts input into blocks. POE's `POE::Filter::Block`.
///
/// By default each block is preceded by its length, in decimal digits and a NUL; a
/// [`LengthCodec`] writes the length differently. With [`fixed`](Block::fixed) all blocks of input
/// have the same size, and output is passed on as it is, neither cut nor padded.
///
/// A block longer than `MaxLength` is one [`FilterError::BlockTooLong`], reported when its length
/// has been read; its octets are skipped as they come. Octets that are no length where one is
/// expected are skipped too, up to the next length: [`junk_octets`](Block::junk_octets) counts them,
/// and with [`strict`](BlockBuilder::strict) each run of them is an error.
///
/// A filter that is exchanged while a block that is too long still arrives forgets how much is to be skipped, and so
/// does a [`Line`](crate::Line) for a line: rather close the connection.
///
/// ```
/// use poe_filter::{Block, Filter};
///
/// let mut filter = Block::new();
/// let mut out = Vec::<u8>::new();
/// filter.put("hello".into(), &mut out)?;
/// filter.put("".into(), &mut out)?;
/// assert_eq!(out, b"5\0hello0\0");
/// assert_eq!(filter.get(out.into())?, ["hello", ""]);
/// # Ok::<(), poe_filter::FilterError>(())
/// ```
#[derive(Debug)]
pub struct Block {
    buffer: InputBuffer,
    framing: Framing,
    max_buffer: usize,
}

#[derive(Debug)]
enum Framing {
    Fixed { size: usize },
    Prefixed(Prefixed),
}

/// The state of length-prefixed input.
#[derive(Debug)]
struct Prefixed {
    codec: BlockPrefix,
    /// What the codec says of itself.
    max_prefix: usize,
    max_length: usize,
    strict: bool,
    state: State,
    junk_octets: u64,
}

/// What is expected at the start of the buffer.
#[derive(Debug)]
enum State {
    /// A prefix.
    Prefix,
    /// A prefix or, as what was skipped before, none.
    Junk,
    /// A block. Its prefix, although decoded, stays in the buffer until the block is complete, for whoever takes what
    /// is pending.
    Block(Prefix),
    /// So many octets of a block that is too long.
    TooLong(u64),
}

#[derive(Debug, Clone, Copy)]
struct Prefix {
    octets: usize,
    length: usize,
}

impl Block {
    /// A filter of blocks with decimal lengths before them.
    #[must_use]
    pub fn new() -> Self {
        Self::prefixed(BlockPrefix::Decimal, DEFAULT_MAX_LENGTH, false, DEFAULT_MAX_BUFFER)
    }

    /// A filter of blocks of `size` octets. POE's `BlockSize`.
    ///
    /// ```
    /// use poe_filter::{Block, Filter};
    ///
    /// let mut filter = Block::fixed(4)?;
    /// assert_eq!(filter.get("123456789".into())?, ["1234", "5678"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError::Zero`], or [`ConfigError::BufferTooSmall`] for more than 512 MiB.
    pub fn fixed(size: usize) -> Result<Self, ConfigError> {
        Self::builder().block_size(size).build()
    }

    /// A filter with other parameters.
    pub fn builder() -> BlockBuilder {
        BlockBuilder::default()
    }

    /// How many octets were skipped because they stood where a length was expected.
    ///
    /// ```
    /// use poe_filter::{Block, Filter};
    ///
    /// let mut filter = Block::new();
    /// assert_eq!(filter.get("junk3\0abc".into())?, ["abc"]);
    /// assert_eq!(filter.junk_octets(), 4);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    #[must_use]
    pub fn junk_octets(&self) -> u64 {
        match &self.framing {
            Framing::Fixed { .. } => 0,
            Framing::Prefixed(prefixed) => prefixed.junk_octets,
        }
    }

    pub(crate) fn prefixed(
        codec: BlockPrefix,
        max_length: usize,
        strict: bool,
        max_buffer: usize,
    ) -> Self {
        let prefixed = Prefixed {
            max_prefix: codec.max_prefix(),
            codec,
            max_length,
            strict,
            state: State::Prefix,
            junk_octets: 0,
        };
        let framing = Framing::Prefixed(prefixed);
        Self { buffer: InputBuffer::default(), framing, max_buffer }
    }
}

impl Block {
    #[inline(never)]
    fn next_block(&mut self) -> Result<Option<Bytes>, FilterError> {
        if let Some(block) = self.cut_blocks() {
            return Ok(Some(block));
        }
        let prefix = match &mut self.framing {
            Framing::Fixed { size } => Some(Prefix { octets: 0, length: *size })
                .filter(|prefix| prefix.length <= self.buffer.len()),
            Framing::Prefixed(prefixed) => prefixed.next_block(&mut self.buffer)?,
        };
        if let Some(Prefix { octets, length }) = prefix {
            return Ok(self.buffer.take_behind(octets, length));
        }
        while self.buffer.next_chunk() {}
        Ok(None)
    }

    /// Cuts blocks out ahead, and gives the first, where they are in one chunk, as nearly all are.
    fn cut_blocks(&mut self) -> Option<Bytes> {
        match &self.framing {
            Framing::Fixed { size } => self.buffer.cut_ahead(|_, start| {
                let end = start.checked_add(*size)?;
                Some((start..end, end))
            }),
            Framing::Prefixed(prefixed) if matches!(prefixed.state, State::Prefix) => {
                self.buffer.cut_ahead(|chunk, start| {
                    let Prefix { octets, length } = prefixed.whole_prefix(&chunk[start..])?;
                    let end = start + octets + length;
                    Some((start + octets..end, end))
                })
            }
            Framing::Prefixed(_) => None,
        }
    }
}

impl Default for Block {
    fn default() -> Self {
        Self::new()
    }
}

impl Filter for Block {
    type In = Bytes;
    type Out = Bytes;

    #[inline]
    fn get_one_start(&mut self, chunk: Bytes) -> Result<(), FilterError> {
        self.buffer.append(chunk, self.max_buffer)
    }

    #[inline]
    fn get_one(&mut self) -> Result<Option<Bytes>, FilterError> {
        if let Some(block) = self.buffer.next_ahead() {
            return Ok(Some(block));
        }
        self.next_block()
    }

    fn finish(&mut self) -> Result<Option<Bytes>, FilterError> {
        let held = self.buffer.len();
        let skipping =
            matches!(&self.framing, Framing::Prefixed(Prefixed { state: State::TooLong(_), .. }));
        if held > 0 || skipping { Err(FilterError::Truncated { held }) } else { Ok(None) }
    }

    fn put(&mut self, record: Bytes, sink: &mut dyn Sink) -> Result<(), FilterError> {
        if let Framing::Prefixed(prefixed) = &self.framing {
            prefixed.codec.encode(record.len(), sink)?;
        }
        sink.put_bytes(record);
        Ok(())
    }

    fn get_pending(&self) -> Bytes {
        self.buffer.copy_all()
    }

    fn pending_len(&self) -> usize {
        self.buffer.len()
    }

    fn take_pending(&mut self) -> Bytes {
        if let Framing::Prefixed(prefixed) = &mut self.framing {
            prefixed.state = State::Prefix;
        }
        self.buffer.take_all()
    }

    fn take_unread(&mut self) -> Bytes {
        if let Framing::Prefixed(Prefixed { state: state @ State::Block(_), .. }) =
            &mut self.framing
        {
            *state = State::Prefix;
        }
        self.buffer.take_all()
    }

    fn fresh(&self) -> Box<dyn Filter<In = Bytes, Out = Bytes>> {
        Box::new(match &self.framing {
            Framing::Fixed { size } => Self {
                buffer: InputBuffer::default(),
                framing: Framing::Fixed { size: *size },
                max_buffer: self.max_buffer,
            },
            Framing::Prefixed(prefixed) => Self::prefixed(
                prefixed.codec.clone(),
                prefixed.max_length,
                prefixed.strict,
                self.max_buffer,
            ),
        })
    }
}

impl Prefixed {
    /// What is before the block at the start of a chunk, if there is one, and no more to see to.
    #[inline]
    fn whole_prefix(&self, chunk: &[u8]) -> Option<Prefix> {
        let before = &chunk[..chunk.len().min(self.max_prefix)];
        let DecodedLength::Length { prefix: octets, length } = self.codec.decode(before) else {
            return None;
        };
        let length = usize::try_from(length).ok()?;
        let is_good = length <= self.max_length && (1..=before.len()).contains(&octets);
        (is_good && length <= chunk.len() - octets).then_some(Prefix { octets, length })
    }

    fn next_block(&mut self, buffer: &mut InputBuffer) -> Result<Option<Prefix>, FilterError> {
        if !self.skip_block(buffer) {
            return Ok(None);
        }
        let Some(prefix) = self.prefix(buffer)? else { return Ok(None) };
        if prefix.octets.saturating_add(prefix.length) > buffer.len() {
            return Ok(None);
        }
        self.state = State::Prefix;
        Ok(Some(prefix))
    }

    /// Skips what has come of a block that is too long; `false` if more of it is to come.
    fn skip_block(&mut self, buffer: &mut InputBuffer) -> bool {
        if let State::TooLong(rest) = &mut self.state {
            let count = usize::try_from(*rest).unwrap_or(usize::MAX);
            *rest -= buffer.skip(count) as u64;
            if *rest > 0 {
                return false;
            }
            self.state = State::Prefix;
        }
        true
    }

    /// The prefix of the next block, if all of it is there.
    fn prefix(&mut self, buffer: &mut InputBuffer) -> Result<Option<Prefix>, FilterError> {
        if let State::Block(prefix) = self.state {
            return Ok(Some(prefix));
        }
        loop {
            let octets = buffer.peek(self.max_prefix);
            if octets.is_empty() {
                return Ok(None);
            }
            match self.codec.decode(&octets) {
                DecodedLength::NeedMore if octets.len() < self.max_prefix => return Ok(None),
                DecodedLength::NeedMore => {
                    return Err(FilterError::BadLength { reason: "it has no end" });
                }
                DecodedLength::Bad { reason } => return Err(FilterError::BadLength { reason }),
                DecodedLength::Junk { octets } => self.skip_junk(octets, buffer)?,
                DecodedLength::Length { prefix, .. } if !(1..=octets.len()).contains(&prefix) => {
                    return Err(FilterError::BadLength { reason: "its codec miscounts" });
                }
                DecodedLength::Length { prefix, length } => match usize::try_from(length) {
                    Ok(length) if length <= self.max_length => {
                        let prefix = Prefix { octets: prefix, length };
                        self.state = State::Block(prefix);
                        return Ok(Some(prefix));
                    }
                    _ => return Err(self.too_long(prefix, length, buffer)),
                },
            }
        }
    }

    #[cold]
    fn skip_junk(&mut self, octets: usize, buffer: &mut InputBuffer) -> Result<(), FilterError> {
        self.junk_octets += buffer.skip(octets.max(1)) as u64;
        let begins = !matches!(mem::replace(&mut self.state, State::Junk), State::Junk);
        if begins && self.strict { Err(FilterError::Junk) } else { Ok(()) }
    }

    #[cold]
    fn too_long(&mut self, prefix: usize, length: u64, buffer: &mut InputBuffer) -> FilterError {
        buffer.skip(prefix);
        self.state = State::TooLong(length);
        self.skip_block(buffer);
        FilterError::BlockTooLong { length, limit: self.max_length }
    }
}

/// The parameters of a [`Block`].
///
/// ```
/// use poe_filter::{Block, Filter};
///
/// let mut filter = Block::builder().max_length(10).build()?;
/// let error = filter.get("134\0a bunch of data here".into()).unwrap_err();
/// assert!(error.to_string().starts_with("block exceeds the limit"));
/// # Ok::<(), poe_filter::ConfigError>(())
/// ```
#[derive(Debug, Default)]
#[must_use]
pub struct BlockBuilder {
    block_size: Option<usize>,
    length_codec: Option<BlockPrefix>,
    max_length: Option<usize>,
    max_buffer: Option<usize>,
    strict: bool,
}

impl BlockBuilder {
    /// The size of all blocks, in octets.
    pub fn block_size(mut self, octets: usize) -> Self {
        self.block_size = Some(octets);
        self
    }

    /// How lengths are written before blocks.
    pub fn length_codec(mut self, codec: impl LengthCodec + 'static) -> Self {
        self.length_codec = Some(BlockPrefix::new(codec));
        self
    }

    /// How long a block with a length before it may be, in octets: 64 MiB by default.
    pub fn max_length(mut self, octets: usize) -> Self {
        self.max_length = Some(octets);
        self
    }

    /// How much unparsed input may be held, in octets: 512 MiB by default.
    pub fn max_buffer(mut self, octets: usize) -> Self {
        self.max_buffer = Some(octets);
        self
    }

    /// Makes octets that stand where a length is expected an error, [`FilterError::Junk`], once for
    /// each run of them. Without this they are only counted.
    ///
    /// ```
    /// use poe_filter::{Block, Filter, FilterError};
    ///
    /// let mut filter = Block::builder().strict().build()?;
    /// filter.get_one_start("junk3\0abc".into())?;
    /// assert!(matches!(filter.get_one(), Err(FilterError::Junk)));
    /// assert_eq!(filter.get_one()?.unwrap(), "abc");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Makes the filter.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `block_size` is given together with what only lengths have, if a size or a
    /// limit is 0, or if `max_buffer` can not hold the longest block with its length.
    pub fn build(self) -> Result<Block, ConfigError> {
        let max_length = self.max_length.unwrap_or(DEFAULT_MAX_LENGTH);
        let max_buffer = self.max_buffer.unwrap_or(DEFAULT_MAX_BUFFER);
        let Some(size) = self.block_size else {
            let digits = max_length.checked_ilog10().unwrap_or(0) as usize + 1;
            crate::check_limits(max_length, max_buffer, max_length.saturating_add(digits + 1))?;
            let codec = self.length_codec.unwrap_or_default();
            return Ok(Block::prefixed(codec, max_length, self.strict, max_buffer));
        };
        for (second, given) in [
            ("length_codec", self.length_codec.is_some()),
            ("max_length", self.max_length.is_some()),
            ("strict", self.strict),
        ] {
            if given {
                return Err(ConfigError::Conflict { first: "block_size", second });
            }
        }
        if size == 0 {
            return Err(ConfigError::Zero { parameter: "block_size" });
        }
        crate::check_limits(size, max_buffer, size)?;
        let framing = Framing::Fixed { size };
        Ok(Block { buffer: InputBuffer::default(), framing, max_buffer })
    }
}
