//! The wheel itself, shared by its owner and the kernel's watches.

mod watches;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::rc::{Rc, Weak};
use std::time::Duration;

use nix::errno::Errno;
use poe_kernel::{
    Flush, Kernel, Mode, Name, NoActiveSession, Place, SessionId, TimerId, WatchId, WeakKernel,
};

use self::watches::{Escape, Idle, Reading, Writing};
use super::builder::Plan;
use super::decode::{Decoded, Decoder};
use super::edited::EditedLine;
use super::editor::{Completion, Editor, Effect, Exception};
use super::events::{PutMode, ReadLineEvent};
use super::inputrc::{self, InitFile};
use super::keymap::Keymaps;
use super::output::Output;
use super::plain::Plain;
use super::screen::{Screen, Size};
use super::stroke::Stroke;
use super::terminal::{self, RawMode};
use crate::unset::Unset;
use crate::{Input, IoCause, IoError, WheelError, WheelId};

pub(super) type Added = Rc<dyn Fn(&mut EditedLine)>;
pub(super) type Completer = Rc<dyn Fn(&Completion) -> Vec<String>>;

/// One read takes no more, so that a paste cannot hold the loop.
const AT_ONCE: usize = 16 * 1024;

/// What is shown next is below the line.
const LAST_WORDS: &str = "\r\n\x1B[?2004l";

pub(super) struct Wheel {
    this: Weak<Self>,
    kernel: WeakKernel,
    pub(super) session: SessionId,
    /// The line that made it.
    since: Place,
    pub(super) id: WheelId,
    input: Rc<dyn AsFd>,
    output: Output,
    /// Both ends are terminals that can be drawn on.
    pub(super) is_edited: bool,
    shows_prompt: bool,
    events: Cell<Events>,
    pub(super) put_mode: Cell<PutMode>,
    idle_time: Duration,
    escape_time: Duration,
    pub(super) editor: RefCell<Editor>,
    pub(super) functions: RefCell<HashMap<String, Added>>,
    pub(super) completer: RefCell<Option<Completer>>,
    /// The one that was read last.
    init_file: RefCell<InitFile>,
    screen: RefCell<Screen>,
    decoder: RefCell<Decoder>,
    strokes: RefCell<VecDeque<Stroke>>,
    plain: RefCell<Plain>,
    prompt: RefCell<String>,
    /// Lines that were put, and wait to be shown.
    held: RefCell<Vec<String>>,
    errors: RefCell<Vec<IoError>>,
    raw: RefCell<Option<RawMode>>,
    read_watch: Cell<Option<WatchId>>,
    write_watch: Cell<Option<WatchId>>,
    escape_timer: Cell<TimerId>,
    idle_timer: Cell<TimerId>,
    reading: Cell<bool>,
    /// The number of the line that is asked for.
    line: Cell<u64>,
    working: Cell<bool>,
    scheduled: Cell<bool>,
    /// Something was put, and nobody told yet that all is shown.
    owes_flushed: Cell<bool>,
    ended: Cell<bool>,
}

/// The names of a wheel's events.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Events {
    pub(super) input: Option<Name>,
    pub(super) error: Option<Name>,
    pub(super) flushed: Option<Name>,
}

impl Wheel {
    #[track_caller]
    pub(super) fn begin(kernel: &Kernel, plan: Plan) -> Result<Rc<Self>, WheelError> {
        let session = kernel.active_session();
        if session.is_kernel() {
            return Err(NoActiveSession("a ReadLine wheel").into());
        }
        let is_edited = terminal::is_terminal(&*plan.input)
            && terminal::is_terminal(&*plan.output)
            && plan.terminal != "dumb";
        let shows_prompt = terminal::is_terminal(&*plan.input);
        let (input, output) = match is_edited {
            true => terminal::own(plan.input, plan.output),
            false => (plan.input, plan.output),
        };
        let since = kernel.place();
        Ok(Rc::new_cyclic(|this: &Weak<Self>| Self {
            this: Weak::clone(this),
            kernel: kernel.downgrade(),
            session,
            since,
            id: WheelId::allocate(),
            input,
            output: Output::new(output),
            is_edited,
            shows_prompt,
            events: Cell::new(plan.events),
            put_mode: Cell::new(plan.put_mode),
            idle_time: plan.idle_time,
            escape_time: plan.escape_time,
            editor: RefCell::new(Editor::new(&plan.application)),
            functions: RefCell::new(plan.functions),
            completer: RefCell::new(plan.completer),
            init_file: RefCell::new(plan.init_file),
            screen: RefCell::default(),
            decoder: RefCell::default(),
            strokes: RefCell::default(),
            plain: RefCell::default(),
            prompt: RefCell::new("> ".to_owned()),
            held: RefCell::default(),
            errors: RefCell::default(),
            raw: RefCell::default(),
            read_watch: Cell::default(),
            write_watch: Cell::default(),
            escape_timer: Cell::new(TimerId::NONE),
            idle_timer: Cell::new(TimerId::NONE),
            reading: Cell::default(),
            line: Cell::default(),
            working: Cell::default(),
            scheduled: Cell::default(),
            owes_flushed: Cell::default(),
            ended: Cell::default(),
        }))
    }

