//! Both ends of a connection, what lies between them, and certificates.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};

use poe_driver::{
    Driver, Get, ReadBuffer, Tls, TlsClient, TlsClientBuilder, TlsError, TlsHandshake, TlsIdentity,
    TlsRoots, TlsServer, TlsServerBuilder,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Issues certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        // Each has a name of its own, as its certificates name it.
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        params.distinguished_name.push(DnType::CommonName, format!("authority {number}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn roots(&self) -> TlsRoots {
        TlsRoots::new().der(self.0.der().to_vec()).unwrap()
    }

    /// A certificate for a host.
    pub(crate) fn issue(&self, name: &str) -> TlsIdentity {
        self.issue_with(name, |_| {})
    }

    pub(crate) fn issue_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> TlsIdentity {
        let (chain, key) = self.pem_with(name, change);
        TlsIdentity::from_pem(chain, key).unwrap()
    }

    pub(crate) fn pem_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (String, String) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// One end.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) driver: Tls,
    pub(crate) socket: UnixStream,
    pub(crate) received: Vec<u8>,
    /// That nothing more comes, and why if not in good order.
    pub(crate) end: Option<Result<(), TlsError>>,
    buffer: ReadBuffer,
}

impl End {
    pub(crate) fn new(driver: Tls, socket: UnixStream) -> Self {
        socket.set_nonblocking(true).unwrap();
        Self { driver, socket, received: Vec::new(), end: None, buffer: ReadBuffer::new() }
    }

    pub(crate) fn with_buffer(mut self, size: usize) -> Self {
        self.buffer = ReadBuffer::with_size(size);
        self
    }

    /// Does what there is to do, and tells whether it was anything.
    pub(crate) fn step(&mut self) -> bool {
        let wanted = self.driver.wants().write;
        let before = self.driver.get_out_octets();
        if wanted && let Err(error) = self.driver.flush(self.socket.as_fd()) {
            self.end.get_or_insert(Err(TlsError::Other { reason: error.to_string() }));
        }
        let wrote = wanted
            && (self.driver.get_out_octets() < before || self.driver.wants().write != wanted);
        self.read() || wrote
    }

    pub(crate) fn read(&mut self) -> bool {
        if self.end.is_some() {
            return false;
        }
        match self.driver.get(self.socket.as_fd(), &mut self.buffer) {
            Ok(Get::Octets(octets)) => {
                assert!(!octets.is_empty());
                self.received.extend_from_slice(&octets);
                return true;
            }
            Ok(Get::Eof) => self.end = Some(Ok(())),
            Ok(_) => return false,
            Err(error) => {
                let error = TlsError::of(&error).cloned();
                self.end = Some(Err(error.unwrap_or(TlsError::Disconnected)));
            }
        }
        true
    }

    pub(crate) fn put(&mut self, octets: &[u8]) {
        self.driver.put(octets.to_vec().into());
    }

    pub(crate) fn shut_down(&mut self) {
        self.driver.shutdown_output(self.socket.as_fd()).unwrap();
    }

    pub(crate) fn is_done(&self) -> bool {
        self.driver.handshake() == TlsHandshake::Done
    }

    pub(crate) fn failure(&self) -> &TlsError {
        match &self.end {
            Some(Err(error)) => error,
            other => panic!("{other:?} is no failure of {:?}", self.driver),
        }
    }
}

/// A server and a client, connected.
pub(crate) fn connect(server: &TlsServer, client: &TlsClient, name: &str) -> (End, End) {
    let (near, far) = UnixStream::pair().unwrap();
    (End::new(server.accept().unwrap(), near), End::new(client.connect(name).unwrap(), far))
}

/// Has both ends do what they can until neither can do more.
pub(crate) fn settle(ends: &mut (End, End)) {
    let mut idle = 0;
    while idle < 3 {
        let is_moving = ends.0.step() | ends.1.step();
        idle = if is_moving { 0 } else { idle + 1 };
    }
}

/// A server for `localhost`, and a client that trusts it.
pub(crate) fn pair_of(
    change: impl FnOnce(TlsServerBuilder, TlsClientBuilder) -> (TlsServerBuilder, TlsClientBuilder),
) -> (TlsServer, TlsClient) {
    let authority = Authority::new();
    let server = TlsServer::build().identity(authority.issue("localhost"));
    let client = TlsClient::build().roots(authority.roots());
    let (server, client) = change(server, client);
    (server.build().unwrap(), client.build().unwrap())
}

/// Both ends, with the handshake done.
pub(crate) fn established() -> (End, End) {
    let (server, client) = pair_of(|server, client| (server, client));
    let mut ends = connect(&server, &client, "localhost");
    settle(&mut ends);
    assert!(ends.0.is_done() && ends.1.is_done(), "{ends:?}");
    ends
}

/// What lies between: moves so many octets at a time, and none at 0.
pub(crate) struct Relay {
    sides: [UnixStream; 2],
    held: [Vec<u8>; 2],
    ended: [bool; 2],
    sizes: Vec<usize>,
    /// Of each direction.
    next: [usize; 2],
    /// How many octets came from each side.
    passed: [usize; 2],
    /// Which octet from which side is changed, and how.
    pub(crate) damage: Option<(usize, usize, u8)>,
}

impl Relay {
    pub(crate) fn between(
        server: &TlsServer,
        client: &TlsClient,
        sizes: Vec<usize>,
    ) -> ((End, End), Self) {
        let (near, one) = UnixStream::pair().unwrap();
        let (far, other) = UnixStream::pair().unwrap();
        for socket in [&near, &one, &far, &other] {
            socket.set_nonblocking(true).unwrap();
            small(socket);
        }
        let ends = (
            End::new(server.accept().unwrap(), near),
            End::new(client.connect("localhost").unwrap(), far),
        );
        let relay = Self {
            sides: [one, other],
            held: Default::default(),
            ended: [false; 2],
            sizes,
            next: [0; 2],
            passed: [0; 2],
            damage: None,
        };
        (ends, relay)
    }

    /// Whether anything went through, or would another time.
    pub(crate) fn step(&mut self) -> bool {
        let mut moved = false;
        for from in 0..2 {
            let size = self.sizes[self.next[from] % self.sizes.len()];
            self.next[from] += 1;
            moved |= size == 0 && !self.held[from].is_empty();
            let mut octets = vec![0; size];
            if self.held[from].is_empty() && size > 0 && !self.ended[from] {
                match self.sides[from].read(&mut octets) {
                    Ok(0) => {
                        self.ended[from] = true;
                        self.sides[1 - from].shutdown(std::net::Shutdown::Write).unwrap();
                    }
                    Ok(count) => {
                        self.damage(from, &mut octets[..count]);
                        self.held[from].extend_from_slice(&octets[..count]);
                    }
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
            }
            let count = size.min(self.held[from].len());
            if count > 0
                && let Ok(count) = self.sides[1 - from].write(&self.held[from][..count])
            {
                self.held[from].drain(..count);
                moved |= count > 0;
            }
        }
        moved
    }
}

impl Relay {
    fn damage(&mut self, from: usize, octets: &mut [u8]) {
        if let Some((side, place, change)) = self.damage
            && side == from
            && let Some(octet) =
                place.checked_sub(self.passed[from]).and_then(|n| octets.get_mut(n))
        {
            *octet ^= change;
        }
        self.passed[from] += octets.len();
    }
}

/// Has a socket take little at a time.
fn small(socket: &UnixStream) {
    use nix::sys::socket::{setsockopt, sockopt};
    setsockopt(socket, sockopt::SndBuf, &4096).unwrap();
}

/// Octets that differ.
pub(crate) fn octets(count: usize, seed: u8) -> Vec<u8> {
    (0..count as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 ^ seed).collect()
}
