//! `cargo xtask test` and `cargo xtask loops`: unit tests and integration tests.

use crate::cargo::{cargo, output_with_progress};
use crate::doctest;
use crate::failure::Result;
use crate::programs::{Program, run_all};

/// The event loops other than the default one, which [`run`] tests.
const LOOPS: [&str; 2] = ["poll", "select"];

/// Those of whose packages something waits for something.
const WAITING: [&str; 5] = ["poe-kernel", "poe-session", "poe-wheel", "poe-component", "examples"];

/// Those whose tests come one after the other, for each counts the descriptors that it leaves.
const COUNTING: [&str; 2] = ["poe-wheel", "poe-component"];

/// Runs the tests with every feature on; the examples of the documentation are
/// [`doctest`]'s. Arguments are handed to `cargo test`, those after `--` to the tests.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut halves = arguments.splitn(2, |argument| argument == "--");
    let of_cargo = halves.next().unwrap_or_default();
    let of_tests = halves.next().unwrap_or_default();
    let mut programs = build(of_cargo)?;
    for program in &mut programs {
        if COUNTING.contains(&program.package.as_str()) {
            program.command.env("RUST_TEST_THREADS", "1");
        }
        program.command.args(of_tests);
    }
    run_all(programs)
}

/// Runs the tests of all that waits for something, and the examples of the documentation, on each of the other event
/// loops: those of the cases that the original's suite runs on each of its own. Arguments are handed to the tests.
///
/// They are the programs that [`run`] has built: to ask cargo for some packages alone would build these anew, with the features
/// that they want of each other.
// Conformance: LOP-04
pub(crate) fn loops(arguments: &[String]) -> Result<()> {
    let mut programs = Vec::new();
    for event_loop in LOOPS {
        let built = build(&[])?.into_iter();
        programs.extend(built.filter(|it| WAITING.contains(&it.package.as_str())).map(|it| {
            let mut program = it.named(format!("on {event_loop}"));
            program.command.env("POE_EVENT_LOOP", event_loop).arg("--quiet");
            if event_loop == "select" {
                // It opens more descriptors than that can watch.
                program.command.args(["--skip", "idle_connections_are_small"]);
            }
            program.command.args(arguments);
            program
        }));
    }
    run_all(programs)?;
    LOOPS.into_iter().try_for_each(doctest::run_on)
}

/// Builds the tests, and tells of their programs.
fn build(arguments: &[String]) -> Result<Vec<Program>> {
    let mut command = cargo(["test", "--all-features", "--lib", "--bins", "--tests", "--no-run"]);
    command.arg("--message-format=json-render-diagnostics").args(arguments);
    if !arguments.iter().any(|it| it.starts_with("-p") || it.starts_with("--package")) {
        command.arg("--workspace");
    }
    let messages = output_with_progress(&mut command)?;
    Ok(messages.lines().filter_map(Program::of_message).collect())
}
