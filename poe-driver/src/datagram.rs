//! Datagrams.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd};

use bytes::Bytes;
use nix::errno::Errno;
use nix::sys::socket::{
    MsgFlags, Shutdown, SockType, getsockopt, recvmsg, sendmsg, shutdown, sockopt,
};

use crate::{ConfigError, Driver, Get, OutputQueue, ReadBuffer};

/// The longest datagram that is received unless told otherwise: 65,535 octets, which is more than UDP can carry.
const DEFAULT_MAX_DATAGRAM: usize = 65_535;

/// Sends and receives datagrams: for sockets of UDP and UNIX datagram sockets that are connected, and for UNIX sockets of
/// packets in sequence.
///
/// A datagram is one chunk of input, and one message of output, be it empty: [`Get::Octets`] has what one datagram had, and
/// each message that is ended goes out as one datagram, in order. A wheel makes records of them with a filter that keeps
/// chunks apart, such as `Packet` of `poe-filter`. A filter that does not, such as a line's, takes what comes for a stream.
///
/// # What is lost
///
/// Datagrams get lost, and the driver goes on after what it [is told](Driver::is_recoverable) of that:
///
/// - One that is longer than [`max_datagram`](DatagramBuilder::max_datagram) when it comes is dropped, with `EMSGSIZE`. It is
///   never cut.
/// - One that the system does not take when it is to go, since it is too long (`EMSGSIZE`), nothing can hold it
///   (`ENOBUFS`), or it may not go there (`EPERM`, `EACCES`), is dropped. Those behind it go on.
/// - That nobody receives what was sent before (`ECONNREFUSED`, `EHOSTUNREACH` and others), is told by the next read or
///   write. The datagram that this happens to be told for is sent again at once, and dropped only if that fails.
///
/// Anything else is the socket's end, such as not to be connected (`EDESTADDRREQ`, `ENOTCONN`).
///
/// ```
/// use std::net::UdpSocket;
/// use std::os::fd::AsFd;
///
/// use poe_driver::{Datagram, Driver, Get, ReadBuffer};
///
/// let (ours, theirs) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
/// ours.connect(theirs.local_addr()?)?;
/// theirs.connect(ours.local_addr()?)?;
///
/// let (mut sender, mut receiver) = (Datagram::new(), Datagram::new());
/// for text in ["one", "", "three"] {
///     sender.put(text.into());
/// }
/// assert_eq!(sender.get_out_messages_buffered(), 3);
/// assert_eq!(sender.flush(ours.as_fd())?, 0);
///
/// let mut buffer = ReadBuffer::new();
/// for text in ["one", "", "three"] {
///     assert_eq!(receiver.get(theirs.as_fd(), &mut buffer)?, Get::Octets(text.into()));
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Datagram {
    queue: OutputQueue,
    max_datagram: usize,
    /// Where the end of a datagram goes for which the read buffer has not room enough.
    spill: Vec<u8>,
}

impl Datagram {
    /// A driver that receives datagrams of up to 65,535 octets.
    #[must_use]
    pub fn new() -> Self {
        Self {
            queue: OutputQueue::of_messages(),
            max_datagram: DEFAULT_MAX_DATAGRAM,
            spill: Vec::new(),
        }
    }

    /// A driver with other parameters.
    pub fn builder() -> DatagramBuilder {
        DatagramBuilder { max_datagram: DEFAULT_MAX_DATAGRAM }
    }

    /// Receives a datagram into `space`, and what it has no room for behind it, up to the limit. Where something is, the
    /// whole of it is given.
    fn receive(&mut self, handle: BorrowedFd<'_>, space: &mut [u8]) -> nix::Result<Received> {
        let offered = space.len();
        let behind = self.max_datagram.saturating_sub(offered);
        if self.spill.len() < behind {
            self.spill.resize(behind, 0);
        }
        let mut slices = [IoSliceMut::new(space), IoSliceMut::new(&mut self.spill[..behind])];
        let (count, is_cut) = loop {
            match recvmsg::<()>(handle.as_raw_fd(), &mut slices, None, MsgFlags::empty()) {
                Ok(message) => break (message.bytes, message.flags.contains(MsgFlags::MSG_TRUNC)),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        };
        if is_cut {
            return Err(Errno::EMSGSIZE);
        }
        if count > offered {
            let whole = [&space[..], &self.spill[..count - offered]].concat();
            return Ok(Received::Beyond(whole.into()));
        }
        Ok(Received::Within(count))
    }
}

enum Received {
    /// So many octets, in the read buffer.
    Within(usize),
    /// More than the read buffer has room for.
    Beyond(Bytes),
}

impl Default for Datagram {
    fn default() -> Self {
        Self::new()
    }
}

impl Driver for Datagram {
    fn get(&mut self, handle: BorrowedFd<'_>, buffer: &mut ReadBuffer) -> io::Result<Get> {
        let mut beyond = None;
        let within = buffer.read(self.max_datagram, |space| match self.receive(handle, space)? {
            Received::Within(count) => Ok(count),
            Received::Beyond(datagram) => {
                beyond = Some(datagram);
                Ok(0)
            }
        });
        match (within, beyond) {
            (Ok(_), Some(datagram)) => Ok(Get::Octets(datagram)),
            (Ok(datagram), None) if datagram.is_empty() && ends(handle) => Ok(Get::Eof),
            (Ok(datagram), None) => Ok(Get::Octets(datagram)),
            (Err(error), _) if error.kind() == io::ErrorKind::WouldBlock => Ok(Get::Nothing),
            (Err(error), _) => Err(error),
        }
    }

