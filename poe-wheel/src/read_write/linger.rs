//! Closing a connection that the peer still sends to, without losing what was sent to the peer.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

use poe_driver::{Driver, Get};
use poe_kernel::{Kernel, Mode, Timeout, TimerId, Watch, WatchId, WeakKernel};
use socket2::SockRef;

use super::wheel::BUFFER;

/// Reads for one readiness, so that a peer that never stops sending does not hold the loop.
const READS_AT_ONCE: usize = 16;

/// A connection whose output has been ended, and whose input is read and dropped until the peer has ended it too; made by
/// [`ReadWrite::linger`](super::ReadWrite::linger). Until then it keeps its session alive. Dropping this closes it at once.
#[must_use = "the connection is closed when this is dropped"]
pub struct Lingering {
    rest: Rc<Rest>,
}

impl Lingering {
    /// Whether the peer has ended the connection, or the time was over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.rest.watch.get().is_none()
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
    kernel: WeakKernel,
    handle: RefCell<Option<Rc<dyn AsFd>>>,
    driver: RefCell<Box<dyn Driver>>,
    watch: Cell<Option<WatchId>>,
    limit: Cell<TimerId>,
}

impl Rest {
    fn end(&self) {
        if let Some(kernel) = self.kernel.upgrade() {
            kernel.cancel_call(self.limit.replace(TimerId::NONE));
            if let Some(watch) = self.watch.take() {
                kernel.unwatch(watch);
            }
        }
        self.handle.take();
    }
}

impl Watch for Rest {
    fn ready(&self, _: &Kernel, _: Mode) {
        let Some(handle) = self.handle.borrow().clone() else { return };
        for _ in 0..READS_AT_ONCE {
            let got = BUFFER.with(|buffer| {
                self.driver.borrow_mut().get(handle.as_fd(), &mut buffer.borrow_mut())
            });
            match got {
                Ok(Get::Octets(_)) => {}
                Ok(Get::Nothing) => return,
                _ => return self.end(),
            }
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

/// Ends the output, and begins to drop the input.
pub(super) fn linger(
    kernel: &Kernel,
    session: poe_kernel::SessionId,
    handle: Rc<dyn AsFd>,
    mut driver: Box<dyn Driver>,
    limit: Duration,
) -> Option<Lingering> {
    driver.shutdown_output(handle.as_fd()).ok()?;
    let rest = Rc::new(Rest {
        kernel: kernel.downgrade(),
        handle: RefCell::new(Some(Rc::clone(&handle))),
        driver: RefCell::new(driver),
        watch: Cell::new(None),
        limit: Cell::new(TimerId::NONE),
    });
    let watch =
        kernel.watch(session, handle, Mode::Read, Rc::clone(&rest) as Rc<dyn Watch>).ok()?;
    rest.watch.set(Some(watch));
    rest.limit.set(kernel.call_later(session, limit, Rc::clone(&rest) as Rc<dyn Timeout>));
    Some(Lingering { rest })
}
