//! What the TCP server's connections and the TCP client have in common.

mod driven;
mod ending;
mod link;
mod plan;
mod reports;
mod spawning;
mod talk;

pub use self::driven::{Driven, IntoDriven};
pub(crate) use self::ending::{
    DRAIN_TIME, Flags, Party, cut, drain, forget_handshake, report, shut_down, time_left,
};
pub use self::link::Link;
pub(crate) use self::plan::Plan;
pub(crate) use self::spawning::{check_alias, suspended};
pub(crate) use self::talk::{Sessions, Talk};
