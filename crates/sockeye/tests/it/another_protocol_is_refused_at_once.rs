//! The client does not wait for a server or a proxy that speaks no HTTP and waits for the client.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use sockeye::handshake::HandshakeError;
use sockeye::proxy::TunnelError;
use sockeye::{Client, ConnectError};
use tokio::io::{AsyncWriteExt, duplex};
use tokio::time::Instant;

use crate::relay;

const BANNER: &[u8] = b"SSH-2.0-OpenSSH_9.6\r\n";

#[tokio::test(start_paused = true)]
async fn a_server_of_another_protocol_is_refused_at_its_first_words() {
    for banner in [BANNER, b"220 mail.test ESMTP\r\n", b"\0\0\x12\x04", b"+", b"RFB 003.008\n"] {
        let (stream, mut server) = duplex(4096);
        server.write_all(banner).await.unwrap();
        let start = Instant::now();
        let error = Client::new("ws://example.com/").handshake(stream).await.unwrap_err();
        assert!(
            matches!(error, ConnectError::Handshake(HandshakeError::MalformedHead(_))),
            "{error:?}"
        );
        assert!(!error.is_transient());
        // Time is paused and advances only when all tasks wait.
        assert_eq!(start.elapsed(), std::time::Duration::ZERO);
    }
}

#[tokio::test]
async fn so_is_a_proxy() {
    let proxy = relay::listen(|mut stream| async move {
        stream.write_all(BANNER).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let client =
        Client::new("ws://echo.invalid/").proxy(format!("http://{proxy}").parse().unwrap());
    let ConnectError::Proxy { source, .. } = client.connect().await.unwrap_err() else {
        panic!("the proxy is to blame");
    };
    assert!(matches!(source, TunnelError::Answer(HandshakeError::MalformedHead(_))), "{source:?}");
}
