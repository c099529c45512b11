//! The wheel itself, shared by its owner, the kernel's watches, and whoever tells of changes.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::time::Duration;

use poe_driver::{Driver, SysRw};
use poe_kernel::{
    Flush, Kernel, Mode, Name, Place, SessionId, Timeout, TimerId, Watch, WatchError, WatchId,
    WeakKernel,
};

use super::FollowTailEvent;
use super::generation::{Generation, Opened, Renew, Source};
use super::moves::Moves;
use super::notifier::{Change, Notified, Notifier, Subscription};
use super::position::Position;
use super::start::Start;
use super::tail::Identity;
use crate::{IoCause, IoError, WheelError, WheelId};

/// The names of a wheel's events.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Events {
    pub(super) input: Option<Name>,
    pub(super) partial: Option<Name>,
    pub(super) error: Option<Name>,
    pub(super) reset: Option<Name>,
    pub(super) idle: Option<Name>,
}

/// What is followed, and how.
pub(super) struct Plan<In: 'static> {
    pub(super) filter: Box<dyn Renew<In>>,
    pub(super) driver: Option<Box<dyn Driver>>,
    pub(super) events: Events,
    pub(super) interval: Duration,
    pub(super) polls_only: bool,
    pub(super) start: Start,
}

pub(super) struct Wheel<In: 'static> {
    this: Weak<Self>,
    pub(super) kernel: WeakKernel,
    pub(super) session: SessionId,
    /// The line that made it.
    since: Place,
    pub(super) id: WheelId,
    /// None when it was given a handle.
    pub(super) path: Option<PathBuf>,
    interval: Duration,
    pub(super) events: Cell<Events>,
    /// Where the first file is begun with, until it is there.
    pub(super) start: RefCell<Option<Start>>,
    /// What the filters of all files are made like.
    pub(super) filter: Box<dyn Renew<In>>,
    driver: RefCell<Option<Box<dyn Driver>>>,
    /// The files that have had the name, the one that has it now being the last. Those before it are there until nothing has
    /// been written to them for a while.
    pub(super) generations: RefCell<VecDeque<Generation<In>>>,
    /// How far files were read that have been closed since.
    pub(super) closed: RefCell<VecDeque<Position>>,
    pub(super) moves: Moves,
    pub(super) state: State,
    pub(super) notifier: RefCell<Option<Rc<Notifier>>>,
    pub(super) directory: RefCell<Option<(Identity, Subscription)>>,
}

/// Where the wheel stands.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The owner has dropped it: nothing is delivered any more.
    pub(super) ended: Cell<bool>,
    /// Nothing more is to be read.
    pub(super) over: Cell<bool>,
    pub(super) paused: Cell<bool>,
    /// It is on the kernel's list of what to flush at the end of the turn.
    scheduled: Cell<bool>,
    /// It is looking, up the stack.
    pub(super) looking: Cell<bool>,
    /// It was to look while it could not.
    pub(super) missed: Cell<bool>,
    /// The name was given to no file when last looked for.
    pub(super) missing: Cell<bool>,
    directory_lost: Cell<bool>,
    /// Of the next poll.
    timer: Cell<Option<TimerId>>,
    /// Of what is no file.
    watch: Cell<Option<WatchId>>,
    /// The failure that was told last, and has lasted since.
    pub(super) failure: Cell<Option<(&'static str, Option<i32>)>>,
}

