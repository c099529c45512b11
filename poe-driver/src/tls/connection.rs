//! The protocol: what becomes of octets that come, and what octets are to be sent.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError,
    UnbufferedStatus, WriteTraffic,
};
use rustls::{ClientConfig, CommonState, Error, ServerConfig};

use super::TlsError;
use crate::OutputQueue;

/// What a record takes besides its octets, at most.
const OVERHEAD: usize = 64;

/// How many octets a record has at most.
const FRAGMENT: usize = 16 * 1024;

/// What an alert takes that says goodbye.
const GOODBYE: usize = 128;

/// One end of a connection.
pub(super) enum Connection {
    Client(Box<UnbufferedClientConnection>),
    Server(Box<UnbufferedServerConnection>),
}

/// What has become of octets that came.
#[derive(Debug)]
pub(super) struct Advance {
    /// How many of them are done with. The rest is part of a record, and to come again with what follows it.
    pub(super) consumed: usize,
    /// The peer has said that it sends no more.
    pub(super) peer_closed: bool,
    pub(super) result: Result<(), Error>,
}

macro_rules! with {
    ($self:expr, $connection:ident => $call:expr) => {
        match $self {
            Self::Client($connection) => $call,
            Self::Server($connection) => $call,
        }
    };
}

impl Connection {
    pub(super) fn client(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, Error> {
        UnbufferedClientConnection::new(config, name).map(Box::new).map(Self::Client)
    }

    pub(super) fn server(config: Arc<ServerConfig>) -> Result<Self, Error> {
        UnbufferedServerConnection::new(config).map(Box::new).map(Self::Server)
    }

    /// What is known of the connection.
    pub(super) fn state(&self) -> &CommonState {
        with!(self, connection => connection)
    }

    /// Handles what has come, decrypting it in its place. What is to be sent is added to `outgoing`. `incoming` is here and
    /// below all that is not done with: the connection remembers places in it.
    pub(super) fn advance(
        &mut self,
        incoming: &mut [u8],
        outgoing: &mut Vec<u8>,
        plaintext: &mut dyn FnMut(&[u8]),
    ) -> Advance {
        with!(self, connection => advance(&mut **connection, incoming, outgoing, plaintext))
    }

    /// The same after goodbye, in a build with assertions: the library asserts then that no alert follows a goodbye, where a
    /// peer that sends nonsense has it send one.
    pub(super) fn advance_contained(
        &mut self,
        incoming: &mut [u8],
        outgoing: &mut Vec<u8>,
        plaintext: &mut dyn FnMut(&[u8]),
    ) -> Advance {
        let count = incoming.len();
        let advance = AssertUnwindSafe(|| self.advance(incoming, outgoing, plaintext));
        // It is an error without assertions, too, after which the connection is not used any more.
        catch_unwind(advance).unwrap_or(Advance {
            consumed: count,
            peer_closed: false,
            result: Err(Error::DecryptError),
        })
    }

    /// Encrypts up to `most` octets of a queue into `outgoing`, and tells how many.
    pub(super) fn seal(
        &mut self,
        incoming: &mut [u8],
        queue: &mut OutputQueue,
        most: usize,
        outgoing: &mut Vec<u8>,
    ) -> io::Result<usize> {
        with!(self, connection => seal(&mut **connection, incoming, queue, most, outgoing))
    }

    /// Adds what tells the peer that no more comes.
    pub(super) fn say_goodbye(&mut self, incoming: &mut [u8], outgoing: &mut Vec<u8>) {
        with!(self, connection => say_goodbye(&mut **connection, incoming, outgoing));
    }
}

/// The one thing that differs between clients and servers.
trait Records<Data> {
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Data>;

