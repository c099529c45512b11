//! Lines typed at a pseudo-terminal: keys go in, and an emulator reads the screen.

mod common;

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use common::{Log, kernel, once, run, run_while};
use poe_session::prelude::*;
use poe_wheel::{Exception, Input, IoError, PutMode, ReadLine, ReadLineBuilder, ReadLineEvent};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

type Typed = Input<Result<String, Exception>>;

/// The person's end of a pseudo-terminal.
struct Person {
    master: OwnedFd,
    emulator: RefCell<vt100::Parser>,
}

impl Person {
    /// A person, and the terminal as a program has it.
    fn new(columns: u16, rows: u16) -> (Rc<Self>, Rc<File>) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let options = File::options().read(true).write(true).open(name.to_str().unwrap());
        let terminal = Rc::new(options.unwrap());
        fcntl_setfl(&master, fcntl_getfl(&master).unwrap() | OFlags::NONBLOCK).unwrap();
        let emulator = RefCell::new(vt100::Parser::new(rows, columns, 0));
        let person = Self { master, emulator };
        person.resize(columns, rows);
        (Rc::new(person), terminal)
    }

    fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, size).unwrap();
        self.emulator.borrow_mut().screen_mut().set_size(rows, columns);
    }

    fn types(&self, keys: &str) {
        assert_eq!(rustix::io::write(&self.master, keys.as_bytes()), Ok(keys.len()));
    }

    /// The screen, without blank rows at the end.
    fn sees(&self) -> String {
        let mut room = [0; 65536];
        while let Ok(count @ 1..) = rustix::io::read(&self.master, &mut room) {
            self.emulator.borrow_mut().process(&room[..count]);
        }
        let contents = self.emulator.borrow().screen().contents();
        contents.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    fn cursor(&self) -> (u16, u16) {
        self.emulator.borrow().screen().cursor_position()
    }
}

/// A session with a wheel, which asks for a line, and for another one after each until one ends without.
struct Program {
    kernel: Kernel,
    session: SessionId,
    person: Rc<Person>,
    terminal: Rc<File>,
    log: Log,
}

impl Program {
    fn new(configure: impl Fn(ReadLineBuilder) -> ReadLineBuilder + 'static) -> Self {
        Self::sized(40, 10, configure)
    }

    fn sized(
        columns: u16,
        rows: u16,
        configure: impl Fn(ReadLineBuilder) -> ReadLineBuilder + 'static,
    ) -> Self {
        let (person, terminal) = Person::new(columns, rows);
        let kernel = kernel();
        let log = Log::default();
        let (typed, failed, renamed) = (log.clone(), log.clone(), log.clone());
        let (input, output) = (Rc::clone(&terminal), Rc::clone(&terminal));
        let session = Session::build(None::<ReadLine>)
            .on_start(move |cx| {
                let builder = ReadLine::build_pair(Rc::clone(&input), Rc::clone(&output));
                let builder = builder.no_init_file().put_mode(PutMode::Immediate);
                let builder = builder.input_event("typed").error_event("failed");
                let wheel = configure(builder).spawn(cx.kernel).unwrap();
                wheel.get("> ");
                *cx.heap = Some(wheel);
            })
            .on("typed", move |cx, input: Typed| {
                let wheel = cx.heap.as_ref().unwrap();
                assert_eq!(input.wheel, wheel.id());
                match input.record {
                    Ok(line) => {
                        typed.push(format!("line {line}"));
                        wheel.add_history(line);
                        wheel.get_again();
                    }
                    Err(exception) => {
                        typed.push(exception);
                        *cx.heap = None;
                    }
                }
            })
            .on("failed", move |cx, error: IoError| {
                failed.push(format!("error {}", error.operation));
                *cx.heap = None;
            })
            .on("renamed", move |cx, input: Typed| {
                renamed.push(format!("renamed {:?}", input.record));
                *cx.heap = None;
            })
            .on("do", |cx, act: Act| act.0(cx.heap.as_ref().unwrap()))
            .on("drop", |cx, (): ()| *cx.heap = None)
            .on("panic", |_, (): ()| -> HandlerResult { panic!("on purpose") })
            .on("_default", |_, _: Unhandled| {})
            .spawn(&kernel)
            .unwrap();
        Self { kernel, session, person, terminal, log }
    }

    /// Goes on until the person sees a screen.
    fn until_seen(&self, screen: &str) {
        let seen = || self.person.sees() == screen;
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        run_while(&self.kernel, || {
            assert!(std::time::Instant::now() < deadline, "sees {:?}", self.person.sees());
            // So that the kernel does not wait for keys, that come of nobody.
            let _ = self.kernel.post(self.session, "tick", ());
            !seen()
        });
        assert_eq!(self.person.sees(), screen);
    }

    fn act(&self, act: impl FnOnce(&ReadLine) + 'static) {
        self.kernel.post(self.session, "do", Act(Box::new(act))).unwrap();
    }

    fn is_raw(&self) -> bool {
        !tcgetattr(&self.terminal).unwrap().local_modes.contains(LocalModes::ICANON)
    }

