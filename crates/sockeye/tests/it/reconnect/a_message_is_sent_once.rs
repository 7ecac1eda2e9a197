use sockeye::{CloseCode, Error, WebSocket};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::script::{Step, next, scripted, serve};

/// Receives `count` messages, and logs each.
async fn take(mut ws: WebSocket, count: usize, server: &'static str, log: UnboundedSender<String>) {
    for _ in 0..count {
        let message = ws.recv().await.unwrap().unwrap();
        log.send(format!("{server}: {message}")).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_waits_for_a_connection() {
    let (log, mut received) = unbounded_channel();
    let mut client = scripted([Step::Refuse, Step::Refuse, serve(|ws| take(ws, 1, "third", log))]);
    client.send("hello").await.unwrap();
    assert_eq!(received.recv().await.unwrap(), "third: hello");
    // Events of the meantime are still returned.
    for expected in [
        "scheduled 1",
        "failed: the transport failed during the opening handshake: connection refused",
        "scheduled 2",
        "failed: the transport failed during the opening handshake: connection refused",
        "scheduled 3",
        "connected",
    ] {
        assert_eq!(next(&mut client).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_under_way_when_the_connection_was_lost_is_not_sent_again() {
    let (log, mut received) = unbounded_channel();
    let mut client = scripted([
        serve(|ws| async move { drop(ws.into_frames(1000)) }),
        serve(|ws| take(ws, 1, "second", log)),
    ]);
    // A dropped WebSocket would read on for a while; `into_frames` ends the transport at once. The
    // message exceeds the pipe's buffer, so it cannot be with the transport before the server is
    // gone.
    let error = client.send("x".repeat(100_000)).await.unwrap_err();
    assert!(matches!(error, Error::Disconnected), "{error:?}");
    client.send("after").await.unwrap();
    assert_eq!(received.recv().await.unwrap(), "second: after");
    assert_eq!(next(&mut client).await, "scheduled 1");
    assert_eq!(next(&mut client).await, "connected");
    assert_eq!(next(&mut client).await, "lost: the transport failed: broken pipe");
    assert_eq!(next(&mut client).await, "scheduled 2");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_once_it_is_over() {
    let mut client = scripted([serve(|mut ws| async move {
        assert_eq!(ws.recv().await.unwrap(), None);
        assert_eq!(ws.close_frame().unwrap().reason, "enough");
    })]);
    assert_eq!(next(&mut client).await, "scheduled 1");
    assert_eq!(next(&mut client).await, "connected");
    client.close(CloseCode::GOING_AWAY, "enough").await.unwrap();
    let error = client.send("late").await.unwrap_err();
    assert!(matches!(error, Error::Closed(_)), "{error:?}");
    assert_eq!(next(&mut client).await, "over");
}
