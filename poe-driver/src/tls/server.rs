//! The server's side.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache, WebPkiClientVerifier};

use super::connection::Connection;
use super::driver::Tls;
use super::identity::{Certified, Identities, Overheard};
use super::provider::default_provider;
use super::{TlsConfigError, TlsIdentity, TlsRoots};

/// What a server is to its clients: its certificates, and what it asks of them (POE: the context of `SSLify_Options` or
/// `SSLify_ContextCreate`).
///
/// One serves any number of connections, each of which gets its driver from [`accept`](Self::accept). Clones are the same
/// server, and may be used by other threads.
///
/// ```
/// use poe_driver::{TlsIdentity, TlsServer};
///
/// let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
/// let identity = TlsIdentity::from_pem(made.cert.pem(), made.signing_key.serialize_pem())?;
/// let server = TlsServer::build().identity(identity).alpn(["echo/1"]).build()?;
/// let driver = server.accept()?;
/// # let _ = driver;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TlsServer {
    config: Arc<ServerConfig>,
    /// None if the certificates are the configuration's own.
    identities: Option<Arc<Identities>>,
    tolerates_truncation: bool,
}

impl TlsServer {
    /// A server to be configured; it needs an [`identity`](TlsServerBuilder::identity).
    pub fn build() -> TlsServerBuilder {
        TlsServerBuilder {
            identity: None,
            others: Vec::new(),
            alpn: Vec::new(),
            clients: None,
            only_tls13: false,
            session_cache: None,
            provider: None,
            tolerates_truncation: false,
        }
    }

    /// A server that does as a configuration of `rustls` says, for what the builder has no parameter for. Early data is
    /// refused whatever it says.
    #[must_use]
    pub fn from_config(config: Arc<ServerConfig>) -> Self {
        Self { config, identities: None, tolerates_truncation: false }
    }

    /// The driver of a connection that was accepted (POE: `Server_SSLify`).
    ///
    /// # Errors
    ///
    /// [`TlsConfigError::Parameters`], of a configuration that is not the builder's.
    pub fn accept(&self) -> Result<Tls, TlsConfigError> {
        let name = Arc::new(OnceLock::new());
        let mut config = ServerConfig::clone(&self.config);
        let by = Arc::clone(&config.cert_resolver);
        config.cert_resolver = Arc::new(Overheard { by, name: Arc::clone(&name) });
        config.max_early_data_size = 0;
        let connection =
            Connection::server(Arc::new(config)).map_err(TlsConfigError::parameters)?;
        Ok(Tls::new(connection, name, self.tolerates_truncation))
    }

    /// Uses another certificate from the next handshake on. Connections that there are go on, and clients that resume a
    /// session are not shown any.
    ///
    /// # Errors
    ///
    /// [`TlsConfigError::Identity`] when certificate and key do not go together; the former one stays.
    pub fn set_identity(&self, identity: &TlsIdentity) -> Result<(), TlsConfigError> {
        self.set(None, identity)
    }

    /// As [`Self::set_identity`], for clients that ask for this name; see [`TlsServerBuilder::identity_for`].
    ///
    /// # Errors
    ///
    /// As for [`Self::set_identity`].
    pub fn set_identity_for(
        &self,
        name: &str,
        identity: &TlsIdentity,
    ) -> Result<(), TlsConfigError> {
        self.set(Some(name.to_ascii_lowercase()), identity)
    }

    /// Reads the identities that came [from files](TlsIdentity::from_pem_files) again, for the handshakes from now on.
    ///
    /// # Errors
    ///
    /// As for [`TlsIdentity::from_pem_files`] and [`Self::set_identity`]; all of the former ones stay.
    /// [`TlsConfigError::NoFiles`] when none came from files.
    ///
    /// ```
    /// use poe_driver::{TlsIdentity, TlsServer};
    ///
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    /// # let folder = std::env::temp_dir().join(format!("poe-driver-reload-{}", std::process::id()));
    /// # std::fs::create_dir(&folder)?;
    /// # let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    /// # std::fs::write(&cert, made.cert.pem())?;
    /// # std::fs::write(&key, made.signing_key.serialize_pem())?;
    /// let identity = TlsIdentity::from_pem_files(&cert, &key)?;
    /// let server = TlsServer::build().identity(identity).build()?;
    /// // The files have been renewed; a signal says so, perhaps.
    /// server.reload()?;
    /// # std::fs::remove_dir_all(folder)?;
    /// assert!(server.reload().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reload(&self) -> Result<(), TlsConfigError> {
        let identities = self.identities.as_ref().ok_or(TlsConfigError::NoFiles)?;
        identities.reload(self.config.crypto_provider())
    }

    fn set(&self, name: Option<String>, identity: &TlsIdentity) -> Result<(), TlsConfigError> {
        let identities = self.identities.as_ref().ok_or_else(|| {
            TlsConfigError::parameters("the certificates are the configuration's own")
        })?;
        identities.set(name, identity.certify(self.config.crypto_provider())?);
        Ok(())
    }
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServer")
            .field("alpn", &alpn(&self.config.alpn_protocols))
            .finish_non_exhaustive()
    }
}

