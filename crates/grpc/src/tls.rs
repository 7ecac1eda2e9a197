//! TLS inside a byte stream.

use std::io;
use std::sync::Arc;

use http::uri::Authority;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::ConnectError;
use crate::connection::Transport;

/// ALPN name of HTTP/2 (RFC 9113 section 3.2).
const HTTP2: &[u8] = b"h2";

/// Returns the configuration with HTTP/2 as its only ALPN protocol.
pub(crate) fn for_http2(config: Arc<ClientConfig>) -> Arc<ClientConfig> {
    let mut config = Arc::unwrap_or_clone(config);
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Arc::new(config)
}

/// Performs the TLS handshake with the server named by the authority, which is a name or an
/// address.
pub(crate) async fn connect(
    config: Arc<ClientConfig>,
    authority: &Authority,
    transport: Transport,
) -> Result<Transport, ConnectError> {
    let name = server_name(authority).map_err(ConnectError::Tls)?;
    let connecting = TlsConnector::from(config).connect(name, transport);
    Ok(Box::new(connecting.await.map_err(ConnectError::Tls)?))
}

fn server_name(authority: &Authority) -> io::Result<ServerName<'static>> {
    let host = authority.host();
    // The brackets of an IPv6 address are part of the URL syntax.
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let name = ServerName::try_from(host)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_called_by_name_or_address_without_port() {
        let name = |authority: &'static str| server_name(&Authority::from_static(authority));
        assert_eq!(name("example.com:8443").unwrap(), "example.com".try_into().unwrap());
        assert_eq!(name("127.0.0.1:1").unwrap(), "127.0.0.1".try_into().unwrap());
        assert_eq!(name("[::1]:443").unwrap(), "::1".try_into().unwrap());
        assert_eq!(name("a..b").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
