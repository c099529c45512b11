//! Frames, and terminals of all sizes that take them or not.

use std::cell::Cell;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use poe_session::prelude::*;
use poe_wheel::Curses;
use poe_wheel::ratatui::layout::Rect;
use poe_wheel::ratatui::widgets::{Block, Paragraph};
use rustix::fs::{OFlags, fcntl_getfl};

use crate::common::person::Person;
use crate::common::{self, kernel, once, pair, run};
use crate::program::{Program, builder, is_raw};

#[test]
fn a_frame_is_seen_and_keys_are_told() {
    let (person, terminal) = Person::new(20, 4);
    person.emulator.borrow_mut().process(b"$ program");
    let program = Program::new(kernel(), builder(&terminal).mouse(true).focus(true));
    program.act(|wheel| {
        assert_eq!(wheel.size(), (20, 4));
        wheel.draw(|frame| {
            frame.render_widget(Paragraph::new("漢字 é").block(Block::bordered()), frame.area());
            frame.set_cursor_position((3, 1));
        });
    });
    program.until_seen(
        &person,
        "┌──────────────────┐\n│漢字 é            │\n│                  │\n└──────────────────┘",
    );
    {
        let emulator = person.emulator.borrow();
        let screen = emulator.screen();
        assert!(screen.alternate_screen() && screen.bracketed_paste() && !screen.hide_cursor());
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::AnyMotion);
        assert_eq!(screen.mouse_protocol_encoding(), vt100::MouseProtocolEncoding::Sgr);
        assert_eq!(screen.cursor_position(), (1, 3));
        assert!(is_raw(&terminal));
    }
    person.types("a\x03漢\x1B[1;5A\x1B[200~two\rlines\x1B[201~\x1B[<0;3;2M\x1B[I\x1B[?1cq");
    assert_eq!(
        program.end(),
        [
            "a",
            "Control-c",
            "漢",
            "Control-Up",
            "paste \"two\\nlines\"",
            "Down(Left) 2 1",
            "FocusGained",
            "unknown \\x1b[?1c",
            "q",
            "stopped"
        ]
    );
    assert_eq!(person.sees(), "$ program");
    let emulator = person.emulator.borrow();
    let screen = emulator.screen();
    assert!(!screen.alternate_screen() && !screen.bracketed_paste() && !screen.hide_cursor());
    assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    assert!(!is_raw(&terminal));
}

#[test]
fn without_a_screen_of_its_own_the_last_frame_stays() {
    let (person, terminal) = Person::new(20, 4);
    let program = Program::new(kernel(), builder(&terminal).alternate_screen(false));
    program.write("last\nframe");
    program.until_seen(&person, "last\nframe");
    person.types("q");
    program.end();
    rustix::io::write(&*terminal, b"next").unwrap();
    assert_eq!(person.sees(), "frame\n\n\nnext");
}

