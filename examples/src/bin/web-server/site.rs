//! What is found in the folder, and the responses that say so.
//!
//! Nothing outside of it is: neither by `..`, nor by a link that leads there. Names that begin with a dot are not found
//! either.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, LOCATION, RANGE,
};
use http::response::Builder;
use http::{HeaderValue, Method, Response, StatusCode};
use httpdate::{fmt_http_date, parse_http_date};
use poe_filter::HttpdRequest;

/// How much of a file is sent at once.
const PIECE: usize = 64 * 1024;

/// A folder with files.
pub(crate) struct Site {
    root: PathBuf,
}

/// The response to a request.
pub(crate) struct Found {
    pub(crate) response: Response<Bytes>,
    /// Its body, if that is sent piece by piece.
    pub(crate) file: Option<Sending>,
}

/// The rest of a file that is being sent.
pub(crate) struct Sending {
    file: File,
    left: u64,
}

impl Sending {
    /// The next piece; `None` if there is none although there should be.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        let mut piece = vec![0; PIECE.min(usize::try_from(self.left).unwrap_or(PIECE))];
        self.file.read_exact(&mut piece).ok()?;
        self.left -= piece.len() as u64;
        Some(piece.into())
    }

    pub(crate) fn is_over(&self) -> bool {
        self.left == 0
    }
}

impl Site {
    pub(crate) fn new(folder: impl AsRef<Path>) -> io::Result<Self> {
        let folder = folder.as_ref();
        let cannot = |why| io::Error::other(format!("cannot serve {}: {why}", folder.display()));
        let root = fs::canonicalize(folder).map_err(|error| cannot(error.to_string()))?;
        if root.is_dir() { Ok(Self { root }) } else { Err(cannot("it is no folder".to_owned())) }
    }

    /// What a request is answered with.
    pub(crate) fn find(&self, request: &HttpdRequest) -> Found {
        let found = self.look(request).unwrap_or_else(|status| plain(status, []));
        let Found { mut response, file } = found;
        if let Ok(now) = HeaderValue::try_from(fmt_http_date(SystemTime::now())) {
            response.headers_mut().insert(DATE, now);
        }
        Found { response, file }
    }

    /// The response to a request for whatever, that is not to be had in this way.
    pub(crate) fn refuse(request: &HttpdRequest) -> Option<Found> {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let allow = (ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Some(plain(StatusCode::METHOD_NOT_ALLOWED, [allow]));
        }
        None
    }

    fn look(&self, request: &HttpdRequest) -> Result<Found, StatusCode> {
        if let Some(refusal) = Self::refuse(request) {
            return Ok(refusal);
        }
        let path = relative(request.path()).ok_or(StatusCode::NOT_FOUND)?;
        let (path, metadata) = self.resolve(&path)?;
        if metadata.is_file() {
            return file(request, &path, &metadata);
        }
        if !request.path().ends_with('/') {
            // So that links in it are to what is below it.
            let location = HeaderValue::try_from(format!("{}/", request.path()));
            let location = location.map_err(|_| StatusCode::NOT_FOUND)?;
            return Ok(plain(StatusCode::MOVED_PERMANENTLY, [(LOCATION, location)]));
        }
        match self.resolve(&path.join("index.html")) {
            Ok((index, metadata)) if metadata.is_file() => file(request, &index, &metadata),
            _ => listing(&path),
        }
    }

    /// The place itself, without links, if it is in the folder, and a file or a folder.
    fn resolve(&self, path: &Path) -> Result<(PathBuf, Metadata), StatusCode> {
        let path = fs::canonicalize(self.root.join(path)).map_err(status_of)?;
        if !path.starts_with(&self.root) {
            return Err(StatusCode::NOT_FOUND);
        }
        let metadata = fs::metadata(&path).map_err(status_of)?;
        // Others, as pipes, would hold up the server.
        if !metadata.is_file() && !metadata.is_dir() {
            return Err(StatusCode::NOT_FOUND);
        }
        Ok((path, metadata))
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn status_of(error: io::Error) -> StatusCode {
    match error.kind() {
        ErrorKind::PermissionDenied => StatusCode::FORBIDDEN,
        _ => StatusCode::NOT_FOUND,
    }
}

/// The path of a target, made relative; `None` if it names what is nowhere.
fn relative(path: &str) -> Option<PathBuf> {
    let mut relative = PathBuf::new();
    for name in path.split('/') {
        let name = decode(name)?;
        if name.starts_with(b".") || name.contains(&b'/') || name.contains(&0) {
            return None;
        }
        relative.push(OsStr::from_bytes(&name));
    }
    Some(relative)
}

/// Replaces what is written with percent signs.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut octets = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(octet) = octets.next() {
        decoded.push(match octet {
            b'%' => {
                let mut digit = || char::from(octets.next()?).to_digit(16);
                u8::try_from(digit()? << 4 | digit()?).ok()?
            }
            other => other,
        });
    }
    Some(decoded)
}

