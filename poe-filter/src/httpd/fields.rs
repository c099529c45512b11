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
pub(super) struct Marks(u16);

impl Marks {
    pub(super) const CLOSE: Self = Self(1);
    pub(super) const KEEP_ALIVE: Self = Self(2);
    const CONTINUE: Self = Self(4);
    const HOST: Self = Self(8);
    const SECOND_HOST: Self = Self(16);
    const BAD_HOST: Self = Self(512);
    /// Something is said of a body.
    pub(super) const FRAMED: Self = Self(32);
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
    pub(super) fn bits(self) -> u16 {
        self.0
    }

    #[inline]
    pub(super) fn from_bits(bits: u16) -> Self {
        Self(bits)
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

    /// Whether the client waits for leave to send a body.
    pub(super) fn expect_continue(self) -> bool {
        self.has(Self::CONTINUE) && self.has(Self::HTTP_11)
    }

    /// Whether the request is as most are: of HTTP/1.1, with one host, and without a body.
    #[inline]
    pub(super) fn are_plain(self) -> bool {
        const LOOKED_AT: u16 = Marks::HTTP_11.0
            | Marks::HOST.0
            | Marks::SECOND_HOST.0
            | Marks::BAD_HOST.0
            | Marks::FRAMED.0
            | Marks::ENCODED.0;
        self.0 & LOOKED_AT == Self::HTTP_11.0 | Self::HOST.0
    }

    #[inline]
    pub(super) fn add(&mut self, mark: Self) {
        self.0 |= mark.0;
    }

    /// Notes a header if it matters. Its value may have white space around it. `None` if it has no name.
    #[inline(always)]
    pub(super) fn look_at(&mut self, name: &[u8], value: &[u8]) -> Option<()> {
        if NUMBERS >> number(*name.first()?, name.len()) & 1 != 0 {
            if name == b"Connection" && value == b" keep-alive" {
                self.add(Self::KEEP_ALIVE);
            } else {
                *self = self.with(name, value.trim_ascii());
            }
        }
        Some(())
    }

    /// Notes that there is a host, right or not.
    #[inline(always)]
    pub(super) fn add_host(&mut self, is_right: bool) {
        let bad = if is_right { 0 } else { Self::BAD_HOST.0 };
        self.0 |= bad | if self.has(Self::HOST) { Self::SECOND_HOST.0 } else { Self::HOST.0 };
    }

    /// What it is with a header that may matter.
    #[inline(never)]
    fn with(mut self, name: &[u8], value: &[u8]) -> Self {
        let is = |lower: &str| name.eq_ignore_ascii_case(lower.as_bytes());
        if is("host") {
            self.add_host(is_host(value));
        } else if is("connection") {
            self.add(connection_marks(value));
        } else if is("content-length") || is("transfer-encoding") {
            self.add(Self::FRAMED);
        } else if is("content-encoding") {
            self.add(Self::ENCODED);
        } else if is("expect") && value.eq_ignore_ascii_case(b"100-continue") {
            self.add(Self::CONTINUE);
        }
        self
    }
}

/// A number for each name, whichever case it is in, of which hardly another one has those of the names that matter.
#[inline(always)]
const fn number(first: u8, len: usize) -> u32 {
    (first as u32 * 2 + len as u32) % 64
}

/// The numbers of the names that matter, as bits.
const NUMBERS: u64 = {
    let names =
        ["host", "connection", "content-length", "transfer-encoding", "content-encoding", "expect"];
    let (mut numbers, mut place) = (0, 0);
    while place < names.len() {
        numbers |= 1 << number(names[place].as_bytes()[0], names[place].len());
        place += 1;
    }
    numbers
};

/// Looks for the headers that matter to the filter, in one go.
#[inline]
pub(super) fn marks(version: Version, fields: &[httparse::Header<'_>]) -> Marks {
    let mut marks = Marks::of(version);
    for field in fields {
        marks.look_at(field.name.as_bytes(), field.value);
    }
    marks
}

/// What a `Connection` header says.
pub(super) fn connection_marks(value: &[u8]) -> Marks {
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
pub(super) fn body_length(
    fields: Fields<'_>,
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
