//! Runs shell commands, one a line, several at a time; prints what they print with the number of the line before it, and how each
//! that failed has ended. On a terminal a bar shows how far it is.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use examples::{complain, say};
use poe_component::prelude::*;

const PURPOSE: &str = "Runs shell commands, one a line, several at a time.";

const USAGE: &str = "job-runner [-j N] [FILE]

  -j N  runs N commands at a time; if it is not given, as many as there are processors

Commands are read from standard input if there is no FILE. Empty lines, and those that begin with #, are none.
Ctrl-C ends what runs, and starts no more. It exits with 0 if all commands did, with 1 if one failed, and with 130
if it was ended.";

/// How many commands are read ahead.
const AHEAD: usize = 1000;

/// How long commands have to end when they are asked to.
const GRACE: Duration = Duration::from_secs(2);

struct Runner {
    at_once: usize,
    /// Where commands come from, until there are no more.
    source: Option<ReadWrite>,
    waiting: VecDeque<Job>,
    running: HashMap<WheelId, (Job, Run)>,
    line: usize,
    given: usize,
    done: usize,
    failed: usize,
    is_ending: bool,
    has_bar: bool,
}

struct Job {
    line: usize,
    command: Bytes,
}

fn main() -> examples::Result<ExitCode> {
    let (at_once, path) = arguments()?;
    let source: Option<File> = match &path {
        Some(path) => {
            Some(File::open(path).map_err(|error| wrong(format!("{}: {error}", path.display())))?)
        }
        None => None,
    };
    let source = std::cell::Cell::new(source);
    let status = std::rc::Rc::new(std::cell::Cell::new(0));
    let told = status.clone();
    let kernel = Kernel::new()?;
    Session::build(Runner::new(at_once))
        .on_start(move |cx| -> HandlerResult {
            let builder = match source.take() {
                Some(file) => ReadWrite::build(file),
                None => ReadWrite::build(io::stdin()),
            };
            let builder = builder.input_event("command").partial_event("command");
            cx.heap.source = Some(builder.error_event("no more").spawn(cx.kernel)?);
            for signal in ["INT", "TERM", "HUP"] {
                cx.sig(signal, "end")?;
            }
            Ok(())
        })
        .on("command", |cx, input: Input| {
            cx.heap.add(input.record);
            cx.heap.start_more(cx.kernel);
        })
        .on("no more", |cx, error: IoError| {
            if !error.is_eof() {
                cx.heap.print(|| complain!("cannot read the commands: {error}"));
                cx.heap.failed += 1;
            }
            cx.heap.source = None;
        })
        .on("output", |cx, output: Input| cx.heap.print_output(&output, io::stdout()))
        .on("complaint", |cx, output: Input| cx.heap.print_output(&output, io::stderr()))
        .on("ended", |cx, exit: RunExit| {
            cx.heap.end(&exit);
            cx.heap.start_more(cx.kernel);
        })
        .on("end", |cx, _: Signal| {
            cx.kernel.sig_handled();
            cx.heap.end_all();
        })
        .on_stop(move |cx| told.set(cx.heap.sum_up()))
        .spawn(&kernel)?;
    kernel.run()?;
    Ok(ExitCode::from(status.get()))
}

impl Runner {
    fn new(at_once: usize) -> Self {
        Self {
            at_once,
            source: None,
            waiting: VecDeque::new(),
            running: HashMap::new(),
            line: 0,
            given: 0,
            done: 0,
            failed: 0,
            is_ending: false,
            has_bar: io::stderr().is_terminal(),
        }
    }

    fn add(&mut self, command: Bytes) {
        self.line += 1;
        let command = command.trim_ascii();
        if command.is_empty() || command.starts_with(b"#") {
            return;
        }
        self.given += 1;
        self.waiting.push_back(Job { line: self.line, command: Bytes::copy_from_slice(command) });
    }

    fn start_more(&mut self, kernel: &Kernel) {
        while self.running.len() < self.at_once
            && let Some(job) = self.waiting.pop_front()
        {
            let run = Run::build_shell(OsStr::from_bytes(&job.command))
                .redirect_stdin(Redirect::null())
                .stdout_event("output")
                .stdout_partial_event("output")
                .stderr_event("complaint")
                .stderr_partial_event("complaint")
                .exit_event("ended")
                .spawn(kernel);
            match run {
                Ok(run) => _ = self.running.insert(run.id(), (job, run)),
                Err(error) => {
                    self.print(|| complain!("{}: {error}", job.line));
                    (self.done, self.failed) = (self.done + 1, self.failed + 1);
                }
            }
        }
        if let Some(source) = &self.source {
            if self.waiting.len() < AHEAD { source.resume_input() } else { source.pause_input() }
        }
        self.draw_bar();
    }

