//! TLS: a driver that encrypts.
//!
//! [`TlsServer`] and [`TlsClient`] say once who one is and whom one trusts, and make a driver, [`Tls`], for each connection.
//! It goes where [`SysRw`](crate::SysRw) goes: into a `ReadWrite` wheel, or through the pre-connect callback of a component,
//! where a socket goes in and a driven handle comes out. The work is done by [`rustls`], which is exported for the rare
//! parameter that there is no method for.
//!
//! # Example
//!
//! Both ends in one program, without anything that waits:
//!
//! ```
//! use std::os::fd::AsFd;
//! use std::os::unix::net::UnixStream;
//!
//! use poe_driver::prelude::*;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let made = rcgen::generate_simple_self_signed(["example.org".to_owned()])?;
//!     let identity = TlsIdentity::from_pem(made.cert.pem(), made.signing_key.serialize_pem())?;
//!     let server = TlsServer::build().identity(identity).alpn(["hello/1"]).build()?;
//!     let roots = TlsRoots::new().pem(made.cert.pem())?;
//!     let client = TlsClient::build().roots(roots).alpn(["hello/1"]).build()?;
//!
//!     let (near, far) = UnixStream::pair()?;
//!     near.set_nonblocking(true)?;
//!     far.set_nonblocking(true)?;
//!     let mut ours = server.accept()?;
//!     let mut theirs = client.connect("example.org")?;
//!     let mut buffer = ReadBuffer::new();
//!
//!     theirs.put("hello".into());
//!     let hello = loop {
//!         theirs.flush(far.as_fd())?;
//!         if let Get::Octets(octets) = ours.get(near.as_fd(), &mut buffer)? {
//!             break octets;
//!         }
//!         ours.flush(near.as_fd())?;
//!         theirs.get(far.as_fd(), &mut buffer)?;
//!     };
//!     assert_eq!(hello, "hello");
//!     assert_eq!(ours.handshake(), TlsHandshake::Done);
//!     assert_eq!(ours.alpn(), Some(&b"hello/1"[..]));
//!     assert_eq!(ours.server_name(), Some("example.org"));
//!     assert_eq!(ours.version(), Some("TLSv1.3"));
//!     Ok(())
//! }
//! ```
//!
//! # What to wait for
//!
//! The handshake is driven by reads and writes. [`wants`](crate::Driver::wants) says what it waits for: to read even where
//! nobody wants input, and to write even where there is no output. What is put before it is done waits, and goes out then.
//! A wheel sees to all that. One read gives all that it decrypts, so that nothing is left that no readiness would announce,
//! but for a read buffer that is too small; [`has_input`](crate::Driver::has_input) tells.
//!
//! # How a connection ends
//!
//! - [`shutdown_output`](crate::Driver::shutdown_output) sends `close_notify`, and shuts the socket's output down; input goes
//!   on. [`close`](crate::Driver::close), which a wheel calls when it is dropped with nothing queued, sends `close_notify`.
//! - The peer's `close_notify` is the end of file. Output goes on.
//! - The end of the stream without it is [`TlsError::Truncated`]: whoever sits between could have made it. Where
//!   the protocol tells by itself whether all has come, it can be [tolerated](TlsServerBuilder::tolerate_truncation).
//! - All else is an error of the read that met it, and stays one; the peer is sent the alert. [`TlsError::of`] gets it out of
//!   the [`io::Error`](std::io::Error).
//! - A write that fails because the peer is gone says why it refused us, if it did and that is yet to be read; the read says it
//!   again.
//!
//! # A connection that is in clear text already
//!
//! Protocols with a command as `STARTTLS` change over: the driver takes the place of another one with
//! [`take_over`](crate::Driver::take_over), in a wheel by its `set_driver`. What was put before goes out in clear text,
//! and all that has come behind the command counts as encrypted: nobody can slip commands in before the
//! encryption that are obeyed after it. The change is for good.
//!
//! # Limits
//!
//! Records of more than 16 KiB, handshake messages of more than 64 KiB, and floods of records that bring nothing are
//! refused by `rustls`. At most 64 KiB of output are encrypted ahead of what the handle takes; the rest waits in the queue,
//! where it counts. There is no clock in a driver: how long a handshake may take is for the session to say;
//! servers and clients of `poe-component` have their `handshake_time`.
//!
//! # Memory
//!
//! What comes is decrypted into the read buffer, what goes is encrypted from where it was put, both by memory that the
//! connections of a thread share. What a connection holds of its own is part of a record, and what the handle did not take; one that is
//! idle holds neither.
//!
//! # POE's SSLify
//!
//! | `POE::Component::SSLify` | here |
//! |---|---|
//! | `SSLify_Options(key, cert, version, options)` | [`TlsServer::build`] with [`TlsIdentity::from_pem_files`]; a value, not a global |
//! | `SSLify_ContextCreate(key, cert, version, options)` | [`TlsServer::build`], [`TlsClient::build`] |
//! | `SSLify_GetCTX(sock)` | keep a clone of the [`TlsServer`] or [`TlsClient`] |
//! | `Server_SSLify(sock, ctx, callback)` | [`TlsServer::accept`], [`Tls::on_handshake`] |
//! | `Client_SSLify(sock, version, options, ctx, callback)` | [`TlsClient::connect`], [`Tls::on_handshake`] |
//! | `SSLify_GetCipher(sock)` | [`Tls::cipher`], none instead of `(NONE)`; besides [`Tls::version`], [`Tls::alpn`], [`Tls::server_name`] |
//! | `SSLify_GetStatus(sock)` -1, 1, 0 | [`Tls::handshake`]: `InProgress`, `Done`, `Failed` with the error |
//! | `SSLify_GetSocket(sock)` | the wheel has the socket itself: its `get_input_handle` |
//! | `SSLify_GetSSL(sock)` | [`Tls`]; in a wheel, its `with_driver` |
//! | the callback's `(handle, status, errval)` | [`Tls::on_handshake`] gets the [`Tls`], and the error as [`TlsHandshake::Failed`] |
//! | versions `sslv2`, `sslv3`, `tlsv1` | none: [TLS 1.2](TlsServerBuilder::only_tls13) and 1.3 |
//!
//! # Differences from SSLify
//!
//! - A client checks the server's certificate, for the name it connects to. SSLify checks nothing.
//! - A context is not freed with the first socket that has used it.
//! - A handshake that fails says why; writes report it too, where SSLify's return 0.
//! - An end without `close_notify` is an error. SSLify does not send one; servers and clients that talk with it had better
//!   [tolerate](TlsServerBuilder::tolerate_truncation) that.
//! - Faults in what is set up are errors with a type; SSLify dies.

mod client;
mod connection;
mod driver;
mod error;
mod identity;
mod outgoing;
mod provider;
mod server;

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

pub use self::client::{TlsClient, TlsClientBuilder};
pub use self::driver::{Tls, TlsHandshake};
pub use self::error::{CertificateProblem, TlsConfigError, TlsError};
pub use self::identity::TlsIdentity;
pub use self::provider::TlsRoots;
pub use self::server::{TlsServer, TlsServerBuilder};
pub use rustls;

/// The versions that are spoken.
fn versions(only_tls13: bool) -> &'static [&'static SupportedProtocolVersion] {
    static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
    if only_tls13 { &BOTH[..1] } else { &BOTH }
}
