//! Drivers: how octets are read from and written to a handle.
//!
//! A [`Driver`] reads from a handle when told that it is readable, and queues what is to be written
//! until told that it is writable. It does not know who tells, and can be used by itself.
//!
//! - [`SysRw`] reads and writes plainly: sockets, pipes, terminals, files.
//! - [`Datagram`] sends and receives datagrams, which it keeps apart.
//! - `Tls`, with the feature `tls`, encrypts: as a server or a client, from the beginning or after a time in clear text.
//! - [`Memory`](memory::Memory) is for tests: it reads and writes memory, and has go wrong what they say.
//! - [`ReadBuffer`] is the memory that input is read into, one for all the handles of a thread.
//! - [`OutputQueue`] holds output, for drivers written elsewhere.
//!
//! # Example
//!
//! An echo, without anything that waits:
//!
//! ```
//! use std::io::{Read, Write};
//! use std::os::fd::AsFd;
//! use std::os::unix::net::UnixStream;
//!
//! use poe_driver::prelude::*;
//!
//! fn main() -> std::io::Result<()> {
//!     let (server, mut client) = UnixStream::pair()?;
//!     server.set_nonblocking(true)?;
//!     let mut buffer = ReadBuffer::new();
//!     let mut driver = SysRw::new();
//!
//!     client.write_all(b"hello")?;
//!     loop {
//!         match driver.get(server.as_fd(), &mut buffer)? {
//!             Get::Octets(octets) => _ = driver.put(octets),
//!             // Nobody would wait for more here.
//!             _ => break,
//!         }
//!     }
//!     assert_eq!(driver.get_out_octets(), 5);
//!     assert_eq!(driver.flush(server.as_fd())?, 0);
//!     driver.shutdown_output(server.as_fd())?;
//!
//!     let mut answer = String::new();
//!     client.read_to_string(&mut answer)?;
//!     assert_eq!(answer, "hello");
//!     Ok(())
//! }
//! ```
//!
//! # Memory
//!
//! Reading copies nothing: what was read is a slice of the read buffer. Of output,
//! chunks of 4 KiB and more are queued as they are, and smaller ones are copied together, so that
//! one system call can write them. A queue that is empty gives its memory to the next one of the
//! same thread that needs some; an idle [`SysRw`] is 144 bytes.
//!
//! # Features
//!
//! - `tls`: the driver `Tls`, on `rustls` with the cryptography of `ring`.
//! - `tls-aws-lc-rs`: the same with that of AWS-LC, which takes longer to build. With both, `ring` is the default.
//! - `rustls`: the same with none; programs bring their own.
//!
//! # Differences from POE
//!
//! - The end of a file, an error, and nothing to read are told apart by [`Get`] and `Result`, not by
//!   `errno`.
//! - A read or write that a signal interrupts is tried again. POE reports it as fatal.
//! - [`flush`](Driver::flush) writes several chunks with one call.
//! - A driver lends its queue, with [`output`](Driver::output), so that a filter can serialize into
//!   it: a message may be put together from parts.
//! - [`wants`](Driver::wants) and [`has_input`](Driver::has_input) are new: a driver that encrypts
//!   may have to read in order to write, and may hold input that no readiness announces.
//! - [`shutdown_output`](Driver::shutdown_output) and [`discard_output`](Driver::discard_output) are
//!   new. In POE, wheels shut the handle down over the driver's head.
//! - [`close`](Driver::close) and [`take_over`](Driver::take_over) are new, for a driver that says goodbye, and one that a
//!   connection changes over to. `Tls` does what `POE::Component::SSLify` does with a tied handle; its module has
//!   the table.
//! - [`Datagram`] is new: in POE, datagrams go through `SysRW`, which cuts long ones in silence, and ends with the first
//!   error.
//! - What may be read at once is limited by the read buffer as well as by `block_size`.

#![forbid(unsafe_code)]
#![doc(test(attr(deny(warnings))))]

mod calls;
mod datagram;
mod driver;
mod error;
pub mod memory;
mod messages;
mod output_queue;
pub mod prelude;
mod read_buffer;
mod sys_rw;
#[cfg(feature = "rustls")]
pub mod tls;

pub use datagram::{Datagram, DatagramBuilder};
pub use driver::{Driver, Get, Wants};
pub use error::ConfigError;
pub use output_queue::OutputQueue;
pub use read_buffer::ReadBuffer;
pub use sys_rw::{SysRw, SysRwBuilder};
#[cfg(feature = "rustls")]
pub use tls::{
    CertificateProblem, Tls, TlsClient, TlsClientBuilder, TlsConfigError, TlsError, TlsHandshake,
    TlsIdentity, TlsRoots, TlsServer, TlsServerBuilder,
};
