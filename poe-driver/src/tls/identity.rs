//! Who one is: certificates and their private keys.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::TlsConfigError;

/// A certificate, those that lead from it to a trusted one, and its private key (POE: the key and the certificate of
/// `SSLify_Options`, the other way round).
///
/// ```
/// use poe_driver::TlsIdentity;
///
/// let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
/// let identity = TlsIdentity::from_pem(made.cert.pem(), made.signing_key.serialize_pem())?;
/// // What is secret is not shown.
/// assert_eq!(format!("{identity:?}"), "TlsIdentity { certificates: 1, files: None, .. }");
/// assert!(TlsIdentity::from_pem("nothing", "at all").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TlsIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    files: Option<Files>,
}

/// Where an identity came from.
#[derive(Clone, Debug)]
struct Files {
    chain: PathBuf,
    key: PathBuf,
}

impl TlsIdentity {
    /// Of text in PEM: the certificate followed by those that lead to a trusted one, and the private key, in PKCS#8, PKCS#1
    /// or SEC1, without a password.
    ///
    /// # Errors
    ///
    /// [`TlsConfigError::Pem`]. Whether the two go together is seen when the identity is used.
    pub fn from_pem(
        chain: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
    ) -> Result<Self, TlsConfigError> {
        let chain = certificates(chain.as_ref(), &"the certificate")?;
        let key = private_key(key.as_ref(), &"the private key")?;
        Ok(Self { chain, key, files: None })
    }

    /// Of files in PEM, which [`reload`](super::TlsServer::reload) reads again. Both may be one file.
    ///
    /// # Errors
    ///
    /// [`TlsConfigError::File`] and [`TlsConfigError::Pem`].
    pub fn from_pem_files(
        chain: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Result<Self, TlsConfigError> {
        Self::read(Files { chain: chain.into(), key: key.into() })
    }

    /// Of DER: the certificates as in [`Self::from_pem`], and the private key.
    ///
    /// # Errors
    ///
    /// [`TlsConfigError::Identity`] when the key is of no kind that is known.
    pub fn from_der<C: Into<Vec<u8>>>(
        chain: impl IntoIterator<Item = C>,
        key: impl Into<Vec<u8>>,
    ) -> Result<Self, TlsConfigError> {
        let chain = chain.into_iter().map(|certificate| certificate.into().into()).collect();
        let key = PrivateKeyDer::try_from(key.into())
            .map_err(|reason| TlsConfigError::Identity { reason: reason.to_owned() })?;
        Ok(Self { chain, key, files: None })
    }

    fn read(files: Files) -> Result<Self, TlsConfigError> {
        let chain = certificates(&read(&files.chain)?, &files.chain.display())?;
        let key = private_key(&read(&files.key)?, &files.key.display())?;
        Ok(Self { chain, key, files: Some(files) })
    }

    pub(super) fn certify(&self, provider: &CryptoProvider) -> Result<Certified, TlsConfigError> {
        let key = CertifiedKey::from_der(self.chain.clone(), self.key.clone_key(), provider)
            .map_err(|error| TlsConfigError::Identity { reason: error.to_string() })?;
        Ok(Certified { key: Arc::new(key), files: self.files.clone() })
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity")
            .field("certificates", &self.chain.len())
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// An identity that can sign.
#[derive(Clone, Debug)]
pub(super) struct Certified {
    pub(super) key: Arc<CertifiedKey>,
    files: Option<Files>,
}

/// The identities of a server, which can be exchanged while it serves.
#[derive(Debug)]
pub(super) struct Identities(RwLock<ByName>);

#[derive(Clone, Debug)]
struct ByName {
    default: Certified,
    others: HashMap<String, Certified>,
}

impl Identities {
    pub(super) fn new(default: Certified, others: HashMap<String, Certified>) -> Self {
        Self(RwLock::new(ByName { default, others }))
    }

    /// Puts another identity in place, for a name or for all that have none of their own.
    pub(super) fn set(&self, name: Option<String>, identity: Certified) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match name {
            Some(name) => _ = current.others.insert(name, identity),
            None => current.default = identity,
        }
    }

    /// Reads those from files again: all of them, or none if one is unusable.
    pub(super) fn reload(&self, provider: &CryptoProvider) -> Result<(), TlsConfigError> {
        let mut next = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut count = 0;
        for identity in next.others.values_mut().chain([&mut next.default]) {
            if let Some(files) = identity.files.take() {
                *identity = TlsIdentity::read(files)?.certify(provider)?;
                count += 1;
            }
        }
        if count == 0 {
            return Err(TlsConfigError::NoFiles);
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }
}

impl ResolvesServerCert for Identities {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let identities = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let named = hello.server_name().and_then(|name| {
            let name = name.to_ascii_lowercase();
            identities.others.get(&name).or_else(|| {
                let (_, domain) = name.split_once('.')?;
                identities.others.get(&format!("*.{domain}"))
            })
        });
        Some(Arc::clone(&named.unwrap_or(&identities.default).key))
    }
}

/// Finds a server's identity, and keeps the name that the client asked for.
#[derive(Debug)]
pub(super) struct Overheard {
    pub(super) by: Arc<dyn ResolvesServerCert>,
    pub(super) name: Arc<OnceLock<String>>,
}

impl ResolvesServerCert for Overheard {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(name) = hello.server_name() {
            // A second hello has the same name, or is refused.
            let _ = self.name.set(name.to_owned());
        }
        self.by.resolve(hello)
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, TlsConfigError> {
    fs::read(path).map_err(|source| TlsConfigError::File { path: path.to_owned(), source })
}

/// All certificates of a text, of which there has to be one.
pub(super) fn certificates(
    pem: &[u8],
    what: &dyn fmt::Display,
) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let error = |reason: String| TlsConfigError::Pem {
        what: what.to_string(),
        wanted: "certificates",
        reason,
    };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(error("there is none in it".to_owned())),
        found => found.map_err(|reason| error(reason.to_string())),
    }
}

fn private_key(
    pem: &[u8],
    what: &dyn fmt::Display,
) -> Result<PrivateKeyDer<'static>, TlsConfigError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|reason| TlsConfigError::Pem {
        what: what.to_string(),
        wanted: "a private key",
        reason: reason.to_string(),
    })
}
