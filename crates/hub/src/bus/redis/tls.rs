use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// The files that a URL names for TLS, in PEM.
#[derive(Debug)]
pub(super) struct TlsFiles {
    /// The roots that replace those of the system.
    pub(super) ca: Option<PathBuf>,
    /// The certificate of this client, with its intermediate certificates, and its key.
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
}

/// The reason why TLS cannot be used.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RedisTlsError {
    /// A file cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        error: Arc<io::Error>,
    },
    /// A file is not PEM (RFC 7468).
    Pem {
        /// The file.
        path: PathBuf,
    },
    /// A file contains no certificate.
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A file contains no private key.
    NoPrivateKey {
        /// The file.
        path: PathBuf,
    },
    /// The URL has one of `cert_file` and `key_file` without the other.
    HalfIdentity,
    /// The system has no root certificates, or none that can be read.
    NoSystemRoots,
    /// A certificate or the key cannot be used, or the key does not match the certificate.
    Rustls(rustls::Error),
}

impl TlsFiles {
    /// Reads the files, and the roots of the system if none are given.
    pub(super) fn load(&self) -> Result<ClientConfig, RedisTlsError> {
        let roots = match &self.ca {
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(RedisTlsError::Rustls)?;
                }
                roots
            }
            None => system_roots()?,
        };
        // The provider is explicit: a process-wide default may be missing or ambiguous, and its use
        // would then panic.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(RedisTlsError::Rustls)?
            .with_root_certificates(roots);
        match (&self.certificate, &self.key) {
            (None, None) => Ok(builder.with_no_client_auth()),
            (Some(certificate), Some(key)) => builder
                .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
                .map_err(RedisTlsError::Rustls),
            _ => Err(RedisTlsError::HalfIdentity),
        }
    }
}

fn system_roots() -> Result<RootCertStore, RedisTlsError> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "some of the system's roots cannot be read");
    }
    let mut roots = RootCertStore::empty();
    // A system may have outdated certificates that cannot be parsed among others.
    match roots.add_parsable_certificates(found.certs) {
        (0, _) => Err(RedisTlsError::NoSystemRoots),
        _ => Ok(roots),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, RedisTlsError> {
    std::fs::read(path)
        .map_err(|error| RedisTlsError::Read { path: path.into(), error: Arc::new(error) })
}

/// Returns the certificates in a file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, RedisTlsError> {
    let content = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content).collect();
    match found {
        Ok(certificates) if certificates.is_empty() => {
            Err(RedisTlsError::NoCertificate { path: path.into() })
        }
        found => found.map_err(|_| RedisTlsError::Pem { path: path.into() }),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, RedisTlsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|error| match error {
        pem::Error::NoItemsFound => RedisTlsError::NoPrivateKey { path: path.into() },
        _ => RedisTlsError::Pem { path: path.into() },
    })
}

impl fmt::Display for RedisTlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, error } => write!(f, "cannot read {}: {error}", path.display()),
            Self::Pem { path } => write!(f, "{} is not PEM", path.display()),
            Self::NoCertificate { path } => {
                write!(f, "there is no certificate in {}", path.display())
            }
            Self::NoPrivateKey { path } => {
                write!(f, "there is no private key in {}", path.display())
            }
            Self::HalfIdentity => f.write_str("expected both cert_file and key_file, or neither"),
            Self::NoSystemRoots => f.write_str(
                "the system has no root certificates: expected such as ?ca_file=PATH in the URL",
            ),
            Self::Rustls(error) => error.fmt(f),
        }
    }
}

impl Error for RedisTlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Read { error, .. } => Some(error),
            Self::Rustls(error) => Some(error),
            _ => None,
        }
    }
}
