//! What can go wrong: while a filter is built, and while a stream is parsed.

use std::error::Error;

/// Why a filter could not turn octets into records, or a record into octets.
///
/// Whether the filter can go on is what [`is_fatal`](FilterError::is_fatal) tells.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// A line is longer than `MaxLength`. It is discarded up to and with its terminator.
    #[error(
        "line exceeds the limit of {limit} octets and is discarded up to its end; \
         raise max_length if the peer may send longer lines"
    )]
    LineTooLong {
        /// The `MaxLength` of the filter, in octets.
        limit: usize,
    },

    /// A block announces more octets than `MaxLength`. Its octets are discarded as they arrive.
    #[error(
        "block exceeds the limit: {length} octets announced where {limit} are allowed, and the \
         block is discarded; raise max_length if the peer may send longer blocks"
    )]
    BlockTooLong {
        /// How many octets the peer announced.
        length: u64,
        /// The `MaxLength` of the filter, in octets.
        limit: usize,
    },

    /// Unparsed input is longer than `MaxBuffer`. Nothing is lost: the octets stay in the buffer.
    #[error(
        "input buffer exceeds the limit: {held} octets held where {limit} are allowed; take the \
         records out with get_one before adding more, or raise max_buffer"
    )]
    BufferTooLong {
        /// How many octets the filter holds now.
        held: usize,
        /// The `MaxBuffer` of the filter, in octets.
        limit: usize,
    },

    /// Input was added to a filter that held more than `MaxBuffer` already, and said so. It is refused, so that what is
    /// missing in the stream is not mistaken for something else, and the memory is bounded whatever its user does.
    #[error(
        "input buffer is full: {held} octets held where {limit} are allowed, and input was refused; take the \
         records out with get_one before adding more, or raise max_buffer"
    )]
    BufferFull {
        /// How many octets the filter holds.
        held: usize,
        /// The `MaxBuffer` of the filter, in octets.
        limit: usize,
    },

    /// Octets that are no length prefix stand where one was expected. They are skipped, up to the
    /// next octets that are one.
    #[error(
        "block length expected, found other octets, which are skipped; check that both ends use \
         the same length codec"
    )]
    Junk,

    /// A length prefix can not be understood, so that the end of its block is unknown.
    #[error("block length is unusable: {reason}; check that both ends use the same length codec")]
    BadLength {
        /// What is wrong with it.
        reason: &'static str,
    },

    /// The input ended within a record. The octets stay pending.
    #[error(
        "input ended within a record, with {held} octets of it pending; the peer closed too early"
    )]
    Truncated {
        /// How many octets of the record are pending, its length prefix included: not those of a body that were given
        /// piece by piece, or skipped.
        held: usize,
    },

    /// A record could not be parsed or serialized; it is dropped, and the next one may be fine.
    #[error("record is unusable: {0}")]
    Record(#[source] Box<dyn Error + Send + Sync>),

    /// The stream can not be parsed any further.
    #[error("stream is unusable: {0}")]
    Stream(#[source] Box<dyn Error + Send + Sync>),
}

impl FilterError {
    /// Whether the stream is beyond parsing.
    ///
    /// `false`: what was wrong has been dealt with (the offending record is consumed, or nothing is
    /// lost), and the next [`get_one`](crate::Filter::get_one) goes on. `true`: the filter does not
    /// know where the next record begins, and further calls give the same error.
    ///
    /// ```
    /// use poe_filter::FilterError;
    ///
    /// assert!(!FilterError::LineTooLong { limit: 80 }.is_fatal());
    /// assert!(FilterError::Truncated { held: 3 }.is_fatal());
    /// ```
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::LineTooLong { .. }
            | Self::BlockTooLong { .. }
            | Self::BufferTooLong { .. }
            | Self::Junk
            | Self::Record(_) => false,
            Self::BufferFull { .. }
            | Self::BadLength { .. }
            | Self::Truncated { .. }
            | Self::Stream(_) => true,
        }
    }

    /// An error of one record, for filters defined elsewhere.
    ///
    /// ```
    /// use poe_filter::FilterError;
    ///
    /// let error = FilterError::record("no number");
    /// assert_eq!(error.to_string(), "record is unusable: no number");
    /// assert!(!error.is_fatal());
    /// ```
    pub fn record(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Record(cause.into())
    }

    /// An error that ends the parsing of the stream, for filters defined elsewhere.
    ///
    /// ```
    /// use poe_filter::FilterError;
    ///
    /// assert!(FilterError::stream("bad magic number").is_fatal());
    /// ```
    pub fn stream(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Stream(cause.into())
    }
}

/// Why a filter could not be built: the caller's parameters make no sense together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Two parameters were given that exclude one another.
    #[error("{first} and {second} exclude one another; give only one of them")]
    Conflict {
        /// One of them.
        first: &'static str,
        /// The other.
        second: &'static str,
    },

    /// A terminator to look for is empty.
    #[error("{parameter} must not be empty; use autodetect to learn the terminator from the input")]
    EmptyLiteral {
        /// Which parameter.
        parameter: &'static str,
    },

    /// A size or a limit is zero.
    #[error("{parameter} must be greater than 0")]
    Zero {
        /// Which parameter.
        parameter: &'static str,
    },

    /// The buffer could never hold the longest record allowed.
    #[error(
        "max_buffer of {max_buffer} octets can not hold a record of {needed}; raise max_buffer or lower the record's limit"
    )]
    BufferTooSmall {
        /// The `MaxBuffer` that was asked for, in octets.
        max_buffer: usize,
        /// The least that would do, in octets.
        needed: usize,
    },

    /// A layer of a stack does not take what its neighbour gives.
    #[error(
        "{giver} gives records of type {gives} where {wanted} is wanted; put a Map between the two"
    )]
    LayerMismatch {
        /// The layer that gives the record.
        giver: &'static str,
        /// What it gives.
        gives: &'static str,
        /// What the layer next to it takes.
        wanted: &'static str,
    },

    /// The regular expression does not compile.
    #[error("input_regexp {pattern:?} is not a regular expression: {reason}")]
    BadRegexp {
        /// The expression.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },

    /// The regular expression matches no octets at all, so that lines would never end.
    #[error("input_regexp {pattern:?} can match nothing; a terminator must be at least one octet")]
    EmptyRegexp {
        /// The expression.
        pattern: String,
    },
}
