//! Records of any type, as Perl's Storable freezes them.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::ser::Error;

use super::CodecError;
use super::typed::typed_codec;
use crate::data_limits::VALUE;
use crate::metered::Meter;
use crate::storable::{Limits, SerdeError, ThawError, Value, read_value, to_value};

typed_codec! {
    /// Perl's Storable: a codec of records of any type. [`Storable`](super::Storable) is the same
    /// for whatever a Perl program may send.
    ///
    /// What is shared in an image is there, and is counted by [`DataLimits`](crate::DataLimits), as often as it is referred
    /// to.
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

fn thaw<T: DeserializeOwned>(image: Bytes, meter: Meter) -> Result<T, CodecError> {
    // `Reference` sees to its length, and a value takes no stack.
    let limits = Limits::default()
        .max_length(usize::MAX)
        .max_depth(usize::MAX)
        .max_values(meter.memory() / VALUE);
    let value = Value::thaw_within(image, &limits).map_err(|error| match error {
        ThawError::Limit { what: "values", .. } => meter.too_much().into(),
        error => CodecError::from(error),
    })?;
    read_value(&value, &meter).map_err(|error| meter.explain(error))
}
