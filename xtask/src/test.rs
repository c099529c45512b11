//! `cargo xtask test` and `cargo xtask loops`: unit tests and integration tests.

use crate::cargo::{cargo, execute};
use crate::failure::Result;

/// Runs the tests with every feature on; the examples of the documentation are
/// [`doctest`](crate::doctest)'s. Arguments are handed to `cargo test`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let targets = ["--lib", "--bins", "--tests"];
    execute(cargo(["test", "--workspace", "--all-features"]).args(targets).args(arguments))
}

/// The event loops other than the default one, which [`run`] tests.
const LOOPS: [&str; 2] = ["poll", "select"];

/// Runs the tests of all that waits for something on each of the other event loops: those of the cases that the original's
/// suite runs on each of its own.
// Conformance: LOP-04
pub(crate) fn loops(arguments: &[String]) -> Result<()> {
    let packages = ["poe-kernel", "poe-session", "poe-wheel", "poe-component", "examples"];
    // It opens more descriptors than `select` can watch.
    let skipped = ["--", "--skip", "idle_connections_are_small"];
    for event_loop in LOOPS {
        println!("-- on {event_loop} --");
        let packages = packages.iter().flat_map(|package| ["--package", package]);
        let mut command = cargo(["test", "--quiet", "--all-features", "--tests"]);
        command.args(packages).args(arguments).args(skipped).env("POE_EVENT_LOOP", event_loop);
        execute(&mut command)?;
    }
    Ok(())
}