    pub(super) fn rename(&self, event: ReadLineEvent, name: Option<Name>) {
        let mut events = self.events.get();
        match event {
            ReadLineEvent::Input => events.input = name,
            ReadLineEvent::Error => events.error = name,
            ReadLineEvent::Flushed => events.flushed = name,
        }
        self.events.set(events);
    }

    /// Asks for a line, or changes the prompt of the one that is being typed.
    pub(super) fn get(&self, prompt: Option<&str>) {
        if self.ended.get() {
            return;
        }
        let is_new = prompt.is_some_and(|prompt| prompt != *self.prompt.borrow());
        if let Some(prompt) = prompt {
            prompt.clone_into(&mut self.prompt.borrow_mut());
        }
        if self.reading.get() {
            if !self.is_edited && self.shows_prompt && is_new {
                self.send(&self.prompt.borrow());
            }
            return self.draw_later();
        }
        // What was put before is above the prompt.
        let held = self.held.take();
        self.show(&held);
        self.reading.set(true);
        self.line.set(self.line.get() + 1);
        if self.is_edited {
            self.look_at_size();
            self.editor.borrow_mut().begin();
            self.enter_raw_mode();
        } else if self.shows_prompt {
            self.send(&self.prompt.borrow());
        }
        // Unless the terminal has gone meanwhile.
        if self.reading.get() {
            self.watch();
        }
        self.schedule();
    }

    pub(super) fn put(&self, line: &str) {
        if self.ended.get() {
            return;
        }
        self.owes_flushed.set(true);
        if self.is_edited {
            self.held.borrow_mut().push(line.to_owned());
        } else {
            self.send(&format!("{line}\n"));
        }
        self.schedule();
    }

    /// What was put, and has not gone yet.
    pub(super) fn octets(&self) -> usize {
        let held = self.held.borrow();
        held.iter().map(|line| line.len() + 2).sum::<usize>() + self.output.octets()
    }

    pub(super) fn clear(&self) {
        if self.is_edited && !self.ended.get() {
            let mut out = String::new();
            self.screen.borrow_mut().clear(&mut out);
            self.send(&out);
            self.draw_later();
        }
    }

    pub(super) fn is_reading(&self) -> bool {
        self.reading.get()
    }

    /// Looks at the terminal's size and mode anew, and draws.
    pub(super) fn refresh(&self) {
        if !self.is_edited || self.ended.get() {
            return;
        }
        if self.reading.get() {
            let mut out = String::new();
            self.screen.borrow_mut().wipe(&mut out);
            self.look_at_size();
            // Whoever stopped the program may have changed the mode; the one to restore is the one from before.
            let again = self.raw.borrow().as_ref().map(RawMode::again);
            if let Some(Err(error)) = again {
                self.fail("tcsetattr", IoCause::Os(error));
            }
            out.push_str("\x1B[?2004h");
            self.send(&out);
            self.draw();
        } else {
            self.look_at_size();
        }
    }

    pub(super) fn size(&self) -> (usize, usize) {
        let size = self.terminal_size();
        (size.columns, size.rows)
    }

    fn look_at_size(&self) {
        let size = self.terminal_size();
        self.screen.borrow_mut().resize(size);
    }

    fn terminal_size(&self) -> Size {
        terminal::size(&**self.output.handle()).unwrap_or_else(|| self.screen.borrow().size())
    }

    /// Binds all keys as at first before.
    pub(super) fn reread_init_file(&self, file: InitFile) {
        self.editor.borrow_mut().maps = Keymaps::default();
        self.init_file.replace(file);
        self.read_init_file();
    }

    pub(super) fn read_init_file(&self) {
        let Some(path) = self.init_file.borrow().path() else { return };
        let terminal = std::env::var("TERM").unwrap_or_default();
        let mut editor = self.editor.borrow_mut();
        let is_added = |name: &str| self.functions.borrow().contains_key(name);
        let parsed = inputrc::read(&path, &editor.about(&terminal), &is_added);
        editor.apply(parsed.directives);
        drop(editor);
        parsed.complaints.iter().for_each(|line| self.put(line));
    }

