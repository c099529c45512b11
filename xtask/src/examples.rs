//! `cargo xtask examples`: the programs a person can run.

use crate::cargo::{cargo, execute};
use crate::failure::{Result, refuse};

/// Builds the example programs, as the tests want them.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    refuse(arguments)?;
    execute(&mut cargo(["build", "--workspace", "--all-features", "--bins"]))
}
