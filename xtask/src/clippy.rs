//! `cargo xtask clippy`: the lints.

use crate::cargo::{cargo, execute};
use crate::failure::{Result, refuse};

/// Features that change what is compiled only where others are off.
const ALONE: [&str; 2] = ["rustls", "tls-aws-lc-rs"];

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
    for feature in ALONE {
        execute(
            cargo(["clippy", "--quiet", "--package", "poe-driver", "--features", feature])
                .args(["--", "-D", "warnings"]),
        )?;
    }
    Ok(())
}
