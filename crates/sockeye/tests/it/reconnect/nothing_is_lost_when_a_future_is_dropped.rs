use std::time::Duration;

use sockeye::reconnect::Reconnecting;
use sockeye::{CloseCode, Message};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{sleep, timeout};

use super::script::{Step, describe, scripted, serve};

/// Time after which a call is cancelled. Shorter than every delay in the scripts.
const CANCEL_AFTER: Duration = Duration::from_millis(3);

/// Returns the next event. Cancels and repeats each call of `next` that takes longer than
/// [`CANCEL_AFTER`].
async fn next_with_cancellations(client: &mut Reconnecting) -> String {
    loop {
        if let Ok(event) = timeout(CANCEL_AFTER, client.next()).await {
            return describe(event);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_when_a_wait_for_an_event_is_dropped() {
    let slow = |text: &'static str| {
        serve(move |mut ws| async move {
            for _ in 0..3 {
                sleep(Duration::from_millis(50)).await;
                ws.send(text).await.unwrap();
            }
        })
    };
    let mut client = scripted([slow("one"), Step::Refuse, slow("two")]).before_attempt(
        |_, headers| async move {
            // Longer than CANCEL_AFTER: many calls of `next` are cancelled while this hook runs.
            sleep(Duration::from_millis(100)).await;
            Ok(headers)
        },
    );
    for expected in [
        "scheduled 1",
        "connected",
        "message: one",
        "message: one",
        "message: one",
        "lost: the connection ended without a closing handshake",
        "scheduled 2",
        "failed: the transport failed during the opening handshake: connection refused",
        "scheduled 3",
        "connected",
        "message: two",
        "message: two",
        "message: two",
    ] {
        assert_eq!(next_with_cancellations(&mut client).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_send_dropped_before_the_connection_opens_sends_nothing() {
    let (log, mut received) = unbounded_channel::<Message>();
    let mut client = scripted([
        Step::Refuse,
        serve(|mut ws| async move {
            while let Some(message) = ws.recv().await.unwrap() {
                log.send(message).unwrap();
            }
        }),
    ])
    .before_attempt(|_, headers| async move {
        sleep(Duration::from_millis(100)).await;
        Ok(headers)
    });
    timeout(CANCEL_AFTER, client.send("dropped")).await.unwrap_err();
    while timeout(CANCEL_AFTER, client.send("kept")).await.is_err() {}
    client.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    assert_eq!(received.recv().await, Some("kept".into()));
    assert_eq!(received.recv().await, None);
}

#[tokio::test(start_paused = true)]
async fn next_finishes_a_dropped_close_and_reports_no_event_after_it() {
    let mut client = scripted([serve(|mut ws| async move {
        sleep(Duration::from_millis(50)).await;
        assert_eq!(ws.recv().await.unwrap(), None);
    })]);
    assert_eq!(next_with_cancellations(&mut client).await, "scheduled 1");
    assert_eq!(next_with_cancellations(&mut client).await, "connected");
    let closing = client.close(CloseCode::GOING_AWAY, "");
    timeout(CANCEL_AFTER, closing).await.unwrap_err();
    assert_eq!(next_with_cancellations(&mut client).await, "closed: 1001 (Going Away)");
    assert_eq!(next_with_cancellations(&mut client).await, "over");
}
