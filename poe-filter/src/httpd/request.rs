//! A request that came in.

use std::fmt;

use bytes::Bytes;
use http::uri::{InvalidUri, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

use super::fields::{Fields, Marks, connection_marks};
use super::verb::Verb;
use crate::shared::Shared;

/// A request of HTTP. [`Httpd`](super::Httpd) makes it of its input.
///
/// Its head stays as it came, in one piece of memory, and is looked into when you ask: what nobody
/// asks for costs nothing. It has been checked as a whole, so that nothing in it is malformed.
/// [`to_http`](HttpdRequest::to_http) makes it one of the `http` crate.
///
/// ```
/// use http::{Method, header};
/// use poe_filter::{Filter, Httpd, HttpdRecord};
///
/// let input = "PUT /a%20b?c=d HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi";
/// let records = Httpd::new().get(input.into())?;
/// let [HttpdRecord::Request(request)] = &records[..] else { panic!("{records:?}") };
/// assert_eq!(request.method(), Method::PUT);
/// assert_eq!((request.path(), request.query()), ("/a%20b", Some("c=d")));
/// assert_eq!(request.header("host"), Some(&b"localhost"[..]));
/// assert_eq!(request.header_str(header::CONTENT_LENGTH), Some("2"));
/// assert_eq!(request.body(), "hi");
/// # Ok::<(), poe_filter::FilterError>(())
/// ```
#[derive(Clone)]
pub struct HttpdRequest {
    /// All of the head, with the empty line at its end, and a body that came in one piece with it. There may be something
    /// before them, and if there is no body, behind them.
    octets: Shared,
    apart: Option<Box<Apart>>,
    parts: Parts,
    /// Where the head begins.
    start: u32,
    verb: Verb,
}

/// What few requests have: all of them are moved about, which is felt.
#[derive(Debug, Clone, Default)]
struct Apart {
    method: Option<Method>,
    body: Bytes,
}

/// Where things are, from the start of the head, and what was noted of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts {
    /// How long the target is, and where the headers begin.
    first: u64,
    /// Where the head ends, where the target begins, and the marks.
    second: u64,
}

impl Parts {
    /// Two numbers, which processors keep in registers.
    #[inline(always)]
    pub(super) fn new(target: u16, target_len: u32, fields: u32, body: u32, marks: Marks) -> Self {
        let first = u64::from(target_len) << 32 | u64::from(fields);
        let second = u64::from(body) << 32 | u64::from(target) << 16 | u64::from(marks.bits());
        Self { first, second }
    }

    pub(super) fn target(self) -> usize {
        (self.second >> 16 & 0xffff) as usize
    }

    pub(super) fn target_len(self) -> usize {
        (self.first >> 32) as usize
    }

    pub(super) fn fields(self) -> usize {
        (self.first & 0xffff_ffff) as usize
    }

    /// Where the head ends.
    #[inline(always)]
    pub(super) fn body(self) -> usize {
        (self.second >> 32) as usize
    }

    #[inline(always)]
    pub(super) fn marks(self) -> Marks {
        Marks::from_bits(self.second as u16)
    }
}

impl HttpdRequest {
    /// A request of a usual method; a body, if any, is behind its head.
    #[inline]
    pub(super) fn new((octets, start): (Shared, u32), verb: Verb, parts: Parts) -> Self {
        Self { octets, apart: None, parts, start, verb }
    }

    /// A request of any method.
    pub(super) fn with_method(octets: Bytes, method: Method, parts: Parts) -> Self {
        let verb = Verb::new(method.as_str());
        let mut request = Self::new((Shared::One(octets), 0), verb, parts);
        if verb == Verb::Other {
            request.apart_mut().method = Some(method);
        }
        request
    }

    /// Gives a body to a request that has none.
    pub(super) fn set_body(&mut self, body: Bytes) {
        self.apart_mut().body = body;
    }

    pub(super) fn head(&self) -> &[u8] {
        &self.octets[self.start as usize..][..self.parts.body()]
    }

    /// Has a copy of its head, and not the chunk that it came with, so that it may wait.
    pub(super) fn unshare(&mut self) {
        self.octets = Shared::One(Bytes::copy_from_slice(self.head()));
        self.start = 0;
    }

    fn apart_mut(&mut self) -> &mut Apart {
        self.apart.get_or_insert_default()
    }

    /// The method: any word.
    #[must_use]
    pub fn method(&self) -> &Method {
        let apart = || self.apart.as_ref()?.method.as_ref();
        self.verb.as_method().or_else(apart).unwrap_or(&Method::GET)
    }

