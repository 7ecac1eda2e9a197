use futures_util::SinkExt;
use sockeye::{Kind, Message, Prepared};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::harness::at_every_poll;
use super::wire::{close, peer, server};

/// Returns messages of many lengths; one is written without a copy. All of them fit into the
/// unwritten output, so that each is taken at the first poll.
fn messages() -> impl Iterator<Item = Message> {
    [0, 1, 125, 126, 300, 5000].into_iter().map(|length| vec![7; length].into())
}

/// Returns messages that exceed the unwritten output: some have to wait for capacity.
fn long_messages() -> impl Iterator<Item = Message> {
    (0..6).map(|number| vec![number; 30_000].into())
}

/// Steps that split the messages into some hundred pieces.
const STEP: usize = 200;
const LONG_STEP: usize = 4000;

#[tokio::test(start_paused = true)]
async fn messages_of_cancelled_calls_are_written_by_the_next_call() {
    at_every_poll(async |canceller| {
        let (mut ws, client) = server(STEP).await;
        let client = peer(client, Vec::new());
        for (message, ping) in messages().zip(0..) {
            // A cancelled call has taken its message.
            canceller.wait(ws.send(message.clone())).await;
            canceller.wait(ws.ping(&[ping])).await;
            canceller.wait(ws.send_prepared(&Prepared::new(message.clone()))).await;
            canceller.wait(ws.feed(message.clone())).await;
            canceller.wait(ws.feed_prepared(&Prepared::new(message))).await;
        }
        canceller.retry(async || ws.flush().await).await.unwrap();
        ws.close(sockeye::CloseCode::NORMAL_CLOSURE, "").await.unwrap();
        client.await.unwrap()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_was_dropped_while_it_waited_for_room_took_nothing() {
    at_every_poll(async |canceller| {
        let (mut ws, client) = server(LONG_STEP).await;
        let client = peer(client, Vec::new());
        for message in long_messages() {
            canceller.retry(async || ws.feed(message.clone()).await).await.unwrap();
            let prepared = Prepared::new(message);
            canceller.retry(async || ws.feed_prepared(&prepared).await).await.unwrap();
        }
        ws.close(sockeye::CloseCode::NORMAL_CLOSURE, "").await.unwrap();
        client.await.unwrap()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_send_that_was_dropped_arrives_whole_or_not_at_all() {
    at_every_poll(async |canceller| {
        let (mut ws, mut client) = server(LONG_STEP).await;
        let client = tokio::spawn(async move {
            let mut numbers = Vec::new();
            loop {
                let mut header = [0; 4];
                client.read_exact(&mut header).await.unwrap();
                if header[0] == 0x88 {
                    client.write_all(&close()).await.unwrap();
                    return numbers;
                }
                assert_eq!(header, [0x82, 126, 0x75, 0x30]);
                let mut payload = vec![0; 30_000];
                client.read_exact(&mut payload).await.unwrap();
                assert!(payload.iter().all(|byte| *byte == payload[0]));
                numbers.push(payload[0]);
            }
        });
        let mut sent = Vec::new();
        for (message, number) in long_messages().zip(0..) {
            if canceller.wait(ws.send(message)).await.is_some() {
                sent.push(number);
            }
        }
        ws.close(sockeye::CloseCode::NORMAL_CLOSURE, "").await.unwrap();
        let arrived = client.await.unwrap();
        assert!(arrived.is_sorted_by(|one, next| one < next), "{arrived:?}");
        assert!(sent.iter().all(|number| arrived.contains(number)), "{sent:?}, {arrived:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_sink_takes_each_message_once() {
    at_every_poll(async |canceller| {
        let (mut ws, client) = server(LONG_STEP).await;
        let client = peer(client, Vec::new());
        for message in long_messages() {
            canceller.retry(async || SinkExt::feed(&mut ws, message.clone()).await).await.unwrap();
        }
        canceller.retry(async || SinkExt::flush(&mut ws).await).await.unwrap();
        canceller.retry(async || SinkExt::close(&mut ws).await).await.unwrap();
        client.await.unwrap()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_message_in_fragments_has_each_byte_once() {
    at_every_poll(async |canceller| {
        let (mut ws, client) = server(LONG_STEP).await;
        let client = peer(client, Vec::new());
        for end_by_shutdown in [false, true] {
            // Unwritten output of the previous message makes this call wait.
            let mut writer = loop {
                if let Some(writer) = canceller.wait(ws.send_stream(Kind::Binary)).await {
                    break writer.unwrap();
                }
            };
            let all = vec![5; 150_000];
            let mut rest = &all[..];
            while !rest.is_empty() {
                let length = rest.len().min(70_000);
                let written = canceller.retry(async || writer.write(&rest[..length]).await).await;
                rest = &rest[written.unwrap()..];
                if rest.len() < 50_000 {
                    canceller.retry(async || writer.flush().await).await.unwrap();
                }
            }
            if end_by_shutdown {
                canceller.retry(async || writer.shutdown().await).await.unwrap();
            } else {
                // There is capacity, so the cancelled call has finished the message.
                canceller.wait(writer.finish()).await;
            }
        }
        ws.close(sockeye::CloseCode::NORMAL_CLOSURE, "").await.unwrap();
        client.await.unwrap()
    })
    .await;
}
