//! Connections of the cases, with TLS or without. With TLS, both sides show a certificate.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use sockeye_gateway::upstream::UpstreamTls;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The byte stream of a connection.
pub(crate) type Stream = Box<dyn ByteStream>;

pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// A certificate for 127.0.0.1 and its key, both as PEM.
#[derive(Debug)]
struct Identity {
    certificate: String,
    key: String,
}

impl Identity {
    fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        Self { certificate: cert.pem(), key: signing_key.serialize_pem() }
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()]
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.chain().remove(0)).unwrap();
        roots
    }
}

/// The certificates of a server and of the only client that it accepts.
#[derive(Debug)]
pub(crate) struct Tls {
    server: Identity,
    client: Identity,
}

impl Tls {
    pub(crate) fn new() -> Self {
        Self { server: Identity::new(), client: Identity::new() }
    }

    /// Returns the server's side, which requires the certificate of the client.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let provider = Arc::new(default_provider());
        let roots = Arc::new(self.client.roots());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(self.server.chain(), self.server.key())
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }

    /// Opens the client's side, which shows the certificate of the client.
    pub(crate) async fn connect(&self, address: SocketAddr, is_http2: bool) -> Stream {
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.server.roots())
            .with_client_auth_cert(self.client.chain(), self.client.key())
            .unwrap();
        config.alpn_protocols = vec![if is_http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        let connector = TlsConnector::from(Arc::new(config));
        let name = ServerName::IpAddress(address.ip().into());
        let stream = TcpStream::connect(address).await.unwrap();
        Box::new(connector.connect(name, stream).await.unwrap())
    }

    /// Returns the client's side of a gateway.
    pub(crate) fn of_upstream(&self) -> UpstreamTls {
        let Identity { certificate, key } = &self.client;
        let trusting = UpstreamTls::new().root_certificates(&self.server.certificate).unwrap();
        trusting.client_certificate(certificate, key).unwrap()
    }
}

/// Accepts a connection, with TLS if there is an acceptor. `None` if the client is refused.
pub(crate) async fn accept(acceptor: Option<&TlsAcceptor>, stream: TcpStream) -> Option<Stream> {
    match acceptor {
        None => Some(Box::new(stream)),
        Some(acceptor) => Some(Box::new(acceptor.accept(stream).await.ok()?)),
    }
}
