//! Clients.

mod builder;
mod connection;
mod remote;

use poe_kernel::{Destination, Event, Kernel, SessionId};

pub use self::builder::{Callbacks, Parameters, TcpBuilder};
pub use self::connection::Connection;
pub use self::remote::Remote;

/// To the client: drop the connection, output and all, and connect anew (POE: `reconnect`).
///
/// A connection that this ends is told to `disconnected` like any other. Reconnections that were put off by a delay are
/// called off: there is one now.
pub const RECONNECT: Event<()> = Event::new("reconnect");

/// To the client: drop the connection, and connect to another address from now on (POE: `connect`).
pub const CONNECT: Event<Remote> = Event::new("connect");

/// To the client: take no more input, send what is queued, disconnect, and end (POE: `shutdown`).
///
/// Reconnections that were put off by a delay are called off. What `disconnected` then asks for counts.
pub const SHUTDOWN: Event<()> = Event::new("shutdown");

/// To the client: disconnect now, without sending what is queued, and end; or stop connecting.
///
/// As with [`SHUTDOWN`], reconnections that were put off are called off, and what `disconnected` then asks for counts.
pub const CUT: Event<()> = Event::new("cut");

/// A TCP client (POE: `POE::Component::Client::TCP`).
///
/// One session that connects, and whose callbacks run with the [`Connection`] as the heap.
///
/// ```no_run
/// use poe_component::prelude::*;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kernel = Kernel::new()?;
/// client::Tcp::build()
///     .remote_address("127.0.0.1")
///     .remote_port(80)
///     .connected(|cx| cx.heap.server.put("HEAD / HTTP/1.0\r\n"))
///     .server_input(|_, line| println!("from server: {}", String::from_utf8_lossy(&line)))
///     .spawn(&kernel)?;
/// kernel.run()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Tcp {
    session: SessionId,
}

impl Tcp {
    /// A client to be configured.
    pub fn build() -> TcpBuilder<()> {
        TcpBuilder::new()
    }

    /// The client's session, to post [`SHUTDOWN`] and its kin to.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }
}

impl Destination for Tcp {
    fn resolve(&self, kernel: &Kernel) -> Option<SessionId> {
        self.session.resolve(kernel)
    }

    fn describe(&self) -> String {
        format!("client {}", self.session)
    }
}
