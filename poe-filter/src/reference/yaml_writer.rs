//! Data written in the YAML that Perl's YAML module reads, which is less than there is.
//!
//! It knows no null but `~`, nothing empty on a line of its own, and no escape of more than two digits. Even within
//! quotes it may take a number sign for a comment, and an escaped quotation mark for the end.

use std::fmt::{Display, Write};

use serde::ser::{self, Error as _, Serialize};
use yaml_serde::Error;

/// How long a key may be, in octets, to stand on one line with its value: readers look that far for its colon.
const LONGEST_KEY: usize = 1000;

/// The name of a newtype whose text is a scalar as it is.
pub(super) const PLAIN: &str = "poe_filter::reference::YamlValue::Plain";

/// Writes one document.
pub(super) fn write<T: Serialize + ?Sized>(data: &T) -> Result<String, Error> {
    let mut out = "---".to_owned();
    data.serialize(Node { out: &mut out, indent: 0, tag: None, plain: false, lone_key: false })?;
    Ok(out)
}

/// A place for a value, on a line that has begun: behind the dashes, the dash of an element, or a key.
struct Node<'o> {
    out: &'o mut String,
    /// Of what the value is made of, if that takes lines of its own.
    indent: usize,
    /// The name of the enum's variant that the value is.
    tag: Option<String>,
    /// Whether a string is not one, but the text of another scalar.
    plain: bool,
    /// Whether it is the key of a map of one pair, which may be no key, but the tag of the value.
    lone_key: bool,
}

impl<'o> Node<'o> {
    fn scalar(self, text: impl Display) -> Result<(), Error> {
        let out = self.tagged();
        // A string takes all that there is.
        let _ = writeln!(out, " {text}");
        Ok(())
    }

    /// Puts the tag, if there is one.
    fn tagged(self) -> &'o mut String {
        if let Some(tag) = &self.tag {
            self.out.push_str(" !");
            for octet in tag.bytes() {
                match octet {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => {
                        self.out.push(octet.into());
                    }
                    _ => {
                        let _ = write!(self.out, "%{octet:02X}");
                    }
                }
            }
        }
        self.out
    }

    fn variant(mut self, name: &str) -> Result<Self, Error> {
        if self.tag.is_some() {
            return Err(Error::custom("YAML has no enum directly within an enum"));
        }
        if name.is_empty() {
            return Err(Error::custom("YAML has no variant without a name"));
        }
        self.tag = Some(name.to_owned());
        Ok(self)
    }

    fn collection(self, none: &'static str) -> Collection<'o> {
        let indent = self.indent;
        Collection { out: self.tagged(), indent, none: Some(none) }
    }
}

macro_rules! plain {
    ($($method:ident: $type:ty,)*) => {
        $(fn $method(self, value: $type) -> Result<(), Error> {
            self.scalar(value)
        })*
    };
}

impl<'o> ser::Serializer for Node<'o> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Collection<'o>;
    type SerializeTuple = Collection<'o>;
    type SerializeTupleStruct = Collection<'o>;
    type SerializeTupleVariant = Collection<'o>;
    type SerializeMap = Map<'o>;
    type SerializeStruct = Collection<'o>;
    type SerializeStructVariant = Collection<'o>;

    plain! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_i128: i128,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_u128: u128,
    }

    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        match value.is_finite() {
            true => self.scalar(format_args!("{value:?}")),
            false => self.serialize_f64(value.into()),
        }
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        match value {
            f64::INFINITY => self.scalar(".inf"),
            f64::NEG_INFINITY => self.scalar("-.inf"),
            _ if value.is_nan() => self.scalar(".nan"),
            _ => self.scalar(format_args!("{value:?}")),
        }
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        match is_plain(value) || self.plain && is_token(value) {
            true => self.scalar(value),
            false => self.scalar(Quoted(value)),
        }
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), Error> {
        Err(Error::custom("YAML has text, and no octets; a list of numbers may do"))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        let text = value.to_string();
        if self.lone_key && text.len() > 1 && text.starts_with('!') {
            self.out.push_str(&text);
            return Ok(());
        }
        self.serialize_str(&text)
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.scalar("~")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(Self { plain: name == PLAIN, ..self })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self.variant(variant)?)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Collection<'o>, Error> {
        Ok(self.collection("[]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Collection<'o>, Error> {
        Ok(self.collection("[]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Collection<'o>, Error> {
        Ok(self.collection("[]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Collection<'o>, Error> {
        Ok(self.variant(variant)?.collection("[]"))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Map<'o>, Error> {
        let (lone, indent) = (length == Some(1), self.indent);
        Ok(Map { lone, indent, key: String::new(), place: Place::Node(self) })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Collection<'o>, Error> {
        Ok(self.collection("{}"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Collection<'o>, Error> {
        Ok(self.variant(variant)?.collection("{}"))
    }
}

/// A list or a hash, each element of which has lines of its own.
pub(super) struct Collection<'o> {
    out: &'o mut String,
    indent: usize,
    /// What it is as long as it has no element.
    none: Option<&'static str>,
}

impl Collection<'_> {
    fn line(&mut self, begin: &str) -> Node<'_> {
        if self.none.take().is_some() {
            self.out.push('\n');
        }
        self.out.extend(std::iter::repeat_n(' ', self.indent));
        self.out.push_str(begin);
        Node { out: self.out, indent: self.indent + 2, tag: None, plain: false, lone_key: false }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(self.line("-"))
    }

    /// A pair, of a key that has been written.
    fn pair<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), Error> {
        let simple = key.strip_prefix(' ').map(str::trim_end);
        let simple =
            simple.filter(|key| key.len() <= LONGEST_KEY && !key.starts_with(['[', '{', '!']));
        match simple {
            Some(key) => value.serialize(self.line(&format!("{key}:"))),
            None => {
                self.line("?").out.push_str(key);
                value.serialize(self.line(":"))
            }
        }
    }

    fn done(self) -> Result<(), Error> {
        if let Some(none) = self.none {
            let _ = writeln!(self.out, " {none}");
        }
        Ok(())
    }
}

macro_rules! list {
    ($($trait:ident $method:ident,)*) => {
        $(impl ser::$trait for Collection<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.element(value)
            }

            fn end(self) -> Result<(), Error> {
                self.done()
            }
        })*
    };
}