    pub(super) fn end(&self) {
        if self.ended.replace(true) {
            return;
        }
        if self.is_edited {
            let mut out = String::new();
            if self.reading.get() {
                self.draw_into(&mut out);
                self.screen.borrow_mut().leave(&mut out);
                out.push_str("\x1B[?2004l");
            }
            for line in self.held.take() {
                out.push_str(&line.replace('\n', "\r\n"));
                out.push_str("\r\n");
            }
            self.output.push(&out);
        }
        self.stop();
        self.stop_writing();
        self.output.end();
        *self.raw.borrow_mut() = None;
    }

    /// Nothing is read any more.
    fn stop(&self) {
        self.reading.set(false);
        let Some(kernel) = self.kernel.upgrade() else { return };
        if let Some(watch) = self.read_watch.take() {
            kernel.unwatch(watch);
        }
        kernel.cancel_call(self.escape_timer.replace(TimerId::NONE));
        kernel.cancel_call(self.idle_timer.replace(TimerId::NONE));
    }

    fn watch(&self) {
        let Some(kernel) = self.kernel.upgrade() else { return };
        if self.read_watch.get().is_none() {
            let reading = Reading { wheel: Weak::clone(&self.this), line: self.line.get() };
            let reading = Rc::new(reading);
            let input = Rc::clone(&self.input);
            let begin = || kernel.watch(self.session, input, Mode::Read, reading);
            match kernel.made_at(self.since, begin) {
                Ok(watch) => self.read_watch.set(Some(watch)),
                Err(error) => self.give_up("read", IoCause::Os(io::Error::other(error))),
            }
        }
    }

    fn enter_raw_mode(&self) {
        match RawMode::enter(&self.input) {
            Ok(raw) => {
                raw.set_last_words(self.output.handle(), LAST_WORDS);
                *self.raw.borrow_mut() = Some(raw);
                self.send("\x1B[?2004h");
                self.draw();
            }
            Err(error) => self.give_up("tcsetattr", IoCause::Os(error)),
        }
    }

    fn receive(&self, kernel: &Kernel) {
        let mut room = [0; AT_ONCE];
        let count = match nix::unistd::read(&self.input, &mut room) {
            Ok(count) => count,
            Err(Errno::EAGAIN | Errno::EINTR) => return,
            Err(error) => {
                self.give_up("read", IoCause::Os(error.into()));
                return self.tell_errors(kernel);
            }
        };
        if self.is_edited {
            if count == 0 {
                self.give_up(
                    "read",
                    IoCause::Eof { unfinished: self.editor.borrow().text().len() },
                );
                return self.tell_errors(kernel);
            }
            let mut strokes = self.strokes.borrow_mut();
            let take = |decoded: Decoded<'_>| strokes.extend(Stroke::of(decoded));
            self.decoder.borrow_mut().feed(&room[..count], take);
            drop(strokes);
            self.restart_idle_timer(kernel);
        } else if count == 0 {
            self.plain.borrow_mut().end();
        } else {
            self.plain.borrow_mut().feed(&room[..count]);
        }
        self.work(kernel);
    }

    /// Does what was typed, until a line is done and nobody asks for another.
    fn work(&self, kernel: &Kernel) {
        if self.working.replace(true) {
            return;
        }
        let _working = Unset(&self.working);
        // Those who do not hear of another size, see it with the next key.
        if self.is_edited
            && self.reading.get()
            && !self.ended.get()
            && self.screen.borrow().size() != self.terminal_size()
        {
            self.refresh();
        }
        while self.reading.get() && !self.ended.get() {
            if !self.is_edited {
                let Some(line) = self.plain.borrow_mut().next() else { break };
                self.stop();
                self.tell(kernel, line.map_err(|()| Exception::Eot));
                continue;
            }
            // What is left of a macro comes before what is typed.
            let mut effects = self.editor.borrow_mut().go_on();
            if effects.is_empty() {
                let mut editor = self.editor.borrow_mut();
                let mut strokes = self.strokes.borrow_mut();
                editor.go_on_inserting(&mut strokes);
                let Some(stroke) = strokes.pop_front() else { break };
                effects = editor.typed(stroke);
            }
            while !effects.is_empty() && !self.ended.get() {
                for effect in effects {
                    self.do_effect(kernel, effect);
                }
                effects =
                    if self.reading.get() { self.editor.borrow_mut().go_on() } else { Vec::new() };
            }
        }
        if self.ended.get() || !self.is_edited {
            return;
        }
        self.wait_for_rest_of_key(kernel);
        self.draw();
    }

