//! Whose line is shown for what a component makes: that of the program which made the component.

use poe_kernel::{Kernel, SessionId};

/// Makes something for who made a session.
pub(crate) fn for_maker<R>(kernel: &Kernel, session: SessionId, make: impl FnOnce() -> R) -> R {
    match kernel.created_at(session) {
        Some(place) => kernel.made_at(place, make),
        None => make(),
    }
}
