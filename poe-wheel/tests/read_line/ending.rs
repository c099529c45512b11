//! Wheels that end, and terminals that do.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use poe_session::prelude::*;
use poe_wheel::ReadLine;
use rustix::termios::{LocalModes, tcgetattr};

use crate::common::person::{exit, status_of};
use crate::common::{kernel, once, run};
use crate::person::{Act, Person, Program, Typed};

#[test]
fn the_terminal_is_restored_whatever_happens() {
    let program = Program::new(|builder| builder);
    program.until_seen(">");
    assert!(program.is_raw());
    program.act(|wheel| wheel.put("last words"));
    program.kernel.post(program.session, "drop", ()).unwrap();
    let person = Rc::clone(&program.person);
    assert_eq!(program.end(), [""; 0]);
    assert_eq!(person.sees(), ">\nlast words");

    let program = Program::new(|builder| builder);
    program.until_seen(">");
    program.kernel.post(program.session, "panic", ()).unwrap();
    let (kernel, terminal) = (program.kernel.clone(), Rc::clone(&program.terminal));
    let _person = Rc::clone(&program.person);
    drop(program);
    let ended = catch_unwind(AssertUnwindSafe(|| kernel.run()));
    assert!(!matches!(ended, Ok(Ok(()))));
    drop(kernel);
    assert!(tcgetattr(&terminal).unwrap().local_modes.contains(LocalModes::ICANON));
}

fn exit_while_asking(is_in_another_thread: bool) {
    let kernel = kernel();
    Session::build(None::<ReadLine>)
        .on_start(|cx| {
            let wheel = ReadLine::build().no_init_file().spawn(cx.kernel).unwrap();
            wheel.get("> ");
            *cx.heap = Some(wheel);
            cx.yield_event("exit", ());
        })
        .on("exit", move |_, ()| exit(is_in_another_thread))
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
}

#[test]
#[ignore = "exits, in the process that another test runs it in"]
fn exits_while_asking() {
    exit_while_asking(false);
}

#[test]
#[ignore = "exits, in the process that another test runs it in"]
fn exits_elsewhere_while_asking() {
    exit_while_asking(true);
}

#[test]
fn the_terminal_is_restored_when_the_process_exits() {
    for test in ["ending::exits_while_asking", "ending::exits_elsewhere_while_asking"] {
        let (person, terminal) = Person::new(80, 24);
        assert_eq!(status_of(test, &terminal), Some(7), "{}", person.sees());
        assert!(tcgetattr(&terminal).unwrap().local_modes.contains(LocalModes::ICANON));
        let seen = person.sees();
        assert!(seen.contains(">"), "{seen}");
        assert!(!person.emulator.borrow().screen().bracketed_paste());
        assert_eq!(person.cursor().1, 0, "{seen}");
    }
}

#[test]
fn a_terminal_that_goes_is_an_error() {
    let program = Program::new(|builder| builder);
    program.until_seen(">");
    let Program { kernel, person, log, .. } = program;
    drop(person);
    run(&kernel);
    assert_eq!(log.take(), ["error read"]);
}

#[test]
fn nothing_comes_of_a_wheel_that_is_gone() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"one\ntwo\n").unwrap();
    let kernel = kernel();
    let lines = Rc::new(Cell::new(0));
    let counted = Rc::clone(&lines);
    let reader = once(reader);
    Session::build(None::<ReadLine>)
        .on_start(move |cx| {
            let builder = ReadLine::build_pair(reader(), std::io::stderr()).input_event("typed");
            let wheel = builder.spawn(cx.kernel).unwrap();
            wheel.get("");
            *cx.heap = Some(wheel);
        })
        .on("typed", move |cx, _: Typed| {
            counted.set(counted.get() + 1);
            cx.heap.as_ref().unwrap().get_again();
            *cx.heap = None;
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(lines.get(), 1);
}

/// A session that builds a wheel for a terminal, asks for a line, and puts the wheel where others have it too.
fn lender(kernel: &Kernel, terminal: Rc<File>) -> (SessionId, Rc<RefCell<Option<ReadLine>>>) {
    let wheel = Rc::new(RefCell::new(None));
    let built = Rc::clone(&wheel);
    let open = once(terminal);
    let session = Session::build(())
        .on_start(move |cx| {
            let terminal = open();
            let build = ReadLine::build_pair(Rc::clone(&terminal), terminal).no_init_file();
            let wheel = build.input_event("typed").spawn(cx.kernel).unwrap();
            wheel.get("> ");
            *built.borrow_mut() = Some(wheel);
        })
        .on_default(|_, _| {})
        .on("fail", |_, (): ()| -> HandlerResult { Err("on purpose".into()) })
        .spawn(kernel)
        .unwrap();
    (session, wheel)
}

#[test]
fn the_terminal_is_restored_when_the_session_ends_but_not_the_wheel() {
    let (person, terminal) = Person::new(20, 5);
    let kernel = kernel();
    let (session, wheel) = lender(&kernel, Rc::clone(&terminal));
    let is_raw = || !tcgetattr(&terminal).unwrap().local_modes.contains(LocalModes::ICANON);
    assert!(is_raw());
    kernel.post(session, "fail", ()).unwrap();
    kernel.run().unwrap_err();
    assert!(!is_raw() && !wheel.borrow().as_ref().unwrap().is_reading());
    // Nobody is left to ask for a line, or to put one.
    wheel.borrow().iter().for_each(|wheel| {
        wheel.put("nothing");
        wheel.get("nothing> ");
        wheel.refresh();
    });
    assert!(!is_raw());
    assert_eq!(person.sees(), ">");
}

#[test]
fn the_terminal_is_restored_when_the_kernel_ends() {
    let (_person, terminal) = Person::new(20, 5);
    let kernel = kernel();
    let (_, wheel) = lender(&kernel, Rc::clone(&terminal));
    drop(kernel);
    assert!(tcgetattr(&terminal).unwrap().local_modes.contains(LocalModes::ICANON));
    drop(wheel);
}

#[test]
fn to_ask_a_terminal_that_has_gone_is_an_error() {
    let program = Program::new(|builder| builder);
    program.until_seen(">");
    program.person.types("line\r");
    let Program { kernel, session, person, log, .. } = program;
    drop(person);
    let again = Act(Box::new(|wheel| wheel.get("> ")));
    kernel.post(session, "do", again).unwrap();
    run(&kernel);
    assert_eq!(log.take().pop().unwrap(), "error read");
    let (person, terminal) = Person::new(20, 5);
    drop(person);
    let (_, wheel) = lender(&kernel, terminal);
    run(&kernel);
    drop(wheel);
}

#[test]
fn descriptors_are_counted() {
    let program = Program::new(|builder| builder);
    program.until_seen(">");
    let person = Rc::clone(&program.person);
    assert_eq!(person.descriptors(), 3, "that of the test, the wheel's, and one for exit");
    for line in 0..10 {
        program.person.types("line\r");
        program.until(|| program.log.len() > line);
        assert_eq!(person.descriptors(), 3);
    }
    program.person.types("\x04");
    program.until(|| program.log.len() > 10);
    assert_eq!(person.descriptors(), 1);
    program.end();
    assert_eq!(person.descriptors(), 0);
}
