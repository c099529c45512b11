//! Writes images.

use super::cells::{Shape, UNBLESSED};
use super::node::regexp;
use super::number::{double_text, whole};
use super::{FreezeError, Id, Key, Kind, Value, header, tag};

/// The number of what has none yet.
const UNSEEN: u32 = u32::MAX;

/// Writes a value that may be nested to any depth, on a stack of its own.
pub(super) fn nfreeze(value: &Value, image: &mut Vec<u8>) -> Result<(), FreezeError> {
    image.extend(header::NETWORK);
    let mut writer = Writer {
        value,
        image,
        count: 0,
        numbers: vec![UNSEEN; value.tables.cells.len()],
        classes: vec![UNSEEN; value.tables.classes.len()],
        class_count: 0,
        open: Vec::new(),
    };
    writer.value(value.root)?;
    while let Some(element) = writer.next_element()? {
        if value.tables.cell(element).shape.is_container() {
            // An array or hash is in another by reference.
            writer.image.push(tag::REF);
            writer.count += 1;
        }
        writer.value(element)?;
    }
    Ok(())
}

struct Writer<'a> {
    value: &'a Value,
    image: &'a mut Vec<u8>,
    /// How many values have got a number.
    count: u32,
    /// The number of each value that was written.
    numbers: Vec<u32>,
    /// The same for classes.
    classes: Vec<u32>,
    class_count: u32,
    open: Vec<Open<'a>>,
}

/// An array or a hash whose elements are being written.
enum Open<'a> {
    Array { rest: &'a [Id] },
    Hash { rest: &'a [super::cells::Entry], flagged: bool, key: Option<Key<'a>> },
}

impl<'a> Writer<'a> {
    /// Writes a value, through references down to what is none, and opens it if that has elements.
    fn value(&mut self, mut id: Id) -> Result<(), FreezeError> {
        loop {
            match self.numbers.get_mut(id.0 as usize) {
                Some(number) if *number != UNSEEN => {
                    self.image.push(tag::OBJECT);
                    self.image.extend(number.to_be_bytes());
                    return Ok(());
                }
                Some(number) => *number = self.count,
                None => {}
            }
            self.count += 1;
            let cell = self.value.tables.cell(id);
            if cell.class != UNBLESSED {
                self.class(cell.class)?;
            }
            match cell.shape {
                Shape::Reference(to) => {
                    self.image.push(tag::REF);
                    id = to;
                }
                Shape::WeakReference(to) => {
                    self.image.push(tag::WEAKREF);
                    id = to;
                }
                shape => return self.shape(shape),
            }
        }
    }

    fn shape(&mut self, shape: Shape) -> Result<(), FreezeError> {
        let tables = &self.value.tables;
        let octets: &'a [u8] = &tables.octets;
        match shape {
            Shape::Undef | Shape::Reference(_) | Shape::WeakReference(_) => {
                self.image.push(tag::UNDEF);
            }
            Shape::Boolean(truth) => {
                self.string(tag::SCALAR, tag::LSCALAR, if truth { b"1" } else { b"" })?;
            }
            Shape::Integer(number) => self.integer(number.into())?,
            Shape::Double(number) => match whole(number.into()) {
                Some(number) => self.integer(number)?,
                None => {
                    let text = double_text(number.into());
                    self.string(tag::SCALAR, tag::LSCALAR, text.as_bytes())?;
                }
            },
            Shape::Text(span) if !span.of(octets).is_ascii() => {
                self.string(tag::UTF8STR, tag::LUTF8STR, span.of(octets))?;
            }
            Shape::Text(span) | Shape::Octets(span) => {
                self.string(tag::SCALAR, tag::LSCALAR, span.of(octets))?;
            }
            Shape::Regexp(span) => {
                let Kind::Regexp { pattern, modifiers } = regexp(span.of(octets)) else {
                    return Ok(());
                };
                self.image.push(tag::REGEXP);
                self.string(0, tag::REGEXP_LONG, pattern)?;
                self.image.push(modifiers.len() as u8);
                self.image.extend(modifiers);
            }
            Shape::Array(span) => {
                let rest = tables.slots(span);
                self.image.push(tag::ARRAY);
                self.length(rest.len())?;
                self.open.push(Open::Array { rest });
            }
            Shape::Hash(span) => {
                let rest = tables.entries(span);
                let flagged = rest.iter().any(|entry| entry.wide);
                if flagged {
                    self.image.extend([tag::FLAG_HASH, 0]);
                } else {
                    self.image.push(tag::HASH);
                }
                self.length(rest.len())?;
                self.open.push(Open::Hash { rest, flagged, key: None });
            }
        }
        Ok(())
    }

