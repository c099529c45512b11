//! Octets on their way to a terminal that may not take them at once.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::AsFd;
use std::rc::{Rc, Weak};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use poe_kernel::{Kernel, Mode, SessionId, Watch, WatchId, WeakKernel};

/// How long the last of the output may take when the wheel goes, in milliseconds.
const LAST: u16 = 200;

/// What is to be written, in order; where nothing is taken, the kernel is asked to tell when it is.
pub(super) struct Output {
    pipe: Rc<Pipe>,
    kernel: WeakKernel,
    session: SessionId,
}

struct Pipe {
    handle: Rc<dyn AsFd>,
    waiting: RefCell<Vec<u8>>,
    watch: Cell<Option<WatchId>>,
    /// Nobody takes anything any more.
    failed: Cell<bool>,
}

impl Output {
    pub(super) fn new(kernel: WeakKernel, session: SessionId, handle: Rc<dyn AsFd>) -> Self {
        let pipe = Pipe {
            handle,
            waiting: RefCell::default(),
            watch: Cell::default(),
            failed: Cell::default(),
        };
        Self { pipe: Rc::new(pipe), kernel, session }
    }

    pub(super) fn handle(&self) -> &dyn AsFd {
        &*self.pipe.handle
    }

    pub(super) fn push(&self, text: &str) {
        self.pipe.waiting.borrow_mut().extend_from_slice(text.as_bytes());
    }

    /// Writes what can be written at once.
    pub(super) fn send(&self, text: &str) -> io::Result<()> {
        if text.is_empty() || self.pipe.failed.get() {
            return Ok(());
        }
        self.push(text);
        if self.pipe.watch.get().is_some() {
            return Ok(());
        }
        if !self.pipe.write()?
            && let Some(kernel) = self.kernel.upgrade()
        {
            let drain = Rc::new(Drain(Rc::downgrade(&self.pipe)));
            let handle = Rc::clone(&self.pipe.handle);
            let watch = kernel.watch(self.session, handle, Mode::Write, drain);
            self.pipe.watch.set(Some(watch.map_err(io::Error::other)?));
        }
        Ok(())
    }

    /// Writes the rest, for which it waits a moment.
    pub(super) fn end(&self) {
        if let (Some(kernel), Some(watch)) = (self.kernel.upgrade(), self.pipe.watch.take()) {
            kernel.unwatch(watch);
        }
        while matches!(self.pipe.write(), Ok(false)) {
            let mut ready = [PollFd::new(self.pipe.handle.as_fd(), PollFlags::POLLOUT)];
            if !matches!(poll(&mut ready, PollTimeout::from(LAST)), Ok(1..)) {
                break;
            }
        }
    }
}

impl Pipe {
    /// Writes until all is written, which is true, or nothing more is taken.
    fn write(&self) -> io::Result<bool> {
        let mut waiting = self.waiting.borrow_mut();
        while !waiting.is_empty() {
            match nix::unistd::write(&self.handle, &waiting) {
                Ok(count) => drop(waiting.drain(..count)),
                Err(Errno::EAGAIN) => return Ok(false),
                Err(Errno::EINTR) => {}
                Err(error) => {
                    waiting.clear();
                    self.failed.set(true);
                    return Err(error.into());
                }
            }
        }
        Ok(true)
    }
}

struct Drain(Weak<Pipe>);

impl Watch for Drain {
    fn ready(&self, kernel: &Kernel, _: Mode) {
        if let Some(pipe) = self.0.upgrade()
            && !matches!(pipe.write(), Ok(false))
            && let Some(watch) = pipe.watch.take()
        {
            kernel.unwatch(watch);
        }
    }
}
