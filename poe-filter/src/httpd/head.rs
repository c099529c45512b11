//! The head of a message: its first line and its headers.

use bytes::Bytes;
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use memchr::memchr_iter;

use super::error::HttpProblem;
use super::fields::{Fields, body_length, marks};
use super::framing::Framing;
use super::request::{HttpdRequest, Parts};

/// How much of a head there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadLimits {
    pub(crate) first_line: usize,
    pub(crate) headers_length: usize,
    pub(crate) headers: usize,
    /// Whether a request of HTTP/1.1 has to have a `Host`.
    pub(crate) host: bool,
}

impl HeadLimits {
    pub(crate) const DEFAULT: Self =
        Self { first_line: 8 * 1024, headers_length: 64 * 1024, headers: 100, host: true };
}

/// Looks for the empty line, from where it left off.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HeadScanner {
    scanned: usize,
    line_start: usize,
    /// How long the first line is, with its end, once that is there.
    first_line: Option<usize>,
    lines: usize,
}

impl HeadScanner {
    /// For lines of headers alone.
    pub(crate) fn headers_only() -> Self {
        Self { first_line: Some(0), ..Self::default() }
    }

    /// Where the head ends in these octets, of which former calls have seen the first.
    pub(crate) fn end(
        &mut self,
        octets: &[u8],
        limits: &HeadLimits,
    ) -> Result<Option<usize>, HttpProblem> {
        let from = self.scanned;
        for newline in memchr_iter(b'\n', &octets[from..]) {
            let newline = from + newline;
            let line = &octets[self.line_start..newline];
            self.line_start = newline + 1;
            self.scanned = newline + 1;
            let Some(first_line) = self.first_line else {
                self.check_first_line(line.len(), limits)?;
                self.first_line = Some(newline + 1);
                continue;
            };
            check_headers_length(newline + 1 - first_line, limits)?;
            if matches!(line, b"" | b"\r") {
                return Ok(Some(newline + 1));
            }
            self.lines += 1;
            if self.lines > limits.headers {
                return Err(HttpProblem::TooManyHeaders { limit: limits.headers });
            }
        }
        self.scanned = octets.len();
        match self.first_line {
            None => self.check_first_line(octets.len(), limits)?,
            Some(first_line) => check_headers_length(octets.len() - first_line, limits)?,
        }
        Ok(None)
    }

    /// Whether nothing has been looked at yet.
    pub(crate) fn is_new(&self) -> bool {
        self.scanned == 0
    }

    /// How many octets the first line has, with its end.
    pub(crate) fn first_line(&self) -> usize {
        self.first_line.unwrap_or(0)
    }

    /// How many lines of headers there are.
    pub(crate) fn lines(&self) -> usize {
        self.lines
    }

    fn check_first_line(&self, length: usize, limits: &HeadLimits) -> Result<(), HttpProblem> {
        let limit = limits.first_line;
        if length > limit { Err(HttpProblem::FirstLineTooLong { limit }) } else { Ok(()) }
    }
}

fn check_headers_length(length: usize, limits: &HeadLimits) -> Result<(), HttpProblem> {
    let limit = limits.headers_length;
    if length > limit { Err(HttpProblem::HeadersTooLong { limit }) } else { Ok(()) }
}

/// A request whose body is still to come, and how that goes.
pub(super) struct Parsed {
    pub(super) request: HttpdRequest,
    pub(super) body: Result<Framing, HttpProblem>,
}

/// Parses the head of a request, of which the scanner has found the end.
pub(super) fn parse_request(
    head: Bytes,
    scanner: &HeadScanner,
    limits: &HeadLimits,
) -> Result<Parsed, HttpProblem> {
    let line = without_newline(&head[..scanner.first_line()]);
    let (method, target, version) = request_line(line)?;
    let target = uri(&method, target, &head)?;
    let start = target.as_ptr().addr() - head.as_ptr().addr();
    let number = |place: usize| u32::try_from(place).map_err(|_| HttpProblem::Header);
    let reason = "its method is too long";
    let start = u16::try_from(start).map_err(|_| HttpProblem::FirstLine { reason })?;
    let fields = &head[scanner.first_line()..];
    let marks = with_fields(fields, scanner.lines(), |fields| Ok(marks(version, fields)))?;
    let body = body_length(Fields::new(fields), marks, limits.host);
    let (fields, end) = (number(scanner.first_line())?, number(head.len())?);
    let parts = Parts::new(start, number(target.len())?, fields, end, marks);
    Ok(Parsed { request: HttpdRequest::with_method(head, method, parts), body })
}

/// Parses the head of a response, of which the scanner has found the end.
pub(crate) fn parse_response(
    head: &Bytes,
    scanner: &HeadScanner,
) -> Result<Response<()>, HttpProblem> {
    let line = without_newline(&head[..scanner.first_line()]);
    let wrong = |reason| HttpProblem::FirstLine { reason };
    if line.iter().any(|octet| octet.is_ascii_control() && *octet != b'\t') {
        return Err(wrong("it has control characters"));
    }
    let mut words = line.splitn(3, |octet| *octet == b' ');
    let version = version(words.next().unwrap_or_default())?;
    let status = words.next().and_then(|word| StatusCode::from_bytes(word).ok());
    let mut response = Response::new(());
    *response.status_mut() = status.ok_or(wrong("its status is no number"))?;
    *response.version_mut() = version;
    let fields = head.slice(scanner.first_line()..);
    *response.headers_mut() = parse_headers(&fields, scanner.lines()).or_else(|problem| {
        let unfolded = unfold(&fields).ok_or(problem)?;
        parse_headers(&unfolded, scanner.lines())
    })?;
    Ok(response)
}

