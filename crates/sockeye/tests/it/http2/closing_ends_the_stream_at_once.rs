//! The client does not wait for servers that end a stream only after the client has (Apache,
//! Hypercorn). Time is paused: it advances when all tasks wait, so that a wait of any length would
//! show.

use std::time::Duration;

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use http::Response;
use sockeye::{CloseCode, WebSocket};
use tokio::io::duplex;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::serving;

/// A server's close frame with 1000.
const CLOSE: &[u8] = &[0x88, 2, 0x03, 0xe8];

/// Returns a client WebSocket, and both halves of its stream in a server that knows nothing of
/// WebSockets.
async fn of_a_bare_server() -> (WebSocket, SendStream<Bytes>, RecvStream) {
    let (client, server) = duplex(1000);
    let (streams, mut opened) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut builder = h2::server::Builder::new();
        builder.enable_connect_protocol();
        let mut connection = builder.handshake::<_, Bytes>(server).await.unwrap();
        while let Some(Ok((request, mut answer))) = connection.accept().await {
            let send = answer.send_response(Response::new(()), false).unwrap();
            streams.send((send, request.into_body())).unwrap();
        }
    });
    let http2 = serving::client().handshake_http2(client).await.unwrap();
    let ws = http2.open("/").await.unwrap();
    let (send, receive) = opened.recv().await.unwrap();
    (ws, send, receive)
}

/// Receives until the client ends the stream, then ends it as well; returns the received bytes.
async fn end_after_the_client(mut send: SendStream<Bytes>, mut receive: RecvStream) -> Vec<u8> {
    let mut received = Vec::new();
    while let Some(data) = receive.data().await {
        received.extend_from_slice(&data.unwrap());
    }
    send.send_data(Bytes::new(), true).unwrap();
    received
}

#[tokio::test(start_paused = true)]
async fn a_close_of_ours_ends_the_stream_once_it_was_answered() {
    for split in [false, true] {
        let (mut ws, mut send, receive) = of_a_bare_server().await;
        let server = tokio::spawn(async move {
            send.send_data(CLOSE.into(), false).unwrap();
            end_after_the_client(send, receive).await
        });
        let began = Instant::now();
        if split {
            let (_sender, mut receiver) = ws.split();
            receiver.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
        } else {
            ws.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
            drop(ws);
        }
        assert_eq!(began.elapsed(), Duration::ZERO, "split: {split}");
        assert_eq!(server.await.unwrap()[0], 0x88);
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_of_the_servers_ends_the_stream_once_it_was_answered() {
    let (mut ws, mut send, receive) = of_a_bare_server().await;
    let began = Instant::now();
    let server = tokio::spawn(async move {
        send.send_data(CLOSE.into(), false).unwrap();
        end_after_the_client(send, receive).await
    });
    assert_eq!(ws.recv().await.unwrap(), None);
    assert_eq!(began.elapsed(), Duration::ZERO);
    drop(ws);
    assert_eq!(server.await.unwrap()[0], 0x88);
}
