//! Components of POE: one task done whole, in ten lines. Here a TCP server and a TCP client.
//!
//! [`server::Tcp`] listens, and gives each client a session of its own, whose callbacks run with the connection as the heap.
//! [`client::Tcp`] is one session that connects, talks, and connects again if it is told to. Both put a filter on the
//! stream, so that callbacks see records, and both send what is queued before they close.
//!
//! ```
//! use poe_component::prelude::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let kernel = Kernel::new()?;
//! let server = server::Tcp::build()
//!     .address("127.0.0.1")
//!     .alias("greeter")
//!     .client_connected(|cx| cx.heap.client.put("Smile from the server!"))
//!     .client_input(|cx, line| cx.heap.client.put(line.to_ascii_uppercase()))
//!     .spawn(&kernel)?;
//!
//! client::Tcp::build()
//!     .remote_address("127.0.0.1")
//!     .remote_port(server.local_address().port().unwrap_or(0))
//!     .client_state(Vec::new())
//!     .connected(|cx| cx.heap.server.put("hello"))
//!     .server_input(|cx, line| {
//!         cx.heap.user.push(line);
//!         if cx.heap.user.len() == 2 {
//!             assert_eq!(cx.heap.user, ["Smile from the server!", "HELLO"]);
//!             cx.yield_event(client::SHUTDOWN, ());
//!         }
//!     })
//!     .disconnected(|cx| cx.post("greeter", server::SHUTDOWN, ()))
//!     .spawn(&kernel)?;
//! kernel.run()?;
//! # Ok(())
//! # }
//! ```
//!
//! # Design
//!
//! - **The types are settled first.** The filters and the program's own state decide what callbacks are given, so the
//!   builder offers them before the first callback, and no more after it. Everything else comes in any order.
//! - **`spawn` says what fails.** An address in use, an alias that is taken, parameters that do not go together: an error
//!   of `spawn`, not an event that a server without an `error` callback would never hear of. Only connecting is always
//!   told by an event, so that its failures are met in one place; and so is what becomes of a name that is looked up for
//!   a server which a handler spawns.
//! - **A heap has names.** `cx.heap.client` and `cx.heap.server` are a [`Link`]: the wheel while there is one, and nothing
//!   to be careful of while there is not. What the program keeps is `cx.heap.user`.
//! - **Events are typed constants**, [`server::SHUTDOWN`], [`client::CONNECT`]: what they carry is checked by the compiler,
//!   and text serves as well.
//! - **The end is told once**, for every connection that was told to have begun, whichever way it ends.
//! - **Nothing queued is lost** because the peer has closed its half, or because a shutdown was asked for; only a connection
//!   that has failed is not waited for. What `flushed` puts once the connection is shutting down is dropped: otherwise a
//!   server that streams would never end.
//! - **Nothing is printed.** What no callback handles goes to the kernel's diagnostics.
//!
//! # Encryption
//!
//! With the feature `tls`, the pre-connect callback gives the connection a `Tls` driver, as POE's SSLify does; see [`Driven`].
//! A handshake has thirty seconds, or what [`handshake_time`](server::TcpBuilder::handshake_time) gives it.
//! Where a protocol begins in clear text, `set_driver` of the connection's wheel changes over.
//!
//! # Parameters
//!
//! | `Server::TCP` | here |
//! |---|---|
//! | `Acceptor` | [`acceptor`](server::TcpBuilder::acceptor) |
//! | `Address`, `Hostname` | [`address`](server::TcpBuilder::address), [`path`](server::TcpBuilder::path) |
//! | `Alias` | [`alias`](server::TcpBuilder::alias) |
//! | `ClientArgs`, `ClientConnected` | [`client_connected`](server::TcpBuilder::client_connected), [`client_connected_with`](server::TcpBuilder::client_connected_with) |
//! | `ClientDisconnected` | [`client_disconnected`](server::TcpBuilder::client_disconnected) |
//! | `ClientError` | [`client_error`](server::TcpBuilder::client_error) |
//! | `ClientFilter` | [`client_filter`](server::TcpBuilder::client_filter) |
//! | `ClientFlushed` | [`client_flushed`](server::TcpBuilder::client_flushed) |
//! | `ClientHigh`, `ClientLow`, `HighMark`, `LowMark` | [`client_high`](server::TcpBuilder::client_high), [`client_low`](server::TcpBuilder::client_low), [`high_mark`](server::TcpBuilder::high_mark), [`low_mark`](server::TcpBuilder::low_mark) |
//! | `ClientInput` | [`client_input`](server::TcpBuilder::client_input), [`client_partial`](server::TcpBuilder::client_partial) |
//! | `ClientInputFilter`, `ClientOutputFilter` | [`client_input_filter`](server::TcpBuilder::client_input_filter), [`client_output_filter`](server::TcpBuilder::client_output_filter) |
//! | `ClientPreConnect` | [`client_pre_connect`](server::TcpBuilder::client_pre_connect) |
//! | `ClientShutdownOnError` | [`client_shutdown_on_error`](server::TcpBuilder::client_shutdown_on_error) |
//! | `Concurrency` | [`concurrency`](server::TcpBuilder::concurrency) |
//! | `Domain` | [`domain`](server::TcpBuilder::domain) |
//! | `Error` | [`error`](server::TcpBuilder::error) |
//! | `InlineStates`, `PackageStates` | [`state`](server::TcpBuilder::state) |
//! | `ListenerArgs`, `Started` | [`started`](server::TcpBuilder::started), [`started_with`](server::TcpBuilder::started_with) |
//! | `ObjectStates` | [`object_state`](server::TcpBuilder::object_state) |
//! | `Port` | [`port`](server::TcpBuilder::port) |
//! | `SessionParams`, `SessionType` | [`client_option`](server::TcpBuilder::client_option), [`client_session`](server::TcpBuilder::client_session), [`listener_session`](server::TcpBuilder::listener_session) |
//! | `Stopped` | [`stopped`](server::TcpBuilder::stopped) |
//! | (not there) | [`client_state`](server::TcpBuilder::client_state), [`drain_on`](server::TcpBuilder::drain_on), [`drain_time`](server::TcpBuilder::drain_time), [`listen_queue`](server::TcpBuilder::listen_queue), [`listening`](server::TcpBuilder::listening), [`marks`](server::TcpBuilder::marks) |
//!
//! | `Client::TCP` | here |
//! |---|---|
//! | `Alias` | [`alias`](client::TcpBuilder::alias) |
//! | `Args`, `Started` | [`started`](client::TcpBuilder::started), [`started_with`](client::TcpBuilder::started_with) |
//! | `BindAddress`, `BindPort` | [`bind_address`](client::TcpBuilder::bind_address), [`bind_port`](client::TcpBuilder::bind_port) |
//! | `ConnectError` | [`connect_error`](client::TcpBuilder::connect_error) |
//! | `Connected` | [`connected`](client::TcpBuilder::connected) |
//! | `ConnectTimeout` | [`connect_timeout`](client::TcpBuilder::connect_timeout) |
//! | `Disconnected` | [`disconnected`](client::TcpBuilder::disconnected) |
//! | `Domain` | [`domain`](client::TcpBuilder::domain) |
//! | `Filter` | [`filter`](client::TcpBuilder::filter) |
//! | `HighMark`, `LowMark`, `ServerHigh`, `ServerLow` | [`high_mark`](client::TcpBuilder::high_mark), [`low_mark`](client::TcpBuilder::low_mark), [`server_high`](client::TcpBuilder::server_high), [`server_low`](client::TcpBuilder::server_low) |
//! | `InlineStates`, `PackageStates` | [`state`](client::TcpBuilder::state) |
//! | `ObjectStates` | [`object_state`](client::TcpBuilder::object_state) |
//! | `PreConnect` | [`pre_connect`](client::TcpBuilder::pre_connect) |
//! | `RemoteAddress`, `RemotePort` | [`remote_address`](client::TcpBuilder::remote_address), [`remote_port`](client::TcpBuilder::remote_port), [`remote_path`](client::TcpBuilder::remote_path) |
//! | `ServerError` | [`server_error`](client::TcpBuilder::server_error) |
//! | `ServerFlushed` | [`server_flushed`](client::TcpBuilder::server_flushed) |
//! | `ServerInput` | [`server_input`](client::TcpBuilder::server_input), [`server_partial`](client::TcpBuilder::server_partial) |
//! | `SessionParams`, `SessionType` | [`option`](client::TcpBuilder::option), [`session`](client::TcpBuilder::session) |
//! | (not there) | [`client_state`](client::TcpBuilder::client_state), [`drain_on`](client::TcpBuilder::drain_on), [`drain_time`](client::TcpBuilder::drain_time), [`input_filter`](client::TcpBuilder::input_filter), [`marks`](client::TcpBuilder::marks), [`output_filter`](client::TcpBuilder::output_filter) |
//!
//! # Differences from POE
//!
//! Of both:
//! - What cannot begin is an error of `spawn`.
//! - The end of file, and a record that the filter refuses, do not keep queued output from being sent.
//! - Servers and clients can be drained in a time, by a signal too, and connections cut.
//! - A callback that fails raises `DIE` in its session. Where that is handled, the connection still ends as it should.
//! - The component's own events cannot be replaced by a state of the same name, but for its commands.
//!
//! Of the server:
//! - A `concurrency` of 0 lets nobody in; raising it, to any number too, lets in those who wait.
//! - A client is counted until its session has gone, whatever becomes of its `_stop`; but not while all that is left to do is
//!   to wait until it has received the rest, or stops sending.
//! - The address of an IPv6 client is known; a server on all IPv6 addresses starts.
//! - A server's name is looked up while others have their turn, and may be one of IPv6. POE waits for it, or does not find it.
//! - `ClientDisconnected` that shuts the connection down again is not called again.
//! - The path of a UNIX socket is removed at the end.
//! - Listener and connections may be customized each by itself.
//! - What accompanies an acceptor without use is refused, marks and states too.
//!
//! Of the client:
//! - The connect timeout is exact, and `connect_error` gets an [`IoError`](poe_wheel::IoError) as for other failures.
//! - An error of one connection does not make the next lose its output.
//! - `disconnected` is called when the connection fails while its output drains, and when it is replaced by reconnecting.
//! - A reconnection that was put off is called off by one that is not, and by a shutdown; `server_error` may ask to
//!   reconnect without being shut down right after.
//! - A connection that `pre_connect` refuses is closed. A client that could not connect ends, its alias with it.
//! - `CONNECT` may lead from a path to a port and back.
//!
//! Case by case:
//!
//! - Difference: CMP-03 (an odd list of arguments, or states of the wrong shape, do not compile; the callback for the high
//!   mark may be left out, as with the wheel; the rest is refused)

mod callback;
pub mod client;
mod error;
mod maker;
pub mod server;
mod tcp;

/// The crates below, for what the prelude does not have.
pub use {poe_driver, poe_filter, poe_kernel, poe_session, poe_wheel};

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

/// The programs in the README are compiled, and run where they end.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// So are those of the guide for porting; a test of the examples compares them with their twins in Perl.
#[cfg(doctest)]
#[doc = include_str!("../../PORTING.md")]
struct Porting;
