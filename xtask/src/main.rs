//! `cargo xtask`: the checks of the workspace, its conformance to the original, and its benchmarks.
//!
//! One command, one file. [`ci`] runs all the checks in a row, and is what has to pass before a
//! change goes in.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool prints")]

mod bench;
mod cargo;
mod ci;
mod clippy;
mod conformance;
mod doc;
mod doctest;
mod embedding;
mod examples;
mod failure;
mod fmt;
mod fuzz;
mod layers;
mod miri;
mod programs;
mod semantics;
mod soak;
mod test;

use std::process::ExitCode;

use failure::Result;

/// One thing that `cargo xtask` can be told to do.
struct Command {
    name: &'static str,
    /// What it does, in the one line that `--help` prints.
    about: &'static str,
    run: fn(&[String]) -> Result<()>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "ci",
        about: "all the checks below, in this order, to the first that fails",
        run: ci::run,
    },
    Command { name: "fmt", about: "check the formatting (--fix: format)", run: fmt::run },
    Command {
        name: "clippy",
        about: "lint every target, default and all features, warnings denied",
        run: clippy::run,
    },
    Command {
        name: "layers",
        about: "check that crates depend downward only, and on few packages",
        run: layers::run,
    },
    Command {
        name: "test",
        about: "unit and integration tests (arguments go to cargo test, those after -- to the tests)",
        run: test::run,
    },
    Command {
        name: "loops",
        about: "the tests of sessions, wheels, components and examples, and the examples in the documentation, on each of the other event loops",
        run: test::loops,
    },
    Command {
        name: "miri",
        about: "not part of ci: the tests of the kernel's structures and of sessions, on Miri",
        run: miri::run,
    },
    Command {
        name: "fuzz",
        about: "not part of ci: inputs made up for the parsers of poe-filter (TARGET: only this one; --seconds N each)",
        run: fuzz::run,
    },
    Command {
        name: "soak",
        about: "an hour of a kernel's life on the virtual clock, and 100,000 random programs",
        run: soak::run,
    },
    Command { name: "doctest", about: "the examples in the documentation", run: doctest::run },
    Command {
        name: "doc",
        about: "build the documentation, warnings denied, and look up the tests that SEMANTICS.md names (--open: show it)",
        run: doc::run,
    },
    Command { name: "examples", about: "build the example programs", run: examples::run },
    Command {
        name: "embedding",
        about: "lint and test the examples in other event loops, a workspace of their own",
        run: embedding::run,
    },
    Command {
        name: "conformance",
        about: "which cases of POE's own suites are cited by tests (--list: the open ones; --verbose: where)",
        run: conformance::run,
    },
    Command {
        name: "bench",
        about: "measure against peers, as ratios (names: only these; --list: the names; --rounds N; --peers)",
        run: bench::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        eprint!("{}", help());
        return ExitCode::from(2);
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        print!("{}", help());
        return ExitCode::SUCCESS;
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprintln!("xtask: no command {name:?}; `cargo xtask help` lists them");
        return ExitCode::from(2);
    };
    if rest.iter().any(|argument| matches!(argument.as_str(), "--help" | "-h")) {
        println!("cargo xtask {}: {}", command.name, command.about);
        return ExitCode::SUCCESS;
    }
    match (command.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {name} failed: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn help() -> String {
    let mut text = String::from("Usage: cargo xtask COMMAND [ARGUMENT...]\n\n");
    for command in COMMANDS {
        text.push_str(&format!("  {:<12} {}\n", command.name, command.about));
    }
    text.push_str(&format!("  {:<12} {}\n", "help", "this text"));
    text
}
