//! A child process as the operating system knows it: waited for by its pid or its descriptor, never with others.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::rc::Rc;

use rustix::process::{Pid, WaitId, WaitIdOptions, WaitIdStatus, waitid};

/// A child process of this one.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pid: Pid,
    /// Readable once the process has ended, where there is such a thing.
    pub(super) descriptor: Option<Rc<OwnedFd>>,
}

impl Process {
    /// Looks a child up. It may have ended; if it is none of ours, or was waited for, the error is `ECHILD`.
    pub(super) fn open(pid: u32) -> io::Result<Self> {
        let none = || io::Error::from_raw_os_error(nix::libc::ECHILD);
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(none)?;
        let descriptor = open_descriptor(pid).map(Rc::new);
        let process = Self { pid, descriptor };
        process.wait(true)?;
        Ok(process)
    }

    /// How the child has ended, if it has. `leave` has it stay a zombie, so that others can ask as well.
    pub(super) fn wait(&self, leave: bool) -> io::Result<Option<ExitStatus>> {
        let mut options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        options.set(WaitIdOptions::NOWAIT, leave);
        Ok(waitid(self.wait_id(), options)?.as_ref().map(exit_status))
    }

    /// By its descriptor, where it has one: a pid may be another child's by the time somebody else has waited for this.
    fn wait_id(&self) -> WaitId<'_> {
        #[cfg(target_os = "linux")]
        if let Some(descriptor) = &self.descriptor {
            return WaitId::PidFd(std::os::fd::AsFd::as_fd(&**descriptor));
        }
        WaitId::Pid(self.pid)
    }
}

/// A child that has ended, and that nobody has waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Zombie {
    /// Which one, if the system says so.
    pub(super) pid: Option<u32>,
}

/// Some zombie, if there is one. It is left as it is, and so found again.
#[cfg(all(target_os = "linux", not(target_env = "uclibc")))]
pub(super) fn zombie() -> Option<Zombie> {
    use nix::sys::wait::{Id, WaitPidFlag, waitid};
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    match waitid(Id::All, flags) {
        Ok(status) => Some(Zombie { pid: Some(status.pid()?.as_raw().cast_unsigned()) }),
        Err(nix::errno::Errno::ECHILD) => None,
        // It died of a signal that has no name.
        Err(_) => Some(Zombie { pid: None }),
    }
}

/// Some zombie, if there is one. It is left as it is, and so found again.
#[cfg(not(all(target_os = "linux", not(target_env = "uclibc"))))]
pub(super) fn zombie() -> Option<Zombie> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::All, options).ok()?.map(|_| Zombie { pid: None })
}

#[cfg(target_os = "linux")]
fn open_descriptor(pid: Pid) -> Option<OwnedFd> {
    use rustix::process::{PidfdFlags, pidfd_open};
    // Old systems have none that does not block, which the loop sees to then.
    let opened = pidfd_open(pid, PidfdFlags::NONBLOCK);
    opened.or_else(|_| pidfd_open(pid, PidfdFlags::empty())).ok()
}

#[cfg(not(target_os = "linux"))]
fn open_descriptor(_: Pid) -> Option<OwnedFd> {
    None
}

fn exit_status(status: &WaitIdStatus) -> ExitStatus {
    const CORE_DUMPED: i32 = 0x80;
    ExitStatus::from_raw(match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => (code & 0xff) << 8,
        (None, Some(signal)) if status.dumped() => signal | CORE_DUMPED,
        (None, signal) => signal.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Waits until a child has ended, which is then still to be waited for.
    fn ended(process: &Process) -> ExitStatus {
        loop {
            if let Some(status) = process.wait(true).unwrap() {
                return status;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri starts no programs")]
    fn a_status_is_what_the_standard_library_makes_of_it() {
        for (script, code, signal) in
            [("exit 0", Some(0), None), ("exit 5", Some(5), None), ("kill -9 $$", None, Some(9))]
        {
            let mut child = Command::new("sh").args(["-c", script]).spawn().unwrap();
            for by_pid in [true, false] {
                let mut process = Process::open(child.id()).unwrap();
                if by_pid {
                    process.descriptor = None;
                }
                let status = ended(&process);
                assert_eq!((status.code(), status.signal()), (code, signal), "{script}");
            }
            let process = Process::open(child.id()).unwrap();
            assert!(zombie().is_some_and(|zombie| zombie.pid.is_none_or(|pid| pid == child.id())));
            assert!(process.wait(false).unwrap().is_some());
            let error = process.wait(false).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(nix::libc::ECHILD));
            assert!(child.wait().is_err(), "it has been taken");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri knows no pidfd")]
    fn what_is_no_child_is_refused() {
        for pid in [0, 1, std::process::id(), i32::MAX.cast_unsigned(), u32::MAX] {
            let error = Process::open(pid).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(nix::libc::ECHILD), "{pid}");
        }
    }
}
