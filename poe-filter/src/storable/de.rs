//! Any data out of a value, by `serde`.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{self, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::cells::{Shape, Tables};
use super::{Key, Kind, Node, SerdeError, Value};
use crate::DataLimits;
use crate::metered::Meter;

/// Reads data out of a value, through all references, and whatever is blessed.
///
/// A scalar is what it is needed as, be it held as a number or as text: `"42"` is an integer for one
/// who wants an integer, and so on. Any scalar is a truth value. Octets are text of the characters of
/// these numbers, which is Latin-1. Who takes anything gets octets beyond ASCII as octets.
///
/// ```
/// use poe_filter::storable::{Value, from_value};
///
/// // [1, "2", 3]
/// let value = Value::thaw(&b"\x05\x0b\x02\0\0\0\x03\x08\x81\x0a\x012\x08\x83"[..])?;
/// assert_eq!(from_value::<Vec<u8>>(&value)?, [1, 2, 3]);
/// assert_eq!(from_value::<(bool, String, f64)>(&value)?, (true, "2".into(), 3.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`SerdeError`] if the value is something else, or if the data is more than the default [`DataLimits`] allow: what is
/// shared is in it several times, and what is within itself without end.
pub fn from_value<'v, T: Deserialize<'v>>(value: &'v Value) -> Result<T, SerdeError> {
    from_value_within(value, DataLimits::default())
}

/// Reads data out of a value within other limits, for which the value is as long as it has values and octets.
///
/// ```
/// use poe_filter::DataLimits;
/// use poe_filter::storable::{Value, from_value_within};
///
/// let value = Value::thaw(&b"\x05\x0b\x02\0\0\0\x01\x04\x02\0\0\0\0"[..])?; // [[]]
/// let limits = DataLimits::default().max_depth(1);
/// assert!(from_value_within::<Vec<Vec<u8>>>(&value, limits).is_err());
/// # Ok::<(), poe_filter::storable::ThawError>(())
/// ```
///
/// # Errors
///
/// As for [`from_value`].
pub fn from_value_within<'v, T: Deserialize<'v>>(
    value: &'v Value,
    limits: DataLimits,
) -> Result<T, SerdeError> {
    let Tables { octets, cells, slots, entries, .. } = &value.tables;
    let size = octets.len() + cells.len() + slots.len() + entries.len();
    read_value(value, &Meter::new(limits, size))
}

pub(crate) fn read_value<'v, T: Deserialize<'v>>(
    value: &'v Value,
    meter: &Meter,
) -> Result<T, SerdeError> {
    meter.read(Deserializer { node: value.root().follow(), meter })
}

#[derive(Clone, Copy)]
struct Deserializer<'v, 'm> {
    /// No reference, unless to itself.
    node: Node<'v>,
    meter: &'m Meter,
}

impl<'v> Deserializer<'v, '_> {
    /// For what is in this, or what that refers to. To go there costs, as many may refer to one long chain of references.
    #[inline]
    fn inner(self, mut node: Node<'v>) -> Result<Self, SerdeError> {
        for _ in 0..node.value.values() {
            match node.shape() {
                Shape::Reference(id) | Shape::WeakReference(id) => node.id = id,
                _ => break,
            }
            self.meter.spend::<SerdeError>(1)?;
        }
        Ok(Self { node, ..self })
    }

    fn text<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.node.to_text() {
            Some(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
            Some(Cow::Owned(text)) => visitor.visit_string(text),
            None => self.any(visitor),
        }
    }

    fn integer<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        if let Shape::Integer(number) = self.node.shape() {
            return visitor.visit_i64(number.into());
        }
        let Some(number) = self.node.to_i128() else { return self.any(visitor) };
        if let Ok(number) = i64::try_from(number) {
            visitor.visit_i64(number)
        } else if let Ok(number) = u64::try_from(number) {
            visitor.visit_u64(number)
        } else {
            visitor.visit_i128(number)
        }
    }

    fn double<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.node.to_f64() {
            Some(number) => visitor.visit_f64(number),
            None => self.any(visitor),
        }
    }

    fn any<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.node.kind() {
            Kind::Undef => visitor.visit_unit(),
            Kind::Boolean(truth) => visitor.visit_bool(truth),
            Kind::Integer(number) => visitor.visit_i64(number),
            Kind::Double(number) => visitor.visit_f64(number),
            Kind::Octets(octets) => match str::from_utf8(octets) {
                Ok(text) if text.is_ascii() => visitor.visit_borrowed_str(text),
                _ => visitor.visit_borrowed_bytes(octets),
            },
            Kind::Text(text) => visitor.visit_borrowed_str(text),
            Kind::LaxText(octets) => visitor.visit_borrowed_bytes(octets),
            Kind::Array(_) => {
                visitor.visit_seq(Elements { of: self, elements: self.node.elements() })
            }
            Kind::Hash(_) => {
                visitor.visit_map(Pairs { of: self, pairs: self.node.pairs(), value: None })
            }
            Kind::Regexp { .. } => Err(SerdeError::custom("a regular expression is no data")),
            Kind::Reference(_) | Kind::WeakReference(_) => {
                Err(SerdeError::custom("a reference refers to itself"))
            }
        }
    }
}

