//! The product's `log-monitor`, its hundred patterns and a log of a server, from the start: the processor time for each line, of which
//! there may be two microseconds, as it is to hold half a million lines a second on one processor. Nearly all of that is what the
//! patterns take, which is the peer.

use std::fs::File;
use std::hint::black_box;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use regex::bytes::{RegexSet, RegexSetBuilder};

use crate::contest::{Contest, Rounds, nanoseconds_each};
use crate::peers::read_lines;
use crate::report::{Report, Unit};
use crate::system::{cpu_time, thread_cpu_time};

const LINES: u64 = 500_000;

/// At least this many lines a second.
const RATE: f64 = 500_000.0;

/// The variable that says where the product's `log-monitor` is.
const OURS: &str = "LOG_MONITOR";

/// Those that are built in.
const PATTERNS: &str = include_str!("../../../examples/src/bin/log-monitor/patterns.txt");

/// The rate of the whole program, its start included; and, to tell what it is made of, of its patterns alone.
pub fn run(rounds: Rounds, report: &mut Report) {
    let log = Log(write());
    let mut contest =
        Contest::new(Unit::Nanoseconds).case("a line matched with 100 patterns", Some(1e9 / RATE));
    if cfg!(feature = "ours") {
        contest = contest.ours(|| monitor(log.path()?));
    }
    contest
        .peer("read, memchr and regex", None, || patterns_alone(log.path()?))
        .hold(rounds, report);
}

fn monitor(log: &Path) -> io::Result<Vec<f64>> {
    let program = std::env::var_os(OURS)
        .ok_or_else(|| io::Error::other(format!("{OURS} does not say where log-monitor is")))?;
    let mut command = Command::new(program);
    command.arg("--from-start").arg(log).stdin(Stdio::null()).stdout(Stdio::piped());
    // Dropped, it ends.
    let mut monitor = Monitor(command.spawn()?);
    let output = monitor.0.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut seen = 0;
    for line in BufReader::new(output).lines() {
        seen += reported(&line?);
        if seen == LINES {
            return Ok(vec![nanoseconds_each(cpu_time(monitor.0.id())?, LINES)]);
        }
    }
    Err(io::Error::other(format!("it ended after {seen} lines")))
}

/// How many lines it says have come: `... lines/s, ... MB/s, 5 of 9 matched`.
fn reported(line: &str) -> u64 {
    let count = line.split_once(" of ").and_then(|(_, rest)| rest.split(' ').next());
    count.and_then(|count| count.parse().ok()).unwrap_or(0)
}

struct Monitor(Child);

impl Drop for Monitor {
    fn drop(&mut self) {
        // Neither can fail but for a process that is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn patterns_alone(log: &Path) -> io::Result<Vec<f64>> {
    let before = thread_cpu_time()?;
    let (patterns, mut lines) = (compile()?, 0);
    read_lines::each_line(log, |line| {
        lines += 1;
        black_box(patterns.matches(line).iter().count());
    })?;
    assert_eq!(lines, LINES);
    Ok(vec![nanoseconds_each(thread_cpu_time()? - before, LINES)])
}

fn compile() -> io::Result<RegexSet> {
    let patterns = PATTERNS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let set = RegexSetBuilder::new(patterns).unicode(false).dfa_size_limit(64 << 20).build();
    set.map_err(io::Error::other)
}

/// A file of lines, in the page cache, removed when it is dropped.
struct Log(io::Result<PathBuf>);

impl Log {
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

fn write() -> io::Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("poe-bench-{}-log", std::process::id()));
    let mut file = BufWriter::new(File::create(&path)?);
    for number in 0..LINES {
        let (second, byte) = (number / 5000 % 60, number * 7 % 251);
        write!(file, "Jan  2 03:04:{second:02} host ")?;
        // Every third matches something.
        match number % 12 {
            0 => writeln!(
                file,
                "sshd[{number}]: Failed password for root from 192.0.2.{byte} port 4{byte:03} ssh2"
            ),
            1 | 2 => writeln!(
                file,
                "CRON[{number}]: (root) CMD (cd / && run-parts --report /etc/cron.hourly)"
            ),
            3 => writeln!(
                file,
                "kernel: [UFW BLOCK] IN=eth0 OUT= SRC=192.0.2.{byte} DST=198.51.100.1 LEN=40 PROTO=TCP"
            ),
            4 => writeln!(
                file,
                "nginx: 192.0.2.{byte} - - \"GET /items/{number} HTTP/1.1\" 404 153 \"-\" \"Mozilla/5.0\""
            ),
            5..=8 => writeln!(
                file,
                "nginx: 192.0.2.{byte} - - \"GET /items/{number} HTTP/1.1\" 200 {number} \"-\" \"Mozilla/5.0\""
            ),
            9 => writeln!(file, "app[{byte}]: error: request {number} took too long"),
            _ => writeln!(
                file,
                "app[{byte}]: request {number} answered in {byte} ms, {number} octets, cache hit"
            ),
        }?;
    }
    file.flush()?;
    Ok(path)
}
