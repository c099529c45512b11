//! Functions of the program that do something to the wheel that calls them.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use poe_session::prelude::*;
use poe_wheel::{Exception, PutMode, ReadLine, ReadLineEvent};
use rustix::termios::{LocalModes, tcgetattr};

use crate::common::{Log, kernel, once, run};
use crate::person::{Person, Program, Typed};

/// A wheel that its own functions have, and what was typed.
struct Shared {
    kernel: Kernel,
    wheel: Rc<RefCell<Option<ReadLine>>>,
    person: Rc<Person>,
    log: Log,
}

/// Types into a wheel that was set up so. Its session asks for another line after each.
fn shared(
    keys: &str,
    set_up: impl Fn(&ReadLine, &Rc<RefCell<Option<ReadLine>>>) + 'static,
) -> Shared {
    let (person, terminal) = Person::new(40, 10);
    let kernel = kernel();
    let wheel = Rc::new(RefCell::new(None));
    let (built, typed_at) = (Rc::clone(&wheel), Rc::clone(&wheel));
    let log = Log::default();
    let typed = log.clone();
    let terminal = once(terminal);
    Session::build(())
        .on_start(move |cx| {
            let terminal = terminal();
            let build = ReadLine::build_pair(Rc::clone(&terminal), terminal).no_init_file();
            let build = build.put_mode(PutMode::Immediate).input_event("typed");
            let wheel = build.spawn(cx.kernel).unwrap();
            set_up(&wheel, &built);
            wheel.get("> ");
            *built.borrow_mut() = Some(wheel);
        })
        .on("typed", move |_, input: Typed| {
            typed.push(format!("{:?}", input.record));
            let wheel = typed_at.borrow();
            if let Some(wheel) = &*wheel {
                wheel.put("between");
                wheel.add_history("between");
                wheel.get_again();
            }
            if input.record == Err(Exception::Eot) {
                drop(wheel);
                *typed_at.borrow_mut() = None;
            }
        })
        .spawn(&kernel)
        .unwrap();
    person.types(keys);
    Shared { kernel, wheel, person, log }
}

#[test]
fn a_function_drops_the_wheel() {
    let shared = shared("ab\x0Fcd\r\x04", |wheel, all| {
        let all = Rc::clone(all);
        wheel.add_defun("end", move |line| {
            *all.borrow_mut() = None;
            line.set("nothing", 0);
            assert!(line.run("accept-line") && line.run("kill-line"));
        });
        wheel.bind_key("C-o", "end").unwrap();
    });
    run(&shared.kernel);
    assert_eq!(shared.log.take(), [""; 0]);
    assert_eq!(shared.person.sees(), "> ab");
    assert!(shared.wheel.borrow().is_none());
}

#[test]
fn a_completion_drops_the_wheel() {
    let shared = shared("ab\tcd\r\x04", |wheel, all| {
        let all = Rc::clone(all);
        wheel.set_completion(move |asked| {
            *all.borrow_mut() = None;
            vec![format!("{}x", asked.word)]
        });
    });
    run(&shared.kernel);
    assert_eq!(shared.log.take(), [""; 0]);
}

#[test]
fn functions_and_handlers_use_the_wheel() {
    let shared = shared("ab\x0F\ttwo\r\x04", |wheel, all| {
        let (one, other) = (Rc::clone(all), Rc::clone(all));
        wheel.add_defun("all", move |line| {
            let wheel = one.borrow();
            let wheel = wheel.as_ref().unwrap();
            wheel.get("# ");
            wheel.put("put");
            wheel.add_history("added");
            wheel.refresh();
            wheel.set_option("bell-style", "none");
            assert_eq!(wheel.line(), ("ab".to_owned(), 2));
            line.insert("!");
            // What is behind the end of a line is not for the next one.
            assert!(line.run("accept-line") && line.run("interrupt"));
        });
        wheel.bind_key("C-o", "all").unwrap();
        wheel.set_completion(move |asked| {
            let wheel = other.borrow();
            let wheel = wheel.as_ref().unwrap();
            wheel.set_completion(|_| Vec::new());
            assert_eq!(wheel.get_history(), ["added", "between"]);
            vec![format!("{}one ", asked.word)]
        });
    });
    run(&shared.kernel);
    assert_eq!(shared.log.take(), ["Ok(\"ab!\")", "Ok(\"one two\")", "Err(Eot)"]);
    assert_eq!(
        shared.person.sees(),
        "# ab!\nput\nbetween\n# one two\nbetween\n# ^D\nbetween\n#",
        "all that was put"
    );
}