impl<In: 'static> Wheel<In> {
    #[track_caller]
    pub(super) fn begin(
        kernel: &Kernel,
        (path, opened): (Option<PathBuf>, Option<Opened>),
        plan: Plan<In>,
    ) -> Result<Rc<Self>, WheelError> {
        let name = path.as_deref().and_then(|path| path.file_name());
        let moves = Moves::of(name.unwrap_or(OsStr::new("")));
        let since = kernel.place();
        let wheel = Rc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            kernel: kernel.downgrade(),
            session: kernel.active_session(),
            since,
            id: WheelId::allocate(),
            path,
            interval: plan.interval.max(Duration::from_millis(1)),
            events: Cell::new(plan.events),
            start: RefCell::new(Some(plan.start)),
            filter: plan.filter,
            driver: RefCell::new(plan.driver),
            generations: RefCell::default(),
            closed: RefCell::default(),
            moves,
            state: State::default(),
            notifier: RefCell::default(),
            directory: RefCell::default(),
        });
        if !plan.polls_only {
            *wheel.notifier.borrow_mut() = Notifier::of(kernel);
        }
        wheel.be_notified(kernel);
        let begun = wheel.open_first(kernel, opened);
        if begun.is_err() {
            wheel.end();
        } else if wheel.is_stream() {
            // The driver may hold something already.
            wheel.schedule();
        } else {
            wheel.poll_after(kernel, Duration::ZERO);
        }
        begun.map(|()| wheel)
    }

    /// A generation for what was opened.
    pub(super) fn generation(&self, source: Source, begun: bool) -> Generation<In> {
        let mut generation = Generation::new(source, self.filter.another(), begun);
        if generation.tail().is_some()
            && let Some(notifier) = &*self.notifier.borrow()
        {
            let this: Weak<dyn Notified> = self.this.clone();
            generation.subscription = notifier.file(generation.handle(), this);
        }
        generation
    }

    /// The driver for what is no file, of which there is one at a time.
    pub(super) fn take_driver(&self) -> Box<dyn Driver> {
        self.driver.take().unwrap_or_else(|| Box::new(SysRw::new()))
    }

    /// Watches the directory, unless it does or cannot.
    pub(super) fn watch_directory(&self) {
        let (Some(notifier), Some(path)) = (&*self.notifier.borrow(), &self.path) else { return };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(".".as_ref());
        // One above it may have been moved, or a link on the way to it led elsewhere, of which nobody tells.
        let identity = fs::metadata(parent).ok().map(|metadata| Identity::of(&metadata));
        let is_lost = self.state.directory_lost.replace(false);
        let mut directory = self.directory.borrow_mut();
        if let Some((watched, _)) = &*directory {
            if !is_lost && Some(*watched) == identity {
                return;
            }
            self.moves.leave();
        }
        let this: Weak<dyn Notified> = self.this.clone();
        *directory = identity.zip(notifier.directory(parent, this));
    }

    /// Waits for a handle that is no file, and for nothing else.
    pub(super) fn watch_stream(&self, kernel: &Kernel) -> Result<(), WatchError> {
        self.be_notified_no_more(kernel);
        let generations = self.generations.borrow();
        if let Some(Source::Stream { handle, .. }) = generations.back().map(|last| &last.source) {
            let begin = || kernel.watch(self.session, Rc::clone(handle), Mode::Read, self.this());
            let watch = kernel.made_at(self.since, begin)?;
            self.state.watch.set(Some(watch));
            if self.state.paused.get() {
                kernel.pause_watch(watch);
            }
        }
        Ok(())
    }

    /// Whether the system tells of changes.
    pub(super) fn is_notified(&self) -> bool {
        self.generations.try_borrow().is_ok_and(|generations| {
            let file = generations.back();
            let file_tells = file.is_none_or(|file| file.subscription.is_some());
            file_tells && (self.path.is_none() || self.directory.borrow().is_some())
        }) && self.notifier.borrow().is_some()
    }

    /// How many octets of the present file are before the end of the last record that was delivered.
    pub(super) fn tell(&self) -> Option<u64> {
        let generations = self.generations.try_borrow().ok()?;
        let current = generations.iter().rfind(|generation| generation.begun)?;
        let pending = current.filter.count_pending() as u64;
        Some(current.tail()?.offset().saturating_sub(pending))
    }

    /// Where to go on from: in the first file that may have something left.
    pub(super) fn position(&self) -> io::Result<Option<Position>> {
        let Ok(generations) = self.generations.try_borrow() else { return Ok(None) };
        let current = generations.iter().rfind(|generation| generation.begun);
        let place = |generation: &Generation<In>| {
            let tail = generation.tail()?;
            Some(tail.position(generation.filter.count_pending()))
        };
        current.and_then(place).transpose()
    }

    pub(super) fn rename(&self, event: FollowTailEvent, name: Option<Name>) {
        let mut events = self.events.get();
        let place = match event {
            FollowTailEvent::Input => &mut events.input,
            FollowTailEvent::Partial => &mut events.partial,
            FollowTailEvent::Error => &mut events.error,
            FollowTailEvent::Reset => &mut events.reset,
            FollowTailEvent::Idle => &mut events.idle,
        };
        *place = name;
        self.events.set(events);
    }

    pub(super) fn pause_input(&self) {
        if !self.state.paused.replace(true) {
            self.with_watch(Kernel::pause_watch);
        }
    }

    pub(super) fn resume_input(&self) {
        if self.state.paused.replace(false) {
            self.with_watch(Kernel::resume_watch);
            self.schedule();
        }
    }

    pub(super) fn end(&self) {
        self.state.ended.set(true);
        self.stop();
    }

    /// Reads no more, and keeps the session alive no more.
    pub(super) fn stop(&self) {
        self.state.over.set(true);
        if let Some(kernel) = self.kernel.upgrade() {
            if let Some(timer) = self.state.timer.get() {
                kernel.cancel_call(timer);
            }
            if let Some(watch) = self.state.watch.take() {
                kernel.unwatch(watch);
            }
            self.be_notified_no_more(&kernel);
        }
        // While they are being read, up the stack, they stay.
        if self.state.ended.get() && !self.state.looking.get() {
            let closed = self.generations.try_borrow_mut().map(|mut all| std::mem::take(&mut *all));
            drop(closed);
        }
    }

    /// Has the kernel call this at the end of the turn.
    pub(super) fn schedule(&self) {
        if !self.state.scheduled.get()
            && !self.state.over.get()
            && let Some(kernel) = self.kernel.upgrade()
        {
            self.state.scheduled.set(true);
            let this: Weak<dyn Flush> = self.this.clone();
            kernel.flush_later(self.session, this);
        }
    }

    /// Polls again after a while.
    pub(super) fn poll_later(&self, kernel: &Kernel) {
        self.poll_after(kernel, self.interval);
    }

    fn poll_after(&self, kernel: &Kernel, after: Duration) {
        if !self.state.over.get() {
            if let Some(timer) = self.state.timer.get() {
                kernel.cancel_call(timer);
            }
            let begin = || kernel.call_later(self.session, after, self.this());
            let timer = kernel.made_at(self.since, begin);
            self.state.timer.set(Some(timer));
        }
    }

    pub(super) fn with_watch(&self, change: impl FnOnce(&Kernel, WatchId) -> bool) {
        if let (Some(watch), Some(kernel)) = (self.state.watch.get(), self.kernel.upgrade()) {
            change(&kernel, watch);
        }
    }

    /// Has the system tell of changes, where it can.
    pub(super) fn be_notified(&self, kernel: &Kernel) {
        let notifier = self.notifier.borrow().clone();
        if let Some(notifier) = notifier
            && !kernel.made_at(self.since, || notifier.watch(kernel, self.session, self.id))
        {
            self.be_notified_no_more(kernel);
        }
    }

    fn be_notified_no_more(&self, kernel: &Kernel) {
        drop(self.directory.take());
        if let Ok(mut generations) = self.generations.try_borrow_mut() {
            for generation in &mut *generations {
                generation.subscription = None;
            }
        }
        if let Some(notifier) = self.notifier.take() {
            notifier.leave(kernel, self.id);
        }
    }

    fn this(&self) -> Rc<Self> {
        let Some(this) = self.this.upgrade() else { unreachable!("a wheel in use is there") };
        this
    }

    pub(super) fn is_stream(&self) -> bool {
        self.generations
            .try_borrow()
            .is_ok_and(|all| all.back().is_some_and(|g| g.tail().is_none()))
    }

    pub(super) fn tell_of(&self, kernel: &Kernel, event: Option<Name>) {
        if !self.state.ended.get()
            && let Some(event) = event
        {
            kernel.deliver_event(self.session, event, self.id);
        }
    }

    pub(super) fn fail(&self, kernel: &Kernel, error: IoError) {
        if !self.state.ended.get()
            && let Some(event) = self.events.get().error
        {
            kernel.deliver_event(self.session, event, error);
        }
    }

    /// Reports what will be tried again, unless it was what failed before.
    pub(super) fn fail_once(&self, kernel: &Kernel, operation: &'static str, error: io::Error) {
        let failure = (operation, error.raw_os_error());
        if self.state.failure.replace(Some(failure)) != Some(failure) {
            let error = IoError::new(operation, IoCause::Os(error), self.id).tried_again();
            self.fail(kernel, error);
        }
    }
}

