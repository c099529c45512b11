//! A flag that does not outlive what it is about.

use std::cell::Cell;

/// Clears a flag when it goes, be it in a panic.
pub(crate) struct Unset<'a>(pub(crate) &'a Cell<bool>);

impl Drop for Unset<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
