//! `cargo xtask soak`: a long life of a kernel, and many random programs.

use crate::cargo::{cargo, execute};
use crate::failure::Result;

/// Runs the tests that find more the longer they run, built for speed: an hour of the virtual clock, after which the
/// memory is as it was, and 100,000 random programs against the model of the kernel.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut command = cargo(["test", "--release", "--package", "poe-session"]);
    command.args(["--test", "soak", "--test", "model"]).args(arguments);
    execute(command.env("POE_SOAK_MINUTES", "60").env("PROPTEST_CASES", "100000"))
}
