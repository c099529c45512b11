//! One value in a structure.

use std::borrow::Cow;
use std::fmt;

use super::cells::{Shape, UNBLESSED};
use super::key::latin_1;
use super::number::{double_text, parse_double, parse_integer, whole};
use super::{Id, Key, Value};

/// One value in a structure, to look at.
///
/// What asks for contents or for elements goes through references first, as Perl's `->` does; only
/// [`kind`](Node::kind), [`class`](Node::class) and [`is_same`](Node::is_same) are about the very
/// value. A scalar is a number or text as it is needed, as in Perl: what was a number there may
/// arrive as text.
///
/// ```
/// use poe_filter::storable::{Kind, Value};
///
/// let image = b"\x05\x0b\x03\0\0\0\x01\x04\x02\0\0\0\x01\x0a\x0242\0\0\0\x01l"; // { l => ["42"] }
/// let value = Value::thaw(&image[..])?;
/// let list = value.root().get("l").unwrap();
/// assert!(matches!(list.kind(), Kind::Reference(_)));
/// assert_eq!(list.len(), 1);
/// assert_eq!(list.at(0).unwrap().to_i64(), Some(42));
/// # Ok::<(), poe_filter::storable::ThawError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Node<'a> {
    pub(super) value: &'a Value,
    pub(super) id: Id,
}

