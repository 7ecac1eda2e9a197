//! Both ends of a connection work over a Unix socket.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![cfg(unix)]

use std::path::PathBuf;

use sockeye::upgrade::Upgrader;
use sockeye::{Client, CloseCode, ConnectError};
use tokio::net::UnixListener;

/// A path in the system's folder for temporary files, removed at the end.
struct Socket(PathBuf);

impl Socket {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("sockeye-{}-{name}", std::process::id())))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn a_unix_socket_carries_a_connection() {
    let socket = Socket::new("echo");
    let listener = UnixListener::bind(&socket.0).unwrap();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut ws = Upgrader::new()
            .on_host(|host| {
                assert_eq!(host, "service.test");
                Ok(())
            })
            .accept(stream)
            .await
            .unwrap();
        while let Some(message) = ws.recv().await.unwrap() {
            ws.send(message).await.unwrap();
        }
        ws.close_frame().cloned()
    });
    let client = Client::new("ws://service.test/events");
    let mut ws = client.connect_unix(&socket.0).await.unwrap();
    assert_eq!(ws.peer_addr(), None);
    for message in ["", "hello", &"x".repeat(1 << 20)] {
        ws.send(message).await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some(message.into()));
    }
    ws.close(CloseCode::NORMAL_CLOSURE, "done").await.unwrap();
    assert_eq!(server.await.unwrap().unwrap().reason, "done");
}

#[tokio::test]
async fn a_socket_that_is_not_there_is_named() {
    let socket = Socket::new("missing");
    let error = Client::new("ws://localhost/").connect_unix(&socket.0).await.unwrap_err();
    let ConnectError::Unix { path, source } = &error else { panic!("{error:?}") };
    assert_eq!((path, source.kind()), (&socket.0, std::io::ErrorKind::NotFound));
    let text = format!("could not connect to {}: {source}", socket.0.display());
    assert_eq!(error.to_string(), text);
    assert!(error.is_transient());
}