    fn do_effect(&self, kernel: &Kernel, effect: Effect) {
        // A function of the program may have dropped the wheel.
        if self.ended.get() {
            return;
        }
        match effect {
            Effect::Accept => {
                let line = self.editor.borrow().text().to_owned();
                self.finish("");
                self.tell(kernel, Ok(line));
            }
            Effect::Except(exception) => {
                self.finish(match exception {
                    Exception::Interrupt => "^C",
                    Exception::Cancel => "^G",
                    Exception::Eot => "^D",
                });
                self.tell(kernel, Err(exception));
            }
            Effect::Bell => {
                let style = self.editor.borrow().settings.get("bell-style").to_owned();
                match style.as_str() {
                    "none" => {}
                    "visible" => self.send("\x1B[?5h\x1B[?5l"),
                    _ => self.send("\x07"),
                }
            }
            Effect::Clear => self.clear(),
            Effect::Redraw => self.refresh(),
            Effect::Print(lines) => self.show(&lines),
            Effect::Suspend => self.suspend(),
            Effect::Complete(asked, how) => {
                let completer = self.completer.borrow().clone();
                let words = completer.map_or_else(Vec::new, |complete| complete(&asked));
                let columns = self.screen.borrow().size().columns;
                let effects = self.editor.borrow_mut().completed(&asked, how, words, columns);
                effects.into_iter().for_each(|effect| self.do_effect(kernel, effect));
            }
            Effect::Call(name, key) => {
                let function = self.functions.borrow().get(&*name).cloned();
                let editor = self.editor.borrow();
                let mut line = EditedLine::new(editor.text(), editor.cursor(), key);
                drop(editor);
                if let Some(function) = function {
                    function(&mut line);
                }
                self.editor.borrow_mut().set_text(line.text(), line.cursor());
                let number = self.line.get();
                for function in line.functions() {
                    // The one before may have ended the line.
                    if !self.reading.get() || self.line.get() != number {
                        break;
                    }
                    let effects = self.editor.borrow_mut().call(*function, key);
                    effects.into_iter().for_each(|effect| self.do_effect(kernel, effect));
                }
            }
            Effect::ReadInitFile => {
                let file = self.init_file.borrow().clone();
                if file == InitFile::No {
                    self.do_effect(kernel, Effect::Bell);
                } else {
                    self.reread_init_file(file);
                }
            }
        }
    }

    /// The line is done: it stays, and what comes next is below it.
    fn finish(&self, shown_behind: &str) {
        let mut out = String::new();
        let editor = self.editor.borrow();
        let line = format!("{}{shown_behind}", editor.text());
        let mut screen = self.screen.borrow_mut();
        screen.draw(&self.prompt.borrow(), &line, line.len(), &mut out);
        screen.leave(&mut out);
        drop((editor, screen));
        out.push_str("\x1B[?2004l");
        self.send(&out);
        self.stop();
        let held = self.held.take();
        self.show(&held);
        *self.raw.borrow_mut() = None;
    }

    /// Shows lines where the prompt was, and the prompt below them.
    fn show(&self, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        let mut out = String::new();
        self.screen.borrow_mut().wipe(&mut out);
        for line in lines {
            out.push_str(&line.replace("\r\n", "\n").replace('\n', "\r\n"));
            out.push_str("\r\n");
        }
        self.draw_into(&mut out);
        self.send(&out);
        self.schedule();
    }

    fn draw(&self) {
        let mut out = String::new();
        self.draw_into(&mut out);
        self.send(&out);
    }

    fn draw_into(&self, out: &mut String) {
        if self.reading.get() && self.is_edited {
            let editor = self.editor.borrow();
            let mut screen = self.screen.borrow_mut();
            match editor.prompt() {
                Some(prompt) => screen.draw(&prompt, editor.text(), editor.cursor(), out),
                None => screen.draw(&self.prompt.borrow(), editor.text(), editor.cursor(), out),
            }
        }
    }

    fn suspend(&self) {
        let mut out = String::new();
        self.screen.borrow_mut().leave(&mut out);
        out.push_str("\x1B[?2004l");
        self.send(&out);
        *self.raw.borrow_mut() = None;
        if let Err(error) = terminal::suspend() {
            self.fail("kill", IoCause::Os(error));
        }
        self.look_at_size();
        self.enter_raw_mode();
    }

