//! Closing a connection that the peer still sends to, without losing what was sent to the peer.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::rc::{Rc, Weak};
use std::time::Duration;

use poe_driver::{Driver, Get};
use poe_kernel::{Kernel, Mode, Place, SessionId, Timeout, TimerId, Watch, WatchId, WeakKernel};
use socket2::SockRef;

use super::wheel::with_buffer;

/// Reads for one readiness, so that a peer that never stops sending does not hold the loop.
const READS_AT_ONCE: usize = 16;

/// A connection that has all its output, and is not closed before that has left this machine, or, where the peer still
/// sends, before the peer has ended its side; what the peer sends is dropped. Made by
/// [`ReadWrite::linger`](super::ReadWrite::linger). Until it is over it keeps its session alive. Dropping this closes it at
/// once.
#[must_use = "the connection is closed when this is dropped"]
pub struct Lingering {
    rest: Rc<Rest>,
}

impl Lingering {
    /// Whether the connection is closed: there is nothing to wait for any more, the time was over, or its session has
    /// stopped.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !self.rest.is_watched()
    }

    /// Gives it this long from now on, instead of what it was given before.
    pub fn set_limit(&self, limit: Duration) {
        if let Some(kernel) = self.rest.kernel.upgrade()
            && self.rest.is_watched()
        {
            self.rest.limit(&kernel, limit);
        }
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        self.rest.end();
    }
}

impl fmt::Debug for Lingering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lingering").field("is_over", &self.is_over()).finish_non_exhaustive()
    }
}

struct Rest {
    this: Weak<Self>,
    kernel: WeakKernel,
    session: SessionId,
    /// The line that made the wheel.
    since: Place,
    /// The watches hold it: it is closed when they end, with the session too.
    handle: Weak<dyn AsFd>,
    driver: RefCell<Box<dyn Driver>>,
    read_watch: Cell<Option<WatchId>>,
    /// There until the output has left this machine, or the driver has said goodbye.
    write_watch: Cell<Option<WatchId>>,
    /// Nothing but that the output leaves is waited for.
    is_leaving: Cell<bool>,
    timer: Cell<TimerId>,
}

impl Rest {
    fn is_watched(&self) -> bool {
        match (self.kernel.upgrade(), self.read_watch.get()) {
            // It is not paused, so this only tells whether it is there.
            (Some(kernel), Some(watch)) => kernel.resume_watch(watch),
            _ => false,
        }
    }

    fn limit(&self, kernel: &Kernel, limit: Duration) {
        if let Some(this) = self.this.upgrade() {
            kernel.cancel_call(self.timer.get());
            let begin = || kernel.call_later(self.session, limit, this);
            self.timer.set(kernel.made_at(self.since, begin));
        }
    }

    /// Tells the peer that no more comes, for it to end its side too. False when that cannot be.
    fn shut_down(&self) -> bool {
        let Some(handle) = self.handle.upgrade() else { return false };
        self.driver.borrow_mut().shutdown_output(handle.as_fd()).is_ok()
    }

    /// Whether the driver has nothing to say any more.
    fn has_written(&self) -> bool {
        !self.driver.borrow().wants().write
    }

    /// The handle takes output: what the driver has still to say, after which the rest has left.
    fn go_on_writing(&self, kernel: &Kernel) {
        if !self.has_written() {
            let Some(handle) = self.handle.upgrade() else { return self.end() };
            if self.driver.borrow_mut().flush(handle.as_fd()).is_err() {
                self.end();
            }
        } else if self.is_leaving.get() {
            self.end();
        } else if let Some(watch) = self.write_watch.take() {
            kernel.unwatch(watch);
        }
    }

    fn end(&self) {
        if let Some(kernel) = self.kernel.upgrade() {
            kernel.cancel_call(self.timer.replace(TimerId::NONE));
            for watch in [&self.read_watch, &self.write_watch] {
                if let Some(watch) = watch.take() {
                    kernel.unwatch(watch);
                }
            }
        }
    }

