//! The client's side.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;

use super::connection::Connection;
use super::driver::Tls;
use super::provider::default_provider;
use super::server::alpn;
use super::{TlsConfigError, TlsIdentity, TlsRoots};

/// What a client asks of servers, and is to them (POE: the context of `Client_SSLify`).
///
/// One serves any number of connections, each of which gets its driver from [`connect`](Self::connect). It remembers
/// sessions, which is why one is better than one for each connection. Clones are the same client, and may be used by other
/// threads.
///
/// ```
/// use poe_driver::{TlsClient, TlsRoots};
///
/// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
/// # let pem = made.cert.pem();
/// let client = TlsClient::build().roots(TlsRoots::new().pem(pem)?).alpn(["echo/1"]).build()?;
/// let driver = client.connect("localhost")?;
/// assert!(client.connect("no name of a host").is_err());
/// # let _ = driver;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    tolerates_truncation: bool,
}

impl TlsClient {
    /// A client to be configured; without more, it trusts whom the system trusts.
    pub fn build() -> TlsClientBuilder {
        TlsClientBuilder {
            trust: Trust::System,
            identity: None,
            alpn: Vec::new(),
            is_silent: false,
            only_tls13: false,
            session_cache: None,
            provider: None,
            tolerates_truncation: false,
        }
    }

    /// A client that does as a configuration of `rustls` says, for what the builder has no parameter for.
    #[must_use]
    pub fn from_config(config: Arc<ClientConfig>) -> Self {
        Self { config, tolerates_truncation: false }
    }

    /// The driver of a connection to a host (POE: `Client_SSLify`). Its certificate has to be for this name, or this IP
    /// address.
    ///
    /// # Errors
    ///
    /// [`TlsConfigError::ServerName`]; [`TlsConfigError::Parameters`], of a configuration that is not the builder's.
    pub fn connect(&self, host: &str) -> Result<Tls, TlsConfigError> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| TlsConfigError::ServerName { name: host.to_owned() })?;
        let connection = Connection::client(Arc::clone(&self.config), name)
            .map_err(TlsConfigError::parameters)?;
        let name = Arc::new(OnceLock::from(host.to_owned()));
        Ok(Tls::new(connection, name, self.tolerates_truncation))
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient")
            .field("alpn", &alpn(&self.config.alpn_protocols))
            .finish_non_exhaustive()
    }
}

/// The parameters of a [`TlsClient`].
#[must_use]
pub struct TlsClientBuilder {
    trust: Trust,
    identity: Option<TlsIdentity>,
    alpn: Vec<Vec<u8>>,
    is_silent: bool,
    only_tls13: bool,
    session_cache: Option<usize>,
    provider: Option<Arc<CryptoProvider>>,
    tolerates_truncation: bool,
}

/// Which servers are trusted.
enum Trust {
    System,
    Roots(TlsRoots),
    Verifier(Arc<dyn ServerCertVerifier>),
}

impl TlsClientBuilder {
    /// Whom to trust, instead of [those that the system trusts](TlsRoots::of_system).
    pub fn roots(mut self, roots: TlsRoots) -> Self {
        self.trust = Trust::Roots(roots);
        self
    }

    /// Judges certificates itself, for example by comparing them with one that is known. Whatever this accepts, the program
    /// trusts; POE's SSLify accepts everything.
    pub fn verifier(mut self, verifier: Arc<dyn ServerCertVerifier>) -> Self {
        self.trust = Trust::Verifier(verifier);
        self
    }

    /// The certificate and key to be shown to a server that asks for one.
    pub fn identity(mut self, identity: TlsIdentity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// The application protocols to be offered, the favourite first (ALPN).
    pub fn alpn<P: Into<Vec<u8>>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.alpn = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// Does not say which host is wanted (SNI). Its certificate is checked for the name all the same.
    pub fn without_server_name(mut self) -> Self {
        self.is_silent = true;
        self
    }

    /// Refuses TLS 1.2. Older versions are never spoken.
    pub fn only_tls13(mut self) -> Self {
        self.only_tls13 = true;
        self
    }

    /// Of how many servers sessions are remembered, to be resumed at less cost: 256 if not given, and none with 0.
    pub fn session_cache(mut self, sessions: usize) -> Self {
        self.session_cache = Some(sessions);
        self
    }

    /// Who does the cryptography; that of the features if none is given.
    pub fn provider(mut self, provider: Arc<CryptoProvider>) -> Self {
        self.provider = Some(provider);
        self
    }

    /// As [`TlsServerBuilder::tolerate_truncation`](super::TlsServerBuilder::tolerate_truncation).
    pub fn tolerate_truncation(mut self) -> Self {
        self.tolerates_truncation = true;
        self
    }

    /// Makes the client. Without [`roots`](Self::roots) this reads those of the system.
    ///
    /// # Errors
    ///
    /// [`TlsConfigError`]: what is missing, or does not go together.
    pub fn build(self) -> Result<TlsClient, TlsConfigError> {
        let provider = self.provider.map_or_else(default_provider, Ok)?;
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(super::versions(self.only_tls13))
            .map_err(TlsConfigError::parameters)?;
        let builder = match self.trust {
            Trust::Verifier(verifier) => {
                builder.dangerous().with_custom_certificate_verifier(verifier)
            }
            Trust::Roots(roots) if roots.is_empty() => {
                return Err(TlsConfigError::NoRoots { reason: "none were given".to_owned() });
            }
            Trust::Roots(roots) => builder.with_root_certificates(roots.store()),
            Trust::System => builder.with_root_certificates(TlsRoots::of_system()?.store()),
        };
        let mut config = match self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let key = identity.certify(&provider)?.key;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)))
            }
        };
        config.alpn_protocols = self.alpn;
        config.enable_sni = !self.is_silent;
        match self.session_cache {
            None => {}
            Some(0) => config.resumption = Resumption::disabled(),
            Some(sessions) => config.resumption = Resumption::in_memory_sessions(sessions),
        }
        let tolerates_truncation = self.tolerates_truncation;
        Ok(TlsClient { config: Arc::new(config), tolerates_truncation })
    }
}

impl fmt::Debug for TlsClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClientBuilder")
            .field("identity", &self.identity)
            .field("alpn", &alpn(&self.alpn))
            .finish_non_exhaustive()
    }
}
