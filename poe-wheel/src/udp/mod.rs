//! Datagrams with their addresses.

#[cfg(any(test, not(any(target_os = "linux", target_os = "android", target_os = "freebsd"))))]
mod portable;
mod queue;
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
mod sys;
mod wheel;

use std::fmt;
use std::io;
use std::rc::Rc;

use bytes::Bytes;
use poe_kernel::{EventFor, Kernel, Name};
use thiserror::Error;

use self::wheel::Wheel;
use crate::{Address, IoError, Socket, WheelError, WheelId};

/// Sends and receives datagrams, each with the address it goes to or comes from (POE: `POE::Wheel::UDP`).
///
/// It takes any datagram socket, of UDP or of the UNIX domain, such as one that a [`SocketFactory`](crate::SocketFactory)
/// has [bound](crate::SocketFactoryBuilder::bind). Datagrams come and go in batches, one system call for each where the
/// system has one (`recvmmsg`, `sendmmsg`); what a turn puts goes out at its end.
///
/// For a socket that is connected, and records instead of datagrams, there is
/// [`ReadWrite`](crate::ReadWrite) with the driver [`Datagram`](poe_driver::Datagram).
///
/// ```
/// use poe_session::prelude::*;
/// use poe_wheel::prelude::*;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let kernel = Kernel::new()?;
/// Session::build(None)
///     .on_start(|cx| -> HandlerResult {
///         let socket = SocketFactory::build().bind_address("127.0.0.1");
///         let socket = socket.socket_type(SocketType::Datagram).bind()?;
///         let to_itself = socket.local_address()?;
///         let wheel = Udp::build(socket).input_event("came").error_event("failed").spawn(cx.kernel)?;
///         wheel.put("hello", &to_itself)?;
///         *cx.heap = Some(wheel);
///         Ok(())
///     })
///     .on("came", |cx, datagram: udp::Datagram| {
///         assert_eq!(datagram.payload, "hello");
///         *cx.heap = None;
///     })
///     .on("failed", |_, error: IoError| Err::<(), _>(error))
///     .spawn(&kernel)?;
/// kernel.run()?;
/// # Ok(())
/// # }
/// ```
///
/// # What is lost
///
/// The network may lose datagrams, and nobody says so. What this end knows is an error event, which
/// [is recoverable](IoError::is_recoverable) for as long as the wheel goes on: with operation `"read"`, a datagram that was
/// longer than the [limit](UdpBuilder::max_datagram), or the news that one that was sent before was not received; with
/// `"write"`, one that the system would not send.
///
/// # What waits
///
/// Datagrams go out in the order in which they were put. A receiver of the UNIX domain that does not read has those behind
/// wait, to others too: where receivers are not to be trusted, let each have a wheel of its own.
#[must_use = "a wheel ends when it is dropped"]
pub struct Udp {
    wheel: Rc<Wheel>,
}

/// A datagram that came.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Datagram {
    /// What it carries, which may be nothing.
    pub payload: Bytes,
    /// Where it came from, and where an answer goes. A UNIX socket without a path cannot be answered.
    pub peer: Address,
    /// The wheel that received it.
    pub wheel: WheelId,
}

/// Why a datagram was not queued. It gives back what it would carry.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PutError {
    /// As much waits to be sent as may.
    #[error("{queued} octets wait to be sent, as many as may; put it again when they are flushed")]
    Full {
        /// What it would carry.
        payload: Bytes,
        /// How many octets are queued.
        queued: usize,
    },
    /// The socket cannot send there.
    #[error("cannot send to {address}: {source}")]
    Address {
        /// What it would carry.
        payload: Bytes,
        /// Where it would go.
        address: Address,
        /// Why it cannot.
        source: io::Error,
    },
    /// The wheel sends no more: it has failed.
    #[error("the wheel sends no more since it has failed; make a new one")]
    Over {
        /// What it would carry.
        payload: Bytes,
    },
}

impl PutError {
    /// What the datagram would carry.
    pub fn into_payload(self) -> Bytes {
        match self {
            Self::Full { payload, .. } | Self::Address { payload, .. } | Self::Over { payload } => {
                payload
            }
        }
    }
}

impl Udp {
    /// A wheel on a datagram socket, to be configured.
    pub fn build(socket: impl Into<Socket>) -> UdpBuilder {
        UdpBuilder {
            socket: socket.into(),
            settings: Settings {
                max_datagram: 65_535,
                queue_limit: 1 << 20,
                input: None,
                error: None,
                flushed: None,
            },
        }
    }

