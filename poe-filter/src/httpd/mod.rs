//! The server's side of HTTP/1.

pub(crate) mod body;
mod builder;
mod chunked;
pub(crate) mod error;
mod fields;
pub(crate) mod framing;
pub(crate) mod head;
mod host;
mod plain;
mod record;
mod request;
mod response;
mod verb;
mod words;
pub(crate) mod write;

use bytes::Bytes;
use http::{Response, Version};

use crate::buffer::InputBuffer;
use crate::shared::{Shared, Sharing};
use crate::{DEFAULT_MAX_BUFFER, Filter, FilterError, Sink};
use body::{BodyLimits, Collect, Piece, Pieces};
pub use builder::HttpdBuilder;
pub use error::{HttpProblem, HttpdError};
use fields::{Fields, body_length};
use framing::Framing;
use head::{HeadLimits, HeadScanner, Parsed, parse_request};
use plain::parse_plain;
pub use record::HttpdRecord;
use request::Parts;
pub use request::{AnyRequest, HttpdHeaders, HttpdRequest};
pub use response::HttpdResponse;
use response::{AnswersHead, OpensTunnel};
use verb::Verb;
pub use write::HttpPutError;
use write::{Otherwise, Writer, version_text};

/// Requests of HTTP in, responses out. POE's `POE::Filter::HTTPD`.
///
/// A record is a whole request with its body, of a given length or chunked; with
/// [`streaming`](HttpdBuilder::streaming) it is the head of one, a piece of a body, or its end.
/// Requests may come without waiting for responses, which are then put in the order of the requests.
///
/// What is no request is a record as well, [`HttpdRecord::Error`], which becomes the response that
/// says so. Behind it, input is dropped unread, as nobody can tell where the next request begins;
/// only a body that is too long by its `Content-Length` is passed over.
///
/// | Status | for |
/// |---|---|
/// | 400 | a request line, a header or a chunk that is malformed; lengths in doubt; HTTP/1.1 without `Host`, or with two |
/// | 411 | `Content-Encoding` without anything that tells the length |
/// | 413 | a body longer than [`max_content`](HttpdBuilder::max_content) |
/// | 414 | a request line longer than [`max_request_line`](HttpdBuilder::max_request_line) |
/// | 431 | headers longer, or more, than [allowed](HttpdBuilder::max_headers_length) |
/// | 501 | another `Transfer-Encoding` than `chunked` |
/// | 505 | HTTP/2 and such |
///
/// The filter knows no time: 408, for a request that takes too long, is for whoever has a timer, see
/// [`HttpdError::timeout`]. Likewise 501 for methods, of which any word is one.
///
/// Lines may end in LF alone, as far as the headers go. All that two readers may understand in two
/// ways is refused: `Content-Length` given twice, or along with `Transfer-Encoding`; headers that are
/// folded, or have white space before the colon; CR and NUL within lines; chunks whose lines do not
/// end in CR LF, or whose size is no plain number.
///
/// The connection is yours: close it after a response if [`keep_alive`](HttpdRequest::keep_alive) says so.
/// After CONNECT or an `Upgrade`, exchange the filter in the handler of the request; what follows is
/// pending then. While a body is being streamed, pending is the rest of it, with its chunk sizes; a
/// request that is not complete is pending from its start, and if its client's expectation has been
/// told, the next filter tells it again. A filter that is exchanged while a refused body (413) still arrives forgets
/// how much is to be skipped: rather close the connection.
///
/// ```
/// use http::{Method, Response};
/// use poe_filter::{Filter, Httpd, HttpdRecord, HttpdResponse};
///
/// let mut filter = Httpd::new();
/// let input = "POST /form HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello\
///              GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// let records = filter.get(input.into())?;
/// let [HttpdRecord::Request(post), HttpdRecord::Request(get)] = &records[..] else {
///     panic!("{records:?}");
/// };
/// assert_eq!((post.path(), post.header_str("host")), ("/form", Some("localhost")));
/// assert_eq!(post.body(), "hello");
/// assert_eq!(get.method(), Method::GET);
///
/// let mut out = Vec::<u8>::new();
/// filter.put(HttpdResponse::answer(post, Response::new("thanks")), &mut out)?;
/// assert_eq!(out, b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nthanks");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Httpd {
    buffer: InputBuffer,
    sharing: Sharing,
    state: State,
    writer: Writer,
    limits: BodyLimits,
    max_buffer: usize,
    streaming: bool,
}

/// What the next octets of input belong to.
#[derive(Debug)]
enum State {
    Head(HeadScanner),
    /// A body of which something is missing.
    Collecting(Box<Collecting>),
    Streaming(Pieces),
    /// So many octets of a body that was refused.
    Skipping(u64),
    /// Nobody knows.
    Lost,
}

