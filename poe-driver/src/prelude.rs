//! What most users of this crate need: `use poe_driver::prelude::*`.

pub use crate::{Datagram, Driver, Get, ReadBuffer, SysRw};
