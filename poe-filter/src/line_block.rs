//! Lines, as many at once as have come.

use bytes::Bytes;

use crate::filter::input_in;
use crate::{ConfigError, Filter, FilterError, Line, Lines, Sink};

/// Splits input at line terminators as [`Line`] does, and gives all the lines that have come together as one record.
///
/// For those who read many lines: an event for each read costs less than one for each line, and a line that is
/// lent costs less than one that is counted. A record is [`Lines`], of at least one line. The first line of all is a record by
/// itself, so that one that was begun elsewhere can be left out.
///
/// What it puts is single lines. Its parameters are those of the [`Line`] that it is made from; with a regular expression,
/// and for lines close to its limit, a record may be of one line. It has no twin in POE, whose `POE::Filter::RecordBlock` counts
/// records instead: see [`RecordBlock`](crate::RecordBlock).
///
/// ```
/// use poe_filter::{Filter, LineBlock};
///
/// let mut filter = LineBlock::new();
/// let mut octets = 0;
/// for chunk in ["one\r\ntwo\nth", "ree\nfour\n"] {
///     filter.get_one_start(chunk.into())?;
///     while let Some(lines) = filter.get_one()? {
///         octets += lines.iter().map(<[u8]>::len).sum::<usize>();
///     }
/// }
/// assert_eq!(octets, "onetwothreefour".len());
/// # Ok::<(), poe_filter::FilterError>(())
/// ```
#[derive(Debug)]
pub struct LineBlock {
    line: Line,
    has_begun: bool,
}

impl LineBlock {
    /// A filter with the default terminators and limits of a [`Line`].
    #[must_use]
    pub fn new() -> Self {
        Self::from(Line::new())
    }

    /// A filter whose lines end with these octets in both directions.
    ///
    /// # Errors
    ///
    /// [`ConfigError::EmptyLiteral`].
    pub fn literal(literal: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Line::literal(literal).map(Self::from)
    }
}

impl Default for LineBlock {
    fn default() -> Self {
        Self::new()
    }
}

/// With the parameters of that filter, and the input that it holds.
///
/// ```
/// use poe_filter::{Filter, Line, LineBlock};
///
/// let mut filter = LineBlock::from(Line::builder().max_length(80).build()?);
/// assert!(filter.get("a line of more than eighty octets".repeat(3).into()).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl From<Line> for LineBlock {
    fn from(mut line: Line) -> Self {
        line.put_back_ahead();
        Self { line, has_begun: false }
    }
}

impl Filter for LineBlock {
    type In = Lines;
    type Out = Bytes;

    input_in!(line);

    fn get_one(&mut self) -> Result<Option<Lines>, FilterError> {
        if self.has_begun
            && let Some(lines) = self.line.take_lines()
        {
            return Ok(Some(lines));
        }
        let line = self.line.search_line()?;
        self.has_begun |= line.is_some();
        Ok(line.map(Lines::one))
    }

    fn finish(&mut self) -> Result<Option<Lines>, FilterError> {
        Ok(self.line.finish()?.map(Lines::one))
    }

    fn put(&mut self, record: Bytes, sink: &mut dyn Sink) -> Result<(), FilterError> {
        self.line.put(record, sink)
    }

    fn fresh(&self) -> Box<dyn Filter<In = Lines, Out = Bytes>> {
        Box::new(Self::from(self.line.fresh_line()))
    }
}
