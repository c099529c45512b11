//! What a state is entered with, and returned to with.

use poe_kernel::{Event, EventFor, Name, Payload};

/// What a state is entered with: nothing, `()`; an event's name; or `(event, args)`.
///
/// The state that is entered has to have a handler for the event.
///
/// ```
/// use poe_session::prelude::*;
///
/// const FILL: Event<u32> = Event::new("fill");
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let kernel = Kernel::new()?;
/// Nfa::build(0)
///     .state("empty", |state| {
///         state.on("open", |cx, ()| cx.goto_state("full", (FILL, 10)))
///     })
///     .state("full", |state| state.on(FILL, |cx, liters| *cx.heap += liters))
///     .spawn(&kernel, "empty", "open")?;
/// # kernel.run()?;
/// # Ok(())
/// # }
/// ```
pub trait Entry {
    /// The event and what it carries.
    #[doc(hidden)]
    fn into_arrival(self) -> Option<Arrival>;
}

/// The event that a state is to be sent when the machine is in it.
#[derive(Debug)]
pub struct Arrival {
    pub(crate) event: Name,
    pub(crate) args: Payload,
}

impl Entry for () {
    fn into_arrival(self) -> Option<Arrival> {
        None
    }
}

impl<E: EventFor<P>, P: 'static> Entry for (E, P) {
    fn into_arrival(self) -> Option<Arrival> {
        Some(Arrival { event: self.0.name(), args: Payload::new(self.1) })
    }
}

/// The event that a state is returned to with, or `()` for none.
///
/// It carries what [`return_state`](crate::Cx::return_state) is given.
pub trait ReturnEvent {
    /// The event's name.
    #[doc(hidden)]
    fn into_name(self) -> Option<Name>;
}

impl ReturnEvent for () {
    fn into_name(self) -> Option<Name> {
        None
    }
}

impl<P> ReturnEvent for Event<P> {
    fn into_name(self) -> Option<Name> {
        Some(self.into())
    }
}

macro_rules! names {
    ($($name:ty),*) => {$(
        impl ReturnEvent for $name {
            fn into_name(self) -> Option<Name> {
                Some(self.into())
            }
        }

        impl Entry for $name {
            fn into_arrival(self) -> Option<Arrival> {
                (self, ()).into_arrival()
            }
        }
    )*};
}

names!(&'static str, String, Name);

impl Entry for Event<()> {
    fn into_arrival(self) -> Option<Arrival> {
        (self, ()).into_arrival()
    }
}
