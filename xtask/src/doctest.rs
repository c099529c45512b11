//! `cargo xtask doctest`: the examples in the documentation.

use crate::cargo::{cargo, execute};
use crate::failure::{Result, refuse};

/// Runs the examples of the documentation with every feature on.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    refuse(arguments)?;
    execute(&mut cargo(["test", "--workspace", "--all-features", "--doc"]))
}
