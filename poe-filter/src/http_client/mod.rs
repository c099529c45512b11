//! The client's side of HTTP/1.

mod builder;
mod record;

use std::collections::VecDeque;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};

use crate::buffer::InputBuffer;
use crate::httpd::HttpProblem;
use crate::httpd::HttpPutError;
use crate::httpd::body::{BodyLimits, Collect, Piece, Pieces};
use crate::httpd::framing::Framing;
use crate::httpd::head::{HeadScanner, parse_response};
use crate::httpd::write::{Otherwise, Writer, version_text};
use crate::{Filter, FilterError, Sink};
pub use builder::HttpClientBuilder;
pub use record::{HttpClientRecord, HttpClientRequest};

/// Responses of HTTP in, requests out: the other side of [`Httpd`](crate::Httpd). POE has no such
/// filter.
///
/// The filter that puts the requests has to be the one that gets the responses, as those to HEAD and
/// CONNECT can not be told from others. Whatever comes while no request waits for a response, but for empty
/// lines, is [`HttpProblem::Unasked`], and the end: the next request would take it for its own. Responses
/// without requests, of a recording say, are for a filter that is
/// [told to take them](HttpClientBuilder::allow_unasked).
///
/// A body ends as its headers say, or with the input if they say nothing: then the response is what
/// [`finish`](Filter::finish) gives. Headers that are folded are in one line. What is no response, and what could be read in two ways, is a
/// fatal error, a [`FilterError::Stream`] with an [`HttpProblem`].
///
/// ```
/// use http::Request;
/// use poe_filter::{Filter, HttpClient, HttpClientRecord};
///
/// let mut filter = HttpClient::new();
/// let mut out = Vec::<u8>::new();
/// filter.put(Request::get("http://localhost/").body("")?.into(), &mut out)?;
/// assert_eq!(out, b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
///
/// let records = filter.get("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".into())?;
/// let [HttpClientRecord::Response(response)] = &records[..] else { panic!("{records:?}") };
/// assert_eq!(response.body(), "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct HttpClient {
    buffer: InputBuffer,
    state: State,
    /// Of the requests without response.
    asked: VecDeque<Method>,
    unasked: bool,
    writer: Writer,
    limits: BodyLimits,
    max_buffer: usize,
    streaming: bool,
}

/// What the next octets of input belong to.
#[derive(Debug)]
enum State {
    Head(HeadScanner),
    Collecting(Box<Collecting>),
    Streaming(Pieces),
    Lost(HttpProblem),
}

#[derive(Debug)]
struct Collecting {
    head: Bytes,
    response: Response<()>,
    /// The method of the request that it is the response to.
    asked: Option<Method>,
    body: Collect,
}

/// The body of a response.
#[derive(Debug, Clone, Copy)]
enum Body {
    Length(u64),
    Chunked,
    UntilClose,
}

impl HttpClient {
    /// A filter with the default parameters.
    #[must_use]
    pub fn new() -> Self {
        let content = Some(crate::DEFAULT_MAX_LENGTH as u64);
        let limits = BodyLimits { head: crate::httpd::head::HeadLimits::DEFAULT, content };
        Self::with(limits, crate::DEFAULT_MAX_BUFFER, false, false)
    }

    /// A filter with other parameters.
    pub fn builder() -> HttpClientBuilder {
        HttpClientBuilder::new()
    }

    fn with(limits: BodyLimits, max_buffer: usize, streaming: bool, unasked: bool) -> Self {
        Self {
            buffer: InputBuffer::default(),
            state: State::Head(HeadScanner::default()),
            asked: VecDeque::new(),
            unasked,
            writer: Writer::default(),
            limits,
            max_buffer,
            streaming,
        }
    }

    fn read(&mut self) -> Result<Option<HttpClientRecord>, HttpProblem> {
        match &mut self.state {
            State::Head(_) => self.read_head(),
            State::Collecting(collecting) => {
                let body = collecting.body.get(&mut self.buffer, &self.limits)?;
                Ok(body.and_then(|body| self.end_collecting(body)))
            }
            State::Streaming(pieces) => {
                let piece = pieces.get(&mut self.buffer, &self.limits)?;
                Ok(piece.map(|piece| match piece {
                    Piece::Data(data) => HttpClientRecord::Body(data),
                    Piece::End(trailers) => {
                        self.state = State::Head(HeadScanner::default());
                        HttpClientRecord::End(trailers)
                    }
                }))
            }
            State::Lost(problem) => Err(*problem),
        }
    }

