//! Records in MessagePack.

use bytes::Bytes;
use rmp_serde::Deserializer;
use rmp_serde::encode::{Error, write_named};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::CodecError;
use super::typed::{typed_codec, whole};
use crate::metered::Meter;

typed_codec! {
    /// MessagePack, by `rmp-serde`: a codec of records of any type. Structs are maps, with the names
    /// of their fields.
    ///
    /// ```
    /// use poe_filter::Filter;
    /// use poe_filter::reference::{MessagePack, Reference};
    ///
    /// let mut filter = Reference::new(MessagePack::<(u8, String)>::new());
    /// let mut out = Vec::<u8>::new();
    /// filter.put((7, "a".into()), &mut out)?;
    /// assert_eq!(out, b"4\0\x92\x07\xa1a");
    /// assert_eq!(filter.get(out.into())?, [(7, "a".into())]);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    MessagePack, freeze, thaw
}

fn freeze<T: Serialize>(record: &T, image: &mut Vec<u8>) -> Result<(), Error> {
    write_named(image, record)
}

fn thaw<T: DeserializeOwned>(image: Bytes, meter: Meter) -> Result<T, CodecError> {
    let mut deserializer = Deserializer::new(&image[..]);
    // It fails at the last of them, and can not be without.
    deserializer.set_max_depth(meter.depth().saturating_add(2));
    let record = meter.read(&mut deserializer).map_err(|error| meter.explain(error))?;
    whole(record, deserializer.get_ref())
}
