//! `cargo xtask bench`: measures against peers, and prints ratios.
//!
//! The benchmarks are the workspace in `xtask/bench`, so that building anything else needs none of
//! the peers.

use crate::cargo::{cargo, execute, target_directory};
use crate::failure::Result;

const MANIFEST: &str = "xtask/bench/Cargo.toml";

/// Programs of the product that are measured; the variables that say where they are; and the benchmarks that do so.
const PROGRAMS: [(&str, &str, &[&str]); 2] =
    [("echo-server", "ECHO_SERVER", &["echo", "idle"]), ("log-monitor", "LOG_MONITOR", &["log"])];

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
    for (program, _, _) in PROGRAMS.iter().filter(|(_, _, of)| ours && are_chosen(arguments, of)) {
        // Measured as it is shipped.
        execute(&mut cargo(["build", "--release", "--package", "examples", "--bin", program]))?;
    }
    // All of its programs, for one starts another.
    execute(nested("build").arg("--bins"))?;
    let mut bench = nested("run");
    for (program, variable, _) in PROGRAMS {
        bench.env(variable, target.join("release").join(program));
    }
    bench.args(["--bin", "poe-bench", "--"]);
    bench.args(arguments.iter().filter(|argument| *argument != "--peers"));
    execute(&mut bench)
}

/// Whether one of these benchmarks is asked for.
fn are_chosen(arguments: &[String], these: &[&str]) -> bool {
    let is_name = |argument: &&String| argument.starts_with(|c: char| c.is_ascii_alphabetic());
    let mut names = arguments.iter().filter(is_name).peekable();
    let all = names.peek().is_none() && !arguments.iter().any(|argument| argument == "--list");
    all || names.any(|name| these.contains(&name.as_str()))
}
