//! TLS: a certificate is valid only for its own name, and only with a trusted issuer.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![cfg(feature = "tls")]

use std::net::SocketAddr;
use std::sync::Arc;

use crate::certificate::certificate;
use rustls::{CertificateError, ClientConfig};
use sockeye::upgrade::Upgrader;
use sockeye::{Client, ConnectError};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Starts an echo server for one connection with a certificate for `name`; returns its address and
/// a configuration that trusts it.
async fn server(name: &str) -> (SocketAddr, Arc<ClientConfig>) {
    let (config, trusting) = certificate(name);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // The client may refuse the certificate.
        let Ok(stream) = TlsAcceptor::from(config).accept(stream).await else { return };
        let mut ws = Upgrader::new().accept(stream).await.unwrap();
        while let Some(message) = ws.recv().await.unwrap() {
            ws.send(message).await.unwrap();
        }
    });
    (address, trusting)
}

fn certificate_error(error: &ConnectError) -> CertificateError {
    let ConnectError::Tls { source, .. } = error else { panic!("{error:?}") };
    match source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(reason)) => reason.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_certificate_of_another_name_is_refused() {
    let (address, trusting) = server("elsewhere.test").await;
    let url = format!("wss://127.0.0.1:{}/", address.port());
    let error = Client::new(url).tls(trusting).connect().await.unwrap_err();
    assert!(
        matches!(certificate_error(&error), CertificateError::NotValidForNameContext { .. }),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(
        text.starts_with("the TLS handshake with `127.0.0.1` failed: invalid peer certificate"),
        "{text}"
    );
}

#[tokio::test]
async fn a_certificate_of_an_unknown_issuer_is_refused_by_default() {
    let (address, _) = server("127.0.0.1").await;
    let error = sockeye::connect(format!("wss://{address}/")).await.unwrap_err();
    assert_eq!(certificate_error(&error), CertificateError::UnknownIssuer);
}

#[tokio::test]
async fn messages_travel_over_a_trusted_certificate() {
    let (address, trusting) = server("127.0.0.1").await;
    let client = Client::new(format!("wss://{address}/")).tls(trusting);
    let mut ws = client.connect().await.unwrap();
    assert_eq!(ws.peer_addr(), Some(address));
    ws.send("secret").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("secret".into()));
}
