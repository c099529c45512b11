//! What a child does before it is what it is to be. It may be on its parent's memory, or a copy of one of several threads: nothing
//! here allocates, locks or panics.

use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::ptr;

use nix::errno::Errno;
use nix::libc;

use super::descriptors::close_on_exec;
use super::{Birth, ExecCall, Failed, Group, Groups};

/// What a child does before it is what it is to be.
#[derive(Clone, Copy)]
pub(super) enum Step {
    Session,
    Group,
    Terminal,
    Priority,
    Groups,
    GroupId,
    UserId,
    Stdio,
    Directory,
    Exec,
}

/// What failed, for a message that goes on with the child's name; in the steps' order.
const STEPS: [&str; 10] = [
    "begin a session for",
    "set the process group of",
    "open the terminal of",
    "set the priority of",
    "set the groups of",
    "set the group of",
    "set the user of",
    "set the streams of",
    "change the directory of",
    "start",
];

impl Step {
    /// What the parent says of a step, by its number, that has failed.
    pub(super) fn failed(step: u8, errno: c_int) -> Failed {
        let operation = STEPS[usize::from(step).min(STEPS.len() - 1)];
        (operation, io::Error::from_raw_os_error(errno))
    }

    fn check(self, result: c_int) -> Result<c_int, Self> {
        if result < 0 { Err(self) } else { Ok(result) }
    }
}

/// Makes a child what it is to be. The handlers of its parent's signals have been taken off.
pub(super) fn prepare(birth: &Birth<'_>) -> Result<(), Step> {
    // SAFETY: system calls on numbers, on C strings and slices that outlive the call, and on a signal set that
    // `sigemptyset` has initialized.
    unsafe {
        match birth.group {
            Group::Parents => {}
            Group::Own => _ = Step::Group.check(libc::setpgid(0, 0))?,
            Group::Of(group) => _ = Step::Group.check(libc::setpgid(0, group))?,
            Group::OwnSession => _ = Step::Session.check(libc::setsid())?,
        }
        if let Some(terminal) = birth.terminal {
            let opened = Step::Terminal.check(libc::open(terminal.as_ptr(), libc::O_RDWR))?;
            Step::Terminal.check(libc::ioctl(opened, libc::TIOCSCTTY as _, 0))?;
            for number in 0..3 {
                Step::Terminal.check(libc::dup2(opened, number))?;
            }
            if opened > 2 {
                libc::close(opened);
            }
        }
        if birth.priority != 0 {
            let process = libc::PRIO_PROCESS;
            let now = libc::getpriority(process, 0);
            Step::Priority.check(libc::setpriority(
                process,
                0,
                now.saturating_add(birth.priority),
            ))?;
        }
        if let Some(groups) = birth.groups {
            let Groups { ids, if_permitted } = groups;
            if libc::setgroups(ids.len() as _, ids.as_ptr()) < 0
                && !(if_permitted && Errno::last() == Errno::EPERM)
            {
                return Err(Step::Groups);
            }
        }
        if let Some(group) = birth.group_id {
            Step::GroupId.check(libc::setgid(group))?;
        }
        if let Some(user) = birth.user_id {
            Step::UserId.check(libc::setuid(user))?;
        }
        for (number, descriptor) in (0..).zip(birth.stdio) {
            if let Some(descriptor) = descriptor {
                Step::Stdio.check(libc::dup2(descriptor.as_raw_fd(), number))?;
            }
        }
        if let Some(directory) = birth.directory {
            Step::Directory.check(libc::chdir(directory.as_ptr()))?;
        }
        // It is ignored for the sake of Rust.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let mut none = MaybeUninit::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
    }
    Ok(())
}

/// Becomes a program, or returns.
pub(super) fn execute(birth: &Birth<'_>, call: &ExecCall<'_>) -> Step {
    if let Some(listed) = birth.close {
        close_on_exec(listed);
    }
    let (arguments, environment) = (call.arguments.as_ptr().cast(), call.environment.as_ptr());
    // SAFETY: the path is a C string; both arrays end with a null, and what they point to lives as long as `call`.
    unsafe { libc::execve(call.path.as_ptr(), arguments, environment.cast()) };
    Step::Exec
}

/// In the parent: waits for a child that has said what failed, and is about to end. A signal that comes meanwhile leaves no zombie.
pub(super) fn wait_for_failed(child: libc::pid_t) {
    // SAFETY: it takes a number, and a null pointer for what nobody wants to know.
    while unsafe { libc::waitpid(child, ptr::null_mut(), 0) } < 0 && Errno::last() == Errno::EINTR {
    }
}

/// Has the signals do what they do by default that the parent's handlers are for. In the child of a fork.
pub(super) fn take_off_handlers() {
    for number in 1..=64 {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: the first call writes to a structure of its type, or fails; the second takes back a handler of this
        // process, which a fork has just made and which has one thread.
        unsafe {
            if libc::sigaction(number, ptr::null(), action.as_mut_ptr()) == 0 {
                let handler = action.assume_init_ref().sa_sigaction;
                if handler != libc::SIG_DFL && handler != libc::SIG_IGN {
                    libc::signal(number, libc::SIG_DFL);
                }
            }
        }
    }
}
