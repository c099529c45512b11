//! What a kernel has to do with other threads: what they post to it, and the work it gives them.

mod inbox;
mod poster;

pub use self::poster::{Poster, PosterError, SessionPoster};

use self::inbox::Arrivals;

/// The kernel's side of it. A kernel that has nothing to do with other threads has the settings alone.
#[derive(Debug)]
pub(crate) struct Threads {
    arrivals: Arrivals,
}

/// How they are to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadSettings {
    pub(crate) poster_capacity: usize,
}

impl Default for ThreadSettings {
    fn default() -> Self {
        Self { poster_capacity: 1024 }
    }
}

impl Threads {
    pub(crate) fn new(settings: ThreadSettings) -> Self {
        Self { arrivals: Arrivals::new(settings.poster_capacity) }
    }
}
