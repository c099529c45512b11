//! `cargo xtask doctest`: the examples in the documentation.

use std::process::Command;

use crate::cargo::{cargo, execute};
use crate::failure::{Result, refuse};

/// Runs the examples of the documentation with every feature on.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    refuse(arguments)?;
    execute(&mut examples())
}

/// Runs them on another event loop than the default one.
pub(crate) fn run_on(event_loop: &str) -> Result<()> {
    execute(examples().env("POE_EVENT_LOOP", event_loop))
}

fn examples() -> Command {
    cargo(["test", "--workspace", "--all-features", "--doc"])
}
