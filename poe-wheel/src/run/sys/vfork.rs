//! Programs started on the memory of the parent, which stands still until the child is a program, or has failed.
//!
//! This is what `posix_spawn` does, too. But of the C library's the child takes off each signal's handler by calls of its own, 120
//! of them, on a stack that is made for it: a fifteenth of all that a small program takes. Linux has been able to begin a child
//! without handlers since 5.5, and a stack is there: the parent's, which does not need it meanwhile. Also the child can say what
//! has failed, and set its priority.
//!
//! Who it runs as is not for such a child to change. The C library's functions for that would have the parent's threads change
//! too, and the system then takes the memory for that of a program with privileges, which leaves no core dump.

use super::{Birth, ExecCall, Failed};

/// Starts a program. None where that cannot be done in this way.
pub(super) fn start(birth: &Birth<'_>, call: &ExecCall<'_>) -> Option<Result<u32, Failed>> {
    if birth.sets_identity() { None } else { system::start(birth, call) }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64", target_pointer_width = "64"))]
mod system {
    use std::arch::asm;
    use std::ffi::c_int;
    use std::ptr;

    use nix::errno::Errno;
    use nix::libc;

    use super::{Birth, ExecCall, Failed};
    use crate::run::sys::child::{Step, execute, prepare, wait_for_failed};

    /// What the child works on, and leaves behind.
    struct Child<'a> {
        birth: &'a Birth<'a>,
        call: &'a ExecCall<'a>,
        failed: Option<(Step, c_int)>,
    }

    pub(super) fn start(birth: &Birth<'_>, call: &ExecCall<'_>) -> Option<Result<u32, Failed>> {
        let mut child = Child { birth, call, failed: None };
        let pid = match clone(&mut child) {
            Ok(pid) => pid,
            // The system is too old, or who runs this process does not let it.
            Err(Errno::ENOSYS | Errno::EINVAL | Errno::EPERM) => return None,
            Err(errno) => return Some(Err(("start", errno.into()))),
        };
        Some(match child.failed {
            None => Ok(pid.cast_unsigned()),
            Some((step, errno)) => {
                wait_for_failed(pid);
                Err(Step::failed(step as u8, errno))
            }
        })
    }

    /// Has a child begin, and waits until it is a program or has ended.
    fn clone(child: &mut Child<'_>) -> Result<libc::pid_t, Errno> {
        /// With the handlers of all signals taken off.
        const CLONE_CLEAR_SIGHAND: u64 = 1 << 32;
        const FLAGS: u64 = (libc::CLONE_VM | libc::CLONE_VFORK) as u64 | CLONE_CLEAR_SIGHAND;
        // What the system calls `clone_args`. Where it is given no stack the child is on its parent's.
        let arguments: [u64; 8] = [FLAGS, 0, 0, 0, libc::SIGCHLD as u64, 0, 0, 0];
        let result: i64;
        // SAFETY: the call reads the arguments, and returns in the child first, and in the parent when the child has ended or
        // has other memory. The child never leaves this block: it goes on, with the stack pointer as it is here and so aligned,
        // in `begin`, which does not return. What is on the stack above that, and in the parent's registers, it leaves as it is,
        // but for `child`, which nobody else uses meanwhile. The parent finds its registers as they were, the named ones
        // excepted.
        unsafe {
            asm!(
                "syscall",
                "test rax, rax",
                "jnz 2f",
                "mov rdi, r8",
                "call {begin}",
                "ud2",
                "2:",
                begin = sym begin,
                inlateout("rax") libc::SYS_clone3 => result,
                in("rdi") &raw const arguments,
                in("rsi") size_of_val(&arguments),
                in("r8") ptr::from_mut(child),
                out("rcx") _,
                out("r11") _,
            );
        }
        match c_int::try_from(result) {
            Ok(pid) if pid > 0 => Ok(pid),
            _ => Err(Errno::from_raw(-(result as c_int))),
        }
    }

    /// What the child does.
    ///
    /// # Safety
    ///
    /// There is such a child, and nobody uses it until this process has ended or is a program.
    unsafe extern "C" fn begin(child: *mut Child<'_>) -> ! {
        // SAFETY: so says the caller.
        let child = unsafe { &mut *child };
        let step = match prepare(child.birth) {
            Ok(()) => execute(child.birth, child.call),
            Err(step) => step,
        };
        child.failed = Some((step, Errno::last_raw()));
        // SAFETY: it ends this process, and runs nothing before.
        unsafe { libc::_exit(127) }
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64", target_pointer_width = "64")))]
mod system {
    use super::{Birth, ExecCall, Failed};

    pub(super) fn start(_: &Birth<'_>, _: &ExecCall<'_>) -> Option<Result<u32, Failed>> {
        None
    }
}
