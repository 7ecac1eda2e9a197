use std::net::SocketAddr;

use sockeye::resume::{Error, ResumableStream, SUBPROTOCOL};
use sockeye::upgrade::Options;
use sockeye::{Client, CloseCode, Server, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{client, pair, pattern, serve};

/// Starts an intermediary between WebSockets, which closes each of them after as many messages of
/// the server. Returns its address.
async fn intermediary(to: SocketAddr, messages: usize, code: CloseCode) -> SocketAddr {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let options = Options::new().subprotocols([SUBPROTOCOL]);
    tokio::spawn(server.options(options).serve(move |mut near: WebSocket| async move {
        let far = Client::new(format!("ws://{to}/")).subprotocols([SUBPROTOCOL]);
        let mut far = far.connect().await?;
        let mut passed = 0;
        while passed < messages {
            tokio::select! {
                message = near.recv() => match message? {
                    Some(message) => far.send(message).await?,
                    None => return Ok(()),
                },
                message = far.recv() => match message? {
                    Some(message) => {
                        near.send(message).await?;
                        passed += 1;
                    }
                    None => break,
                },
            }
        }
        // The server does not learn of it, and replaces the WebSocket when the client returns.
        near.close(code, "").await
    }));
    address
}

#[tokio::test]
async fn the_client_attaches_another_websocket() {
    let mut serving = serve(|sessions| sessions).await;
    let address = intermediary(serving.address, 10, CloseCode::NORMAL_CLOSURE).await;
    let [mut client, mut server] = pair(&mut serving, address).await;
    let bytes = pattern(3_000_000);
    let sent = bytes.clone();
    let writing = tokio::spawn(async move {
        server.write_all(&sent).await.unwrap();
        server.shutdown().await.unwrap();
        server.acknowledged().await.unwrap();
    });
    let mut received = Vec::new();
    client.read_to_end(&mut received).await.unwrap();
    assert!(received == bytes);
    writing.await.unwrap();
}

#[tokio::test]
async fn a_code_that_forbids_another_websocket_is_an_error() {
    let serving = serve(|sessions| sessions).await;
    let address = intermediary(serving.address, 1, CloseCode::POLICY_VIOLATION).await;
    let mut client = ResumableStream::connect(client(address)).await.unwrap();
    let error = client.read(&mut [0]).await.unwrap_err();
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    let Some(Error::Closed(Some(frame))) = cause else { panic!("{error:?}") };
    assert_eq!(frame.code, CloseCode::POLICY_VIOLATION);
}