/// The parameters of a [`TlsServer`].
#[must_use]
pub struct TlsServerBuilder {
    identity: Option<TlsIdentity>,
    others: Vec<(String, TlsIdentity)>,
    alpn: Vec<Vec<u8>>,
    clients: Option<(TlsRoots, bool)>,
    only_tls13: bool,
    session_cache: Option<usize>,
    provider: Option<Arc<CryptoProvider>>,
    tolerates_truncation: bool,
}

impl TlsServerBuilder {
    /// The certificate and key for clients that ask for no name, or one without an identity of its own.
    pub fn identity(mut self, identity: TlsIdentity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// The certificate and key for clients that ask for this name (SNI). `*.example.org` is for all names that have one part
    /// more than `example.org`.
    pub fn identity_for(mut self, name: impl Into<String>, identity: TlsIdentity) -> Self {
        self.others.push((name.into().to_ascii_lowercase(), identity));
        self
    }

    /// The application protocols that are spoken, the favourite first (ALPN). A client that offers others only is refused;
    /// one that offers none is not.
    pub fn alpn<P: Into<Vec<u8>>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.alpn = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// Refuses clients without a certificate that leads to one of these.
    pub fn require_client_certificate(mut self, roots: TlsRoots) -> Self {
        self.clients = Some((roots, true));
        self
    }

    /// Asks clients for a certificate, which has to lead to one of these, but takes clients that have none.
    pub fn ask_client_certificate(mut self, roots: TlsRoots) -> Self {
        self.clients = Some((roots, false));
        self
    }

    /// Refuses TLS 1.2. Older versions are never spoken.
    pub fn only_tls13(mut self) -> Self {
        self.only_tls13 = true;
        self
    }

    /// How many sessions are remembered, so that clients can resume them at less cost: 256 if not given, and none with 0.
    pub fn session_cache(mut self, sessions: usize) -> Self {
        self.session_cache = Some(sessions);
        self
    }

    /// Who does the cryptography; that of the features if none is given.
    pub fn provider(mut self, provider: Arc<CryptoProvider>) -> Self {
        self.provider = Some(provider);
        self
    }

    /// Takes a connection that is closed without `close_notify` for one that has ended, where the protocol tells by itself
    /// whether all has come. Otherwise that is [`TlsError::Truncated`](super::TlsError::Truncated).
    pub fn tolerate_truncation(mut self) -> Self {
        self.tolerates_truncation = true;
        self
    }

    /// Makes the server.
    ///
    /// # Errors
    ///
    /// [`TlsConfigError`]: what is missing, or does not go together.
    pub fn build(self) -> Result<TlsServer, TlsConfigError> {
        let provider = self.provider.map_or_else(default_provider, Ok)?;
        let default = self.identity.ok_or(TlsConfigError::NoIdentity)?.certify(&provider)?;
        let mut others: HashMap<String, Certified> = HashMap::new();
        for (name, identity) in self.others {
            others.insert(name, identity.certify(&provider)?);
        }
        let identities = Arc::new(Identities::new(default, others));

        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(super::versions(self.only_tls13))
            .map_err(TlsConfigError::parameters)?;
        let builder = match self.clients {
            None => builder.with_no_client_auth(),
            Some((roots, is_required)) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.store(), provider);
                let verifier =
                    if is_required { verifier } else { verifier.allow_unauthenticated() };
                let verifier = verifier
                    .build()
                    .map_err(|error| TlsConfigError::NoRoots { reason: error.to_string() })?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::clone(&identities) as Arc<_>);
        config.alpn_protocols = self.alpn;
        match self.session_cache {
            None => {}
            Some(0) => {
                config.session_storage = Arc::new(NoServerSessionStorage {});
                config.send_tls13_tickets = 0;
            }
            Some(sessions) => config.session_storage = ServerSessionMemoryCache::new(sessions),
        }
        Ok(TlsServer {
            config: Arc::new(config),
            identities: Some(identities),
            tolerates_truncation: self.tolerates_truncation,
        })
    }
}

impl fmt::Debug for TlsServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServerBuilder")
            .field("identity", &self.identity)
            .field("alpn", &alpn(&self.alpn))
            .finish_non_exhaustive()
    }
}

pub(super) fn alpn(protocols: &[Vec<u8>]) -> Vec<String> {
    protocols.iter().map(|protocol| protocol.escape_ascii().to_string()).collect()
}
