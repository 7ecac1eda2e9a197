//! TLS for clients, with rustls.

use std::io;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Returns the default configuration of clients: ring, the roots of webpki-roots, no client
/// certificate.
///
/// # Errors
/// A [`rustls::Error`] where ring does not support the versions of TLS that rustls was built with.
fn default_config() -> Result<Arc<ClientConfig>, rustls::Error> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(config.clone());
    }
    let config = Arc::new(build(None, None)?);
    Ok(CONFIG.get_or_init(|| config).clone())
}

/// Builds a configuration with these roots, or those of webpki-roots, and this client certificate.
///
/// # Errors
/// The errors of rustls: as [`default_config`], and when the key does not match the certificate.
pub(crate) fn build(
    roots: Option<RootCertStore>,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
) -> Result<ClientConfig, rustls::Error> {
    let roots = roots.unwrap_or_else(|| webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect());
    // The provider is explicit: a process-wide default may be missing, and using it would then
    // panic.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let mut config = match identity {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    };
    // A server of several protocols must not select HTTP/2 for this connection.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Returns the given configuration, or the default.
///
/// # Errors
/// The errors of [`default_config`].
pub(crate) fn config(given: Option<&Arc<ClientConfig>>) -> io::Result<Arc<ClientConfig>> {
    given.map_or_else(default_config, |given| Ok(given.clone())).map_err(io::Error::other)
}

/// The name of HTTP/2 for ALPN (RFC 9113 section 3.2).
#[cfg(feature = "http2")]
pub(crate) const HTTP2: &[u8] = b"h2";

/// The name of HTTP/1.1 for ALPN (RFC 7301 section 6).
#[cfg(feature = "http2")]
pub(crate) const HTTP1: &[u8] = b"http/1.1";

/// Returns a configuration as [`config`] does that offers these protocols, in order of preference.
///
/// # Errors
/// The errors of [`config`].
#[cfg(feature = "http2")]
pub(crate) fn http2_config(
    given: Option<&Arc<ClientConfig>>,
    protocols: &[&[u8]],
) -> io::Result<Arc<ClientConfig>> {
    let mut config = ClientConfig::clone(&*config(given)?);
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// Does the TLS handshake with the server `host`: a name or an address.
///
/// # Errors
/// The transport's error, or an error that contains a [`rustls::Error`].
pub(crate) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    host: &str,
    config: Arc<ClientConfig>,
) -> io::Result<TlsStream<S>> {
    let name = ServerName::try_from(host)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?
        .to_owned();
    TlsConnector::from(config).connect(name, stream).await
}
