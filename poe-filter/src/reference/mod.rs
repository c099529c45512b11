//! Structures of data as records, each frozen into an image with its length before it.

#[cfg(feature = "cbor")]
mod cbor;
mod codec;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "msgpack")]
mod msgpack;
#[cfg(feature = "storable")]
mod storable;
#[cfg(all(feature = "storable", feature = "serde"))]
mod storable_of;
#[cfg(any(
    feature = "json",
    feature = "msgpack",
    feature = "cbor",
    feature = "yaml",
    all(feature = "storable", feature = "serde")
))]
mod typed;
#[cfg(feature = "yaml")]
mod yaml;
#[cfg(feature = "yaml")]
mod yaml_value;
#[cfg(feature = "yaml")]
mod yaml_writer;
#[cfg(feature = "zlib")]
mod zlib;

use bytes::Bytes;

#[cfg(feature = "cbor")]
pub use self::cbor::Cbor;
pub use self::codec::{Codec, CodecError};
#[cfg(feature = "json")]
pub use self::json::Json;
#[cfg(feature = "msgpack")]
pub use self::msgpack::MessagePack;
#[cfg(feature = "storable")]
pub use self::storable::Storable;
#[cfg(all(feature = "storable", feature = "serde"))]
pub use self::storable_of::StorableOf;
#[cfg(feature = "yaml")]
pub use self::yaml::Yaml;
#[cfg(feature = "yaml")]
pub use self::yaml_value::{YamlValue, YamlValues};
use crate::block_prefix::BlockPrefix;
use crate::filter::input_in;
use crate::{
    Block, ConfigError, DEFAULT_MAX_BUFFER, DEFAULT_MAX_LENGTH, DecimalLength, DecodedLength,
    Filter, FilterError, LengthCodec, Sink,
};

/// Passes structures of data. POE's `POE::Filter::Reference`.
///
/// A record is frozen by a [`Codec`], and the image goes out with its length before it, in decimal
/// digits and a NUL. Nothing in the stream tells which codec it was, or whether images are
/// compressed: both ends must agree.
///
/// An image that does not thaw is one [`FilterError::Record`], and the next record may be fine.
/// Octets that are no length where one is expected are a fatal [`FilterError::BadLength`]: any octets
/// may be in an image, so that there is no telling where the next one begins.
///
/// ```
/// # #[cfg(feature = "storable")] {
/// use poe_filter::reference::{Reference, Storable};
/// use poe_filter::storable::Builder;
/// use poe_filter::Filter;
///
/// let mut build = Builder::new();
/// let numbers = [1, 2, 3].map(|number| build.integer(number));
/// let list = build.array(numbers);
/// let list = build.finish(list)?;
///
/// let mut filter = Reference::new(Storable::new());
/// let mut out = Vec::<u8>::new();
/// filter.put(list.clone(), &mut out)?;
/// assert_eq!(out, b"13\0\x05\x05\x02\0\0\0\x03\x08\x81\x08\x82\x08\x83");
/// assert_eq!(filter.get(out.into())?, [list]);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Reference<C: Codec> {
    block: Block,
    codec: C,
    #[cfg(feature = "zlib")]
    compression: bool,
    max_length: usize,
    max_buffer: usize,
}

impl<C: Codec> Reference<C> {
    /// A filter whose images are this codec's, and not compressed.
    #[must_use]
    pub fn new(codec: C) -> Self {
        Self {
            block: images(DEFAULT_MAX_LENGTH, DEFAULT_MAX_BUFFER),
            codec,
            #[cfg(feature = "zlib")]
            compression: false,
            max_length: DEFAULT_MAX_LENGTH,
            max_buffer: DEFAULT_MAX_BUFFER,
        }
    }

    /// A filter with other parameters.
    pub fn builder(codec: C) -> ReferenceBuilder<C> {
        ReferenceBuilder { filter: Self::new(codec) }
    }

    fn freeze(&self, record: C::Out) -> Result<Vec<u8>, CodecError> {
        let mut image = Vec::new();
        self.codec.freeze(record, &mut image)?;
        #[cfg(feature = "zlib")]
        if self.compression {
            return Ok(zlib::compress(&image)?);
        }
        Ok(image)
    }

    fn thaw(&self, image: Bytes) -> Result<C::In, CodecError> {
        #[cfg(feature = "zlib")]
        if self.compression {
            return self.codec.thaw(zlib::decompress(&image, self.max_length)?.into());
        }
        self.codec.thaw(image)
    }
}

