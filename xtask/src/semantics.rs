//! The tests that `SEMANTICS.md` names: each statement has one, and each is there.

use std::fs;

use crate::cargo::root;
use crate::failure::{Failure, Result};

const DOCUMENT: &str = "SEMANTICS.md";

/// Fails at a statement that names no test, and at a test that is not there.
///
/// A statement is an item of a list; a test is named as `folder/file.rs: function`, between backquotes.
pub(crate) fn check() -> Result<()> {
    let text = fs::read_to_string(root().join(DOCUMENT))
        .map_err(|error| Failure::new(format!("cannot read {DOCUMENT}: {error}")))?;
    let faults = faults(&text, |file| fs::read_to_string(root().join(file)).unwrap_or_default());
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!("{DOCUMENT}: {}", faults.join("; "))))
    }
}

fn faults(text: &str, source: impl Fn(&str) -> String) -> Vec<String> {
    let mut faults = Vec::new();
    for (file, function) in text.lines().flat_map(tests) {
        if !source(file).contains(&format!("fn {function}(")) {
            faults.push(format!("there is no {file}: {function}"));
        }
    }
    for statement in statements(text) {
        if !statement.lines().any(|line| tests(line).next().is_some()) {
            let first = statement.lines().next().unwrap_or_default();
            faults.push(format!("no test for {first:?}"));
        }
    }
    faults
}

/// The tests that a line names, as file and function. What a scenario is called is a function, too.
fn tests(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.split('`').skip(1).step_by(2).filter_map(|code| {
        let (file, function) = code.split_once(": ")?;
        file.ends_with(".rs").then_some((file, function))
    })
}

/// The items of lists, with the lines that are indented below each.
fn statements(text: &str) -> Vec<String> {
    let mut statements: Vec<String> = Vec::new();
    let mut in_item = false;
    for line in text.lines() {
        in_item = line.starts_with("- ") || (in_item && line.starts_with("  "));
        match statements.last_mut() {
            Some(statement) if in_item && !line.starts_with("- ") => {
                statement.push('\n');
                statement.push_str(line);
            }
            _ if in_item => statements.push(line.to_owned()),
            _ => {}
        }
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "fn it_holds() {}\nfn it_holds_too() {}\n";

    fn faults_of(text: &str) -> Vec<String> {
        faults(text, |file| if file == "a/b.rs" { SOURCE.to_owned() } else { String::new() })
    }

    #[test]
    fn the_document_in_the_repository_is_in_order() {
        check().unwrap();
    }

    #[test]
    fn statements_with_tests_that_are_there_are_in_order() {
        let text = "# Title\n\nText.\n\n- This holds,\n  always.\n  `a/b.rs: it_holds`,\n  `a/b.rs: it_holds_too`\n\n| x | `a/b.rs: it_holds` |\n";
        assert!(faults_of(text).is_empty(), "{:?}", faults_of(text));
    }

    #[test]
    fn a_test_that_is_not_there_is_a_fault() {
        assert_eq!(faults_of("| x | `a/b.rs: it` |"), ["there is no a/b.rs: it"]);
        assert_eq!(faults_of("- `b.rs: it_holds`"), ["there is no b.rs: it_holds"]);
    }

    #[test]
    fn a_statement_without_a_test_is_a_fault() {
        let text = "- This\n  is said.\n\n`a/b.rs: it_holds`\n- And this.\n";
        assert_eq!(faults_of(text), ["no test for \"- This\"", "no test for \"- And this.\""]);
    }
}