    /// The wheel's identity (POE: `ID`).
    #[must_use]
    pub fn id(&self) -> WheelId {
        self.wheel.id()
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn local_address(&self) -> io::Result<Address> {
        self.wheel.socket().local_address()
    }

    /// Queues a datagram, which goes out at the end of the turn (POE: `put`). To [`Address::Nobody`] it goes where the
    /// socket is connected to.
    ///
    /// # Errors
    ///
    /// [`PutError::Full`] beyond the [limit](UdpBuilder::queue_limit), [`PutError::Address`] when the socket is of another
    /// family, [`PutError::Over`] when it has failed. All give the payload back.
    pub fn put(&self, payload: impl Into<Bytes>, to: &Address) -> Result<(), PutError> {
        self.wheel.put(payload.into(), to)
    }

    /// Sends what is queued now, instead of at the end of the turn. Events that follow from this come then all the same.
    pub fn flush(&self) {
        self.wheel.send_and_tell();
    }

    /// How many octets are queued.
    #[must_use]
    pub fn get_driver_out_octets(&self) -> usize {
        self.wheel.queued().0
    }

    /// How many datagrams are queued.
    #[must_use]
    pub fn get_driver_out_messages(&self) -> usize {
        self.wheel.queued().1
    }

    /// Receives nothing, and keeps back what was received, until [`Self::resume_input`]. The system keeps what it has room
    /// for, and drops the rest.
    pub fn pause_input(&self) {
        self.wheel.pause_input();
    }

    /// Receives again.
    pub fn resume_input(&self) {
        self.wheel.resume_input();
    }

    /// Sends datagrams under another name from now on (POE: `event`).
    pub fn input_event(&self, event: impl EventFor<Datagram>) {
        self.wheel.change(|settings| settings.input = Some(event.name()));
    }

    /// Sends errors under another name from now on.
    pub fn error_event(&self, event: impl EventFor<IoError>) {
        self.wheel.change(|settings| settings.error = Some(event.name()));
    }

    /// Tells under another name, or for the first time, that nothing is queued any more.
    pub fn flushed_event(&self, event: impl EventFor<WheelId>) {
        self.wheel.change(|settings| settings.flushed = Some(event.name()));
    }

    /// Sends one of the wheel's events no more (POE: `event` with an undefined name). Without [`UdpEvent::Input`] datagrams are
    /// received and dropped; [`pause_input`](Self::pause_input) keeps them.
    pub fn event_end(&self, event: UdpEvent) {
        self.wheel.change(|settings| match event {
            UdpEvent::Input => settings.input = None,
            UdpEvent::Error => settings.error = None,
            UdpEvent::Flushed => settings.flushed = None,
        });
    }
}

/// An event of a [`Udp`] wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UdpEvent {
    /// A datagram has come (POE: `InputEvent`).
    Input,
    /// Something has failed.
    Error,
    /// Nothing is queued any more.
    Flushed,
}

impl Drop for Udp {
    fn drop(&mut self) {
        self.wheel.end();
    }
}

impl fmt::Debug for Udp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.wheel, f)
    }
}

/// How many datagrams a system call takes at most.
const BATCH: usize = 16;

/// How a wheel is to be.
#[derive(Clone, Copy, Debug)]
struct Settings {
    max_datagram: usize,
    queue_limit: usize,
    input: Option<Name>,
    error: Option<Name>,
    flushed: Option<Name>,
}

/// Builds a [`Udp`] wheel.
#[derive(Debug)]
#[must_use = "a wheel begins when it is spawned"]
pub struct UdpBuilder {
    socket: Socket,
    settings: Settings,
}

impl UdpBuilder {
    /// The event for each datagram that comes (POE: `InputEvent`). Without one, all are received and dropped.
    pub fn input_event(mut self, event: impl EventFor<Datagram>) -> Self {
        self.settings.input = Some(event.name());
        self
    }

    /// The event for failures.
    pub fn error_event(mut self, event: impl EventFor<IoError>) -> Self {
        self.settings.error = Some(event.name());
        self
    }

    /// The event for nothing being queued any more: all that was put has been sent, or is lost, which the
    /// [error event](Self::error_event) has told.
    pub fn flushed_event(mut self, event: impl EventFor<WheelId>) -> Self {
        self.settings.flushed = Some(event.name());
        self
    }

    /// The longest datagram that is received, in octets; 65,535 if nothing is said here, which is more than UDP can carry.
    /// A longer one is dropped whole, with an error event (`EMSGSIZE`).
    pub fn max_datagram(mut self, octets: usize) -> Self {
        self.settings.max_datagram = octets.clamp(1, 1 << 24);
        self
    }

