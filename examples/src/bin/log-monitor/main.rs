//! Follows log files, as many as there are, through all rotations; matches each line with a hundred regular expressions, all of
//! them in one pass; and says each second how much has come and what was in it.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use examples::{complain, say};
use poe_component::prelude::*;
use regex::bytes::{RegexBuilder, RegexSet, RegexSetBuilder};

const USAGE: &str = "[--patterns FILE] [--from-start] FILE...

  --patterns FILE  regular expressions of octets, one a line, in place of the hundred that are built in;
                   empty lines, and those that begin with #, are none
  --from-start     begins with what is in the files already

Files need not be there yet. Ctrl-C ends it, with a summary.";

const PATTERNS: &str = include_str!("patterns.txt");

const REPORT: Duration = Duration::from_secs(1);

struct Monitor {
    files: HashMap<WheelId, (PathBuf, FollowTail)>,
    patterns: RegexSet,
    total: Tally,
    /// What has come since the last report.
    recent: Tally,
    reported: Instant,
}

#[derive(Default)]
struct Tally {
    lines: u64,
    octets: u64,
    matched: u64,
    /// How many lines each pattern has matched.
    each: Vec<u64>,
}

fn main() -> examples::Result {
    let (patterns, from_start, paths) = arguments()?;
    let kernel = Kernel::new()?;
    let none = Tally { each: vec![0; patterns.len()], ..Tally::default() };
    let monitor = Monitor {
        files: HashMap::new(),
        patterns,
        total: none,
        recent: Tally::default(),
        reported: Instant::now(),
    };
    Session::build(monitor)
        .on_start(move |cx| -> HandlerResult {
            for path in &paths {
                let builder = FollowTail::build(path).input_event("line").error_event("failed");
                let builder = if from_start { builder.seek(0) } else { builder };
                let wheel = builder.reset_event("rotated").spawn(cx.kernel)?;
                cx.heap.files.insert(wheel.id(), (path.clone(), wheel));
            }
            for signal in ["INT", "TERM"] {
                cx.sig(signal, "end")?;
            }
            let patterns = cx.heap.patterns.len();
            say!("following {} files with {patterns} patterns", cx.heap.files.len());
            cx.delay("report", REPORT, ());
            Ok(())
        })
        .on("line", |cx, line: Input| cx.heap.look_at(&line.record))
        .on("rotated", |cx, wheel: WheelId| {
            say!("{}: another file", cx.heap.files[&wheel].0.display());
        })
        .on("failed", |cx, error: IoError| {
            complain!("{}: {error}", cx.heap.files[&error.wheel].0.display());
            if !error.is_recoverable() {
                cx.heap.files.remove(&error.wheel);
            }
        })
        .on("report", |cx, ()| {
            cx.heap.report();
            if !cx.heap.files.is_empty() {
                cx.delay("report", REPORT, ());
            }
        })
        .on("end", |cx, _: Signal| {
            cx.kernel.sig_handled();
            cx.alarm_remove_all();
            cx.heap.files.clear();
            cx.heap.report();
            cx.heap.sum_up();
        })
        .spawn(&kernel)?;
    Ok(kernel.run()?)
}

impl Monitor {
    fn look_at(&mut self, line: &[u8]) {
        self.recent.lines += 1;
        self.recent.octets += line.len() as u64 + 1;
        let matches = self.patterns.matches(line);
        if matches.matched_any() {
            self.recent.matched += 1;
            for pattern in &matches {
                self.total.each[pattern] += 1;
            }
        }
    }

    /// Says what has come since the last time, if something has.
    fn report(&mut self) {
        let Tally { lines, octets, matched, .. } = std::mem::take(&mut self.recent);
        let seconds = self.reported.elapsed().as_secs_f64();
        self.reported = Instant::now();
        if lines > 0 {
            let (lines_each, mega) = (lines as f64 / seconds, octets as f64 / seconds / 1e6);
            say!("{lines_each:.0} lines/s, {mega:.1} MB/s, {matched} of {lines} matched");
        }
        self.total.lines += lines;
        self.total.octets += octets;
        self.total.matched += matched;
    }

    fn sum_up(&self) {
        let Tally { lines, octets, matched, each } = &self.total;
        say!("in all: {lines} lines, {octets} octets, {matched} lines matched");
        let patterns = self.patterns.patterns().iter().zip(each);
        let mut patterns: Vec<_> = patterns.filter(|(_, count)| **count > 0).collect();
        patterns.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (pattern, count) in patterns {
            say!("{count:>12}  {pattern}");
        }
    }
}

/// The patterns, whether to begin at the start, and the files.
fn arguments() -> examples::Result<(RegexSet, bool, Vec<PathBuf>)> {
    let (mut patterns, mut from_start, mut files) = (None, false, Vec::new());
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--help" | "-h") => {
                say!("Follows log files, and matches their lines.\n\nUsage: log-monitor {USAGE}");
                std::process::exit(0);
            }
            Some("--from-start") => from_start = true,
            Some("--patterns") => {
                patterns = Some(arguments.next().ok_or_else(|| wrong("--patterns needs a file"))?);
            }
            Some(option) if option.starts_with('-') => {
                return Err(wrong(format!("unexpected argument {option:?}; see --help")).into());
            }
            _ => files.push(PathBuf::from(argument)),
        }
    }
    if files.is_empty() {
        return Err(wrong("no file to follow; see --help").into());
    }
    let patterns = match patterns {
        None => compile("patterns.txt", PATTERNS)?,
        Some(file) => {
            let name = PathBuf::from(&file);
            let text = fs::read_to_string(&name)
                .map_err(|error| wrong(format!("{}: {error}", name.display())))?;
            compile(&name.to_string_lossy(), &text)?
        }
    };
    Ok((patterns, from_start, files))
}

fn compile(file: &str, text: &str) -> examples::Result<RegexSet> {
    let is_pattern = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let patterns = text.lines().filter(is_pattern);
    // A log need not be UTF-8. The room is for states of the automaton that are met on the way.
    let set = RegexSetBuilder::new(patterns).unicode(false).dfa_size_limit(64 << 20).build();
    set.map_err(|error| {
        let error = error.to_string();
        let what = error.lines().last().unwrap_or("a pattern is malformed");
        // Of a set it is not said which of them it is about.
        let is_wrong = |line| RegexBuilder::new(line).unicode(false).build().is_err();
        let line = text.lines().position(|line| is_pattern(&line) && is_wrong(line));
        let place = line.map_or(file.to_owned(), |line| format!("{file}:{}", line + 1));
        wrong(format!("{place}: {what}")).into()
    })
}

fn wrong(message: impl Into<String>) -> io::Error {
    io::Error::other(message.into())
}
