//! Child processes: asked for by pid, told of once, and nobody else's waited for.

#[path = "../common/mod.rs"]
mod common;

mod asking;
mod chld;
mod kernels;
mod wheels;

use std::process::{Child as Process, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::signal::{Signal as Os, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use poe_kernel::LoopKind;
use poe_session::prelude::*;

/// A kernel on each loop, with and without descriptors of processes.
pub(crate) fn kernels() -> Vec<Kernel> {
    let loops = [LoopKind::Polling, LoopKind::Poll, LoopKind::Select];
    let builders = loops.into_iter().flat_map(|kind| {
        [false, true].map(|by_signal| Kernel::builder().loop_kind(kind).use_sigchld(by_signal))
    });
    builders
        .map(|builder| builder.diagnostics(|diagnostic| panic!("{diagnostic}")).build().unwrap())
        .collect()
}

/// Children are the process's, not the thread's: these tests take turns.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A child that does something and ends.
pub(crate) fn child(script: &str) -> Process {
    Command::new("sh").args(["-c", script]).stdin(Stdio::null()).spawn().unwrap()
}

/// A child that waits to be killed, or for the end of the test.
pub(crate) fn waiting_child() -> Process {
    Command::new("sleep").arg("60").spawn().unwrap()
}

pub(crate) fn terminate(pid: u32) {
    kill(Pid::from_raw(pid.cast_signed()), Os::SIGTERM).unwrap();
}

/// Waits until a child has ended, and leaves it a zombie.
pub(crate) fn until_ended(pid: u32) {
    waitid(Id::Pid(Pid::from_raw(pid.cast_signed())), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
        .unwrap();
}

/// Whether a child has ended and been waited for.
pub(crate) fn is_gone(pid: u32) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
    waitid(Id::Pid(Pid::from_raw(pid.cast_signed())), flags) == Err(Errno::ECHILD)
}
