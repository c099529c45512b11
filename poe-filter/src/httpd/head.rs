//! The head of a message: its first line and its headers.

use bytes::Bytes;
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use memchr::memchr_iter;

use super::error::HttpProblem;

/// How much of a head there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadLimits {
    pub(crate) first_line: usize,
    pub(crate) headers_length: usize,
    pub(crate) headers: usize,
}

impl HeadLimits {
    pub(crate) const DEFAULT: Self =
        Self { first_line: 8 * 1024, headers_length: 64 * 1024, headers: 100 };
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

/// Parses the head of a request, of which the scanner has found the end.
pub(crate) fn parse_request(
    head: &Bytes,
    scanner: &HeadScanner,
) -> Result<Request<()>, HttpProblem> {
    let line = without_newline(&head[..scanner.first_line()]);
    let (method, target, version) = request_line(line)?;
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri(request.method(), target, head)?;
    *request.version_mut() = version;
    *request.headers_mut() = parse_headers(&head.slice(scanner.first_line()..), scanner.lines())?;
    Ok(request)
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
    *response.headers_mut() = parse_headers(&head.slice(scanner.first_line()..), scanner.lines())?;
    Ok(response)
}

/// Parses lines of headers with the empty line behind them.
pub(crate) fn parse_headers(octets: &Bytes, lines: usize) -> Result<HeaderMap, HttpProblem> {
    const FEW: usize = 32;
    if lines <= FEW {
        header_map(octets, &mut [httparse::EMPTY_HEADER; FEW])
    } else {
        header_map(octets, &mut vec![httparse::EMPTY_HEADER; lines])
    }
}

fn header_map<'a>(
    octets: &'a Bytes,
    parsed: &mut [httparse::Header<'a>],
) -> Result<HeaderMap, HttpProblem> {
    let headers = match httparse::parse_headers(octets, parsed) {
        Ok(httparse::Status::Complete((end, headers))) if end == octets.len() => headers,
        _ => return Err(HttpProblem::Header),
    };
    let mut map = HeaderMap::with_capacity(headers.len());
    for header in headers {
        let name =
            HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| HttpProblem::Header)?;
        let value = HeaderValue::from_maybe_shared(octets.slice_ref(header.value))
            .map_err(|_| HttpProblem::Header)?;
        map.try_append(name, value).map_err(|_| HttpProblem::Header)?;
    }
    Ok(map)
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

fn uri(method: &Method, target: &[u8], head: &Bytes) -> Result<Uri, HttpProblem> {
    let wrong = HttpProblem::FirstLine { reason: "its target is no URI" };
    // A parser of URIs may drop a fragment, which no request has.
    if target.iter().any(|octet| matches!(octet, 0..=b' ' | b'#' | 0x7f)) {
        return Err(wrong);
    }
    if target[0] == b'/' && method != Method::CONNECT {
        // What begins with two slashes could be taken for the name of a host.
        let slashes = target.iter().take_while(|octet| **octet == b'/').count();
        let path = head.slice_ref(&target[slashes - 1..]);
        return PathAndQuery::from_maybe_shared(path).map(Uri::from).map_err(|_| wrong);
    }
    let uri = Uri::from_maybe_shared(head.slice_ref(target)).map_err(|_| wrong)?;
    let is_authority = uri.scheme().is_none() && uri.authority().is_some();
    if is_authority == (method == Method::CONNECT) { Ok(uri) } else { Err(wrong) }
}

pub(crate) fn without_newline(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

pub(crate) fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}
