//! A person at a pseudo-terminal, and a program that asks for lines there.

use std::cell::Cell;
use std::fs::File;
use std::rc::Rc;
use std::time::{Duration, Instant};

use poe_session::prelude::*;
use poe_wheel::{Exception, Input, IoError, PutMode, ReadLine, ReadLineBuilder, WheelId};
use rustix::termios::{LocalModes, tcgetattr};

pub(crate) use crate::common::person::Person;
use crate::common::{Log, kernel, run, run_while};

pub(crate) type Typed = Input<Result<String, Exception>>;

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
            .on_default(|_, _| {})
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
        let deadline = Instant::now() + Duration::from_secs(60);
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
