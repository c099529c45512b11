//! Lines of text, or records ended by any terminator.

use std::mem;
use std::ops::Range;

use bytes::Bytes;

use crate::buffer::InputBuffer;
use crate::newline::{LinesOf, Newline};
use crate::{
    ConfigError, DEFAULT_MAX_BUFFER, DEFAULT_MAX_LENGTH, Filter, FilterError, Lines, Sink,
};

/// The terminator that lines are put with unless told otherwise.
const NETWORK_NEWLINE: &[u8] = b"\r\n";

/// Splits input at line terminators, and ends output with one. POE's `POE::Filter::Line`.
///
/// A record is a line without its terminator; it may be empty. Lines are octets and need not be
/// UTF-8.
///
/// By default, any of CR LF, LF, CR and LF CR ends a line of input, and CR LF ends a line of output.
/// A line is given as soon as the first octet of its terminator has come; the second one, when it comes,
/// is taken for what it is, and makes no line of its own.
///
/// Where another filter is to go on behind a line, give the terminator as a [`literal`](Line::literal): it
/// is then consumed whole, however it arrives. Of the default ones, the second octet may come after the
/// exchange, and is the other filter's then.
///
/// A line longer than `MaxLength` is one [`FilterError::LineTooLong`], reported as soon as that is
/// certain. The filter then holds none of it, skips the rest of it, and goes on with the next line.
///
/// ```
/// use poe_filter::{Filter, Line};
///
/// let mut filter = Line::new();
/// assert_eq!(filter.get("one\r\ntwo\nthree".into())?, ["one", "two"]);
/// assert_eq!(filter.finish()?.unwrap(), "three");
///
/// let mut out = Vec::<u8>::new();
/// filter.put("one".into(), &mut out)?;
/// assert_eq!(out, b"one\r\n");
/// # Ok::<(), poe_filter::FilterError>(())
/// ```
#[derive(Debug)]
pub struct Line {
    buffer: InputBuffer,
    newline: Newline,
    /// The line being read has been reported as too long.
    discarding: bool,
    config: LineConfig,
}

/// What does not change while a filter runs.
#[derive(Debug, Clone)]
struct LineConfig {
    /// How `newline` began.
    detects: bool,
    output: Bytes,
    max_length: usize,
    max_buffer: usize,
}

