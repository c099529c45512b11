//! Data in YAML, with its scalars as they were written.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Codec, CodecError, yaml, yaml_writer};
use crate::DataLimits;
use crate::data_limits::COMPOUND;
use crate::metered::Meter;

/// YAML whose records are [`YamlValue`]s: any data, with the text of each scalar.
///
/// What is written and what is refused is as with [`Yaml`](super::Yaml), whose records are of a type.
#[derive(Debug, Clone, Default)]
pub struct YamlValues {
    limits: DataLimits,
}

impl YamlValues {
    /// The codec with the default [`DataLimits`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The codec with other limits for what it reads.
    #[must_use]
    pub fn within(limits: DataLimits) -> Self {
        Self { limits }
    }
}

impl Codec for YamlValues {
    type In = YamlValue;
    type Out = YamlValue;

    fn freeze(&self, record: YamlValue, image: &mut Vec<u8>) -> Result<(), CodecError> {
        Ok(yaml::freeze(&record, image)?)
    }

    /// The parser tells either what a scalar is or which text it has, so that it is asked twice.
    fn thaw(&self, image: Bytes) -> Result<YamlValue, CodecError> {
        let meter = Meter::new(self.limits, image.len());
        let parse = || yaml_serde::Deserializer::from_slice(&image);
        let Shape(mut value) = meter.read(parse()).map_err(|error| meter.explain(error))?;
        let texts = Texts { of: &mut value, meter: &meter };
        texts.deserialize(parse()).map_err(|error| meter.explain(error))?;
        Ok(value)
    }
}

/// Any data in YAML, each scalar with its text: a record of [`YamlValues`].
///
/// `1.10`, a number of thirty digits, and `007` are what they were, and not what a computer makes of them. To Perl's YAML
/// any scalar is text but `~`, which is `undef`: [`text`](YamlValue::text) is what Perl has.
///
/// ```
/// use poe_filter::Filter;
/// use poe_filter::reference::{Reference, YamlValue, YamlValues};
///
/// let mut filter = Reference::new(YamlValues::new());
/// let input = "39\0---\nversion: 1.10\nname: \"1.10\"\nnone: ~\n";
/// let records = filter.get(input.into())?;
/// assert_eq!(records[0].get("version"), Some(&YamlValue::Plain("1.10".into())));
/// assert_eq!(records[0].get("name"), Some(&YamlValue::Text("1.10".into())));
/// assert_eq!(records[0].get("name").and_then(YamlValue::text), Some("1.10"));
///
/// let mut out = Vec::<u8>::new();
/// filter.put(records[0].clone(), &mut out)?;
/// assert_eq!(out, input.as_bytes());
/// # Ok::<(), poe_filter::FilterError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum YamlValue {
    /// `~`, or nothing at all: Perl's `undef`.
    Null,

    /// A scalar without quotes that is no string to YAML, but a number, a truth value or a word for null. It is written
    /// without quotes again; a text that looks like nothing of this kind is written as [`Text`](YamlValue::Text).
    Plain(String),

    /// A string, in quotes or not. It is written in quotes, unless it is a word.
    Text(String),

    /// A list: Perl's array.
    List(Vec<YamlValue>),

    /// Pairs of keys and values, in their order: Perl's hash. No key is dropped for being there twice.
    Map(Vec<(YamlValue, YamlValue)>),

    /// What has a tag of its own, which stands here without its exclamation mark: `!Circle 1.5`.
    Tagged(String, Box<YamlValue>),
}

impl YamlValue {
    /// The text of a scalar, with quotes or without them.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Plain(text) | Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What a map has for a key; the last of them, if there are several.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(pairs) => pairs
                .iter()
                .rev()
                .find(|(name, _)| name.text() == Some(key))
                .map(|(_, value)| value),
            _ => None,
        }
    }
}

/// A string to any format but ours.
impl Serialize for YamlValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Plain(text) => serializer.serialize_newtype_struct(yaml_writer::PLAIN, text),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(list) => serializer.collect_seq(list),
            Self::Map(pairs) => {
                serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
            }
            Self::Tagged(tag, value) => {
                let mut pair = serializer.serialize_map(Some(1))?;
                pair.serialize_entry(&Tag(tag), value)?;
                pair.end()
            }
        }
    }
}

