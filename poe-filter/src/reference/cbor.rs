//! Records in CBOR.

use std::cell::Cell;
use std::io;

use bytes::Bytes;
use ciborium::ser::Error;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use super::CodecError;
use super::typed::{typed_codec, whole};
use crate::DataLimits;
use crate::metered::Meter;

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

thread_local! {
    /// What `Within` reads by: `ciborium` has no way to hand it in.
    static METER: Cell<Option<Meter>> = const { Cell::new(None) };
}

fn thaw<T: DeserializeOwned>(image: Bytes, meter: Meter) -> Result<T, CodecError> {
    let mut rest = &image[..];
    let depth = meter.depth().saturating_add(1);
    METER.set(Some(meter));
    let result = ciborium::de::from_reader_with_recursion_limit(&mut rest, depth);
    let meter = METER.take();
    match (result, meter) {
        (Ok(Within(record)), _) => whole(record, rest),
        (Err(error), Some(meter)) => Err(meter.explain(error)),
        (Err(error), None) => Err(error.into()),
    }
}

struct Within<T>(T);

impl<'d, T: Deserialize<'d>> Deserialize<'d> for Within<T> {
    fn deserialize<D: Deserializer<'d>>(data: D) -> Result<Self, D::Error> {
        let meter = METER.take().unwrap_or_else(|| Meter::new(DataLimits::default(), 0));
        let result = meter.read(data).map(Self);
        METER.set(Some(meter));
        result
    }
}
