//! Data read within limits, by whatever `serde` reads it from.

use std::cell::Cell;
use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use crate::data_limits::{COMPOUND, VALUE};
use crate::{DataLimitError, DataLimits};

#[cfg(any(feature = "reference", feature = "json"))]
type BoxedError = Box<dyn std::error::Error + Send + Sync>;

/// What is left of the limits for the data of one image.
pub(crate) struct Meter {
    depth: usize,
    memory: usize,
    rest: Cell<usize>,
    exceeded: Cell<Option<DataLimitError>>,
}

impl Meter {
    /// For an image of so many octets.
    pub(crate) fn new(limits: DataLimits, image: usize) -> Self {
        let memory = limits.memory(image);
        Self { depth: limits.depth(), memory, rest: Cell::new(memory), exceeded: Cell::default() }
    }

    /// Reads data, which fails as soon as it exceeds the limits.
    pub(crate) fn read<'d, T: Deserialize<'d>, D: Deserializer<'d>>(
        &self,
        from: D,
    ) -> Result<T, D::Error> {
        self.spend(VALUE)?;
        T::deserialize(Metered { inner: from, meter: self, depth: 0 })
    }

    #[cfg(any(feature = "msgpack", feature = "cbor"))]
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// How many octets the data may take.
    #[cfg(all(feature = "storable", feature = "reference"))]
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    /// What is wrong with data that takes more.
    pub(crate) fn too_much(&self) -> DataLimitError {
        DataLimitError::Memory { limit: self.memory }
    }

    /// Why reading failed: a limit that was exceeded, which `error` has the text of, or else `error`.
    #[cfg(any(feature = "reference", feature = "json"))]
    pub(crate) fn explain(&self, error: impl Into<BoxedError>) -> BoxedError {
        match self.exceeded.get() {
            Some(limit) => limit.into(),
            None => error.into(),
        }
    }

    #[inline]
    pub(crate) fn spend<E: Error>(&self, octets: usize) -> Result<(), E> {
        match self.rest.get().checked_sub(octets) {
            Some(rest) => {
                self.rest.set(rest);
                Ok(())
            }
            None => Err(self.exceed(self.too_much())),
        }
    }

    #[cold]
    fn exceed<E: Error>(&self, error: DataLimitError) -> E {
        self.exceeded.set(Some(error));
        E::custom(error)
    }
}

/// Something of `serde`, with the meter that what goes through it is on.
struct Metered<'m, T> {
    inner: T,
    meter: &'m Meter,
    depth: usize,
}

impl<'m, T> Metered<'m, T> {
    /// Something else in the same place.
    fn with<U>(&self, inner: U) -> Metered<'m, U> {
        Metered { inner, meter: self.meter, depth: self.depth }
    }

    /// One level deeper.
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let limit = self.meter.depth;
        if self.depth >= limit {
            return Err(self.meter.exceed(DataLimitError::Depth { limit }));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    fn spend<E: Error>(&self, octets: usize) -> Result<(), E> {
        self.meter.spend(octets)
    }
}

macro_rules! deserialize {
    ($($method:ident($($argument:ident: $type:ty),*))*) => {$(
        #[inline]
        fn $method<V: Visitor<'d>>(
            self,
            $($argument: $type,)*
            visitor: V,
        ) -> Result<V::Value, D::Error> {
            let visitor = self.with(visitor);
            self.inner.$method($($argument,)* visitor)
        }
    )*};
}

impl<'d, D: Deserializer<'d>> Deserializer<'d> for Metered<'_, D> {
    type Error = D::Error;

