//! The programs of tests, several at a time: most of what they do is to wait.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use serde_json::Value;

use crate::failure::{Failure, Result};

/// One program of tests.
pub(crate) struct Program {
    /// The name of the package that it tests.
    pub(crate) package: String,
    /// What is printed of it, before and after it.
    name: String,
    /// What runs it.
    pub(crate) command: Command,
}

impl Program {
    /// The program that cargo tells of in one line of its messages, if it tells of one there.
    pub(crate) fn of_message(line: &str) -> Option<Self> {
        let message: Value = serde_json::from_str(line).ok()?;
        let folder = Path::new(message["manifest_path"].as_str()?).parent()?;
        let package = folder.file_name()?.to_str()?.to_owned();
        let program = message["executable"].as_str()?;
        let target = message["target"]["name"].as_str()?;
        let kind = message["target"]["kind"][0].as_str()?;
        if !message["profile"]["test"].as_bool()? {
            return None;
        }
        let mut command = Command::new(program);
        command.current_dir(folder).env("CARGO_MANIFEST_DIR", folder);
        Some(Self { name: format!("{package}: {kind} {target}"), package, command })
    }

    /// The same program, with this said behind its name.
    pub(crate) fn named(mut self, how: String) -> Self {
        self.name = format!("{} {how}", self.name);
        self
    }
}

/// Runs them, as many at a time as there are processors, to the first that fails; what one printed comes when it has ended.
pub(crate) fn run_all(programs: Vec<Program>) -> Result<()> {
    let lanes = thread::available_parallelism().map_or(1, usize::from);
    let waiting = Mutex::new(programs.into_iter());
    let failures = Mutex::new(Vec::new());
    let next = || {
        let has_failed = failures.lock().is_ok_and(|failures| !failures.is_empty());
        if has_failed { None } else { waiting.lock().ok()?.next() }
    };
    thread::scope(|scope| {
        for _ in 0..lanes {
            scope.spawn(|| {
                while let Some(program) = next() {
                    if let (Err(failure), Ok(mut failures)) = (run(program), failures.lock()) {
                        failures.push(failure.to_string());
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    if failures.is_empty() { Ok(()) } else { Err(Failure::new(failures.join("; "))) }
}

fn run(mut program: Program) -> Result<()> {
    let name = program.name;
    println!("-- {name}: begins");
    let begun = Instant::now();
    let ran = program.command.output();
    let Output { status, stdout, stderr } =
        ran.map_err(|error| Failure::new(format!("cannot run {name}: {error}")))?;
    let took = begun.elapsed().as_secs_f64();
    let mut out = std::io::stdout().lock();
    // Who reads this has gone where it fails.
    let _ = out.write_all(&stdout);
    let _ = out.write_all(&stderr);
    let _ = writeln!(out, "-- {name}: {status} after {took:.1} s");
    if status.success() { Ok(()) } else { Err(Failure::new(format!("{name}: {status}"))) }
}
