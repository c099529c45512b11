//! Reads images.

use bytes::Bytes;

use super::cells::{Cell, Entry, Shape, Span, Tables, UNBLESSED};
use super::header::{self, Layout};
use super::{Id, Limits, ThawError, Value, tag};

/// Reads an image whose values are nested to any depth, on a stack of its own.
pub(super) fn thaw(image: Bytes, limits: &Limits) -> Result<Value, ThawError> {
    let length = limits.length.min(u32::MAX as usize);
    if image.len() > length {
        return Err(ThawError::Limit { what: "octets", limit: length });
    }
    let (layout, at) = header::read(&image)?;
    let tables = Tables { octets: image, ..Tables::default() };
    let reader = Reader { layout, limits, at, owed: 0, class: UNBLESSED, open: Vec::new(), tables };
    reader.read()
}

struct Reader<'l> {
    layout: Layout,
    limits: &'l Limits,
    at: usize,
    /// The least number of octets that the elements still to come of all open values need. What
    /// more an image announces than it can contain is refused at once, so that no more memory is
    /// reserved than in proportion to the image.
    owed: usize,
    /// The class of the next value.
    class: u32,
    open: Vec<Open>,
    tables: Tables,
}

/// A value whose parts are being read.
enum Open {
    Reference { id: Id },
    Array { id: Id, next: usize, end: usize },
    Hash { id: Id, pairs: Pairs },
}

struct Pairs {
    flagged: bool,
    start: usize,
    next: usize,
    /// How many are still to come.
    rest: usize,
}

/// What a key has at least: its length.
const KEY: usize = 4;

