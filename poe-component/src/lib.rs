//! Components of POE: a TCP server or client in ten lines.

mod callback;
pub mod client;
mod error;
pub mod server;
mod tcp;

pub use error::ComponentError;
pub use tcp::{Driven, IntoDriven, Link};

/// What `use POE` brings: kernel, sessions, filters, drivers, wheels and components.
pub mod prelude {
    pub use poe_driver::prelude::*;
    pub use poe_filter::prelude::*;
    pub use poe_session::prelude::*;
    pub use poe_wheel::prelude::*;

    pub use crate::{ComponentError, Driven, Link, client, server};
}
