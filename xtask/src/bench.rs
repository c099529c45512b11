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
    let features: &[&str] = if ours { &["--features", "ours"] } else { &[] };
    let nested = |subcommand| {
        let mut command = cargo([subcommand, "--release", "--quiet", "--manifest-path", MANIFEST]);
        command.args(features).env("CARGO_TARGET_DIR", target.join("bench"));
        command
    };
    if ours && needs_server(arguments) {
        // Measured as it is shipped: the program that the README runs.
        execute(&mut cargo([
            "build",
            "--release",
            "--package",
            "examples",
            "--bin",
            "echo-server",
        ]))?;
    }
    // All of its programs, for one starts another.
    execute(nested("build").arg("--bins"))?;
    let mut bench = nested("run");
    bench.env("ECHO_SERVER", target.join("release").join("echo-server"));
    bench.args(["--bin", "poe-bench", "--"]);
    bench.args(arguments.iter().filter(|argument| *argument != "--peers"));
    execute(&mut bench)
}

/// Whether one of the benchmarks asked for measures the product's server.
fn needs_server(arguments: &[String]) -> bool {
    let is_name = |argument: &&String| argument.starts_with(|c: char| c.is_ascii_alphabetic());
    let mut names = arguments.iter().filter(is_name).peekable();
    let all = names.peek().is_none() && !arguments.iter().any(|argument| argument == "--list");
    all || names.any(|name| matches!(name.as_str(), "echo" | "idle"))
}
