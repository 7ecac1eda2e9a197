//! Trusted roots and client certificates, each set in one line.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![cfg(feature = "tls")]

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sockeye::upgrade::Upgrader;
use sockeye::{Client, ConnectError, TlsConfigError};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::certificate;

/// Starts a server with this certificate and key, which requires the client certificate `client` if
/// given.
async fn server((chain, key): &(String, String), client: Option<&str>) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let parse = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let mut roots = RootCertStore::empty();
            roots.add(parse(client)).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = Arc::new(builder.with_single_cert(vec![parse(chain)], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // The client may refuse the certificate, or be refused.
            let Ok(stream) = TlsAcceptor::from(config.clone()).accept(stream).await else {
                continue;
            };
            let Ok(mut ws) = Upgrader::new().accept(stream).await else { continue };
            tokio::spawn(async move { while let Ok(Some(_)) = ws.recv().await {} });
        }
    });
    address
}

fn mistake(error: ConnectError) -> TlsConfigError {
    match error {
        ConnectError::TlsConfig(mistake) => mistake,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn roots_come_from_pem_and_take_the_place_of_the_default() {
    let (own, other) = (certificate::pem("127.0.0.1"), certificate::pem("127.0.0.1"));
    let client = Client::new(format!("wss://{}/", server(&own, None).await));
    client.clone().root_certificates(&own.0).connect().await.unwrap();
    let both = other.0.clone() + &own.0;
    client.clone().root_certificates(&both).connect().await.unwrap();
    client.clone().root_certificates(&other.0).root_certificates(&own.0).connect().await.unwrap();
    let error = client.clone().root_certificates(&other.0).connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_a_server_that_asks() {
    let (own, ada) = (certificate::pem("127.0.0.1"), certificate::pem("ada"));
    let address = server(&own, Some(&ada.0)).await;
    let client = Client::new(format!("wss://{address}/")).root_certificates(&own.0);
    client.clone().client_certificate(&ada.0, &ada.1).connect().await.unwrap();
    // The certificate and the key may be in one file.
    let file = ada.1.clone() + &ada.0;
    client.clone().client_certificate(&file, &file).connect().await.unwrap();
    assert!(client.connect().await.is_err());
}

#[tokio::test]
async fn an_unusable_certificate_is_an_error_of_connecting() {
    let (ada, bob) = (certificate::pem("ada"), certificate::pem("bob"));
    let client = || Client::new("wss://127.0.0.1:9/");
    for (client, expected) in [
        (client().root_certificates(""), TlsConfigError::NoCertificate),
        (client().root_certificates(&ada.1), TlsConfigError::NoCertificate),
        (
            client()
                .root_certificates("-----BEGIN CERTIFICATE-----\n%\n-----END CERTIFICATE-----\n"),
            TlsConfigError::Pem,
        ),
        (client().client_certificate(&ada.0, &ada.0), TlsConfigError::NoPrivateKey),
        (
            client().client_certificate(&ada.0, &bob.1),
            TlsConfigError::Rustls(rustls::Error::InconsistentKeys(
                rustls::InconsistentKeys::KeyMismatch,
            )),
        ),
        // The first mistake is reported.
        (client().root_certificates("").client_certificate("", ""), TlsConfigError::NoCertificate),
    ] {
        let error = client.connect().await.unwrap_err();
        assert!(!error.is_transient());
        assert_eq!(mistake(error), expected);
    }
}

#[cfg(feature = "system-roots")]
#[tokio::test]
async fn the_roots_of_the_system_are_trusted_beside_others() {
    let own = certificate::pem("127.0.0.1");
    let client = Client::new(format!("wss://{}/", server(&own, None).await)).system_roots();
    match client.clone().root_certificates(&own.0).connect().await {
        Ok(_) => {}
        // The machine may have no roots.
        Err(error) => return assert_eq!(mistake(error), TlsConfigError::NoSystemRoots),
    }
    assert!(matches!(client.connect().await.unwrap_err(), ConnectError::Tls { .. }));
}