    /// The next element to write. Of a hash, what was written is followed by its key.
    fn next_element(&mut self) -> Result<Option<Id>, FreezeError> {
        while let Some(open) = self.open.last_mut() {
            match open {
                Open::Array { rest } => {
                    if let Some((first, others)) = rest.split_first() {
                        *rest = others;
                        return Ok(Some(*first));
                    }
                }
                Open::Hash { rest, flagged, key } => {
                    let (flagged, written) = (*flagged, key.take());
                    let next = rest.split_first();
                    if let Some((first, others)) = next {
                        *rest = others;
                        *key = Some(first.key(&self.value.tables.octets));
                    }
                    if let Some(written) = written {
                        self.key(written, flagged)?;
                    }
                    if let Some((first, _)) = next {
                        return Ok(Some(first.value));
                    }
                }
            }
            self.open.pop();
        }
        Ok(None)
    }

    fn key(&mut self, key: Key<'_>, flagged: bool) -> Result<(), FreezeError> {
        if flagged {
            self.image.push(if key.wide { tag::KEY_UTF8 } else { 0 });
        }
        self.length(key.octets.len())?;
        self.image.extend(key.octets);
        Ok(())
    }

    fn class(&mut self, class: u32) -> Result<(), FreezeError> {
        let number = &mut self.classes[class as usize];
        if *number == UNSEEN {
            *number = self.class_count;
            self.class_count += 1;
            let name = self.value.tables.classes[class as usize].of(&self.value.tables.octets);
            self.image.push(tag::BLESS);
            self.number(name.len())?;
            self.image.extend(name);
        } else {
            let number = *number as usize;
            self.image.push(tag::IX_BLESS);
            self.number(number)?;
        }
        Ok(())
    }

    /// A number that is small mostly.
    fn number(&mut self, number: usize) -> Result<(), FreezeError> {
        if number < usize::from(tag::LONG) {
            self.image.push(number as u8);
            return Ok(());
        }
        self.image.push(tag::LONG);
        self.length(number)
    }

    /// As Perl writes integers: those that 32 bits can not hold are text.
    fn integer(&mut self, number: i64) -> Result<(), FreezeError> {
        if let -128..=127 = number {
            self.image.extend([tag::BYTE, (number + 128) as u8]);
        } else if let Ok(number) = i32::try_from(number) {
            self.image.push(tag::NETINT);
            self.image.extend(number.to_be_bytes());
        } else {
            self.string(tag::SCALAR, tag::LSCALAR, number.to_string().as_bytes())?;
        }
        Ok(())
    }

    fn string(&mut self, short: u8, long: u8, octets: &[u8]) -> Result<(), FreezeError> {
        if let Ok(len) = u8::try_from(octets.len()) {
            self.image.extend([short, len]);
        } else {
            self.image.push(long);
            self.length(octets.len())?;
        }
        self.image.extend(octets);
        Ok(())
    }

    fn length(&mut self, length: usize) -> Result<(), FreezeError> {
        let short = i32::try_from(length).map_err(|_| FreezeError::TooLong { length })?;
        self.image.extend(short.to_be_bytes());
        Ok(())
    }
}
