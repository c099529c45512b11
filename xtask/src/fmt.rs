//! `cargo xtask fmt`: the formatting.

use crate::cargo::{cargo, execute};
use crate::failure::{Result, refuse};

/// The benchmarks are a workspace of their own, which `cargo fmt --all` does not reach.
const BENCH: &str = "xtask/bench/Cargo.toml";

/// Checks the formatting of every crate, or with `--fix` sets it right.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let fix = arguments == ["--fix"];
    if !fix {
        refuse(arguments)?;
    }
    let check: &[&str] = if fix { &[] } else { &["--check"] };
    execute(cargo(["fmt", "--all"]).args(check))?;
    execute(cargo(["fmt", "--manifest-path", BENCH]).args(check))
}