/// The same with spaces for the ends of lines that the next one continues; `None` if there are none. A client has to read
/// what servers fold.
fn unfold(octets: &[u8]) -> Option<Bytes> {
    let folds = |newline: &usize| matches!(octets.get(newline + 1), Some(b' ' | b'\t'));
    let mut folds = memchr_iter(b'\n', octets).filter(folds).peekable();
    folds.peek()?;
    let mut unfolded = octets.to_vec();
    for newline in folds {
        unfolded[newline] = b' ';
        if let Some(before) = newline.checked_sub(1).filter(|before| octets[*before] == b'\r') {
            unfolded[before] = b' ';
        }
    }
    Some(unfolded.into())
}

/// Parses lines of headers with the empty line behind them.
pub(crate) fn parse_headers(octets: &Bytes, lines: usize) -> Result<HeaderMap, HttpProblem> {
    with_fields(octets, lines, |fields| {
        let mut map = HeaderMap::with_capacity(fields.len());
        for field in fields {
            let name =
                HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| HttpProblem::Header)?;
            let value = HeaderValue::from_maybe_shared(octets.slice_ref(field.value))
                .map_err(|_| HttpProblem::Header)?;
            map.try_append(name, value).map_err(|_| HttpProblem::Header)?;
        }
        Ok(map)
    })
}

/// Does something with the headers in these lines, all of which have to be right.
fn with_fields<T>(
    octets: &[u8],
    lines: usize,
    use_them: impl FnOnce(&[httparse::Header<'_>]) -> Result<T, HttpProblem>,
) -> Result<T, HttpProblem> {
    const FEW: usize = 32;
    let (mut few, mut many) = ([httparse::EMPTY_HEADER; FEW], Vec::new());
    let fields = if lines <= FEW {
        &mut few[..]
    } else {
        many.resize(lines, httparse::EMPTY_HEADER);
        &mut many[..]
    };
    match httparse::parse_headers(octets, fields) {
        Ok(httparse::Status::Complete((end, fields))) if end == octets.len() => use_them(fields),
        _ => Err(HttpProblem::Header),
    }
}

/// The method, the target and the version. Any run of blanks divides them, and without a version it
/// is HTTP/0.9.
fn request_line(line: &[u8]) -> Result<(Method, &[u8], Version), HttpProblem> {
    let wrong = |reason| HttpProblem::FirstLine { reason };
    let mut words = line.split(|octet| is_blank(*octet)).filter(|word| !word.is_empty());
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(wrong("it has no target"));
    };
    let method = Method::from_bytes(method).map_err(|_| wrong("its method is no word"))?;
    let version = match words.next() {
        None => Version::HTTP_09,
        Some(word) => version(word)?,
    };
    if words.next().is_some() {
        return Err(wrong("there is something behind its version"));
    }
    Ok((method, target, version))
}

/// The version of this word. A minor version beyond 1 is as good as 1.
pub(crate) fn version(word: &[u8]) -> Result<Version, HttpProblem> {
    match word.strip_prefix(b"HTTP/") {
        Some([b'1', b'.', b'0']) => Ok(Version::HTTP_10),
        Some([b'1', b'.', b'1'..=b'9']) => Ok(Version::HTTP_11),
        Some([b'0'..=b'9', b'.', b'0'..=b'9']) => Err(HttpProblem::Version),
        _ => Err(HttpProblem::FirstLine { reason: "its version is none of HTTP" }),
    }
}

/// The target, if it is a URI, without slashes doubled at its start.
fn uri<'a>(method: &Method, target: &'a [u8], head: &Bytes) -> Result<&'a [u8], HttpProblem> {
    let wrong = HttpProblem::FirstLine { reason: "its target is no URI" };
    // A parser of URIs may drop a fragment, which no request has.
    if target.iter().any(|octet| matches!(octet, 0..=b' ' | b'#' | 0x7f)) {
        return Err(wrong);
    }
    if target[0] == b'/' && method != Method::CONNECT {
        // What begins with two slashes could be taken for the name of a host.
        let slashes = target.iter().take_while(|octet| **octet == b'/').count();
        let path = &target[slashes - 1..];
        return match PathAndQuery::from_maybe_shared(head.slice_ref(path)) {
            Ok(_) => Ok(path),
            Err(_) => Err(wrong),
        };
    }
    let uri = Uri::from_maybe_shared(head.slice_ref(target)).map_err(|_| wrong)?;
    let is_authority = uri.scheme().is_none() && uri.authority().is_some();
    if is_authority == (method == Method::CONNECT) { Ok(target) } else { Err(wrong) }
}

pub(crate) fn without_newline(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

pub(crate) fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}
