//! Where a client connects to.

use std::fmt;
use std::path::PathBuf;

use poe_wheel::{Port, SocketFactoryBuilder};

/// Where to connect to, for [`CONNECT`](super::CONNECT); what is `None` stays as it was, but that an address replaces a
/// path.
///
/// ```
/// use poe_component::prelude::*;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let kernel = Kernel::new()?;
/// # let server = server::Tcp::build()
/// #     .address("127.0.0.1")
/// #     .alias("server")
/// #     .client_input(|cx, line| cx.heap.client.put(line))
/// #     .spawn(&kernel)?;
/// # let port = server.local_address().port().unwrap_or(0);
/// client::Tcp::build()
///     .remote_address("127.0.0.1")
///     .remote_port(1)
///     .connect_error(move |cx, _| {
///         cx.yield_event(client::CONNECT, client::Remote::new("127.0.0.1", port))
///     })
///     .connected(|cx| cx.yield_event(client::SHUTDOWN, ()))
///     .disconnected(|cx| cx.post("server", server::SHUTDOWN, ()))
///     .server_input(|_, _| ())
///     .spawn(&kernel)?;
/// kernel.run()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remote {
    /// The host, by address or name.
    pub address: Option<String>,
    /// The port, or the name of its service.
    pub port: Option<Port>,
    /// The path of a UNIX socket, instead.
    pub path: Option<PathBuf>,
}

impl Remote {
    /// A host, by address or name, and one of its ports.
    pub fn new(address: impl fmt::Display, port: impl Into<Port>) -> Self {
        Self { address: Some(address.to_string()), port: Some(port.into()), path: None }
    }

    /// A UNIX socket.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()), ..Self::default() }
    }

    pub(super) fn change(&mut self, to: Self) {
        if to.path.is_some() || to.address.is_some() {
            self.path = to.path;
        }
        self.address = to.address.or(self.address.take());
        self.port = to.port.or(self.port.take());
    }

    pub(super) fn apply(&self, mut factory: SocketFactoryBuilder) -> SocketFactoryBuilder {
        if let Some(path) = &self.path {
            return factory.remote_path(path);
        }
        if let Some(address) = &self.address {
            factory = factory.remote_address(address);
        }
        match &self.port {
            Some(port) => factory.remote_port(port.clone()),
            None => factory,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_stays() {
        let mut remote = Remote::new("a", 1);
        remote.change(Remote { port: Some(2.into()), ..Remote::default() });
        assert_eq!(remote, Remote::new("a", 2));
        remote.change(Remote { address: Some("b".into()), ..Remote::default() });
        assert_eq!(remote, Remote::new("b", 2));
        remote.change(Remote::path("/c"));
        assert_eq!(remote.path, Some("/c".into()));
        remote.change(Remote::default());
        assert_eq!(remote.path, Some("/c".into()));
        remote.change(Remote::new("d", 3));
        assert_eq!(remote, Remote::new("d", 3));
    }
}
