//! Children that begin as copies of this process.

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use nix::errno::Errno;
use nix::libc;

use super::child::{Step, execute, prepare, take_off_handlers, wait_for_failed};
use super::descriptors::above_stdio;
use super::{Birth, ExecCall, Failed};

/// Starts a program, for what can be done in no other way.
pub(super) fn start(birth: &Birth<'_>, call: &ExecCall<'_>) -> Result<u32, Failed> {
    fork(birth, |_| execute(birth, call))
}

/// Whether this process has one thread, and so the child of a fork all that its parent has.
pub(crate) fn can_fork() -> bool {
    cfg!(target_os = "linux")
        && std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1)
}

/// Has a copy of this process do something, when it has made ready for it, and end with a status. Making ready leaves alone
/// the descriptor that it is given. Refused where there are other threads.
pub(crate) fn fork_code<T>(
    birth: &Birth<'_>,
    make_ready: impl FnOnce(RawFd) -> io::Result<T>,
    code: impl FnOnce(T) -> u8,
) -> Result<u32, Failed> {
    if !can_fork() {
        let why = "the process has several threads, of which a copy would have one";
        return Err(("fork for", io::Error::new(io::ErrorKind::Unsupported, why)));
    }
    // Nothing that waits to be printed is to be printed twice.
    let _ = io::stdout().flush();
    fork(birth, move |tell| {
        let ready = match make_ready(tell) {
            Ok(ready) => ready,
            Err(error) => {
                // What the code has brought along is the parent's to drop.
                std::mem::forget(code);
                Errno::set_raw(error.raw_os_error().unwrap_or_default());
                return Step::Stdio;
            }
        };
        // SAFETY: its owner, up the stack, is never dropped. The parent learns by this that the child is ready.
        unsafe { libc::close(tell) };
        let status = catch_unwind(AssertUnwindSafe(|| code(ready))).unwrap_or(u8::MAX);
        let _ = io::stdout().flush();
        // SAFETY: it ends the process at once: nothing of its parent's is dropped or run a second time.
        unsafe { libc::_exit(status.into()) }
    })
}

/// Forks. The child prepares itself and goes on with `last`, which does not return unless it fails; that, and what failed
/// before, is told to the parent, which waits until the child is ready.
fn fork(birth: &Birth<'_>, last: impl FnOnce(RawFd) -> Step) -> Result<u32, Failed> {
    let failed = |error| ("fork for", error);
    let (mut told, tell) = io::pipe().map_err(failed)?;
    let tell = above_stdio(tell.into()).map_err(failed)?;
    // What hits the child before it has its own handlers waits until then: those of its parent are not for it.
    let blocked = Blocked::all();
    // SAFETY: the child calls nothing here but what may be called after a fork of a process with several threads: it does
    // not allocate, lock or drop, and ends with `_exit` at the latest. Of `fork_code`'s `last`, which may do more, the
    // caller has made sure that there is one thread.
    match unsafe { libc::fork() } {
        -1 => {
            let error = io::Error::last_os_error();
            drop(blocked);
            Err(failed(error))
        }
        0 => {
            take_off_handlers();
            let step = match prepare(birth) {
                Ok(()) => last(tell.as_raw_fd()),
                Err(step) => step,
            };
            let [a, b, c, d] = Errno::last_raw().to_ne_bytes();
            let message = [step as u8, a, b, c, d];
            // SAFETY: the message is that long, and the descriptor open; `_exit` does not return.
            unsafe {
                libc::write(tell.as_raw_fd(), message.as_ptr().cast(), message.len());
                libc::_exit(127)
            }
        }
        pid => {
            drop(blocked);
            drop(tell);
            let mut message = [0; 5];
            if told.read_exact(&mut message).is_err() {
                return Ok(pid.cast_unsigned());
            }
            wait_for_failed(pid);
            let [step, errno @ ..] = message;
            Err(Step::failed(step, i32::from_ne_bytes(errno)))
        }
    }
}

/// All signals are held back for this thread, until it is dropped.
struct Blocked(libc::sigset_t);

impl Blocked {
    fn all() -> Self {
        let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: the first call initializes the one set, and the second, which cannot fail with it, the other.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            Self(before.assume_init())
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the set is initialized; a null pointer is for what nobody wants to know.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut());
        }
    }
}
