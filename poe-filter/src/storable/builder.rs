//! Makes a structure of data.

use std::fmt;

use bytes::Bytes;

use super::cells::{Cell, Entry, Shape, Span, Tables, UNBLESSED};
use super::{FreezeError, Value};

/// A value in a [`Builder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id(pub(super) u32);

/// Makes a [`Value`], one piece after the other.
///
/// Each method makes a value and gives its [`Id`], by which others contain it or refer to it. An
/// array or hash put into another is there by reference, as in Perl. A value that is put into several
/// places is shared by them: the array that two references refer to, or a scalar with two names.
///
/// ```
/// use poe_filter::storable::{Builder, Value};
///
/// // my $config = { debug => 1 }; my $me = bless { config => $config, backup => $config }, "Me";
/// // $me->{self} = $me;
/// let mut build = Builder::new();
/// let debug = build.integer(1);
/// let config = build.hash([("debug", debug)]);
/// let me = build.undef();
/// build.assign_hash(me, [("config", config), ("backup", config), ("self", me)]);
/// build.bless(me, "Me");
/// let value = build.finish(me)?;
///
/// let me = value.root();
/// assert_eq!(me.class().unwrap(), "Me");
/// assert!(me.get("self").unwrap().follow().is_same(me));
/// let [one, other] = ["config", "backup"].map(|key| me.get(key).unwrap().follow());
/// assert!(one.is_same(other));
/// assert_eq!(Value::thaw(value.nfreeze()?)?, value);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// An [`Id`] of another builder stands for any value of this one, or for `undef`.
#[derive(Default)]
pub struct Builder {
    tables: Tables<Vec<u8>>,
    /// What did not fit any more: how long the whole would have been.
    excess: Option<usize>,
}

impl Builder {
    /// A builder without values.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `undef`, or a variable to assign an array or a hash to.
    pub fn undef(&mut self) -> Id {
        self.add(Shape::Undef)
    }

    /// A truth value: `1` or the empty string, which every Perl understands.
    pub fn boolean(&mut self, truth: bool) -> Id {
        self.add(Shape::Boolean(truth))
    }

    /// An integer.
    pub fn integer(&mut self, number: i64) -> Id {
        self.add(Shape::Integer(number.into()))
    }

    /// A double.
    pub fn double(&mut self, number: f64) -> Id {
        self.add(Shape::Double(number.into()))
    }

    /// A string of characters.
    pub fn text(&mut self, text: &str) -> Id {
        let span = self.keep(text.as_bytes());
        self.add(Shape::Text(span))
    }

    /// A string of octets.
    pub fn octets(&mut self, octets: &[u8]) -> Id {
        let span = self.keep(octets);
        self.add(Shape::Octets(span))
    }

    /// A reference to a value, such as Perl's `\$value`.
    ///
    /// ```
    /// use poe_filter::storable::Builder;
    ///
    /// let mut build = Builder::new();
    /// let hi = build.octets(b"hi");
    /// let reference = build.reference(hi);
    /// let list = build.array([reference, reference]); // [\$hi, \$hi], by one reference
    /// assert_eq!(build.finish(list)?.root().at(1).unwrap().octets(), Some(&b"hi"[..]));
    /// # Ok::<(), poe_filter::storable::FreezeError>(())
    /// ```
    pub fn reference(&mut self, to: Id) -> Id {
        self.add(Shape::Reference(to))
    }

    /// A reference that does not keep what it refers to alive in Perl.
    pub fn weak_reference(&mut self, to: Id) -> Id {
        self.add(Shape::WeakReference(to))
    }

    /// An array of these elements.
    pub fn array(&mut self, elements: impl IntoIterator<Item = Id>) -> Id {
        let array = self.undef();
        self.assign_array(array, elements);
        array
    }

