//! The certificates that a client trusts and its client certificate.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Client, ConnectError};
use crate::tls;

/// The TLS settings that differ from the default.
#[derive(Clone, Default)]
pub(super) struct Trust {
    /// The roots that replace those of webpki-roots.
    roots: Option<RootCertStore>,
    identity: Option<Arc<Identity>>,
    /// The first error in a setting.
    first_error: Option<TlsConfigError>,
}

/// A certificate with its intermediate certificates, and its key.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// The reason why certificates or a key cannot be used.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// The text is not PEM (RFC 7468).
    Pem,
    /// The PEM contains no certificate.
    NoCertificate,
    /// The PEM contains no private key.
    NoPrivateKey,
    /// The system has no root certificates, or none that can be read.
    NoSystemRoots,
    /// A certificate or the key cannot be used, or the key does not match the certificate.
    Rustls(rustls::Error),
}

impl Client {
    /// Trusts the certificates in this PEM, one or several, as roots, such as those of a company or
    /// of a test.
    ///
    /// ```no_run
    /// # fn example() -> std::io::Result<()> {
    /// use sockeye::Client;
    ///
    /// let client = Client::new("wss://intranet.test/").root_certificates(std::fs::read("ca.pem")?);
    /// # let _ = client;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The first call of this method or of `system_roots` replaces the default, the roots of
    /// webpki-roots; further calls add roots. An error is returned when the connection is opened,
    /// as [`ConnectError::TlsConfig`].
    pub fn root_certificates(self, pem: impl AsRef<[u8]>) -> Self {
        self.trust(|trust| {
            let roots = trust.roots.get_or_insert_with(RootCertStore::empty);
            for certificate in certificates(pem.as_ref())? {
                roots.add(certificate).map_err(TlsConfigError::Rustls)?;
            }
            Ok(())
        })
    }

    /// Trusts the roots that the system trusts, which are read by this call: on Linux the bundle of
    /// the distribution, or the files that `SSL_CERT_FILE` and `SSL_CERT_DIR` name. They replace
    /// the default and add to other roots as those of
    /// [`root_certificates`](Self::root_certificates) do.
    ///
    /// Reading the files takes some milliseconds: create one client and use it for all connections.
    #[cfg(feature = "system-roots")]
    pub fn system_roots(self) -> Self {
        self.trust(|trust| {
            let roots = trust.roots.get_or_insert_with(RootCertStore::empty);
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::debug!(
                    error = %crate::ErrorChain(error),
                    "some of the system's roots cannot be read"
                );
            }
            // A system may have outdated certificates that cannot be parsed among others.
            match roots.add_parsable_certificates(found.certs) {
                (0, _) => Err(TlsConfigError::NoSystemRoots),
                _ => Ok(()),
            }
        })
    }

    /// Sets the certificate for servers that request one: the PEM of the certificate followed by
    /// its intermediate certificates, and the PEM of its private key, in PKCS #8, PKCS #1 or SEC 1.
    /// Both may be in one file.
    ///
    /// An error is returned when the connection is opened, as [`ConnectError::TlsConfig`].
    pub fn client_certificate(self, chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.trust(|trust| {
            let chain = certificates(chain.as_ref())?;
            let key = PrivateKeyDer::from_pem_slice(key.as_ref()).map_err(|error| match error {
                rustls::pki_types::pem::Error::NoItemsFound => TlsConfigError::NoPrivateKey,
                _ => TlsConfigError::Pem,
            })?;
            trust.identity = Some(Arc::new(Identity { chain, key }));
            Ok(())
        })
    }

    /// Changes the settings, and builds the TLS configuration from them.
    fn trust(mut self, change: impl FnOnce(&mut Trust) -> Result<(), TlsConfigError>) -> Self {
        if self.trust.first_error.is_some() {
            return self;
        }
        let made = change(&mut self.trust).and_then(|()| {
            let identity = self.trust.identity.as_deref();
            let identity = identity.map(|own| (own.chain.clone(), own.key.clone_key()));
            tls::build(self.trust.roots.clone(), identity).map_err(TlsConfigError::Rustls)
        });
        match made {
            Ok(config) => self.tls = Some(Arc::new(config)),
            Err(first_error) => self.trust.first_error = Some(first_error),
        }
        self
    }
}

impl Trust {
    pub(super) fn check(&self) -> Result<(), ConnectError> {
        self.first_error
            .clone()
            .map_or(Ok(()), |first_error| Err(ConnectError::TlsConfig(first_error)))
    }
}

/// Returns the certificates in a PEM, at least one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(certificates) if certificates.is_empty() => Err(TlsConfigError::NoCertificate),
        found => found.map_err(|_| TlsConfigError::Pem),
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("roots", &self.roots.as_ref().map(RootCertStore::len))
            .field("identity", &self.identity.is_some())
            .field("first_error", &self.first_error)
            .finish()
    }
}

impl fmt::Display for TlsConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pem => f.write_str("the PEM is malformed"),
            Self::NoCertificate => f.write_str("there is no certificate in the PEM"),
            Self::NoPrivateKey => f.write_str("there is no private key in the PEM"),
            Self::NoSystemRoots => f.write_str("the system has no root certificates"),
            Self::Rustls(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TlsConfigError {}
