//! The driver.

use std::any::Any;
use std::fmt;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use nix::errno::Errno;
use nix::sys::socket::Shutdown;
use rustls::{HandshakeKind, ProtocolVersion};

use super::TlsError;
use super::connection::Connection;
use super::outgoing::{Outgoing, scratch};
use crate::calls::Calls;
use crate::{Driver, Get, OutputQueue, ReadBuffer, Wants};

/// How much is encrypted at once, to be sent with one call.
const BATCH: usize = 64 * 1024;

/// How little is read at once where there is little room for it.
const LEAST_READ: usize = 2 * 1024;

/// Reads and writes what is encrypted by TLS (POE: what `Client_SSLify` and `Server_SSLify` make of a socket).
///
/// It is made by [`TlsServer::accept`](super::TlsServer::accept) and [`TlsClient::connect`](super::TlsClient::connect), and
/// goes where any driver goes. See the [module](super) for what it does, and an example.
pub struct Tls {
    connection: Connection,
    stage: Stage,
    queue: OutputQueue,
    /// What another driver was to write; it goes before all else, as it is.
    clear: OutputQueue,
    outgoing: Outgoing,
    /// Part of a record.
    incoming: Vec<u8>,
    /// Not all of `incoming` was looked at yet.
    has_unseen: bool,
    /// Decrypted, but there was no room for it.
    plaintext: Vec<u8>,
    /// What is told when `plaintext` has gone: nothing comes any more, or it has failed.
    end: Option<Result<(), TlsError>>,
    goodbye: Goodbye,
    /// Nothing can be sent any more.
    is_cut: bool,
    /// What was read from last.
    input: Option<RawFd>,
    tolerates_truncation: bool,
    server_name: Arc<OnceLock<String>>,
    on_handshake: Option<OnHandshake>,
    reads: Calls,
}

type OnHandshake = Box<dyn FnOnce(&Tls)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Handshake,
    Established,
    Failed,
}

/// How far we are with telling that no more output comes.
#[derive(Debug, Clone, Copy, Default)]
struct Goodbye {
    wanted: bool,
    said: bool,
    /// The socket is to be shut down after it.
    shutdown: bool,
}

/// How far a handshake is (POE: what `SSLify_GetStatus` tells by -1, 1 and 0).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TlsHandshake {
    /// It goes on.
    InProgress,
    /// It is done; the peer is who it should be.
    Done,
    /// There is no connection, and why.
    Failed(TlsError),
}

impl Tls {
    pub(super) fn new(
        mut connection: Connection,
        server_name: Arc<OnceLock<String>>,
        tolerates_truncation: bool,
    ) -> Self {
        let mut outgoing = Outgoing::default();
        // A client has something to say.
        connection.advance(&mut [], outgoing.octets(), &mut |_| {});
        Self {
            connection,
            stage: Stage::Handshake,
            queue: OutputQueue::new(),
            clear: OutputQueue::new(),
            outgoing,
            incoming: Vec::new(),
            has_unseen: false,
            plaintext: Vec::new(),
            end: None,
            goodbye: Goodbye::default(),
            is_cut: false,
            input: None,
            tolerates_truncation,
            server_name,
            on_handshake: None,
            reads: Calls::default(),
        }
    }

    /// Has this called once, when the handshake has been done or has failed (POE: the callback of `Client_SSLify` and
    /// `Server_SSLify`). It can not use the wheel, which is reading then; it may post an event.
    #[must_use]
    pub fn on_handshake(mut self, f: impl FnOnce(&Self) + 'static) -> Self {
        self.on_handshake = Some(Box::new(f));
        self
    }

    /// How far the handshake is (POE: `SSLify_GetStatus`).
    #[must_use]
    pub fn handshake(&self) -> TlsHandshake {
        match (self.stage, &self.end) {
            (Stage::Handshake, _) => TlsHandshake::InProgress,
            (Stage::Failed, Some(Err(error))) => TlsHandshake::Failed(error.clone()),
            (Stage::Failed, _) => TlsHandshake::Failed(TlsError::Disconnected),
            (Stage::Established, _) => TlsHandshake::Done,
        }
    }

