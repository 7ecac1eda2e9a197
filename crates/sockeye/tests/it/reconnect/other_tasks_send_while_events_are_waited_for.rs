use sockeye::{CloseCode, Error, WebSocket};

use super::script::{Step, describe, scripted, serve};

/// Echoes one message, then disconnects without a close frame.
async fn echo_once(mut ws: WebSocket) {
    let message = ws.recv().await.unwrap().unwrap();
    ws.send(message).await.unwrap();
}

async fn echo(mut ws: WebSocket) {
    while let Ok(Some(message)) = ws.recv().await {
        ws.send(message).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_sends_over_one_connection_after_another() {
    let (sender, mut receiver) =
        scripted([Step::Refuse, serve(echo_once), Step::Refuse, serve(echo)]).split();
    let sending = tokio::spawn({
        let sender = sender.clone();
        async move { sender.send("one").await }
    });
    assert_eq!(receiver.recv().await.unwrap(), Some("one".into()));
    sending.await.unwrap().unwrap();
    loop {
        let event = describe(receiver.next().await);
        if event.starts_with("lost") {
            break;
        }
    }
    // There is no connection now: the message waits for the next.
    let sending = tokio::spawn({
        let sender = sender.clone();
        async move { sender.send("two").await }
    });
    assert_eq!(receiver.recv().await.unwrap(), Some("two".into()));
    sending.await.unwrap().unwrap();
    assert!(receiver.connection().is_some());

    receiver.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    assert!(matches!(sender.send("late").await, Err(Error::Closed(_))));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_open_already_may_be_divided() {
    let mut client = scripted([serve(echo)]);
    client.send("one").await.unwrap();
    let (sender, mut receiver) = client.split();
    sender.send("two").await.unwrap();
    for expected in ["one", "two"] {
        assert_eq!(receiver.recv().await.unwrap(), Some(expected.into()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiting_send_fails_when_the_other_half_is_dropped() {
    let (sender, receiver) = scripted([]).split();
    let sending = tokio::spawn(async move { sender.send("never").await });
    tokio::task::yield_now().await;
    drop(receiver);
    assert!(matches!(sending.await.unwrap(), Err(Error::Closed(None))));
}
