//! Screens of a pseudo-terminal: keys go in, and an emulator reads what is drawn.
#![cfg(feature = "curses")]

mod common;

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use common::person::Person;
use common::{Log, kernel, once, pair, run, run_while};
use poe_session::prelude::*;
use poe_wheel::ratatui::crossterm::event::{Event, KeyCode};
use poe_wheel::ratatui::layout::Rect;
use poe_wheel::ratatui::widgets::{Block, Paragraph};
use poe_wheel::{
    Curses, CursesBuilder, CursesEvent, Input, IoError, TerminalInput, WheelError, WheelId,
};
use proptest::prelude::*;
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::termios::{LocalModes, tcgetattr};

type Typed = Input<TerminalInput>;

/// A session with a wheel, which logs what comes of it. `q` has it drop the wheel.
struct Program {
    kernel: Kernel,
    session: SessionId,
    log: Log,
}

impl Program {
    fn new(kernel: Kernel, builder: CursesBuilder) -> Self {
        let log = Log::default();
        let (typed, renamed, failed, stopped) =
            (log.clone(), log.clone(), log.clone(), log.clone());
        let builder = once(builder.input_event("input").error_event("failed"));
        let session = Session::build(None::<Curses>)
            .on_start(move |cx| *cx.heap = Some(builder().spawn(cx.kernel).unwrap()))
            .on("input", move |cx, input: Typed| {
                assert_eq!(cx.heap.as_ref().map(Curses::id), Some(input.wheel));
                typed.push(shown(&input.record));
                if input.record == TerminalInput::Key(KeyCode::Char('q').into()) {
                    *cx.heap = None;
                }
            })
            .on("renamed", move |_, input: Typed| {
                renamed.push(format!("renamed {}", shown(&input.record)));
            })
            .on("failed", move |cx, error: IoError| {
                assert_eq!(cx.heap.as_ref().map(Curses::id), Some(error.wheel));
                failed.push(format!("error {error}"));
            })
            .on("do", |cx, act: Act| act.0(cx.heap.as_ref().unwrap()))
            .on("drop", |cx, (): ()| *cx.heap = None)
            .on("panic", |_, (): ()| -> HandlerResult { panic!("on purpose") })
            .on("_default", |_, _: Unhandled| {})
            .on_stop(move |_| stopped.push("stopped"))
            .spawn(&kernel)
            .unwrap();
        Self { kernel, session, log }
    }

    fn at(terminal: &Rc<File>) -> Self {
        Self::new(kernel(), builder(terminal))
    }

    fn act(&self, act: impl FnOnce(&Curses) + 'static) {
        self.kernel.post(self.session, "do", Act(Box::new(act))).unwrap();
    }

    /// Does something with the wheel, and returns what it made.
    fn ask<T: 'static>(&self, ask: impl FnOnce(&Curses) -> T + 'static) -> T {
        let answer = Rc::new(Cell::new(None));
        let given = Rc::clone(&answer);
        self.act(move |wheel| given.set(Some(ask(wheel))));
        let mut got = None;
        run_while(&self.kernel, || {
            got = answer.take();
            got.is_none()
        });
        got.unwrap()
    }

    /// Keeps the session alive without its wheel, or does so no longer.
    fn hold(&self, is_held: bool) {
        if is_held {
            self.kernel.refcount_increment(self.session, "test").unwrap();
        } else {
            self.kernel.refcount_decrement(self.session, "test").unwrap();
        }
    }

    fn write(&self, text: &'static str) {
        self.act(move |wheel| {
            wheel.draw(|frame| frame.render_widget(Paragraph::new(text), frame.area()));
        });
    }

    /// Goes on while a condition holds, though nobody types.
    fn go_on_while(&self, mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        run_while(&self.kernel, || {
            assert!(Instant::now() < deadline, "it does not come to pass");
            let _ = self.kernel.post(self.session, "tick", ());
            condition()
        });
    }

    fn until_seen(&self, person: &Person, screen: &str) {
        let deadline = Instant::now() + Duration::from_secs(10);
        run_while(&self.kernel, || {
            let seen = person.sees();
            assert!(Instant::now() < deadline, "sees {seen:?}");
            let _ = self.kernel.post(self.session, "tick", ());
            seen != screen
        });
    }

    fn until_logged(&self, line: &str) {
        let log = self.log.clone();
        let mut lines = Vec::new();
        self.go_on_while(|| {
            lines.extend(log.take());
            !lines.iter().any(|logged| logged == line)
        });
    }

    fn end(self) -> Vec<String> {
        run(&self.kernel);
        self.log.take()
    }
}

