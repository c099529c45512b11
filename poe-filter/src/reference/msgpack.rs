//! Records in MessagePack.

use bytes::Bytes;
use rmp_serde::Deserializer;
use rmp_serde::encode::{Error, write_named};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::CodecError;
use super::typed::{typed_codec, whole};

/// How deep data may be nested, as it is on the stack.
const MAX_DEPTH: usize = 128;

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

fn thaw<T: DeserializeOwned>(image: Bytes) -> Result<T, CodecError> {
    let mut deserializer = Deserializer::new(&image[..]);
    deserializer.set_max_depth(MAX_DEPTH);
    let record = T::deserialize(&mut deserializer)?;
    whole(record, deserializer.get_ref())
}
