//! TLS towards upstreams.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// The certificates that upstreams are checked against, and the gateway's own certificate for
/// upstreams that request one (mTLS).
///
/// The default trusts the roots of webpki-roots and has no certificate of its own.
#[derive(Clone, Default)]
pub struct UpstreamTls {
    roots: Option<RootCertStore>,
    identity: Option<Arc<Identity>>,
}

struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// The reason why certificates or a key cannot be used.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum UpstreamTlsError {
    /// The text is not PEM (RFC 7468).
    Pem,
    /// The PEM contains no certificate.
    NoCertificate,
    /// The PEM contains no private key.
    NoPrivateKey,
    /// A certificate or the key cannot be used, or the key does not match the certificate.
    Rustls(rustls::Error),
}

impl UpstreamTls {
    /// Trusts the roots of webpki-roots.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the certificates in this PEM, one or several. The first call replaces the default
    /// roots, further calls add roots.
    ///
    /// # Errors
    /// [`UpstreamTlsError`] if there is no certificate in the PEM, or one that cannot be a root.
    pub fn root_certificates(mut self, pem: impl AsRef<[u8]>) -> Result<Self, UpstreamTlsError> {
        let roots = self.roots.get_or_insert_with(RootCertStore::empty);
        for certificate in certificates(pem.as_ref())? {
            roots.add(certificate).map_err(UpstreamTlsError::Rustls)?;
        }
        Ok(self)
    }

    /// Sets the certificate for upstreams that request one: the PEM of the certificate followed by
    /// its intermediate certificates, and the PEM of its private key, in PKCS #8, PKCS #1 or SEC 1.
    /// Both may be in one file.
    ///
    /// # Errors
    /// [`UpstreamTlsError`] if one of them is missing or malformed. A key that does not match the
    /// certificate is an error when the upstream is built.
    pub fn client_certificate(
        mut self,
        chain: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
    ) -> Result<Self, UpstreamTlsError> {
        let chain = certificates(chain.as_ref())?;
        let key = PrivateKeyDer::from_pem_slice(key.as_ref()).map_err(|error| match error {
            pem::Error::NoItemsFound => UpstreamTlsError::NoPrivateKey,
            _ => UpstreamTlsError::Pem,
        })?;
        self.identity = Some(Arc::new(Identity { chain, key }));
        Ok(self)
    }

    /// Returns the configuration of rustls. sockeye-grpc adds the ALPN protocol.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, UpstreamTlsError> {
        let roots = match &self.roots {
            Some(roots) => roots.clone(),
            None => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
        };
        // The provider is explicit: a process-wide default may be missing.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(UpstreamTlsError::Rustls)?
            .with_root_certificates(roots);
        let config = match &self.identity {
            Some(identity) => {
                let (chain, key) = (identity.chain.clone(), identity.key.clone_key());
                builder.with_client_auth_cert(chain, key).map_err(UpstreamTlsError::Rustls)?
            }
            None => builder.with_no_client_auth(),
        };
        Ok(Arc::new(config))
    }
}

/// Returns the certificates in a PEM, at least one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, UpstreamTlsError> {
    match CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if certificates.is_empty() => Err(UpstreamTlsError::NoCertificate),
        found => found.map_err(|_| UpstreamTlsError::Pem),
    }
}

impl fmt::Debug for UpstreamTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamTls")
            .field("roots", &self.roots.as_ref().map(RootCertStore::len))
            .field("identity", &self.identity.is_some())
            .finish()
    }
}

impl fmt::Display for UpstreamTlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pem => f.write_str("the PEM is malformed"),
            Self::NoCertificate => f.write_str("there is no certificate in the PEM"),
            Self::NoPrivateKey => f.write_str("there is no private key in the PEM"),
            Self::Rustls(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for UpstreamTlsError {}
