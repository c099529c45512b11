//! Records in CBOR.

use std::io;

use bytes::Bytes;
use ciborium::ser::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::CodecError;
use super::typed::{typed_codec, whole};

/// How deep data may be nested, as it is on the stack.
const MAX_DEPTH: usize = 128;

typed_codec! {
    /// CBOR (RFC 8949), by `ciborium`: a codec of records of any type, or of `ciborium::Value`.
    ///
    /// ```
    /// use poe_filter::Filter;
    /// use poe_filter::reference::{Cbor, Reference};
    ///
    /// let mut filter = Reference::new(Cbor::<(u8, String)>::new());
    /// let mut out = Vec::<u8>::new();
    /// filter.put((7, "a".into()), &mut out)?;
    /// assert_eq!(out, b"4\0\x82\x07\x61a");
    /// assert_eq!(filter.get(out.into())?, [(7, "a".into())]);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    Cbor, freeze, thaw
}

fn freeze<T: Serialize>(record: &T, image: &mut Vec<u8>) -> Result<(), Error<io::Error>> {
    ciborium::into_writer(record, image)
}

fn thaw<T: DeserializeOwned>(image: Bytes) -> Result<T, CodecError> {
    let mut rest = &image[..];
    let record = ciborium::de::from_reader_with_recursion_limit(&mut rest, MAX_DEPTH)?;
    whole(record, rest)
}