    /// The cipher, as `"TLS_AES_256_GCM_SHA384"`; none before the handshake has settled it (POE: `SSLify_GetCipher`).
    #[must_use]
    pub fn cipher(&self) -> Option<String> {
        let suite = self.connection.state().negotiated_cipher_suite()?.suite();
        // Those of TLS 1.3 have other names in the library than in the standard.
        Some(format!("{suite:?}").replacen("TLS13_", "TLS_", 1))
    }

    /// The version, as `"TLSv1.3"`; none before the handshake has settled it.
    #[must_use]
    pub fn version(&self) -> Option<&'static str> {
        match self.connection.state().protocol_version()? {
            ProtocolVersion::TLSv1_3 => Some("TLSv1.3"),
            ProtocolVersion::TLSv1_2 => Some("TLSv1.2"),
            _ => None,
        }
    }

    /// The application protocol that was agreed on (ALPN), if any.
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        self.connection.state().alpn_protocol()
    }

    /// The host that the client wants: on the client's side what it was given, on the server's side what the client said
    /// (SNI), once it has.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.get().map(String::as_str)
    }

    /// The peer's certificates in DER, its own first; none before the handshake, nor of a client that has none.
    pub fn peer_certificates(&self) -> impl Iterator<Item = &[u8]> {
        let certificates = self.connection.state().peer_certificates().unwrap_or_default();
        certificates.iter().map(AsRef::as_ref)
    }

    /// Whether a session of before was resumed, so that the handshake cost less; false before the handshake is done.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.connection.state().handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Reads once, or looks at what another driver has read. How much of `space` is filled then.
    fn receive(&mut self, handle: BorrowedFd<'_>, space: &mut [u8]) -> io::Result<usize> {
        let held = self.incoming.len();
        let room = space.len().saturating_sub(held).max(LEAST_READ);
        let mut memory = scratch::READING.take();
        if memory.len() < held + room {
            memory.resize(held + room, 0);
        }
        memory[..held].copy_from_slice(&self.incoming);
        let count = if mem::take(&mut self.has_unseen) {
            Ok(0)
        } else {
            self.read(handle, &mut memory[held..held + room])
        };
        let filled = match count {
            Ok(count) if self.end.is_none() => {
                self.decrypt(handle, &mut memory, held + count, space)
            }
            _ => 0,
        };
        scratch::READING.give(memory);
        count.map(|_| filled)
    }

    /// Reads, and says so where that was the end.
    fn read(&mut self, handle: BorrowedFd<'_>, space: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.reads.read(handle, space) {
                Err(Errno::EINTR) => {}
                Ok(0) => {
                    match self.stage {
                        Stage::Established if self.tolerates_truncation => self.end = Some(Ok(())),
                        Stage::Established => self.end = Some(Err(TlsError::Truncated)),
                        _ => self.fail(TlsError::Disconnected),
                    }
                    return Ok(0);
                }
                Err(error) => {
                    if error != Errno::EAGAIN && self.stage == Stage::Handshake {
                        self.fail(TlsError::Disconnected);
                    }
                    return Err(error.into());
                }
                done => return Ok(done?),
            }
        }
    }

    /// Decrypts `count` octets of `memory`, and tells how much of `space` is filled then.
    fn decrypt(
        &mut self,
        handle: BorrowedFd<'_>,
        memory: &mut [u8],
        count: usize,
        space: &mut [u8],
    ) -> usize {
        let mut filled = 0;
        let plaintext = &mut self.plaintext;
        let mut give = |octets: &[u8]| {
            let now = if plaintext.is_empty() { octets.len().min(space.len() - filled) } else { 0 };
            space[filled..filled + now].copy_from_slice(&octets[..now]);
            filled += now;
            plaintext.extend_from_slice(&octets[now..]);
        };
        let outgoing = self.outgoing.octets();
        let advance = if cfg!(debug_assertions) && self.goodbye.said {
            self.connection.advance_contained(&mut memory[..count], outgoing, &mut give)
        } else {
            self.connection.advance(&mut memory[..count], outgoing, &mut give)
        };
        let rest = &memory[advance.consumed..count];
        self.incoming.clear();
        if rest.is_empty() {
            self.incoming = Vec::new();
        } else {
            self.incoming.extend_from_slice(rest);
        }
        if self.stage == Stage::Handshake && !self.connection.state().is_handshaking() {
            self.stage = Stage::Established;
            self.tell();
        }
        match advance.result {
            Err(error) => {
                self.fail(error.into());
                // The peer is to know why, if it still listens.
                let _ = self.outgoing.flush(handle);
            }
            Ok(()) if advance.peer_closed && self.stage == Stage::Established => {
                self.end = Some(Ok(()));
            }
            Ok(()) if advance.peer_closed => self.fail(TlsError::Disconnected),
            Ok(()) => {}
        }
        filled
    }

    fn fail(&mut self, error: TlsError) {
        self.end = Some(Err(error));
        if self.stage == Stage::Handshake {
            self.stage = Stage::Failed;
            self.tell();
        }
        self.incoming = Vec::new();
    }

    fn tell(&mut self) {
        if let Some(f) = self.on_handshake.take() {
            f(self);
        }
    }

    /// Why nothing can be encrypted any more.
    fn failure(&self) -> Option<&TlsError> {
        match &self.end {
            Some(Err(TlsError::Truncated)) | Some(Ok(())) | None => None,
            Some(Err(error)) => Some(error),
        }
    }

    /// Whether there is something to be encrypted, and that can be done.
    fn can_seal(&self) -> bool {
        self.stage == Stage::Established
            && self.failure().is_none()
            && !self.goodbye.said
            && (self.queue.octets() > 0 || self.goodbye.wanted)
    }

    /// Encrypts some more, and sends it. Whether the handle may take more still.
    fn seal(&mut self, handle: BorrowedFd<'_>) -> io::Result<bool> {
        if self.queue.octets() == 0 {
            self.connection.say_goodbye(&mut self.incoming, self.outgoing.octets());
            self.goodbye.said = true;
            return self.outgoing.flush(handle);
        }
        let messages = self.queue.messages();
        let mut memory = scratch::WRITING.take();
        memory.clear();
        let sent =
            match self.connection.seal(&mut self.incoming, &mut self.queue, BATCH, &mut memory) {
                Ok(octets) => {
                    let sealed = (octets, messages - self.queue.messages());
                    self.outgoing.send(handle, &memory, sealed).map(|is_sent| is_sent && octets > 0)
                }
                Err(error) => Err(error),
            };
        scratch::WRITING.give(memory);
        sent
    }

    fn write(&mut self, handle: BorrowedFd<'_>) -> io::Result<()> {
        self.write_what_it_takes(handle).map_err(|error| match self.refusal(handle) {
            Some(refusal) => refusal.clone().into(),
            None => error,
        })
    }

    /// Why the peer takes no more, if it has said so: that came before it was gone, and may not have been read.
    fn refusal(&mut self, handle: BorrowedFd<'_>) -> Option<&TlsError> {
        if self.input == Some(handle.as_raw_fd()) {
            while self.end.is_none()
                && self.plaintext.len() < BATCH
                && self.receive(handle, &mut []).is_ok()
            {}
        }
        self.failure().filter(|error| matches!(error, TlsError::Refused { .. }))
    }

    fn write_what_it_takes(&mut self, handle: BorrowedFd<'_>) -> io::Result<()> {
        if self.clear.flush(handle)? > 0 || !self.outgoing.flush(handle)? {
            return Ok(());
        }
        while self.can_seal() {
            if !self.seal(handle)? {
                return Ok(());
            }
        }
        if self.goodbye.shutdown && (self.goodbye.said || self.failure().is_some()) {
            self.goodbye.shutdown = false;
            shut_down(handle)?;
        }
        Ok(())
    }
}

