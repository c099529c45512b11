//! Signals to a child, and its end in two steps.

use std::cell::Cell;
use std::io;
use std::rc::{Rc, Weak};
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use poe_kernel::{ChildExit, Kernel, Place, SessionId, Timeout, TimerId, WatchChild};
use thiserror::Error;

use super::running::Running;
use super::start::Process;
use super::sys::GroupHandle;

/// How soon after the end of its leader a group is looked for, and how much later each time at most: of a group's end nobody
/// tells.
const LOOK_AFTER: Duration = Duration::from_millis(1);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Why a child was not sent a signal.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KillError {
    /// There is no signal of that name or number.
    #[error("there is no signal {0:?}; write it as \"TERM\" or \"15\"")]
    NoSuchSignal(String),
    /// It has ended, and its pid may be another's by now.
    #[error("the child has ended")]
    Ended,
    /// It is code in a thread.
    #[error("the child is a thread, which takes no signals; end its input")]
    Thread,
    /// It is in its parent's process group.
    #[error("the child leads no process group; build it without no_setpgrp and process_group")]
    NoGroup,
    /// The operating system said so.
    #[error("cannot send {signal}: {source}")]
    Os {
        /// The signal's name.
        signal: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Who gets a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    Process,
    Group,
}

/// A signal by its name, with or without `SIG`, or its number. Number 0 is none: it only asks whether one could be sent.
pub(super) fn named(name: &str) -> Result<Option<Signal>, KillError> {
    let signal = match name.parse::<i32>() {
        Ok(0) => return Ok(None),
        Ok(number) => Signal::try_from(number),
        Err(_) if name.starts_with("SIG") => name.parse(),
        Err(_) => format!("SIG{name}").parse(),
    };
    signal.map(Some).map_err(|_| KillError::NoSuchSignal(name.to_owned()))
}

impl<In: 'static, Out: 'static, Err: 'static> Running<In, Out, Err> {
    pub(super) fn kill(&self, whom: Whom, signal: Option<Signal>) -> Result<(), KillError> {
        if self.has_exited() {
            return Err(KillError::Ended);
        }
        self.send(whom, signal)
    }

    fn send(&self, whom: Whom, signal: Option<Signal>) -> Result<(), KillError> {
        self.process().ok_or(KillError::Thread)?.send(whom, signal)
    }

    /// Asks politely now, and not any more after a while.
    pub(super) fn terminate(&self, whom: Whom, grace: Duration) -> Result<(), KillError> {
        self.kill(whom, Some(Signal::SIGTERM))?;
        // What is stopped would not learn of it.
        let _ = self.kill(whom, Some(Signal::SIGCONT));
        if let (Some(kernel), Some(&process)) = (self.kernel.upgrade(), self.process()) {
            let begin = || Deadline::begin(&kernel, self.session, process, whom, grace);
            let late = kernel.made_at(self.since, begin);
            if let Some(earlier) = self.deadline.replace(late) {
                earlier.end(&kernel);
            }
        }
        Ok(())
    }
}

impl Process {
    fn send(&self, whom: Whom, signal: Option<Signal>) -> Result<(), KillError> {
        let pid = Pid::from_raw(self.pid.cast_signed());
        let sent = match whom {
            // The kernel waits for it even when nobody wants to be told any more.
            Whom::Process if !is_child(pid) => return Err(KillError::Ended),
            Whom::Process => signal::kill(pid, signal),
            Whom::Group if self.leads => signal::killpg(pid, signal),
            Whom::Group => return Err(KillError::NoGroup),
        };
        let signal = signal.map_or("0", Signal::as_str);
        sent.map_err(|errno| KillError::Os { signal, source: errno.into() })
    }

    fn is_group_there(&self) -> bool {
        self.leads && signal::killpg(Pid::from_raw(self.pid.cast_signed()), None).is_ok()
    }
}

/// Whether a process is a child of this one that nobody has waited for.
fn is_child(pid: Pid) -> bool {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Pid::from_raw(pid.as_raw()).is_some_and(|pid| waitid(WaitId::Pid(pid), look).is_ok())
}

/// When a child has to have ended. It stays when the wheel goes, and the session waits for it.
#[derive(Debug)]
pub(super) struct Deadline {
    this: Weak<Self>,
    session: SessionId,
    /// The line that made the wheel.
    since: Place,
    process: Process,
    whom: Whom,
    /// The group, whatever has its number by then, where the system has such a thing.
    group: Option<GroupHandle>,
    timer: Cell<TimerId>,
    /// When the group is looked for next.
    look: Cell<TimerId>,
    has_exited: Cell<bool>,
}

impl Deadline {
    /// None where the child cannot be watched: it has ended.
    fn begin(
        kernel: &Kernel,
        session: SessionId,
        process: Process,
        whom: Whom,
        grace: Duration,
    ) -> Option<Rc<Self>> {
        let is_group = whom == Whom::Group;
        let deadline = Rc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            session,
            since: kernel.place(),
            process,
            whom,
            group: is_group.then(|| GroupHandle::of(process.pid)).flatten(),
            timer: Cell::new(TimerId::NONE),
            look: Cell::new(TimerId::NONE),
            has_exited: Cell::new(false),
        });
        kernel.watch_child(session, process.pid, deadline.clone()).ok()?;
        deadline.timer.set(kernel.call_later(session, grace, deadline.clone()));
        Some(deadline)
    }

    /// Who has to have ended by then.
    pub(super) fn whom(&self) -> Whom {
        self.whom
    }

    /// There is none any more.
    pub(super) fn end(self: Rc<Self>, kernel: &Kernel) {
        self.cancel_timers(kernel);
        let (pid, this): (u32, Rc<dyn WatchChild>) = (self.process.pid, self);
        kernel.unwatch_child(pid, &this);
    }

    fn cancel_timers(&self, kernel: &Kernel) {
        kernel.cancel_call(self.timer.replace(TimerId::NONE));
        kernel.cancel_call(self.look.replace(TimerId::NONE));
    }

    /// The child has ended. Of its group others may be there, who still have their time.
    fn settle(&self, kernel: &Kernel, look_again: Duration) {
        if self.whom == Whom::Group && self.process.is_group_there() {
            let look = Rc::new(Look { deadline: Weak::clone(&self.this), after: look_again });
            let begin = || kernel.call_later(self.session, look_again, look);
            self.look.set(kernel.made_at(self.since, begin));
        } else {
            self.cancel_timers(kernel);
        }
    }
}

impl WatchChild for Deadline {
    fn child_ended(&self, kernel: &Kernel, _: ChildExit) {
        self.has_exited.set(true);
        self.settle(kernel, LOOK_AFTER);
    }
}

/// It is time to see whether any of a group are left.
struct Look {
    deadline: Weak<Deadline>,
    after: Duration,
}

impl Timeout for Look {
    fn timed_out(&self, kernel: &Kernel) {
        if let Some(deadline) = self.deadline.upgrade() {
            deadline.look.set(TimerId::NONE);
            deadline.settle(kernel, LOOK_EVERY.min(2 * self.after));
        }
    }
}

impl Timeout for Deadline {
    fn timed_out(&self, kernel: &Kernel) {
        self.cancel_timers(kernel);
        if let Some(group) = &self.group
            && group.kill()
        {
            return;
        }
        if !self.has_exited.get() || (self.whom == Whom::Group && self.process.is_group_there()) {
            // It may have gone at this very moment.
            let _ = self.process.send(self.whom, Some(Signal::SIGKILL));
        }
    }
}
