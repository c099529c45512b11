//! A person at a pseudo-terminal, and a program that asks for lines there.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use poe_session::prelude::*;
use poe_wheel::{Exception, Input, IoError, PutMode, ReadLine, ReadLineBuilder, WheelId};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::common::{Log, kernel, run, run_while};

pub(crate) type Typed = Input<Result<String, Exception>>;

/// The person's end of a pseudo-terminal.
pub(crate) struct Person {
    master: OwnedFd,
    emulator: RefCell<vt100::Parser>,
}

impl Person {
    /// A person, and the terminal as a program has it.
    pub(crate) fn new(columns: u16, rows: u16) -> (Rc<Self>, Rc<File>) {
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

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, size).unwrap();
        self.emulator.borrow_mut().screen_mut().set_size(rows, columns);
    }

    pub(crate) fn types(&self, keys: &str) {
        assert_eq!(rustix::io::write(&self.master, keys.as_bytes()), Ok(keys.len()));
    }

    /// The screen, without blank rows at the end.
    pub(crate) fn sees(&self) -> String {
        let mut room = [0; 65536];
        while let Ok(count @ 1..) = rustix::io::read(&self.master, &mut room) {
            self.emulator.borrow_mut().process(&room[..count]);
        }
        let contents = self.emulator.borrow().screen().contents();
        contents.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    /// How many descriptors of this process are the program's terminal.
    pub(crate) fn descriptors(&self) -> usize {
        let name = ptsname(&self.master, Vec::new()).unwrap();
        let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let is_it = |path: PathBuf| path.to_str() == name.to_str().ok();
        descriptors.filter(|each| std::fs::read_link(each.path()).is_ok_and(is_it)).count()
    }

    pub(crate) fn cursor(&self) -> (u16, u16) {
        self.emulator.borrow().screen().cursor_position()
    }
}

/// A session with a wheel, which asks for a line, and for another one after each until one ends without.
pub(crate) struct Program {
    pub(crate) kernel: Kernel,
    pub(crate) session: SessionId,
    pub(crate) person: Rc<Person>,
    pub(crate) terminal: Rc<File>,
    pub(crate) log: Log,
}

impl Program {
    pub(crate) fn new(configure: impl Fn(ReadLineBuilder) -> ReadLineBuilder + 'static) -> Self {
        Self::sized(40, 10, configure)
    }

    pub(crate) fn sized(
        columns: u16,
        rows: u16,
        configure: impl Fn(ReadLineBuilder) -> ReadLineBuilder + 'static,
    ) -> Self {
        let (person, terminal) = Person::new(columns, rows);
        let kernel = kernel();
        let log = Log::default();
        let [typed, failed, flushed, renamed] = std::array::from_fn(|_| log.clone());
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
            .on("flushed", move |_, _: WheelId| flushed.push("flushed"))
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
    #[track_caller]
    pub(crate) fn until_seen(&self, screen: &str) {
        self.until(|| self.person.sees() == screen);
    }

    /// Goes on until something is so.
    #[track_caller]
    pub(crate) fn until(&self, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        let is_late = || Instant::now() > deadline;
        let late = Cell::new(false);
        run_while(&self.kernel, || {
            // So that the kernel does not wait for keys, that come of nobody.
            let _ = self.kernel.post(self.session, "tick", ());
            late.set(is_late());
            !late.get() && !is_so()
        });
        assert!(is_so(), "sees {:?}, and there was {:?}", self.person.sees(), self.log.take());
    }

    pub(crate) fn act(&self, act: impl FnOnce(&ReadLine) + 'static) {
        self.kernel.post(self.session, "do", Act(Box::new(act))).unwrap();
    }

    pub(crate) fn is_raw(&self) -> bool {
        !tcgetattr(&self.terminal).unwrap().local_modes.contains(LocalModes::ICANON)
    }

    pub(crate) fn end(self) -> Vec<String> {
        run(&self.kernel);
        assert!(!self.is_raw());
        self.log.take()
    }
}

/// Something to be done to the wheel in its session.
pub(crate) struct Act(pub(crate) Box<dyn FnOnce(&ReadLine)>);
