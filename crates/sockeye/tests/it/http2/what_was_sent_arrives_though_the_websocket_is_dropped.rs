use sockeye::upgrade::Options;
use sockeye::{Error, WebSocket};
use tokio::sync::mpsc;

use super::serving;

const MESSAGES: usize = 100;

/// Returns the number of messages before the end, which comes without a close frame.
async fn count(mut ws: WebSocket) -> usize {
    let mut received = 0;
    loop {
        match ws.recv().await {
            Ok(Some(message)) => {
                assert_eq!(message.len(), 1000);
                received += 1;
            }
            Ok(None) => panic!("there was no close frame"),
            Err(Error::Disconnected) => return received,
            Err(other) => panic!("{other:?}"),
        }
    }
}

async fn send(ws: &mut WebSocket) {
    for _ in 0..MESSAGES {
        ws.send(vec![1; 1000]).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_sent_arrives_though_the_websocket_is_dropped() {
    let (counts, mut counted) = mpsc::unbounded_channel();
    let handler = move |mut ws: WebSocket, path: String| {
        let counts = counts.clone();
        async move {
            if path == "/send" {
                return send(&mut ws).await;
            }
            counts.send(count(ws).await).unwrap();
        }
    };
    let (http2, _server) = serving::connect(Options::new(), handler).await;
    let mut ws = http2.open("/count").await.unwrap();
    send(&mut ws).await;
    drop(ws);
    assert_eq!(counted.recv().await, Some(MESSAGES), "of the client's");

    let ws = http2.open("/send").await.unwrap();
    assert_eq!(count(ws).await, MESSAGES, "of the server's");
}
