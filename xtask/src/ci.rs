//! `cargo xtask ci`: everything that has to pass before a change goes in.

use std::time::{Duration, Instant};

use crate::failure::{Failure, Result, refuse};
use crate::{clippy, conformance, doc, doctest, embedding, examples, fmt, layers, soak, test};

type Step = fn(&[String]) -> Result<()>;

/// In the order of what they cost to find out: a formatting slip is told before the tests are built.
const STEPS: &[(&str, Step)] = &[
    ("fmt", fmt::run),
    ("layers", layers::run),
    ("clippy", clippy::run),
    ("examples", examples::run),
    ("test", test::run),
    ("loops", test::loops),
    ("embedding", embedding::run),
    ("soak", soak::run),
    ("doctest", doctest::run),
    ("doc", doc::run),
    ("conformance", conformance::run),
];

/// Runs each step in turn, and stops at the first that fails.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    refuse(arguments)?;
    let started = Instant::now();
    let mut summary = Vec::new();
    for (index, (name, step)) in STEPS.iter().enumerate() {
        println!("\n== {name} ({} of {}) ==", index + 1, STEPS.len());
        let step_started = Instant::now();
        let outcome = step(&[]);
        let took = step_started.elapsed();
        outcome.map_err(|failure| {
            Failure::new(format!("{name}, after {}: {failure}", seconds(took)))
        })?;
        println!("== {name}: passed in {} ==", seconds(took));
        summary.push((name, took));
    }
    println!();
    for (name, took) in summary {
        println!("{name:<12} passed {:>8}", seconds(took));
    }
    println!("{:<12} passed {:>8}", "ci", seconds(started.elapsed()));
    Ok(())
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
