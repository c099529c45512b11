//! Making sockets: listening for connections, and connecting.

mod address;
mod builder;
mod connector;
mod ends;
mod lookup;
mod made;
mod options;
mod this_end;

use std::fmt;
use std::io;
use std::rc::Rc;

use poe_kernel::{EventFor, Kernel, WatchError};

pub use self::address::{Domain, Port, SocketType};
pub use self::builder::SocketFactoryBuilder;
use self::connector::{Connector, Failed};
use self::lookup::Lookup;
use self::made::Made;
use self::this_end::ThisEnd;
use crate::listener::{Listener, Listening};
use crate::{Address, Connection, IoError, Socket, WheelError, WheelId};

/// Makes sockets of TCP, of UDP and of the UNIX domain (POE: `POE::Wheel::SocketFactory`).
///
/// - Without a remote address it listens: each client is an event that carries a [`Connection`].
/// - With one it connects, and sends one [`Connection`]. A name is looked up by another thread. All addresses of the host
///   are tried: IPv6 and IPv4 by turns, the next one joining when the last has not answered for a quarter of a second, or
///   at once when it has failed; the first to answer is the one (RFC 8305, "Happy Eyeballs").
/// - A [datagram](SocketFactoryBuilder::socket_type) socket without a remote address is bound and sent as a
///   [`Connection`] to [nobody](Address::Nobody).
///
/// An address, a path or `localhost` is bound to before `spawn` returns, and that it fails is an error of `spawn`. A name is
/// looked up first, by another thread; where it leads to, and that it fails, are events, which carry a [`Listening`] and an
/// [`IoError`]. Failing to connect is always an event, so that it is met in one place.
///
/// Of as many lookups as the kernel has threads and places for blocking work, 264 at first, one more fails at once, as
/// `"getaddrinfo"`, and says so: a program that begins more connections to names at a time lets some wait themselves, or has
/// [more places](poe_kernel::KernelBuilder::blocking_queue).
///
/// ```
/// use poe_session::prelude::*;
/// use poe_wheel::{Connection, IoError, SocketFactory};
///
/// #[derive(Default)]
/// struct Wheels { server: Option<SocketFactory>, client: Option<SocketFactory> }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kernel = Kernel::new()?;
/// Session::build(Wheels::default())
///     .on_start(|cx| -> HandlerResult {
///         let server = SocketFactory::build()
///             .bind_address("127.0.0.1")
///             .success_event("accepted")
///             .failure_event("failed")
///             .spawn(cx.kernel)?;
///         let port = server.local_address()?.port().unwrap_or(0);
///         cx.heap.server = Some(server);
///         cx.heap.client = Some(
///             SocketFactory::build()
///                 .remote_address("127.0.0.1")
///                 .remote_port(port)
///                 .success_event("connected")
///                 .failure_event("failed")
///                 .spawn(cx.kernel)?,
///         );
///         Ok(())
///     })
///     .on("connected", |cx, _: Connection| cx.heap.client = None)
///     .on("accepted", |cx, _: Connection| cx.heap.server = None)
///     .on("failed", |_, error: IoError| Err::<(), _>(error))
///     .spawn(&kernel)?;
/// kernel.run()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a wheel ends when it is dropped"]
pub struct SocketFactory {
    work: Work,
    /// The name of this end is being looked up, or has been.
    _lookup: Option<Lookup>,
}

#[derive(Clone)]
enum Work {
    Listen(Rc<Listener>),
    Connect(Rc<Connector>),
    HandOver(Rc<Made>),
}

impl Work {
    /// Gets this wheel its socket, now or when its address has been looked up.
    fn bind(self, kernel: &Kernel, this_end: ThisEnd) -> Result<SocketFactory, WheelError> {
        let Some(name) = this_end.name() else {
            self.take(kernel, this_end.bind()?)?;
            return Ok(SocketFactory::new(self));
        };
        let (port, domain) = (this_end.port_number()?, this_end.domain);
        let (work, end) = (self.clone(), this_end.clone());
        let lookup = Lookup::begin(kernel, name, port, domain, move |kernel, found| {
            let made = found.map_err(|e| ("getaddrinfo", e)).and_then(|addresses| {
                let socket = end.bind_first(addresses).map_err(|(_, failed)| failed)?;
                work.take(kernel, socket).map_err(|e| ("listen", io::Error::other(e)))
            });
            if let Err(failed) = made {
                work.fail(kernel, failed);
            }
        });
        match lookup {
            Ok(lookup) => Ok(SocketFactory { work: self, _lookup: Some(lookup) }),
            Err(refused) => {
                self.fail(kernel, ("getaddrinfo", refused));
                Ok(SocketFactory::new(self))
            }
        }
    }

    fn take(&self, kernel: &Kernel, socket: Socket) -> Result<(), WatchError> {
        match self {
            Self::Listen(listener) => return listener.listen(kernel, socket),
            Self::HandOver(made) => made.hand_over(kernel, Ok(socket)),
            Self::Connect(_) => {}
        }
        Ok(())
    }

