//! Accepting connections on a socket made elsewhere.

use std::fmt;
use std::rc::Rc;

use poe_kernel::{EventFor, Kernel, Name};

use crate::listener::Listener;
use crate::{Connection, IoError, Socket, WheelError, WheelId};

/// Accepts connections on a listening socket that the program made itself (POE: `POE::Wheel::ListenAccept`).
///
/// Each connection is an event that carries a [`Connection`]. When clients cannot be accepted, as for want of descriptors,
/// the wheel says so once, lets them wait, and tries again every tenth of a second; when the handle will never accept, the
/// wheel says so and has ended. [`IoError::is_recoverable`] tells the two apart.
///
/// ```
/// use poe_session::prelude::*;
/// use poe_wheel::{Connection, ListenAccept};
/// use std::net::{TcpListener, TcpStream};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kernel = Kernel::new()?;
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let client = TcpStream::connect(listener.local_addr()?)?;
///
/// Session::build(None::<ListenAccept>)
///     .on_start(move |cx| -> HandlerResult {
///         let listener = listener.try_clone()?;
///         *cx.heap = Some(ListenAccept::build(listener).accept_event("accepted").spawn(cx.kernel)?);
///         Ok(())
///     })
///     .on("accepted", move |cx, connection: Connection| {
///         assert_eq!(connection.peer.port(), client.local_addr().ok().map(|address| address.port()));
///         *cx.heap = None;
///     })
///     .spawn(&kernel)?;
/// kernel.run()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a wheel ends when it is dropped"]
pub struct ListenAccept {
    listener: Rc<Listener>,
}

impl ListenAccept {
    /// A wheel for a socket that listens (POE: `Handle`).
    pub fn build(handle: impl Into<Socket>) -> ListenAcceptBuilder {
        ListenAcceptBuilder { handle: handle.into(), accepted: Name::new("accept"), failed: None }
    }

    /// The wheel's identity (POE: `ID`).
    #[must_use]
    pub fn id(&self) -> WheelId {
        self.listener.id()
    }

    /// Sends connections under another name from now on (POE: `event`).
    pub fn accept_event(&self, event: impl EventFor<Connection>) {
        self.listener.set_accepted(event.name());
    }

    /// Sends failures under another name from now on (POE: `event`).
    pub fn error_event(&self, event: impl EventFor<IoError>) {
        self.listener.set_failed(Some(event.name()));
    }

    /// Lets clients wait.
    pub fn pause_accept(&self) {
        self.listener.pause();
    }

    /// Accepts clients again.
    pub fn resume_accept(&self) {
        self.listener.resume();
    }
}

impl Drop for ListenAccept {
    fn drop(&mut self) {
        self.listener.end();
    }
}

impl fmt::Debug for ListenAccept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.listener, f)
    }
}

/// Builds a [`ListenAccept`] wheel.
#[derive(Debug)]
#[must_use = "a wheel begins when it is spawned"]
pub struct ListenAcceptBuilder {
    handle: Socket,
    accepted: Name,
    failed: Option<Name>,
}

impl ListenAcceptBuilder {
    /// The event for each connection (POE: `AcceptEvent`); `"accept"` if none is given.
    pub fn accept_event(mut self, event: impl EventFor<Connection>) -> Self {
        self.accepted = event.name();
        self
    }

    /// The event for failures (POE: `ErrorEvent`).
    pub fn error_event(mut self, event: impl EventFor<IoError>) -> Self {
        self.failed = Some(event.name());
        self
    }

    /// Begins; the wheel belongs to the session that is active.
    ///
    /// # Errors
    ///
    /// [`WheelError::NoActiveSession`] outside a handler, [`WheelError::Watch`] when the socket cannot be watched.
    #[track_caller]
    pub fn spawn(self, kernel: &Kernel) -> Result<ListenAccept, WheelError> {
        let listener = Listener::begin(kernel, self.accepted, self.failed, None)?;
        listener.listen(kernel, self.handle)?;
        Ok(ListenAccept { listener })
    }
}
