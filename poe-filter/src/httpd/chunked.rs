//! The chunks of a chunked body.

use memchr::memchr;

use super::error::HttpProblem;
use super::head::{HeadLimits, HeadScanner};

/// The longest line with the size of a chunk, with its end.
pub(crate) const MAX_SIZE_LINE: usize = 1024;

/// How many octets of a body may be chunk extensions, which nobody reads.
const MAX_EXTENSIONS: usize = 16 * 1024;

/// Reads chunks. It is told of octets that were taken, and holds none.
#[derive(Debug)]
pub(crate) struct Chunked {
    part: Part,
    extensions: usize,
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Size,
    Data(u64),
    DataEnd,
    Trailers(HeadScanner),
}

/// What the next octets are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// That takes more of them to tell.
    NeedMore,
    /// The line with the size of a chunk: `line` octets to be passed over, `size` in the chunk.
    Size { line: usize, size: u64 },
    /// The end of a chunk: two octets to be passed over.
    DataEnd,
    /// Up to so many octets of the body. [`Chunked::took`] is to be called for those taken.
    Data(u64),
    /// The trailers, with the empty line behind them, and the end of the body.
    End { octets: usize, lines: usize },
}

impl Chunked {
    pub(crate) fn new() -> Self {
        Self { part: Part::Size, extensions: 0 }
    }

    /// Forgets where a search in the next octets got to.
    pub(crate) fn restart(&mut self) {
        if let Part::Trailers(scanner) = &mut self.part {
            *scanner = HeadScanner::default();
        }
    }

    /// Whether the next octets are trailers, which may be long.
    pub(crate) fn in_trailers(&self) -> bool {
        matches!(self.part, Part::Trailers(_))
    }

    /// What is at the start of these octets.
    pub(crate) fn step(&mut self, octets: &[u8], limits: &HeadLimits) -> Result<Step, HttpProblem> {
        match &mut self.part {
            Part::Size => self.size(octets),
            Part::Data(left) => Ok(Step::Data(*left)),
            Part::DataEnd => match octets {
                [b'\r', b'\n', ..] => {
                    self.part = Part::Size;
                    Ok(Step::DataEnd)
                }
                [] | [_] => Ok(Step::NeedMore),
                _ => Err(HttpProblem::Chunk { reason: "a chunk does not end where it should" }),
            },
            Part::Trailers(scanner) => {
                let Some(end) = scanner.end(octets, limits)? else { return Ok(Step::NeedMore) };
                let lines = scanner.lines();
                let mut newlines = octets[..end].split_inclusive(|octet| *octet == b'\n');
                if newlines.any(|line| !line.ends_with(b"\r\n")) {
                    return Err(HttpProblem::Chunk { reason: "a line does not end in CR LF" });
                }
                self.part = Part::Size;
                Ok(Step::End { octets: end, lines })
            }
        }
    }

    /// Takes note of octets of a chunk that were taken.
    pub(crate) fn took(&mut self, count: u64) {
        if let Part::Data(left) = &mut self.part {
            *left -= count;
            if *left == 0 {
                self.part = Part::DataEnd;
            }
        }
    }

    fn size(&mut self, octets: &[u8]) -> Result<Step, HttpProblem> {
        let wrong = |reason| Err(HttpProblem::Chunk { reason });
        let window = &octets[..octets.len().min(MAX_SIZE_LINE)];
        let Some(newline) = memchr(b'\n', window) else {
            return match window.len() {
                MAX_SIZE_LINE => wrong("the line of a size is too long"),
                _ => Ok(Step::NeedMore),
            };
        };
        let Some(line) = window[..newline].strip_suffix(b"\r") else {
            return wrong("a line does not end in CR LF");
        };
        let digits = line.iter().take_while(|octet| octet.is_ascii_hexdigit()).count();
        let (digits, extensions) = line.split_at(digits);
        if digits.is_empty() || digits.len() > 16 {
            return wrong("a size is no number of 1 to 16 digits");
        }
        if !(extensions.is_empty() || extensions[0] == b';') {
            return wrong("there is something behind a size");
        }
        if extensions.iter().any(|octet| octet.is_ascii_control() && *octet != b'\t') {
            return wrong("an extension has control characters");
        }
        self.extensions += extensions.len();
        if self.extensions > MAX_EXTENSIONS {
            return wrong("there are too many extensions");
        }
        // Sixteen digits are 64 bits.
        let size = digits.iter().fold(0_u64, |size, digit| {
            let digit = char::from(*digit).to_digit(16).unwrap_or(0);
            (size << 4) | u64::from(digit)
        });
        self.part = match size {
            0 => Part::Trailers(HeadScanner::headers_only()),
            _ => Part::Data(size),
        };
        Ok(Step::Size { line: newline + 1, size })
    }
}
