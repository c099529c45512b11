//! How values are held: in tables, so that sharing and cycles are numbers, and dropping is flat.

use bytes::Bytes;

use super::Id;

/// Where octets are, in the octets of the value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) len: u32,
}

impl Span {
    #[inline]
    pub(super) fn of(self, octets: &[u8]) -> &[u8] {
        let start = self.start as usize;
        octets.get(start..start + self.len as usize).unwrap_or_default()
    }
}

/// Eight octets without alignment, so that a cell has 16.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wide([u32; 2]);

impl From<i64> for Wide {
    fn from(number: i64) -> Self {
        Self([number as u32, (number >> 32) as u32])
    }
}

impl From<Wide> for i64 {
    fn from(Wide([low, high]): Wide) -> Self {
        (u64::from(high) << 32 | u64::from(low)).cast_signed()
    }
}

impl From<f64> for Wide {
    fn from(number: f64) -> Self {
        number.to_bits().cast_signed().into()
    }
}

impl From<Wide> for f64 {
    fn from(number: Wide) -> Self {
        Self::from_bits(i64::from(number).cast_unsigned())
    }
}

/// What a cell holds. The numbers of arrays and hashes are places in the tables of slots and entries.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Undef,
    Boolean(bool),
    Integer(Wide),
    Double(Wide),
    Octets(Span),
    Text(Span),
    /// Pattern, number of letters, and letters, as they are in an image.
    Regexp(Span),
    Reference(Id),
    WeakReference(Id),
    Array(Span),
    Hash(Span),
}

impl Shape {
    pub(super) fn is_container(self) -> bool {
        matches!(self, Self::Array(_) | Self::Hash(_))
    }
}

/// One value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    pub(super) shape: Shape,
    /// The number of its class.
    pub(super) class: u32,
}

/// The class of what is not blessed.
pub(super) const UNBLESSED: u32 = u32::MAX;

impl Cell {
    pub(super) const UNDEF: Self = Self { shape: Shape::Undef, class: UNBLESSED };
}

/// One pair of a hash. Those of a hash are in the order of their keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) key: Span,
    pub(super) wide: bool,
    pub(super) value: Id,
}

impl Entry {
    pub(super) const NONE: Self =
        Self { key: Span { start: 0, len: 0 }, wide: false, value: Id(0) };

    pub(super) fn key(self, octets: &[u8]) -> super::Key<'_> {
        super::Key { octets: self.key.of(octets), wide: self.wide }
    }
}

/// All tables of a value.
#[derive(Clone, Default)]
pub(super) struct Tables<Octets = Bytes> {
    /// Strings, keys and names.
    pub(super) octets: Octets,
    pub(super) cells: Vec<Cell>,
    /// The elements of arrays.
    pub(super) slots: Vec<Id>,
    /// The pairs of hashes.
    pub(super) entries: Vec<Entry>,
    /// The names of classes.
    pub(super) classes: Vec<Span>,
}

impl<Octets: AsRef<[u8]>> Tables<Octets> {
    /// The cell of this number; one that is not there is undef.
    #[inline]
    pub(super) fn cell(&self, id: Id) -> Cell {
        self.cells.get(id.0 as usize).copied().unwrap_or(Cell::UNDEF)
    }

    /// The elements of an array.
    pub(super) fn slots(&self, span: Span) -> &[Id] {
        let start = span.start as usize;
        self.slots.get(start..start + span.len as usize).unwrap_or_default()
    }

    /// The pairs of a hash.
    pub(super) fn entries(&self, span: Span) -> &[Entry] {
        let start = span.start as usize;
        self.entries.get(start..start + span.len as usize).unwrap_or_default()
    }

    /// Puts the pairs that have been read or added for a hash in order, a later one of the same key
    /// replacing an earlier one, and tells how many there are.
    pub(super) fn order(&mut self, start: usize, end: usize) -> u32 {
        let octets = self.octets.as_ref();
        let Some(entries) = self.entries.get_mut(start..end) else { return 0 };
        let key = |entry: &Entry| entry.key(octets);
        if entries.is_sorted_by(|one, other| key(one) < key(other)) {
            return entries.len() as u32;
        }
        entries.sort_by(|one, other| key(one).cmp(&key(other)));
        let mut kept = 0;
        for next in 1..entries.len() {
            if key(&entries[kept]) != key(&entries[next]) {
                kept += 1;
            }
            entries[kept] = entries[next];
        }
        kept as u32 + 1
    }
}