impl<In: 'static> Notified for Wheel<In> {
    fn notified(&self, change: Change<'_>) {
        let is_news = match change {
            Change::Contents | Change::Unwatched => true,
            Change::DirectoryLost => {
                self.state.directory_lost.set(true);
                self.moves.note(change)
            }
            Change::Anything | Change::Came(..) | Change::Went(..) => self.moves.note(change),
        };
        if is_news {
            self.schedule();
        }
    }
}

impl<In: 'static> Watch for Wheel<In> {
    fn ready(&self, kernel: &Kernel, _: Mode) {
        self.look(kernel, false);
    }
}

impl<In: 'static> Timeout for Wheel<In> {
    fn timed_out(&self, kernel: &Kernel) {
        self.be_notified(kernel);
        self.with_watch(|kernel, watch| self.state.paused.get() || kernel.resume_watch(watch));
        self.look(kernel, true);
        // A file that had the name of a stream is looked at until it is closed.
        if !self.is_stream() || self.generations.try_borrow().is_ok_and(|all| all.len() > 1) {
            self.poll_later(kernel);
        }
    }
}

impl<In: 'static> Flush for Wheel<In> {
    fn flush(&self, kernel: &Kernel) {
        self.state.scheduled.set(false);
        self.be_notified(kernel);
        self.look(kernel, false);
    }
}

impl<In: 'static> fmt::Debug for Wheel<In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FollowTail")
            .field("id", &self.id)
            .field("session", &self.session)
            .field("path", &self.path)
            .field("events", &self.events.get())
            .field("offset", &self.tell())
            .finish_non_exhaustive()
    }
}
