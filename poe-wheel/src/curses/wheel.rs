//! The wheel itself, shared by its owner and the kernel's watches.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::rc::{Rc, Weak};
use std::time::Duration;

use nix::errno::Errno;
use poe_kernel::{
    Flush, Kernel, Mode, Name, NoActiveSession, Place, SessionId, Timeout, TimerId, Watch, WatchId,
    WeakKernel,
};
use ratatui::Frame;
use ratatui::layout::Size;

use super::builder::Plan;
use super::canvas::{Canvas, limited};
use super::decode::input;
use super::events::{CursesEvent, TerminalInput};
use super::modes::Modes;
use super::screen::Screen;
use super::taken::Taken;
use crate::read_line::decode::{Decoded, Decoder};
use crate::read_line::terminal;
use crate::unset::Unset;
use crate::{Input, IoCause, IoError, WheelError, WheelId};

/// One read takes no more, so that a paste cannot hold the loop.
const AT_ONCE: usize = 16 * 1024;

pub(super) struct Wheel {
    this: Weak<Self>,
    kernel: WeakKernel,
    pub(super) session: SessionId,
    /// The line that made it.
    since: Place,
    pub(super) id: WheelId,
    input: Rc<dyn AsFd>,
    output: Rc<dyn AsFd>,
    modes: Modes,
    input_event: Cell<Option<Name>>,
    error_event: Cell<Option<Name>>,
    escape_time: Duration,
    /// The size was given, and nobody asks the terminal.
    is_size_given: Cell<bool>,
    canvas: RefCell<Option<Canvas>>,
    screen: RefCell<Screen>,
    decoder: RefCell<Decoder>,
    inputs: RefCell<VecDeque<TerminalInput>>,
    errors: RefCell<Vec<IoError>>,
    /// The terminal, but while the wheel is suspended.
    taken: RefCell<Option<Taken>>,
    /// How often it was taken.
    takings: Cell<u64>,
    /// It has still to be told what is wanted of it.
    is_new: Cell<bool>,
    /// It has been told.
    is_entered: Cell<bool>,
    read_watch: Cell<Option<WatchId>>,
    write_watch: Cell<Option<WatchId>>,
    escape_timer: Cell<TimerId>,
    /// Keeps the session until it has been told of what failed.
    telling_timer: Cell<TimerId>,
    working: Cell<bool>,
    scheduled: Cell<bool>,
    failed: Cell<bool>,
    ended: Cell<bool>,
}

impl Wheel {
    #[track_caller]
    pub(super) fn begin(kernel: &Kernel, plan: Plan) -> Result<Rc<Self>, WheelError> {
        let session = kernel.active_session();
        if session.is_kernel() {
            return Err(NoActiveSession("a Curses wheel").into());
        }
        let size = plan.size.unwrap_or_else(|| size_of(&*plan.output));
        let since = kernel.place();
        let wheel = Rc::new_cyclic(|this: &Weak<Self>| Self {
            this: Weak::clone(this),
            kernel: kernel.downgrade(),
            session,
            since,
            id: WheelId::allocate(),
            input: plan.input,
            output: plan.output,
            modes: plan.modes,
            input_event: Cell::new(plan.input_event),
            error_event: Cell::new(plan.error_event),
            escape_time: plan.escape_time,
            is_size_given: Cell::new(plan.size.is_some()),
            canvas: RefCell::default(),
            screen: RefCell::new(Screen::new(limited(size))),
            decoder: RefCell::default(),
            inputs: RefCell::default(),
            errors: RefCell::default(),
            taken: RefCell::default(),
            takings: Cell::default(),
            is_new: Cell::default(),
            is_entered: Cell::default(),
            read_watch: Cell::default(),
            write_watch: Cell::default(),
            escape_timer: Cell::new(TimerId::NONE),
            telling_timer: Cell::new(TimerId::NONE),
            working: Cell::default(),
            scheduled: Cell::default(),
            failed: Cell::default(),
            ended: Cell::default(),
        });
        wheel
            .enter(kernel)
            .map_err(|(operation, source)| WheelError::Terminal { operation, source })?;
        Ok(wheel)
    }

