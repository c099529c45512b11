//! Servers.

mod builder;
mod callbacks;
mod connection;
mod listener;

use std::sync::{Arc, OnceLock};

use poe_kernel::{Destination, Event, Kernel, SessionId};
use poe_wheel::Address;

pub use self::builder::{Callbacks, Parameters, TcpBuilder};
pub use self::connection::Connection;
pub use self::listener::Listener;

/// To the listener: accept no more, and end when the last connection has (POE: `shutdown`). To a connection: take no more
/// input, send what is queued, and end.
pub const SHUTDOWN: Event<()> = Event::new("shutdown");

/// To the listener: [`SHUTDOWN`], and the same to every connection; those whose peers have not received their output in the
/// drain time are cut. A second one cuts them at once.
pub const DRAIN: Event<()> = Event::new("drain");

/// To a connection: end now, without sending what is queued. To the listener: [`SHUTDOWN`], and this to every connection.
///
/// ```
/// use poe_component::prelude::*;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let kernel = Kernel::new()?;
/// let server = server::Tcp::build()
///     .address("127.0.0.1")
///     .high_mark(1 << 20)
///     .low_mark(1)
///     .client_input(|cx, line| cx.heap.client.put(line))
///     // Who does not take its answers is not waited for.
///     .client_high(|cx| cx.yield_event(server::CUT, ()))
///     .client_low(|_| ())
///     .spawn(&kernel)?;
/// # kernel.post(&server, server::CUT, ())?;
/// # kernel.run()?;
/// # Ok(())
/// # }
/// ```
pub const CUT: Event<()> = Event::new("cut");

/// To the listener: let this many clients in at one time, `None` for any number (POE: `set_concurrency`, where -1 is any
/// number). Those that are in stay.
pub const SET_CONCURRENCY: Event<Option<usize>> = Event::new("set_concurrency");

/// To the listener of a server with an acceptor: a connection has ended (POE: `disconnected`).
pub const DISCONNECTED: Event<()> = Event::new("disconnected");

/// A TCP server (POE: `POE::Component::Server::TCP`).
///
/// It listens in a session of its own, and gives each client one: their callbacks run with the connection's
/// [`Connection`] as the heap.
///
/// ```no_run
/// use poe_component::prelude::*;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kernel = Kernel::new()?;
/// server::Tcp::build()
///     .address("127.0.0.1")
///     .port(12345)
///     .client_connected(|cx| cx.heap.client.put("Smile from the server!"))
///     .client_input(|cx, line| cx.heap.client.put(line))
///     .spawn(&kernel)?;
/// kernel.run()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Tcp {
    session: SessionId,
    address: Known,
}

/// Where a server listens, once that is known.
type Known = Arc<OnceLock<Address>>;

impl Tcp {
    /// A server to be configured: lines, any free port, of all addresses of the machine.
    pub fn build() -> TcpBuilder<()> {
        TcpBuilder::new()
    }

    /// The session that listens, to post [`SHUTDOWN`] and its kin to.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// The address it listens at; [nobody's](Address::Nobody) while a name is being looked up for a handler, which
    /// [`listening`](TcpBuilder::listening) waits for.
    #[must_use]
    pub fn local_address(&self) -> &Address {
        self.address.get().unwrap_or(&Address::Nobody)
    }
}

impl Destination for Tcp {
    fn resolve(&self, kernel: &Kernel) -> Option<SessionId> {
        self.session.resolve(kernel)
    }

    fn describe(&self) -> String {
        match self.address.get() {
            Some(address) => format!("server at {address}"),
            None => String::from("server that does not listen yet"),
        }
    }
}
