//! What a kernel has to do with other threads: what they post to it, and the work it gives them.

mod blocking;
mod blocking_call;
mod inbox;
mod pool;
mod poster;

use std::cell::RefCell;
use std::rc::Rc;

pub use self::blocking::{BlockingError, BlockingRefused};
pub use self::blocking_call::BlockingCall;
use self::blocking_call::BlockingCalls;
use self::inbox::Arrivals;
use self::pool::{Pool, PoolSettings};
pub use self::poster::{Poster, PosterError, SessionPoster};

/// The kernel's side of it: nothing but settings for a kernel that has nothing to do with other threads.
#[derive(Debug)]
pub(crate) struct Threads {
    settings: ThreadSettings,
    arrivals: Arrivals,
    pool: RefCell<Option<Rc<Pool>>>,
    calls: BlockingCalls,
}

/// How they are to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadSettings {
    poster_capacity: usize,
    pool: PoolSettings,
}

impl Default for ThreadSettings {
    fn default() -> Self {
        Self { poster_capacity: 1024, pool: PoolSettings::default() }
    }
}

impl Threads {
    pub(crate) fn new(settings: ThreadSettings) -> Self {
        let arrivals = Arrivals::new(settings.poster_capacity);
        Self { settings, arrivals, pool: RefCell::default(), calls: BlockingCalls::default() }
    }

    /// Has no thread wait for the kernel any more. This comes first at its end: whatever else goes then, a session or the
    /// pool, may wait for such a thread.
    pub(crate) fn close(&self) {
        self.arrivals.close();
    }
}
