//! Messages to octets.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, Version};

use super::framing::Framing;
use crate::{FilterError, Sink};

/// Why a message can not be put; in a [`FilterError::Record`].
///
/// ```
/// use http::Response;
/// use poe_filter::{Filter, FilterError, Httpd, HttpPutError};
///
/// let response = Response::builder().header("Content-Length", "10").body("hello")?;
/// let Err(FilterError::Record(error)) = Httpd::new().put(response.into(), &mut Vec::<u8>::new())
/// else {
///     panic!("put");
/// };
/// assert_eq!(
///     error.downcast_ref(),
///     Some(&HttpPutError::WrongLength { declared: 10, given: 5 })
/// );
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpPutError {
    /// The headers that say where the body ends make no sense.
    #[error("headers leave the end of the body in doubt: {0}; leave them to the filter")]
    Framing(#[from] super::HttpProblem),

    /// A request before HTTP/1.1 that comes in parts, without `Content-Length`: the server could not tell
    /// where its body ends.
    #[error("the server could not tell where the body ends; give Content-Length, or use HTTP/1.1")]
    NoLength,

    /// A request whose URI has nothing to ask for.
    #[error(
        "the URI of the request has no path, or its host is no header; use one such as http://host/path"
    )]
    Target,

    /// The body has not as many octets as its `Content-Length` says.
    #[error("Content-Length says {declared} octets, the body has {given}")]
    WrongLength {
        /// What the header says, in octets.
        declared: u64,
        /// What there is, in octets; of a body that comes in parts, what would be there.
        given: u64,
    },

    /// HTTP/2 and HTTP/3 are not written as text.
    #[error("messages of {0:?} can not be written; use HTTP/1.1")]
    Version(Version),

    /// A part of a body where none can be: nothing was begun, or it has no body.
    #[error("there is no body to be continued; put a head first")]
    NotBegun,

    /// A message while the body of another is to be continued.
    #[error("the body before this message has no end; put that first")]
    NotEnded,
}

impl From<HttpPutError> for FilterError {
    fn from(error: HttpPutError) -> Self {
        Self::record(error)
    }
}

/// Up to how long a body is copied behind its head, so that both are sent at once.
const SMALL: usize = 4096;

/// Writes messages, and knows how the body that it is in the middle of goes on.
#[derive(Debug, Default)]
pub(crate) enum Writer {
    #[default]
    Idle,
    Counted {
        declared: u64,
        given: u64,
    },
    Chunked,
    UntilClose,
    /// There is none.
    Bodiless,
    /// There is one, which the peer did not ask for.
    Discarded,
}

/// What is said of a body that has not been said where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Otherwise {
    /// It is sent in chunks.
    Chunked,
    /// It ends with the connection.
    UntilClose,
}

impl Writer {
    /// A message with its body.
    pub(crate) fn whole(
        &self,
        first_line: &[u8],
        headers: &HeaderMap,
        version: Version,
        body: Bytes,
        sink: &mut dyn Sink,
    ) -> Result<(), HttpPutError> {
        self.check_idle()?;
        let given = body.len() as u64;
        let framing = Framing::of(headers, version)?;
        let mut octets = start(first_line, headers, &[]);
        match framing {
            Framing::Unsaid => put_length(given, &mut octets),
            Framing::Chunked => {}
            Framing::Length(declared) if declared == given => {}
            Framing::Length(declared) => return Err(HttpPutError::WrongLength { declared, given }),
        }
        octets.extend_from_slice(b"\r\n");
        if framing == Framing::Chunked {
            if given > 0 {
                octets.extend_from_slice(format!("{given:x}\r\n").as_bytes());
                octets.extend_from_slice(&body);
                octets.extend_from_slice(b"\r\n");
            }
            octets.extend_from_slice(b"0\r\n\r\n");
            sink.put_bytes(octets.into());
        } else if body.len() <= SMALL {
            octets.extend_from_slice(&body);
            sink.put_bytes(octets.into());
        } else {
            sink.put_bytes(octets.into());
            sink.put_bytes(body);
        }
        Ok(())
    }

    /// A message that can have no body: without the headers that tell of one.
    pub(crate) fn bodiless(
        &self,
        first_line: &[u8],
        headers: &HeaderMap,
        sink: &mut dyn Sink,
    ) -> Result<(), HttpPutError> {
        self.check_idle()?;
        let mut octets = start(first_line, headers, &[CONTENT_LENGTH, TRANSFER_ENCODING]);
        octets.extend_from_slice(b"\r\n");
        sink.put_bytes(octets.into());
        Ok(())
    }

