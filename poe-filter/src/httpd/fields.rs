//! The lines of headers in a head that has been checked.

use http::Version;
use memchr::memchr;

use super::error::HttpProblem;
use super::framing::Framing;
use super::host::is_host;

/// Goes through lines of headers, up to the empty line.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// The first value of this name.
    pub(super) fn find(mut self, name: &[u8]) -> Option<&'a [u8]> {
        while !self.is_over() {
            let is_it = self.rest.get(name.len()) == Some(&b':')
                && self.rest[..name.len()].eq_ignore_ascii_case(name);
            let line = self.line()?;
            if is_it {
                return Some(line[name.len() + 1..].trim_ascii());
            }
        }
        None
    }

    fn is_over(&self) -> bool {
        matches!(self.rest, [] | [b'\r' | b'\n', ..])
    }

    fn line(&mut self) -> Option<&'a [u8]> {
        let (line, rest) = self.rest.split_at(memchr(b'\n', self.rest)? + 1);
        self.rest = rest;
        Some(line)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over() {
            return None;
        }
        let line = self.line()?;
        let colon = memchr(b':', line)?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    }
}

/// What a request says of itself, as bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Marks(u32);

impl Marks {
    pub(super) const CLOSE: Self = Self(1);
    pub(super) const KEEP_ALIVE: Self = Self(2);
    pub(super) const CONTINUE: Self = Self(4);
    const HOST: Self = Self(8);
    const SECOND_HOST: Self = Self(16);
    const BAD_HOST: Self = Self(512);
    const FRAMED: Self = Self(32);
    const ENCODED: Self = Self(64);
    const HTTP_11: Self = Self(128);
    const HTTP_10: Self = Self(256);

    #[inline]
    pub(super) fn of(version: Version) -> Self {
        match version {
            Version::HTTP_11 => Self::HTTP_11,
            Version::HTTP_10 => Self::HTTP_10,
            _ => Self(0),
        }
    }

    #[inline]
    pub(super) fn version(self) -> Version {
        if self.has(Self::HTTP_11) {
            Version::HTTP_11
        } else if self.has(Self::HTTP_10) {
            Version::HTTP_10
        } else {
            Version::HTTP_09
        }
    }

    #[inline]
    pub(super) fn has(self, mark: Self) -> bool {
        self.0 & mark.0 != 0
    }

    #[inline]
    pub(super) fn add(&mut self, mark: Self) {
        self.0 |= mark.0;
    }
}

/// Looks for the headers that matter to the filter, in one go.
#[inline]
pub(super) fn marks(version: Version, fields: &[httparse::Header<'_>]) -> Marks {
    let mut marks = Marks::of(version);
    for field in fields {
        let name = field.name.as_bytes();
        // Most names have another length than all of these.
        const LENGTHS: u32 = 1 << 4 | 1 << 6 | 1 << 10 | 1 << 14 | 1 << 16 | 1 << 17;
        if name.len() > 17 || LENGTHS >> name.len() & 1 == 0 {
            continue;
        }
        if is(name, b"host") {
            let again = marks.has(Marks::HOST);
            marks.add(if again { Marks::SECOND_HOST } else { Marks::HOST });
            if !is_host(field.value) {
                marks.add(Marks::BAD_HOST);
            }
        } else if is(name, b"connection") {
            marks.add(connection_marks(field.value));
        } else if is(name, b"content-length") || is(name, b"transfer-encoding") {
            marks.add(Marks::FRAMED);
        } else if is(name, b"content-encoding") {
            marks.add(Marks::ENCODED);
        } else if is(name, b"expect") && field.value.eq_ignore_ascii_case(b"100-continue") {
            marks.add(Marks::CONTINUE);
        }
    }
    marks
}

/// Whether a word is this one, whichever case it is in. For letters and dashes, that bit is the case,
/// and no octet that may be in a name becomes one of them by it.
#[inline]
fn is<const N: usize>(name: &[u8], lower: &[u8; N]) -> bool {
    <&[u8; N]>::try_from(name).is_ok_and(|name| {
        name.iter().zip(lower).fold(0, |unlike, (octet, lower)| unlike | (octet | 0x20) ^ lower)
            == 0
    })
}

/// What a `Connection` header says.
pub(super) fn connection_marks(value: &[u8]) -> Marks {
    match value {
        b"keep-alive" => return Marks::KEEP_ALIVE,
        b"close" => return Marks::CLOSE,
        _ => {}
    }
    let mut marks = Marks::default();
    for option in value.split(|octet| *octet == b',') {
        let option = option.trim_ascii();
        if option.eq_ignore_ascii_case(b"close") {
            marks.add(Marks::CLOSE);
        } else if option.eq_ignore_ascii_case(b"keep-alive") {
            marks.add(Marks::KEEP_ALIVE);
        }
    }
    marks
}

/// How the body of a request goes; what is said of none has no octets.
#[inline]
pub(super) fn body_length(
    fields: &[httparse::Header<'_>],
    marks: Marks,
    needs_host: bool,
) -> Result<Framing, HttpProblem> {
    if marks.has(Marks::SECOND_HOST) {
        return Err(HttpProblem::RepeatedHost);
    }
    if marks.has(Marks::BAD_HOST) {
        return Err(HttpProblem::BadHost);
    }
    if needs_host && !marks.has(Marks::HOST) && marks.has(Marks::HTTP_11) {
        return Err(HttpProblem::NoHost);
    }
    if marks.has(Marks::FRAMED) {
        return Framing::of_fields(fields, marks.version());
    }
    if marks.has(Marks::ENCODED) {
        return Err(HttpProblem::LengthRequired);
    }
    Ok(Framing::Length(0))
}
