//! What goes into the filter, and what comes out of it.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};

/// What [`HttpClient`](super::HttpClient) makes of its input.
///
/// ```
/// use http::Request;
/// use poe_filter::{Filter, HttpClient, HttpClientRecord};
///
/// let input = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
/// let mut filter = HttpClient::new();
/// filter.put(Request::delete("http://localhost/file").body("")?.into(), &mut Vec::<u8>::new())?;
/// let records = filter.get(input.into())?;
/// let [HttpClientRecord::Informational(hints), HttpClientRecord::Response(done)] = &records[..]
/// else {
///     panic!("{records:?}");
/// };
/// assert_eq!((hints.status().as_u16(), done.status().as_u16()), (103, 204));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum HttpClientRecord {
    /// A whole response. Its body is decoded if it came in chunks; trailers are dropped.
    Response(Response<Bytes>),

    /// A response of a status 1xx, which goes before the one that counts. `101 Switching Protocols`
    /// is no such: nothing of HTTP comes behind it.
    Informational(Response<()>),

    /// Streaming: a response, its body to follow.
    Head(Response<()>),

    /// Streaming: a piece of the body, never empty. How the body is divided means nothing.
    Body(Bytes),

    /// Streaming: the end of the response, with the trailers of a chunked body. It comes for
    /// responses without a body, too.
    End(HeaderMap),
}

/// What [`HttpClient`](super::HttpClient) serializes: a request, whole or in parts.
///
/// A whole request becomes one by `into`. `Content-Length` is added to a body, and `Host` if the
/// headers do not have it: what the URI has, or nothing.
///
/// ```
/// use http::{HeaderMap, Request};
/// use poe_filter::{Filter, HttpClient, HttpClientRequest};
///
/// let mut filter = HttpClient::new();
/// let mut out = Vec::<u8>::new();
/// let head = Request::put("http://localhost/file").body(())?;
/// filter.put(HttpClientRequest::Head(head), &mut out)?;
/// filter.put(HttpClientRequest::Body("hello".into()), &mut out)?;
/// filter.put(HttpClientRequest::End(HeaderMap::new()), &mut out)?;
/// assert_eq!(
///     out,
///     b"PUT /file HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n\
///       5\r\nhello\r\n0\r\n\r\n"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum HttpClientRequest {
    /// A whole request.
    Whole(Request<Bytes>),

    /// A request, its body to follow, which is sent in chunks unless there is a `Content-Length`.
    Head(Request<()>),

    /// A piece of the body.
    Body(Bytes),

    /// The end of the body. The trailers are sent if the body is, in chunks.
    End(HeaderMap),
}

impl<B: Into<Bytes>> From<Request<B>> for HttpClientRequest {
    fn from(request: Request<B>) -> Self {
        Self::Whole(request.map(Into::into))
    }
}
