//! Filters by themselves: what it takes to cut a record out of a chunk of 64 KiB, and to let it go.
//!
//! The bare loops are what one would write by hand for that very format. One of them hands out records as most of ours are,
//! counted slices of the chunk; the other borrowed ones, which nobody can keep, as those of `LineBlock`. The codecs of tokio-util cut theirs
//! out of a buffer that is theirs alone.

use std::io;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};

use crate::contest::{Contest, Rounds, nanoseconds_each};
use crate::peers::{bare_filters, tokio_codecs};
use crate::report::{Report, Unit};

const CHUNK: usize = 64 * 1024;
const LINE: usize = 64;

/// How often a chunk is parsed in a turn, and turns in a round.
const REPETITIONS: u32 = 200;
const TURNS: usize = 20;

/// Lines that are lent are to be at least 0.8 times as fast as a bare loop; those that are counted, and blocks, twice as
/// tokio-util's.
const BARE: f64 = 1.0 / 0.8;
const TOKIO: f64 = 0.5;

/// Lines and blocks.
pub fn run(rounds: Rounds, report: &mut Report) {
    let rounds = rounds.times(TURNS);
    let lines = lines();
    let contest = Contest::new(Unit::Nanoseconds).case("a line of 64 octets, any newline", None);
    #[cfg(feature = "ours")]
    let contest = contest.ours(|| turn(&lines, crate::ours::filters::any_lines));
    contest
        .peer("bare memchr2, counted slices", None, || turn(&lines, bare_filters::any_lines))
        .peer("bare memchr, borrowed slices", None, || turn(&lines, bare_filters::borrowed_lines))
        .peer("tokio-util LinesCodec", TOKIO, || turn(&lines, tokio_codecs::lines))
        .hold(rounds, report);
    let contest = Contest::new(Unit::Nanoseconds).case("a line of 64 octets, LF", None);
    #[cfg(feature = "ours")]
    let contest = contest.ours(|| turn(&lines, crate::ours::filters::lines));
    contest
        .peer("bare memchr, counted slices", None, || turn(&lines, bare_filters::lines))
        .peer("tokio-util LinesCodec", TOKIO, || turn(&lines, tokio_codecs::lines))
        .hold(rounds, report);
    let contest = Contest::new(Unit::Nanoseconds)
        .case("a line of 64 octets, any newline, of a chunk's lines at once", None);
    #[cfg(feature = "ours")]
    let contest = contest.ours(|| turn(&lines, crate::ours::filters::any_line_blocks));
    contest
        .peer("bare memchr, borrowed slices", BARE, || turn(&lines, bare_filters::borrowed_lines))
        .hold(rounds, report);
    let contest = Contest::new(Unit::Nanoseconds)
        .case("a line of 64 octets, LF, of a chunk's lines at once", None);
    #[cfg(feature = "ours")]
    let contest = contest.ours(|| turn(&lines, crate::ours::filters::line_blocks));
    contest
        .peer("bare memchr, borrowed slices", BARE, || turn(&lines, bare_filters::borrowed_lines))
        .hold(rounds, report);
    let blocks = blocks();
    let contest = Contest::new(Unit::Nanoseconds).case("a block of 64 octets, 32-bit length", None);
    #[cfg(feature = "ours")]
    let contest = contest.ours(|| turn(&blocks, crate::ours::filters::blocks));
    contest
        .peer("bare loop, counted slices", None, || turn(&blocks, bare_filters::blocks))
        .peer("bare loop, borrowed slices", None, || turn(&blocks, bare_filters::borrowed_blocks))
        .peer("tokio-util LengthDelimitedCodec", TOKIO, || turn(&blocks, tokio_codecs::blocks))
        .hold(rounds, report);
    let blocks = decimal_blocks();
    let contest =
        Contest::new(Unit::Nanoseconds).case("a block of 64 octets, decimal length", None);
    #[cfg(feature = "ours")]
    let contest = contest.ours(|| turn(&blocks, crate::ours::filters::decimal_blocks));
    contest
        .peer("bare loop, counted slices", None, || turn(&blocks, bare_filters::decimal_blocks))
        .hold(rounds, report);
}

/// A chunk, and how many records are in it.
struct Input {
    chunk: Bytes,
    records: u64,
}

/// Parses the chunk over and over; whoever parses it makes of it what it needs before the clock runs, tells how long it
/// took, and how many octets its records had.
fn turn(
    input: &Input,
    mut parse: impl FnMut(&Bytes, &mut Stopwatch) -> io::Result<u64>,
) -> io::Result<Vec<f64>> {
    let mut watch = Stopwatch::default();
    for _ in 0..REPETITIONS {
        let octets = parse(&input.chunk, &mut watch)?;
        let expected = input.records * LINE as u64;
        if octets != expected {
            let message = format!("records of {octets} octets, where {expected} are right");
            return Err(io::Error::other(message));
        }
    }
    Ok(vec![nanoseconds_each(watch.total, input.records * u64::from(REPETITIONS))])
}

/// Adds up the time of the work that is measured.
#[derive(Debug, Default)]
pub struct Stopwatch {
    total: Duration,
}

impl Stopwatch {
    /// Does a piece of the work.
    pub fn time<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let started = Instant::now();
        let result = work();
        self.total += started.elapsed();
        result
    }
}

fn lines() -> Input {
    input(|chunk, record| {
        chunk.put_slice(record);
        chunk.put_u8(b'\n');
    })
}

fn blocks() -> Input {
    input(|chunk, record| {
        chunk.put_u32(record.len() as u32);
        chunk.put_slice(record);
    })
}

fn decimal_blocks() -> Input {
    input(|chunk, record| {
        chunk.put_slice(format!("{}\0", record.len()).as_bytes());
        chunk.put_slice(record);
    })
}

fn input(put: impl Fn(&mut BytesMut, &[u8])) -> Input {
    let mut chunk = BytesMut::with_capacity(CHUNK + 2 * LINE);
    let mut records = 0;
    while chunk.len() < CHUNK {
        let record: [u8; LINE] =
            std::array::from_fn(|index| b'a' + (index as u8 + records as u8) % 26);
        put(&mut chunk, &record);
        records += 1;
    }
    let chunk = chunk.freeze();
    // Counted from the beginning, as a chunk is that others have slices of.
    drop(chunk.clone());
    Input { chunk, records }
}
