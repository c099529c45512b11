//! `cargo xtask fuzz`: inputs that libFuzzer makes up, for the parsers of poe-filter.
//!
//! The targets are the workspace in `fuzz`, as they need a nightly toolchain. What they check is in
//! poe-filter's tests, which do it for the seeds and for all that was ever found.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo::{execute, output, root};
use crate::failure::{Failure, Result};

#[path = "../../poe-filter/tests/fuzz/listed.rs"]
mod listed;

/// Where the checks are, and the lists of their inputs.
const LISTS: &str = "poe-filter/tests/fuzz";

/// How long a target runs unless it is told otherwise.
const SECONDS: u64 = 60;

/// Runs the target that is named, or all of them, `--seconds N` each. What was learnt on the way is kept
/// in `fuzz/corpus`, and is where the next run begins.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (chosen, seconds) = parse(arguments)?;
    let known = targets()?;
    if let Some(name) = &chosen
        && !known.contains(name)
    {
        return Err(Failure::new(format!("no target {name:?}; there are {}", known.join(", "))));
    }
    if output(&mut fuzz(["--version"])).is_err() {
        println!(
            "SKIPPED: fuzzing needs cargo-fuzz and a nightly toolchain \
             (rustup toolchain install nightly; cargo install cargo-fuzz)"
        );
        return Ok(());
    }
    for target in known.iter().filter(|target| chosen.as_ref().is_none_or(|name| name == *target)) {
        run_target(target, seconds)?;
    }
    Ok(())
}

fn parse(arguments: &[String]) -> Result<(Option<String>, u64)> {
    let (mut target, mut seconds) = (None, SECONDS);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--seconds" {
            let number = rest.next().and_then(|number| number.parse().ok());
            seconds = number.ok_or_else(|| Failure::new("--seconds needs a number"))?;
        } else if argument.starts_with('-') || target.is_some() {
            return Err(Failure::new(format!("unexpected argument {argument:?}")));
        } else {
            target = Some(argument.clone());
        }
    }
    Ok((target, seconds))
}

/// The names of all targets, which are those of their lists of seeds.
fn targets() -> Result<Vec<String>> {
    let mut names: Vec<String> = files(&root().join(LISTS).join("seeds"))?
        .iter()
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

fn run_target(target: &str, seconds: u64) -> Result<()> {
    let folder = root().join("fuzz");
    let corpus = folder.join("corpus").join(target);
    let artifacts = folder.join("artifacts").join(target);
    let before = files(&artifacts).unwrap_or_default();
    write_seeds(target, &corpus)?;
    let mut command = fuzz(["run", target]);
    command.arg(&corpus).arg("--").args(["-timeout=20", "-rss_limit_mb=2048"]);
    command.arg(format!("-max_len={}", longest(target)));
    command.args([format!("-max_total_time={seconds}"), "-print_final_stats=1".to_owned()]);
    let result = execute(&mut command);
    for finding in files(&artifacts).unwrap_or_default() {
        if !before.contains(&finding) {
            let input = fs::read(&finding).map_err(|error| cannot("read", &finding, &error))?;
            println!("found; when it is mended, add this line to {LISTS}/findings.txt:");
            println!("{target} {}", input.escape_ascii());
        }
    }
    result
}

/// How long inputs may become: enough for the largest structure that a parser treats in a way of its own.
fn longest(target: &str) -> usize {
    match target {
        // A length of 64 bits.
        "websocket" => 72 << 10,
        // A first line, or headers, beyond the limits.
        "httpd" | "http_client" | "handshake" => 72 << 10,
        // Lengths of two octets, and several records of them.
        _ => 4 << 10,
    }
}

fn write_seeds(target: &str, corpus: &Path) -> Result<()> {
    fs::create_dir_all(corpus).map_err(|error| cannot("create", corpus, &error))?;
    let list = root().join(LISTS).join("seeds").join(format!("{target}.txt"));
    let text = fs::read_to_string(&list).map_err(|error| cannot("read", &list, &error))?;
    for (number, seed) in listed::inputs(&text).enumerate() {
        let path = corpus.join(format!("seed-{number}"));
        fs::write(&path, seed).map_err(|error| cannot("write", &path, &error))?;
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|error| cannot("list", folder, &error))?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot {what} {}: {error}", path.display()))
}

fn fuzz<const N: usize>(arguments: [&str; N]) -> Command {
    // The cargo that runs this is that of one toolchain; the program of that name chooses by its first argument.
    let mut command = Command::new("cargo");
    command.args(["+nightly", "fuzz"]).args(arguments);
    command.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC");
    command.current_dir(root());
    command
}
