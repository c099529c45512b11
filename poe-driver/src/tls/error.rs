//! What can go wrong with TLS: while it is set up, and while it runs.

use std::io;
use std::path::PathBuf;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

/// Why a connection failed, or never came about.
///
/// [`Tls`](super::Tls) reports it as the inside of an [`io::Error`], which [`TlsError::of`] looks into.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The peer has closed the connection without saying so first (`close_notify`): somebody may have cut it off, and what
    /// has come may not be all that was sent.
    #[error(
        "the connection was closed without close_notify; what has come may not be all that was sent"
    )]
    Truncated,
    /// The connection ended before the handshake did.
    #[error(
        "the peer disconnected during the handshake; perhaps it does not speak TLS, or refuses us silently"
    )]
    Disconnected,
    /// What came is no TLS.
    #[error("the peer does not speak TLS ({reason})")]
    NotTls {
        /// What is wrong with it.
        reason: String,
    },
    /// The peer's certificate is not acceptable.
    #[error("the peer's certificate is not acceptable: {reason}")]
    Certificate {
        /// What is the matter with it.
        problem: CertificateProblem,
        /// The same in words, with names and dates.
        reason: String,
    },
    /// The peer was to have a certificate, and sent none.
    #[error("the peer sent no certificate; it has to have one here")]
    NoCertificate,
    /// The peer has ended the connection with an alert.
    #[error("the peer refused: {alert}{}", advice(*code))]
    Refused {
        /// The alert's name, as in RFC 8446: `"UnknownCA"`.
        alert: String,
        /// The alert's number.
        code: u8,
    },
    /// There is no version, cipher or signature that both sides can use.
    #[error("nothing in common with the peer: {reason}")]
    Incompatible {
        /// What is missing.
        reason: String,
    },
    /// The client offers none of the server's application protocols (ALPN).
    #[error("the peer offers no application protocol (ALPN) that is spoken here")]
    NoApplicationProtocol,
    /// Too much was sent with one set of keys, which TLS 1.2 cannot change.
    #[error("the keys of this connection are used up; connect anew")]
    Exhausted,
    /// The peer has violated the protocol, or somebody has changed what it sent.
    #[error("the protocol was violated: {reason}")]
    Protocol {
        /// How.
        reason: String,
    },
    /// Something else, on this side.
    #[error("{reason}")]
    Other {
        /// What it was.
        reason: String,
    },
}

/// What is the matter with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CertificateProblem {
    /// It was issued by nobody that is trusted here. So is any that somebody made for himself.
    UnknownIssuer,
    /// It is for other names than the one asked for.
    WrongName,
    /// Its time is over.
    Expired,
    /// Its time has not come; or the clock is wrong.
    NotYetValid,
    /// It was revoked.
    Revoked,
    /// It is for another purpose.
    WrongPurpose,
    /// Something else.
    Other,
}

impl TlsError {
    /// The error that an [`io::Error`] has inside, if it is one of these.
    ///
    /// ```
    /// use std::io;
    /// use poe_driver::TlsError;
    ///
    /// let error = io::Error::from(TlsError::Truncated);
    /// assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    /// assert_eq!(TlsError::of(&error), Some(&TlsError::Truncated));
    /// assert_eq!(TlsError::of(&io::ErrorKind::BrokenPipe.into()), None);
    /// ```
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// What is the matter with the peer's certificate, if it is that.
    #[must_use]
    pub fn certificate_problem(&self) -> Option<CertificateProblem> {
        match self {
            Self::Certificate { problem, .. } => Some(*problem),
            _ => None,
        }
    }
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        let kind = match error {
            TlsError::Truncated | TlsError::Disconnected => io::ErrorKind::UnexpectedEof,
            TlsError::Refused { .. } => io::ErrorKind::ConnectionAborted,
            TlsError::Exhausted | TlsError::Other { .. } => io::ErrorKind::Other,
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

impl From<Error> for TlsError {
    fn from(error: Error) -> Self {
        let reason = error.to_string();
        match error {
            Error::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) => Self::NotTls { reason },
            Error::InvalidCertificate(error) => {
                Self::Certificate { problem: problem(&error), reason: explain(&error) }
            }
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::AlertReceived(alert) => {
                Self::Refused { alert: name(alert), code: u8::from(alert) }
            }
            Error::PeerIncompatible(_) => Self::Incompatible { reason },
            Error::NoApplicationProtocol => Self::NoApplicationProtocol,
            Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::InvalidMessage(_)
            | Error::DecryptError
            | Error::PeerMisbehaved(_)
            | Error::PeerSentOversizedRecord => Self::Protocol { reason },
            _ => Self::Other { reason },
        }
    }
}

fn problem(error: &CertificateError) -> CertificateProblem {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            CertificateProblem::UnknownIssuer
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            CertificateProblem::WrongName
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            CertificateProblem::Expired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            CertificateProblem::NotYetValid
        }
        CertificateError::Revoked => CertificateProblem::Revoked,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            CertificateProblem::WrongPurpose
        }
        _ => CertificateProblem::Other,
    }
}