    /// The target as it came, such as `/path?query`, but for slashes doubled at its start.
    #[must_use]
    pub fn target(&self) -> &str {
        // It was checked for that.
        str::from_utf8(self.target_octets()).unwrap_or_default()
    }

    /// The path of the target, up to its query, with its percent signs. `*` and the target of CONNECT
    /// are what they are; of a whole URI it is the path alone.
    #[must_use]
    pub fn path(&self) -> &str {
        let path = self.path_and_query();
        // A whole URI may have none.
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        if path.is_empty() { "/" } else { path }
    }

    /// The query of the target, behind its question mark.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.path_and_query().split_once('?').map(|(_, query)| query)
    }

    /// The target as a URI.
    ///
    /// # Errors
    ///
    /// None for what `Httpd` has let pass.
    pub fn uri(&self) -> Result<Uri, InvalidUri> {
        let target = self.octets.slice_ref(self.target_octets());
        if target.starts_with(b"/") {
            return PathAndQuery::from_maybe_shared(target).map(Uri::from);
        }
        Uri::from_maybe_shared(target)
    }

    /// The version: HTTP/1.1, HTTP/1.0, or HTTP/0.9 for a request that names none.
    #[must_use]
    #[inline]
    pub fn version(&self) -> Version {
        self.parts.marks().version()
    }

    /// All headers, names as they were written, in order.
    ///
    /// ```
    /// use poe_filter::{Filter, Httpd, HttpdRecord};
    ///
    /// let records = Httpd::new().get("GET / HTTP/1.1\r\nHost: a\r\nb:2\r\nB: 3\r\n\r\n".into())?;
    /// let [HttpdRecord::Request(request)] = &records[..] else { panic!("{records:?}") };
    /// let headers: Vec<_> = request.headers().collect();
    /// assert_eq!(headers, [("Host", &b"a"[..]), ("b", b"2"), ("B", b"3")]);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    #[must_use]
    pub fn headers(&self) -> HttpdHeaders<'_> {
        HttpdHeaders(self.fields())
    }

    /// The first header of a name, whichever case that is in.
    #[must_use]
    pub fn header(&self, name: impl AsRef<str>) -> Option<&[u8]> {
        self.fields().find(name.as_ref().as_bytes())
    }

    /// The same if it is text in UTF-8.
    #[must_use]
    pub fn header_str(&self, name: impl AsRef<str>) -> Option<&str> {
        self.header(name).and_then(|value| str::from_utf8(value).ok())
    }

    /// Whether a header has a word in the list that it is, whichever case that is in, as `upgrade` in
    /// `Connection: keep-alive, Upgrade`.
    ///
    /// ```
    /// use poe_filter::{Filter, Httpd, HttpdRecord};
    ///
    /// let records = Httpd::new().get("GET / HTTP/1.1\r\nHost: a\r\nConnection: a, Upgrade\r\n\r\n".into())?;
    /// let [HttpdRecord::Request(request)] = &records[..] else { panic!("{records:?}") };
    /// assert!(request.header_has("connection", "upgrade"));
    /// assert!(!request.header_has("connection", "up"));
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    #[must_use]
    pub fn header_has(&self, name: impl AsRef<str>, word: &str) -> bool {
        let name = name.as_ref();
        self.headers()
            .filter(|(of, _)| of.eq_ignore_ascii_case(name))
            .flat_map(|(_, value)| value.split(|octet| *octet == b','))
            .any(|said| said.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    }

    /// The body, which is shared and not copied. That of a [`Head`](super::HttpdRecord::Head) and the
    /// like is empty.
    #[must_use]
    pub fn body(&self) -> Bytes {
        match &self.apart {
            Some(apart) if !apart.body.is_empty() => apart.body.clone(),
            // Nothing is behind it in its octets.
            _ if self.parts.marks().has(Marks::FRAMED) => {
                self.octets.slice(self.start as usize + self.parts.body()..)
            }
            _ => Bytes::new(),
        }
    }

    /// The body without the rest.
    #[must_use]
    pub fn into_body(self) -> Bytes {
        self.body()
    }

    /// Whether the client lets the connection go on after the response: unless it says
    /// `Connection: close`, or is of HTTP/1.0 and does not say `Connection: keep-alive`.
    #[must_use]
    #[inline]
    pub fn keep_alive(&self) -> bool {
        goes_on(self.version(), self.parts.marks())
    }

    /// Whether the client waits for leave to send the body, if there is any.
    #[must_use]
    pub fn expects_continue(&self) -> bool {
        self.parts.marks().expect_continue()
    }

    /// The same as a request of the `http` crate. Nothing of it is copied.
    ///
    /// ```
    /// use poe_filter::{Filter, Httpd, HttpdRecord};
    ///
    /// let records = Httpd::new().get("GET /a?b HTTP/1.1\r\nHost: a\r\nX: y\r\nX: z\r\n\r\n".into())?;
    /// let [HttpdRecord::Request(request)] = &records[..] else { panic!("{records:?}") };
    /// let request: http::Request<bytes::Bytes> = request.to_http()?;
    /// assert_eq!(request.uri().query(), Some("b"));
    /// assert_eq!(request.headers()["x"], "y");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If there are more headers than that crate can hold, some ten thousand. Nothing that `Httpd` lets
    /// pass by default fails.
    pub fn to_http(&self) -> Result<Request<Bytes>, http::Error> {
        let mut request = Request::new(self.body());
        *request.method_mut() = self.method().clone();
        *request.uri_mut() = self.uri()?;
        *request.version_mut() = self.version();
        let mut headers = HeaderMap::with_capacity(16);
        for (name, value) in self.headers() {
            let name = HeaderName::from_bytes(name.as_bytes())?;
            let value = HeaderValue::from_maybe_shared(self.octets.slice_ref(value))?;
            headers.try_append(name, value)?;
        }
        *request.headers_mut() = headers;
        Ok(request)
    }

    fn target_octets(&self) -> &[u8] {
        &self.head()[self.parts.target()..][..self.parts.target_len()]
    }

    fn fields(&self) -> Fields<'_> {
        Fields::new(&self.head()[self.parts.fields()..])
    }

    fn path_and_query(&self) -> &str {
        let target = self.target();
        let Some((_, rest)) = target.split_once("://").filter(|_| !target.starts_with('/')) else {
            return target;
        };
        rest.find(['/', '?']).map_or("/", |start| &rest[start..])
    }
}