    fn read_head(&mut self) -> Result<Option<HttpClientRecord>, HttpProblem> {
        let State::Head(scanner) = &mut self.state else { return Ok(None) };
        if scanner.is_new() {
            skip_empty_lines(&mut self.buffer);
        }
        if self.asked.is_empty() && !self.unasked {
            return if self.buffer.len() > 0 { Err(HttpProblem::Unasked) } else { Ok(None) };
        }
        let end = scanner.end(self.buffer.join(), &self.limits.head)?;
        let Some(head) = end.and_then(|end| self.buffer.take(end)) else { return Ok(None) };
        let scanner = std::mem::take(scanner);
        let response = parse_response(&head, &scanner)?;
        let status = response.status();
        if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Some(HttpClientRecord::Informational(response)));
        }
        let asked = self.asked.pop_front();
        let body = body(&response, asked.as_ref())?;
        if let Body::Length(length) = body {
            self.limits.check(length)?;
        }
        if self.streaming {
            self.state = State::Streaming(match body {
                Body::Length(length) => Pieces::Length(length),
                Body::Chunked => Pieces::chunked(),
                Body::UntilClose => Pieces::UntilClose { taken: 0 },
            });
            return Ok(Some(HttpClientRecord::Head(response)));
        }
        let body = match body {
            Body::Length(length) => {
                let octets = usize::try_from(length).ok().and_then(|n| self.buffer.take(n));
                if let Some(octets) = octets {
                    return Ok(Some(HttpClientRecord::Response(response.map(|()| octets))));
                }
                Collect::Length(length)
            }
            Body::Chunked => Collect::chunked(),
            Body::UntilClose => Collect::UntilClose,
        };
        // The head may have to wait, for which its chunk is not to be kept.
        let head = Bytes::copy_from_slice(&head);
        let response = parse_response(&head, &scanner)?;
        self.state = State::Collecting(Box::new(Collecting { head, response, asked, body }));
        self.read()
    }

    fn end_collecting(&mut self, body: Bytes) -> Option<HttpClientRecord> {
        match std::mem::replace(&mut self.state, State::Head(HeadScanner::default())) {
            State::Collecting(collecting) => {
                Some(HttpClientRecord::Response(collecting.response.map(|()| body)))
            }
            _ => None,
        }
    }

    fn put_whole(
        &mut self,
        mut request: Request<Bytes>,
        sink: &mut dyn Sink,
    ) -> Result<(), HttpPutError> {
        let line = start(&mut request)?;
        let (parts, body) = request.into_parts();
        let (headers, version) = (&parts.headers, parts.version);
        let means_body = [Method::POST, Method::PUT, Method::PATCH].contains(&parts.method);
        let framed = Framing::of(headers, version)? != Framing::Unsaid;
        if body.is_empty() && !means_body && !framed {
            self.writer.head_only(&line, headers, version, None, sink)?;
        } else {
            self.writer.whole(&line, headers, version, body, sink)?;
        }
        self.ask(parts.method);
        Ok(())
    }

    fn put_head(
        &mut self,
        mut request: Request<()>,
        sink: &mut dyn Sink,
    ) -> Result<(), HttpPutError> {
        let line = start(&mut request)?;
        let (headers, version) = (request.headers(), request.version());
        if version != Version::HTTP_11 && Framing::of(headers, version)? == Framing::Unsaid {
            return Err(HttpPutError::NoLength);
        }
        self.writer.head(&line, headers, version, Otherwise::Chunked, sink)?;
        self.ask(request.method().clone());
        Ok(())
    }

    fn ask(&mut self, method: Method) {
        self.asked.push_back(method);
    }
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new()
    }
}

impl Filter for HttpClient {
    type In = HttpClientRecord;
    type Out = HttpClientRequest;

    fn get_one_start(&mut self, chunk: Bytes) -> Result<(), FilterError> {
        self.buffer.append(chunk, self.max_buffer)
    }

    fn get_one(&mut self) -> Result<Option<HttpClientRecord>, FilterError> {
        let record = self.read().map_err(|problem| {
            self.state = State::Lost(problem);
            FilterError::stream(problem)
        })?;
        if record.is_none() {
            while self.buffer.next_chunk() {}
        }
        Ok(record)
    }