impl<C: Codec> Filter for Reference<C> {
    type In = C::In;
    type Out = C::Out;

    input_in!(block);

    fn get_one(&mut self) -> Result<Option<C::In>, FilterError> {
        let Some(image) = self.block.get_one()? else { return Ok(None) };
        self.thaw(image).map(Some).map_err(FilterError::Record)
    }

    fn finish(&mut self) -> Result<Option<C::In>, FilterError> {
        self.block.finish().map(|_| None)
    }

    fn put(&mut self, record: C::Out, sink: &mut dyn Sink) -> Result<(), FilterError> {
        let image = self.freeze(record).map_err(FilterError::Record)?;
        self.block.put(image.into(), sink)
    }

    fn fresh(&self) -> Box<dyn Filter<In = C::In, Out = C::Out>> {
        Box::new(Self {
            block: images(self.max_length, self.max_buffer),
            codec: self.codec.clone(),
            #[cfg(feature = "zlib")]
            compression: self.compression,
            max_length: self.max_length,
            max_buffer: self.max_buffer,
        })
    }
}

/// The parameters of a [`Reference`].
///
/// ```
/// # #[cfg(feature = "storable")] {
/// use poe_filter::reference::{Reference, Storable};
/// use poe_filter::{Filter, FilterError};
///
/// let mut filter = Reference::builder(Storable::new()).max_length(1000).build()?;
/// let error = filter.get("1001\0".into()).unwrap_err();
/// assert!(matches!(error, FilterError::BlockTooLong { length: 1001, limit: 1000 }));
/// # }
/// # Ok::<(), poe_filter::ConfigError>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct ReferenceBuilder<C: Codec> {
    filter: Reference<C>,
}

impl<C: Codec> ReferenceBuilder<C> {
    /// Compresses images with zlib. POE's `Compression`.
    ///
    /// ```
    /// # #[cfg(feature = "storable")] {
    /// use poe_filter::Filter;
    /// use poe_filter::reference::{Reference, Storable};
    ///
    /// let mut filter = Reference::builder(Storable::new()).compression().build()?;
    /// let input = b"13\0\x78\x9c\x63\xe5\x66\x62\0\x02\0\0\x76\0\x13"; // []
    /// let records = filter.get(input.as_slice().into())?;
    /// assert!(records[0].root().is_empty());
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "zlib")]
    pub fn compression(mut self) -> Self {
        self.filter.compression = true;
        self
    }

    /// How long an image may be, in octets, both as it arrives and when it has been decompressed:
    /// 64 MiB by default. The codec may have limits of its own.
    pub fn max_length(mut self, octets: usize) -> Self {
        self.filter.max_length = octets;
        self
    }

    /// How much unparsed input may be held, in octets: 512 MiB by default.
    pub fn max_buffer(mut self, octets: usize) -> Self {
        self.filter.max_buffer = octets;
        self
    }

    /// Makes the filter.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a limit is 0, or if `max_buffer` can not hold the longest image with its
    /// length.
    pub fn build(self) -> Result<Reference<C>, ConfigError> {
        let Reference { max_length, max_buffer, .. } = self.filter;
        let digits = max_length.checked_ilog10().unwrap_or(0) as usize + 1;
        crate::check_limits(max_length, max_buffer, max_length.saturating_add(digits + 1))?;
        Ok(Reference { block: images(max_length, max_buffer), ..self.filter })
    }
}

fn images(max_length: usize, max_buffer: usize) -> Block {
    Block::prefixed(BlockPrefix::new(ImageLength), max_length, false, max_buffer)
}

/// The lengths of images: as [`DecimalLength`], but what is none is the end.
#[derive(Debug, Clone)]
struct ImageLength;

impl LengthCodec for ImageLength {
    fn encode(&self, length: usize, sink: &mut dyn Sink) -> Result<(), FilterError> {
        DecimalLength.encode(length, sink)
    }

    fn decode(&self, octets: &[u8]) -> DecodedLength {
        match DecimalLength.decode(octets) {
            DecodedLength::Junk { .. } => {
                DecodedLength::Bad { reason: "it is not decimal digits and a NUL" }
            }
            found => found,
        }
    }

    fn clone_box(&self) -> Box<dyn LengthCodec> {
        Box::new(self.clone())
    }
}