    /// How many octets may wait to be sent; 1 MiB if nothing is said here. A datagram counts 64 more than it carries, so that
    /// empty ones have an end too. One alone may be longer.
    pub fn queue_limit(mut self, octets: usize) -> Self {
        self.settings.queue_limit = octets;
        self
    }

    /// Begins; the wheel belongs to the session that is active.
    ///
    /// # Errors
    ///
    /// [`WheelError::NoActiveSession`] outside a handler, [`WheelError::Watch`] when the socket cannot be watched, and
    /// [`WheelError::Socket`] as `"getsockname"` when it is none, [`WheelError::NoDatagrams`] when it is one of another type.
    #[track_caller]
    pub fn spawn(self, kernel: &Kernel) -> Result<Udp, WheelError> {
        Ok(Udp { wheel: Wheel::begin(kernel, self.socket, self.settings)? })
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::{AsFd, BorrowedFd};
    use std::os::unix::net::UnixDatagram;

    use socket2::SockAddr;

    use super::queue::Outgoing;
    use super::{Address, BATCH, Bytes, io, portable, sys};

    type Send = fn(BorrowedFd<'_>, &[Outgoing]) -> io::Result<usize>;
    type Receive =
        fn(BorrowedFd<'_>, &mut [u8], &mut dyn FnMut(&[u8], Address, bool)) -> io::Result<usize>;
    const WAYS: [(Send, Receive); 2] = [
        (sys::send, |socket, room, each| sys::receive(socket, room, each)),
        (portable::send, |socket, room, each| portable::receive(socket, room, each)),
    ];

    fn received(
        receive: Receive,
        socket: impl AsFd,
        room: usize,
    ) -> io::Result<Vec<(Vec<u8>, Address, bool)>> {
        let mut all = Vec::new();
        let mut each = |payload: &[u8], from, is_cut| all.push((payload.to_vec(), from, is_cut));
        let count = receive(socket.as_fd(), &mut vec![0; room * BATCH], &mut each)?;
        assert_eq!(count, all.len());
        Ok(all)
    }

    #[test]
    fn batches_come_whole_and_in_order_with_their_addresses() {
        for (send, receive) in WAYS {
            let (one, two) =
                (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("[::1]:0").unwrap());
            for socket in [one, two] {
                let address = socket.local_addr().unwrap();
                let to = Some(SockAddr::from(address));
                let texts: Vec<Bytes> = (0..20).map(|n| vec![b'x'; n].into()).collect();
                let all: Vec<Outgoing> =
                    texts.iter().map(|text| (text.clone(), to.clone())).collect();
                assert_eq!(send(socket.as_fd(), &all).unwrap(), BATCH);
                assert_eq!(send(socket.as_fd(), &all[BATCH..]).unwrap(), 20 - BATCH);
                let mut came = received(receive, &socket, 18).unwrap();
                assert_eq!(came.len(), BATCH);
                came.extend(received(receive, &socket, 18).unwrap());
                for (text, (payload, from, is_cut)) in texts.iter().zip(came) {
                    assert_eq!((payload.len(), is_cut), (text.len().min(18), text.len() > 18));
                    assert_eq!(from, Address::Ip(address));
                }
                let error = received(receive, &socket, 18).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            }
        }
    }

    #[test]
    fn unix_datagrams_come_from_a_path_or_from_nowhere() {
        let folder = std::env::temp_dir().join(format!("poe-wheel-udp-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        for (index, (send, receive)) in WAYS.into_iter().enumerate() {
            let (path, other) = (folder.join(format!("{index}")), folder.join(format!("x{index}")));
            let server = UnixDatagram::bind(&path).unwrap();
            let (named, unnamed) =
                (UnixDatagram::bind(&other).unwrap(), UnixDatagram::unbound().unwrap());
            let to = Some(SockAddr::unix(&path).unwrap());
            for client in [&unnamed, &named, &unnamed] {
                assert_eq!(send(client.as_fd(), &[("".into(), to.clone())]).unwrap(), 1);
            }
            let from: Vec<_> =
                received(receive, &server, 5).unwrap().into_iter().map(|it| it.1).collect();
            assert_eq!(from, [Address::Nobody, Address::Unix(Some(other)), Address::Nobody]);
            named.connect(&path).unwrap();
            assert_eq!(send(named.as_fd(), &[("hello".into(), None)]).unwrap(), 1);
            assert_eq!(received(receive, &server, 5).unwrap()[0].0, b"hello");
            let error = send(unnamed.as_fd(), &[("lost".into(), None)]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotConnected);
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