fn explain(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "issued by nobody that is trusted here; add its issuer to the roots".to_owned()
        }
        CertificateError::BadSignature => {
            "not signed by whom it names, or by another of the same name than is trusted here"
                .to_owned()
        }
        _ => error.to_string(),
    }
}

fn name(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::Unknown(code) => format!("alert {code}"),
        alert => format!("{alert:?}"),
    }
}

/// What an alert usually is about.
fn advice(code: u8) -> &'static str {
    match AlertDescription::from(code) {
        AlertDescription::UnknownCA => ": it does not trust the issuer of our certificate",
        AlertDescription::CertificateExpired => ": our certificate is out of date",
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate => ": it does not like our certificate",
        AlertDescription::CertificateRequired => ": it wants a certificate of ours",
        AlertDescription::UnrecognisedName => ": it does not serve that name",
        AlertDescription::NoApplicationProtocol => {
            ": it speaks none of our application protocols (ALPN)"
        }
        // TLS 1.2 has no word of its own for a certificate that is missing.
        AlertDescription::HandshakeFailure => {
            ": we have no cipher or signature in common, or it wants a certificate of ours"
        }
        AlertDescription::ProtocolVersion => ": we have no version in common",
        _ => "",
    }
}

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something is no PEM, or has nothing in it that is wanted.
    #[error("{what} is no PEM of {wanted}: {reason}")]
    Pem {
        /// The file, or what it was to be.
        what: String,
        /// What was looked for in it.
        wanted: &'static str,
        /// Why it is none.
        reason: String,
    },
    /// The private key does not belong to the certificate, or is of a kind that is not understood.
    #[error("certificate and private key do not go together: {reason}")]
    Identity {
        /// Why.
        reason: String,
    },
    /// A server without a certificate.
    #[error("a TLS server needs a certificate and its key; give it an identity")]
    NoIdentity,
    /// A reload, but nothing came from files.
    #[error("no identity was read from files, so there is nothing to read again; set a new one")]
    NoFiles,
    /// A name that is no name of a host, nor an address.
    #[error("{name:?} is no name of a host, nor an address")]
    ServerName {
        /// The name.
        name: String,
    },
    /// No certificate is trusted, so that no peer could be.
    #[error("no trusted root certificates ({reason}); name some")]
    NoRoots {
        /// Why there are none.
        reason: String,
    },
    /// Nobody does the cryptography.
    #[error(
        "no cryptography; build with the feature tls or tls-aws-lc-rs, or give the builder a provider"
    )]
    NoProvider,
    /// Parameters that the protocol does not allow.
    #[error("cannot set TLS up: {reason}")]
    Parameters {
        /// Which ones.
        reason: String,
    },
}

impl TlsConfigError {
    pub(super) fn parameters(error: impl ToString) -> Self {
        Self::Parameters { reason: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_say_what_they_are_about() {
        let error = TlsError::from(Error::AlertReceived(AlertDescription::UnknownCA));
        assert_eq!(
            error.to_string(),
            "the peer refused: UnknownCA: it does not trust the issuer of our certificate"
        );
        let error = TlsError::from(Error::AlertReceived(AlertDescription::Unknown(200)));
        assert_eq!(error.to_string(), "the peer refused: alert 200");
    }

    #[test]
    fn errors_are_sorted_by_who_is_at_fault() {
        let kind = |error: Error| io::Error::from(TlsError::from(error)).kind();
        assert_eq!(kind(Error::DecryptError), io::ErrorKind::InvalidData);
        assert_eq!(
            kind(Error::AlertReceived(AlertDescription::AccessDenied)),
            io::ErrorKind::ConnectionAborted
        );
        assert_eq!(kind(Error::FailedToGetRandomBytes), io::ErrorKind::Other);
    }
}
