//! Process groups that are not mistaken for others.

/// A process group by a descriptor of its leader, which means no other when the number does.
#[derive(Debug)]
pub(crate) struct GroupHandle(#[cfg(target_os = "linux")] std::os::fd::OwnedFd);

impl GroupHandle {
    /// That of a child that has not been waited for, and leads it.
    #[cfg(target_os = "linux")]
    pub(crate) fn of(leader: u32) -> Option<Self> {
        use rustix::process::{Pid, PidfdFlags, pidfd_open};
        let leader = Pid::from_raw(leader.cast_signed())?;
        pidfd_open(leader, PidfdFlags::empty()).ok().map(Self)
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn of(_: u32) -> Option<Self> {
        None
    }

    /// Kills what is left of it. False where the system does so by number only, as Linux before 6.9 does.
    #[cfg(target_os = "linux")]
    pub(crate) fn kill(&self) -> bool {
        use std::os::fd::AsRawFd;
        use std::ptr;

        use nix::errno::Errno;
        use nix::libc;

        const PROCESS_GROUP: libc::c_uint = 1 << 2;
        let (leader, nothing) = (self.0.as_raw_fd(), ptr::null::<libc::siginfo_t>());
        // SAFETY: it takes numbers, and a null pointer for what a plain signal has not.
        let sent = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                leader,
                libc::SIGKILL,
                nothing,
                PROCESS_GROUP,
            )
        };
        sent == 0 || Errno::last() == Errno::ESRCH
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn kill(&self) -> bool {
        false
    }
}
