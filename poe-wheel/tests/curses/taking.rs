//! A terminal is taken, given back, and taken again.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use poe_session::prelude::*;
use poe_wheel::ratatui::widgets::{Paragraph, Wrap};
use poe_wheel::{Curses, WheelError};
use rustix::fs::{OFlags, fcntl_getfl};

use crate::common::person::{Person, exit, status_of};
use crate::common::{self, Log, kernel, run};
use crate::program::{Program, Typed, builder, is_raw};

#[test]
fn the_terminal_is_given_back_and_taken_again() {
    let (person, terminal) = Person::new(20, 4);
    person.emulator.borrow_mut().process(b"$ program");
    let program = Program::at(&terminal);
    program.hold(true);
    program.write("frame");
    program.until_seen(&person, "frame");
    program.act(|wheel| {
        wheel.suspend();
        wheel.suspend();
        assert!(wheel.is_suspended());
        wheel.draw(|frame| frame.render_widget("later", frame.area()));
        wheel.refresh();
    });
    program.until_seen(&person, "$ program");
    assert!(!is_raw(&terminal));
    assert!(!fcntl_getfl(&terminal).unwrap().contains(OFlags::NONBLOCK));
    // Another program gets what is typed.
    person.types("x\n");
    let mut room = [0; 8];
    assert_eq!(rustix::io::read(&terminal, &mut room), Ok(2));
    person.sees();
    person.resize(10, 3);
    program.act(|wheel| {
        wheel.resume();
        wheel.resume();
        assert!(!wheel.is_suspended());
    });
    program.until_logged("resize 10 3");
    program.write("again");
    program.until_seen(&person, "again");
    assert!(is_raw(&terminal));
    program.hold(false);
    person.types("q");
    program.end();
    assert!(!is_raw(&terminal));
}

#[test]
#[ignore = "exits, in the process that another test runs it in"]
fn exits_with_a_screen() {
    let kernel = kernel();
    Session::build(None::<Curses>)
        .on_start(|cx| {
            let wheel = Curses::build().mouse(true).spawn(cx.kernel).unwrap();
            wheel.draw(|frame| frame.render_widget("frame", frame.area()));
            *cx.heap = Some(wheel);
            cx.delay("exit", std::time::Duration::from_millis(1), ());
        })
        .on("exit", |_, ()| exit(false))
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
}

#[test]
fn the_terminal_is_given_back_when_the_process_exits() {
    let (person, terminal) = Person::new(80, 24);
    assert_eq!(status_of("taking::exits_with_a_screen", &terminal), Some(7), "{}", person.sees());
    assert!(!is_raw(&terminal));
    let seen = person.sees();
    let emulator = person.emulator.borrow();
    let screen = emulator.screen();
    assert!(!screen.alternate_screen() && !screen.hide_cursor(), "{seen}");
    assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    assert!(!seen.contains("frame"), "{seen}");
}

#[test]
fn a_suspended_wheel_keeps_nobody_alive() {
    let (_person, terminal) = Person::new(20, 4);
    let program = Program::at(&terminal);
    program.act(Curses::suspend);
    assert_eq!(program.end(), ["stopped"]);
}

#[test]
fn the_terminal_is_restored_after_a_panic() {
    let (person, terminal) = Person::new(20, 4);
    let program = Program::at(&terminal);
    program.write("frame");
    program.until_seen(&person, "frame");
    program.kernel.post(program.session, "panic", ()).unwrap();
    let kernel = program.kernel.clone();
    drop(program);
    let ended = catch_unwind(AssertUnwindSafe(|| kernel.run()));
    assert!(!matches!(ended, Ok(Ok(()))));
    drop(kernel);
    assert!(!is_raw(&terminal));
    person.sees();
    assert!(!person.emulator.borrow().screen().alternate_screen());

    // One in the function that draws, too.
    let program = Program::at(&terminal);
    program.act(|wheel| wheel.draw(|_| panic!("on purpose")));
    let kernel = program.kernel.clone();
    drop(program);
    let ended = catch_unwind(AssertUnwindSafe(|| kernel.run()));
    assert!(!matches!(ended, Ok(Ok(()))));
    drop(kernel);
    assert!(!is_raw(&terminal));
}

#[test]
fn a_wheel_that_others_have_gives_the_terminal_back_when_its_session_ends() {
    let (person, terminal) = Person::new(20, 4);
    let kernel = kernel();
    let kept = Rc::new(RefCell::new(None::<Curses>));
    let (keep, handles) = (Rc::clone(&kept), Rc::clone(&terminal));
    Session::build(())
        .on_start(move |cx| {
            let wheel = builder(&handles).input_event("input").spawn(cx.kernel).unwrap();
            wheel.draw(|frame| frame.render_widget("frame", frame.area()));
            *keep.borrow_mut() = Some(wheel);
        })
        .on("input", |_, _: Typed| -> HandlerResult { Err("on purpose".into()) })
        .spawn(&kernel)
        .unwrap();
    person.types("x");
    let _watchdog = common::Watchdog::new();
    kernel.run().unwrap_err();
    assert!(!is_raw(&terminal));
    let wheel = kept.take().unwrap();
    wheel.resume();
    assert!(wheel.is_suspended() && !is_raw(&terminal));
    wheel.draw(|_| panic!("there is nothing to draw on"));
}