    pub(super) fn rename(&self, event: CursesEvent, name: Option<Name>) {
        match event {
            CursesEvent::Input => self.input_event.set(name),
            CursesEvent::Error => self.error_event.set(name),
        }
    }

    pub(super) fn draw(&self, render: impl FnOnce(&mut Frame<'_>)) {
        // The frame that is being drawn would cover one that is drawn meanwhile.
        let Ok(mut canvas) = self.canvas.try_borrow_mut() else { return };
        let size = self.size();
        if self.failed.get() || self.ended.get() || size.width == 0 || size.height == 0 {
            return;
        }
        if canvas.as_ref().is_none_or(|canvas| canvas.size() != size) {
            *canvas = None;
        }
        let canvas = canvas.get_or_insert_with(|| Canvas::new(size));
        let mut is_shown = false;
        let cursor = canvas.draw(render, |cells| is_shown = self.screen.borrow_mut().show(cells));
        if is_shown {
            self.screen.borrow_mut().show_cursor(cursor);
            self.schedule();
        }
    }

    pub(super) fn size(&self) -> Size {
        self.screen.borrow().size()
    }

    pub(super) fn set_size(&self, size: Size) {
        self.is_size_given.set(true);
        self.resize(size);
    }

    /// Looks at the terminal's size and mode anew, and draws all of it.
    pub(super) fn refresh(&self) {
        let taken = self.taken.borrow();
        let Some(taken) = &*taken else { return };
        // Whoever stopped the program may have changed the mode; the one to restore is the one from before.
        if let Err(error) = taken.again() {
            self.fail("tcsetattr", IoCause::Os(error));
        }
        self.begin_screen();
    }

    pub(super) fn is_suspended(&self) -> bool {
        self.taken.borrow().is_none()
    }

    pub(super) fn suspend(&self) {
        self.leave();
    }

    pub(super) fn resume(&self) {
        if self.failed.get() || self.ended.get() || !self.is_suspended() {
            return;
        }
        let Some(kernel) = self.kernel.upgrade() else { return };
        if let Err((operation, error)) = self.enter(&kernel) {
            self.give_up(operation, IoCause::Os(error));
        }
    }

    pub(super) fn suspend_program(&self) {
        let was_suspended = self.is_suspended();
        self.leave();
        if let Err(error) = terminal::suspend() {
            self.fail("kill", IoCause::Os(error));
        }
        if !was_suspended {
            self.resume();
        }
    }

    pub(super) fn end(&self) {
        if self.ended.replace(true) {
            return;
        }
        self.leave();
        if let Some(kernel) = self.kernel.upgrade() {
            kernel.cancel_call(self.telling_timer.replace(TimerId::NONE));
        }
    }

    fn enter(&self, kernel: &Kernel) -> Result<(), (&'static str, io::Error)> {
        self.takings.set(self.takings.get() + 1);
        let reading = Reading { wheel: Weak::clone(&self.this), taking: self.takings.get() };
        let taken = Taken::new(&self.input, &self.output)?;
        let begin = || kernel.watch(self.session, taken.input(), Mode::Read, Rc::new(reading));
        let watch =
            kernel.made_at(self.since, begin).map_err(|error| ("read", io::Error::other(error)))?;
        self.read_watch.set(Some(watch));
        *self.taken.borrow_mut() = Some(taken);
        self.begin_screen();
        Ok(())
    }

    fn begin_screen(&self) {
        if !self.is_size_given.get() {
            self.resize(size_of(&*self.output));
        }
        self.is_new.set(true);
        self.screen.borrow_mut().forget();
        self.schedule();
    }

    /// Gives the terminal back as it was.
    fn leave(&self) {
        let Some(taken) = self.taken.take() else { return };
        if let Some(kernel) = self.kernel.upgrade() {
            let watches = [self.read_watch.take(), self.write_watch.take()];
            watches.into_iter().flatten().for_each(|watch| kernel.unwatch(watch));
            kernel.cancel_call(self.escape_timer.replace(TimerId::NONE));
        }
        if !self.failed.get() {
            let mut inputs = self.inputs.borrow_mut();
            self.decoder.borrow_mut().break_off(|decoded| inputs.push_back(input(decoded)));
        }
        if self.is_entered.take() {
            // What nobody will see must not keep the terminal from being told to go back.
            if self.modes.alternate_screen {
                taken.output().discard();
            }
            taken.output().push(self.last_words());
        }
        taken.output().end();
    }

    fn resize(&self, size: Size) {
        let size = limited(size);
        if size == self.size() {
            return;
        }
        *self.screen.borrow_mut() = Screen::new(size);
        let mut inputs = self.inputs.borrow_mut();
        inputs.retain(|input| !matches!(input, TerminalInput::Resize { .. }));
        inputs.push_back(TerminalInput::Resize { columns: size.width, rows: size.height });
        drop(inputs);
        if self.is_entered.get() {
            self.prepare_exit();
        }
        self.schedule();
    }

    /// Has the terminal given back should the process exit.
    fn prepare_exit(&self) {
        if let Some(taken) = &*self.taken.borrow() {
            taken.set_last_words(self.last_words());
        }
    }

    /// What the terminal is told when it is given back.
    fn last_words(&self) -> Vec<u8> {
        let mut words = Vec::new();
        self.modes.leave(self.size(), &mut words);
        words
    }

    fn receive(&self, kernel: &Kernel) {
        let Some(handle) = self.taken.borrow().as_ref().map(Taken::input) else { return };
        let mut room = [0; AT_ONCE];
        match nix::unistd::read(&handle, &mut room) {
            Ok(0) => {
                let mut inputs = self.inputs.borrow_mut();
                self.decoder.borrow_mut().time_out(|decoded| inputs.push_back(input(decoded)));
                drop(inputs);
                let unfinished = self.decoder.borrow().pending();
                self.give_up("read", IoCause::Eof { unfinished });
            }
            Ok(count) => {
                let mut inputs = self.inputs.borrow_mut();
                let take = |decoded: Decoded<'_>| inputs.push_back(input(decoded));
                self.decoder.borrow_mut().feed(&room[..count], take);
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(error) => self.give_up("read", IoCause::Os(error.into())),
        }
        self.work(kernel);
        self.wait_for_rest(kernel);
    }

    /// Hands on what has come.
    fn work(&self, kernel: &Kernel) {
        if self.working.replace(true) {
            return;
        }
        let _working = Unset(&self.working);
        while !self.ended.get() && (self.failed.get() || !self.is_suspended()) {
            let Some(input) = self.inputs.borrow_mut().pop_front() else { break };
            if let Some(event) = self.input_event.get() {
                kernel.deliver_event(self.session, event, Input::new(input, self.id));
            }
        }
        for error in self.errors.take() {
            if let Some(event) = self.error_event.get()
                && !self.ended.get()
            {
                kernel.deliver_event(self.session, event, error);
            }
        }
    }

    /// What may be the beginning of a key's sequence is a key of its own if nothing follows.
    fn wait_for_rest(&self, kernel: &Kernel) {
        kernel.cancel_call(self.escape_timer.replace(TimerId::NONE));
        if !self.is_suspended() && self.decoder.borrow().is_waiting() {
            let timer = Rc::new(Escape(Weak::clone(&self.this)));
            let begin = || kernel.call_later(self.session, self.escape_time, timer);
            self.escape_timer.set(kernel.made_at(self.since, begin));
        }
    }

    /// Sends what the terminal takes of what it is to show.
    fn send(&self, kernel: &Kernel) {
        let Some(output) = self.taken.borrow().as_ref().map(|taken| Rc::clone(taken.output()))
        else {
            return;
        };
        let mut written = output.write();
        if let Ok(true) = written {
            let mut next = Vec::new();
            if self.is_new.take() {
                self.modes.enter(&mut next);
                self.is_entered.set(true);
                self.prepare_exit();
            }
            self.screen.borrow_mut().update(&mut next);
            output.push(next);
            written = output.write();
        }
        match (written, self.write_watch.get()) {
            (Ok(true), Some(watch)) => {
                self.write_watch.set(None);
                kernel.unwatch(watch);
            }
            (Ok(false), None) => {
                let writing = Rc::new(Writing(Weak::clone(&self.this)));
                let handle = Rc::clone(output.handle());
                let begin = || kernel.watch(self.session, handle, Mode::Write, writing);
                match kernel.made_at(self.since, begin) {
                    Ok(watch) => self.write_watch.set(Some(watch)),
                    Err(error) => self.give_up("write", IoCause::Os(io::Error::other(error))),
                }
            }
            (Err(error), _) => self.give_up("write", IoCause::Os(error)),
            (Ok(true), None) | (Ok(false), Some(_)) => {}
        }
    }

    fn fail(&self, operation: &'static str, cause: IoCause) {
        self.errors.borrow_mut().push(IoError::new(operation, cause, self.id));
        if let Some(kernel) = self.kernel.upgrade()
            && self.telling_timer.get() == TimerId::NONE
        {
            let timer = Rc::new(Telling(Weak::clone(&self.this)));
            let begin = || kernel.call_later(self.session, Duration::ZERO, timer);
            self.telling_timer.set(kernel.made_at(self.since, begin));
        }
    }

    fn give_up(&self, operation: &'static str, cause: IoCause) {
        self.failed.set(true);
        self.leave();
        self.fail(operation, cause);
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

/// What the kernel holds while the wheel has the terminal. It lets go of it when the session ends, and so does the terminal.
struct Reading {
    wheel: Weak<Wheel>,
    taking: u64,
}

impl Watch for Reading {
    fn ready(&self, kernel: &Kernel, _: Mode) {
        if let Some(wheel) = self.wheel.upgrade() {
            wheel.receive(kernel);
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(wheel) = self.wheel.upgrade()
            && wheel.takings.get() == self.taking
            && !wheel.is_suspended()
        {
            wheel.end();
        }
    }
}

/// Tells a wheel that the terminal takes something again.
struct Writing(Weak<Wheel>);

impl Watch for Writing {
    fn ready(&self, kernel: &Kernel, _: Mode) {
        if let Some(wheel) = self.0.upgrade() {
            wheel.send(kernel);
        }
    }
}

impl Flush for Wheel {
    fn flush(&self, kernel: &Kernel) {
        self.scheduled.set(false);
        self.work(kernel);
        if !self.ended.get() && self.write_watch.get().is_none() {
            self.send(kernel);
        }
    }
}

/// Tells a wheel that no more of a key has come.
struct Escape(Weak<Wheel>);

impl Timeout for Escape {
    fn timed_out(&self, kernel: &Kernel) {
        if let Some(wheel) = self.0.upgrade() {
            wheel.escape_timer.set(TimerId::NONE);
            let mut inputs = wheel.inputs.borrow_mut();
            wheel.decoder.borrow_mut().time_out(|decoded| inputs.push_back(input(decoded)));
            drop(inputs);
            wheel.work(kernel);
        }
    }
}

/// Tells a session what a method of its wheel has found out.
struct Telling(Weak<Wheel>);

impl Timeout for Telling {
    fn timed_out(&self, kernel: &Kernel) {
        if let Some(wheel) = self.0.upgrade() {
            wheel.telling_timer.set(TimerId::NONE);
            wheel.work(kernel);
        }
    }
}

/// What the terminal says.
fn size_of(output: &dyn AsFd) -> Size {
    let terminal::Size { columns, rows } = terminal::size(output).unwrap_or_default();
    let narrow = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
    Size::new(narrow(columns), narrow(rows))
}

impl fmt::Debug for Wheel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Curses")
            .field("id", &self.id)
            .field("session", &self.session)
            .field("size", &self.size())
            .field("is_suspended", &self.is_suspended())
            .finish_non_exhaustive()
    }
}
