//! What can be wrong with a message of HTTP.

use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};

use super::{HttpdRequest, HttpdResponse};

/// What is wrong with a message that came in.
///
/// ```
/// use http::StatusCode;
/// use poe_filter::HttpProblem;
///
/// assert_eq!(HttpProblem::ContentTooLarge { limit: 10 }.status(), StatusCode::PAYLOAD_TOO_LARGE);
/// assert_eq!(HttpProblem::LengthAndEncoding.status(), StatusCode::BAD_REQUEST);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpProblem {
    /// The first line is not one of HTTP: 400.
    #[error("first line is malformed: {reason}")]
    FirstLine {
        /// What is wrong with it.
        reason: &'static str,
    },

    /// The major version is not 1: 505.
    #[error("version of HTTP is not supported; only 1.0 and 1.1 are")]
    Version,

    /// A header line is malformed, has white space before its colon, is folded (in a response it may be), or has a
    /// character that no header may have: 400.
    #[error("header is malformed")]
    Header,

    /// There are several `Host` headers: 400.
    #[error("Host is given more than once")]
    RepeatedHost,

    /// A request of HTTP/1.1 has no `Host`, which it has to have: 400.
    #[error("Host is missing")]
    NoHost,

    /// `Host` is neither a name nor an address, with a port or not: 400.
    #[error("Host is no name or address of a host")]
    BadHost,

    /// Something came that no request had asked for: 502 of a gateway.
    #[error("what came belongs to no request; close the connection and ask again on another")]
    Unasked,

    /// `Content-Length` is no number: 400.
    #[error("Content-Length is not a number")]
    BadLength,

    /// There are several `Content-Length` headers, equal or not: 400.
    #[error("Content-Length is given more than once")]
    RepeatedLength,

    /// There are both `Content-Length` and `Transfer-Encoding`: 400.
    #[error("both Content-Length and Transfer-Encoding are given")]
    LengthAndEncoding,

    /// `Transfer-Encoding` does not end in `chunked`, has it twice, or is in a message of HTTP/1.0,
    /// so that the end of the body is unknown: 400.
    #[error("Transfer-Encoding leaves the end of the content unknown")]
    BadEncoding,

    /// `Transfer-Encoding` has something besides `chunked`: 501.
    #[error("Transfer-Encoding is not implemented; only chunked is")]
    UnknownEncoding,

    /// The chunks of a chunked body are malformed: 400.
    #[error("chunked content is malformed: {reason}")]
    Chunk {
        /// What is wrong with them.
        reason: &'static str,
    },

    /// There is `Content-Encoding`, and so a body, but nothing tells its end: 411.
    #[error("no content length found")]
    LengthRequired,

    /// The request was not there in time: 408. The filter knows no time; see
    /// [`HttpdError::timeout`].
    #[error("request took too long")]
    Timeout,

    /// The body is longer than `MaxContent`: 413.
    #[error("content of more than {limit} octets is not accepted")]
    ContentTooLarge {
        /// The limit, in octets.
        limit: u64,
    },

    /// The first line is too long: 414.
    #[error("first line of more than {limit} octets is not accepted")]
    FirstLineTooLong {
        /// The limit, in octets.
        limit: usize,
    },

    /// The headers, or the trailers, are too long: 431.
    #[error("headers of more than {limit} octets are not accepted")]
    HeadersTooLong {
        /// The limit, in octets.
        limit: usize,
    },

    /// There are too many headers, or trailers: 431.
    #[error("more than {limit} headers are not accepted")]
    TooManyHeaders {
        /// The limit.
        limit: usize,
    },
}

impl HttpProblem {
    /// The status that a server answers with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::FirstLine { .. }
            | Self::Header
            | Self::RepeatedHost
            | Self::NoHost
            | Self::BadHost
            | Self::BadLength
            | Self::RepeatedLength
            | Self::LengthAndEncoding
            | Self::BadEncoding
            | Self::Chunk { .. } => StatusCode::BAD_REQUEST,
            Self::LengthRequired => StatusCode::LENGTH_REQUIRED,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::ContentTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::FirstLineTooLong { .. } => StatusCode::URI_TOO_LONG,
            Self::HeadersTooLong { .. } | Self::TooManyHeaders { .. } => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::Unasked => StatusCode::BAD_GATEWAY,
            Self::UnknownEncoding => StatusCode::NOT_IMPLEMENTED,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        }
    }
}

/// A request that [`Httpd`](super::Httpd) refuses. Where POE's filter gives a response in place of a
/// request, this is what becomes one.
///
/// The response says `Connection: close`, and closing is right: behind all of these but one, nobody
/// knows where the next request would begin.
///
/// ```
/// use http::StatusCode;
/// use poe_filter::{Filter, Httpd, HttpdRecord};
///
/// let mut filter = Httpd::new();
/// let records = filter.get("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ten\r\n\r\n".into())?;
/// let [HttpdRecord::Error(error)] = &records[..] else { panic!("{records:?}") };
/// assert_eq!(error.status(), StatusCode::BAD_REQUEST);
/// assert_eq!(error.to_string(), "Content-Length is not a number");
/// assert_eq!(error.request().unwrap().target(), "/");
///
/// let mut out = Vec::<u8>::new();
/// filter.put(error.to_response(), &mut out)?;
/// assert!(out.starts_with(b"HTTP/1.1 400 Bad Request\r\n"));
/// # Ok::<(), poe_filter::FilterError>(())
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[error("{problem}")]
pub struct HttpdError {
    problem: HttpProblem,
    request: Option<Box<HttpdRequest>>,
}

impl HttpdError {
    pub(super) fn new(problem: HttpProblem, request: Option<HttpdRequest>) -> Self {
        Self { problem, request: request.map(Box::new) }
    }

    /// A request that was not there in time, for whoever has a timer. Whether one has begun tells
    /// [`get_pending`](crate::Filter::get_pending), of the filter or of its wheel; a connection on which
    /// none has had better be closed without a word.
    ///
    /// ```
    /// use poe_filter::{Filter, Httpd, HttpdError};
    ///
    /// let mut filter = Httpd::new();
    /// filter.get("GET / HTTP/1.1\r\nHost: a\r\nX: ".into())?;
    /// // A minute later:
    /// let mut out = Vec::<u8>::new();
    /// if !filter.get_pending().is_empty() {
    ///     filter.put(HttpdError::timeout().to_response(), &mut out)?;
    /// }
    /// assert!(out.starts_with(b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n"));
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    #[must_use]
    pub fn timeout() -> Self {
        Self::new(HttpProblem::Timeout, None)
    }

    /// What is wrong.
    #[must_use]
    pub fn problem(&self) -> HttpProblem {
        self.problem
    }

    /// The status to answer with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.problem.status()
    }

    /// The request, without its body, if that much of it made sense.
    #[must_use]
    pub fn request(&self) -> Option<&HttpdRequest> {
        self.request.as_deref()
    }

    /// The response, ready to be put: the status, and a line of plain text that says what is wrong.
    /// Nothing of the request is in it.
    #[must_use]
    pub fn to_response(&self) -> HttpdResponse {
        let mut response = Response::new(format!("{}\n", self.problem).into());
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        match &self.request {
            Some(request) if request.method() == Method::HEAD => HttpdResponse::HeadOnly(response),
            _ => HttpdResponse::Whole(response),
        }
    }
}
