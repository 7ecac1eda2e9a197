//! A TLS server, which knows its clients' addresses, also after the end of a connection.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![cfg(feature = "tls")]

use std::time::Duration;

use sockeye::handshake::HandshakeError;
use sockeye::upgrade::Options;
use sockeye::{Client, ConnectError, Server};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::certificate::certificate;

#[tokio::test]
async fn the_peers_address_is_known_over_tls_and_after_the_end() {
    let (config, trusting) = certificate("127.0.0.1");
    let server = Server::bind("127.0.0.1:0").await.unwrap().tls(config);
    let url = format!("wss://{}/", server.local_addr().unwrap());
    let (ended, mut was) = mpsc::unbounded_channel();
    tokio::spawn(server.serve(move |mut ws| {
        let ended = ended.clone();
        async move {
            let begun = ws.peer_addr();
            while let Ok(Some(message)) = ws.recv().await {
                if ws.send(message).await.is_err() {
                    break;
                }
            }
            ended.send((begun, ws.peer_addr())).unwrap();
        }
    }));
    let mut ws = Client::new(url).tls(trusting).connect().await.unwrap();
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("hello".into()));
    drop(ws);
    let (begun, after) = was.recv().await.unwrap();
    assert!(begun.unwrap().ip().is_loopback());
    assert_eq!(begun, after);
}

#[tokio::test]
async fn the_peers_address_is_known_after_a_reset() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let (ended, mut was) = mpsc::unbounded_channel();
    tokio::spawn(server.serve(move |mut ws| {
        let ended = ended.clone();
        async move {
            let error = ws.recv().await.unwrap_err();
            ended.send((error, ws.peer_addr())).unwrap();
        }
    }));
    let stream = TcpStream::connect(address).await.unwrap();
    let client = stream.local_addr().unwrap();
    // With a linger time of zero, dropping the stream sends a reset.
    stream.set_zero_linger().unwrap();
    let ws = Client::new(format!("ws://{address}/")).handshake(stream).await.unwrap();
    drop(ws);
    let (_, after) = was.recv().await.unwrap();
    assert_eq!(after, Some(client));
}

#[tokio::test]
async fn a_client_that_never_begins_tls_is_let_go() {
    let (config, _) = certificate("127.0.0.1");
    let options = Options::new().handshake_timeout(Duration::from_millis(50));
    let server = Server::bind("127.0.0.1:0").await.unwrap().options(options).tls(config);
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(async |_| {}));
    let mut silent = TcpStream::connect(address).await.unwrap();
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn an_address_with_too_many_connections_is_refused_over_tls() {
    let (config, trusting) = certificate("127.0.0.1");
    let server = Server::bind("127.0.0.1:0").await.unwrap().tls(config);
    let server = server.max_connections_per_address(1);
    let client = Client::new(format!("wss://{}/", server.local_addr().unwrap())).tls(trusting);
    tokio::spawn(server.serve(async |mut ws| ws.recv().await.map(drop)));
    let _first = client.connect().await.unwrap();
    let error = client.connect().await.unwrap_err();
    let ConnectError::Handshake(HandshakeError::Status { status, .. }) = error else {
        panic!("{error:?}")
    };
    assert_eq!(status, 429);
}