    /// Reads what has come, to no end. Whether the peer is there still.
    fn drop_input(&self, kernel: &Kernel) -> bool {
        let Some(handle) = self.handle.upgrade() else { return false };
        for _ in 0..READS_AT_ONCE {
            let got = with_buffer(|buffer| self.driver.borrow_mut().get(handle.as_fd(), buffer));
            match got {
                Ok(Get::Octets(_)) => {
                    // It goes on sending, and so has to learn of the end before the connection is closed.
                    if self.is_leaving.replace(false) && !self.shut_down() {
                        return false;
                    }
                    if self.has_written()
                        && let Some(watch) = self.write_watch.take()
                    {
                        kernel.unwatch(watch);
                    }
                }
                Ok(Get::Nothing) => return true,
                _ => return false,
            }
        }
        true
    }
}

impl Watch for Rest {
    fn ready(&self, kernel: &Kernel, mode: Mode) {
        if self.driver.try_borrow_mut().is_err() {
            // This is a turn within the driver. It comes again.
            return;
        }
        // What is read at the last moment counts.
        if !self.drop_input(kernel) {
            return self.end();
        }
        if mode == Mode::Write && self.write_watch.get().is_some() {
            self.go_on_writing(kernel);
        }
    }
}

impl Timeout for Rest {
    fn timed_out(&self, _: &Kernel) {
        self.end();
    }
}

/// Whether the peer has sent something that nobody has read, and would answer a close with a reset.
pub(super) fn has_unread(handle: &Rc<dyn AsFd>) -> bool {
    let mut octet = [MaybeUninit::uninit()];
    matches!(SockRef::from(handle).peek(&mut octet), Ok(1..))
}

/// Whether a handle that is writable has nothing unsent, once [`has_unsent`] was asked.
const TELLS_UNSENT: bool = cfg!(target_os = "linux");

/// Whether the operating system holds output that the peer has not room for yet. Should the peer send something before it
/// has, it would be answered with a reset, and the output be lost.
#[cfg(target_os = "linux")]
pub(super) fn has_unsent(handle: &Rc<dyn AsFd>) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    // With this a socket is writable when nothing is left to send. What is no TCP socket refuses it, and loses nothing.
    if SockRef::from(handle).set_tcp_notsent_lowat(1).is_err() {
        return false;
    }
    poll(&mut [PollFd::new(handle.as_fd(), PollFlags::POLLOUT)], PollTimeout::ZERO) == Ok(0)
}

/// Elsewhere nobody tells, and a TCP socket may.
#[cfg(not(target_os = "linux"))]
pub(super) fn has_unsent(handle: &Rc<dyn AsFd>) -> bool {
    SockRef::from(handle).peer_addr().is_ok_and(|peer| peer.as_socket().is_some())
}

/// Begins to drop the input. The output is ended at once if the peer sends something, and else when it has left.
pub(super) fn linger(
    kernel: &Kernel,
    session: SessionId,
    handle: &Rc<dyn AsFd>,
    driver: Box<dyn Driver>,
    (is_sending, limit): (bool, Duration),
) -> Option<Lingering> {
    let since = kernel.place();
    let rest = Rc::new_cyclic(|this| Rest {
        this: Weak::clone(this),
        kernel: kernel.downgrade(),
        session,
        since,
        handle: Rc::downgrade(handle),
        driver: RefCell::new(driver),
        read_watch: Cell::new(None),
        write_watch: Cell::new(None),
        is_leaving: Cell::new(!is_sending && TELLS_UNSENT),
        timer: Cell::new(TimerId::NONE),
    });
    let lingering = Lingering { rest: Rc::clone(&rest) };
    let watch = |mode| {
        let target = Rc::clone(&rest) as Rc<dyn Watch>;
        kernel.watch(session, Rc::clone(handle), mode, target).ok()
    };
    rest.read_watch.set(Some(watch(Mode::Read)?));
    if !rest.is_leaving.get() {
        rest.shut_down().then_some(())?;
    }
    if rest.is_leaving.get() || !rest.has_written() {
        rest.write_watch.set(Some(watch(Mode::Write)?));
    }
    rest.limit(kernel, limit);
    Some(lingering)
}
