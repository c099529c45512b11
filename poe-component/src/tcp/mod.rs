//! What the TCP server's connections and the TCP client have in common.

mod driven;
mod link;
mod plan;

pub use self::driven::{Driven, IntoDriven};
pub use self::link::Link;
pub(crate) use self::plan::{EventNames, Plan};
