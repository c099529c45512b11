//! Files that are rotated a thousand times together, in all the ways there are, while they are written to: no line is lost, doubled or
//! joined with another. What is truncated or removed without waiting for its reader may be lost, and nothing else.

mod common;

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use common::tails::{Directory, Event, follow, spawn};
use common::{kernel, run};
use poe_session::prelude::*;

/// xorshift, so that a failure can be had again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

const POLL: Duration = Duration::from_millis(5);

/// How files are written and followed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Nothing is truncated or removed before it was read.
    Patient,
    /// It is, and may be lost.
    Hasty,
    /// Nobody tells of changes: who only polls misses what comes and goes between two polls.
    Polled,
}

/// What the writer and the reader know of each other.
#[derive(Default)]
struct Shared {
    /// The line after the last that was read.
    read: AtomicU64,
    /// The writer has ended.
    over: AtomicBool,
}

struct Writer {
    path: PathBuf,
    file: File,
    random: Random,
    shared: Arc<Shared>,
    /// Lines that were written.
    lines: u64,
    /// Those of them in files before this one.
    before: u64,
    /// The first of what is in this file.
    first: u64,
    manner: Manner,
    /// Records that have no end, as their files ended within them.
    unfinished: Vec<String>,
    /// Lines and records that nobody need have read.
    perhaps_lost: Vec<Range<u64>>,
    perhaps_untold: HashSet<String>,
}

/// A line, which says itself how long it is.
fn line(number: u64) -> String {
    format!("line {number} {}", "x".repeat((number * 37 % 61) as usize))
}

fn open(path: &Path) -> File {
    File::options().append(true).create(true).open(path).unwrap()
}

impl Writer {
    fn write_lines(&mut self, count: u64) {
        let mut text = String::new();
        for _ in 0..count {
            text.push_str(&line(self.lines));
            text.push('\n');
            self.lines += 1;
        }
        // In pieces that end anywhere.
        while !text.is_empty() {
            let length = 1 + self.random.below(text.len() as u64) as usize;
            self.file.write_all(&text.as_bytes()[..length]).unwrap();
            text.drain(..length);
        }
    }

    fn write_unfinished(&mut self) {
        if self.random.below(4) == 0 {
            let text = format!("unfinished {}.", self.unfinished.len());
            self.file.write_all(text.as_bytes()).unwrap();
            self.unfinished.push(text);
        }
    }

    fn wait_for(&self, lines: u64) {
        while self.shared.read.load(Ordering::Acquire) < lines {
            thread::sleep(Duration::from_micros(20));
        }
    }

    /// What is not read by now is lost, whoever reads.
    fn wait_for_all(&mut self) {
        if self.manner == Manner::Hasty {
            self.perhaps_lost.push(self.first..self.lines);
        } else {
            self.wait_for(self.lines);
        }
    }

    fn sibling(&self, suffix: u64) -> PathBuf {
        self.path.with_extension(suffix.to_string())
    }

    fn rotate(&mut self, number: u64) {
        match self.random.below(6) {
            // To a name that none has had.
            0 => {
                let begun = Instant::now();
                fs::rename(&self.path, self.sibling(1000 + number)).unwrap();
                self.write_late(begun);
                self.open();
            }
            // As logrotate does it.
            1 | 2 => {
                // The last of them goes.
                if self.sibling(9).exists() {
                    if self.manner == Manner::Hasty {
                        self.may_lose(0..self.before);
                    } else {
                        self.wait_for(self.before);
                    }
                }
                for age in (1..9).rev().filter(|age| self.sibling(*age).exists()) {
                    fs::rename(self.sibling(age), self.sibling(age + 1)).unwrap();
                }
                let begun = Instant::now();
                fs::rename(&self.path, self.sibling(1)).unwrap();
                self.write_late(begun);
                self.open();
            }
            // Copied and truncated.
            3 => {
                self.wait_for_all();
                fs::copy(&self.path, self.sibling(2000)).unwrap();
                self.truncate();
            }
            // The same, and as long as before at once, or longer.
            4 => {
                self.wait_for_all();
                let len = self.file.metadata().unwrap().len();
                self.truncate();
                while self.file.metadata().unwrap().len() < len {
                    self.write_lines(1);
                }
            }
            // Deleted, with one that replaces it or without.
            _ => {
                self.wait_for_all();
                let begun = Instant::now();
                fs::remove_file(&self.path).unwrap();
                let in_time = self.write_late(begun);
                if self.manner == Manner::Hasty {
                    // Nobody may have opened it.
                    self.may_lose(self.first..self.lines);
                } else if self.random.below(2) == 0 && in_time {
                    self.wait_for_all();
                }
                self.open();
            }
        }
        self.before = self.lines;
    }

    fn open(&mut self) {
        self.file = open(&self.path);
        self.first = self.lines;
    }

    fn truncate(&mut self) {
        self.file.set_len(0).unwrap();
        self.first = self.lines;
    }

    /// These lines, and all records without an end.
    fn may_lose(&mut self, lines: Range<u64>) {
        self.perhaps_lost.push(lines);
        self.perhaps_untold.extend(self.unfinished.iter().cloned());
    }

    /// What is written to a file that has lost its name. False if its reader may have closed it by then.
    fn write_late(&mut self, begun: Instant) -> bool {
        let (first, lines) = (self.lines, self.random.below(4));
        self.write_lines(lines);
        self.write_unfinished();
        // Three polls that find nothing, and it is closed.
        let in_time = begun.elapsed() < 2 * POLL;
        if !in_time {
            self.may_lose(first..self.lines);
        }
        in_time
    }
}

