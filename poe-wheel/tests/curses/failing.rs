//! What a wheel tells when its terminal does not work.

use std::io::Write;
use std::net::Shutdown;

use poe_wheel::Curses;

use crate::common::person::Person;
use crate::common::{kernel, pair, run};
use crate::program::{Program, is_raw};

#[test]
fn a_terminal_that_goes_is_an_error() {
    let (person, terminal) = Person::new(20, 4);
    let program = Program::at(&terminal);
    program.ask(|_| ());
    drop(person);
    let Program { kernel, log, .. } = program;
    run(&kernel);
    assert_eq!(log.take(), ["error read: end of file", "stopped"]);
}

#[test]
fn a_peer_that_goes_is_an_error() {
    let (ours, mut theirs) = pair();
    let program = Program::new(kernel(), Curses::build_pair(ours.try_clone().unwrap(), ours));
    theirs.write_all(b"a\x1B[200~half").unwrap();
    theirs.shutdown(Shutdown::Write).unwrap();
    assert_eq!(
        program.end(),
        ["a", "error read: end of file after 4 octets of a record", "stopped"]
    );
}

#[test]
fn a_failed_write_is_told_though_the_session_has_nothing_else() {
    let (keyboard, _typist) = std::io::pipe().unwrap();
    let (reader, screen) = std::io::pipe().unwrap();
    let program = Program::new(kernel(), Curses::build_pair(keyboard, screen));
    drop(reader);
    program.write("unseen");
    assert_eq!(program.end(), ["error write: Broken pipe (os error 32)", "stopped"]);
}

#[test]
fn what_fails_to_be_taken_again_is_told() {
    let (person, terminal) = Person::new(20, 4);
    let program = Program::at(&terminal);
    program.hold(true);
    program.ask(Curses::suspend);
    let other = Program::at(&terminal);
    other.ask(|_| ());
    program.hold(false);
    program.act(|wheel| {
        wheel.resume();
        assert!(wheel.is_suspended());
        wheel.draw(|_| panic!("there is nothing to draw on"));
        wheel.resume();
    });
    assert_eq!(program.end(), ["error tcsetattr: another wheel has the terminal", "stopped"]);
    assert!(is_raw(&terminal));
    person.types("q");
    other.end();
}
