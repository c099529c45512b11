//! The monitor of logs: what it counts, through rotations, and how it ends.

#[macro_use]
mod common;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Program, run};
use nix::sys::signal::Signal;

const MONITOR: &str = example!("log-monitor");

/// A directory that is removed when it is dropped.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("log-monitor-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn append(path: &Path, text: &str) {
    let mut file = File::options().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Waits until so many lines have been reported altogether.
fn wait_for_lines(program: &mut Program, count: u64) {
    let seen = std::cell::Cell::new(0);
    program.wait_for_line("report", |line| {
        let lines = line.split_once(" of ").and_then(|(_, rest)| rest.split(' ').next());
        let lines = lines.and_then(|lines| lines.parse::<u64>().ok()).unwrap_or(0);
        seen.set(seen.get() + lines);
        seen.get() == count
    });
}

#[test]
fn lines_of_many_files_are_counted_through_rotations() {
    let directory = Directory::new("many");
    let (one, two) = (directory.path("one"), directory.path("two"));
    append(&one, "old: error\n");
    let mut program = Program::start(Command::new(MONITOR).args([&one, &two]));
    program.wait_for_line("start", |line| line == "following 2 files with 100 patterns");
    append(&one, "an error\nnothing\nUFW BLOCK and a warning\n");
    wait_for_lines(&mut program, 3);
    fs::rename(&one, directory.path("one.1")).unwrap();
    append(&directory.path("one.1"), "late error\n");
    append(&one, "\"GET /.git HTTP/1.1\" 404 0\n");
    append(&two, "\u{fc}\nsegfault at 0 \n");
    wait_for_lines(&mut program, 4);
    program.signal(Signal::SIGINT);
    let output = program.wait().well().output;
    let all = output.iter().position(|line| line.starts_with("in all: ")).unwrap();
    assert_eq!(output[all], "in all: 7 lines, 97 octets, 5 lines matched");
    let counts: Vec<&str> = output[all + 1..].iter().map(|line| line.trim()).collect();
    assert_eq!(counts[0], r"2  (?i)\berr(or)?\b");
    let mut rest = counts[1..].to_vec();
    rest.sort_unstable();
    let expected = [
        r#"1  " 40[0-9]"#,
        r#"1  "GET /\.(git|env|svn)"#,
        r"1  (?i)\bwarn(ing)?\b",
        "1  UFW BLOCK",
        r"1  segfault at [0-9a-f]+",
    ];
    assert_eq!(rest, expected);
    for path in [&one, &two] {
        let note = format!("{}: another file", path.display());
        assert!(output.contains(&note), "{output:?}");
    }
}

#[test]
fn patterns_may_be_given_and_files_read_from_their_start() {
    let directory = Directory::new("patterns");
    let (log, patterns) = (directory.path("log"), directory.path("patterns"));
    append(&patterns, "# numbers\n\\d+\n\n^x\n");
    append(&log, &"1\nx\nx2\ny\n".repeat(50_000));
    let mut command = Command::new(MONITOR);
    command.args(["--from-start", "--patterns"]).args([&patterns, &log]);
    let mut program = Program::start(&mut command);
    wait_for_lines(&mut program, 200_000);
    program.signal(Signal::SIGTERM);
    let output = program.wait().well().output;
    assert_eq!(output[0], "following 1 files with 2 patterns");
    assert!(output.contains(&r"      100000  \d+".to_owned()), "{output:?}");
    assert!(output.contains(&"      100000  ^x".to_owned()), "{output:?}");
}

#[test]
fn mistakes_are_told_in_one_line() {
    let directory = Directory::new("mistakes");
    let patterns = directory.path("patterns");
    append(&patterns, "# none\n\nfine\n(\n");
    let badly =
        |arguments: &[&str]| Program::start(Command::new(MONITOR).args(arguments)).wait().badly();
    assert_eq!(badly(&[]), "Error: no file to follow; see --help");
    assert_eq!(badly(&["--patterns"]), "Error: --patterns needs a file");
    assert_eq!(badly(&["--nonsense"]), "Error: unexpected argument \"--nonsense\"; see --help");
    let patterns = patterns.to_str().unwrap();
    let unclosed = format!("Error: {patterns}:4: error: unclosed group");
    assert_eq!(badly(&["--patterns", patterns, "log"]), unclosed);
    assert!(badly(&["--patterns", "/nowhere/to/be", "log"]).contains("No such file"));
    let folder = directory.0.to_str().unwrap();
    assert_eq!(badly(&[folder]), format!("Error: cannot follow {folder}: it is a directory"));
}

#[test]
fn what_cannot_be_opened_is_complained_of_and_tried_again() {
    let directory = Directory::new("again");
    let log = directory.path("log");
    std::os::unix::fs::symlink(&log, &log).unwrap();
    let mut program = Program::start(Command::new(MONITOR).arg(&log));
    program.wait_for_error("complaint", |line| line.contains("Too many levels of symbolic links"));
    fs::remove_file(&log).unwrap();
    append(&log, "a line\n");
    wait_for_lines(&mut program, 1);
    let ended = program.interrupt();
    assert!(ended.status.success() && ended.errors.len() == 1, "{ended:?}");
}

#[test]
fn there_is_help() {
    let output = run(Command::new(MONITOR).arg("--help"), "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    assert!(text.contains("\nUsage: log-monitor [--patterns FILE]"), "{text}");
}