/// As `yaml_serde` tells tags: by what is shown of a key.
struct Tag<'t>(&'t str);

impl Serialize for Tag<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("!{}", self.0))
    }
}

/// Data that lacks the texts of its plain scalars.
struct Shape(YamlValue);

impl<'d> Deserialize<'d> for Shape {
    fn deserialize<D: Deserializer<'d>>(from: D) -> Result<Self, D::Error> {
        AnyShape.deserialize(from).map(Self)
    }
}

#[derive(Clone, Copy)]
struct AnyShape;

impl<'d> DeserializeSeed<'d> for AnyShape {
    type Value = YamlValue;

    fn deserialize<D: Deserializer<'d>>(self, from: D) -> Result<YamlValue, D::Error> {
        from.deserialize_any(self)
    }
}

macro_rules! plain {
    ($($method:ident($($value:ty)?),)*) => {
        $(fn $method<E: Error>(self $(, _: $value)?) -> Result<YamlValue, E> {
            Ok(YamlValue::Plain(String::new()))
        })*
    };
}

impl<'d> Visitor<'d> for AnyShape {
    type Value = YamlValue;

    plain! {
        visit_unit(),
        visit_bool(bool),
        visit_i64(i64),
        visit_i128(i128),
        visit_u64(u64),
        visit_u128(u128),
        visit_f64(f64),
    }

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("data in YAML")
    }

    fn visit_none<E: Error>(self) -> Result<YamlValue, E> {
        Ok(YamlValue::Null)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<YamlValue, E> {
        Ok(YamlValue::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'d>>(self, mut elements: A) -> Result<YamlValue, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(self)? {
            list.push(element);
        }
        Ok(YamlValue::List(list))
    }

    fn visit_map<A: MapAccess<'d>>(self, mut pairs: A) -> Result<YamlValue, A::Error> {
        let mut map = Vec::new();
        while let Some(pair) = pairs.next_entry_seed(self, self)? {
            map.push(pair);
        }
        Ok(YamlValue::Map(map))
    }

    fn visit_enum<A: EnumAccess<'d>>(self, tagged: A) -> Result<YamlValue, A::Error> {
        let (tag, content) = tagged.variant()?;
        Ok(YamlValue::Tagged(tag, content.newtype_variant_seed(self)?.into()))
    }
}

/// Reads the same data once more, for the texts that it lacks.
struct Texts<'v> {
    of: &'v mut YamlValue,
    meter: &'v Meter,
}

impl<'d> DeserializeSeed<'d> for Texts<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'d>>(self, from: D) -> Result<(), D::Error> {
        match self.of {
            YamlValue::Null | YamlValue::Text(_) => {
                from.deserialize_ignored_any(IgnoredAny).map(|_| ())
            }
            YamlValue::Plain(_) => from.deserialize_str(self),
            YamlValue::List(_) => from.deserialize_seq(self),
            YamlValue::Map(_) => from.deserialize_map(self),
            YamlValue::Tagged(..) => from.deserialize_enum("", &[], self),
        }
    }
}

impl<'d> Visitor<'d> for Texts<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the same data in YAML again")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.meter.spend(COMPOUND + text.len())?;
        *self.of = match text {
            "" | "~" => YamlValue::Null,
            _ => YamlValue::Plain(text.to_owned()),
        };
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'d>>(self, mut elements: A) -> Result<(), A::Error> {
        let YamlValue::List(list) = self.of else { return Ok(()) };
        for of in list {
            elements.next_element_seed(Texts { of, meter: self.meter })?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'d>>(self, mut pairs: A) -> Result<(), A::Error> {
        let YamlValue::Map(map) = self.of else { return Ok(()) };
        for (key, value) in map {
            pairs.next_key_seed(Texts { of: key, meter: self.meter })?;
            pairs.next_value_seed(Texts { of: value, meter: self.meter })?;
        }
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'d>>(self, tagged: A) -> Result<(), A::Error> {
        let YamlValue::Tagged(_, content) = self.of else { return Ok(()) };
        let (_, variant) = tagged.variant_seed(PhantomData::<IgnoredAny>)?;
        variant.newtype_variant_seed(Texts { of: content, meter: self.meter })
    }
}