/// What a [`Node`] is.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Kind<'a> {
    /// `undef`.
    Undef,
    /// A truth value. Perl before 5.36 sends `1` and `""` instead.
    Boolean(bool),
    /// An integer. Perl sends those that need more than 32 bits as octets, in decimal.
    Integer(i64),
    /// A double, from a native image. Perl sends most of them as octets, in decimal.
    Double(f64),
    /// A string without characters above 255: octets, ASCII or Latin-1.
    Octets(&'a [u8]),
    /// A string of characters.
    Text(&'a str),
    /// A string of characters some of which are not Unicode (surrogates, or beyond 10FFFF), in the
    /// UTF-8 that Perl makes of them.
    LaxText(&'a [u8]),
    /// A regular expression, always of the class `Regexp`.
    Regexp {
        /// The expression.
        pattern: &'a [u8],
        /// Its modifiers, one letter each.
        modifiers: &'a [u8],
    },
    /// A reference to a value.
    Reference(Node<'a>),
    /// A reference that does not keep what it refers to alive in Perl.
    WeakReference(Node<'a>),
    /// An array, of this length.
    Array(usize),
    /// A hash, of this many pairs.
    Hash(usize),
}

impl<'a> Node<'a> {
    /// What this is.
    #[must_use]
    pub fn kind(self) -> Kind<'a> {
        let octets: &'a [u8] = &self.value.tables.octets;
        match self.shape() {
            Shape::Undef => Kind::Undef,
            Shape::Boolean(truth) => Kind::Boolean(truth),
            Shape::Integer(number) => Kind::Integer(number.into()),
            Shape::Double(number) => Kind::Double(number.into()),
            Shape::Octets(span) => Kind::Octets(span.of(octets)),
            Shape::Text(span) => match str::from_utf8(span.of(octets)) {
                Ok(text) => Kind::Text(text),
                Err(_) => Kind::LaxText(span.of(octets)),
            },
            Shape::Regexp(span) => regexp(span.of(octets)),
            Shape::Reference(id) => Kind::Reference(Node { id, ..self }),
            Shape::WeakReference(id) => Kind::WeakReference(Node { id, ..self }),
            Shape::Array(span) => Kind::Array(span.len as usize),
            Shape::Hash(span) => Kind::Hash(span.len as usize),
        }
    }

    /// The class that this is blessed into. Bytes that are not UTF-8 are replaced.
    ///
    /// ```
    /// use poe_filter::storable::Value;
    ///
    /// let value = Value::thaw(&b"\x05\x0b\x11\x03Foo\x02\0\0\0\0"[..])?; // bless [], "Foo"
    /// assert_eq!(value.root().class().unwrap(), "Foo");
    /// # Ok::<(), poe_filter::storable::ThawError>(())
    /// ```
    #[must_use]
    pub fn class(self) -> Option<Cow<'a, str>> {
        let tables = &self.value.tables;
        let class = tables.cell(self.id).class;
        if class == UNBLESSED {
            return None;
        }
        let name = tables.classes.get(class as usize)?.of(&tables.octets);
        Some(String::from_utf8_lossy(name))
    }

    /// Whether both are the very same value: one variable, not two with the same contents.
    ///
    /// ```
    /// use poe_filter::storable::Value;
    ///
    /// let image = b"\x05\x0b\x02\0\0\0\x01\x04\0\0\0\0\0"; // an array that holds itself
    /// let value = Value::thaw(&image[..])?;
    /// assert!(value.root().at(0).unwrap().follow().is_same(value.root()));
    /// # Ok::<(), poe_filter::storable::ThawError>(())
    /// ```
    #[must_use]
    pub fn is_same(self, other: Self) -> bool {
        std::ptr::eq(self.value, other.value) && self.id == other.id
    }

    /// What this refers to, through all references; itself, if it is none. References that only
    /// refer to one another lead to one of them.
    ///
    /// It takes a step for each reference, as does all that looks through references. An image can have
    /// as many as it has values.
    #[inline]
    #[must_use]
    pub fn follow(self) -> Self {
        let mut node = self;
        for _ in 0..self.value.values() {
            match node.shape() {
                Shape::Reference(id) | Shape::WeakReference(id) => node.id = id,
                _ => break,
            }
        }
        node
    }

    /// The value of this key, if this is a hash that has it.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Self> {
        let Shape::Hash(span) = self.follow().shape() else { return None };
        let tables = &self.value.tables;
        let entries = tables.entries(span);
        let key = Key::of(key);
        let at = entries.binary_search_by(|entry| entry.key(&tables.octets).cmp(&key)).ok()?;
        Some(Node { id: entries[at].value, ..self })
    }

    /// The element at this index, if this is an array that has it.
    #[must_use]
    pub fn at(self, index: usize) -> Option<Self> {
        let Shape::Array(span) = self.follow().shape() else { return None };
        self.value.tables.slots(span).get(index).map(|&id| Node { id, ..self })
    }

    /// The elements of an array; none if it is something else.
    #[inline]
    pub fn elements(self) -> impl ExactSizeIterator<Item = Node<'a>> {
        let slots = match self.follow().shape() {
            Shape::Array(span) => self.value.tables.slots(span),
            _ => &[],
        };
        slots.iter().map(move |&id| Node { id, ..self })
    }

    /// The pairs of a hash, in the order of their keys; none if it is something else.
    #[inline]
    pub fn pairs(self) -> impl ExactSizeIterator<Item = (Key<'a>, Node<'a>)> {
        let tables = &self.value.tables;
        let entries = match self.follow().shape() {
            Shape::Hash(span) => tables.entries(span),
            _ => &[],
        };
        entries
            .iter()
            .map(move |entry| (entry.key(&tables.octets), Node { id: entry.value, ..self }))
    }

    /// How many elements or pairs there are.
    #[must_use]
    pub fn len(self) -> usize {
        match self.follow().shape() {
            Shape::Array(span) | Shape::Hash(span) => span.len as usize,
            _ => 0,
        }
    }

    /// Whether there are no elements or pairs.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether this is `undef`.
    #[must_use]
    pub fn is_undef(self) -> bool {
        matches!(self.follow().shape(), Shape::Undef)
    }

    /// A scalar as Perl would use it for a condition; `None` if this is an array or a hash.
    #[must_use]
    pub fn to_bool(self) -> Option<bool> {
        match self.follow().kind() {
            Kind::Undef => Some(false),
            Kind::Boolean(truth) => Some(truth),
            Kind::Integer(number) => Some(number != 0),
            Kind::Double(number) => Some(number != 0.0),
            Kind::Octets(octets) => Some(!matches!(octets, b"" | b"0")),
            Kind::Text(text) => Some(!matches!(text, "" | "0")),
            Kind::LaxText(_) => Some(true),
            _ => None,
        }
    }

    /// A scalar as an integer, if it is one, be it written as text.
    #[must_use]
    pub fn to_i64(self) -> Option<i64> {
        self.to_i128()?.try_into().ok()
    }

    pub(super) fn to_i128(self) -> Option<i128> {
        match self.follow().kind() {
            Kind::Boolean(truth) => Some(truth.into()),
            Kind::Integer(number) => Some(number.into()),
            Kind::Double(number) => whole(number).map(i128::from),
            Kind::Octets(text) => parse_integer(text),
            Kind::Text(text) => parse_integer(text.as_bytes()),
            _ => None,
        }
    }

    /// A scalar as a number, if it is one, be it written as text.
    #[must_use]
    pub fn to_f64(self) -> Option<f64> {
        match self.follow().kind() {
            Kind::Boolean(truth) => Some(truth.into()),
            Kind::Integer(number) => Some(number as f64),
            Kind::Double(number) => Some(number),
            Kind::Octets(text) => parse_double(text),
            Kind::Text(text) => parse_double(text.as_bytes()),
            _ => None,
        }
    }

    /// A scalar as text, octets being the characters of their numbers, as they are in Perl; `None`
    /// if this is `undef` or no scalar. Characters that are not Unicode are replaced.
    #[must_use]
    pub fn to_text(self) -> Option<Cow<'a, str>> {
        scalar_text(self.follow().shape(), &self.value.tables.octets)
    }

    /// The octets of a string, those of text being its UTF-8; `None` if this is something else.
    #[must_use]
    pub fn octets(self) -> Option<&'a [u8]> {
        match self.follow().kind() {
            Kind::Octets(octets) | Kind::LaxText(octets) => Some(octets),
            Kind::Text(text) => Some(text.as_bytes()),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn shape(self) -> Shape {
        self.value.tables.cell(self.id).shape
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not its kind, which may be a reference to itself.
        f.debug_struct("Node").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The text of a scalar; `None` if it is `undef` or no scalar.
pub(super) fn scalar_text(shape: Shape, octets: &[u8]) -> Option<Cow<'_, str>> {
    Some(match shape {
        Shape::Boolean(truth) => Cow::Borrowed(if truth { "1" } else { "" }),
        Shape::Integer(number) => Cow::Owned(i64::from(number).to_string()),
        Shape::Double(number) => Cow::Owned(double_text(number.into())),
        Shape::Octets(span) => latin_1(span.of(octets)),
        Shape::Text(span) => String::from_utf8_lossy(span.of(octets)),
        _ => return None,
    })
}

/// Takes a regular expression apart: its pattern, the number of its modifiers, and these.
pub(super) fn regexp(octets: &[u8]) -> Kind<'_> {
    // The number is no letter, so that counting from the end is unambiguous.
    let letters = octets.iter().rev().take_while(|octet| octet.is_ascii_alphabetic()).count();
    let (front, modifiers) = octets.split_at(octets.len() - letters);
    let pattern = front.split_last().map(|(_, pattern)| pattern).unwrap_or_default();
    Kind::Regexp { pattern, modifiers }
}