    fn finish(&mut self) -> Result<Option<HttpClientRecord>, FilterError> {
        let held = match &self.state {
            State::Head(_) if self.buffer.len() == 0 => return Ok(None),
            State::Head(_) => self.buffer.len(),
            State::Collecting(collecting) if matches!(collecting.body, Collect::UntilClose) => {
                let body = self.buffer.take_all();
                return Ok(self.end_collecting(body));
            }
            State::Collecting(collecting) => collecting.head.len() + self.buffer.len(),
            State::Streaming(Pieces::UntilClose { .. }) => {
                self.state = State::Head(HeadScanner::default());
                return Ok(Some(HttpClientRecord::End(HeaderMap::new())));
            }
            State::Streaming(_) => self.buffer.len(),
            State::Lost(problem) => return Err(FilterError::stream(*problem)),
        };
        Err(FilterError::Truncated { held })
    }

    fn put(&mut self, record: HttpClientRequest, sink: &mut dyn Sink) -> Result<(), FilterError> {
        match record {
            HttpClientRequest::Whole(request) => self.put_whole(request, sink)?,
            HttpClientRequest::Head(request) => self.put_head(request, sink)?,
            HttpClientRequest::Body(part) => self.writer.body(part, sink)?,
            HttpClientRequest::End(trailers) => self.writer.end(&trailers, sink)?,
        }
        Ok(())
    }

    fn get_pending(&self) -> Bytes {
        match &self.state {
            State::Collecting(collecting) => {
                [&collecting.head[..], &self.buffer.copy_all()].concat().into()
            }
            _ => self.buffer.copy_all(),
        }
    }

    fn pending_len(&self) -> usize {
        match &self.state {
            State::Collecting(collecting) => collecting.head.len() + self.buffer.len(),
            _ => self.buffer.len(),
        }
    }

    fn take_pending(&mut self) -> Bytes {
        let pending = match &mut self.state {
            State::Collecting(collecting) => {
                // Its head will be read again, if by this filter.
                if let Some(method) = collecting.asked.take() {
                    self.asked.push_front(method);
                }
                self.get_pending()
            }
            _ => self.buffer.take_all(),
        };
        self.buffer.skip(usize::MAX);
        self.state = State::Head(HeadScanner::default());
        pending
    }

    fn take_unread(&mut self) -> Bytes {
        match &mut self.state {
            State::Streaming(pieces) => pieces.restart(),
            State::Lost(_) => {}
            State::Head(_) | State::Collecting(_) => return self.take_pending(),
        }
        self.buffer.take_all()
    }

    fn fresh(&self) -> Box<dyn Filter<In = HttpClientRecord, Out = HttpClientRequest>> {
        Box::new(Self::with(self.limits, self.max_buffer, self.streaming, self.unasked))
    }
}

/// Some servers put them behind a body, so that they come before the next request or after it.
fn skip_empty_lines(buffer: &mut InputBuffer) {
    let count = buffer.join().iter().take_while(|octet| b"\r\n".contains(octet)).count();
    if count > 0 {
        buffer.skip(count);
    }
}

/// Which body a response has, to a request of this method.
fn body(response: &Response<()>, asked: Option<&Method>) -> Result<Body, HttpProblem> {
    let status = response.status();
    let tunnel = asked == Some(&Method::CONNECT) && status.is_success();
    let bodiless = matches!(status.as_u16(), 101 | 204 | 304);
    if bodiless || tunnel || asked == Some(&Method::HEAD) {
        return Ok(Body::Length(0));
    }
    Ok(match Framing::of(response.headers(), response.version())? {
        Framing::Unsaid => Body::UntilClose,
        Framing::Length(length) => Body::Length(length),
        Framing::Chunked => Body::Chunked,
    })
}

/// The request line; the request has `Host` then.
fn start<T>(request: &mut Request<T>) -> Result<Vec<u8>, HttpPutError> {
    let version = version_text(request.version())?;
    let uri = request.uri().clone();
    let target = match (request.method(), uri.authority(), uri.path_and_query()) {
        (&Method::CONNECT, Some(authority), _) => authority.as_str(),
        (_, _, Some(path)) => path.as_str(),
        _ => return Err(HttpPutError::Target),
    };
    let line = format!("{} {target} {version}", request.method()).into_bytes();
    let authority = match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        // There has to be one.
        None => (request.version() == Version::HTTP_11).then_some(""),
    };
    if let (Some(authority), false) = (authority, request.headers().contains_key(HOST)) {
        // Without the name of a user, which is for nobody but the client.
        let host = authority.rsplit('@').next().unwrap_or_default();
        let host = HeaderValue::from_str(host).map_err(|_| HttpPutError::Target)?;
        request.headers_mut().insert(HOST, host);
    }
    Ok(line)
}