impl fmt::Debug for HttpdRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(name, value): (_, &[u8])| (name, value.escape_ascii().to_string());
        f.debug_struct("HttpdRequest")
            .field("method", self.method())
            .field("target", &self.target())
            .field("version", &self.version())
            .field("headers", &self.headers().map(shown).collect::<Vec<_>>())
            .field("body", &self.body())
            .finish()
    }
}

impl TryFrom<HttpdRequest> for Request<Bytes> {
    type Error = http::Error;

    fn try_from(request: HttpdRequest) -> Result<Self, http::Error> {
        request.to_http()
    }
}

/// The headers of an [`HttpdRequest`]: names and values.
#[derive(Debug, Clone)]
pub struct HttpdHeaders<'a>(Fields<'a>);

impl<'a> Iterator for HttpdHeaders<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<(&'a str, &'a [u8])> {
        let (name, value) = self.0.next()?;
        // It was checked for being a word.
        Some((str::from_utf8(name).unwrap_or_default(), value))
    }
}

/// What a response has to fit: an [`HttpdRequest`], or one of the `http` crate.
///
/// ```
/// use http::{Request, Version};
/// use poe_filter::AnyRequest;
///
/// let request = Request::get("/").body(())?;
/// assert!(AnyRequest::keep_alive(&request));
/// let request = Request::get("/").version(Version::HTTP_10).body(())?;
/// assert!(!AnyRequest::keep_alive(&request));
/// # Ok::<(), http::Error>(())
/// ```
pub trait AnyRequest {
    /// Its method.
    fn method(&self) -> &Method;

    /// Its version.
    fn version(&self) -> Version;

    /// Whether the client lets the connection go on; see [`HttpdRequest::keep_alive`].
    fn keep_alive(&self) -> bool;
}

impl AnyRequest for HttpdRequest {
    fn method(&self) -> &Method {
        self.method()
    }

    fn version(&self) -> Version {
        self.version()
    }

    fn keep_alive(&self) -> bool {
        self.keep_alive()
    }
}

impl<T> AnyRequest for Request<T> {
    fn method(&self) -> &Method {
        self.method()
    }

    fn version(&self) -> Version {
        self.version()
    }

    fn keep_alive(&self) -> bool {
        let mut marks = Marks::of(self.version());
        for value in self.headers().get_all(http::header::CONNECTION) {
            marks.add(connection_marks(value.as_bytes()));
        }
        goes_on(self.version(), marks)
    }
}

#[inline]
fn goes_on(version: Version, marks: Marks) -> bool {
    match version {
        Version::HTTP_11 => !marks.has(Marks::CLOSE),
        Version::HTTP_10 => marks.has(Marks::KEEP_ALIVE) && !marks.has(Marks::CLOSE),
        _ => false,
    }
}
