//! A file of 64 MiB, followed from its start: the time for each line. It is in the page cache, so that the loop it is compared with
//! does little but copy and look for ends of lines.

use std::fs::File;
use std::hint::black_box;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::contest::{Contest, Rounds, nanoseconds_each};
use crate::peers::read_lines;
use crate::report::{Report, Unit};
use crate::system::cpu_time;

const OCTETS: usize = 64 * 1024 * 1024;

/// Turns in a round.
const TURNS: usize = 4;

/// Follows a file of so many lines.
type Follow = fn(&Path, u64) -> io::Result<()>;

/// At most 1.3 times a bare loop around `read` and `memchr`, with an event for all lines of a read, and with one for each line, which costs
/// what an event costs however short the line is.
pub fn run(rounds: Rounds, report: &mut Report) {
    #[cfg(feature = "ours")]
    let (blocks, lines): (Follow, Follow) =
        (crate::ours::follow_tail::line_blocks, crate::ours::follow_tail::lines);
    #[cfg(not(feature = "ours"))]
    let (blocks, lines): (Follow, Follow) = (|_, _| Ok(()), |_, _| Ok(()));
    hold("an event for those of a read", 100, blocks, rounds, report);
    for length in [100, 200, 400, 1000] {
        hold("an event each", length, lines, rounds, report);
    }
}

fn hold(how: &str, length: usize, follow: Follow, rounds: Rounds, report: &mut Report) {
    let lines = (OCTETS / length) as u64;
    let log = Log::new(length);
    let mut contest =
        Contest::new(Unit::Nanoseconds).case(format!("lines of {length} octets, {how}"), None);
    if cfg!(feature = "ours") {
        contest = contest.ours(|| each(lines, || follow(log.path()?, lines)));
    }
    contest
        .peer("read and memchr", Some(1.3), || {
            let mut sum = 0;
            let took = each(lines, || {
                read_lines::each_line(log.path()?, |line| sum += black_box(line).len())
            });
            assert_eq!(sum, OCTETS / length * (length - 1));
            took
        })
        .hold(rounds.times(TURNS), report);
}

/// The processor time for each line.
fn each(lines: u64, run: impl FnOnce() -> io::Result<()>) -> io::Result<Vec<f64>> {
    let before = cpu_time(std::process::id())?;
    run()?;
    Ok(vec![nanoseconds_each(cpu_time(std::process::id())? - before, lines)])
}

/// A file of lines, in the page cache, removed when it is dropped.
struct Log(io::Result<PathBuf>);

impl Log {
    fn new(length: usize) -> Self {
        Self(write(length))
    }

    fn path(&self) -> io::Result<&Path> {
        self.0.as_deref().map_err(|error| io::Error::new(error.kind(), error.to_string()))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if let Ok(path) = &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn write(length: usize) -> io::Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("poe-bench-{}-{length}", std::process::id()));
    let mut file = BufWriter::new(File::create(&path)?);
    for number in 0..OCTETS / length {
        let head = format!("2026-01-01T00:00:00 host program[{number}]: ");
        let rest = length - head.len() - 1;
        writeln!(file, "{head}{}", &"something has come to pass ".repeat(40)[..rest])?;
    }
    file.flush()?;
    Ok(path)
}
