//! What goes into the filter.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version};

use super::{AnyRequest, Kind};

/// What [`Httpd`](super::Httpd) serializes: a response, whole or in parts.
///
/// A whole response becomes one by `into`, or by [`answer`](HttpdResponse::answer), which knows
/// the request. Its `Content-Length` is added. Responses of the statuses 1xx, 204 and 304 have no
/// body, whatever they are given.
///
/// One whose body comes bit by bit is a [`Head`](HttpdResponse::Head), any number of
/// [`Body`](HttpdResponse::Body) and an [`End`](HttpdResponse::End). Without a `Content-Length`, it
/// is sent in chunks to HTTP/1.1, and to HTTP/1.0 until you close.
///
/// ```
/// use http::{HeaderMap, Response};
/// use poe_filter::{Filter, Httpd, HttpdResponse};
///
/// let mut filter = Httpd::new();
/// let mut out = Vec::<u8>::new();
/// filter.put(HttpdResponse::Head(Response::new(())), &mut out)?;
/// filter.put(HttpdResponse::Body("some, ".into()), &mut out)?;
/// filter.put(HttpdResponse::Body("and more".into()), &mut out)?;
/// filter.put(HttpdResponse::End(HeaderMap::new()), &mut out)?;
/// assert_eq!(
///     out,
///     b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
///       6\r\nsome, \r\n8\r\nand more\r\n0\r\n\r\n"
/// );
/// # Ok::<(), poe_filter::FilterError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum HttpdResponse {
    /// A whole response.
    Whole(Response<Bytes>),

    /// A whole response that is sent without its body, as to HEAD. Its `Content-Length` is the one it
    /// has, or else the length of its body, unless that is empty.
    HeadOnly(Response<Bytes>),

    /// A response, its body to follow. One of a status 1xx has none, and no
    /// [`End`](HttpdResponse::End).
    Head(Response<()>),

    /// A piece of the body.
    Body(Bytes),

    /// The end of the body. The trailers are sent if the body is, in chunks.
    End(HeaderMap),
}

impl HttpdResponse {
    /// The response to this request: of its version, without a body if it was HEAD, and with a
    /// `Connection` header if the connection is to be closed, or kept for HTTP/1.0, unless the
    /// response has that header. What opens the tunnel that CONNECT asks for has no body either.
    ///
    /// ```
    /// use http::{Request, Response, Version};
    /// use poe_filter::{Filter, Httpd, HttpdResponse};
    ///
    /// let request = Request::head("/").version(Version::HTTP_10).body(())?;
    /// let answer = HttpdResponse::answer(&request, Response::new("hello"));
    /// let mut out = Vec::<u8>::new();
    /// Httpd::new().put(answer, &mut out)?;
    /// assert_eq!(out, b"HTTP/1.0 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn answer<B: Into<Bytes>>(request: &impl AnyRequest, response: Response<B>) -> Self {
        let mut response = response.map(Into::into);
        fit(request, &mut response, true);
        if request.method() == Method::HEAD {
            Self::HeadOnly(response)
        } else {
            Self::Whole(response)
        }
    }

    /// The head of the response to this request, fitted to it likewise. If it was HEAD, the parts of
    /// the body are not sent. To HTTP/1.0 without `Content-Length`, it says that you close, even if the client would have
    /// kept the connection: only so it learns where the body ends.
    ///
    /// ```
    /// use http::{HeaderMap, Request, Response};
    /// use poe_filter::{Filter, Httpd, HttpdResponse};
    ///
    /// let request = Request::head("/").body(())?;
    /// let mut filter = Httpd::new();
    /// let mut out = Vec::<u8>::new();
    /// filter.put(HttpdResponse::begin(&request, Response::new(())), &mut out)?;
    /// filter.put(HttpdResponse::Body("not sent".into()), &mut out)?;
    /// filter.put(HttpdResponse::End(HeaderMap::new()), &mut out)?;
    /// assert_eq!(out, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn begin(request: &impl AnyRequest, mut response: Response<()>) -> Self {
        let is_head = request.method() == Method::HEAD;
        let is_told = request.version() == Version::HTTP_11
            || response.headers().contains_key(CONTENT_LENGTH)
            || !matches!(Kind::of(&response), Kind::Full);
        fit(request, &mut response, is_told || is_head);
        if is_head {
            response.extensions_mut().insert(AnswersHead);
        }
        Self::Head(response)
    }

    /// `100 Continue`, which gives a client leave to send the body.
    ///
    /// ```
    /// use poe_filter::{Filter, Httpd, HttpdResponse};
    ///
    /// let mut out = Vec::<u8>::new();
    /// Httpd::new().put(HttpdResponse::go_on(), &mut out)?;
    /// assert_eq!(out, b"HTTP/1.1 100 Continue\r\n\r\n");
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    #[must_use]
    pub fn go_on() -> Self {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::CONTINUE;
        Self::Head(response)
    }
}

/// Marks the head of a response whose body is not to be sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct AnswersHead;

/// Marks a response behind which the connection is a tunnel.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpensTunnel;

/// `is_told`: the client can tell where the body ends before the connection does.
fn fit<B>(request: &impl AnyRequest, response: &mut Response<B>, is_told: bool) {
    *response.version_mut() = request.version();
    if request.method() == Method::CONNECT && response.status().is_success() {
        response.extensions_mut().insert(OpensTunnel);
    }
    if response.headers().contains_key(CONNECTION) || response.status().is_informational() {
        return;
    }
    let option = match (request.keep_alive() && is_told, request.version()) {
        (true, Version::HTTP_11) => return,
        (true, _) => "keep-alive",
        (false, _) => "close",
    };
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static(option));
}

impl<B: Into<Bytes>> From<Response<B>> for HttpdResponse {
    fn from(response: Response<B>) -> Self {
        Self::Whole(response.map(Into::into))
    }
}
