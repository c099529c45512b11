//! The bodies of messages that come in: collected, or piece by piece.

use bytes::Bytes;
use http::HeaderMap;

use super::chunked::{Chunked, MAX_SIZE_LINE, Step};
use super::error::HttpProblem;
use super::head::{HeadLimits, parse_headers};
use crate::buffer::InputBuffer;

/// What the reader of a body may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    /// For the trailers.
    pub(crate) head: HeadLimits,
    pub(crate) content: Option<u64>,
}

impl BodyLimits {
    /// Refuses a body of more than the limit.
    pub(crate) fn check(&self, length: u64) -> Result<(), HttpProblem> {
        match self.content {
            Some(limit) if length > limit => Err(HttpProblem::ContentTooLarge { limit }),
            _ => Ok(()),
        }
    }
}

/// Collects a body, of which nothing leaves the buffer before all of it is there.
#[derive(Debug)]
pub(crate) enum Collect {
    Length(u64),
    Chunked {
        chunks: Chunked,
        scanned: usize,
        decoded: Vec<u8>,
    },
    /// All that comes, to be taken at the end of the input.
    UntilClose,
}

impl Collect {
    pub(crate) fn chunked() -> Self {
        Self::Chunked { chunks: Chunked::new(), scanned: 0, decoded: Vec::new() }
    }

    /// The body, if all of it is there.
    pub(crate) fn get(
        &mut self,
        buffer: &mut InputBuffer,
        limits: &BodyLimits,
    ) -> Result<Option<Bytes>, HttpProblem> {
        let (chunks, scanned, decoded) = match self {
            Self::Length(length) => {
                return Ok(usize::try_from(*length).ok().and_then(|length| buffer.take(length)));
            }
            Self::Chunked { chunks, scanned, decoded } => (chunks, scanned, decoded),
            Self::UntilClose => {
                limits.check(buffer.len() as u64)?;
                return Ok(None);
            }
        };
        let octets = buffer.join();
        loop {
            let rest = &octets[*scanned..];
            match chunks.step(rest, &limits.head)? {
                Step::NeedMore => return Ok(None),
                Step::Size { line, size } => {
                    limits.check(size.saturating_add(decoded.len() as u64))?;
                    *scanned += line;
                }
                Step::DataEnd => *scanned += 2,
                Step::Data(_) if rest.is_empty() => return Ok(None),
                Step::Data(left) => {
                    let count = up_to(left, rest.len());
                    decoded.extend_from_slice(&rest[..count]);
                    chunks.took(count as u64);
                    *scanned += count;
                }
                Step::End { octets, lines } => {
                    // Nobody gets these trailers, but they have to be right.
                    parse_headers(&Bytes::copy_from_slice(&rest[..octets]), lines)?;
                    let all = *scanned + octets;
                    buffer.skip(all);
                    return Ok(Some(std::mem::take(decoded).into()));
                }
            }
        }
    }
}

/// Takes a body out of the buffer as it comes.
#[derive(Debug)]
pub(crate) enum Pieces {
    Length(u64),
    Chunked { chunks: Chunked, announced: u64 },
    UntilClose { taken: u64 },
}

/// What [`Pieces`] takes out.
#[derive(Debug)]
pub(crate) enum Piece {
    Data(Bytes),
    End(HeaderMap),
}

impl Pieces {
    pub(crate) fn chunked() -> Self {
        Self::Chunked { chunks: Chunked::new(), announced: 0 }
    }

    /// The octets that are there come again, be it one by one.
    pub(crate) fn restart(&mut self) {
        if let Self::Chunked { chunks, .. } = self {
            chunks.restart();
        }
    }

    /// The next piece, or the end, if there is any.
    pub(crate) fn get(
        &mut self,
        buffer: &mut InputBuffer,
        limits: &BodyLimits,
    ) -> Result<Option<Piece>, HttpProblem> {
        let (chunks, announced) = match self {
            Self::Length(0) => return Ok(Some(Piece::End(HeaderMap::new()))),
            Self::Length(left) => {
                let piece = take_up_to(*left, buffer);
                *left -= piece.len() as u64;
                return Ok(data(piece));
            }
            Self::Chunked { chunks, announced } => (chunks, announced),
            Self::UntilClose { taken } => {
                // What is within the limit is given, however it is divided.
                let left = limits.content.map_or(u64::MAX, |limit| limit.saturating_sub(*taken));
                if left == 0 && buffer.len() > 0 {
                    limits.check(u64::MAX)?;
                }
                let piece = take_up_to(left, buffer);
                *taken = taken.saturating_add(piece.len() as u64);
                return Ok(data(piece));
            }
        };
        loop {
            let step = if chunks.in_trailers() {
                chunks.step(buffer.join(), &limits.head)?
            } else {
                chunks.step(&buffer.peek(MAX_SIZE_LINE), &limits.head)?
            };
            match step {
                Step::NeedMore => return Ok(None),
                Step::Size { line, size } => {
                    *announced = announced.saturating_add(size);
                    limits.check(*announced)?;
                    buffer.skip(line);
                }
                Step::DataEnd => {
                    buffer.skip(2);
                }
                Step::Data(left) => {
                    let piece = take_up_to(left, buffer);
                    chunks.took(piece.len() as u64);
                    return Ok(data(piece));
                }
                Step::End { octets, lines } => {
                    let trailers = buffer.take(octets).unwrap_or_default();
                    return Ok(Some(Piece::End(parse_headers(&trailers, lines)?)));
                }
            }
        }
    }
}

fn data(piece: Bytes) -> Option<Piece> {
    (!piece.is_empty()).then_some(Piece::Data(piece))
}

/// Takes what is in one piece already.
fn take_up_to(count: u64, buffer: &mut InputBuffer) -> Bytes {
    let there = if buffer.head().is_empty() { buffer.chunk().len() } else { buffer.head().len() };
    buffer.take(up_to(count, there)).unwrap_or_default()
}

fn up_to(count: u64, there: usize) -> usize {
    usize::try_from(count).map_or(there, |count| count.min(there))
}
