//! A child that runs: shared by the wheel's owner and what the kernel calls.

use std::cell::{Cell, OnceCell};
use std::io::{self, PipeReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::rc::{Rc, Weak};
use std::time::Duration;

use bytes::Bytes;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use poe_kernel::{
    ChildExit, Kernel, Mode, Name, Place, SessionId, SignalError, Timeout, TimerId, Watch,
    WatchChild, WatchId, WeakKernel,
};

use super::RunExit;
use super::kill::{Deadline, Whom};
use super::start::{Child, Process, Thread};
use crate::read_write::Whole;
use crate::{ReadWrite, WheelError, WheelId};

/// How long the outputs have to end with the child, before it is told of all the same: what it has started may be a moment
/// behind it, and what it has written to a terminal last may be under way.
const GRACE: Duration = Duration::from_millis(100);

pub(super) struct Running<In: 'static, Out: 'static, Err: 'static> {
    pub(super) this: Weak<Self>,
    pub(super) kernel: WeakKernel,
    pub(super) session: SessionId,
    /// The line that made it.
    pub(super) since: Place,
    pub(super) id: WheelId,
    /// Standard input and output, where the wheel has either.
    pub(super) stdio: OnceCell<ReadWrite<In, Out>>,
    pub(super) stderr: OnceCell<ReadWrite<Err, Bytes>>,
    pub(super) has_stdin: bool,
    /// The wheel's end of a pseudo-terminal.
    terminal: OnceCell<Rc<OwnedFd>>,
    /// None of a thread.
    process: OnceCell<Process>,
    thread_watch: Cell<Option<WatchId>>,
    pub(super) close_event: Cell<Option<Name>>,
    pub(super) exit_event: Cell<Option<Name>>,
    close_delay: Option<Duration>,
    kill_on_drop: bool,
    /// How many octets may be in a conduit and not be seen at its end.
    in_flight: u64,
    state: State,
    exit_timer: Cell<TimerId>,
    close_timer: Cell<TimerId>,
    pub(super) deadline: Cell<Option<Rc<Deadline>>>,
}

/// Where it stands.
#[derive(Debug, Default)]
struct State {
    /// The owner has dropped it: nothing is delivered any more.
    ended: Cell<bool>,
    /// The child has ended; its status is known unless others waited for it.
    exit: Cell<Option<Option<ExitStatus>>>,
    exit_told: Cell<bool>,
    closed: Cell<bool>,
    /// The outputs have had their time to end with the child.
    waited: Cell<bool>,
    /// They are to be closed once what the child has written was read.
    cut: Cell<bool>,
    /// How many octets of standard output and error were there by then, at most.
    due: Cell<[u64; 2]>,
}

/// What a wheel says and does at the child's end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ending {
    pub(super) close_event: Option<Name>,
    pub(super) exit_event: Option<Name>,
    pub(super) close_delay: Option<Duration>,
    pub(super) kill_on_drop: bool,
    pub(super) in_flight: u64,
}

