use sockeye::{CloseCode, Message};

use super::harness::at_every_poll;
use super::wire::{frame, peer, server};

/// Number of bytes that the transport moves at a time.
const STEP: usize = 3;

fn input() -> Vec<u8> {
    [frame(0x81, b"unread"), frame(0x89, b"ping")].concat()
}

#[tokio::test(start_paused = true)]
async fn a_close_is_finished_by_the_next() {
    at_every_poll(async |canceller| {
        let (mut ws, client) = server(STEP).await;
        let client = peer(client, input());
        ws.feed("before").await.unwrap();
        let close = async || ws.close(CloseCode::NORMAL_CLOSURE, "").await;
        canceller.retry(close).await.unwrap();
        (ws.close_frame().cloned(), client.await.unwrap())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_close_is_finished_by_recv_which_gives_what_arrives() {
    at_every_poll(async |canceller| {
        let (mut ws, client) = server(STEP).await;
        let client = peer(client, input());
        let closed = canceller.wait(ws.close(CloseCode::NORMAL_CLOSURE, "")).await;
        let mut received = Vec::new();
        while let Some(message) = canceller.retry(async || ws.recv().await).await.unwrap() {
            received.push(message);
        }
        // Closing discards input that arrives meanwhile.
        assert!(received.is_empty() || closed.is_none() && received == [Message::from("unread")]);
        (ws.close_frame().cloned(), client.await.unwrap())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_peers_close_is_answered_once() {
    at_every_poll(async |canceller| {
        let (mut ws, client) = server(STEP).await;
        let input = [input(), super::wire::close()].concat();
        let client = peer(client, input);
        assert_eq!(ws.recv().await.unwrap(), Some("unread".into()));
        canceller.wait(ws.recv()).await;
        let close = async || ws.close(CloseCode::NORMAL_CLOSURE, "").await;
        canceller.retry(close).await.unwrap();
        (ws.close_frame().cloned(), client.await.unwrap().ends_with(&super::wire::CLOSE))
    })
    .await;
}
