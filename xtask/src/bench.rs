//! `cargo xtask bench`: measures against peers, and prints ratios.
//!
//! The benchmarks are the workspace in `xtask/bench`, so that building anything else needs none of
//! the peers.

use crate::cargo::{cargo, execute, target_directory};
use crate::failure::Result;

const MANIFEST: &str = "xtask/bench/Cargo.toml";

/// Builds the benchmarks in release and runs them. The arguments are theirs; `--peers` leaves our own
/// side out.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let ours = !arguments.iter().any(|argument| argument == "--peers");
    let target = target_directory()?;
    let mut bench = cargo(["run", "--release", "--quiet", "--manifest-path", MANIFEST]);
    bench.env("CARGO_TARGET_DIR", target.join("bench"));
    if ours {
        // Measured as it is shipped: the program that the README runs.
        execute(&mut cargo([
            "build",
            "--release",
            "--package",
            "examples",
            "--bin",
            "echo-server",
        ]))?;
        bench.args(["--features", "ours"]);
        bench.env("ECHO_SERVER", target.join("release").join("echo-server"));
    }
    bench.args(["--bin", "poe-bench", "--"]);
    bench.args(arguments.iter().filter(|argument| *argument != "--peers"));
    execute(&mut bench)
}