    fn end(&mut self, exit: &RunExit) {
        let Some((job, _)) = self.running.remove(&exit.wheel) else { return };
        self.done += 1;
        if !exit.success() {
            self.failed += 1;
            let how = exit.status.map_or("ended".to_owned(), |status| status.to_string());
            self.print(|| {
                complain!("{}: {how}: {}", job.line, String::from_utf8_lossy(&job.command))
            });
        }
    }

    /// Starts no more; asks those that run to end, and kills them the second time.
    fn end_all(&mut self) {
        self.waiting.clear();
        self.source = None;
        for (_, run) in self.running.values() {
            // It may have ended a moment ago.
            let _ =
                if self.is_ending { run.kill_group("KILL") } else { run.terminate_group(GRACE) };
        }
        self.is_ending = true;
    }

    fn print_output(&self, output: &Input, to: impl Write) {
        let Some((job, _)) = self.running.get(&output.wheel) else { return };
        let mut to = to;
        self.print(|| {
            let prefixed = write!(to, "{}: ", job.line)
                .and_then(|()| to.write_all(&output.record))
                .and_then(|()| to.write_all(b"\n"));
            // Who does not listen misses it; the commands go on.
            let _ = prefixed.and_then(|()| to.flush());
        });
    }

    /// Prints something where the bar is, and the bar below it.
    fn print(&self, print: impl FnOnce()) {
        if self.has_bar {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
        print();
        self.draw_bar();
    }

    fn draw_bar(&self) {
        const WIDTH: usize = 30;
        if self.has_bar && self.given > 0 {
            let full = WIDTH * self.done / self.given;
            let (bar, rest) = ("#".repeat(full), "-".repeat(WIDTH - full));
            let (done, given, failed) = (self.done, self.given, self.failed);
            let more = if self.source.is_some() { "+" } else { "" };
            let line = format!("[{bar}{rest}] {done}/{given}{more}, {failed} failed");
            // What a narrow terminal has no room for is not shown: of two rows, one would stay.
            let _ = write!(io::stderr(), "\r\x1b[K\x1b[?7l{line}\x1b[?7h");
        }
    }

    /// Says how it went, in words and as an exit status.
    fn sum_up(&mut self) -> u8 {
        if std::mem::take(&mut self.has_bar) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
        let (done, failed) = (self.done, self.failed);
        let succeeded = done.saturating_sub(failed);
        // The commands have ended as they have, whether somebody reads that or not.
        let printed =
            writeln!(io::stdout(), "{done} commands, {succeeded} succeeded, {failed} failed");
        let is_unheard = printed.is_err_and(|error| {
            let is_failure = error.kind() != ErrorKind::BrokenPipe;
            if is_failure {
                complain!("cannot print: {error}");
            }
            is_failure
        });
        match (self.is_ending, failed > 0 || is_unheard) {
            (true, _) => 130,
            (false, failed) => failed.into(),
        }
    }
}

/// How many at a time, and the file.
fn arguments() -> examples::Result<(usize, Option<PathBuf>)> {
    let mut at_once = std::thread::available_parallelism().map_or(1, usize::from);
    let mut path = None;
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--help" | "-h") => {
                say!("{PURPOSE}\n\nUsage: {USAGE}");
                std::process::exit(0);
            }
            Some(option) if option.starts_with("-j") => {
                let number = match &option["-j".len()..] {
                    "" => arguments.next().and_then(|number| number.to_str()?.parse().ok()),
                    number => number.parse().ok(),
                };
                at_once = number.filter(|number| *number > 0).ok_or_else(|| {
                    wrong("-j takes a number of commands, 1 or more; see --help".to_owned())
                })?;
            }
            Some(option) if option.starts_with('-') => {
                return Err(wrong(format!("unexpected argument {option:?}; see --help")).into());
            }
            _ if path.is_none() => path = Some(PathBuf::from(argument)),
            _ => return Err(wrong(format!("unexpected argument {argument:?}; see --help")).into()),
        }
    }
    Ok((at_once, path))
}

fn wrong(message: String) -> io::Error {
    io::Error::other(message)
}
