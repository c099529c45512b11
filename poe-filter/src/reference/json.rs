//! Records in JSON.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::CodecError;
use super::typed::typed_codec;
use crate::metered::Meter;

typed_codec! {
    /// JSON, by `serde_json`: a codec of records of any type, or of `serde_json::Value`.
    ///
    /// To Perl's filter, this is a serializer whose `freeze` is `encode_json`.
    ///
    /// ```
    /// use poe_filter::Filter;
    /// use poe_filter::reference::{Json, Reference};
    ///
    /// let mut filter = Reference::new(Json::<Vec<u32>>::new());
    /// let mut out = Vec::<u8>::new();
    /// filter.put(vec![1, 2, 3], &mut out)?;
    /// assert_eq!(out, b"7\0[1,2,3]");
    /// assert_eq!(filter.get(out.into())?, [[1, 2, 3]]);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    Json, freeze, thaw
}

fn freeze<T: Serialize>(record: &T, image: &mut Vec<u8>) -> serde_json::Result<()> {
    serde_json::to_writer(image, record)
}

fn thaw<T: DeserializeOwned>(image: Bytes, meter: Meter) -> Result<T, CodecError> {
    let mut deserializer = serde_json::Deserializer::from_slice(&image);
    let record = meter.read(&mut deserializer).map_err(|error| meter.explain(error))?;
    deserializer.end()?;
    Ok(record)
}
