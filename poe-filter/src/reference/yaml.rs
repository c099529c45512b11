//! Records in YAML.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::CodecError;
use super::typed::typed_codec;
use super::yaml_writer;
use crate::metered::Meter;

typed_codec! {
    /// YAML, by `yaml_serde`: a codec of records of any type. [`YamlValues`](super::YamlValues) is that of any data.
    ///
    /// What is written is what Perl's YAML module reads too: three dashes at the beginning, `~` where there is nothing,
    /// and strings in quotes unless they are words. To that module every scalar is text, also `true` and `1.0`; a
    /// scalar that it wrote without quotes is what YAML says it is, so that a record's type had better say what it
    /// needs: a `String` has `1.10` as it was, and so has a [`YamlValue`](super::YamlValue), but a value of another
    /// library is the number 1.1. Text is UTF-8. The class of an object that Perl has blessed is lost, and a reference to a
    /// scalar is a map of one pair.
    ///
    /// What an image says once and refers to by aliases is there, and is
    /// counted by [`DataLimits`](crate::DataLimits), as often as that.
    ///
    /// The parser takes time by the square of how deep brackets and braces are nested, before it refuses
    /// what is nested deeper than 128 times, and up to some 400 octets of memory for each octet of an image, which
    /// [`DataLimits`](crate::DataLimits) do not count. Where images come from anybody, a moderate
    /// [`max_length`](super::ReferenceBuilder::max_length), such as 64 KiB, bounds both.
    ///
    /// ```
    /// use poe_filter::Filter;
    /// use poe_filter::reference::{Reference, Yaml};
    ///
    /// let mut filter = Reference::new(Yaml::<Vec<u32>>::new());
    /// assert_eq!(filter.get("12\0---\n- 1\n- 2\n".into())?, [[1, 2]]);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    Yaml, freeze, thaw
}

pub(super) fn freeze<T: Serialize>(record: &T, image: &mut Vec<u8>) -> yaml_serde::Result<()> {
    image.extend(yaml_writer::write(record)?.into_bytes());
    Ok(())
}

fn thaw<T: DeserializeOwned>(image: Bytes, meter: Meter) -> Result<T, CodecError> {
    let deserializer = yaml_serde::Deserializer::from_slice(&image);
    meter.read(deserializer).map_err(|error| meter.explain(error))
}
