//! Where a line ends.

use std::ops::Range;

use bytes::Bytes;

use crate::buffer::InputBuffer;
use crate::ends::Ends;
use crate::lines::Terminator;
#[cfg(feature = "regex")]
use crate::regexp::Regexp;

/// How the end of a line is recognized, and what of that has been found out so far.
#[derive(Debug, Clone)]
pub(crate) enum Newline {
    /// Any of CR, LF, CR LF and LF CR. One octet of them at the end of the input ends its line at once, and is kept here:
    /// its complement, should that come next, belongs to it.
    Generic(Option<u8>),
    /// Exactly these octets; never empty.
    Literal(Bytes),
    /// Whatever ends the first line.
    Autodetect,
    /// Autodetection has seen this octet at the end of the input; the next octet tells whether it is
    /// all of the terminator.
    AutodetectSecond(u8),
    /// What the expression matches.
    #[cfg(feature = "regex")]
    Regexp(Box<Regexp>),
}

/// The first line in a buffer, in octets from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) line: usize,
    pub(crate) terminator: usize,
    /// The terminator may have a second octet, which has not come yet.
    pub(crate) is_open: bool,
}

/// The lines of a chunk.
pub(crate) enum LinesOf<'a> {
    Generic(GenericLines),
    Literal(LiteralLines<'a>),
}

/// Those that each of CR LF, LF, CR and LF CR ends.
pub(crate) struct GenericLines(Ends<2>);

/// Those that a literal ends.
pub(crate) struct LiteralLines<'a> {
    /// All of it but the last octet.
    before: &'a [u8],
    last: Ends<1>,
}

impl GenericLines {
    /// Where in a chunk the next line is, which begins at `start`, and the place behind what ends it; `None` if that is
    /// not there, or may not be all there.
    #[inline(always)]
    pub(crate) fn next(&mut self, chunk: &[u8], start: usize) -> Option<(Range<usize>, usize)> {
        let mut end = self.0.next(chunk)?;
        if end < start {
            // The second octet of a pair.
            end = self.0.next(chunk)?;
        }
        let pair = chunk[end..].first_chunk()?;
        let is_pair = matches!(pair, b"\r\n" | b"\n\r");
        Some((start..end, end + 1 + usize::from(is_pair)))
    }
}

impl LiteralLines<'_> {
    /// As above.
    #[inline(always)]
    pub(crate) fn next(&mut self, chunk: &[u8], start: usize) -> Option<(Range<usize>, usize)> {
        loop {
            let last = self.last.next(chunk)?;
            if self.before.is_empty() || chunk[start..last].ends_with(self.before) {
                return Some((start..last - self.before.len(), last + 1));
            }
        }
    }
}

impl Newline {
    /// The lines of a chunk from a place on, if it takes but the chunk to know them.
    #[inline]
    pub(crate) fn lines(&self, start: usize) -> Option<LinesOf<'_>> {
        match self {
            Self::Generic(None) => Some(LinesOf::Generic(GenericLines(Ends::new(*b"\r\n", start)))),
            Self::Literal(literal) => {
                let (last, before) = literal.split_last()?;
                Some(LinesOf::Literal(LiteralLines { before, last: Ends::new([*last], start) }))
            }
            _ => None,
        }
    }

    /// What ends the lines from here on, if it takes but the octets of a line to know its end.
    pub(crate) fn terminator(&self) -> Option<Terminator> {
        match self {
            Self::Generic(None) => Some(Terminator::Generic),
            Self::Literal(literal) => Some(Terminator::Literal(literal.clone())),
            _ => None,
        }
    }

    /// The place behind the last line that is whole in a chunk that begins with a line. Those before the first one that is
    /// longer than `max_length` are meant; but if the chunk itself is not, nobody looks.
    pub(crate) fn end_of_lines(&mut self, chunk: &[u8], max_length: usize) -> Option<usize> {
        if chunk.len() > max_length {
            return self.end_of_short_lines(chunk, max_length);
        }
        match self {
            Self::Generic(open) => {
                let last = memchr::memrchr2(b'\r', b'\n', chunk)?;
                if last + 1 == chunk.len() {
                    *open = open_octet(chunk);
                }
                Some(last + 1)
            }
            Self::Literal(literal) => match **literal {
                [octet] => Some(memchr::memrchr(octet, chunk)? + 1),
                // The last occurrence may overlap the one that ends the last line.
                _ => self.end_of_short_lines(chunk, max_length),
            },
            _ => None,
        }
    }

    fn end_of_short_lines(&self, chunk: &[u8], max_length: usize) -> Option<usize> {
        let (mut lines, mut start) = (self.lines(0)?, 0);
        loop {
            let next = match &mut lines {
                LinesOf::Generic(lines) => lines.next(chunk, start),
                LinesOf::Literal(lines) => lines.next(chunk, start),
            };
            match next {
                Some((line, behind)) if line.len() <= max_length => start = behind,
                _ => return (start > 0).then_some(start),
            }
        }
    }

    /// Looks for the end of the first line in all of the buffer that was not searched yet.
    #[inline]
    pub(crate) fn find(&mut self, buffer: &mut InputBuffer) -> Option<Found> {
        match self {
            Self::Literal(literal) => match **literal {
                [octet] => find_octet(buffer, octet),
                _ => find_literal(buffer, literal),
            },
            Self::Generic(_) | Self::Autodetect => find_generic(buffer),
            Self::AutodetectSecond(_) => None,
            #[cfg(feature = "regex")]
            Self::Regexp(regexp) => regexp.find(buffer),
        }
    }

    /// How long a beginning of the terminator can be that stands unrecognized at the end of the
    /// input.
    pub(crate) fn unrecognized(&self) -> usize {
        match self {
            Self::Literal(literal) => literal.len() - 1,
            Self::Generic(_) | Self::Autodetect | Self::AutodetectSecond(_) => 0,
            #[cfg(feature = "regex")]
            Self::Regexp(regexp) => regexp.unrecognized(),
        }
    }

    /// Finishes a detection that had to wait for an octet, which is there now.
    #[inline]
    pub(crate) fn settle(&mut self, buffer: &mut InputBuffer) {
        match *self {
            Self::Generic(Some(first)) => self.settle_pair(first, buffer),
            Self::AutodetectSecond(first) => self.settle_second(first, buffer),
            _ => {}
        }
    }

    #[cold]
    fn settle_pair(&mut self, first: u8, buffer: &mut InputBuffer) {
        *self = Self::Generic(None);
        if buffer.octet(0) == complement(first) {
            buffer.skip(1);
        }
    }

    #[cold]
    fn settle_second(&mut self, first: u8, buffer: &mut InputBuffer) {
        let second = buffer.octet(0);
        *self = if second.is_some() && second == complement(first) {
            buffer.skip(1);
            Self::Literal(Bytes::from_static(pair(first)))
        } else {
            Self::Literal(Bytes::from_static(single(first)))
        };
    }

    /// Learns from the terminator of the first line, which is about to be taken.
    #[inline]
    pub(crate) fn learn(&mut self, found: Found, buffer: &InputBuffer) {
        match self {
            Self::Generic(last) if found.is_open => {
                *last = buffer.octet(found.line - buffer.head().len());
            }
            Self::Autodetect => self.learn_first(found, buffer),
            _ => {}
        }
    }

    #[cold]
    fn learn_first(&mut self, found: Found, buffer: &InputBuffer) {
        let Some(first) = buffer.octet(found.line - buffer.head().len()) else { return };
        *self = if found.terminator > 1 {
            Self::Literal(Bytes::from_static(pair(first)))
        } else if found.is_open {
            Self::AutodetectSecond(first)
        } else {
            Self::Literal(Bytes::from_static(single(first)))
        };
    }

    /// Forgets what was seen of the input.
    pub(crate) fn reset(&mut self) {
        if let Self::Generic(last) = self {
            *last = None;
        }
        self.restart();
    }

    /// Forgets where a search for the end of the present line got to.
    pub(crate) fn restart(&mut self) {
        #[cfg(feature = "regex")]
        if let Self::Regexp(regexp) = self {
            regexp.restart();
        }
    }
}