    deserialize! {
        deserialize_any() deserialize_ignored_any() deserialize_identifier()
        deserialize_bool() deserialize_char() deserialize_f32() deserialize_f64()
        deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_str() deserialize_string() deserialize_bytes() deserialize_byte_buf()
        deserialize_option() deserialize_unit() deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str)
        deserialize_seq() deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_map()
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! visit {
    (scalars: $($method:ident: $type:ty),*) => {$(
        #[inline]
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
    (texts: $($method:ident: $type:ty),*) => {$(
        #[inline]
        fn $method<E: Error>(self, text: $type) -> Result<V::Value, E> {
            self.spend(COMPOUND + text.len())?;
            self.inner.$method(text)
        }
    )*};
}

impl<'d, V: Visitor<'d>> Visitor<'d> for Metered<'_, V> {
    type Value = V::Value;

    visit!(scalars: visit_bool: bool, visit_char: char, visit_f32: f32, visit_f64: f64,
        visit_i8: i8, visit_i16: i16, visit_i32: i32, visit_i64: i64, visit_i128: i128,
        visit_u8: u8, visit_u16: u16, visit_u32: u32, visit_u64: u64, visit_u128: u128);
    visit!(texts: visit_str: &str, visit_borrowed_str: &'d str, visit_string: String,
        visit_bytes: &[u8], visit_borrowed_bytes: &'d [u8], visit_byte_buf: Vec<u8>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'d>>(self, data: D) -> Result<V::Value, D::Error> {
        let data = self.with(data);
        self.inner.visit_some(data)
    }

    fn visit_newtype_struct<D: Deserializer<'d>>(self, data: D) -> Result<V::Value, D::Error> {
        let data = self.with(data);
        self.inner.visit_newtype_struct(data)
    }

    fn visit_seq<A: SeqAccess<'d>>(self, elements: A) -> Result<V::Value, A::Error> {
        let paid = elements.size_hint().unwrap_or(0);
        let elements = self.with(elements).deeper()?;
        elements.spend(paid.saturating_mul(VALUE).saturating_add(COMPOUND))?;
        self.inner.visit_seq(Parts { of: elements, paid })
    }

    fn visit_map<A: MapAccess<'d>>(self, pairs: A) -> Result<V::Value, A::Error> {
        let paid = pairs.size_hint().unwrap_or(0);
        let pairs = self.with(pairs).deeper()?;
        pairs.spend(paid.saturating_mul(2 * VALUE).saturating_add(COMPOUND))?;
        self.inner.visit_map(Parts { of: pairs, paid })
    }

    fn visit_enum<A: EnumAccess<'d>>(self, variant: A) -> Result<V::Value, A::Error> {
        let variant = self.with(variant).deeper()?;
        self.inner.visit_enum(variant)
    }
}

impl<'d, S: DeserializeSeed<'d>> DeserializeSeed<'d> for Metered<'_, S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'d>>(self, data: D) -> Result<S::Value, D::Error> {
        let data = self.with(data);
        self.inner.deserialize(data)
    }
}

/// The elements or pairs of something.
struct Parts<'m, A> {
    of: Metered<'m, A>,
    /// How many were announced and are still to come. They have been counted.
    paid: usize,
}

impl<A> Parts<'_, A> {
    /// Counts another part, or two.
    #[inline]
    fn another<E: Error>(&mut self, values: usize) -> Result<(), E> {
        match self.paid.checked_sub(1) {
            Some(rest) => {
                self.paid = rest;
                Ok(())
            }
            None => self.of.spend(values * VALUE),
        }
    }
}

impl<'d, A: SeqAccess<'d>> SeqAccess<'d> for Parts<'_, A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'d>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let seed = self.of.with(seed);
        // Passed on as it is, not taken apart: each copy of an element costs more than counting it.
        let element = self.of.inner.next_element_seed(seed);
        if let Ok(Some(_)) = element {
            self.another(1)?;
        }
        element
    }

    fn size_hint(&self) -> Option<usize> {
        self.of.inner.size_hint()
    }
}

impl<'d, A: MapAccess<'d>> MapAccess<'d> for Parts<'_, A> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'d>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let seed = self.of.with(seed);
        let key = self.of.inner.next_key_seed(seed);
        if let Ok(Some(_)) = key {
            self.another(2)?;
        }
        key
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'d>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.of.with(seed);
        self.of.inner.next_value_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.of.inner.size_hint()
    }
}

impl<'d, 'm, A: EnumAccess<'d>> EnumAccess<'d> for Metered<'m, A> {
    type Error = A::Error;
    type Variant = Metered<'m, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'d>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let seed = self.with(seed);
        let Self { inner, meter, depth } = self;
        let (name, content) = inner.variant_seed(seed)?;
        Ok((name, Metered { inner: content, meter, depth }))
    }
}

impl<'d, A: VariantAccess<'d>> VariantAccess<'d> for Metered<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'d>>(self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.with(seed);
        self.inner.newtype_variant_seed(seed)
    }

    fn tuple_variant<V: Visitor<'d>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        let visitor = self.with(visitor);
        self.inner.tuple_variant(len, visitor)
    }

    fn struct_variant<V: Visitor<'d>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let visitor = self.with(visitor);
        self.inner.struct_variant(fields, visitor)
    }
}
