//! JSON, one value a line.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::filter::input_in;
use crate::metered::Meter;
use crate::{DataLimits, Filter, FilterError, Line, Sink};

/// Values of a type in JSON, each in a line of its own. Needs the feature `json`.
///
/// A line that is no such value, or one that costs more than [`DataLimits`] allow, is a [`FilterError::Record`], and the
/// next one may be fine. Lines of nothing but blanks are skipped.
///
/// ```
/// use poe_filter::{Filter, JsonLines};
///
/// #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
/// struct Point {
///     x: i32,
///     y: i32,
/// }
///
/// let mut filter = JsonLines::<Point>::new();
/// let mut out = Vec::<u8>::new();
/// filter.put(Point { x: 1, y: 2 }, &mut out)?;
/// assert_eq!(out, b"{\"x\":1,\"y\":2}\n");
/// assert_eq!(filter.get(out.into())?, [Point { x: 1, y: 2 }]);
/// # Ok::<(), poe_filter::FilterError>(())
/// ```
pub struct JsonLines<In, Out = In> {
    line: Box<dyn Filter<In = Bytes, Out = Bytes>>,
    limits: DataLimits,
    values: PhantomData<fn(Out) -> In>,
}

impl<In, Out> JsonLines<In, Out> {
    /// Lines that end in LF, and in input also in CR LF, of up to 64 MiB.
    #[must_use]
    pub fn new() -> Self {
        // A CR is a blank in JSON.
        Self::with_line(Line::ended_by(b"\n"))
    }

    /// Lines as this filter makes them: with a limit of their own, for example.
    ///
    /// ```
    /// use poe_filter::{Filter, FilterError, JsonLines, Line};
    ///
    /// let line = Line::builder().literal("\n").max_length(5).build()?;
    /// let mut filter = JsonLines::<String>::with_line(line);
    /// filter.get_one_start("\"long\"\n\"abc\"\n".into())?;
    /// assert!(matches!(filter.get_one(), Err(FilterError::LineTooLong { limit: 5 })));
    /// assert_eq!(filter.get_one()?.unwrap(), "abc");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_line(line: Line) -> Self {
        Self { line: Box::new(line), limits: DataLimits::default(), values: PhantomData }
    }

    /// What a value may cost, whoever has written its line. One that would cost more is a [`FilterError::Record`] with a
    /// [`DataLimitError`](crate::DataLimitError) in it.
    ///
    /// ```
    /// use poe_filter::{DataLimits, Filter, FilterError, JsonLines};
    ///
    /// let limits = DataLimits::default().max_depth(1);
    /// let mut filter = JsonLines::<serde_json::Value>::new().within(limits);
    /// filter.get_one_start("[[]]\n[1]\n".into())?;
    /// assert!(matches!(filter.get_one(), Err(FilterError::Record(_))));
    /// assert_eq!(filter.get_one()?.unwrap(), serde_json::json!([1]));
    /// # Ok::<(), FilterError>(())
    /// ```
    #[must_use]
    pub fn within(mut self, limits: DataLimits) -> Self {
        self.limits = limits;
        self
    }
}

impl<In, Out> Default for JsonLines<In, Out> {
    fn default() -> Self {
        Self::new()
    }
}

/// The value in a line, if there is anything in it.
fn value<In: DeserializeOwned>(line: &[u8], limits: DataLimits) -> Result<Option<In>, FilterError> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let meter = Meter::new(limits, line.len());
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    let value = meter.read(&mut deserializer);
    let value = value.map_err(|error| FilterError::Record(meter.explain(error)))?;
    deserializer.end().map_err(FilterError::record)?;
    Ok(Some(value))
}

impl<In, Out> Filter for JsonLines<In, Out>
where
    In: DeserializeOwned + 'static,
    Out: Serialize + 'static,
{
    type In = In;
    type Out = Out;

    input_in!(line);

    fn get_one(&mut self) -> Result<Option<In>, FilterError> {
        while let Some(line) = self.line.get_one()? {
            if let Some(value) = value(&line, self.limits)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    fn finish(&mut self) -> Result<Option<In>, FilterError> {
        while let Some(line) = self.line.finish()? {
            if let Some(value) = value(&line, self.limits)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    fn put(&mut self, record: Out, sink: &mut dyn Sink) -> Result<(), FilterError> {
        let text = serde_json::to_vec(&record).map_err(FilterError::record)?;
        self.line.put(text.into(), sink)
    }

    fn fresh(&self) -> Box<dyn Filter<In = In, Out = Out>> {
        Box::new(Self { line: self.line.fresh(), limits: self.limits, values: PhantomData })
    }
}

impl<In, Out> fmt::Debug for JsonLines<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLines").field("line", &self.line).finish()
    }
}
