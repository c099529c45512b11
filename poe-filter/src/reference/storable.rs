//! Records as Perl's Storable freezes them.

use bytes::Bytes;

use super::{Codec, CodecError};
use crate::storable::{Limits, Value};

/// Perl's Storable, the codec that POE's filter has by default: any structure of data.
///
/// Images are written as `nfreeze` does, and read as `thaw` does, but for what would run code. See
/// [`storable`](crate::storable).
#[derive(Debug, Clone, Default)]
pub struct Storable {
    limits: Limits,
}

impl Storable {
    /// The codec with the default [`Limits`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The codec with other limits.
    ///
    /// ```
    /// use poe_filter::Filter;
    /// use poe_filter::reference::{Reference, Storable};
    /// use poe_filter::storable::Limits;
    ///
    /// let codec = Storable::within(Limits::default().max_values(1));
    /// let image = "9\0\x05\x0b\x02\0\0\0\x01\x08\x01"; // an array of a number: two values
    /// let error = Reference::new(codec).get(image.into()).unwrap_err();
    /// assert!(error.to_string().contains("limit of 1 values"));
    /// ```
    #[must_use]
    pub fn within(limits: Limits) -> Self {
        Self { limits }
    }
}

impl Codec for Storable {
    type In = Value;
    type Out = Value;

    fn freeze(&self, record: Value, image: &mut Vec<u8>) -> Result<(), CodecError> {
        Ok(record.nfreeze_into(image)?)
    }

    fn thaw(&self, image: Bytes) -> Result<Value, CodecError> {
        Ok(Value::thaw_within(image, &self.limits)?)
    }
}
