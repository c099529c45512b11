//! The ten counters, against what they are known to print and against the same program on Perl's POE.

#[macro_use]
mod common;

use std::process::Command;

use common::{perl, run};

fn printed(command: &mut Command) -> String {
    let output = run(command, "");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn ten_sessions_count_in_turns() {
    let printed = printed(&mut Command::new(example!("counters")));
    let mut expected = String::new();
    for session in 1..=10 {
        expected += &format!("Session {session} has started.\n");
    }
    for count in 1..=10 {
        for session in 1..=10 {
            expected += &format!("Session {session} counted to {count}.\n");
        }
    }
    for session in (1..=10).rev() {
        expected += &format!("Session {session} has stopped.\n");
    }
    assert_eq!(printed, expected);
}

#[test]
fn nobody_has_to_read_to_the_end() {
    let mut counters = Command::new(example!("counters"));
    // A pipe that nobody reads.
    let output = counters.stdout(std::io::pipe().unwrap().1).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn perl_counts_the_same_way() {
    let Some(mut original) = perl("counters.pl", [""; 0]) else { return };
    assert_eq!(printed(&mut Command::new(example!("counters"))), printed(&mut original));
}
