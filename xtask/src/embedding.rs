//! `cargo xtask embedding`: the examples that run POE in other event loops.
//!
//! They are the workspace in `examples/embedding`, so that building anything else needs none of the
//! other loops.

use std::process::{Command, Stdio};

use crate::cargo::{cargo, execute, target_directory};
use crate::failure::{Result, refuse};

const MANIFEST: &str = "examples/embedding/Cargo.toml";

/// Checks their format, lints them, and tests them as processes.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    refuse(arguments)?;
    let target = target_directory()?;
    let features: &[&str] = if has_glib() {
        &["--features", "glib"]
    } else {
        println!("SKIPPED: in-glib, because GLib is not installed (Debian: libglib2.0-dev)");
        &[]
    };
    let nested = |subcommand| {
        let mut command = cargo([subcommand, "--quiet", "--manifest-path", MANIFEST]);
        command.args(features).env("CARGO_TARGET_DIR", target.join("embedding"));
        command
    };
    execute(&mut cargo(["fmt", "--check", "--manifest-path", MANIFEST]))?;
    execute(nested("clippy").args(["--all-targets", "--", "-D", "warnings"]))?;
    execute(nested("test").args(["--bins", "--tests"]))
}

fn has_glib() -> bool {
    let mut asks = Command::new("pkg-config");
    asks.args(["--exists", "glib-2.0"]).stdin(Stdio::null());
    asks.status().is_ok_and(|status| status.success())
}
