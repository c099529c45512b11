//! How records are turned into images.

use std::error::Error;
use std::fmt::Debug;

use bytes::Bytes;

/// Why a [`Codec`] could not read or write an image; whatever describes it.
pub type CodecError = Box<dyn Error + Send + Sync>;

/// Freezes records into images, and thaws them. POE's `Serializer`.
///
/// Those here take no more memory for an image, whoever made it, than in proportion to its length, nor more stack than for
/// a limited nesting: `Storable` keeps to `storable::Limits`, those of data of any type to `DataLimits`. A compressed image
/// counts as long as it is when it is not.
///
/// ```
/// use bytes::Bytes;
/// use poe_filter::Filter;
/// use poe_filter::reference::{Codec, CodecError, Reference};
///
/// /// Pairs of numbers, one octet each.
/// #[derive(Debug, Clone)]
/// struct Pairs;
///
/// impl Codec for Pairs {
///     type In = (u8, u8);
///     type Out = (u8, u8);
///
///     fn freeze(&self, record: (u8, u8), image: &mut Vec<u8>) -> Result<(), CodecError> {
///         image.extend([record.0, record.1]);
///         Ok(())
///     }
///
///     fn thaw(&self, image: Bytes) -> Result<(u8, u8), CodecError> {
///         match *image {
///             [one, other] => Ok((one, other)),
///             _ => Err("a pair has two octets".into()),
///         }
///     }
/// }
///
/// let mut filter = Reference::new(Pairs);
/// let mut out = Vec::<u8>::new();
/// filter.put((1, 2), &mut out)?;
/// assert_eq!(out, b"2\0\x01\x02");
/// assert_eq!(filter.get(out.into())?, [(1, 2)]);
/// # Ok::<(), poe_filter::FilterError>(())
/// ```
pub trait Codec: Clone + Debug + 'static {
    /// What is thawed.
    type In: 'static;

    /// What is frozen.
    type Out: 'static;

    /// Adds the image of a record to `image`, which is empty.
    ///
    /// # Errors
    ///
    /// If the record can not be expressed.
    fn freeze(&self, record: Self::Out, image: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Reads an image, which may come from anybody.
    ///
    /// # Errors
    ///
    /// If the octets are no image.
    fn thaw(&self, image: Bytes) -> Result<Self::In, CodecError>;
}