list! {
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field,
}

macro_rules! fields {
    ($($trait:ident,)*) => {
        $(impl ser::$trait for Collection<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                self.pair(&write_key(key, self.indent, false)?, value)
            }

            fn end(self) -> Result<(), Error> {
                self.done()
            }
        })*
    };
}

fields! { SerializeStruct, SerializeStructVariant, }

/// A map, or the one pair by which a value of `yaml_serde` tells its tag.
pub(super) struct Map<'o> {
    lone: bool,
    indent: usize,
    /// As it is written, of the pair that is to come.
    key: String,
    place: Place<'o>,
}

enum Place<'o> {
    Node(Node<'o>),
    Pairs(Collection<'o>),
    Done,
}

impl ser::SerializeMap for Map<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key = write_key(key, self.indent, self.lone)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let mut pairs = match std::mem::replace(&mut self.place, Place::Done) {
            Place::Node(node) => match self.key.strip_prefix('!') {
                Some(tag) => return value.serialize(node.variant(tag)?),
                None => node.collection("{}"),
            },
            Place::Pairs(pairs) => pairs,
            Place::Done => return Err(Error::custom("a map has more pairs than it said")),
        };
        pairs.pair(&self.key, value)?;
        self.place = Place::Pairs(pairs);
        Ok(())
    }

    fn end(self) -> Result<(), Error> {
        match self.place {
            Place::Node(node) => node.collection("{}").done(),
            Place::Pairs(pairs) => pairs.done(),
            Place::Done => Ok(()),
        }
    }
}

/// A key as it is behind its mark, be it on that line or below.
fn write_key<T: Serialize + ?Sized>(key: &T, indent: usize, lone: bool) -> Result<String, Error> {
    let mut out = String::new();
    key.serialize(Node {
        out: &mut out,
        indent: indent + 2,
        tag: None,
        plain: false,
        lone_key: lone,
    })?;
    Ok(out)
}

/// Whether a string is one for every reader without quotes.
fn is_plain(text: &str) -> bool {
    const NO_STRINGS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"_-./".contains(&octet))
        && !NO_STRINGS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether a text can be a scalar without quotes, be it a string or not, wherever that stands.
fn is_token(text: &str) -> bool {
    text.bytes().any(|octet| octet.is_ascii_alphanumeric())
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet))
}

/// A string in quotes, on one line.
struct Quoted<'t>(&'t str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\t' => f.write_str("\\t")?,
                '\r' => f.write_str("\\r")?,
                '"' | '#' | '\0'..='\x1F' | '\x7F'..='\u{9F}' => {
                    write!(f, "\\x{:02x}", u32::from(character))?;
                }
                // What no image may have as it is, and the ends of lines that Perl's has no escape for.
                '\u{2028}' | '\u{2029}' | '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}' => {
                    write!(f, "\\u{:04x}", u32::from(character))?;
                }
                _ => f.write_char(character)?,
            }
        }
        f.write_char('"')
    }
}
