//! `cargo xtask test` and `cargo xtask loops`: unit tests and integration tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::cargo::{cargo, execute, output};
use crate::failure::Result;

/// Runs the tests with every feature on; the examples of the documentation are
/// [`doctest`](crate::doctest)'s. Arguments are handed to `cargo test`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    execute(tests().args(arguments))
}

/// The event loops other than the default one, which [`run`] tests.
const LOOPS: [&str; 2] = ["poll", "select"];

/// Those of whose packages something waits for something.
const WAITING: [&str; 5] = ["poe-kernel", "poe-session", "poe-wheel", "poe-component", "examples"];

/// Runs the tests of all that waits for something on each of the other event loops: those of the cases that the original's
/// suite runs on each of its own. Arguments are handed to the tests.
///
/// They are the programs that [`run`] has built: to ask cargo for some packages alone would build these anew, with the features
/// that they want of each other.
// Conformance: LOP-04
pub(crate) fn loops(arguments: &[String]) -> Result<()> {
    let built = output(tests().args(["--no-run", "--quiet", "--message-format=json"]))?;
    for event_loop in LOOPS {
        println!("-- on {event_loop} --");
        for (package, program) in built.lines().filter_map(test_program) {
            let mut command = Command::new(program);
            command.current_dir(package).env("POE_EVENT_LOOP", event_loop);
            // It opens more descriptors than `select` can watch.
            command.args(["--quiet", "--skip", "idle_connections_are_small"]).args(arguments);
            execute(&mut command)?;
        }
    }
    Ok(())
}

fn tests() -> Command {
    cargo(["test", "--workspace", "--all-features", "--lib", "--bins", "--tests"])
}

/// The folder of a package that waits, and a program of its tests, if that is what cargo tells of in a line.
fn test_program(line: &str) -> Option<(PathBuf, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    let package = Path::new(message["manifest_path"].as_str()?).parent()?;
    let is_waiting = package.file_name().is_some_and(|name| WAITING.iter().any(|it| name == *it));
    let is_test = message["profile"]["test"].as_bool()?;
    let program = message["executable"].as_str()?;
    (is_waiting && is_test).then(|| (package.to_path_buf(), program.into()))
}
