//! A program that has a wheel, for a test to have it do things.

use std::cell::Cell;
use std::fs::File;
use std::rc::Rc;
use std::time::{Duration, Instant};

use poe_session::prelude::*;
use poe_wheel::ratatui::crossterm::event::KeyCode;
use poe_wheel::ratatui::widgets::Paragraph;
use poe_wheel::{Curses, CursesBuilder, Input, IoError, TerminalInput};
use rustix::termios::{LocalModes, tcgetattr};

use crate::common::person::Person;
use crate::common::{Log, kernel, once, run, run_while};

pub(crate) type Typed = Input<TerminalInput>;

/// A session with a wheel, which logs what comes of it. `q` has it drop the wheel.
pub(crate) struct Program {
    pub(crate) kernel: Kernel,
    pub(crate) session: SessionId,
    pub(crate) log: Log,
}

impl Program {
    pub(crate) fn new(kernel: Kernel, builder: CursesBuilder) -> Self {
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
            .on_default(|_, _| {})
            .on_stop(move |_| stopped.push("stopped"))
            .spawn(&kernel)
            .unwrap();
        Self { kernel, session, log }
    }

    pub(crate) fn at(terminal: &Rc<File>) -> Self {
        Self::new(kernel(), builder(terminal))
    }

    pub(crate) fn act(&self, act: impl FnOnce(&Curses) + 'static) {
        self.kernel.post(self.session, "do", Act(Box::new(act))).unwrap();
    }

    /// Does something with the wheel, and returns what it made.
    pub(crate) fn ask<T: 'static>(&self, ask: impl FnOnce(&Curses) -> T + 'static) -> T {
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
    pub(crate) fn hold(&self, is_held: bool) {
        if is_held {
            self.kernel.refcount_increment(self.session, "test").unwrap();
        } else {
            self.kernel.refcount_decrement(self.session, "test").unwrap();
        }
    }

    pub(crate) fn write(&self, text: &'static str) {
        self.act(move |wheel| {
            wheel.draw(|frame| frame.render_widget(Paragraph::new(text), frame.area()));
        });
    }

    /// Goes on while a condition holds, though nobody types.
    pub(crate) fn go_on_while(&self, mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        run_while(&self.kernel, || {
            assert!(Instant::now() < deadline, "it does not come to pass");
            let _ = self.kernel.post(self.session, "tick", ());
            condition()
        });
    }

    pub(crate) fn until_seen(&self, person: &Person, screen: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        run_while(&self.kernel, || {
            let seen = person.sees();
            assert!(Instant::now() < deadline, "sees {seen:?}");
            let _ = self.kernel.post(self.session, "tick", ());
            seen != screen
        });
    }

    pub(crate) fn until_logged(&self, line: &str) {
        let log = self.log.clone();
        let mut lines = Vec::new();
        self.go_on_while(|| {
            lines.extend(log.take());
            !lines.iter().any(|logged| logged == line)
        });
    }

    pub(crate) fn end(self) -> Vec<String> {
        run(&self.kernel);
        self.log.take()
    }
}

/// Something to be done to the wheel in its session.
pub(crate) struct Act(pub(crate) Box<dyn FnOnce(&Curses)>);

pub(crate) fn builder(terminal: &Rc<File>) -> CursesBuilder {
    Curses::build_pair(Rc::clone(terminal), Rc::clone(terminal))
}

pub(crate) fn shown(input: &TerminalInput) -> String {
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

pub(crate) fn is_raw(terminal: &File) -> bool {
    !tcgetattr(terminal).unwrap().local_modes.contains(LocalModes::ICANON)
}
