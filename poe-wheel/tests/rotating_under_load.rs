//! A file that is rotated a thousand times, in all the ways there are, while it is written to: no line is lost, doubled or joined
//! with another.

mod common;

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::tails::{Directory, Event, follow, spawn};
use common::{kernel, run};

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

/// What the writer and the reader know of each other.
#[derive(Default)]
struct Shared {
    /// Lines that were read.
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
    /// Records that have no end, as their files ended within them.
    unfinished: Vec<String>,
}

fn open(path: &Path) -> File {
    File::options().append(true).create(true).open(path).unwrap()
}

impl Writer {
    fn write_lines(&mut self, count: u64) {
        let mut text = String::new();
        for _ in 0..count {
            let rest = "x".repeat(self.random.below(60) as usize);
            text.push_str(&format!("line {} {rest}\n", self.lines));
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
            let text = format!("unfinished {}", self.unfinished.len());
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
    fn wait_for_all(&self) {
        self.wait_for(self.lines);
    }

    fn sibling(&self, suffix: u64) -> PathBuf {
        self.path.with_extension(suffix.to_string())
    }

    fn rotate(&mut self, number: u64) {
        match self.random.below(6) {
            // To a name that none has had.
            0 => {
                fs::rename(&self.path, self.sibling(1000 + number)).unwrap();
                self.write_late();
                self.file = open(&self.path);
            }
            // As logrotate does it.
            1 | 2 => {
                // The last of them goes.
                if self.sibling(9).exists() {
                    self.wait_for(self.before);
                }
                for age in (1..9).rev().filter(|age| self.sibling(*age).exists()) {
                    fs::rename(self.sibling(age), self.sibling(age + 1)).unwrap();
                }
                fs::rename(&self.path, self.sibling(1)).unwrap();
                self.write_late();
                self.file = open(&self.path);
            }
            // Copied and truncated.
            3 => {
                self.wait_for_all();
                fs::copy(&self.path, self.sibling(2000)).unwrap();
                self.file.set_len(0).unwrap();
            }
            // The same, and as long as before at once, or longer.
            4 => {
                self.wait_for_all();
                let len = self.file.metadata().unwrap().len();
                self.file.set_len(0).unwrap();
                while self.file.metadata().unwrap().len() < len {
                    self.write_lines(1);
                }
            }
            // Deleted, with one that replaces it or without.
            _ => {
                self.wait_for_all();
                fs::remove_file(&self.path).unwrap();
                self.write_late();
                if self.random.below(2) == 0 {
                    self.wait_for_all();
                }
                self.file = open(&self.path);
            }
        }
        self.before = self.lines;
    }

    /// What is written to a file that has lost its name.
    fn write_late(&mut self) {
        let lines = self.random.below(4);
        self.write_lines(lines);
        self.write_unfinished();
    }
}

fn writer(path: &Path, shared: &Arc<Shared>, rotations: u64, polled: bool) -> JoinHandle<Writer> {
    let mut writer = Writer {
        path: path.to_owned(),
        file: open(path),
        random: Random(0x9E37_79B9_7F4A_7C15),
        shared: Arc::clone(shared),
        lines: 0,
        before: 0,
        unfinished: Vec::new(),
    };
    thread::spawn(move || {
        for number in 0..rotations {
            let lines = 1 + writer.random.below(40);
            writer.write_lines(lines);
            if polled {
                // Who only polls misses what comes and goes between two polls.
                writer.wait_for(writer.before + 1);
            }
            writer.rotate(number);
        }
        writer.write_lines(1);
        writer.shared.over.store(true, Ordering::Release);
        writer
    })
}

fn rotate(rotations: u64, polled: bool) {
    let directory = Directory::new();
    let path = directory.file("log", "");
    let kernel = kernel();
    let shared = Arc::new(Shared::default());
    let mut builder = follow(&path).seek(0).partial_event("partial").idle_event("idle");
    builder = builder.poll_interval(Duration::from_millis(2));
    if polled {
        builder = builder.polls_only();
    }
    let next = Rc::new(Cell::new(0));
    let partial = Rc::new(RefCell::new(Vec::new()));
    let (n, p, s) = (next.clone(), partial.clone(), shared.clone());
    let thread = RefCell::new(None);
    let ended = Rc::new(RefCell::new(None));
    let e = ended.clone();
    let idle = Cell::new(0);
    spawn(&kernel, builder, move |cx, event| match event {
        Event::Start => *thread.borrow_mut() = Some(writer(&path, &shared, rotations, polled)),
        Event::Input(line) => {
            idle.set(0);
            let line = str::from_utf8(&line).unwrap();
            let number = line.split(' ').nth(1).and_then(|number| number.parse().ok());
            assert!(line.starts_with("line "), "{line:?}");
            assert_eq!(number, Some(n.get()), "{line:?}");
            n.set(n.get() + 1);
            s.read.store(n.get(), Ordering::Release);
        }
        Event::Partial(rest) => {
            p.borrow_mut().push(String::from_utf8(rest.to_vec()).unwrap());
        }
        Event::Idle if shared.over.load(Ordering::Acquire) => {
            // All old files are closed by then, and what they ended within was told.
            idle.set(idle.get() + 1);
            if idle.get() > 5 {
                *e.borrow_mut() = thread.take().map(|thread| thread.join().unwrap());
                *cx.heap = None;
            }
        }
        Event::Error(error) => panic!("{error}"),
        _ => {}
    });
    run(&kernel);
    let mut writer = ended.take().unwrap();
    assert_eq!(next.get(), writer.lines);
    partial.borrow_mut().sort();
    writer.unfinished.sort();
    assert_eq!(*partial.borrow(), writer.unfinished);
}

#[test]
fn a_thousand_rotations_lose_and_double_nothing() {
    rotate(1000, false);
}

#[test]
fn nor_do_they_where_nobody_tells_of_them() {
    rotate(200, true);
}
