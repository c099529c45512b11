//! Whose line is shown for what is made.

use std::cell::Cell;
use std::panic::Location;

use crate::kernel::Active;
use crate::{Kernel, SessionId};

/// A line of a program.
pub type Place = &'static Location<'static>;

/// A line that was said, and in which handler.
pub(crate) type Said = Option<(Place, Active)>;

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
        let said = Some((place, self.inner.active.get()));
        let _before = Before(&self.inner.place, self.inner.place.replace(said));
        make()
    }

    /// The line that is shown for what is made here: the caller's, unless [`Kernel::made_at`] says another.
    #[must_use]
    #[track_caller]
    pub fn place(&self) -> Place {
        match self.inner.place.get() {
            Some((place, active)) if active == self.inner.active.get() => place,
            // It was said for another handler, which has called this one.
            _ => Location::caller(),
        }
    }

    /// The line that made a session.
    #[must_use]
    pub fn created_at(&self, session: SessionId) -> Option<Place> {
        self.inner.sessions.borrow().created(session)
    }
}

/// Says again what was said before, panics included.
struct Before<'a>(&'a Cell<Said>, Said);

impl Drop for Before<'_> {
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}
