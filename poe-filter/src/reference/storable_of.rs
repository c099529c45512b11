//! Records of any type, as Perl's Storable freezes them.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::ser::Error;

use super::CodecError;
use super::typed::typed_codec;
use crate::storable::{SerdeError, Value, from_value, to_value};

typed_codec! {
    /// Perl's Storable: a codec of records of any type. [`Storable`](super::Storable) is the same
    /// for whatever a Perl program may send.
    ///
    /// ```
    /// use poe_filter::Filter;
    /// use poe_filter::reference::{Reference, StorableOf};
    ///
    /// let mut filter = Reference::new(StorableOf::<Vec<u32>>::new());
    /// let mut out = Vec::<u8>::new();
    /// filter.put(vec![1, 2], &mut out)?;
    /// assert_eq!(out, b"11\0\x05\x05\x02\0\0\0\x02\x08\x81\x08\x82");
    /// assert_eq!(filter.get(out.into())?, [[1, 2]]);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    StorableOf, freeze, thaw
}

fn freeze<T: Serialize>(record: &T, image: &mut Vec<u8>) -> Result<(), SerdeError> {
    to_value(record)?.nfreeze_into(image).map_err(Error::custom)
}

fn thaw<T: DeserializeOwned>(image: Bytes) -> Result<T, CodecError> {
    Ok(from_value(&Value::thaw(image)?)?)
}
