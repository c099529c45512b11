//! Lines that came together.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use crate::ends::Ends;

/// What ends each line of a record of several.
#[derive(Debug, Clone)]
pub(crate) enum Terminator {
    /// Any of CR LF, LF, CR and LF CR.
    Generic,
    /// Exactly these octets; never empty.
    Literal(Bytes),
}

/// Some lines, as a record of a [`LineBlock`](crate::LineBlock): a slice of what was read, which is looked through once more by
/// who iterates.
///
/// By reference the lines are lent, and cost next to nothing; by value each is a slice that can be kept. None has its
/// terminator.
///
/// ```
/// use poe_filter::{Filter, LineBlock};
///
/// let mut filter = LineBlock::new();
/// let records = filter.get("one\ntwo\nthree\n".into())?;
/// let lent: Vec<&[u8]> = records.iter().flatten().collect();
/// assert_eq!(lent, [&b"one"[..], b"two", b"three"]);
/// let kept: Vec<bytes::Bytes> = records.into_iter().flatten().collect();
/// assert_eq!(kept, ["one", "two", "three"]);
/// # Ok::<(), poe_filter::FilterError>(())
/// ```
#[derive(Clone)]
pub struct Lines {
    octets: Bytes,
    /// None for a single line without a terminator.
    terminator: Option<Terminator>,
}

impl Lines {
    /// One line.
    pub(crate) fn one(line: Bytes) -> Self {
        Self { octets: line, terminator: None }
    }

    /// One or more, each with its terminator.
    pub(crate) fn many(octets: Bytes, terminator: Terminator) -> Self {
        Self { octets, terminator: Some(terminator) }
    }

    /// The lines, lent.
    pub fn iter(&self) -> LinesIter<'_> {
        LinesIter { octets: &self.octets, cursor: Cursor::new(self.terminator.as_ref()) }
    }
}

/// Shows the lines.
impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// As many of the same, whatever ended them.
impl PartialEq for Lines {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other)
    }
}

impl Eq for Lines {}

impl<'a> IntoIterator for &'a Lines {
    type Item = &'a [u8];
    type IntoIter = LinesIter<'a>;

    fn into_iter(self) -> LinesIter<'a> {
        self.iter()
    }
}

impl IntoIterator for Lines {
    type Item = Bytes;
    type IntoIter = LinesIntoIter;

    fn into_iter(self) -> LinesIntoIter {
        let cursor = Cursor::new(self.terminator.as_ref());
        LinesIntoIter { octets: self.octets, cursor }
    }
}

/// Iterates over [`Lines`] that are lent.
#[derive(Debug, Clone)]
#[must_use]
pub struct LinesIter<'a> {
    octets: &'a [u8],
    cursor: Cursor,
}

impl<'a> Iterator for LinesIter<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.cursor.next(self.octets).map(|line| &self.octets[line])
    }
}

/// Iterates over [`Lines`] that can be kept.
#[derive(Debug, Clone)]
#[must_use]
pub struct LinesIntoIter {
    octets: Bytes,
    cursor: Cursor,
}

impl Iterator for LinesIntoIter {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        self.cursor.next(&self.octets).map(|line| self.octets.slice(line))
    }
}

/// How far an iteration has come.
#[derive(Debug, Clone)]
struct Cursor {
    /// The next line's, unless there is none.
    start: usize,
    ends: LineEnds,
}

#[derive(Debug, Clone)]
enum LineEnds {
    /// There is one line, or was.
    One {
        is_over: bool,
    },
    Generic(Ends<2>),
    Literal {
        literal: Bytes,
        last: Ends<1>,
    },
}

impl Cursor {
    fn new(terminator: Option<&Terminator>) -> Self {
        let ends = match terminator {
            None => LineEnds::One { is_over: false },
            Some(Terminator::Generic) => LineEnds::Generic(Ends::new(*b"\r\n", 0)),
            Some(Terminator::Literal(literal)) => {
                let last = literal.last().copied().unwrap_or_default();
                LineEnds::Literal { literal: literal.clone(), last: Ends::new([last], 0) }
            }
        };
        Self { start: 0, ends }
    }

    #[inline(always)]
    fn next(&mut self, octets: &[u8]) -> Option<Range<usize>> {
        let start = self.start;
        let (end, behind) = match &mut self.ends {
            LineEnds::One { is_over: true } => return None,
            LineEnds::One { is_over } => {
                *is_over = true;
                (octets.len(), octets.len())
            }
            LineEnds::Generic(ends) => {
                let mut end = ends.next(octets)?;
                if end < start {
                    // The second octet of a pair.
                    end = ends.next(octets)?;
                }
                let is_pair = matches!(octets[end..].first_chunk(), Some(b"\r\n" | b"\n\r"));
                (end, end + 1 + usize::from(is_pair))
            }
            LineEnds::Literal { literal, last } => loop {
                let behind = last.next(octets)? + 1;
                if literal.len() == 1 || octets[start..behind].ends_with(literal) {
                    break (behind - literal.len(), behind);
                }
            },
        };
        self.start = behind;
        Some(start..end)
    }
}