macro_rules! forward {
    ($to:ident: $($method:ident)*) => {$(
        fn $method<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, SerdeError> {
            self.$to(visitor)
        }
    )*};
}

impl<'v> de::Deserializer<'v> for Deserializer<'v, '_> {
    type Error = SerdeError;

    forward!(integer: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128);
    forward!(double: deserialize_f32 deserialize_f64);
    forward!(text: deserialize_str deserialize_string deserialize_char deserialize_identifier);
    forward!(any: deserialize_any);

    fn deserialize_bool<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.node.to_bool() {
            Some(truth) => visitor.visit_bool(truth),
            None => self.any(visitor),
        }
    }

    fn deserialize_bytes<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.node.octets() {
            Some(octets) => visitor.visit_borrowed_bytes(octets),
            None => self.any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        if self.node.is_undef() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'v>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'v>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        if let Some(name) = self.node.to_text() {
            return visitor.visit_enum(name.into_deserializer());
        }
        let mut pairs = self.node.pairs();
        match (pairs.next(), pairs.next()) {
            (Some((name, content)), None) => {
                visitor.visit_enum(Variant { name, content: self.inner(content)? })
            }
            _ => Err(SerdeError::custom("a variant is its name, or a hash of one pair")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        <V: Visitor<'v>>
        unit unit_struct seq tuple tuple_struct map struct
    }
}

struct Elements<'v, 'm, I> {
    of: Deserializer<'v, 'm>,
    elements: I,
}

impl<'v, I: ExactSizeIterator<Item = Node<'v>>> de::SeqAccess<'v> for Elements<'v, '_, I> {
    type Error = SerdeError;

    fn next_element_seed<T: de::DeserializeSeed<'v>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, SerdeError> {
        let Some(element) = self.elements.next() else { return Ok(None) };
        seed.deserialize(self.of.inner(element)?).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.elements.len())
    }
}

struct Pairs<'v, 'm, I> {
    of: Deserializer<'v, 'm>,
    pairs: I,
    value: Option<Node<'v>>,
}

impl<'v, I: ExactSizeIterator<Item = (Key<'v>, Node<'v>)>> de::MapAccess<'v> for Pairs<'v, '_, I> {
    type Error = SerdeError;

    fn next_key_seed<T: de::DeserializeSeed<'v>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, SerdeError> {
        let Some((key, value)) = self.pairs.next() else { return Ok(None) };
        self.value = Some(value);
        seed.deserialize(MapKey { text: key.to_text() }).map(Some)
    }

    fn next_value_seed<T: de::DeserializeSeed<'v>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, SerdeError> {
        let value = self.value.take();
        let value =
            value.ok_or_else(|| SerdeError::custom("a value is asked for before its key"))?;
        seed.deserialize(self.of.inner(value)?)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.pairs.len())
    }
}

/// A key, which is text, but may be wanted as a number.
struct MapKey<'v> {
    text: Cow<'v, str>,
}

macro_rules! parsed {
    ($($method:ident: $visit:ident)*) => {$(
        fn $method<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, SerdeError> {
            match self.text.parse() {
                Ok(number) => visitor.$visit(number),
                Err(_) => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'v> de::Deserializer<'v> for MapKey<'v> {
    type Error = SerdeError;

    parsed!(deserialize_i8: visit_i8 deserialize_i16: visit_i16 deserialize_i32: visit_i32
        deserialize_i64: visit_i64 deserialize_u8: visit_u8 deserialize_u16: visit_u16
        deserialize_u32: visit_u32 deserialize_u64: visit_u64);

    fn deserialize_any<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.text {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_bool<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        visitor.visit_bool(!matches!(&*self.text, "" | "0"))
    }

    fn deserialize_option<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'v>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'v>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        visitor.visit_enum(self.text.into_deserializer())
    }

    forward_to_deserialize_any! {
        <V: Visitor<'v>>
        i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct
        map struct identifier ignored_any
    }
}

/// A variant that holds something.
struct Variant<'v, 'm> {
    name: Key<'v>,
    content: Deserializer<'v, 'm>,
}

impl<'v, 'm> de::EnumAccess<'v> for Variant<'v, 'm> {
    type Error = SerdeError;
    type Variant = Deserializer<'v, 'm>;

    fn variant_seed<T: de::DeserializeSeed<'v>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Self::Variant), SerdeError> {
        let name = seed.deserialize(MapKey { text: self.name.to_text() })?;
        Ok((name, self.content))
    }
}

impl<'v> de::VariantAccess<'v> for Deserializer<'v, '_> {
    type Error = SerdeError;

    fn unit_variant(self) -> Result<(), SerdeError> {
        Deserialize::deserialize(self)
    }

    fn newtype_variant_seed<T: de::DeserializeSeed<'v>>(
        self,
        seed: T,
    ) -> Result<T::Value, SerdeError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'v>>(self, _: usize, visitor: V) -> Result<V::Value, SerdeError> {
        self.any(visitor)
    }

    fn struct_variant<V: Visitor<'v>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        self.any(visitor)
    }
}