    fn wait_for_rest_of_key(&self, kernel: &Kernel) {
        kernel.cancel_call(self.escape_timer.replace(TimerId::NONE));
        if self.reading.get() && self.decoder.borrow().is_waiting() {
            let timer = Rc::new(Escape(Weak::clone(&self.this)));
            let begin = || kernel.call_later(self.session, self.escape_time, timer);
            self.escape_timer.set(kernel.made_at(self.since, begin));
        }
    }

    /// While keys come, what is put waits.
    fn restart_idle_timer(&self, kernel: &Kernel) {
        if self.put_mode.get() == PutMode::Idle {
            kernel.cancel_call(self.idle_timer.get());
            let timer = Rc::new(Idle(Weak::clone(&self.this)));
            let begin = || kernel.call_later(self.session, self.idle_time, timer);
            self.idle_timer.set(kernel.made_at(self.since, begin));
        }
    }

    fn may_show(&self) -> bool {
        !self.reading.get()
            || match self.put_mode.get() {
                PutMode::Immediate => true,
                PutMode::Idle => self.idle_timer.get() == TimerId::NONE,
                PutMode::After => false,
            }
    }

    fn tell(&self, kernel: &Kernel, record: Result<String, Exception>) {
        if let Some(event) = self.events.get().input
            && !self.ended.get()
        {
            kernel.deliver_event(self.session, event, Input::new(record, self.id));
        }
    }

    fn tell_errors(&self, kernel: &Kernel) {
        for error in self.errors.take() {
            if let Some(event) = self.events.get().error
                && !self.ended.get()
            {
                kernel.deliver_event(self.session, event, error);
            }
        }
    }

    fn fail(&self, operation: &'static str, cause: IoCause) {
        self.errors.borrow_mut().push(IoError::new(operation, cause, self.id));
        self.schedule();
    }

    fn give_up(&self, operation: &'static str, cause: IoCause) {
        self.stop();
        self.screen.borrow_mut().forget();
        *self.raw.borrow_mut() = None;
        self.fail(operation, cause);
    }

    fn send(&self, text: &str) {
        self.output.push(text);
        if self.write_watch.get().is_none() {
            self.write();
        }
    }

    /// Writes what is taken at once; the kernel tells when more is.
    fn write(&self) {
        match self.output.write() {
            Ok(true) => self.stop_writing(),
            Ok(false) if self.write_watch.get().is_some() => {}
            Ok(false) => {
                let Some(kernel) = self.kernel.upgrade() else { return };
                let writing = Rc::new(Writing(Weak::clone(&self.this)));
                let handle = Rc::clone(self.output.handle());
                let begin = || kernel.watch(self.session, handle, Mode::Write, writing);
                match kernel.made_at(self.since, begin) {
                    Ok(watch) => self.write_watch.set(Some(watch)),
                    Err(error) => self.fail("write", IoCause::Os(io::Error::other(error))),
                }
            }
            Err(error) => {
                self.stop_writing();
                self.fail("write", IoCause::Os(error));
            }
        }
    }

    fn stop_writing(&self) {
        if let (Some(kernel), Some(watch)) = (self.kernel.upgrade(), self.write_watch.take()) {
            kernel.unwatch(watch);
        }
    }

    /// Tells that all that was put is shown, if it is.
    fn tell_flushed(&self, kernel: &Kernel) {
        if self.octets() == 0
            && !self.ended.get()
            && self.owes_flushed.take()
            && let Some(event) = self.events.get().flushed
        {
            kernel.deliver_event(self.session, event, self.id);
        }
    }

    fn draw_later(&self) {
        if !self.working.get() {
            self.schedule();
        }
    }

    /// Has the kernel flush this at the end of the turn.
    fn schedule(&self) {
        if !self.ended.get()
            && !self.scheduled.replace(true)
            && let Some(kernel) = self.kernel.upgrade()
        {
            let this: Weak<dyn Flush> = self.this.clone();
            kernel.flush_later(self.session, this);
        }
    }
}

impl Flush for Wheel {
    fn flush(&self, kernel: &Kernel) {
        self.scheduled.set(false);
        if self.ended.get() {
            return;
        }
        self.tell_errors(kernel);
        if self.may_show() {
            let held = self.held.take();
            self.show(&held);
        }
        if !self.ended.get() {
            self.work(kernel);
        }
        self.tell_flushed(kernel);
    }
}

impl fmt::Debug for Wheel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadLine")
            .field("id", &self.id)
            .field("session", &self.session)
            .field("is_edited", &self.is_edited)
            .field("reading", &self.reading.get())
            .finish_non_exhaustive()
    }
}
