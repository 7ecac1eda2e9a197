//! Proxy variables of the environment apply to clients that are configured to use them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::relay;
use std::net::SocketAddr;

use sockeye::proxy::{ProxyUrlError, TunnelError};
use sockeye::{Client, ConnectError};
use tokio::io::AsyncWriteExt;

/// Starts a proxy that refuses every request with a recognisable status.
async fn proxy() -> SocketAddr {
    relay::listen(|mut stream| async move {
        relay::read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 418 x\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    })
    .await
}

async fn uses_proxy(client: Client) -> bool {
    match client.connect().await {
        Ok(_) => false,
        Err(ConnectError::Proxy { source: TunnelError::Refused { status, .. }, .. }) => {
            assert_eq!(status, 418);
            true
        }
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn the_environment_names_the_proxy_when_asked() {
    let (host, proxy) = (relay::echo_server().await, proxy().await);
    let read = |name: &str| (name == "http_proxy").then(|| proxy.to_string());
    let client = Client::new(format!("ws://{host}/"));
    assert!(uses_proxy(client.clone().proxy_from_variables(read)).await);
    assert!(!uses_proxy(client).await);
}

#[tokio::test]
async fn an_exception_is_connected_to_directly() {
    let (host, proxy) = (relay::echo_server().await, proxy().await);
    let with_exceptions = |exceptions: &'static str| {
        Client::new(format!("ws://{host}/")).proxy_from_variables(move |name| match name {
            "ALL_PROXY" => Some(format!("http://{proxy}")),
            "NO_PROXY" => Some(exceptions.to_owned()),
            _ => None,
        })
    };
    assert!(!uses_proxy(with_exceptions("example.com,127.0.0.1")).await);
    assert!(uses_proxy(with_exceptions("example.com")).await);
}

#[tokio::test]
async fn a_variable_that_is_no_proxy_is_named() {
    let read = |name: &str| (name == "all_proxy").then(|| "https://user:secret@proxy".to_owned());
    let error = Client::new("wss://example.com/").proxy_from_variables(read).connect().await;
    let error = error.unwrap_err();
    assert!(
        matches!(
            error,
            ConnectError::ProxyVariable { variable: "all_proxy", source: ProxyUrlError::Https }
        ),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(
        text.starts_with("the environment variable all_proxy does not name a usable proxy: "),
        "{text}"
    );
}