    fn end(self) -> Vec<String> {
        run(&self.kernel);
        assert!(!self.is_raw());
        self.log.take()
    }
}

/// Something to be done to the wheel in its session.
struct Act(Box<dyn FnOnce(&ReadLine)>);

// Conformance: WRL-01, WRL-02, WRL-03, WRL-04, WRL-05, WRL-06
#[test]
fn keys_make_lines() {
    let program = Program::new(|builder| builder);
    let keys = [
        "this is a test\n",
        "this is a test\x08\x08\x08\x08TEST\x01\x01\x04T\n",
        "one three five\x01\x02\x1Bb\x08\x06\x06\x06 two\x05\x05\x06\x04\x1Bf\x02\x02\x02\x02four \n",
        "one two three\x1Bd\x1B\x08four\x01\x1B\x08\x1Bd\n",
        "LOWER upper other\x01\x06\x06\x06\x1Bl\x1Bf\x1Bb\x06\x06\x06\x1Bu\x1Bc\x05\x1Bl\x1Bu\x1Bc\n",
        "one two 12\x02\x14\x1Bb\x1Bb\x1Bt\x01\x14\x0512\x14\n",
    ];
    // Asking twice does no harm.
    program.act(|wheel| wheel.get("> "));
    for keys in keys {
        program.person.types(keys);
    }
    program.person.types("\x04");
    assert_eq!(
        program.end(),
        [
            "line this is a test",
            "line This is a TEST",
            "line one two three four five",
            "line two four",
            "line LOWer uppER Other",
            "line two one 2121",
            "eot"
        ]
    );
}

#[test]
fn the_screen_shows_what_is_typed() {
    let program = Program::sized(10, 5, |builder| builder);
    program.until_seen(">");
    assert!(program.is_raw());
    program.person.types("abc漢字def");
    program.until_seen("> abc漢字d\nef");
    assert_eq!(program.person.cursor(), (1, 2));
    program.person.types("\x02\x02\x02\x02");
    program.person.types("\x08");
    program.until_seen("> abc字def");
    program.person.types("\x01\x1B[C\x1B[3~");
    program.until_seen("> ac字def");
    assert_eq!(program.person.cursor(), (0, 3));
    program.person.types("\r");
    program.until_seen("> ac字def\n>");
    program.person.types("xy\x03");
    assert_eq!(program.end(), ["line ac字def", "interrupt"]);
}

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
fn the_terminal_changes_its_size() {
    let program = Program::sized(20, 5, |builder| builder);
    program.person.types("0123456789abcdef");
    program.until_seen("> 0123456789abcdef");
    program.person.resize(10, 5);
    program.act(|wheel| {
        assert_eq!(wheel.terminal_size(), (10, 5));
        wheel.refresh();
    });
    program.until_seen("> 01234567\n89abcdef");
    program.person.types("\x03");
    assert_eq!(program.end(), ["interrupt"]);
}

#[test]
fn a_lone_escape_is_known_in_time() {
    let program = Program::new(|builder| builder.escape_time(Duration::from_millis(5)));
    program.act(|wheel| wheel.set_option("editing-mode", "vi"));
    program.person.types("abc");
    program.until_seen("> abc");
    program.person.types("\x1B");
    let moved = || program.person.cursor() == (0, 4);
    run_while(&program.kernel, || {
        program.person.sees();
        let _ = program.kernel.post(program.session, "tick", ());
        !moved()
    });
    program.person.types("rx\r");
    program.person.types("\x04");
    assert_eq!(program.end(), ["line abx", "eot"]);
}

#[test]
fn pastes_and_functions_and_completions() {
    let program =
        Program::new(|builder| builder.completion(|asked| vec![format!("{}ana", asked.word)]));
    program.act(|wheel| {
        wheel.add_defun("shout", |line| {
            let text = line.text().to_uppercase();
            line.set(text, 0);
            assert!(line.run("end-of-line") && !line.run("nothing"));
        });
        wheel.bind_key("C-o", "shout").unwrap();
        assert!(wheel.bind_key("C-o", "whisper").is_err());
        assert!(wheel.bind_key("", "shout").is_err());
        assert!(wheel.bind_key_in("nowhere", "C-o", "shout").is_err());
    });
    program.person.types("\x1B[200~two\rlines\x1B[201~ ban\t");
    program.until_seen("> two^Jlines banana");
    program.person.types("\x0F!\r\x04");
    assert_eq!(program.end(), ["line TWO\nLINES BANANA!", "eot"]);
}

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
fn names_of_events_change() {
    let program = Program::new(|builder| builder);
    program.act(|wheel| {
        assert!(wheel.is_reading());
        wheel.event(ReadLineEvent::Input, "renamed");
    });
    program.until_seen(">");
    program.person.types("line\r");
    assert_eq!(program.end(), ["renamed Ok(\"line\")"]);
}

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
fn what_is_no_terminal_is_read_line_by_line() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"one\r\ntwo\x08\n\nrest").unwrap();
    drop(writer);
    assert_eq!(lines_of(reader), ["one", "two\x08", "", "rest", "eot"]);
    assert_eq!(lines_of(File::open("/dev/null").unwrap()), ["eot"]);
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
