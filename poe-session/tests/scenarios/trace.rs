//! Traces compared: ours, Perl's and the recorded one, which may have lines that only one of the two has.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use poe_session::prelude::*;

use crate::{perl, stage};

/// How often Perl may play a scenario for it to be once as recorded.
const PLAYS: usize = 5;

/// Plays a scenario and compares: the trace with the recorded one, and the recorded one with Perl's.
pub(crate) fn compare(
    section: &str,
    name: &str,
    program: fn(&Kernel),
    difference: Option<&'static str>,
) {
    let file = folder().join("traces").join(section).join(name).with_extension("trace");
    let ours = stage::play(program);
    if std::env::var_os("POE_SCENARIOS").is_some_and(|value| value == "record")
        && let Some(live) = perl::play(section, name)
    {
        record(&file, &live, if difference.is_some() { &ours } else { &live });
    }
    let recorded = fs::read_to_string(&file).expect("not recorded; see main.rs for how to");
    let perls = side(&recorded, '-');
    if let Some(live) = play_in_perl(section, name, &perls) {
        assert_same("Perl's POE is not as recorded", &perls, &live);
    }
    assert_same("the trace is not as recorded", &side(&recorded, '+'), &ours);
    match difference {
        Some(reason) => {
            assert!(is_difference(&recorded), "there is no difference any more");
            assert!(is_documented(reason), "no documentation says that {reason:?}");
        }
        None => assert!(!is_difference(&recorded), "a difference must have its reason"),
    }
}

/// Perl's trace; `None` without Perl's POE. Its clock is the machine's: where that is too busy for timers of a few
/// milliseconds, the scenario is played again.
fn play_in_perl(section: &str, name: &str, recorded: &[String]) -> Option<Vec<String>> {
    let mut live = perl::play(section, name)?;
    for _ in 1..PLAYS {
        if live == recorded {
            break;
        }
        live = perl::play(section, name)?;
    }
    Some(live)
}

/// The scenarios of a section that there are traces of.
pub(crate) fn recorded(section: &str) -> BTreeSet<String> {
    let files = fs::read_dir(folder().join("traces").join(section)).expect("no traces");
    let names = files.map(|file| file.expect("unreadable").path().with_extension(""));
    names.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect()
}

/// Where the scenarios lie.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

fn record(file: &PathBuf, perl: &[String], ours: &[String]) {
    fs::create_dir_all(file.parent().expect("a file has a folder")).expect("no folder");
    fs::write(file, merge(perl, ours).join("\n") + "\n").expect("not written");
}

/// One side of a recorded trace: the lines of both, and those marked as its own.
fn side(recorded: &str, own: char) -> Vec<String> {
    let marked =
        |line: &str, mark: char| line.strip_prefix(mark)?.strip_prefix(' ').map(str::to_owned);
    let other = if own == '-' { '+' } else { '-' };
    recorded
        .lines()
        .filter(|line| marked(line, other).is_none())
        .map(|line| marked(line, own).unwrap_or_else(|| line.to_owned()))
        .collect()
}

fn is_difference(recorded: &str) -> bool {
    recorded.lines().any(|line| line.starts_with("- ") || line.starts_with("+ "))
}

#[track_caller]
fn assert_same(what: &str, recorded: &[String], played: &[String]) {
    assert!(
        recorded == played,
        "{what} (-: recorded, +: now):\n{}",
        merge(recorded, played).join("\n")
    );
}

/// Two traces as one: what only the left has is marked with `-`, what only the right has with `+`.
fn merge(left: &[String], right: &[String]) -> Vec<String> {
    match (left, right) {
        ([], _) => right.iter().map(|line| format!("+ {line}")).collect(),
        (_, []) => left.iter().map(|line| format!("- {line}")).collect(),
        ([a, left @ ..], [b, right @ ..]) if a == b => {
            let mut merged = vec![a.clone()];
            merged.extend(merge(left, right));
            merged
        }
        ([a, rest @ ..], [b, ..]) => {
            let (mark, line, rest) = match common(rest, right) >= common(left, &right[1..]) {
                true => ('-', a, merge(rest, right)),
                false => ('+', b, merge(left, &right[1..])),
            };
            [vec![format!("{mark} {line}")], rest].concat()
        }
    }
}

/// How many lines two traces have in common, in order.
fn common(left: &[String], right: &[String]) -> usize {
    let mut counts = vec![0; right.len() + 1];
    for a in left {
        let mut before = 0;
        for (n, b) in right.iter().enumerate() {
            let above = counts[n + 1];
            counts[n + 1] = if a == b { before + 1 } else { above.max(counts[n]) };
            before = above;
        }
    }
    counts[right.len()]
}

/// Whether one of our crates names the difference in its documentation.
fn is_documented(reason: &str) -> bool {
    let crates =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in a workspace");
    ["poe-kernel", "poe-session"].iter().any(|name| {
        let source = fs::read_to_string(crates.join(name).join("src/lib.rs")).expect("no lib.rs");
        let lines = source.lines().filter_map(|line| line.strip_prefix("//!"));
        let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
        words.join(" ").contains(reason)
    })
}
