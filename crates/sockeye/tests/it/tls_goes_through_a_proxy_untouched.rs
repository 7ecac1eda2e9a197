//! With `wss` a proxy sees a TLS handshake, and only encrypted data.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![cfg(feature = "tls")]

use crate::relay;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::certificate::certificate;
use rustls::ClientConfig;
use sockeye::upgrade::Upgrader;
use sockeye::{Client, ConnectError};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

/// Starts an echo server with a certificate for `echo.invalid`; returns its address and a
/// configuration that trusts it.
async fn server() -> (SocketAddr, Arc<ClientConfig>) {
    let (config, trusting) = certificate("echo.invalid");
    let acceptor = TlsAcceptor::from(config);
    let address = relay::listen(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            // The client may refuse the certificate.
            let Ok(stream) = acceptor.accept(stream).await else { return };
            relay::echo(Upgrader::new().accept(stream).await.unwrap()).await;
        }
    })
    .await;
    (address, trusting)
}

/// Starts a proxy that connects every client to `host`.
async fn proxy(host: SocketAddr) -> SocketAddr {
    relay::listen(move |mut stream| async move {
        let head = relay::read_head(&mut stream).await;
        assert!(head.starts_with("CONNECT "), "{head}");
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let mut first = [0];
        stream.peek(&mut first).await.unwrap();
        assert_eq!(first, [0x16], "a TLS handshake");
        relay::relay(stream, host).await;
    })
    .await
}

#[tokio::test]
async fn tls_goes_through_a_proxy_untouched() {
    let (host, trusting) = server().await;
    let variables = [("https_proxy", format!("http://{}", proxy(host).await))];
    let mut ws = Client::new("wss://echo.invalid/")
        .tls(trusting)
        .proxy_from_variables(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
        })
        .connect()
        .await
        .unwrap();
    relay::assert_echoes(&mut ws).await;
}

#[tokio::test]
async fn the_host_has_to_prove_its_name_not_the_proxy() {
    let (host, trusting) = server().await;
    let proxy = format!("http://{}", proxy(host).await).parse().unwrap();
    let client = Client::new("wss://elsewhere.invalid/").tls(trusting).proxy(proxy);
    let error = client.connect().await.unwrap_err();
    assert!(
        matches!(&error, ConnectError::Tls { host, .. } if host == "elsewhere.invalid"),
        "{error:?}"
    );
    assert!(!error.is_transient());
}
