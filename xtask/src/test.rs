//! `cargo xtask test`: unit tests and integration tests.

use crate::cargo::{cargo, execute};
use crate::failure::Result;

/// Runs the tests with every feature on; the examples of the documentation are
/// [`doctest`](crate::doctest)'s. Arguments are handed to `cargo test`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let targets = ["--lib", "--bins", "--tests"];
    execute(cargo(["test", "--workspace", "--all-features"]).args(targets).args(arguments))
}