    /// Whether the connection has something to say by itself, which goes before all else.
    fn has_message(&self) -> bool;
}

impl Records<ClientConnectionData> for UnbufferedClientConnection {
    fn process<'c, 'i>(
        &'c mut self,
        incoming: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, ClientConnectionData> {
        self.process_tls_records(incoming)
    }

    fn has_message(&self) -> bool {
        self.wants_write()
    }
}

impl Records<ServerConnectionData> for UnbufferedServerConnection {
    fn process<'c, 'i>(
        &'c mut self,
        incoming: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, ServerConnectionData> {
        self.process_tls_records(incoming)
    }

    fn has_message(&self) -> bool {
        self.wants_write()
    }
}

fn advance<Data>(
    connection: &mut impl Records<Data>,
    incoming: &mut [u8],
    outgoing: &mut Vec<u8>,
    plaintext: &mut dyn FnMut(&[u8]),
) -> Advance {
    let mut advance = Advance { consumed: 0, peer_closed: false, result: Ok(()) };
    loop {
        let status = connection.process(&mut incoming[advance.consumed..]);
        let mut discard = status.discard;
        let mut is_done = false;
        match status.state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    match record {
                        Ok(record) => {
                            discard += record.discard;
                            plaintext(record.payload);
                        }
                        Err(error) => advance.result = Err(error),
                    }
                }
            }
            Ok(ConnectionState::EncodeTlsData(mut message)) => encode(&mut message, outgoing),
            Ok(ConnectionState::TransmitTlsData(message)) => message.done(),
            Ok(ConnectionState::PeerClosed) => advance.peer_closed = true,
            // Early data is refused; the rest waits for the peer, or for us to send something.
            Ok(_) => is_done = true,
            Err(error) => {
                advance.result = Err(error);
                is_done = true;
            }
        }
        advance.consumed += discard;
        if is_done || advance.result.is_err() {
            break;
        }
    }
    if advance.result.is_err() {
        encode_alert(connection, &mut incoming[advance.consumed..], outgoing);
    }
    advance
}

/// Adds what the peer is told of an error, and does not look at what caused it another time.
fn encode_alert<Data>(
    connection: &mut impl Records<Data>,
    incoming: &mut [u8],
    outgoing: &mut Vec<u8>,
) {
    while connection.has_message() {
        match connection.process(incoming).state {
            Ok(ConnectionState::EncodeTlsData(mut message)) => encode(&mut message, outgoing),
            _ => return,
        }
    }
}

/// Adds what the connection has to say by itself, such as that it changes keys, when `incoming` was handled.
fn encode_all<Data>(
    connection: &mut impl Records<Data>,
    incoming: &mut [u8],
    outgoing: &mut Vec<u8>,
) {
    loop {
        match connection.process(incoming).state {
            Ok(ConnectionState::EncodeTlsData(mut message)) => encode(&mut message, outgoing),
            Ok(ConnectionState::TransmitTlsData(message)) => message.done(),
            _ => return,
        }
    }
}

fn encode<Data>(message: &mut EncodeTlsData<'_, Data>, outgoing: &mut Vec<u8>) {
    if let Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) =
        message.encode(&mut [])
    {
        let start = outgoing.len();
        outgoing.resize(start + required_size, 0);
        let count = message.encode(&mut outgoing[start..]).unwrap_or(0);
        outgoing.truncate(start + count);
    }
}

fn seal<Data>(
    connection: &mut impl Records<Data>,
    incoming: &mut [u8],
    queue: &mut OutputQueue,
    most: usize,
    outgoing: &mut Vec<u8>,
) -> io::Result<usize> {
    encode_all(connection, incoming, outgoing);
    let Ok(ConnectionState::WriteTraffic(mut traffic)) = connection.process(incoming).state else {
        return Ok(0);
    };
    let mut sealed = 0;
    while sealed < most && queue.octets() > 0 {
        let taken = queue.consume(|octets| {
            let octets = &octets[..octets.len().min(most - sealed)];
            encrypt(&mut traffic, octets, outgoing).map_err(|_| TlsError::Exhausted)?;
            Ok(octets.len())
        });
        match taken {
            Ok(count) => sealed += count,
            // What is encrypted is to be sent all the same.
            Err(_) if sealed > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(sealed)
}

fn encrypt<Data>(
    traffic: &mut WriteTraffic<'_, Data>,
    octets: &[u8],
    outgoing: &mut Vec<u8>,
) -> Result<(), EncryptError> {
    let start = outgoing.len();
    let mut size = octets.len() + (octets.len() / FRAGMENT + 1) * OVERHEAD;
    loop {
        outgoing.resize(start + size, 0);
        match traffic.encrypt(octets, &mut outgoing[start..]) {
            Ok(count) => {
                outgoing.truncate(start + count);
                return Ok(());
            }
            // Records may be smaller than usual, and a change of keys may go first.
            Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size }))
                if required_size > size =>
            {
                size = required_size;
            }
            Err(error) => {
                outgoing.truncate(start);
                return Err(error);
            }
        }
    }
}

fn say_goodbye<Data>(
    connection: &mut impl Records<Data>,
    incoming: &mut [u8],
    outgoing: &mut Vec<u8>,
) {
    encode_all(connection, incoming, outgoing);
    if let Ok(ConnectionState::WriteTraffic(mut traffic)) = connection.process(incoming).state {
        let start = outgoing.len();
        outgoing.resize(start + GOODBYE, 0);
        let count = traffic.queue_close_notify(&mut outgoing[start..]).unwrap_or(0);
        outgoing.truncate(start + count);
    }
}
