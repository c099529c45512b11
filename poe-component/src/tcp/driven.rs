//! A socket, and how bytes are to be read from and written to it.

use poe_driver::Driver;
use poe_wheel::Socket;

/// A connection before its wheel: the socket, and the driver for it.
///
/// A pre-connect callback is given the socket and returns one of these, a plain [`Socket`] standing for one with
/// `SysRw`: the place to put another driver on a connection, as POE's SSLify does with a tied handle.
///
/// ```
/// use poe_component::prelude::*;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let kernel = Kernel::new()?;
/// let server = server::Tcp::build()
///     .address("127.0.0.1")
///     .client_pre_connect(|_, socket| Driven::new(socket, SysRw::new()))
///     .client_input(|cx, line| cx.heap.client.put(line))
///     .spawn(&kernel)?;
/// # kernel.post(&server, server::SHUTDOWN, ())?;
/// # kernel.run()?;
/// # Ok(())
/// # }
/// ```
#[cfg_attr(feature = "tls", doc = include_str!("encrypted.md"))]
#[derive(Debug)]
pub struct Driven {
    pub(crate) socket: Socket,
    /// Without one, the wheel uses its own.
    pub(crate) driver: Option<Box<dyn Driver>>,
}

impl Driven {
    /// A connection with a driver.
    pub fn new(socket: Socket, driver: impl Driver + 'static) -> Self {
        Self { socket, driver: Some(driver.boxed()) }
    }
}

impl From<Socket> for Driven {
    fn from(socket: Socket) -> Self {
        Self { socket, driver: None }
    }
}

/// What a pre-connect callback may return: the connection if it is welcome, `None` or an error if it is not.
pub trait IntoDriven {
    /// The connection, if there is to be one.
    fn into_driven(self) -> Option<Driven>;
}

impl IntoDriven for Driven {
    fn into_driven(self) -> Option<Driven> {
        Some(self)
    }
}

impl IntoDriven for Socket {
    fn into_driven(self) -> Option<Driven> {
        Some(self.into())
    }
}

impl<D: IntoDriven> IntoDriven for Option<D> {
    fn into_driven(self) -> Option<Driven> {
        self.and_then(D::into_driven)
    }
}

impl<D: IntoDriven, E> IntoDriven for Result<D, E> {
    fn into_driven(self) -> Option<Driven> {
        self.ok().and_then(D::into_driven)
    }
}