/// The earliest of these octets in the buffer; all but the last chunk looked at go to the head if there is none.
#[inline]
fn find_octet(buffer: &mut InputBuffer, octet: u8) -> Option<Found> {
    loop {
        if let Some(offset) = memchr::memchr(octet, buffer.chunk()) {
            return Some(Found {
                line: buffer.head().len() + offset,
                terminator: 1,
                is_open: false,
            });
        }
        if !buffer.next_chunk() {
            return None;
        }
    }
}

/// The earliest literal that ends within the buffer; all but the last chunk looked at go to the
/// head if there is none.
#[inline(never)]
fn find_literal(buffer: &mut InputBuffer, literal: &[u8]) -> Option<Found> {
    let (last, before) = literal.split_last()?;
    loop {
        let (head, chunk) = (buffer.head(), buffer.chunk());
        let mut from = 0;
        while let Some(offset) = memchr::memchr(*last, &chunk[from..]) {
            let end = from + offset;
            if ends_with(head, &chunk[..end], before) {
                let line = head.len() + end - before.len();
                return Some(Found { line, terminator: literal.len(), is_open: false });
            }
            from = end + 1;
        }
        if !buffer.next_chunk() {
            return None;
        }
    }
}

/// Whether `head` and `chunk` in sequence end with `ending`.
#[inline]
fn ends_with(head: &[u8], chunk: &[u8], ending: &[u8]) -> bool {
    match ending.len().checked_sub(chunk.len()) {
        None | Some(0) => chunk.ends_with(ending),
        Some(spread) => head.ends_with(&ending[..spread]) && chunk == &ending[spread..],
    }
}

/// The earliest CR LF?, LF CR? in the buffer, of those octets that are there.
#[inline]
fn find_generic(buffer: &mut InputBuffer) -> Option<Found> {
    loop {
        let chunk = buffer.chunk();
        if let Some(offset) = memchr::memchr2(b'\r', b'\n', chunk) {
            let next = buffer.octet(offset + 1);
            let paired = next.is_some() && next == complement(chunk[offset]);
            let line = buffer.head().len() + offset;
            let terminator = 1 + usize::from(paired);
            return Some(Found { line, terminator, is_open: next.is_none() });
        }
        if !buffer.next_chunk() {
            return None;
        }
    }
}

/// The last octet of a chunk that ends with a terminator, if that may have a second octet, which has not come yet.
fn open_octet(chunk: &[u8]) -> Option<u8> {
    let is_text = |octet: &u8| !matches!(octet, b'\r' | b'\n');
    let start = chunk.iter().rposition(is_text).map_or(0, |text| text + 1);
    let mut terminators = &chunk[start..];
    while let [first, rest @ ..] = terminators {
        terminators = match rest {
            [] => return Some(*first),
            [second, rest @ ..] if complement(*first) == Some(*second) => rest,
            _ => rest,
        };
    }
    None
}

#[inline]
fn complement(octet: u8) -> Option<u8> {
    match octet {
        b'\r' => Some(b'\n'),
        b'\n' => Some(b'\r'),
        _ => None,
    }
}

fn single(first: u8) -> &'static [u8] {
    if first == b'\r' { b"\r" } else { b"\n" }
}

fn pair(first: u8) -> &'static [u8] {
    if first == b'\r' { b"\r\n" } else { b"\n\r" }
}
