//! Whose line is shown for what is made.

use std::cell::Cell;
use std::panic::Location;

use crate::{Kernel, SessionId};

/// A line of a program.
pub type Place = &'static Location<'static>;

impl Kernel {
    /// Shows another line than the caller's for what `make` makes: sessions, watches, timers of wheels, aliases, references,
    /// and what is asked of signals and children; for wheels and components, which make them for a line of the program.
    ///
    /// It does not reach into the handlers that are called meanwhile.
    ///
    /// ```
    /// use poe_kernel::Kernel;
    ///
    /// /// Names the program, for whoever calls this.
    /// #[track_caller]
    /// fn name(kernel: &Kernel) {
    ///     let place = kernel.place();
    ///     // A closure would lose it.
    ///     let named = kernel.made_at(place, || kernel.alias_set("main"));
    ///     named.expect("nobody else has that name");
    /// }
    /// # let kernel = Kernel::new()?;
    /// # name(&kernel);
    /// # Ok::<(), poe_kernel::KernelError>(())
    /// ```
    pub fn made_at<R>(&self, place: Place, make: impl FnOnce() -> R) -> R {
        let _before = Before(&self.inner.place, self.inner.place.replace(Some(place)));
        make()
    }

    /// The line that is shown for what is made here: the caller's, unless [`Kernel::made_at`] says another.
    #[must_use]
    #[track_caller]
    pub fn place(&self) -> Place {
        self.inner.place.get().unwrap_or(Location::caller())
    }

    /// The line that made a session.
    #[must_use]
    pub fn created_at(&self, session: SessionId) -> Option<Place> {
        self.inner.sessions.borrow().created(session)
    }

    /// Runs what is not made at the place that was said, as a handler.
    pub(crate) fn made_elsewhere<R>(&self, run: impl FnOnce() -> R) -> R {
        let _before = Before(&self.inner.place, self.inner.place.take());
        run()
    }
}

/// Says again what was said before, panics included.
struct Before<'a>(&'a Cell<Option<Place>>, Option<Place>);

impl Drop for Before<'_> {
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}