    fn fail(&self, kernel: &Kernel, failed: Failed) {
        match self {
            Self::Listen(listener) => listener.fail_to_listen(kernel, failed),
            Self::HandOver(made) => made.hand_over(kernel, Err(failed)),
            Self::Connect(_) => {}
        }
    }
}

impl SocketFactory {
    fn new(work: Work) -> Self {
        Self { work, _lookup: None }
    }

    /// A wheel to be configured.
    pub fn build() -> SocketFactoryBuilder {
        SocketFactoryBuilder::default()
    }

    /// The wheel's identity (POE: `ID`).
    #[must_use]
    pub fn id(&self) -> WheelId {
        match &self.work {
            Work::Listen(listener) => listener.id(),
            Work::Connect(connector) => connector.id(),
            Work::HandOver(made) => made.id(),
        }
    }

    /// The address of this end (POE: `getsockname`).
    ///
    /// # Errors
    ///
    /// What the operating system says; of a wheel that connects, before there is an address to connect to and once the
    /// socket has been handed over; of another, until its name has been looked up.
    pub fn local_address(&self) -> io::Result<Address> {
        match &self.work {
            Work::Listen(listener) => listener.local_address(),
            Work::Connect(connector) => connector.local_address(),
            Work::HandOver(made) => made.local_address(),
        }
    }

    /// Sends connections under another name from now on (POE: `event`).
    pub fn success_event(&self, event: impl EventFor<Connection>) {
        match &self.work {
            Work::Listen(listener) => listener.set_accepted(event.name()),
            Work::Connect(connector) => connector.set_connected(event.name()),
            Work::HandOver(made) => made.set_made(event.name()),
        }
    }

    /// Sends failures under another name from now on (POE: `event`).
    pub fn failure_event(&self, event: impl EventFor<IoError>) {
        match &self.work {
            Work::Listen(listener) => listener.set_failed(Some(event.name())),
            Work::Connect(connector) => connector.set_failed(event.name()),
            Work::HandOver(made) => made.set_failed(event.name()),
        }
    }

    /// Sends under another name, or at all, from where on it listens, unless it has.
    pub fn listening_event(&self, event: impl EventFor<Listening>) {
        if let Work::Listen(listener) = &self.work {
            listener.set_listening(event.name());
        }
    }

    /// Lets clients wait in the operating system's queue, from the beginning too, if it does not listen yet. Nothing to a
    /// wheel that connects.
    pub fn pause_accept(&self) {
        if let Work::Listen(listener) = &self.work {
            listener.pause();
        }
    }

    /// Accepts clients again.
    pub fn resume_accept(&self) {
        if let Work::Listen(listener) = &self.work {
            listener.resume();
        }
    }
}

impl Drop for SocketFactory {
    fn drop(&mut self) {
        match &self.work {
            Work::Listen(listener) => listener.end(),
            Work::Connect(connector) => connector.end(),
            Work::HandOver(made) => made.end(),
        }
    }
}

impl fmt::Debug for SocketFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.work {
            Work::Listen(listener) => f.debug_tuple("SocketFactory").field(listener).finish(),
            Work::Connect(connector) => f.debug_tuple("SocketFactory").field(connector).finish(),
            Work::HandOver(made) => f.debug_tuple("SocketFactory").field(made).finish(),
        }
    }
}

/// A socket that listens and is not accepted from yet, or that will listen where a name leads to.
#[derive(Debug)]
pub struct ListeningSocket {
    socket: Result<Socket, Box<ThisEnd>>,
}

impl ListeningSocket {
    fn bound(socket: Socket) -> Self {
        Self { socket: Ok(socket) }
    }

    fn named(this_end: ThisEnd) -> Self {
        Self { socket: Err(Box::new(this_end)) }
    }

    /// The address it listens at.
    ///
    /// # Errors
    ///
    /// What the operating system says; [`NotConnected`](io::ErrorKind::NotConnected) for a name that is yet to be looked up.
    pub fn local_address(&self) -> io::Result<Address> {
        self.socket.as_ref().map_err(|_| io::ErrorKind::NotConnected)?.local_address()
    }

    /// Begins to accept, and to look up a name first; the wheel belongs to the session that is active.
    ///
    /// # Errors
    ///
    /// [`WheelError::NoActiveSession`] outside a handler, [`WheelError::Watch`] when the socket cannot be watched.
    #[track_caller]
    pub fn accept(
        self,
        kernel: &Kernel,
        success_event: impl EventFor<Connection>,
        failure_event: impl EventFor<IoError>,
    ) -> Result<SocketFactory, WheelError> {
        let (succeeded, failed) = (success_event.name(), failure_event.name());
        let listener = Listener::begin(kernel, succeeded, Some(failed), None)?;
        match self.socket {
            Ok(socket) => listener.listen(kernel, socket)?,
            Err(this_end) => {
                let place = kernel.place();
                let work = Work::Listen(listener);
                return kernel.made_at(place, || work.bind(kernel, *this_end));
            }
        }
        Ok(SocketFactory::new(Work::Listen(listener)))
    }
}
