//! Input that is no terminal.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;

use poe_session::prelude::*;
use poe_wheel::ReadLine;

use crate::common::{self, Log, kernel, once, run};
use crate::person::{Person, Typed};

/// A session that reads all lines of something that is no terminal.
fn lines_of(input: impl AsFd + 'static) -> Vec<String> {
    let kernel = kernel();
    let log = Log::default();
    let typed = log.clone();
    let input = once(input);
    let (mut reader, output) = std::io::pipe().unwrap();
    let output = once(output);
    Session::build(None::<ReadLine>)
        .on_start(move |cx| {
            let builder = ReadLine::build_pair(input(), output()).input_event("typed");
            let wheel = builder.spawn(cx.kernel).unwrap();
            wheel.put("hello");
            wheel.get("> ");
            *cx.heap = Some(wheel);
        })
        .on("typed", move |cx, input: Typed| match input.record {
            Ok(line) => {
                typed.push(line);
                cx.heap.as_ref().unwrap().get_again();
            }
            Err(exception) => {
                typed.push(exception);
                *cx.heap = None;
            }
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    drop(kernel);
    assert_eq!(common::read_all(&mut reader), b"hello\n", "no prompt");
    log.take()
}

#[test]
fn a_terminal_that_cannot_be_drawn_on_edits_lines_itself() {
    let (person, terminal) = Person::new(40, 10);
    let (mut reader, output) = std::io::pipe().unwrap();
    let kernel = kernel();
    let log = Log::default();
    let (typed, terminal, output) = (log.clone(), once(terminal), once(output));
    Session::build(None::<ReadLine>)
        .on_start(move |cx| {
            let builder = ReadLine::build_pair(terminal(), output()).input_event("typed");
            let wheel = builder.spawn(cx.kernel).unwrap();
            wheel.get("> ");
            *cx.heap = Some(wheel);
        })
        .on("typed", move |cx, input: Typed| {
            let wheel = cx.heap.as_ref().unwrap();
            typed.push(format!("{:?}", input.record));
            match typed.len() {
                // More can be typed behind an end.
                1 | 2 => wheel.get_again(),
                3 => {
                    wheel.put("put");
                    wheel.get_again();
                    wheel.get("name: ");
                    wheel.get("name: ");
                }
                _ => *cx.heap = None,
            }
        })
        .spawn(&kernel)
        .unwrap();
    person.types("onx\x7Fe\n\x04two\nthree\n");
    run(&kernel);
    drop(kernel);
    assert_eq!(log.take(), [r#"Ok("one")"#, "Err(Eot)", r#"Ok("two")"#, r#"Ok("three")"#]);
    assert_eq!(common::read_all(&mut reader), b"> > > put\n> name: ");
}

#[test]
fn what_is_no_terminal_is_read_line_by_line() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"one\r\ntwo\x08\n\nrest").unwrap();
    drop(writer);
    assert_eq!(lines_of(reader), ["one", "two\x08", "", "rest", "eot"]);
    assert_eq!(lines_of(File::open("/dev/null").unwrap()), ["eot"]);
}