    /// A hash of these pairs. Of pairs with the same key, the last one counts.
    pub fn hash<'k>(&mut self, pairs: impl IntoIterator<Item = (&'k str, Id)>) -> Id {
        let hash = self.undef();
        self.assign_hash(hash, pairs);
        hash
    }

    /// Makes a value that was made before an array, so that its elements may refer to it.
    pub fn assign_array(&mut self, array: Id, elements: impl IntoIterator<Item = Id>) {
        let start = self.tables.slots.len();
        self.tables.slots.extend(elements);
        let span = self.span(start, self.tables.slots.len());
        self.assign(array, Shape::Array(span));
    }

    /// Makes a value that was made before a hash, so that its values may refer to it.
    pub fn assign_hash<'k>(&mut self, hash: Id, pairs: impl IntoIterator<Item = (&'k str, Id)>) {
        let start = self.tables.entries.len();
        for (key, value) in pairs {
            let entry = self.entry(key, value);
            self.tables.entries.push(entry);
        }
        self.assign_entries(hash, start);
    }

    /// Blesses a value into a class: the array, the hash or the scalar, not a reference to it.
    pub fn bless(&mut self, value: Id, class: &str) {
        let (tables, name) = (&self.tables, class.as_bytes());
        let known = tables.classes.iter().position(|span| span.of(&tables.octets) == name);
        let class = known.unwrap_or_else(|| {
            let span = self.keep(name);
            self.tables.classes.push(span);
            self.tables.classes.len() - 1
        });
        if let Some(cell) = self.tables.cells.get_mut(value.0 as usize) {
            cell.class = class as u32;
        }
    }

    /// The value that has this one for its root.
    ///
    /// # Errors
    ///
    /// [`FreezeError::TooLong`] if the strings and keys have more than 4 GiB together, or if there
    /// are more values than 2^32.
    pub fn finish(self, root: Id) -> Result<Value, FreezeError> {
        if let Some(length) = self.excess {
            return Err(FreezeError::TooLong { length });
        }
        let Tables { octets, cells, slots, entries, classes } = self.tables;
        let octets = Bytes::from(octets);
        Ok(Value { tables: Tables { octets, cells, slots, entries, classes }, root })
    }

    /// A pair whose key is held as Perl holds keys: as Latin-1 if that can express it.
    pub(super) fn entry(&mut self, key: &str, value: Id) -> Entry {
        if key.is_ascii() {
            return Entry { key: self.keep(key.as_bytes()), wide: false, value };
        }
        match key.chars().map(|c| u8::try_from(c).ok()).collect::<Option<Vec<u8>>>() {
            Some(latin) => Entry { key: self.keep(&latin), wide: false, value },
            None => Entry { key: self.keep(key.as_bytes()), wide: true, value },
        }
    }

    /// The pair, still without its value, whose key is the scalar that was made last. That is no value
    /// any more then. `None` if it is no scalar.
    #[cfg(feature = "serde")]
    pub(super) fn key(&mut self, scalar: Id) -> Option<Entry> {
        let tables = &mut self.tables;
        let shape = tables.cell(scalar).shape;
        let text = super::node::scalar_text(shape, &tables.octets)?;
        tables.cells.truncate(scalar.0 as usize);
        if let Shape::Text(key) = shape
            && text.is_ascii()
        {
            return Some(Entry { key, ..Entry::NONE });
        }
        let text = text.into_owned();
        // What is not kept as it is gives its room back.
        if let Shape::Text(span) | Shape::Octets(span) = shape {
            tables.octets.truncate(span.start as usize);
        }
        Some(self.entry(&text, Id(0)))
    }

    /// A hash of pairs that have been made.
    #[cfg(feature = "serde")]
    pub(super) fn hash_of(&mut self, pairs: &[Entry]) -> Id {
        let hash = self.undef();
        let start = self.tables.entries.len();
        self.tables.entries.extend_from_slice(pairs);
        self.assign_entries(hash, start);
        hash
    }

    /// Makes a hash of the last entries.
    fn assign_entries(&mut self, hash: Id, start: usize) {
        let end = self.tables.entries.len();
        let mut span = self.span(start, end);
        span.len = self.tables.order(start, end);
        self.assign(hash, Shape::Hash(span));
    }

    fn add(&mut self, shape: Shape) -> Id {
        let id = self.tables.cells.len();
        self.tables.cells.push(Cell { shape, class: UNBLESSED });
        Id(self.fit(id))
    }

    fn assign(&mut self, id: Id, shape: Shape) {
        if let Some(cell) = self.tables.cells.get_mut(id.0 as usize) {
            cell.shape = shape;
        }
    }

    fn keep(&mut self, octets: &[u8]) -> Span {
        let start = self.tables.octets.len();
        if start + octets.len() <= u32::MAX as usize {
            self.tables.octets.extend_from_slice(octets);
        }
        self.span(start, start + octets.len())
    }

    fn span(&mut self, start: usize, end: usize) -> Span {
        Span { start: self.fit(start), len: self.fit(end) - self.fit(start) }
    }

    fn fit(&mut self, number: usize) -> u32 {
        u32::try_from(number).unwrap_or_else(|_| {
            self.excess = Some(number);
            u32::MAX
        })
    }
}

/// Tells sizes, as the data may be much, or secret.
impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("values", &self.tables.cells.len()).finish_non_exhaustive()
    }
}
