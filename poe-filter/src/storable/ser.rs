//! Any data as a value, by `serde`.

use std::fmt::Display;

use serde::ser::{self, Serialize};

use super::cells::Entry;
use super::{Builder, Id, SerdeError, Value};

/// Makes a value of any data. Structs and maps are hashes, sequences arrays, nothing is `undef`; a
/// variant of an enum is its name, or a hash of its name and what it holds.
///
/// ```
/// use poe_filter::storable::{from_value, to_value};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Debug, PartialEq)]
/// struct Job {
///     name: String,
///     weights: Vec<f64>,
///     after: Option<u32>,
/// }
///
/// let job = Job { name: "tidy".into(), weights: vec![1.0, 2.5], after: None };
/// let value = to_value(&job)?;
/// assert_eq!(value.root().get("name").unwrap().to_text().unwrap(), "tidy");
/// assert_eq!(from_value::<Job>(&value)?, job);
/// # Ok::<(), poe_filter::storable::SerdeError>(())
/// ```
///
/// # Errors
///
/// [`SerdeError`] if a map has keys that are no scalars, if the data says so, or if it is too much.
pub fn to_value<T: Serialize + ?Sized>(data: &T) -> Result<Value, SerdeError> {
    let mut build = Builder::new();
    let root = data.serialize(Serializer { build: &mut build })?;
    build.finish(root).map_err(ser::Error::custom)
}

struct Serializer<'b> {
    build: &'b mut Builder,
}

/// What is made of elements.
struct Elements<'b> {
    build: &'b mut Builder,
    ids: Vec<Id>,
    variant: Option<&'static str>,
}

/// What is made of pairs.
struct Pairs<'b> {
    build: &'b mut Builder,
    /// The pair whose value is still to come.
    key: Option<Entry>,
    pairs: Vec<Entry>,
    variant: Option<&'static str>,
}

/// For how many parts room is made at once at most, however many are announced.
const ROOM: usize = 1024;

impl<'b> Serializer<'b> {
    fn text(self, text: impl Display) -> Result<Id, SerdeError> {
        Ok(self.build.text(&text.to_string()))
    }

    fn elements(
        self,
        len: usize,
        variant: Option<&'static str>,
    ) -> Result<Elements<'b>, SerdeError> {
        Ok(Elements { build: self.build, ids: Vec::with_capacity(len.min(ROOM)), variant })
    }

    fn pairs(self, len: usize, variant: Option<&'static str>) -> Result<Pairs<'b>, SerdeError> {
        let pairs = Vec::with_capacity(len.min(ROOM));
        Ok(Pairs { build: self.build, key: None, pairs, variant })
    }
}

/// A value, or what holds it under the name of a variant.
fn under(build: &mut Builder, variant: Option<&str>, id: Id) -> Id {
    match variant {
        Some(name) => build.hash([(name, id)]),
        None => id,
    }
}

macro_rules! integers {
    ($($method:ident: $type:ty),*) => {$(
        fn $method(self, number: $type) -> Result<Id, SerdeError> {
            match i64::try_from(number) {
                Ok(number) => Ok(self.build.integer(number)),
                Err(_) => self.text(number),
            }
        }
    )*};
}

impl<'b> ser::Serializer for Serializer<'b> {
    type Ok = Id;
    type Error = SerdeError;
    type SerializeSeq = Elements<'b>;
    type SerializeTuple = Elements<'b>;
    type SerializeTupleStruct = Elements<'b>;
    type SerializeTupleVariant = Elements<'b>;
    type SerializeMap = Pairs<'b>;
    type SerializeStruct = Pairs<'b>;
    type SerializeStructVariant = Pairs<'b>;

