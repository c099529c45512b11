//! What is shown above the line, and when.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use poe_session::prelude::*;
use poe_wheel::{IoError, PutMode, ReadLine};

use crate::common::{Log, once, run};
use crate::person::{Person, Program};

#[test]
fn output_is_above_the_line() {
    let program = Program::new(|builder| builder);
    program.person.types("half a li");
    program.until_seen("> half a li");
    program.act(|wheel| {
        wheel.put("news");
        wheel.put("more\nnews");
    });
    program.until_seen("news\nmore\nnews\n> half a li");
    program.person.types("ne\x1B[D");
    program.until_seen("news\nmore\nnews\n> half a line");
    assert_eq!(program.person.cursor(), (3, 12));
    program.act(|wheel| wheel.get("\x1B[1mprompt\x1B[m: "));
    program.until_seen("news\nmore\nnews\nprompt: half a line");
    program.person.types("\x07");
    program.until_seen("news\nmore\nnews\nprompt: half a line^G");
    assert_eq!(program.end(), ["cancel"]);
}

#[test]
fn output_waits_for_the_line_or_for_quiet() {
    let program = Program::new(|builder| builder.put_mode(PutMode::After));
    program.person.types("line");
    program.until_seen("> line");
    program.act(|wheel| wheel.put("after"));
    program.person.types("s");
    program.until_seen("> lines");
    program.person.types("\r");
    program.until_seen("> lines\nafter\n>");
    program.act(|wheel| {
        wheel.set_put_mode(PutMode::Idle);
        wheel.put("at once, for nobody types");
    });
    program.until_seen("> lines\nafter\nat once, for nobody types\n>");
    program.person.types("\x04");
    assert_eq!(program.end(), ["line lines", "eot"]);
}

#[test]
fn quiet_is_waited_for() {
    let program = Program::new(|builder| {
        builder.put_mode(PutMode::Idle).idle_time(Duration::from_millis(20))
    });
    program.person.types("typing");
    program.until_seen("> typing");
    program.act(|wheel| wheel.put("news"));
    program.until_seen("news\n> typing");
    program.person.types("\x03");
    assert_eq!(program.end(), ["interrupt"]);
}

#[test]
fn a_terminal_that_takes_nothing_holds_nobody_up() {
    let program = Program::new(|builder| builder.flushed_event("flushed"));
    program.until_seen(">");
    program.act(|wheel| {
        for _ in 0..10_000 {
            wheel.put("x".repeat(100));
        }
    });
    let left = Rc::new(Cell::new(0));
    let looked = Rc::clone(&left);
    program.until(|| {
        let looked = Rc::clone(&looked);
        program.act(move |wheel| looked.set(wheel.get_driver_out_octets()));
        // Something was taken, and no more is.
        left.get() > 500_000 && left.get() < 10_000 * 102
    });
    assert_eq!(program.log.take(), [""; 0]);
    program.until(|| {
        program.person.sees();
        program.log.len() > 0
    });
    assert_eq!(program.log.take(), ["flushed"]);
    program.person.types("still there\r\x04");
    assert_eq!(program.end(), ["line still there", "eot"]);
}

#[test]
fn a_terminal_that_goes_while_it_is_waited_for_is_an_error() {
    // Nobody reads, so that only the output can fail.
    let (person, terminal) = Person::new(20, 5);
    let kernel = crate::common::kernel();
    let errors = Log::default();
    let (failed, open) = (errors.clone(), once(terminal));
    Session::build(None::<ReadLine>)
        .on_start(move |cx| {
            let terminal = open();
            let build = ReadLine::build_pair(Rc::clone(&terminal), terminal).no_init_file();
            let wheel = build.error_event("failed").spawn(cx.kernel).unwrap();
            wheel.put("x".repeat(1_000_000));
            *cx.heap = Some(wheel);
        })
        .on("failed", move |cx, error: IoError| {
            failed.push(error.operation);
            *cx.heap = None;
        })
        .spawn(&kernel)
        .unwrap();
    // It waits for the terminal, and then the terminal goes.
    kernel.run_one_timeslice().unwrap();
    drop(person);
    run(&kernel);
    assert_eq!(errors.take(), ["write"]);
}

#[test]
fn who_shares_the_terminal_is_not_bothered() {
    let program = Program::new(|builder| builder);
    program.until_seen(">");
    let flags = rustix::fs::fcntl_getfl(&program.terminal).unwrap();
    assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK), "others may not expect that");
    program.person.types("\x04");
    assert_eq!(program.end(), ["eot"]);
}

#[test]
fn who_takes_nothing_is_not_waited_for_at_the_end() {
    let program = Program::new(|builder| builder);
    program.until_seen(">");
    program.act(|wheel| wheel.put("x".repeat(1_000_000)));
    program.kernel.post(program.session, "drop", ()).unwrap();
    let begun = std::time::Instant::now();
    assert_eq!(program.end(), [""; 0]);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn what_is_put_is_above_the_prompt_that_is_asked_for_then() {
    let program = Program::new(|builder| builder.put_mode(PutMode::After));
    program.act(|wheel| {
        wheel.put("late");
        wheel.put("tab\tand \u{1B}[1mbold\u{1B}[m");
    });
    // Before anything is typed.
    program.kernel.run_one_timeslice().unwrap();
    program.person.types("one\rtwo\r");
    program.until_seen("> one\nlate\ntab     and bold\n> two\n>");
    program.person.types("\x04");
    assert_eq!(program.end(), ["line one", "line two", "eot"]);
}
