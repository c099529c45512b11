//! What the environment makes a program say and mind.

#[macro_use]
mod common;

use std::process::Command;

use common::Program;

fn counters() -> Command {
    Command::new(example!("counters"))
}

#[test]
fn a_trace_goes_to_standard_error_in_the_originals_form() {
    let program = Program::start(counters().env("POE_TRACE_SESSIONS", "1"));
    let ended = program.wait();
    assert!(ended.status.success());
    assert_eq!(ended.output.len(), 120);
    let created: Vec<_> =
        ended.errors.iter().filter(|line| line.contains("created below")).collect();
    assert_eq!(created.len(), 10);
    let (process, rest) = created[0].strip_prefix("=== ").unwrap().split_once(" === ").unwrap();
    assert!(process.parse::<u32>().is_ok());
    assert!(rest.starts_with("<ss> session 1 created below session kernel"), "{rest}");
    assert!(ended.errors.iter().all(|line| line.contains(" <ss> ")));
}

#[test]
fn a_trace_goes_to_a_file_whatever_its_path_is() {
    let path = std::env::temp_dir().join(format!("poe traces, {}.txt", std::process::id()));
    std::fs::write(&path, "what was there before").unwrap();
    let mut program = counters();
    program.env("POE_TRACE_DEFAULT", "1").env("POE_TRACE_FILES", "0");
    Program::start(program.env("POE_TRACE_FILENAME", &path)).wait().well();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    for tag in ["<ev>", "<rc>", "<ss>", "<ds>", "<pr>", "<st>"] {
        assert!(text.contains(tag), "no {tag}");
    }
    assert!(!text.contains("<fh>") && !text.contains("before"));
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_that_names_it() {
    let mut program = counters();
    program.env("POE_TRACE_EVENTS", "1").env("POE_TRACE_FILENAME", "/nowhere/to/be/found");
    let error = Program::start(&mut program).wait().badly();
    assert!(error.contains("cannot write traces to /nowhere/to/be/found: "), "{error}");
}

#[test]
fn assertions_mind_nothing_in_a_program_that_is_right() {
    Program::start(counters().env("POE_ASSERT_DEFAULT", "1")).wait().well();
}
