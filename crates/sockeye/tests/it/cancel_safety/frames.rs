use sockeye::frame::{Frame, OpCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::harness::at_every_poll;
use super::wire::{frame, server};

/// Step that splits the frames into some hundred pieces.
const STEP: usize = 2000;

/// Some frames fit into the unwritten output, others have to wait for capacity.
fn frames() -> impl Iterator<Item = Frame> {
    [0, 125, 30_000, 30_000, 30_000, 1, 30_000]
        .into_iter()
        .map(|length| Frame::new(OpCode::Binary, vec![7; length]))
}

#[tokio::test(start_paused = true)]
async fn frames_arrive_once_and_whole() {
    at_every_poll(async |canceller| {
        let (ws, mut client) = server(STEP).await;
        let input = [frame(0x01, b"first"), frame(0x89, b"ping"), frame(0x80, &vec![1; 30_000])];
        client.write_all(&input.concat()).await.unwrap();
        client.shutdown().await.unwrap();
        let (mut receiver, _sender) = ws.into_frames(1 << 20).unwrap();
        let mut frames = Vec::new();
        while let Some(frame) = canceller.retry(async || receiver.recv_frame().await).await.unwrap()
        {
            frames.push(frame);
        }
        frames
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn frames_are_sent_once_and_whole() {
    at_every_poll(async |canceller| {
        let (ws, mut client) = server(STEP).await;
        let client = tokio::spawn(async move {
            let mut received = Vec::new();
            client.read_to_end(&mut received).await.unwrap();
            received
        });
        let (_receiver, mut sender) = ws.into_frames(1 << 20).unwrap();
        for frame in frames() {
            canceller.retry(async || sender.feed_frame(&frame).await).await.unwrap();
            canceller.retry(async || sender.flush().await).await.unwrap();
            // There is capacity, so the cancelled call has taken the frame.
            canceller.wait(sender.send_frame(&frame)).await;
        }
        canceller.retry(async || sender.shutdown().await).await.unwrap();
        drop(sender);
        client.await.unwrap()
    })
    .await;
}
