use futures_util::StreamExt as _;
use sockeye::{Message, MessageReader};
use tokio::io::AsyncReadExt as _;
use tokio::task::yield_now;

use super::harness::{Canceller, at_every_poll};
use super::wire::{close, frame, peer, server};

/// Returns whole and fragmented messages, with pings between them, and a close frame.
fn short_input() -> Vec<u8> {
    [
        frame(0x81, b"first"),
        frame(0x89, b"are you there"),
        frame(0x02, &[1; 30]),
        frame(0x89, b"still"),
        frame(0x00, &[2; 200]),
        frame(0x80, &[3; 10]),
        frame(0x81, b""),
        close(),
    ]
    .concat()
}

/// Returns the short input, and a message that is read directly into its final buffer.
fn input() -> Vec<u8> {
    [frame(0x82, &vec![4; 40_000]), short_input()].concat()
}

/// Step that splits the whole input into some hundred pieces.
const STEP: usize = 600;

async fn read(canceller: &Canceller, reader: &mut MessageReader<'_>) -> Vec<u8> {
    let mut message = Vec::new();
    let mut space = [0; 1000];
    loop {
        match canceller.retry(async || reader.read(&mut space).await).await.unwrap() {
            0 => return message,
            length => message.extend_from_slice(&space[..length]),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn messages_arrive_once_and_whole() {
    for (step, input) in [(3, short_input()), (STEP, input())] {
        at_every_poll(async |canceller| {
            let (mut ws, client) = server(step).await;
            let client = peer(client, input.clone());
            let mut messages = Vec::new();
            while let Some(message) = canceller.retry(async || ws.recv().await).await.unwrap() {
                messages.push(message);
            }
            (messages, ws.close_frame().cloned(), client.await.unwrap())
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn as_a_stream_messages_arrive_once_and_whole() {
    at_every_poll(async |canceller| {
        let (mut ws, client) = server(STEP).await;
        let client = peer(client, input());
        let mut messages = Vec::new();
        while let Some(message) = canceller.retry(async || ws.next().await).await {
            messages.push(message.unwrap());
        }
        (messages, client.await.unwrap())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn streamed_messages_arrive_once_and_whole() {
    at_every_poll(async |canceller| {
        let (mut ws, client) = server(STEP).await;
        let client = peer(client, input());
        let mut messages = Vec::new();
        loop {
            // A reader borrows the connection, so that a closure called repeatedly cannot return
            // it.
            let Some(begun) = canceller.wait(ws.recv_stream()).await else { continue };
            let Some(mut reader) = begun.unwrap() else { break };
            messages.push(read(canceller, &mut reader).await);
        }
        (messages, client.await.unwrap())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whole_and_streamed_messages_may_take_turns() {
    at_every_poll(async |canceller| {
        let (mut ws, client) = server(STEP).await;
        let client = peer(client, input());
        let mut messages = Vec::new();
        loop {
            let Some(message) = canceller.retry(async || ws.recv().await).await.unwrap() else {
                break;
            };
            messages.push(message.into_bytes().to_vec());
            // Dropped while it waits: the next call of either kind continues the message.
            let Some(begun) = canceller.wait(ws.recv_stream()).await else { continue };
            let Some(mut reader) = begun.unwrap() else { break };
            messages.push(read(canceller, &mut reader).await);
        }
        (messages, client.await.unwrap())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn of_a_reader_that_is_dropped_the_rest_is_skipped_and_no_more() {
    at_every_poll(async |canceller| {
        let (mut ws, client) = server(20).await;
        let input =
            [frame(0x02, &[1; 300]), frame(0x80, &[2; 300]), frame(0x81, b"after"), close()];
        let client = peer(client, input.concat());
        // The reader is dropped together with the data it has read.
        let first = canceller
            .wait(async {
                let mut reader = ws.recv_stream().await.unwrap().unwrap();
                reader.read_to_end(&mut Vec::new()).await.unwrap();
            })
            .await;
        let mut last = None;
        while let Some(message) = ws.recv().await.unwrap() {
            assert!(last.is_none() || first.is_none(), "{message:?}");
            last = Some(message);
        }
        (last, client.await.unwrap())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn in_select_nothing_is_lost_on_either_side() {
    for polls in 1..20 {
        let (mut ws, client) = server(7).await;
        let client = peer(client, short_input());
        let (mut received, mut ticks) = (Vec::new(), 0_u16);
        let ticker = async || {
            for _ in 0..polls {
                yield_now().await;
            }
        };
        loop {
            tokio::select! {
                biased;
                message = ws.recv() => match message.unwrap() {
                    Some(message) => received.push(message),
                    None => break,
                },
                () = ticker() => {
                    if ws.send(ticks.to_be_bytes().to_vec()).await.is_ok() {
                        ticks += 1;
                    }
                }
            }
        }
        let expected: [Message; 3] =
            ["first".into(), [&[1; 30][..], &[2; 200], &[3; 10]].concat().into(), "".into()];
        assert_eq!(received, expected);
        let mut sent = &client.await.unwrap()[..];
        let mut next = 0_u16;
        while let Some((&[first, length], rest)) = sent.split_first_chunk() {
            let (payload, rest) = rest.split_at(length.into());
            if first == 0x82 {
                assert_eq!(payload, next.to_be_bytes());
                next += 1;
            }
            sent = rest;
        }
        assert_eq!(next, ticks);
    }
}
