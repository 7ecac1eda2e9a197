use futures_util::StreamExt as _;
use sockeye::split::{SendQueue, Sender};
use sockeye::{CloseCode, Kind, Message, Prepared};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::harness::{Canceller, at_every_poll};
use super::wire::{frame, peer, server};

/// Number of bytes that the transport moves at a time.
const STEP: usize = 20;

/// Returns a queue with capacity for about two of the messages.
fn queue() -> SendQueue {
    SendQueue::new().capacity(300)
}

fn messages() -> impl Iterator<Item = Message> {
    (0..8_u8).map(|number| vec![number; 100].into())
}

fn input() -> Vec<u8> {
    let messages = (0..8).map(|number| frame(0x82, &[number; 30]));
    messages.collect::<Vec<_>>().concat()
}

async fn send_all(canceller: &Canceller, sender: &Sender) {
    for message in messages() {
        canceller.retry(async || sender.send(message.clone()).await).await.unwrap();
        let prepared = Prepared::new(message.clone());
        canceller.retry(async || sender.send_prepared(&prepared).await).await.unwrap();
        // After a flush no message of the same key is queued.
        canceller.retry(async || sender.flush().await).await.unwrap();
        canceller.retry(async || sender.send_latest("key", message.clone()).await).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn senders_that_wait_for_room_have_given_nothing() {
    at_every_poll(async |canceller| {
        let (ws, client) = server(STEP).await;
        let client = peer(client, Vec::new());
        let (sender, mut receiver) = ws.split_with(queue());
        let receiving = tokio::spawn(async move { receiver.recv().await });
        send_all(canceller, &sender).await;
        sender.close(CloseCode::NORMAL_CLOSURE, "").unwrap();
        assert_eq!(receiving.await.unwrap().unwrap(), None);
        (sender.sent(), sender.dropped(), client.await.unwrap())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_receiver_loses_nothing_while_others_send() {
    at_every_poll(async |canceller| {
        let (ws, client) = server(STEP).await;
        let client = peer(client, input());
        let (sender, mut receiver) = ws.split_with(queue());
        let send_all_messages = async move {
            for message in messages() {
                sender.send(message).await.unwrap();
            }
        };
        let sending = tokio::spawn(send_all_messages);
        let mut arrived = Vec::new();
        for _ in 0..4 {
            arrived.push(canceller.retry(async || receiver.recv().await).await.unwrap());
            arrived
                .push(canceller.retry(async || receiver.next().await).await.transpose().unwrap());
        }
        sending.await.unwrap();
        canceller
            .retry(async || receiver.close(CloseCode::NORMAL_CLOSURE, "").await)
            .await
            .unwrap();
        (arrived, receiver.close_frame().cloned(), client.await.unwrap())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_receiver_streams_and_pings() {
    at_every_poll(async |canceller| {
        let (ws, client) = server(STEP).await;
        let client = peer(client, input());
        let (_sender, mut receiver) = ws.split();
        let mut arrived = Vec::new();
        for number in 0..8 {
            let mut reader = loop {
                if let Some(reader) = canceller.wait(receiver.recv_stream()).await {
                    break reader.unwrap().unwrap();
                }
            };
            let mut space = [0; 100];
            loop {
                match canceller.retry(async || reader.read(&mut space).await).await.unwrap() {
                    0 => break,
                    length => arrived.extend_from_slice(&space[..length]),
                }
            }
            // A cancelled call has taken the ping.
            canceller.wait(receiver.ping(&[number])).await;
        }
        canceller
            .retry(async || receiver.close(CloseCode::NORMAL_CLOSURE, "").await)
            .await
            .unwrap();
        (arrived, client.await.unwrap())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_message_in_fragments_has_each_byte_once() {
    at_every_poll(async |canceller| {
        let (ws, client) = server(4000).await;
        let client = peer(client, Vec::new());
        let (sender, mut receiver) = ws.split_with(queue());
        let receiving = tokio::spawn(async move { receiver.recv().await });
        for end_by_shutdown in [false, true] {
            sender.send("before").await.unwrap();
            let begin = async || sender.send_stream(Kind::Binary).await;
            let mut writer = canceller.retry(begin).await.unwrap();
            let all = vec![5; 150_000];
            let mut rest = &all[..];
            while !rest.is_empty() {
                let length = rest.len().min(70_000);
                let written = canceller.retry(async || writer.write(&rest[..length]).await).await;
                rest = &rest[written.unwrap()..];
            }
            canceller.retry(async || writer.flush().await).await.unwrap();
            sender.send("after").await.unwrap();
            if end_by_shutdown {
                canceller.retry(async || writer.shutdown().await).await.unwrap();
            } else {
                // There is capacity, so the cancelled call has finished the message.
                canceller.wait(writer.finish()).await;
            }
        }
        sender.close(CloseCode::NORMAL_CLOSURE, "").unwrap();
        assert_eq!(receiving.await.unwrap().unwrap(), None);
        (sender.sent(), sender.dropped(), client.await.unwrap())
    })
    .await;
}
