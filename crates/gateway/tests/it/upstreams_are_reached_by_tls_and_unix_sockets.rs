use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sockeye_gateway::upstream::{Upstream, UpstreamTls, UpstreamTlsError};
use sockeye_gateway_testing::Server;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tonic::Code;

use crate::support::{LIMIT, client, config, message};

/// A certificate for 127.0.0.1, and its key, both as PEM.
fn certificate() -> (String, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

/// Starts a proxy that terminates TLS in front of a server, and requires this client certificate.
async fn tls_proxy(target: SocketAddr, own: &(String, String), client: &str) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let parse = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(parse(client)).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![parse(&own.0)],
            PrivateKeyDer::from_pem_slice(own.1.as_bytes()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // The client may refuse the certificate, or be refused.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            tokio::spawn(async move {
                let mut server = TcpStream::connect(target).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut server).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn tls_checks_the_server_and_shows_the_own_certificate() {
    let server = Server::start().await;
    let (own, gateways, other) = (certificate(), certificate(), certificate());
    let url = format!("https://{}", tls_proxy(server.address(), &own, &gateways.0).await);
    let call = async |tls: UpstreamTls| {
        let upstream = Upstream::new(config(&url).tls(tls)).unwrap();
        let reply = timeout(LIMIT, client(&upstream).unary(message("secret"))).await.unwrap();
        reply.map(|reply| reply.into_inner().text).map_err(|status| status.code())
    };
    let trusting = UpstreamTls::new().root_certificates(&own.0).unwrap();
    let good = trusting.clone().client_certificate(&gateways.0, &gateways.1).unwrap();
    assert_eq!(call(good).await, Ok("secret".to_owned()));
    assert_eq!(call(trusting).await, Err(Code::Unavailable));
    let distrusting = UpstreamTls::new().root_certificates(&other.0).unwrap();
    let distrusting = distrusting.client_certificate(&gateways.0, &gateways.1).unwrap();
    assert_eq!(call(distrusting).await, Err(Code::Unavailable));
}

#[test]
fn certificates_that_cannot_be_used_are_refused_at_once() {
    let (own, other) = (certificate(), certificate());
    let none = UpstreamTls::new().root_certificates("nothing");
    assert_eq!(none.unwrap_err(), UpstreamTlsError::NoCertificate);
    let none = UpstreamTls::new().client_certificate(&own.0, &own.0);
    assert_eq!(none.unwrap_err(), UpstreamTlsError::NoPrivateKey);
    let mismatch = UpstreamTls::new().client_certificate(&own.0, &other.1).unwrap();
    let built = Upstream::new(config("https://127.0.0.1:1").tls(mismatch));
    assert!(matches!(built.unwrap_err(), UpstreamTlsError::Rustls(_)));
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_an_address() {
    let server = Server::start().await;
    let path = std::env::temp_dir().join(format!("sockeye-gateway-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let target = server.address();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut server = TcpStream::connect(target).await.unwrap();
            let _ = copy_bidirectional(&mut stream, &mut server).await;
        }
    });
    let upstream = Upstream::new(config(&format!("unix:{}", path.display()))).unwrap();
    let reply = timeout(LIMIT, client(&upstream).unary(message("local"))).await.unwrap();
    assert_eq!(reply.unwrap().into_inner().text, "local");
    std::fs::remove_file(&path).unwrap();
}
