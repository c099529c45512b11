//! Forking: a kernel goes on in a child process.

use crate::id::KernelId;
use crate::{Kernel, KernelError};

impl Kernel {
    /// Has the kernel go on in a child process by itself, after a `fork` (POE: `has_forked`). In any other process, as the
    /// parent, this does nothing.
    ///
    /// The child begins as a copy of its parent: **both go on** with all sessions, queued events and timers, and with the
    /// handles that are watched, which both then read and write. What makes them two is done here. The child's kernel
    /// gets
    /// - an [identity](Kernel::id) of its own,
    /// - an event loop of its own, in which all handles are watched again, and whose
    ///   [descriptor](crate::EventLoop::descriptor) is another one,
    /// - a way of its own for signals to come in. Those that came to the parent before the fork, and not yet to its
    ///   sessions, are the parent's; those that came to the child are not lost.
    ///
    /// The children that sessions asked for with [`Kernel::sig_child`] are the parent's: in the child nobody waits for
    /// them any more, and a session that lived for them alone stops. So it is with [blocking](Kernel::blocking) work that is
    /// under way: the threads that do it are the parent's. What was done before the fork is told in both. A
    /// [`SessionPoster`](crate::SessionPoster) that another thread has is dropped by nobody in the child, and holds its
    /// session there until this is stopped.
    ///
    /// Call it first thing in the child: until then its loop is still its parent's, and a watch that ends in the child may
    /// end for the parent. [`Kernel::run`] and [`Kernel::stop`] call it by themselves, and a kernel may be dropped
    /// without it. A handle that is non-blocking for the sake of its watch stays so in the child, as its mode is that of
    /// both processes; in the parent it blocks again when its watch ends there.
    ///
    /// Forking is the exception; a program is better started with `std::process::Command`. `fork` is unsafe, and only
    /// sound in a process with one thread: of others, the child has what they held, as locks, and not what would let it
    /// go. A kernel that has done [blocking](Kernel::blocking) work has threads.
    ///
    /// ```
    /// use poe_kernel::Kernel;
    ///
    /// let kernel = Kernel::new()?;
    /// let id = kernel.id();
    /// // if let ForkResult::Child = unsafe { fork() }? {
    /// kernel.has_forked()?;
    /// // }
    /// assert_eq!(kernel.id(), id, "this is not a child process");
    /// # Ok::<(), poe_kernel::KernelError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`KernelError::EventLoop`] when the loop cannot begin anew: the operating system refuses it its descriptors, or it
    /// is one of the program's own that does not do [`EventLoop::has_forked`](crate::EventLoop::has_forked).
    /// [`KernelError::Signal`] when there is no new way for signals. It can then be called again.
    pub fn has_forked(&self) -> Result<(), KernelError> {
        let process = std::process::id();
        if process == self.inner.process.get() {
            return Ok(());
        }
        // First of all, so that no end of a watch reaches the loop of the parent.
        self.inner.handles.borrow_mut().has_forked();
        let failed = |source| KernelError::EventLoop { operation: "go on after a fork", source };
        self.inner.event_loop.borrow_mut().has_forked().map_err(failed)?;
        self.disown_children();
        self.disown_blocking();
        self.renew_intake()?;
        self.inner.id.replace(KernelId::generate().0);
        self.inner.process.set(process);
        Ok(())
    }
}