impl Driver for Tls {
    fn get(&mut self, handle: BorrowedFd<'_>, buffer: &mut ReadBuffer) -> io::Result<Get> {
        self.input = Some(handle.as_raw_fd());
        if self.plaintext.is_empty() && self.end.is_none() {
            match buffer.read(usize::MAX, |space| self.receive(handle, space)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Get::Nothing),
                Err(error) => return Err(error),
                Ok(octets) if octets.is_empty() => {}
                Ok(octets) => return Ok(Get::Octets(octets)),
            }
        }
        if !self.plaintext.is_empty() {
            return Ok(Get::Octets(mem::take(&mut self.plaintext).into()));
        }
        match &self.end {
            None => Ok(Get::Nothing),
            Some(Ok(())) => Ok(Get::Eof),
            Some(Err(error)) => Err(error.clone().into()),
        }
    }

    fn output(&mut self) -> &mut OutputQueue {
        &mut self.queue
    }

    fn flush(&mut self, handle: BorrowedFd<'_>) -> io::Result<usize> {
        if let Err(error) = self.write(handle) {
            self.is_cut = true;
            return Err(error);
        }
        match self.failure() {
            Some(error) if self.queue.octets() > 0 => Err(error.clone().into()),
            _ => Ok(self.get_out_octets()),
        }
    }

    fn get_out_octets(&self) -> usize {
        self.clear.octets() + self.outgoing.sealed.0 + self.queue.octets()
    }

    fn get_out_messages_buffered(&self) -> usize {
        self.clear.messages() + self.outgoing.sealed.1 + self.queue.messages()
    }

    fn wants(&self) -> Wants {
        if self.is_cut {
            return Wants::default();
        }
        Wants {
            read: self.stage == Stage::Handshake,
            write: self.clear.octets() > 0 || !self.outgoing.is_empty() || self.can_seal(),
        }
    }

    fn has_input(&self) -> bool {
        self.has_unseen || !self.plaintext.is_empty() || self.end.is_some()
    }

    fn shutdown_output(&mut self, handle: BorrowedFd<'_>) -> io::Result<()> {
        self.queue.clear();
        (self.goodbye.wanted, self.goodbye.shutdown) = (true, true);
        self.write(handle)
    }

    fn close(&mut self, handle: BorrowedFd<'_>) -> io::Result<()> {
        // To say that all was sent would be a lie if it was not.
        if self.is_cut || self.get_out_octets() > 0 {
            return Ok(());
        }
        self.goodbye.wanted = true;
        self.write_what_it_takes(handle)
    }

    fn discard_output(&mut self) -> usize {
        let octets = self.get_out_octets();
        self.clear.clear();
        self.queue.clear();
        if self.is_cut {
            self.outgoing.clear();
        }
        octets
    }

    fn take_over(&mut self, previous: &mut dyn Driver, input: Bytes) -> Result<(), Bytes> {
        let holds = previous.get_out_octets() != previous.output().octets();
        if is_encrypted(previous) || holds || previous.has_input() || self.stage != Stage::Handshake
        {
            return Err(input);
        }
        self.clear = mem::take(previous.output());
        self.incoming.extend_from_slice(&input);
        self.has_unseen = !self.incoming.is_empty();
        Ok(())
    }
}