    integers!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_i128: i128, serialize_u128: u128
    );

    fn serialize_bool(self, truth: bool) -> Result<Id, SerdeError> {
        Ok(self.build.boolean(truth))
    }

    fn serialize_f32(self, number: f32) -> Result<Id, SerdeError> {
        // By its digits, so that 0.1 does not become 0.10000000149011612.
        let digits = number.to_string();
        Ok(self.build.double(digits.parse().unwrap_or_else(|_| number.into())))
    }

    fn serialize_f64(self, number: f64) -> Result<Id, SerdeError> {
        Ok(self.build.double(number))
    }

    fn serialize_char(self, c: char) -> Result<Id, SerdeError> {
        self.text(c)
    }

    fn serialize_str(self, text: &str) -> Result<Id, SerdeError> {
        Ok(self.build.text(text))
    }

    fn serialize_bytes(self, octets: &[u8]) -> Result<Id, SerdeError> {
        Ok(self.build.octets(octets))
    }

    fn serialize_none(self) -> Result<Id, SerdeError> {
        Ok(self.build.undef())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, data: &T) -> Result<Id, SerdeError> {
        data.serialize(self)
    }

    fn serialize_unit(self) -> Result<Id, SerdeError> {
        Ok(self.build.undef())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Id, SerdeError> {
        Ok(self.build.undef())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Id, SerdeError> {
        Ok(self.build.text(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        data: &T,
    ) -> Result<Id, SerdeError> {
        data.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        data: &T,
    ) -> Result<Id, SerdeError> {
        let id = data.serialize(Serializer { build: self.build })?;
        Ok(under(self.build, Some(variant), id))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Elements<'b>, SerdeError> {
        self.elements(len.unwrap_or(0), None)
    }

    fn serialize_tuple(self, len: usize) -> Result<Elements<'b>, SerdeError> {
        self.elements(len, None)
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        len: usize,
    ) -> Result<Elements<'b>, SerdeError> {
        self.elements(len, None)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Elements<'b>, SerdeError> {
        self.elements(len, Some(variant))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Pairs<'b>, SerdeError> {
        self.pairs(len.unwrap_or(0), None)
    }

    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Pairs<'b>, SerdeError> {
        self.pairs(len, None)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Pairs<'b>, SerdeError> {
        self.pairs(len, Some(variant))
    }
}

impl Elements<'_> {
    fn add<T: Serialize + ?Sized>(&mut self, data: &T) -> Result<(), SerdeError> {
        self.ids.push(data.serialize(Serializer { build: self.build })?);
        Ok(())
    }

    fn finish(self) -> Result<Id, SerdeError> {
        let array = self.build.array(self.ids);
        Ok(under(self.build, self.variant, array))
    }
}

impl Pairs<'_> {
    fn finish(self) -> Result<Id, SerdeError> {
        let hash = self.build.hash_of(&self.pairs);
        Ok(under(self.build, self.variant, hash))
    }
}

macro_rules! elements {
    ($($trait:ident: $method:ident),*) => {$(
        impl ser::$trait for Elements<'_> {
            type Ok = Id;
            type Error = SerdeError;

            fn $method<T: Serialize + ?Sized>(&mut self, data: &T) -> Result<(), SerdeError> {
                self.add(data)
            }

            fn end(self) -> Result<Id, SerdeError> {
                self.finish()
            }
        }
    )*};
}

elements!(
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field
);

macro_rules! fields {
    ($($trait:ident),*) => {$(
        impl ser::$trait for Pairs<'_> {
            type Ok = Id;
            type Error = SerdeError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                data: &T,
            ) -> Result<(), SerdeError> {
                let id = data.serialize(Serializer { build: self.build })?;
                let entry = self.build.entry(key, id);
                self.pairs.push(entry);
                Ok(())
            }

            fn end(self) -> Result<Id, SerdeError> {
                self.finish()
            }
        }
    )*};
}

fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Pairs<'_> {
    type Ok = Id;
    type Error = SerdeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), SerdeError> {
        // Any scalar may be a key; what is none has no text.
        let key = key.serialize(Serializer { build: self.build })?;
        let key = self.build.key(key);
        let key = key.ok_or_else(|| ser::Error::custom("the key of a map is no scalar"))?;
        self.key = Some(key);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, data: &T) -> Result<(), SerdeError> {
        let value = data.serialize(Serializer { build: self.build })?;
        let key = self.key.take().unwrap_or(Entry::NONE);
        self.pairs.push(Entry { value, ..key });
        Ok(())
    }

    fn end(self) -> Result<Id, SerdeError> {
        self.finish()
    }
}
