//! A driver without a system behind it, on which tests have everything go wrong that can.
//!
//! [`Memory`] is a driver that reads what the test has its peer [send](MemoryPeer::send), and writes what the peer then has
//! [received](MemoryPeer::received). The peer is told what reads and writes meet: [`Faults`] by script, by octet, or by seed.
//! It serves tests of filters, where nothing watches anything, and of whole sessions, for it is watched on a
//! [descriptor](MemoryHandle) that is ready when there is something to do.
//!
//! # Example
//!
//! Whatever the splits, a filter gives the same records:
//!
//! ```
//! use std::os::fd::AsFd;
//!
//! use poe_driver::memory::{Fault, Faults, Memory};
//! use poe_driver::prelude::*;
//!
//! # fn main() -> std::io::Result<()> {
//! for seed in 0..100 {
//!     let (mut driver, peer) = Memory::pair()?;
//!     peer.read_faults(Faults::seeded(seed).at(3, Fault::WouldBlock));
//!     peer.send("one\ntwo\nthree\n");
//!     peer.end();
//!
//!     let (handle, mut buffer) = (driver.handle(), ReadBuffer::new());
//!     // Here the filter under test would be fed.
//!     let mut octets = Vec::new();
//!     loop {
//!         match driver.get(handle.as_fd(), &mut buffer)? {
//!             Get::Octets(some) => octets.extend_from_slice(&some),
//!             Get::Eof => break,
//!             _ => {}
//!         }
//!     }
//!     assert_eq!(octets, b"one\ntwo\nthree\n");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! In a session, the wheel has the driver, and its handle to be watched on, by `ReadWrite::build(driver.handle())` and
//! `driver(driver)`. The tests of `poe-wheel/tests/faults.rs` are written so.

mod driver;
mod fault;
mod handle;
mod peer;
mod readiness;
mod state;

pub use driver::Memory;
pub use fault::{Fault, Faults};
pub use handle::MemoryHandle;
pub use peer::MemoryPeer;