impl Line {
    /// A filter with the default terminators and limits.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Newline::Generic(None), Bytes::from_static(NETWORK_NEWLINE))
    }

    /// A filter whose lines end with these octets in both directions. POE's `Literal`.
    ///
    /// ```
    /// use poe_filter::{Filter, Line};
    ///
    /// let mut filter = Line::literal("; ")?;
    /// assert_eq!(filter.get("a; b; c".into())?, ["a", "b"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError::EmptyLiteral`].
    pub fn literal(literal: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::builder().literal(literal).build()
    }

    /// A filter of texts that each end in a NUL.
    ///
    /// ```
    /// use poe_filter::{Filter, Line};
    ///
    /// let mut filter = Line::nul_terminated();
    /// assert_eq!(filter.get("one\0two\n\0three".into())?, ["one", "two\n"]);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    #[must_use]
    pub fn nul_terminated() -> Self {
        Self::ended_by(b"\0")
    }

    /// A filter of lines that end with these octets, which are not none.
    pub(crate) fn ended_by(literal: &'static [u8]) -> Self {
        let literal = Bytes::from_static(literal);
        Self::with(Newline::Literal(literal.clone()), literal)
    }

    /// A filter that takes what ends the first line of input for what ends all of them.
    ///
    /// ```
    /// use poe_filter::{Filter, Line};
    ///
    /// let mut filter = Line::autodetect();
    /// assert_eq!(filter.get("one\r".into())?, ["one"]);
    /// assert_eq!(filter.get("\ntwo\r\n\r\n".into())?, ["two", ""]);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    #[must_use]
    pub fn autodetect() -> Self {
        Self::with(Newline::Autodetect, Bytes::from_static(NETWORK_NEWLINE))
    }

    /// A filter with other terminators or limits.
    pub fn builder() -> LineBuilder {
        LineBuilder::default()
    }

    fn with(newline: Newline, output: Bytes) -> Self {
        let detects = matches!(newline, Newline::Autodetect);
        let config = LineConfig {
            detects,
            output,
            max_length: DEFAULT_MAX_LENGTH,
            max_buffer: DEFAULT_MAX_BUFFER,
        };
        Self { buffer: InputBuffer::default(), newline, discarding: false, config }
    }

    #[inline(never)]
    fn next_line(&mut self) -> Result<Option<Bytes>, FilterError> {
        match self.cut_lines() {
            Some(line) => Ok(Some(line)),
            None => self.search_line(),
        }
    }

    /// The next line, wherever it is.
    pub(crate) fn search_line(&mut self) -> Result<Option<Bytes>, FilterError> {
        loop {
            // Whatever is in the head was searched when it came there.
            if self.buffer.chunk().is_empty() {
                return Ok(None);
            }
            self.newline.settle(&mut self.buffer);
            let Some(found) = self.newline.find(&mut self.buffer) else {
                self.check_unfinished()?;
                return Ok(None);
            };
            self.newline.learn(found, &self.buffer);
            if !self.discarding && found.line <= self.config.max_length {
                return Ok(self.buffer.take_line(found.line, found.terminator));
            }
            self.buffer.skip(found.line + found.terminator);
            if !mem::take(&mut self.discarding) {
                return Err(self.too_long());
            }
        }
    }

    /// Cuts lines out ahead, and gives the first, where they are in one chunk, as nearly all are.
    fn cut_lines(&mut self) -> Option<Bytes> {
        if self.discarding {
            return None;
        }
        let max_length = self.config.max_length;
        let lines = self.newline.lines(self.buffer.parsed());
        let is_short = |line: &Range<usize>| line.len() <= max_length;
        match lines? {
            LinesOf::Generic(mut lines) => self.buffer.cut_ahead(|chunk, start| {
                lines.next(chunk, start).filter(|(line, _)| is_short(line))
            }),
            LinesOf::Literal(mut lines) => self.buffer.cut_ahead(|chunk, start| {
                lines.next(chunk, start).filter(|(line, _)| is_short(line))
            }),
        }
    }

    /// Takes out all lines that are whole, where they are in one chunk and it is easily known of all of them that they are
    /// short enough.
    pub(crate) fn take_lines(&mut self) -> Option<Lines> {
        if self.discarding || !self.buffer.head().is_empty() || self.buffer.chunk().is_empty() {
            return None;
        }
        self.newline.settle(&mut self.buffer);
        let terminator = self.newline.terminator()?;
        let end = self.newline.end_of_lines(self.buffer.chunk(), self.config.max_length)?;
        self.buffer.take(end).map(|octets| Lines::many(octets, terminator))
    }

    /// One with the same parameters, and nothing else.
    pub(crate) fn fresh_line(&self) -> Self {
        let mut newline =
            if self.config.detects { Newline::Autodetect } else { self.newline.clone() };
        newline.reset();
        let config = self.config.clone();
        Self { buffer: InputBuffer::default(), newline, discarding: false, config }
    }

    /// Has no lines cut out ahead.
    pub(crate) fn put_back_ahead(&mut self) {
        let octets = self.buffer.take_all();
        self.buffer = InputBuffer::from(octets);
    }

    /// Sees to it that no more is held of a line than can become a record.
    #[cold]
    fn check_unfinished(&mut self) -> Result<(), FilterError> {
        let unrecognized = self.newline.unrecognized();
        if self.discarding {
            self.buffer.shorten_head(unrecognized);
            self.newline.restart();
        } else if self.buffer.head().len() > self.config.max_length.saturating_add(unrecognized) {
            self.discarding = true;
            self.buffer.shorten_head(unrecognized);
            self.newline.restart();
            return Err(self.too_long());
        }
        Ok(())
    }

    #[cold]
    fn too_long(&self) -> FilterError {
        FilterError::LineTooLong { limit: self.config.max_length }
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

impl Filter for Line {
    type In = Bytes;
    type Out = Bytes;

    #[inline]
    fn get_one_start(&mut self, chunk: Bytes) -> Result<(), FilterError> {
        self.buffer.append(chunk, self.config.max_buffer)
    }

    #[inline]
    fn get_one(&mut self) -> Result<Option<Bytes>, FilterError> {
        if let Some(line) = self.buffer.next_ahead() {
            return Ok(Some(line));
        }
        self.next_line()
    }

    fn finish(&mut self) -> Result<Option<Bytes>, FilterError> {
        self.newline.reset();
        let line = self.buffer.take_all();
        if mem::take(&mut self.discarding) || line.is_empty() {
            Ok(None)
        } else if line.len() > self.config.max_length {
            Err(self.too_long())
        } else {
            Ok(Some(line))
        }
    }

    #[inline]
    fn put(&mut self, record: Bytes, sink: &mut dyn Sink) -> Result<(), FilterError> {
        sink.put_ended(record, &self.config.output);
        Ok(())
    }

    fn get_pending(&self) -> Bytes {
        self.buffer.copy_all()
    }

    fn pending_len(&self) -> usize {
        self.buffer.len()
    }

    fn take_pending(&mut self) -> Bytes {
        self.discarding = false;
        self.newline.reset();
        self.buffer.take_all()
    }

    fn take_unread(&mut self) -> Bytes {
        self.newline.restart();
        self.buffer.take_all()
    }

    fn fresh(&self) -> Box<dyn Filter<In = Bytes, Out = Bytes>> {
        Box::new(self.fresh_line())
    }
}

/// The parameters of a [`Line`].
///
/// ```
/// use poe_filter::{Filter, Line};
///
/// let mut filter = Line::builder().input_literal("\n").output_literal("\r\n").max_length(80).build()?;
/// assert_eq!(filter.get("one\ntwo\n".into())?, ["one", "two"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct LineBuilder {
    literal: Option<Bytes>,
    input_literal: Option<Bytes>,
    output_literal: Option<Bytes>,
    autodetect: bool,
    #[cfg(feature = "regex")]
    input_regexp: Option<String>,
    max_length: Option<usize>,
    max_buffer: Option<usize>,
}

