//! Init files: which one is read, what it does to keys, and that what is wrong in it is shown.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use poe_session::prelude::*;
use poe_wheel::{ReadLine, ReadLineBuilder};

use crate::common::tails::Directory;
use crate::common::{Log, kernel, once, run};
use crate::person::{Person, Program, Typed};

#[test]
fn an_init_file_binds_keys_and_what_is_wrong_in_it_is_shown() {
    let directory = Directory::new();
    let text = "nonsense\nC-o: kill-whole-line\nC-p: no-such-thing\n$if client\nC-t: \"ta\\C-bx\"\n$endif\n";
    let path = directory.file("inputrc", text);
    let shown = path.clone();
    // Wide enough for a path.
    let program =
        Program::sized(200, 10, move |builder| builder.init_file(&path).app_name("client"));
    let complaint = format!("{}:1: neither a variable nor a binding", shown.display());
    let unknown = format!("{}:3: no function is called no-such-thing", shown.display());
    program.until_seen(&format!("{complaint}\n{unknown}\n>"));
    program.person.types("abc\x0Fd\x14!\r\x04");
    assert_eq!(program.end(), ["line dtx!a", "eot"]);
}

#[test]
fn an_init_file_may_name_functions_that_the_wheel_is_built_with() {
    let directory = Directory::new();
    let path = directory.file("inputrc", "C-o: Shout\nC-p: whisper\n");
    let shown = path.clone();
    let program = Program::sized(200, 10, move |builder| {
        builder.init_file(&path).add_defun("shout", |line| line.set(line.text().to_uppercase(), 0))
    });
    program.until_seen(&format!("{}:2: no function is called whisper\n>", shown.display()));
    // One that comes later is known when the file is read again.
    program.act(|wheel| {
        wheel.add_defun("Whisper", |line| line.set(line.text().to_lowercase(), 0));
    });
    program.person.types("aBc\x0F!\x18\x12\x10?\r\x04");
    assert_eq!(program.end(), ["line ?!abc", "eot"]);
}

#[test]
fn an_init_file_is_read_again() {
    let directory = Directory::new();
    let path = directory.file("inputrc", "C-o: kill-whole-line\n");
    let named = path.clone();
    let program = Program::new(move |builder| builder.init_file(&named));
    program.act(|wheel| {
        wheel.bind_key("C-t", "kill-whole-line").unwrap();
        wheel.put("bound");
    });
    program.until_seen("bound\n>");
    program.person.types("one\x0Ftwo\x14abcd");
    program.until_seen("bound\n> abcd");
    // All keys are as at first, but for those in the file.
    fs::write(&path, "C-o: beginning-of-line\n").unwrap();
    program.person.types("\x18\x12\x14\x0Fx");
    program.until_seen("bound\n> xabdc");
    let other = directory.file("other", "C-o: end-of-line\n");
    program.act(move |wheel| {
        wheel.read_init_file(Some(&other));
        wheel.put("other");
    });
    program.until_seen("bound\nother\n> xabdc");
    program.person.types("\x0Fy");
    program.until_seen("bound\nother\n> xabdcy");
    // It is the other one that is read again from now on.
    fs::write(directory.path("other"), "C-o: unix-line-discard\n").unwrap();
    program.person.types("\x18\x12\x0Fz\r\x04");
    assert_eq!(program.end(), ["line z", "eot"]);
}

#[test]
fn keys_stay_bound_where_there_is_no_file_to_read_again() {
    let program = Program::new(|builder| builder.no_init_file());
    program.act(|wheel| wheel.bind_key("C-o", "kill-whole-line").unwrap());
    program.until_seen(">");
    program.person.types("ab\x18\x12\x0Fc\r\x04");
    assert_eq!(program.end(), ["line c", "eot"]);
}

#[test]
fn key_maps_change_within_a_line() {
    let program = Program::new(|builder| builder);
    program.person.types("abc");
    program.until_seen("> abc");
    program.act(|wheel| {
        assert!(wheel.set_keymap("nowhere").is_err());
        wheel.set_keymap("vi-command").unwrap();
        assert_eq!(wheel.line(), ("abc".to_owned(), 3));
        wheel.put("changed");
    });
    program.until_seen("changed\n> abc");
    program.person.types("0xA!");
    program.until_seen("changed\n> bc!");
    // Only this line has them.
    program.person.types("\r0x\r\x04");
    assert_eq!(program.end(), ["line bc!", "line 0x", "eot"]);
}

/// Runs a test of this program by itself, in an environment of its own.
#[track_caller]
fn runs(test: &str, inputrc: Option<&Path>, home: &Path) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored"]).env("HOME", home).env("TERM", "xterm");
    match inputrc {
        Some(path) => command.env("INPUTRC", path),
        None => command.env_remove("INPUTRC"),
    };
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn the_environment_names_the_init_file() {
    let directory = Directory::new();
    let file = directory.file("named", "C-o: \"bound\"\n");
    let bound = "init_file::a_key_is_bound_by_the_environments_file";
    runs(bound, Some(&file), Path::new("/nowhere"));
    // A name that is empty is none.
    directory.file(".inputrc", "C-o: \"bound\"\n");
    for inputrc in [None, Some(Path::new(""))] {
        runs(bound, inputrc, &directory.path(""));
    }
    runs("init_file::a_file_that_nobody_wants_is_not_read", Some(&file), &directory.path(""));
    let unbound = "init_file::a_key_is_bound_by_nothing";
    runs(unbound, Some(&directory.path("not there")), &directory.path(""));
}

/// What is typed at a wheel that was not told which file to read.
fn typed(
    keys: &str,
    configure: impl Fn(ReadLineBuilder) -> ReadLineBuilder + 'static,
) -> Vec<String> {
    let (person, terminal) = Person::new(40, 10);
    let kernel = kernel();
    let log = Log::default();
    let (typed, terminal) = (log.clone(), once(terminal));
    Session::build(None::<ReadLine>)
        .on_start(move |cx| {
            let terminal = terminal();
            let build = ReadLine::build_pair(std::rc::Rc::clone(&terminal), terminal);
            let wheel = configure(build.input_event("typed")).spawn(cx.kernel).unwrap();
            wheel.get("> ");
            *cx.heap = Some(wheel);
        })
        .on("typed", move |cx, input: Typed| {
            typed.push(format!("{:?}", input.record));
            *cx.heap = None;
        })
        .spawn(&kernel)
        .unwrap();
    person.types(keys);
    run(&kernel);
    log.take()
}

#[test]
#[ignore = "is about the environment that another test runs it in"]
fn a_key_is_bound_by_the_environments_file() {
    assert_eq!(typed("a\x0F\r", |builder| builder), ["Ok(\"abound\")"]);
}

#[test]
#[ignore = "is about the environment that another test runs it in"]
fn a_key_is_bound_by_nothing() {
    assert_eq!(typed("a\x0Fb\r", |builder| builder), ["Ok(\"ab\")"]);
}

#[test]
#[ignore = "is about the environment that another test runs it in"]
fn a_file_that_nobody_wants_is_not_read() {
    // It binds C-o, and is not read when it is asked for again, either.
    let typed = typed("a\x18\x12\x0Fb\r", |builder| builder.no_init_file());
    assert_eq!(typed, ["Ok(\"ab\")"]);
}
