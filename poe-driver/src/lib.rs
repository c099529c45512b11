//! Drivers: how octets are read from and written to a handle.

#![forbid(unsafe_code)]

mod driver;
mod error;
mod output_queue;
pub mod prelude;
mod read_buffer;
mod sys_rw;

pub use driver::{Driver, Get, Wants};
pub use error::ConfigError;
pub use output_queue::OutputQueue;
pub use read_buffer::ReadBuffer;
pub use sys_rw::{SysRw, SysRwBuilder};
