//! Pipes within a process, or to a child of it: pairs of handles, of which one gives what was written to the other.
//!
//! POE's `POE::Pipe`. [`OneWay`] carries octets from one end to the other, [`TwoWay`] both ways between two sides. What
//! they are made of is a matter of [`PipeKind`]; without one, the first that can be made is taken. Their handles are for a
//! wheel such as [`ReadWrite`](crate::ReadWrite), for a watch, for another thread, or for a child process. They do not
//! block, and no other program inherits them, unless told otherwise.
//!
//! ```
//! use std::io::{Read, Write};
//!
//! use poe_wheel::pipe::{OneWay, PipeKind};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let OneWay { mut read, mut write, .. } = OneWay::new()?;
//! write.write_all(b"hello")?;
//! drop(write);
//! let mut octets = String::new();
//! read.read_to_string(&mut octets)?;
//! assert_eq!(octets, "hello");
//!
//! let pipe = OneWay::of(PipeKind::Inet)?;
//! assert_eq!(pipe.kind(), PipeKind::Inet);
//! # Ok(())
//! # }
//! ```

mod handle;
mod inet;
mod kind;
mod one_way;
mod two_way;

pub use handle::PipeHandle;
pub use kind::{PipeError, PipeKind};
pub use one_way::OneWay;
pub use two_way::TwoWay;