#[derive(Debug)]
struct Collecting {
    request: HttpdRequest,
    body: Collect,
}

impl Httpd {
    /// A filter with the parameters that POE has by default.
    #[must_use]
    pub fn new() -> Self {
        let limits = BodyLimits { head: HeadLimits::DEFAULT, content: Some(1024 * 1024) };
        Self::with(limits, DEFAULT_MAX_BUFFER, false)
    }

    /// A filter with other parameters.
    pub fn builder() -> HttpdBuilder {
        HttpdBuilder::new()
    }

    fn with(limits: BodyLimits, max_buffer: usize, streaming: bool) -> Self {
        Self {
            buffer: InputBuffer::default(),
            sharing: Sharing::default(),
            state: State::Head(HeadScanner::default()),
            writer: Writer::default(),
            limits,
            max_buffer,
            streaming,
        }
    }

    fn read(&mut self) -> Result<Option<HttpdRecord>, HttpdError> {
        let refused = |problem| HttpdError::new(problem, None);
        loop {
            match &mut self.state {
                State::Head(_) => return self.read_head(),
                State::Collecting(collecting) => {
                    return match collecting.body.get(&mut self.buffer, &self.limits) {
                        Ok(None) => Ok(None),
                        Ok(Some(body)) => {
                            let request = self.end_collecting();
                            Ok(request.map(|mut request| {
                                request.set_body(body);
                                HttpdRecord::Request(request)
                            }))
                        }
                        Err(problem) => Err(HttpdError::new(problem, self.end_collecting())),
                    };
                }
                State::Streaming(pieces) => {
                    let piece = pieces.get(&mut self.buffer, &self.limits).map_err(refused)?;
                    return Ok(piece.map(|piece| match piece {
                        Piece::Data(data) => HttpdRecord::Body(data),
                        Piece::End(trailers) => {
                            self.state = State::Head(HeadScanner::default());
                            HttpdRecord::End(trailers.into())
                        }
                    }));
                }
                State::Skipping(0) => self.state = State::Head(HeadScanner::default()),
                State::Skipping(_) | State::Lost => {
                    self.skip();
                    if !matches!(self.state, State::Skipping(0)) {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Drops what nobody is to see, such as a body that was refused.
    fn skip(&mut self) {
        match &mut self.state {
            State::Skipping(left) => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX);
                *left -= self.buffer.skip(count) as u64;
            }
            State::Lost => {
                self.buffer.skip(usize::MAX);
            }
            _ => {}
        }
    }

    fn read_head(&mut self) -> Result<Option<HttpdRecord>, HttpdError> {
        let refused = |problem| HttpdError::new(problem, None);
        let State::Head(scanner) = &mut self.state else { return Ok(None) };
        if scanner.is_new() {
            skip_white_space(&mut self.buffer);
        }
        let end = scanner.end(self.buffer.join(), &self.limits.head).map_err(refused)?;
        let Some(head) = end.and_then(|end| self.buffer.take(end)) else { return Ok(None) };
        let scanner = std::mem::take(scanner);
        let Parsed { request, body } =
            parse_request(head, &scanner, &self.limits.head).map_err(refused)?;
        self.begin(request, body)
    }

    #[inline(never)]
    fn get_any(&mut self) -> Result<Option<HttpdRecord>, FilterError> {
        self.sharing.end();
        let record = self.read();
        self.settle(record)
    }

    /// Goes on behind a head at the start of the chunk.
    #[inline(never)]
    fn get_with_body(
        &mut self,
        verb: Verb,
        parts: Parts,
    ) -> Result<Option<HttpdRecord>, FilterError> {
        self.sharing.end();
        let head = parts.body();
        let chunk = self.buffer.chunk();
        let fields = Fields::new(&chunk[parts.fields()..head]);
        let body = body_length(fields, parts.marks(), self.limits.head.host);
        if let Ok(Framing::Length(length)) = body
            && let Some(all) = usize::try_from(length).ok().and_then(|n| n.checked_add(head))
            && all <= chunk.len()
            && self.limits.check(length).is_ok()
            && !(parts.marks().expect_continue() && length > 0)
            && !self.streaming
        {
            let octets = Shared::One(self.buffer.take(all).unwrap_or_default());
            return Ok(Some(HttpdRecord::Request(HttpdRequest::new((octets, 0), verb, parts))));
        }
        let octets = Shared::One(self.buffer.take(head).unwrap_or_default());
        let request = HttpdRequest::new((octets, 0), verb, parts);
        let record = self.begin(request, body);
        self.settle(record)
    }

    /// Goes on behind a head.
    #[inline(never)]
    fn begin(
        &mut self,
        mut request: HttpdRequest,
        length: Result<Framing, HttpProblem>,
    ) -> Result<Option<HttpdRecord>, HttpdError> {
        let length = match length {
            Ok(Framing::Length(0)) if !self.streaming => {
                return Ok(Some(HttpdRecord::Request(request)));
            }
            Ok(length) => length,
            Err(problem) => return Err(HttpdError::new(problem, Some(request))),
        };
        let expects = length != Framing::Length(0) && request.expects_continue();
        if let Framing::Length(length) = length
            && let Err(problem) = self.limits.check(length)
        {
            // A client that waits for leave may send the next request instead of this body.
            self.state = if expects { State::Lost } else { State::Skipping(length) };
            self.skip();
            return Ok(Some(HttpdRecord::Error(HttpdError::new(problem, Some(request)))));
        }
        if self.streaming {
            self.state = State::Streaming(match length {
                Framing::Length(length) => Pieces::Length(length),
                Framing::Chunked | Framing::Unsaid => Pieces::chunked(),
            });
            return Ok(Some(HttpdRecord::Head(request)));
        }
        let body = match length {
            Framing::Length(length) => Collect::Length(length),
            Framing::Chunked | Framing::Unsaid => Collect::chunked(),
        };
        if let (Collect::Length(length), false) = (&body, expects)
            && let Some(body) = usize::try_from(*length).ok().and_then(|n| self.buffer.take(n))
        {
            request.set_body(body);
            return Ok(Some(HttpdRecord::Request(request)));
        }
        request.unshare();
        let expectation = expects.then(|| HttpdRecord::Expect(request.clone()));
        self.state = State::Collecting(Box::new(Collecting { request, body }));
        match expectation {
            Some(expectation) => Ok(Some(expectation)),
            None => self.read(),
        }
    }

    fn end_collecting(&mut self) -> Option<HttpdRequest> {
        match std::mem::replace(&mut self.state, State::Head(HeadScanner::default())) {
            State::Collecting(collecting) => Some(collecting.request),
            _ => None,
        }
    }

    /// Makes a record of an error, and lets the chunk go when there is no more to be had.
    #[inline]
    fn settle(
        &mut self,
        record: Result<Option<HttpdRecord>, HttpdError>,
    ) -> Result<Option<HttpdRecord>, FilterError> {
        match record {
            Ok(Some(record)) => Ok(Some(record)),
            Ok(None) => {
                while self.buffer.next_chunk() {}
                Ok(None)
            }
            Err(error) => {
                self.state = State::Lost;
                self.buffer.skip(usize::MAX);
                Ok(Some(HttpdRecord::Error(error)))
            }
        }
    }

    fn put_whole(
        &mut self,
        response: Response<Bytes>,
        sends_body: bool,
        sink: &mut dyn Sink,
    ) -> Result<(), HttpPutError> {
        let (line, kind) = (status_line(&response)?, Kind::of(&response));
        let (parts, body) = response.into_parts();
        let (headers, version) = (&parts.headers, parts.version);
        match kind {
            Kind::Bodiless => self.writer.bodiless(&line, headers, sink),
            Kind::HeadOnly => self.writer.head_only(&line, headers, version, None, sink),
            Kind::Full if sends_body => self.writer.whole(&line, headers, version, body, sink),
            Kind::Full => {
                let length = (!body.is_empty()).then_some(body.len() as u64);
                self.writer.head_only(&line, headers, version, length, sink)
            }
        }
    }

    fn put_head(
        &mut self,
        response: &Response<()>,
        sink: &mut dyn Sink,
    ) -> Result<(), HttpPutError> {
        let line = status_line(response)?;
        let (headers, version) = (response.headers(), response.version());
        match Kind::of(response) {
            Kind::Bodiless => self.writer.bodiless(&line, headers, sink)?,
            Kind::HeadOnly => self.writer.head_only(&line, headers, version, None, sink)?,
            Kind::Full => {
                let otherwise = match version {
                    Version::HTTP_11 => Otherwise::Chunked,
                    _ => Otherwise::UntilClose,
                };
                self.writer.head(&line, headers, version, otherwise, sink)?;
                if response.extensions().get::<AnswersHead>().is_some() {
                    self.writer.discard();
                }
                return Ok(());
            }
        }
        if !response.status().is_informational() {
            self.writer.expect_end();
        }
        Ok(())
    }
}

impl Default for Httpd {
    fn default() -> Self {
        Self::new()
    }
}

impl Filter for Httpd {
    type In = HttpdRecord;
    type Out = HttpdResponse;

    fn get_one_start(&mut self, chunk: Bytes) -> Result<(), FilterError> {
        if matches!(self.state, State::Lost) {
            return Ok(());
        }
        self.buffer.append(chunk, self.max_buffer)
    }

    fn get_one(&mut self) -> Result<Option<HttpdRecord>, FilterError> {
        if let State::Head(scanner) = &self.state
            && scanner.is_new()
        {
            skip_white_space(&mut self.buffer);
            if self.buffer.head().is_empty()
                && let Some((verb, parts)) = parse_plain(self.buffer.chunk(), &self.limits.head)
            {
                if parts.marks().are_plain()
                    && !self.streaming
                    && let Some(octets) = self.buffer.take_shared(parts.body(), &mut self.sharing)
                {
                    let request = HttpdRequest::new(octets, verb, parts);
                    return Ok(Some(HttpdRecord::Request(request)));
                }
                return self.get_with_body(verb, parts);
            }
        }
        self.get_any()
    }

    fn finish(&mut self) -> Result<Option<HttpdRecord>, FilterError> {
        let held = match &self.state {
            State::Head(scanner) => {
                if scanner.is_new() {
                    skip_white_space(&mut self.buffer);
                }
                if self.buffer.len() == 0 {
                    return Ok(None);
                }
                self.buffer.len()
            }
            State::Collecting(collecting) => collecting.request.head().len() + self.buffer.len(),
            State::Streaming(_) | State::Skipping(_) => self.buffer.len(),
            State::Lost => return Ok(None),
        };
        Err(FilterError::Truncated { held })
    }

    fn put(&mut self, record: HttpdResponse, sink: &mut dyn Sink) -> Result<(), FilterError> {
        match record {
            HttpdResponse::Whole(response) => self.put_whole(response, true, sink)?,
            HttpdResponse::HeadOnly(response) => self.put_whole(response, false, sink)?,
            HttpdResponse::Head(response) => self.put_head(&response, sink)?,
            HttpdResponse::Body(part) => self.writer.body(part, sink)?,
            HttpdResponse::End(trailers) => self.writer.end(&trailers, sink)?,
        }
        Ok(())
    }

    fn get_pending(&self) -> Bytes {
        match &self.state {
            State::Collecting(collecting) => {
                [collecting.request.head(), &self.buffer.copy_all()].concat().into()
            }
            _ => self.buffer.copy_all(),
        }
    }

    fn pending_len(&self) -> usize {
        match &self.state {
            State::Collecting(collecting) => collecting.request.head().len() + self.buffer.len(),
            _ => self.buffer.len(),
        }
    }

    fn take_pending(&mut self) -> Bytes {
        self.sharing.end();
        if matches!(self.state, State::Lost) {
            self.buffer.skip(usize::MAX);
            return Bytes::new();
        }
        let pending = match &self.state {
            State::Collecting(_) => self.get_pending(),
            _ => self.buffer.take_all(),
        };
        self.buffer.skip(usize::MAX);
        self.state = State::Head(HeadScanner::default());
        pending
    }

    fn take_unread(&mut self) -> Bytes {
        match &mut self.state {
            State::Streaming(pieces) => pieces.restart(),
            State::Skipping(_) => {}
            // These begin with a request, or never again.
            _ => return self.take_pending(),
        }
        self.sharing.end();
        self.buffer.take_all()
    }

    fn fresh(&self) -> Box<dyn Filter<In = HttpdRecord, Out = HttpdResponse>> {
        Box::new(Self::with(self.limits, self.max_buffer, self.streaming))
    }
}

/// Which body a response has, by its status.
enum Kind {
    /// None, and nothing is said of one.
    Bodiless,
    /// None, but its length may be told.
    HeadOnly,
    Full,
}

impl Kind {
    fn of<T>(response: &Response<T>) -> Self {
        match response.status().as_u16() {
            _ if response.extensions().get::<OpensTunnel>().is_some() => Self::Bodiless,
            100..=199 | 204 => Self::Bodiless,
            304 => Self::HeadOnly,
            _ => Self::Full,
        }
    }
}

fn status_line<T>(response: &Response<T>) -> Result<Vec<u8>, HttpPutError> {
    let version = version_text(response.version())?;
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or_default();
    Ok(format!("{version} {} {reason}", status.as_str()).into_bytes())
}

/// Drops empty lines, and other white space, before a request.
#[inline]
fn skip_white_space(buffer: &mut InputBuffer) {
    if !buffer.head().is_empty() || buffer.chunk().first().is_none_or(|octet| *octet <= b' ') {
        skip_all_white_space(buffer);
    }
}

#[cold]
fn skip_all_white_space(buffer: &mut InputBuffer) {
    loop {
        let octets = buffer.peek(64);
        let count = octets.iter().take_while(|octet| octet.is_ascii_whitespace()).count();
        if count == 0 {
            return;
        }
        buffer.skip(count);
    }
}