    /// A message whose headers tell of a body that is not sent.
    pub(crate) fn head_only(
        &self,
        first_line: &[u8],
        headers: &HeaderMap,
        version: Version,
        length: Option<u64>,
        sink: &mut dyn Sink,
    ) -> Result<(), HttpPutError> {
        self.check_idle()?;
        let framing = Framing::of(headers, version)?;
        let mut octets = start(first_line, headers, &[]);
        if let (Framing::Unsaid, Some(length)) = (framing, length) {
            put_length(length, &mut octets);
        }
        octets.extend_from_slice(b"\r\n");
        sink.put_bytes(octets.into());
        Ok(())
    }

    /// The head of a message whose body follows in parts.
    pub(crate) fn head(
        &mut self,
        first_line: &[u8],
        headers: &HeaderMap,
        version: Version,
        otherwise: Otherwise,
        sink: &mut dyn Sink,
    ) -> Result<(), HttpPutError> {
        self.check_idle()?;
        let framing = Framing::of(headers, version)?;
        let mut octets = start(first_line, headers, &[]);
        *self = match (framing, otherwise) {
            (Framing::Length(declared), _) => Self::Counted { declared, given: 0 },
            (Framing::Chunked, _) => Self::Chunked,
            (Framing::Unsaid, Otherwise::Chunked) => {
                octets.extend_from_slice(b"transfer-encoding: chunked\r\n");
                Self::Chunked
            }
            (Framing::Unsaid, Otherwise::UntilClose) => Self::UntilClose,
        };
        octets.extend_from_slice(b"\r\n");
        sink.put_bytes(octets.into());
        Ok(())
    }

    /// Expects the end of a message that can have no body, after its head.
    pub(crate) fn expect_end(&mut self) {
        *self = Self::Bodiless;
    }

    /// Drops the body of a message whose head was put.
    pub(crate) fn discard(&mut self) {
        *self = Self::Discarded;
    }

    /// A part of the body.
    pub(crate) fn body(&mut self, part: Bytes, sink: &mut dyn Sink) -> Result<(), HttpPutError> {
        match self {
            Self::Idle => return Err(HttpPutError::NotBegun),
            // An empty chunk would be the last one.
            _ if part.is_empty() => return Ok(()),
            Self::Bodiless => return Err(HttpPutError::NotBegun),
            Self::Counted { declared, given } => {
                let would_be = *given + part.len() as u64;
                if would_be > *declared {
                    let declared = *declared;
                    return Err(HttpPutError::WrongLength { declared, given: would_be });
                }
                *given = would_be;
                sink.put_bytes(part);
            }
            Self::Chunked => {
                sink.put_slice(format!("{:x}\r\n", part.len()).as_bytes());
                sink.put_bytes(part);
                sink.put_slice(b"\r\n");
            }
            Self::UntilClose => sink.put_bytes(part),
            Self::Discarded => {}
        }
        Ok(())
    }

    /// The end of the body.
    pub(crate) fn end(
        &mut self,
        trailers: &HeaderMap,
        sink: &mut dyn Sink,
    ) -> Result<(), HttpPutError> {
        match *self {
            Self::Idle => return Err(HttpPutError::NotBegun),
            Self::Counted { declared, given } if declared != given => {
                return Err(HttpPutError::WrongLength { declared, given });
            }
            Self::Chunked => {
                let mut octets = start(b"0", trailers, &[CONTENT_LENGTH, TRANSFER_ENCODING]);
                octets.extend_from_slice(b"\r\n");
                sink.put_bytes(octets.into());
            }
            Self::Counted { .. } | Self::UntilClose | Self::Bodiless | Self::Discarded => {}
        }
        *self = Self::Idle;
        Ok(())
    }

    fn check_idle(&self) -> Result<(), HttpPutError> {
        if matches!(self, Self::Idle) { Ok(()) } else { Err(HttpPutError::NotEnded) }
    }
}

/// The version as it is written. What is below HTTP/1.0 has no head at all.
pub(crate) fn version_text(version: Version) -> Result<&'static str, HttpPutError> {
    match version {
        Version::HTTP_09 | Version::HTTP_10 => Ok("HTTP/1.0"),
        Version::HTTP_11 => Ok("HTTP/1.1"),
        other => Err(HttpPutError::Version(other)),
    }
}

/// The first line and the headers, those without that are not wanted. The types of `http` have no
/// line ends in names and values.
fn start(first_line: &[u8], headers: &HeaderMap, unwanted: &[HeaderName]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(first_line.len() + 64 + headers.len() * 48);
    octets.extend_from_slice(first_line);
    octets.extend_from_slice(b"\r\n");
    for (name, value) in headers {
        if !unwanted.contains(name) {
            octets.extend_from_slice(name.as_str().as_bytes());
            octets.extend_from_slice(b": ");
            octets.extend_from_slice(value.as_bytes());
            octets.extend_from_slice(b"\r\n");
        }
    }
    octets
}

fn put_length(length: u64, octets: &mut Vec<u8>) {
    octets.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
}