impl<In: 'static, Out: 'static, Err: 'static> Running<In, Out, Err> {
    #[track_caller]
    pub(super) fn new(kernel: &Kernel, ending: Ending, has_stdin: bool) -> Rc<Self> {
        let since = kernel.place();
        Rc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            kernel: kernel.downgrade(),
            session: kernel.active_session(),
            since,
            id: WheelId::allocate(),
            stdio: OnceCell::new(),
            stderr: OnceCell::new(),
            has_stdin,
            terminal: OnceCell::new(),
            process: OnceCell::new(),
            thread_watch: Cell::new(None),
            close_event: Cell::new(ending.close_event),
            exit_event: Cell::new(ending.exit_event),
            close_delay: ending.close_delay,
            kill_on_drop: ending.kill_on_drop,
            in_flight: ending.in_flight,
            state: State::default(),
            exit_timer: Cell::new(TimerId::NONE),
            close_timer: Cell::new(TimerId::NONE),
            deadline: Cell::new(None),
        })
    }

    /// Takes on a child that has begun.
    pub(super) fn adopt(self: &Rc<Self>, kernel: &Kernel, child: Child) -> Result<(), WheelError> {
        match child {
            Child::Process(process) => {
                let begin = || kernel.watch_child(self.session, process.pid, self.clone());
                match kernel.made_at(self.since, begin) {
                    Ok(()) => {}
                    // It has ended, and nobody can tell how, as where this process ignores `SIGCHLD`.
                    Err(SignalError::NotAChild { .. }) => {
                        self.exit_timer.set(self.call_later(kernel, Duration::ZERO, What::Gone));
                    }
                    Err(error) => {
                        disown(process.pid);
                        return Err(error.into());
                    }
                }
                let _ = self.process.set(process);
            }
            Child::Thread(Thread { end, go }) => {
                let reader = Rc::new(end);
                let end = ThreadEnd { running: self.this.clone(), reader: Rc::clone(&reader) };
                let begin = || kernel.watch(self.session, reader, Mode::Read, Rc::new(end));
                let watch = kernel.made_at(self.since, begin)?;
                self.thread_watch.set(Some(watch));
                // It waits for this, or has failed as all can see.
                let _ = go.send(());
            }
        }
        Ok(())
    }

    pub(super) fn keep_terminal(&self, terminal: &Rc<OwnedFd>) {
        let _ = self.terminal.set(Rc::clone(terminal));
    }

    pub(super) fn terminal(&self) -> Option<&Rc<OwnedFd>> {
        self.terminal.get()
    }

    pub(super) fn process(&self) -> Option<&Process> {
        self.process.get()
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.process().map(|process| process.pid)
    }

    pub(super) fn has_exited(&self) -> bool {
        self.state.exit.get().is_some()
    }

    pub(super) fn status(&self) -> Option<ExitStatus> {
        self.state.exit.get().flatten()
    }

    /// The owner wants to hear no more.
    pub(super) fn end(&self) {
        if self.state.ended.replace(true) {
            return;
        }
        self.let_go();
        let Some(kernel) = self.kernel.upgrade() else { return };
        if let Some(watch) = self.thread_watch.take() {
            kernel.unwatch(watch);
        }
        if let (Some(pid), false, Some(this)) = (self.pid(), self.has_exited(), self.this.upgrade())
        {
            if self.kill_on_drop {
                let deadline = self.deadline.take();
                let whom = deadline.as_ref().map_or(Whom::Process, |deadline| deadline.whom());
                if let Some(deadline) = deadline {
                    deadline.end(&kernel);
                }
                // The session waits for it, as it is about to end, so that it does not stay a zombie.
                let _ = self.kill(whom, Some(Signal::SIGKILL));
            } else {
                let this: Rc<dyn WatchChild> = this;
                kernel.unwatch_child(pid, &this);
            }
        }
    }

    /// Ends what there is besides the child.
    fn let_go(&self) {
        if let Some(stdio) = self.stdio.get() {
            stdio.end();
        }
        if let Some(stderr) = self.stderr.get() {
            stderr.end();
        }
        if let Some(kernel) = self.kernel.upgrade() {
            self.cancel_timers(&kernel);
        }
    }

    fn cancel_timers(&self, kernel: &Kernel) {
        for timer in [&self.exit_timer, &self.close_timer] {
            kernel.cancel_call(timer.replace(TimerId::NONE));
        }
    }

    /// Reads no more, and counts as closed.
    fn stop_outputs(&self) {
        if let Some(stdio) = self.stdio.get() {
            stdio.stop_input();
        }
        if let Some(stderr) = self.stderr.get() {
            stderr.stop_input();
        }
    }

    fn exited(&self, kernel: &Kernel, status: Option<ExitStatus>) {
        self.state.exit.set(Some(status));
        self.settle(kernel);
        if self.state.ended.get() || self.state.closed.get() {
            return;
        }
        self.exit_timer.set(self.call_later(kernel, GRACE, What::Exit));
        if let Some(delay) = self.close_delay {
            self.close_timer.set(self.call_later(kernel, delay, What::Close));
        }
    }

    fn call_later(&self, kernel: &Kernel, after: Duration, what: What) -> TimerId {
        let late = Late { running: self.this.clone(), what };
        kernel.made_at(self.since, || kernel.call_later(self.session, after, Rc::new(late)))
    }

    /// The outputs have had their time. What the child has written is in them by now, however much others add.
    fn wait_no_longer(&self) {
        let state = &self.state;
        if !state.waited.replace(true) {
            let on_its_way = self.in_flight;
            state.due.set([
                self.stdio.get().map_or(0, |stdio| stdio.octets_by_now() + on_its_way),
                self.stderr.get().map_or(0, |stderr| stderr.octets_by_now() + on_its_way),
            ]);
        }
    }

    /// Tells the session what has come about: first that the outputs are closed, then how the child has ended. Others may
    /// have the outputs open after its end; it is told of once all that it has written itself was.
    fn settle(&self, kernel: &Kernel) {
        let state = &self.state;
        let has_exited = self.has_exited();
        if state.cut.get() && self.is_all_read() {
            self.stop_outputs();
        }
        if !state.ended.get()
            && !state.closed.get()
            && self.are_outputs_over()
            && (has_exited || self.has_outputs())
        {
            state.closed.set(true);
            self.cancel_timers(kernel);
            if let Some(event) = self.close_event.get() {
                kernel.deliver_event(self.session, event, self.id);
            }
        }
        if !state.ended.get()
            && has_exited
            && !state.exit_told.get()
            && (state.closed.get() || self.is_all_read())
        {
            state.exit_told.set(true);
            if let Some(event) = self.exit_event.get() {
                let exit = RunExit { pid: self.pid(), status: self.status(), wheel: self.id };
                kernel.deliver_event(self.session, event, exit);
            }
        }
        if state.closed.get() && state.exit_told.get() {
            // Nothing more can come, and nobody is there to be written to: the session need not wait.
            self.let_go();
        }
    }

    fn has_outputs(&self) -> bool {
        self.stdio.get().is_some_and(ReadWrite::has_input_handle) || self.stderr.get().is_some()
    }

    fn are_outputs_over(&self) -> bool {
        let has_exited = self.has_exited();
        self.stdio.get().is_none_or(|stdio| is_over(stdio, has_exited))
            && self.stderr.get().is_none_or(|stderr| is_over(stderr, has_exited))
    }

    /// Whether all is told that the child has written before it ended, as far as it is wanted.
    fn is_all_read(&self) -> bool {
        let [stdout, stderr] = self.state.due.get();
        self.state.waited.get()
            && self.stdio.get().is_none_or(|stdio| stdio.has_told(stdout))
            && self.stderr.get().is_none_or(|stream| stream.has_told(stderr))
    }
}