impl LineBuilder {
    /// What ends lines in both directions.
    pub fn literal(mut self, literal: impl AsRef<[u8]>) -> Self {
        self.literal = Some(Bytes::copy_from_slice(literal.as_ref()));
        self
    }

    /// What ends a line of input.
    pub fn input_literal(mut self, literal: impl AsRef<[u8]>) -> Self {
        self.input_literal = Some(Bytes::copy_from_slice(literal.as_ref()));
        self
    }

    /// What a line of output is ended with: CR LF by default. It may be empty.
    pub fn output_literal(mut self, literal: impl AsRef<[u8]>) -> Self {
        self.output_literal = Some(Bytes::copy_from_slice(literal.as_ref()));
        self
    }

    /// Takes whichever of CR LF, LF CR, CR and LF ends the first line of input for what ends all of
    /// them. POE's `InputLiteral => undef`.
    pub fn autodetect(mut self) -> Self {
        self.autodetect = true;
        self
    }

    /// A regular expression for what ends a line of input, in the syntax of the `regex` crate. It
    /// is about octets, not characters, and must not match the empty string.
    ///
    /// The earliest match in the input that is there ends the line, as in POE: an expression whose
    /// match could grow with more input, such as `\n+`, may split a terminator that arrives in two
    /// pieces. One without a longest match is searched, each time input arrives that has an octet that a match could end with,
    /// from the first octet of the line that a match could begin with: give one that often finds both in vain, as
    /// `[a-z]+[a-z0-9]+!?;` does, a moderate [`max_length`](LineBuilder::max_length); and likewise one that looks at what is around
    /// it, as `[a-z]+\b` does, for which any octet will do.
    ///
    /// ```
    /// use poe_filter::{Filter, Line};
    ///
    /// let mut filter = Line::builder().input_regexp("[xy]").output_literal("!").build()?;
    /// assert_eq!(filter.get("axbyc".into())?, ["a", "b"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "regex")]
    pub fn input_regexp(mut self, pattern: impl Into<String>) -> Self {
        self.input_regexp = Some(pattern.into());
        self
    }

    /// How long a line of input may be, in octets and without its terminator: 64 MiB by default.
    pub fn max_length(mut self, octets: usize) -> Self {
        self.max_length = Some(octets);
        self
    }

    /// How much unparsed input may be held, in octets: 512 MiB by default.
    pub fn max_buffer(mut self, octets: usize) -> Self {
        self.max_buffer = Some(octets);
        self
    }

    /// Makes the filter.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if parameters exclude one another, if an input terminator is or can be empty,
    /// if a limit is 0, if `max_buffer` is less than `max_length`, or if the expression is none.
    pub fn build(self) -> Result<Line, ConfigError> {
        let max_length = self.max_length.unwrap_or(DEFAULT_MAX_LENGTH);
        let max_buffer = self.max_buffer.unwrap_or(DEFAULT_MAX_BUFFER);
        crate::check_limits(max_length, max_buffer, max_length)?;
        let newline = self.newline()?;
        let output = self.output_literal.or(self.literal);
        let output = output.unwrap_or(Bytes::from_static(NETWORK_NEWLINE));
        let mut line = Line::with(newline, output);
        line.config.max_length = max_length;
        line.config.max_buffer = max_buffer;
        Ok(line)
    }

    fn newline(&self) -> Result<Newline, ConfigError> {
        self.check_conflicts()?;
        for (parameter, literal) in
            [("literal", &self.literal), ("input_literal", &self.input_literal)]
        {
            match literal {
                Some(literal) if literal.is_empty() => {
                    return Err(ConfigError::EmptyLiteral { parameter });
                }
                Some(literal) => return Ok(Newline::Literal(literal.clone())),
                None => {}
            }
        }
        #[cfg(feature = "regex")]
        if let Some(pattern) = &self.input_regexp {
            return Ok(Newline::Regexp(Box::new(crate::regexp::Regexp::new(pattern)?)));
        }
        Ok(if self.autodetect { Newline::Autodetect } else { Newline::Generic(None) })
    }

    fn check_conflicts(&self) -> Result<(), ConfigError> {
        #[cfg(feature = "regex")]
        let regexp = self.input_regexp.is_some();
        #[cfg(not(feature = "regex"))]
        let regexp = false;
        let inputs = [
            ("literal", self.literal.is_some()),
            ("input_literal", self.input_literal.is_some()),
            ("input_regexp", regexp),
            ("autodetect", self.autodetect),
        ];
        let mut given = inputs.iter().filter(|(_, given)| *given).map(|(name, _)| *name);
        if let (Some(first), Some(second)) = (given.next(), given.next()) {
            return Err(ConfigError::Conflict { first, second });
        }
        if self.literal.is_some() && self.output_literal.is_some() {
            return Err(ConfigError::Conflict { first: "literal", second: "output_literal" });
        }
        Ok(())
    }
}
