//! How large the data of an image is, if parts of it are referred to by others.

use std::cell::Cell;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// What data may have beyond four times its image, in octets.
const MOST: usize = 16 << 20;

/// What each value counts for beside its text.
const VALUE: usize = 64;

/// Walks through data, keeping none of it, and fails where it is much larger than an image of so many octets.
pub(super) fn check<'d, D: Deserializer<'d>>(data: D, image: usize) -> Result<(), D::Error> {
    let rest = Cell::new(image.saturating_mul(4).saturating_add(MOST));
    Walk { rest: &rest }.deserialize(data)
}

#[derive(Clone, Copy)]
struct Walk<'r> {
    rest: &'r Cell<usize>,
}

impl Walk<'_> {
    fn spend<E: Error>(self, octets: usize) -> Result<(), E> {
        let rest = self.rest.get().checked_sub(VALUE + octets);
        self.rest.set(rest.ok_or_else(|| E::custom("what is shared expands to too much"))?);
        Ok(())
    }
}

impl<'d> DeserializeSeed<'d> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'d>>(self, data: D) -> Result<(), D::Error> {
        data.deserialize_any(self)
    }
}

macro_rules! scalars {
    ($($visit:ident: $type:ty),*) => {$(
        fn $visit<E: Error>(self, _: $type) -> Result<(), E> {
            self.spend(0)
        }
    )*};
}

impl<'d> Visitor<'d> for Walk<'_> {
    type Value = ();

    scalars!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_i128: i128, visit_u128: u128,
        visit_f64: f64);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any data")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.spend(text.len())
    }

    fn visit_bytes<E: Error>(self, octets: &[u8]) -> Result<(), E> {
        self.spend(octets.len())
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.spend(0)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.spend(0)
    }

    fn visit_some<D: Deserializer<'d>>(self, data: D) -> Result<(), D::Error> {
        self.deserialize(data)
    }

    fn visit_newtype_struct<D: Deserializer<'d>>(self, data: D) -> Result<(), D::Error> {
        self.deserialize(data)
    }

    fn visit_seq<A: SeqAccess<'d>>(self, mut elements: A) -> Result<(), A::Error> {
        self.spend(0)?;
        while elements.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'d>>(self, mut pairs: A) -> Result<(), A::Error> {
        self.spend(0)?;
        while pairs.next_key_seed(self)?.is_some() {
            pairs.next_value_seed(self)?;
        }
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'d>>(self, tagged: A) -> Result<(), A::Error> {
        let ((), content) = tagged.variant_seed(self)?;
        content.newtype_variant_seed(self)
    }
}