impl Reader<'_> {
    fn read(mut self) -> Result<Value, ThawError> {
        loop {
            let Some(id) = self.value()? else { continue };
            if let Some(root) = self.complete(id)? {
                self.tables.cells.shrink_to_fit();
                return Ok(Value { tables: self.tables, root });
            }
        }
    }

    /// Reads a value, or its beginning if it has parts: `None` then.
    fn value(&mut self) -> Result<Option<Id>, ThawError> {
        let offset = self.at;
        let shape = match self.octet()? {
            tag::SCALAR => Shape::Octets(self.short_string()?),
            tag::LSCALAR => Shape::Octets(self.long_string()?),
            tag::UTF8STR => Shape::Text(self.short_string()?),
            tag::LUTF8STR => Shape::Text(self.long_string()?),
            tag::BYTE => Shape::Integer((i64::from(self.octet()?) - 128).into()),
            tag::NETINT => Shape::Integer(i64::from(i32::from_be_bytes(self.array()?)).into()),
            tag::INTEGER => Shape::Integer(self.integer()?.into()),
            tag::DOUBLE => Shape::Double(self.double()?.into()),
            tag::UNDEF | tag::SV_UNDEF | tag::SVUNDEF_ELEM => Shape::Undef,
            tag::SV_YES | tag::BOOLEAN_TRUE => Shape::Boolean(true),
            tag::SV_NO | tag::BOOLEAN_FALSE => Shape::Boolean(false),
            tag::ARRAY => return self.open_array(),
            tag::HASH => return self.open_hash(false),
            tag::FLAG_HASH => return self.open_hash(true),
            tag::REF | tag::OVERLOAD => return self.open_reference(Shape::Reference(Id(0))),
            tag::WEAKREF | tag::WEAKOVERLOAD => {
                return self.open_reference(Shape::WeakReference(Id(0)));
            }
            tag::OBJECT => return self.seen_before(offset).map(Some),
            tag::BLESS | tag::IX_BLESS => return self.class(offset).map(|()| None),
            tag::REGEXP => Shape::Regexp(self.regexp(offset)?),
            // The string itself follows.
            tag::VSTRING => return self.short_string().map(|_| None),
            tag::LVSTRING => return self.long_string().map(|_| None),
            tag::TIED_ARRAY
            | tag::TIED_HASH
            | tag::TIED_SCALAR
            | tag::TIED_KEY
            | tag::TIED_INDEX => return Err(refused("a tied variable")),
            tag::HOOK => return Err(refused("an object with a STORABLE_freeze hook")),
            tag::CODE => return Err(refused("a code reference")),
            tag::LOBJECT => return Err(refused("a piece of more than 2 GiB")),
            _ => return Err(ThawError::Corrupt { offset, what: "unknown tag" }),
        };
        self.add(shape).map(Some)
    }

    /// Puts a complete value where it belongs. Gives the root when that is complete.
    fn complete(&mut self, mut id: Id) -> Result<Option<Id>, ThawError> {
        while let Some(open) = self.open.last_mut() {
            let whole = match open {
                Open::Reference { id: reference } => {
                    let cell = &mut self.tables.cells[reference.0 as usize];
                    cell.shape = match cell.shape {
                        Shape::WeakReference(_) => Shape::WeakReference(id),
                        _ => Shape::Reference(id),
                    };
                    *reference
                }
                Open::Array { id: array, next, end } => {
                    self.tables.slots[*next] = id;
                    *next += 1;
                    if next < end {
                        self.owed -= 1;
                        return Ok(None);
                    }
                    *array
                }
                Open::Hash { id: hash, pairs } => {
                    let hash = *hash;
                    let Pairs { flagged, start, next, .. } = *pairs;
                    let entry = self.key(flagged, id)?;
                    let Some(Open::Hash { pairs, .. }) = self.open.last_mut() else { break };
                    if let Some(entry) = entry {
                        self.tables.entries[next] = entry;
                        pairs.next += 1;
                    }
                    if pairs.rest > 0 {
                        pairs.rest -= 1;
                        self.owed -= 1 + KEY;
                        return Ok(None);
                    }
                    let end = pairs.next;
                    let span = Span { start: start as u32, len: self.tables.order(start, end) };
                    self.tables.cells[hash.0 as usize].shape = Shape::Hash(span);
                    hash
                }
            };
            self.open.pop();
            id = whole;
        }
        Ok(Some(id))
    }

    fn open_array(&mut self) -> Result<Option<Id>, ThawError> {
        let count = self.count(1)?;
        let start = self.tables.slots.len();
        let id = self.add(Shape::Array(Span { start: start as u32, len: count as u32 }))?;
        if count == 0 {
            return Ok(Some(id));
        }
        let end = start + count;
        self.tables.slots.resize(end, Id(0));
        self.owed += count - 1;
        self.open(Open::Array { id, next: start, end })
    }

    fn open_hash(&mut self, flagged: bool) -> Result<Option<Id>, ThawError> {
        if flagged {
            // Whether it is restricted.
            self.octet()?;
        }
        let count = self.count(1 + KEY)?;
        let start = self.tables.entries.len();
        let id = self.add(Shape::Hash(Span { start: start as u32, len: 0 }))?;
        if count == 0 {
            return Ok(Some(id));
        }
        self.tables.entries.resize(start + count, Entry::NONE);
        self.owed += (count - 1) * (1 + KEY);
        let pairs = Pairs { flagged, start, next: start, rest: count - 1 };
        self.open(Open::Hash { id, pairs })
    }

    fn open_reference(&mut self, shape: Shape) -> Result<Option<Id>, ThawError> {
        let id = self.add(shape)?;
        self.open(Open::Reference { id })
    }

    fn open(&mut self, open: Open) -> Result<Option<Id>, ThawError> {
        let limit = self.limits.depth;
        if self.open.len() >= limit {
            return Err(ThawError::Limit { what: "nested values", limit });
        }
        self.open.push(open);
        Ok(None)
    }

    /// The key behind a value; `None` if the hash only allows it.
    fn key(&mut self, flagged: bool, value: Id) -> Result<Option<Entry>, ThawError> {
        let flags = if flagged { self.octet()? } else { 0 };
        if flags & tag::KEY_IS_VALUE != 0 {
            return Err(refused("a hash whose key is a value of its own"));
        }
        let key = self.long_string()?;
        let entry = Entry { key, wide: flags & tag::KEY_UTF8 != 0, value };
        Ok((flags & tag::KEY_PLACEHOLDER == 0).then_some(entry))
    }

    fn seen_before(&mut self, offset: usize) -> Result<Id, ThawError> {
        let number = u32::from_be_bytes(self.array()?);
        if self.class != UNBLESSED {
            return Err(ThawError::Corrupt { offset, what: "a value is blessed twice" });
        }
        if (number as usize) < self.tables.cells.len() {
            Ok(Id(number))
        } else {
            Err(ThawError::Corrupt { offset, what: "a value is referred to before it comes" })
        }
    }

    /// Of several classes in a row it is the last one, as Perl has it.
    fn class(&mut self, offset: usize) -> Result<(), ThawError> {
        let named = self.tables.octets[offset] == tag::BLESS;
        let number = match self.octet()? {
            number @ 0..tag::LONG => u32::from(number),
            _ => self.length()?,
        };
        let known = &mut self.tables.classes;
        if !named && number as usize >= known.len() {
            return Err(ThawError::Corrupt {
                offset,
                what: "a class is referred to before it comes",
            });
        }
        self.class = number;
        if named {
            self.class = known.len() as u32;
            let name = self.span(number as usize)?;
            self.tables.classes.push(name);
        }
        Ok(())
    }

    /// The pattern of a regular expression, the number of its modifiers, and these.
    fn regexp(&mut self, offset: usize) -> Result<Span, ThawError> {
        let flags = self.octet()?;
        let mut span =
            if flags & tag::REGEXP_LONG == 0 { self.short_string()? } else { self.long_string()? };
        let modifiers = self.short_string()?;
        let letters = modifiers.of(&self.tables.octets);
        if letters.len() >= 0x20 || !letters.iter().all(u8::is_ascii_alphabetic) {
            return Err(ThawError::Corrupt { offset, what: "unknown modifiers of an expression" });
        }
        span.len += 1 + modifiers.len;
        Ok(span)
    }

    fn add(&mut self, shape: Shape) -> Result<Id, ThawError> {
        let id = self.tables.cells.len();
        if id >= self.limits.values {
            return Err(ThawError::Limit { what: "values", limit: self.limits.values });
        }
        let class = std::mem::replace(&mut self.class, UNBLESSED);
        self.tables.cells.push(Cell { shape, class });
        Ok(Id(id as u32))
    }

    fn short_string(&mut self) -> Result<Span, ThawError> {
        let len = self.octet()?;
        self.span(len.into())
    }

    fn long_string(&mut self) -> Result<Span, ThawError> {
        let len = self.length()?;
        self.span(len as usize)
    }

    fn span(&mut self, len: usize) -> Result<Span, ThawError> {
        let start = self.at;
        self.take(len)?;
        Ok(Span { start: start as u32, len: len as u32 })
    }

    /// A number of elements that have at least `octets` each.
    fn count(&mut self, octets: usize) -> Result<usize, ThawError> {
        let offset = self.at;
        let count = self.length()? as usize;
        let rest = self.tables.octets.len() - self.at;
        match count.checked_mul(octets) {
            Some(needed) if needed <= rest.saturating_sub(self.owed) => Ok(count),
            _ => Err(ThawError::Truncated { offset }),
        }
    }

    fn length(&mut self) -> Result<u32, ThawError> {
        let octets = self.array()?;
        Ok(if self.layout.big_lengths {
            u32::from_be_bytes(octets)
        } else {
            u32::from_le_bytes(octets)
        })
    }

    fn integer(&mut self) -> Result<i64, ThawError> {
        let big = self.layout.big_numbers;
        Ok(if self.layout.integer == 4 {
            let octets = self.array()?;
            if big { i32::from_be_bytes(octets) } else { i32::from_le_bytes(octets) }.into()
        } else {
            let octets = self.array()?;
            if big { i64::from_be_bytes(octets) } else { i64::from_le_bytes(octets) }
        })
    }

    fn double(&mut self) -> Result<f64, ThawError> {
        let octets = self.array()?;
        Ok(if self.layout.big_numbers {
            f64::from_be_bytes(octets)
        } else {
            f64::from_le_bytes(octets)
        })
    }

    fn octet(&mut self) -> Result<u8, ThawError> {
        self.array().map(|[octet]| octet)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ThawError> {
        let octets = self.tables.octets[self.at..].first_chunk().copied();
        let octets = octets.ok_or(ThawError::Truncated { offset: self.at })?;
        self.at += N;
        Ok(octets)
    }

    fn take(&mut self, len: usize) -> Result<(), ThawError> {
        if len > self.tables.octets.len() - self.at {
            return Err(ThawError::Truncated { offset: self.at });
        }
        self.at += len;
        Ok(())
    }
}

fn refused(what: &'static str) -> ThawError {
    ThawError::Refused { what }
}