/// Something to be done to the wheel in its session.
struct Act(Box<dyn FnOnce(&Curses)>);

fn builder(terminal: &Rc<File>) -> CursesBuilder {
    Curses::build_pair(Rc::clone(terminal), Rc::clone(terminal))
}

fn shown(input: &TerminalInput) -> String {
    match input {
        TerminalInput::Key(key) if key.modifiers.is_empty() => key.code.to_string(),
        TerminalInput::Key(key) => format!("{}-{}", key.modifiers, key.code),
        TerminalInput::Paste(text) => format!("paste {text:?}"),
        TerminalInput::Mouse(mouse) => format!("{:?} {} {}", mouse.kind, mouse.column, mouse.row),
        TerminalInput::Resize { columns, rows } => format!("resize {columns} {rows}"),
        TerminalInput::Unknown(octets) => format!("unknown {}", octets.escape_ascii()),
        other => format!("{other:?}"),
    }
}

fn is_raw(terminal: &File) -> bool {
    !tcgetattr(terminal).unwrap().local_modes.contains(LocalModes::ICANON)
}

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
fn only_changes_are_sent() {
    let (ours, mut theirs) = pair();
    theirs.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
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
fn a_lone_escape_is_known_in_time() {
    let clock = Kernel::builder().virtual_clock(SystemTime::UNIX_EPOCH).build().unwrap();
    let (ours, mut theirs) = pair();
    let program = Program::new(clock, Curses::build_pair(ours.try_clone().unwrap(), ours));
    let kernel = program.kernel.clone();
    for (octets, after) in [(&b"\x1B"[..], 100), (b"\x1B\xC3", 200), (b"\x1B[1;", 300)] {
        theirs.write_all(octets).unwrap();
        let before = program.log.len();
        run_while(&kernel, || program.log.len() == before);
        let time = kernel.time().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(time, Duration::from_millis(after));
    }
    theirs.write_all(b"q").unwrap();
    let rest = ["Alt-[", "1", ";", "q", "stopped"];
    assert_eq!(program.end(), [&["Esc", "unknown \\x1b\\xc3"][..], &rest].concat());
}

#[test]
fn a_sequence_may_come_in_pieces() {
    let (ours, mut theirs) = pair();
    let builder = Curses::build_pair(ours.try_clone().unwrap(), ours);
    let program = Program::new(kernel(), builder.escape_time(Duration::from_secs(3600)));
    for octet in "\x1B[1;5A漢".bytes() {
        theirs.write_all(&[octet]).unwrap();
        program.ask(|_| ());
        program.ask(|_| ());
    }
    theirs.write_all(b"q").unwrap();
    assert_eq!(program.end(), ["Control-Up", "漢", "q", "stopped"]);
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
fn what_was_typed_before_is_told_after() {
    let (mut ours, mut theirs) = pair();
    let builder = Curses::build_pair(ours.try_clone().unwrap(), ours.try_clone().unwrap());
    let kernel = kernel();
    let log = Log::default();
    let typed = log.clone();
    let builder = once(builder);
    Session::build(None::<Curses>)
        .on_start(move |cx| {
            *cx.heap = Some(builder().input_event("input").spawn(cx.kernel).unwrap());
        })
        .on("input", move |cx, input: Typed| {
            let wheel = cx.heap.as_ref().unwrap();
            typed.push(shown(&input.record));
            match shown(&input.record).as_str() {
                "s" => {
                    wheel.suspend();
                    cx.yield_event("resume", ());
                }
                "q" => *cx.heap = None,
                _ => assert!(!wheel.is_suspended()),
            }
        })
        .on("resume", |cx, (): ()| cx.heap.as_ref().unwrap().resume())
        .spawn(&kernel)
        .unwrap();
    theirs.write_all(b"asb\x1B").unwrap();
    run_while(&kernel, || log.len() < 2);
    theirs.write_all(b"q").unwrap();
    run(&kernel);
    assert_eq!(log.take(), ["a", "s", "b", "Esc", "q"]);
    drop(kernel);
    theirs.write_all(b"x").unwrap();
    let mut room = [0; 1];
    ours.read_exact(&mut room).unwrap();
    assert_eq!(&room, b"x", "nobody reads it any more");
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
    person.types("q");
    program.end();
}

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
fn nothing_comes_of_a_wheel_that_is_gone() {
    let (ours, mut theirs) = pair();
    theirs.write_all(b"abqcd").unwrap();
    let program = Program::new(kernel(), Curses::build_pair(ours.try_clone().unwrap(), ours));
    assert_eq!(program.end(), ["a", "b", "q", "stopped"]);
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
fn names_of_events_change() {
    let (ours, mut theirs) = pair();
    let program = Program::new(kernel(), Curses::build_pair(ours.try_clone().unwrap(), ours));
    program.ask(|wheel| wheel.event(CursesEvent::Input, "renamed"));
    theirs.write_all(b"a").unwrap();
    program.until_logged("renamed a");
    program.ask(|wheel| wheel.event_end(CursesEvent::Input));
    theirs.write_all(b"b").unwrap();
    program.ask(|_| ());
    program.ask(|_| ());
    program.ask(|wheel| wheel.event_end(CursesEvent::Error));
    drop(theirs);
    assert_eq!(program.end(), ["stopped"]);
}

#[test]
fn other_peoples_widgets_get_crossterms_events() {
    let key = TerminalInput::Key(KeyCode::Enter.into());
    assert_eq!(Event::try_from(key), Ok(Event::Key(KeyCode::Enter.into())));
    let resize = TerminalInput::Resize { columns: 1, rows: 2 };
    assert_eq!(Event::try_from(resize), Ok(Event::Resize(1, 2)));
    let unknown = TerminalInput::Unknown("x".into());
    assert_eq!(Event::try_from(unknown.clone()), Err(unknown));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is typed, in whatever pieces, while frames are drawn, sizes change and the wheel is suspended and resumed: it
    /// neither fails nor says anything after its end.
    #[test]
    fn wheels_stand_whatever_is_done(
        acts in prop::collection::vec((0..6_u8, prop::collection::vec(any::<u8>(), 0..12)), 0..20),
        at in 0..40_usize,
    ) {
        let (ours, mut theirs) = pair();
        let kernel = kernel();
        let builder = once(Curses::build_pair(ours.try_clone().unwrap(), ours).size(10, 3));
        let seen = Rc::new(Cell::new(0));
        let counted = Rc::clone(&seen);
        let session = Session::build((None::<Curses>, None::<WheelId>))
            .on_start(move |cx| {
                let wheel = builder().input_event("input").error_event("failed").spawn(cx.kernel);
                cx.heap.0 = Some(wheel.unwrap());
                cx.heap.1 = cx.heap.0.as_ref().map(Curses::id);
            })
            .on("input", move |cx, input: Typed| {
                let wheel = cx.heap.0.as_ref().expect("it has a wheel");
                assert_eq!(cx.heap.1, Some(input.wheel));
                counted.set(counted.get() + 1);
                if counted.get() == at {
                    cx.heap.0 = None;
                } else {
                    wheel.draw(|frame| frame.render_widget("x", frame.area()));
                }
            })
            .on("failed", |cx, _: IoError| cx.heap.0 = None)
            .on("do", |cx, act: Act| cx.heap.0.as_ref().map_or((), act.0))
            .on("_default", |_, _: Unhandled| {})
            .spawn(&kernel)
            .unwrap();
        for (act, octets) in acts {
            let _ = theirs.write_all(&octets);
            let [columns, rows] = [0, 1].map(|at| octets.get(at).copied().unwrap_or(3).into());
            let act: Box<dyn FnOnce(&Curses)> = match act {
                0 => Box::new(Curses::suspend),
                1 => Box::new(Curses::resume),
                2 => Box::new(Curses::refresh),
                3 => Box::new(move |wheel| wheel.set_size(columns, rows)),
                _ => Box::new(|wheel| {
                    wheel.draw(|frame| frame.render_widget(Block::bordered(), frame.area()));
                }),
            };
            if kernel.post(session, "do", Act(act)).is_err() {
                break;
            }
            kernel.run_one_timeslice().unwrap();
        }
        drop(theirs);
        run(&kernel);
    }
}
