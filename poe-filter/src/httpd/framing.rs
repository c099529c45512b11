//! Where the body of a message ends, by its headers.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Version};

use super::error::HttpProblem;
use super::fields::Fields;

/// What the headers say of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Nothing.
    Unsaid,
    /// It has so many octets.
    Length(u64),
    /// It is chunked.
    Chunked,
}

impl Framing {
    /// Reads the headers. Whatever two readers could understand in two ways is an error.
    pub(crate) fn of(headers: &HeaderMap, version: Version) -> Result<Self, HttpProblem> {
        let values = |name| headers.get_all(name).iter().map(|value| value.as_bytes());
        Self::said(values(CONTENT_LENGTH), values(TRANSFER_ENCODING), version)
    }

    /// The same of headers that are in no map.
    pub(super) fn of_fields(fields: Fields<'_>, version: Version) -> Result<Self, HttpProblem> {
        let values = |name: &'static [u8]| {
            let named = move |(of, _): &(&[u8], _)| of.eq_ignore_ascii_case(name);
            fields.clone().filter(named).map(|(_, value)| value)
        };
        Self::said(values(b"content-length"), values(b"transfer-encoding"), version)
    }

    fn said<'a>(
        mut lengths: impl Iterator<Item = &'a [u8]>,
        encodings: impl Iterator<Item = &'a [u8]>,
        version: Version,
    ) -> Result<Self, HttpProblem> {
        let length = lengths.next();
        let mut encodings = encodings.peekable();
        if encodings.peek().is_some() {
            if length.is_some() {
                return Err(HttpProblem::LengthAndEncoding);
            }
            return chunked(encodings, version);
        }
        if lengths.next().is_some() {
            return Err(HttpProblem::RepeatedLength);
        }
        match length {
            None => Ok(Self::Unsaid),
            Some(length) => decimal(length).map(Self::Length),
        }
    }
}

/// The one encoding there is here, which only HTTP/1.1 knows.
fn chunked<'a>(
    encodings: impl Iterator<Item = &'a [u8]>,
    version: Version,
) -> Result<Framing, HttpProblem> {
    if version != Version::HTTP_11 {
        return Err(HttpProblem::BadEncoding);
    }
    let codings: Vec<&[u8]> = encodings
        .flat_map(|value| value.split(|octet| *octet == b','))
        .map(<[u8]>::trim_ascii)
        .collect();
    let is_chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
    match codings.split_last() {
        Some((last, others)) if is_chunked(last) => {
            if others.is_empty() {
                Ok(Framing::Chunked)
            } else if others.iter().any(|other| is_chunked(other) || other.is_empty()) {
                Err(HttpProblem::BadEncoding)
            } else {
                Err(HttpProblem::UnknownEncoding)
            }
        }
        _ => Err(HttpProblem::BadEncoding),
    }
}

/// Digits and nothing else. A number beyond 64 bits is as good as the greatest one.
fn decimal(value: &[u8]) -> Result<u64, HttpProblem> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(HttpProblem::BadLength);
    }
    Ok(value.iter().fold(0_u64, |number, digit| {
        number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    }))
}
