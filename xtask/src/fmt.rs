//! `cargo xtask fmt`: the formatting.

use crate::cargo::{cargo, execute};
use crate::failure::{Result, refuse};

/// What is a workspace of its own, which `cargo fmt --all` does not reach.
const NESTED: [&str; 2] = ["xtask/bench/Cargo.toml", "fuzz/Cargo.toml"];

/// Checks the formatting of every crate, or with `--fix` sets it right.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let fix = arguments == ["--fix"];
    if !fix {
        refuse(arguments)?;
    }
    let check: &[&str] = if fix { &[] } else { &["--check"] };
    execute(cargo(["fmt", "--all"]).args(check))?;
    for manifest in NESTED {
        execute(cargo(["fmt", "--manifest-path", manifest]).args(check))?;
    }
    Ok(())
}