#[test]
fn a_function_that_panics_ends_its_session_and_restores_the_terminal() {
    let program = Program::new(|builder| builder.completion(|_| panic!("on purpose")));
    program.until_seen(">");
    program.person.types("a\t");
    let (kernel, terminal) = (program.kernel.clone(), Rc::clone(&program.terminal));
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| kernel.run()));
    assert!(!matches!(ended, Ok(Ok(()))));
    assert!(tcgetattr(&terminal).unwrap().local_modes.contains(LocalModes::ICANON));
}

#[test]
fn keys_wait_for_somebody_to_ask() {
    let program = Program::new(|builder| builder);
    program.kernel.refcount_increment(program.session, "test").unwrap();
    program.act(|wheel| {
        wheel.event_end(ReadLineEvent::Input);
        wheel.put("ready");
    });
    program.until_seen("ready\n>");
    program.person.types("one\r\x1B[200~two\x1B[201~ é\r\x1B");
    program.until_seen("ready\n> one");
    program.act(|wheel| {
        assert!(!wheel.is_reading());
        wheel.event(ReadLineEvent::Input, "typed");
        wheel.get_again();
    });
    program.until(|| program.log.len() > 0);
    // The Escape is a part of what comes later.
    program.person.types("[Dx\x04");
    program.person.types("\r\x04");
    program.kernel.refcount_decrement(program.session, "test").unwrap();
    assert_eq!(program.end(), ["line two é", "line x", "eot"]);
}

#[test]
fn characters_come_in_pieces_however_late() {
    let program = Program::new(|builder| builder.escape_time(Duration::from_millis(1)));
    program.until_seen(">");
    let kernel = program.kernel.clone();
    for piece in ["a".as_bytes(), b"\xC3", b"\xA9", b"\xE6", b"\xBC", b"\xA2", b"b"] {
        program.person.types_octets(piece);
        // Longer than an Escape is waited with.
        let over = std::time::Instant::now() + Duration::from_millis(5);
        crate::common::run_while(&kernel, || {
            let _ = kernel.post(program.session, "tick", ());
            std::time::Instant::now() < over
        });
    }
    program.until_seen("> aé漢b");
    program.person.types("\r\x04");
    assert_eq!(program.end(), ["line aé漢b", "eot"]);
}

#[test]
fn another_size_is_seen_with_the_next_key() {
    let program = Program::sized(20, 5, |builder| builder);
    program.person.types("0123456789abcdef");
    program.until_seen("> 0123456789abcdef");
    program.person.resize(10, 5);
    program.person.types("g");
    program.until_seen("> 01234567\n89abcdefg");
    program.person.types("\x03");
    assert_eq!(program.end(), ["interrupt"]);
}

#[test]
fn what_a_function_changes_is_taken_back_at_once() {
    let program = Program::new(|builder| builder);
    program.act(|wheel| {
        wheel.add_defun("shout", |line| line.set(line.text().to_uppercase(), 0));
        wheel.add_defun("look", |line| drop(line.text().to_owned()));
        wheel.bind_key("C-o", "shout").unwrap();
        wheel.bind_key("C-p", "look").unwrap();
    });
    program.person.types("abc\x0F\x10\x10\x1F\r\x04");
    assert_eq!(program.end(), ["line abc", "eot"]);
}

#[test]
fn what_a_function_has_cut_is_not_cut_again() {
    let program = Program::new(|builder| builder.no_init_file());
    program.act(|wheel| {
        wheel.add_history("an argument");
        wheel.add_defun("cut", |line| line.set("é", 0));
        wheel.bind_key("C-o", "cut").unwrap();
    });
    // Of what was yanked before, nothing is left to be replaced.
    program.person.types("kill\x15\x19\x0F\x1By\r");
    program.person.types("x\x1B.\x0F\x1B.\r\x04");
    assert_eq!(program.end(), ["line é", "line éé", "eot"]);
}

#[test]
fn words_are_listed_in_as_many_columns_as_there_are_by_now() {
    let words = |_: &_| ["banana", "bandana", "bandage", "bank"].map(str::to_owned).to_vec();
    let program = Program::sized(40, 8, move |builder| builder.completion(words));
    program.act(|wheel| wheel.set_option("print-completions-horizontally", "on"));
    program.person.types("ban");
    program.until_seen("> ban");
    // Nobody tells the wheel.
    program.person.resize(20, 8);
    program.person.types("\x1B?");
    program.until_seen("banana   bandana\nbandage  bank\n> ban");
    program.person.types("\x03");
    assert_eq!(program.end(), ["interrupt"]);
}