#[test]
fn a_terminal_has_one_wheel() {
    let (person, terminal) = Person::new(20, 4);
    let program = Program::at(&terminal);
    let other = Rc::clone(&terminal);
    program.ask(move |wheel| wheel.id());
    let second = kernel();
    let refused = Log::default();
    let log = refused.clone();
    Session::build(())
        .on_start(move |cx| match builder(&other).spawn(cx.kernel) {
            Err(error @ WheelError::Terminal { .. }) => log.push(error),
            other => panic!("{other:?}"),
        })
        .spawn(&second)
        .unwrap();
    run(&second);
    assert_eq!(
        refused.take(),
        ["cannot take the terminal: tcsetattr: another wheel has the terminal"]
    );
    assert!(is_raw(&terminal));
    person.types("q");
    program.end();
    assert!(!is_raw(&terminal));
    let program = Program::at(&terminal);
    person.types("q");
    assert_eq!(program.end(), ["q", "stopped"]);
}

#[test]
fn a_wheel_needs_a_session() {
    let (_person, terminal) = Person::new(20, 4);
    let error = builder(&terminal).spawn(&kernel()).unwrap_err();
    assert!(matches!(error, WheelError::NoActiveSession(_)), "{error}");
    assert!(!is_raw(&terminal));
}

#[test]
fn half_a_paste_is_told_and_does_not_go_on_after_another_program() {
    let (person, terminal) = Person::new(20, 4);
    let program = Program::at(&terminal);
    program.hold(true);
    person.types("a\x1B[200~half");
    // What comes first is read first.
    program.until_logged("a");
    program.act(Curses::suspend);
    program.ask(|_| ());
    // What else was pasted, another program gets.
    person.types(" a paste\x1B[201~\n");
    let mut room = [0; 32];
    assert_eq!(rustix::io::read(&terminal, &mut room), Ok(15));
    program.act(Curses::resume);
    program.hold(false);
    person.types("q");
    assert_eq!(program.end(), ["paste \"half\"", "q", "stopped"]);
}

#[test]
fn a_slow_terminal_is_told_to_go_back_before_it_has_got_all_of_a_frame() {
    let (person, terminal) = Person::new(20, 4);
    let program = Program::new(kernel(), builder(&terminal).size(1000, 500));
    program.act(|wheel| {
        wheel.draw(|frame| {
            let text = Paragraph::new("frame ".repeat(100_000)).wrap(Wrap::default());
            frame.render_widget(text, frame.area());
        });
    });
    program.go_on_while(|| {
        person.sees();
        !person.emulator.borrow().screen().alternate_screen()
    });
    let looking = Rc::clone(&person);
    program.act(move |wheel| {
        looking.sees();
        wheel.suspend();
    });
    program.end();
    person.sees();
    assert!(!person.emulator.borrow().screen().alternate_screen());
    assert!(!person.emulator.borrow().screen().bracketed_paste());
}

#[test]
fn a_suspended_wheel_whose_session_has_ended_takes_nothing() {
    let (_person, terminal) = Person::new(20, 4);
    let kernel = kernel();
    let kept = Rc::new(RefCell::new(None::<Curses>));
    let (keep, handles) = (Rc::clone(&kept), Rc::clone(&terminal));
    Session::build(())
        .on_start(move |cx| {
            let wheel = builder(&handles).input_event("input").error_event("failed");
            let wheel = wheel.spawn(cx.kernel).unwrap();
            wheel.suspend();
            *keep.borrow_mut() = Some(wheel);
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    // Others are there, and the kernel goes on for them.
    let wheel = Rc::clone(&kept);
    Session::build(())
        .on_start(move |cx| {
            let wheel = wheel.borrow();
            let wheel = wheel.as_ref().unwrap();
            wheel.draw(|frame| frame.render_widget("nobody's", frame.area()));
            wheel.set_size(5, 5);
            wheel.resume();
            wheel.refresh();
            cx.yield_event("later", ());
        })
        .on("later", |_, ()| ())
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    let wheel = kept.take().unwrap();
    assert!(wheel.is_suspended() && !is_raw(&terminal));
    drop(kernel);
    wheel.resume();
    wheel.draw(|frame| frame.render_widget("nobody's", frame.area()));
    assert!(wheel.is_suspended() && !is_raw(&terminal));
}
