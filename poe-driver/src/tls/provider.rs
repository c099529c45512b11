//! Who does the cryptography, and whom it is to trust.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;

use super::TlsConfigError;
use super::identity::{certificates, read};

/// That of the features, or else that of the process, where somebody has set one.
pub(super) fn default_provider() -> Result<Arc<CryptoProvider>, TlsConfigError> {
    #[cfg(feature = "tls")]
    let provider = Some(Arc::new(rustls::crypto::ring::default_provider()));
    #[cfg(all(feature = "tls-aws-lc-rs", not(feature = "tls")))]
    let provider = Some(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    #[cfg(not(any(feature = "tls", feature = "tls-aws-lc-rs")))]
    let provider = CryptoProvider::get_default().cloned();
    provider.ok_or(TlsConfigError::NoProvider)
}

/// The certificates that a peer's has to lead to.
///
/// ```
/// use poe_driver::TlsRoots;
///
/// let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
/// let roots = TlsRoots::new().pem(made.cert.pem())?;
/// assert_eq!(roots.len(), 1);
/// assert!(TlsRoots::new().pem_file("/no/such/file").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct TlsRoots(RootCertStore);

impl TlsRoots {
    /// None yet.
    pub fn new() -> Self {
        Self(RootCertStore::empty())
    }

    /// Those of the system. The environment may name others, as for OpenSSL, with `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    ///
    /// # Errors
    ///
    /// [`TlsConfigError::NoRoots`] when there are none.
    pub fn of_system() -> Result<Self, TlsConfigError> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = Self::new();
        // There are always some that are too odd to be used.
        roots.0.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let errors: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
            let reason = if errors.is_empty() {
                "the system has none".to_owned()
            } else {
                errors.join("; ")
            };
            return Err(TlsConfigError::NoRoots { reason });
        }
        Ok(roots)
    }

    /// Adds the certificates of a text in PEM.
    ///
    /// # Errors
    ///
    /// [`TlsConfigError::Pem`].
    pub fn pem(self, pem: impl AsRef<[u8]>) -> Result<Self, TlsConfigError> {
        let found = certificates(pem.as_ref(), &"the text")?;
        self.add(found, &"the text")
    }

    /// Adds the certificates of a file in PEM.
    ///
    /// # Errors
    ///
    /// [`TlsConfigError::File`] and [`TlsConfigError::Pem`].
    pub fn pem_file(self, path: impl Into<PathBuf>) -> Result<Self, TlsConfigError> {
        let path = path.into();
        let found = certificates(&read(&path)?, &path.display())?;
        self.add(found, &path.display())
    }

    /// Adds a certificate in DER.
    ///
    /// # Errors
    ///
    /// [`TlsConfigError::Pem`], as for one in PEM.
    pub fn der(self, certificate: impl Into<Vec<u8>>) -> Result<Self, TlsConfigError> {
        self.add([CertificateDer::from(certificate.into())], &"the certificate")
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn store(self) -> Arc<RootCertStore> {
        Arc::new(self.0)
    }

    fn add(
        mut self,
        found: impl IntoIterator<Item = CertificateDer<'static>>,
        what: &dyn fmt::Display,
    ) -> Result<Self, TlsConfigError> {
        for certificate in found {
            self.0.add(certificate).map_err(|error| TlsConfigError::Pem {
                what: what.to_string(),
                wanted: "certificates",
                reason: error.to_string(),
            })?;
        }
        Ok(self)
    }
}

impl Default for TlsRoots {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TlsRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsRoots").field("len", &self.len()).finish()
    }
}