fn file(request: &HttpdRequest, path: &Path, metadata: &Metadata) -> Result<Found, StatusCode> {
    let length = metadata.len();
    let modified = metadata.modified().unwrap_or(UNIX_EPOCH);
    let age = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    let tag = format!("\"{:x}-{length:x}\"", age.as_nanos());
    // Dates of HTTP have no fractions.
    let modified = UNIX_EPOCH + Duration::from_secs(age.as_secs());
    let response = Response::builder()
        .header(ETAG, &tag)
        .header(LAST_MODIFIED, fmt_http_date(modified))
        .header(ACCEPT_RANGES, "bytes");
    if is_known(request, &tag, modified) {
        return Ok(empty(response.status(StatusCode::NOT_MODIFIED)));
    }
    let range = match request.header_str(RANGE).filter(|_| is_same(request, &tag)) {
        Some(range) => part(range, length),
        None => Part::All,
    };
    let (response, range) = match range {
        Part::All => (response, 0..length),
        Part::Range(range) => {
            let told = format!("bytes {}-{}/{length}", range.start, range.end - 1);
            (response.status(StatusCode::PARTIAL_CONTENT).header(CONTENT_RANGE, told), range)
        }
        Part::Nothing => {
            let told = format!("bytes */{length}");
            let status = StatusCode::RANGE_NOT_SATISFIABLE;
            return Ok(empty(response.status(status).header(CONTENT_RANGE, told)));
        }
    };
    let left = range.end - range.start;
    let response = response.header(CONTENT_TYPE, content_type(path)).header(CONTENT_LENGTH, left);
    if request.method() == Method::HEAD || left == 0 {
        return Ok(empty(response));
    }
    let mut file = File::open(path).map_err(status_of)?;
    file.seek(SeekFrom::Start(range.start)).map_err(status_of)?;
    let mut sending = Sending { file, left };
    if left > PIECE as u64 {
        return Ok(Found { file: Some(sending), ..empty(response) });
    }
    let body = sending.next().ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Found { response: empty(response).response.map(|_| body), file: None })
}

/// Whether the client has the file as it is.
fn is_known(request: &HttpdRequest, tag: &str, modified: SystemTime) -> bool {
    if let Some(tags) = request.header_str(IF_NONE_MATCH) {
        let mut tags = tags.split(',').map(str::trim);
        return tags.any(|known| known == "*" || known.trim_start_matches("W/") == tag);
    }
    let since = request.header_str(IF_MODIFIED_SINCE);
    since.and_then(|date| parse_http_date(date).ok()).is_some_and(|date| modified <= date)
}

/// Whether the part that the client asks for is of the file as it is.
fn is_same(request: &HttpdRequest, tag: &str) -> bool {
    request.header_str(IF_RANGE).is_none_or(|known| known == tag)
}

enum Part {
    All,
    Range(Range<u64>),
    Nothing,
}

/// What a `Range` asks for. Of several parts, all is given, which is allowed.
fn part(range: &str, length: u64) -> Part {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Part::All;
    };
    // What the library takes for numbers may have a sign.
    if range.contains('+') {
        return Part::All;
    }
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Ok(first), Err(_)) if last.is_empty() => first..length,
        (Err(_), Ok(last)) if first.is_empty() => length.saturating_sub(last)..length,
        _ => return Part::All,
    };
    if range.is_empty() { Part::Nothing } else { Part::Range(range) }
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(OsStr::to_str).unwrap_or_default() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "txt" | "md" | "rs" | "toml" | "pl" => "text/plain; charset=utf-8",
        "json" => "application/json",
        "xml" => "application/xml",
        "pdf" => "application/pdf",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        _ => "application/octet-stream",
    }
}

/// A page with links to what is in a folder.
fn listing(folder: &Path) -> Result<Found, StatusCode> {
    let mut links = Vec::new();
    for entry in fs::read_dir(folder).map_err(status_of)?.flatten() {
        let name = entry.file_name();
        if !name.as_bytes().starts_with(b".") {
            let slash = if entry.path().is_dir() { "/" } else { "" };
            let href: String = name.as_bytes().iter().map(|octet| encode(*octet)).collect();
            let shown = escape(&name.to_string_lossy());
            links.push(format!("<li><a href=\"{href}{slash}\">{shown}{slash}</a></li>\n"));
        }
    }
    links.sort();
    let page = format!("<!DOCTYPE html>\n<title>Files</title>\n<ul>\n{}</ul>\n", links.concat());
    let response = Response::builder().header(CONTENT_TYPE, "text/html; charset=utf-8");
    Ok(Found { response: empty(response).response.map(|_| page.into()), file: None })
}

fn encode(octet: u8) -> String {
    match octet {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b'.' => {
            char::from(octet).to_string()
        }
        _ => format!("%{octet:02X}"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A status, in words too.
fn plain<const N: usize>(
    status: StatusCode,
    headers: [(http::HeaderName, HeaderValue); N],
) -> Found {
    let mut response = Response::new(format!("{status}\n").into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response.headers_mut().extend(headers.map(|(name, value)| (Some(name), value)));
    Found { response, file: None }
}

/// A response without a body of its own.
fn empty(response: Builder) -> Found {
    // No header here has anything that it may not have.
    let response = response.body(Bytes::new()).unwrap_or_default();
    Found { response, file: None }
}