fn write(path: &Path, shared: &Arc<Shared>, task: Task) -> JoinHandle<Writer> {
    let mut writer = Writer {
        path: path.to_owned(),
        file: open(path),
        random: Random(task.seed),
        shared: Arc::clone(shared),
        lines: 0,
        before: 0,
        first: 0,
        manner: task.manner,
        unfinished: Vec::new(),
        perhaps_lost: Vec::new(),
        perhaps_untold: HashSet::new(),
    };
    thread::spawn(move || {
        for number in 0..task.rotations {
            let lines = 1 + writer.random.below(40);
            writer.write_lines(lines);
            if task.manner == Manner::Polled {
                writer.wait_for(writer.before + 1);
            }
            writer.rotate(number);
        }
        writer.write_lines(1);
        writer.shared.over.store(true, Ordering::Release);
        writer
    })
}

#[derive(Clone, Copy)]
struct Task {
    seed: u64,
    rotations: u64,
    manner: Manner,
}

/// What has been read of a file, and who has written it.
#[derive(Default)]
struct Reader {
    read: Vec<u64>,
    partial: Vec<String>,
    idle: u32,
    thread: Option<JoinHandle<Writer>>,
    writer: Option<Writer>,
}

impl Reader {
    /// Takes a line; the one that is to follow it.
    fn take(&mut self, text: &str) -> u64 {
        self.idle = 0;
        let number = text.split(' ').nth(1).and_then(|number| number.parse().ok());
        let number = number.unwrap_or_else(|| panic!("{text:?}"));
        assert_eq!(text, line(number), "a line that nobody has written");
        assert!(self.read.last().is_none_or(|last| *last < number), "{number} comes late");
        self.read.push(number);
        number + 1
    }

    fn check(mut self, seed: u64) {
        let mut writer = self.writer.expect("the writer has ended");
        let read: HashSet<u64> = self.read.iter().copied().collect();
        let is_known = |number| {
            read.contains(&number) || writer.perhaps_lost.iter().any(|lost| lost.contains(&number))
        };
        let lost: Vec<u64> = (0..writer.lines).filter(|number| !is_known(*number)).collect();
        assert!(lost.is_empty(), "seed {seed}: lost {lost:?}");
        // Of what was lost, the reader may have had the beginning.
        let lost = writer.perhaps_lost.iter().cloned().flatten().filter(|one| !read.contains(one));
        let lost: Vec<String> =
            lost.map(line).chain(writer.perhaps_untold.iter().cloned()).collect();
        let is_whole = |rest: &String| writer.unfinished.contains(rest);
        let is_begun = |rest: &String| lost.iter().any(|line| line.starts_with(rest.as_str()));
        self.partial.retain(|rest| is_whole(rest) || !is_begun(rest));
        let is_told = |rest: &String| self.partial.contains(rest);
        writer.unfinished.retain(|rest| is_told(rest) || !writer.perhaps_untold.contains(rest));
        self.partial.sort();
        writer.unfinished.sort();
        assert_eq!(self.partial, writer.unfinished, "seed {seed}");
    }
}

fn follow_one(kernel: &Kernel, path: &Path, task: Task) -> Rc<RefCell<Reader>> {
    let reader = Rc::new(RefCell::new(Reader::default()));
    let shared = Arc::new(Shared::default());
    let mut builder = follow(path).seek(0).partial_event("partial").idle_event("idle");
    builder = builder.poll_interval(POLL);
    if task.manner == Manner::Polled {
        builder = builder.polls_only();
    }
    let (r, path) = (reader.clone(), path.to_owned());
    spawn(kernel, builder, move |cx, event| {
        let mut reader = r.borrow_mut();
        match event {
            Event::Start => reader.thread = Some(write(&path, &shared, task)),
            Event::Input(line) => {
                let next = reader.take(str::from_utf8(&line).unwrap());
                shared.read.store(next, Ordering::Release);
            }
            Event::Partial(rest) => {
                reader.partial.push(String::from_utf8(rest.to_vec()).unwrap());
            }
            Event::Idle if shared.over.load(Ordering::Acquire) => {
                // All old files are closed by then, and what they ended within was told.
                reader.idle += 1;
                if reader.idle > 5 {
                    reader.writer = reader.thread.take().map(|thread| thread.join().unwrap());
                    *cx.heap = None;
                }
            }
            Event::Error(error) => panic!("{error}"),
            _ => {}
        }
    });
    reader
}

/// Files that are rotated so often together, each by a writer of its own.
fn rotate(rotations: u64, files: u64, manner: Manner) {
    let (directory, kernel) = (Directory::new(), kernel());
    let tasks = (1..=files).map(|number| Task {
        seed: number.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        rotations: rotations / files,
        manner,
    });
    let readers: Vec<_> = tasks
        .map(|task| {
            let path = directory.file(&format!("{:x}.log", task.seed), "");
            (task.seed, follow_one(&kernel, &path, task))
        })
        .collect();
    run(&kernel);
    for (seed, reader) in readers {
        reader.take().check(seed);
    }
}

#[test]
fn a_thousand_rotations_lose_and_double_nothing() {
    rotate(1000, 1, Manner::Patient);
}

#[test]
fn nor_do_those_of_many_files_at_once() {
    rotate(1000, 8, Manner::Patient);
}

#[test]
fn nor_do_they_where_nobody_tells_of_them() {
    rotate(200, 4, Manner::Polled);
}

#[test]
fn what_is_not_waited_for_is_lost_and_nothing_else() {
    rotate(1000, 8, Manner::Hasty);
}