    fn output(&mut self) -> &mut OutputQueue {
        &mut self.queue
    }

    fn flush(&mut self, handle: BorrowedFd<'_>) -> io::Result<usize> {
        while let Some(sent) = self.queue.first_message(|slices| send(handle, slices)) {
            match sent {
                Ok(()) => self.queue.drop_first_message(),
                Err(Failed { error: Errno::EAGAIN, .. }) => break,
                Err(Failed { error, is_sent_or_lost }) => {
                    if is_sent_or_lost {
                        self.queue.drop_first_message();
                    }
                    return Err(error.into());
                }
            }
        }
        Ok(self.queue.octets())
    }

    fn get_out_octets(&self) -> usize {
        self.queue.octets()
    }

    fn get_out_messages_buffered(&self) -> usize {
        self.queue.messages()
    }

    fn wants(&self) -> crate::Wants {
        crate::Wants { read: false, write: self.queue.messages() > 0 }
    }

    fn is_recoverable(&self, error: &io::Error) -> bool {
        error.raw_os_error().is_some_and(|number| Refusal::of(Errno::from_raw(number)).is_some())
    }

    fn shutdown_output(&mut self, handle: BorrowedFd<'_>) -> io::Result<()> {
        match shutdown(handle.as_raw_fd(), Shutdown::Write) {
            Ok(()) | Err(Errno::ENOTSOCK | Errno::ENOTCONN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn discard_output(&mut self) -> usize {
        self.queue.clear()
    }
}

/// What an error that the socket survives is about.
enum Refusal {
    /// The datagram that is being sent or received.
    This,
    /// It, or one that was sent before.
    ThisOrFormer,
}

impl Refusal {
    fn of(error: Errno) -> Option<Self> {
        match error {
            Errno::EMSGSIZE | Errno::ENOBUFS | Errno::ENOMEM | Errno::EPERM => Some(Self::This),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Errno::ENONET => Some(Self::ThisOrFormer),
            Errno::ECONNREFUSED
            | Errno::EHOSTUNREACH
            | Errno::ENETUNREACH
            | Errno::EHOSTDOWN
            | Errno::ENETDOWN
            | Errno::ENOPROTOOPT
            | Errno::EPROTO
            | Errno::EACCES => Some(Self::ThisOrFormer),
            _ => None,
        }
    }
}

/// Why a datagram was not sent, or another one not received.
struct Failed {
    error: Errno,
    /// Nothing is to be done about this datagram any more.
    is_sent_or_lost: bool,
}

fn send(handle: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> Result<(), Failed> {
    let Err(error) = send_once(handle, slices) else { return Ok(()) };
    let failed = |error, is_sent_or_lost| Err(Failed { error, is_sent_or_lost });
    match Refusal::of(error) {
        None => failed(error, false),
        Some(Refusal::This) => failed(error, true),
        Some(Refusal::ThisOrFormer) => match send_once(handle, slices) {
            Ok(()) => failed(error, true),
            Err(Errno::EAGAIN) => failed(error, false),
            Err(again) if Refusal::of(again).is_some() => failed(error, true),
            Err(again) => failed(again, false),
        },
    }
}

fn send_once(handle: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> nix::Result<()> {
    loop {
        match sendmsg::<()>(handle.as_raw_fd(), slices, &[], MsgFlags::empty(), None) {
            Err(Errno::EINTR) => {}
            sent => return sent.map(drop),
        }
    }
}

/// Whether nothing received is the end, as it is where there is a connection; a datagram socket has none.
fn ends(handle: BorrowedFd<'_>) -> bool {
    getsockopt(&handle, sockopt::SockType).is_ok_and(|socket| socket != SockType::Datagram)
}

/// The parameters of a [`Datagram`].
///
/// ```
/// use poe_driver::{ConfigError, Datagram};
///
/// assert!(Datagram::builder().max_datagram(1500).build().is_ok());
/// let error = Datagram::builder().max_datagram(0).build().unwrap_err();
/// assert_eq!(error, ConfigError::MaxDatagramZero);
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct DatagramBuilder {
    max_datagram: usize,
}

impl DatagramBuilder {
    /// How many octets a datagram may have that is received: 65,535 by default. A longer one is dropped, with an error. A
    /// driver keeps memory for what is beyond half of the [`ReadBuffer`], once there was need for it.
    pub fn max_datagram(mut self, octets: usize) -> Self {
        self.max_datagram = octets;
        self
    }

    /// Makes the driver.
    ///
    /// # Errors
    ///
    /// [`ConfigError::MaxDatagramZero`].
    pub fn build(self) -> Result<Datagram, ConfigError> {
        if self.max_datagram == 0 {
            return Err(ConfigError::MaxDatagramZero);
        }
        Ok(Datagram { max_datagram: self.max_datagram, ..Datagram::new() })
    }
}
