//! Signals to a child, and its end in two steps.

use std::io;
use std::rc::{Rc, Weak};
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use poe_kernel::{Kernel, Timeout};
use thiserror::Error;

use super::running::Running;
use super::start::Process;
use super::sys::GroupHandle;

/// Why a child was not sent a signal.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KillError {
    /// There is no signal of that name.
    #[error("there is no signal {0:?}; write it as \"TERM\"")]
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

/// A signal by its name, with or without `SIG`.
pub(super) fn named(name: &str) -> Result<Signal, KillError> {
    let full = if name.starts_with("SIG") { name.to_owned() } else { format!("SIG{name}") };
    full.parse().map_err(|_| KillError::NoSuchSignal(name.to_owned()))
}

impl<In: 'static, Out: 'static, Err: 'static> Running<In, Out, Err> {
    pub(super) fn kill(&self, whom: Whom, signal: Signal) -> Result<(), KillError> {
        if self.has_exited() {
            return Err(KillError::Ended);
        }
        self.send(whom, signal)
    }

    fn send(&self, whom: Whom, signal: Signal) -> Result<(), KillError> {
        let &Process { pid, leads } = self.process().ok_or(KillError::Thread)?;
        let pid = Pid::from_raw(pid.cast_signed());
        let sent = match whom {
            // The kernel waits for it even when nobody wants to be told any more.
            Whom::Process if !is_child(pid) => return Err(KillError::Ended),
            Whom::Process => signal::kill(pid, signal),
            Whom::Group if leads => signal::killpg(pid, signal),
            Whom::Group => return Err(KillError::NoGroup),
        };
        sent.map_err(|errno| KillError::Os { signal: signal.as_str(), source: errno.into() })
    }

    /// Asks politely now, and not any more after a while.
    pub(super) fn terminate(&self, whom: Whom, grace: Duration) -> Result<(), KillError> {
        self.kill(whom, Signal::SIGTERM)?;
        // What is stopped would not learn of it.
        let _ = self.kill(whom, Signal::SIGCONT);
        if let Some(kernel) = self.kernel.upgrade() {
            let group =
                if whom == Whom::Group { self.pid().and_then(GroupHandle::of) } else { None };
            let late = Rc::new(Late { running: self.this.clone(), whom, group });
            let timer = kernel.call_later(self.session, grace, late);
            if let Some((_, earlier)) = self.killing.replace(Some((whom, timer))) {
                kernel.cancel_call(earlier);
            }
        }
        Ok(())
    }

    /// The child has ended. Of its group others may be there, who still have their time.
    pub(super) fn killed(&self) {
        if let Some((whom, _)) = self.killing.get()
            && !(whom == Whom::Group && self.is_group_there())
        {
            self.cancel_kill();
        }
    }

    pub(super) fn cancel_kill(&self) {
        if let Some((_, timer)) = self.killing.take()
            && let Some(kernel) = self.kernel.upgrade()
        {
            kernel.cancel_call(timer);
        }
    }

    fn is_group_there(&self) -> bool {
        matches!(self.process(), Some(&Process { pid, leads: true })
            if signal::killpg(Pid::from_raw(pid.cast_signed()), None).is_ok())
    }
}

/// Whether a process is a child of this one that nobody has waited for.
fn is_child(pid: Pid) -> bool {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Pid::from_raw(pid.as_raw()).is_some_and(|pid| waitid(WaitId::Pid(pid), look).is_ok())
}

/// The time is up.
struct Late<In: 'static, Out: 'static, Err: 'static> {
    running: Weak<Running<In, Out, Err>>,
    whom: Whom,
    /// The group, whatever has its number by then, where the system has such a thing.
    group: Option<GroupHandle>,
}

impl<In: 'static, Out: 'static, Err: 'static> Timeout for Late<In, Out, Err> {
    fn timed_out(&self, _: &Kernel) {
        let Some(running) = self.running.upgrade() else { return };
        running.killing.set(None);
        if let Some(group) = &self.group
            && group.kill()
        {
            return;
        }
        if !running.has_exited() || (self.whom == Whom::Group && running.is_group_there()) {
            // It may have gone at this very moment.
            let _ = running.send(self.whom, Signal::SIGKILL);
        }
    }
}
