//! What comes out of the filter.

use bytes::Bytes;
use http::HeaderMap;

use super::{HttpdError, HttpdRequest};

/// What [`Httpd`](super::Httpd) makes of its input.
///
/// ```
/// use http::Response;
/// use poe_filter::{Filter, Httpd, HttpdRecord, HttpdResponse};
///
/// fn answer(record: HttpdRecord) -> Option<HttpdResponse> {
///     match record {
///         HttpdRecord::Request(request) => {
///             let body = format!("you asked for {}\n", request.target());
///             Some(HttpdResponse::answer(&request, Response::new(body)))
///         }
///         HttpdRecord::Expect(_) => Some(HttpdResponse::go_on()),
///         HttpdRecord::Error(error) => Some(error.to_response()),
///         _ => None,
///     }
/// }
///
/// let mut filter = Httpd::new();
/// let mut out = Vec::<u8>::new();
/// for record in filter.get("GET /that HTTP/1.1\r\nHost: a\r\n\r\n".into())? {
///     if let Some(response) = answer(record) {
///         filter.put(response, &mut out)?;
///     }
/// }
/// assert!(out.ends_with(b"\r\n\r\nyou asked for /that\n"));
/// # Ok::<(), poe_filter::FilterError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum HttpdRecord {
    /// A whole request. Its body is decoded if it came in chunks; trailers are dropped.
    Request(HttpdRequest),

    /// The client waits for leave to send the body of this request (`Expect: 100-continue`). Put
    /// [`HttpdResponse::go_on`](super::HttpdResponse::go_on) to give it, and the
    /// [`Request`](HttpdRecord::Request) comes when the body is there. Or put a response that says
    /// why not, and close: whether such a client sends the body nevertheless, nobody knows.
    ///
    /// It comes whether or not the client did wait.
    Expect(HttpdRequest),

    /// A request that is refused. Put its [response](HttpdError::to_response), and close.
    Error(HttpdError),

    /// Streaming: a request, its body to follow. An expectation of its is for you to look up, with
    /// [`expects_continue`](HttpdRequest::expects_continue).
    Head(HttpdRequest),

    /// Streaming: a piece of the body, never empty. How the body is divided means nothing.
    Body(Bytes),

    /// Streaming: the end of the request, with the trailers of a chunked body. It comes for requests
    /// without a body, too.
    End(Box<HeaderMap>),
}
