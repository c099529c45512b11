//! A kernel in somebody else's event loop.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use thiserror::Error;

use crate::run::Running;
use crate::{Kernel, KernelError};

/// A kernel that shares its thread with another event loop, which calls it: that of a graphical toolkit, or a runtime for
/// futures (POE: the `POE::Loop` of that toolkit).
///
/// It is a descriptor to watch and a timeslice to run. The other loop does this, over and over:
///
/// 1. it runs a timeslice, which never waits, and says what [`Next`] is to be done;
/// 2. it does as it is told, and whatever else it has to do, and begins again.
///
/// ```
/// # use std::os::fd::AsFd;
/// # use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
/// # use poe_kernel::{Delivery, Dispatch, Outcome};
/// # struct Mute;
/// # impl Dispatch for Mute {
/// #     fn dispatch(&self, _: Delivery<'_>) -> Outcome { Ok(()) }
/// # }
/// # fn wait_for_it_and_other_things(descriptor: impl AsFd, _: Option<std::time::Duration>) {
/// #     let _ = poll(&mut [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE);
/// # }
/// # fn do_other_things() {}
/// use poe_kernel::{Kernel, Next};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kernel = Kernel::new()?;
/// # kernel.session_alloc(std::rc::Rc::new(Mute), ())?;
/// // Sessions are created here, and then:
/// # if kernel.event_loop_name() == "polling" {
/// let embedded = kernel.embed()?;
/// loop {
///     match embedded.run_one_timeslice()? {
///         Next::Done => break,
///         Next::Again => do_other_things(),
///         Next::Wait(longest) => wait_for_it_and_other_things(&embedded, longest),
///     }
/// }
/// # }
/// # Ok(())
/// # }
/// ```
///
/// The descriptor becomes readable when the kernel has something to do: a handle is ready, or another thread has posted.
/// It is only to be watched, never read. It may be watched edge-triggered too, if readiness is cleared before the
/// timeslice and [`Next::Again`] is heeded.
///
/// Who posts on the kernel's own thread, between two timeslices, asks [`Embedded::next`] again, or posts with a
/// [`Poster`](crate::Poster), which wakes the other loop as it would the kernel.
///
/// A kernel that is idle ends its sessions here as it does in [`Kernel::run`]: sessions that wait for the other loop's
/// work alone are kept by a [`SessionPoster`](crate::SessionPoster), or by an extra reference.
pub struct Embedded {
    kernel: Kernel,
    descriptor: OwnedFd,
}

/// What is to be done after a timeslice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// No session is left. Once there are new ones, it may be run again.
    Done,
    /// Run another one as soon as others have had their turn.
    Again,
    /// Run another one when the descriptor can be read, or when so much time is over.
    Wait(Option<Duration>),
}

/// Why a kernel cannot run in another event loop.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmbedError {
    /// Its own loop has no descriptor to watch.
    #[error(
        "event loop {event_loop:?} has no descriptor that another loop could watch; use \"polling\""
    )]
    NoDescriptor {
        /// The loop's name.
        event_loop: &'static str,
    },
    /// The operating system gives no descriptor, as when the process has as many as it may.
    #[error("no descriptor for another loop to watch: {0}")]
    Os(#[source] io::Error),
}

impl Kernel {
    /// Lets the kernel run in another event loop of this thread.
    ///
    /// # Errors
    ///
    /// [`EmbedError::NoDescriptor`] of those on `poll(2)` and `select(2)`, which learn what is ready only by asking;
    /// [`EmbedError::Os`] when there are no more descriptors.
    pub fn embed(&self) -> Result<Embedded, EmbedError> {
        let event_loop = self.inner.event_loop.borrow();
        let none = EmbedError::NoDescriptor { event_loop: event_loop.name() };
        let descriptor = event_loop.descriptor().ok_or(none)?;
        let descriptor = descriptor.try_clone_to_owned().map_err(EmbedError::Os)?;
        Ok(Embedded { kernel: self.clone(), descriptor })
    }
}

impl Embedded {
    /// Dispatches what is ready and due now, and returns at once; what to do next.
    ///
    /// # Errors
    ///
    /// As for [`Kernel::run`].
    pub fn run_one_timeslice(&self) -> Result<Next, KernelError> {
        self.check()?;
        {
            let inner = &self.kernel.inner;
            let _running = Running::begin(&inner.running)?;
            let _never_waits = Set::new(&inner.never_waits);
            self.kernel.run_one_timeslice()?;
        }
        self.next()
    }

    /// What is to be done now, without a timeslice: for whoever has just posted to the kernel on this thread.
    ///
    /// # Errors
    ///
    /// [`KernelError::EventLoop`] when the operating system will not have a handle watched, and
    /// [`KernelError::AlreadyRunning`] when called by a handler.
    pub fn next(&self) -> Result<Next, KernelError> {
        self.check()?;
        let next = self.kernel.prepare_to_wait()?;
        Ok(match next {
            // Whoever watches for edges has been told of this one already.
            Next::Wait(_) if self.is_readable() => Next::Again,
            other => other,
        })
    }

    /// The kernel.
    #[must_use]
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    fn check(&self) -> Result<(), KernelError> {
        if self.kernel.active_session().is_kernel() {
            Ok(())
        } else {
            Err(KernelError::AlreadyRunning)
        }
    }

    fn is_readable(&self) -> bool {
        let mut descriptors = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        // One that cannot be asked is found out about by the next timeslice.
        poll(&mut descriptors, PollTimeout::ZERO).is_ok_and(|count| count > 0)
    }
}

impl Kernel {
    /// Does what goes before each wait, and says how long that may be.
    fn prepare_to_wait(&self) -> Result<Next, KernelError> {
        self.flush_outputs();
        if self.session_count() == 0 && !self.inner.is_fatal.get() {
            self.end()?;
            return Ok(Next::Done);
        }
        self.test_idle();
        self.tell_loop()?;
        let mut ready = Vec::new();
        self.inner.handles.borrow().always_ready(&mut ready);
        Ok(match self.timeout() {
            _ if !ready.is_empty() => Next::Again,
            Some(Duration::ZERO) => Next::Again,
            timeout => Next::Wait(timeout),
        })
    }
}

impl AsFd for Embedded {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl AsRawFd for Embedded {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded")
            .field("kernel", &self.kernel)
            .field("descriptor", &self.descriptor)
            .finish()
    }
}

/// A flag that is set for as long as this lives, panics included.
struct Set<'a>(&'a Cell<bool>);

impl<'a> Set<'a> {
    fn new(flag: &'a Cell<bool>) -> Self {
        flag.set(true);
        Self(flag)
    }
}

impl Drop for Set<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