fn is_over<In: 'static, Out: 'static>(stream: &ReadWrite<In, Out>, has_exited: bool) -> bool {
    stream.is_input_over() || (has_exited && !stream.is_input_wanted())
}

impl<In: 'static, Out: 'static, Err: 'static> Whole for Running<In, Out, Err> {
    fn part_moved(&self, kernel: &Kernel) {
        self.settle(kernel);
    }
}

impl<In: 'static, Out: 'static, Err: 'static> WatchChild for Running<In, Out, Err> {
    fn child_ended(&self, kernel: &Kernel, exit: ChildExit) {
        self.exited(kernel, exit.status);
    }
}

/// What the end of a thread is seen by.
struct ThreadEnd<In: 'static, Out: 'static, Err: 'static> {
    running: Weak<Running<In, Out, Err>>,
    reader: Rc<PipeReader>,
}

impl<In: 'static, Out: 'static, Err: 'static> Watch for ThreadEnd<In, Out, Err> {
    fn ready(&self, kernel: &Kernel, _: Mode) {
        let Some(running) = self.running.upgrade() else { return };
        let mut status = [u8::MAX];
        match (&*self.reader).read(&mut status) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            _ => {}
        }
        if let Some(watch) = running.thread_watch.take() {
            kernel.unwatch(watch);
            let [status] = status;
            running.exited(kernel, Some(ExitStatus::from_raw(i32::from(status) << 8)));
        }
    }
}

/// A time is up that others have had the child's outputs open for.
struct Late<In: 'static, Out: 'static, Err: 'static> {
    running: Weak<Running<In, Out, Err>>,
    what: What,
}

/// What no longer waits for them.
#[derive(Clone, Copy)]
enum What {
    Exit,
    Close,
    /// The child is none of this process's any more.
    Gone,
}

impl<In: 'static, Out: 'static, Err: 'static> Timeout for Late<In, Out, Err> {
    fn timed_out(&self, kernel: &Kernel) {
        let Some(running) = self.running.upgrade() else { return };
        match self.what {
            What::Gone => return running.exited(kernel, None),
            What::Exit => {}
            What::Close => running.state.cut.set(true),
        }
        running.wait_no_longer();
        running.settle(kernel);
    }
}

/// Ends a child that nobody can wait for as is right.
fn disown(pid: u32) {
    let pid = Pid::from_raw(pid.cast_signed());
    let _ = nix::sys::signal::kill(pid, Signal::SIGKILL);
    let _ = nix::sys::wait::waitpid(pid, None);
}