#[test]
fn a_wheel_that_was_not_seen_leaves_no_trace() {
    let (ours, mut theirs) = pair();
    let kernel = kernel();
    let builder = once(Curses::build_pair(ours.try_clone().unwrap(), ours));
    Session::build(())
        .on_start(move |cx| {
            let wheel = builder().spawn(cx.kernel).unwrap();
            wheel.draw(|frame| frame.render_widget("unseen", frame.area()));
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(common::read_all(&mut theirs), b"");
}

#[test]
fn only_changes_are_sent() {
    let (ours, mut theirs) = pair();
    theirs.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let program =
        Program::new(kernel(), Curses::build_pair(ours.try_clone().unwrap(), ours).size(40, 10));
    program.act(|wheel| {
        // Only the last frame of a turn is sent.
        wheel.draw(|frame| frame.render_widget("never seen", frame.area()));
        wheel.draw(|frame| frame.render_widget(Paragraph::new("unchanged\nold"), frame.area()));
    });
    program.ask(|_| ());
    program.ask(|_| ());
    let mut room = [0; 4096];
    let count = theirs.read(&mut room).unwrap();
    let first = room[..count].escape_ascii().to_string();
    assert!(first.contains("unchanged") && !first.contains("never"), "{first}");
    program.write("unchanged\nnew");
    program.ask(|_| ());
    program.ask(|_| ());
    let count = theirs.read(&mut room).unwrap();
    let second = room[..count].escape_ascii().to_string();
    assert!(second.contains("new") && !second.contains("unchanged"), "{second}");
    theirs.write_all(b"q").unwrap();
    program.end();
}

#[test]
fn half_a_frame_is_not_kept() {
    let (person, terminal) = Person::new(20, 4);
    let program = Program::at(&terminal);
    program.act(|wheel| {
        let drawn = catch_unwind(AssertUnwindSafe(|| {
            wheel.draw(|frame| {
                frame.render_widget("half of a frame", frame.area());
                panic!("on purpose");
            });
        }));
        assert!(drawn.is_err());
        wheel.draw(|frame| frame.render_widget("whole", frame.area()));
        wheel.draw(|frame| {
            wheel.draw(|_| panic!("a frame within a frame"));
            frame.render_widget("outer", frame.area());
        });
    });
    program.until_seen(&person, "outer");
    // One that has the wrong size by the time it is done is not shown, nor is its cursor.
    program.act(|wheel| {
        wheel.set_size(19, 4);
        wheel.draw(|frame| {
            wheel.set_size(20, 4);
            frame.render_widget("too narrow", frame.area());
            frame.set_cursor_position((1, 1));
        });
    });
    program.until_seen(&person, "");
    assert!(person.emulator.borrow().screen().hide_cursor());
    person.types("q");
    program.end();
}

#[test]
fn the_size_changes() {
    let (person, terminal) = Person::new(20, 4);
    let program = Program::at(&terminal);
    program.write("first");
    program.until_seen(&person, "first");
    person.resize(10, 3);
    program.act(Curses::refresh);
    program.until_logged("resize 10 3");
    assert_eq!(program.ask(Curses::size), (10, 3));
    program.act(|wheel| {
        wheel.draw(|frame| {
            assert_eq!(frame.area(), Rect::new(0, 0, 10, 3));
            frame.render_widget(Block::bordered(), frame.area());
        });
    });
    program.until_seen(&person, "┌────────┐\n│        │\n└────────┘");
    // Nothing has changed, but for what somebody else wrote.
    person.emulator.borrow_mut().process(b"\x1B[2;2Hgarbage");
    program.act(Curses::refresh);
    program.until_seen(&person, "┌────────┐\n│        │\n└────────┘");
    program.ask(|wheel| {
        // Of several at once, the last one is told.
        wheel.set_size(7, 7);
        wheel.set_size(5, 2);
        wheel.refresh();
    });
    person.types("q");
    assert_eq!(program.end(), ["resize 5 2", "q", "stopped"]);
}

#[test]
fn sizes_that_are_none() {
    let (person, terminal) = Person::new(20, 4);
    person.says(0, 0);
    let program = Program::at(&terminal);
    assert_eq!(program.ask(Curses::size), (80, 24));
    let draw = |wheel: &Curses| {
        let was_called = Rc::new(Cell::new(false));
        let called = Rc::clone(&was_called);
        wheel.draw(move |frame| {
            called.set(true);
            let text = Paragraph::new("text").block(Block::bordered().title("title"));
            frame.render_widget(text, frame.area());
            frame.set_cursor_position((100, 100));
        });
        was_called.get()
    };
    for (columns, rows, is_drawn) in
        [(0, 0, false), (1, 0, false), (0, 1, false), (1, 1, true), (2, 1, true), (1, 2, true)]
    {
        assert_eq!(
            is_drawn,
            program.ask(move |wheel| {
                wheel.set_size(columns, rows);
                draw(wheel)
            })
        );
        program.ask(|_| ());
    }
    person.says(u16::MAX, u16::MAX);
    let (size, drawn) = program.ask(move |wheel| {
        wheel.set_size(u16::MAX, u16::MAX);
        (wheel.size(), draw(wheel))
    });
    assert!(drawn);
    assert_eq!(size, (1024, 512));
    person.types("q");
    program.go_on_while(|| {
        person.sees();
        !program.log.take().iter().any(|line| line == "stopped")
    });
}

#[test]
fn a_terminal_that_takes_nothing_holds_nobody_up() {
    let (person, terminal) = Person::new(80, 24);
    let program = Program::at(&terminal);
    for number in 0..300_u32 {
        program.ask(move |wheel| {
            wheel.draw(|frame| {
                let row = format!("{number:>4} ").repeat(16);
                let text = Paragraph::new([row.as_str(); 24].join("\n"));
                frame.render_widget(text, frame.area());
            });
        });
    }
    let last = [" 299 ".repeat(16).trim_end(); 24].join("\n");
    program.until_seen(&person, &last);
    person.types("q");
    program.end();
    assert!(!is_raw(&terminal));
}

#[test]
fn who_takes_nothing_is_not_waited_for_at_the_end() {
    let (ours, _theirs) = pair();
    // The same for both ways, which is put back as it was once.
    let ours = Rc::new(ours);
    let flags = Rc::clone(&ours);
    let builder = Curses::build_pair(Rc::clone(&ours), ours).size(1024, 512);
    let program = Program::new(kernel(), builder);
    for letter in ["a", "b"] {
        program.ask(move |wheel| {
            wheel.draw(|frame| {
                let text = letter.repeat(1024 * 512);
                frame.render_widget(Paragraph::new(text).wrap(Default::default()), frame.area());
            });
        });
    }
    assert!(fcntl_getfl(&flags).unwrap().contains(OFlags::NONBLOCK));
    program.kernel.post(program.session, "drop", ()).unwrap();
    assert_eq!(program.end(), ["stopped"]);
    assert!(!fcntl_getfl(&flags).unwrap().contains(OFlags::NONBLOCK), "it blocks as before");
}
