//! What most users of this crate need: `use poe_driver::prelude::*`.

pub use crate::{Datagram, Driver, Get, ReadBuffer, SysRw};
#[cfg(feature = "rustls")]
pub use crate::{Tls, TlsClient, TlsError, TlsHandshake, TlsIdentity, TlsRoots, TlsServer};