/// Whether a driver is one of these, in whatever box.
fn is_encrypted(driver: &dyn Driver) -> bool {
    let any: &dyn Any = driver;
    any.is::<Tls>()
        || any.downcast_ref::<Box<dyn Driver>>().is_some_and(|inner| is_encrypted(&**inner))
}

fn shut_down(handle: BorrowedFd<'_>) -> io::Result<()> {
    match nix::sys::socket::shutdown(handle.as_raw_fd(), Shutdown::Write) {
        Ok(()) | Err(Errno::ENOTSOCK | Errno::ENOTCONN) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Nothing of what is secret.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("handshake", &self.handshake())
            .field("version", &self.version())
            .field("out_octets", &self.get_out_octets())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "tls"))]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::tls::{TlsClient, TlsIdentity, TlsRoots, TlsServer};

    #[test]
    fn an_idle_connection_holds_no_buffers() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = made.signing_key.serialize_pem();
        let identity = TlsIdentity::from_pem(made.cert.pem(), key).unwrap();
        let roots = TlsRoots::new().pem(made.cert.pem()).unwrap();
        let server = TlsServer::build().identity(identity).build().unwrap();
        let client = TlsClient::build().roots(roots).build().unwrap();
        let sockets = UnixStream::pair().unwrap();
        let mut ends = [
            (server.accept().unwrap(), sockets.0),
            (client.connect("localhost").unwrap(), sockets.1),
        ];
        let mut buffer = ReadBuffer::new();
        for round in 0..8 {
            for (driver, socket) in &mut ends {
                socket.set_nonblocking(true).unwrap();
                if round == 4 {
                    driver.put(vec![b'x'; 50_000].into());
                }
                driver.flush(socket.as_fd()).unwrap();
                while let Get::Octets(_) = driver.get(socket.as_fd(), &mut buffer).unwrap() {}
            }
        }
        for (driver, _) in &mut ends {
            assert_eq!(driver.stage, Stage::Established);
            assert_eq!(driver.incoming.capacity() + driver.plaintext.capacity(), 0);
            assert_eq!(driver.outgoing.octets().capacity(), 0);
        }
    }
}
