//! `cargo xtask clippy`: the lints.

use crate::cargo::{cargo, execute};
use crate::failure::{Result, refuse};

/// Lints every target of every crate, as a user builds it and with every feature on.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    refuse(arguments)?;
    let features: [&[&str]; 2] = [&[], &["--all-features"]];
    for features in features {
        execute(
            cargo(["clippy", "--quiet", "--workspace", "--all-targets"])
                .args(features)
                .args(["--", "-D", "warnings"]),
        )?;
    }
    Ok(())
}
