use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sockeye::reconnect::{Event, Reconnecting};
use sockeye::upgrade::Upgrader;
use sockeye::{Client, CloseCode, ConnectError};
use tokio::io::duplex;

use super::harness::{Trickle, at_every_poll};

/// Number of bytes that the transport moves at a time.
const STEP: usize = 20;

/// Returns a client whose every second attempt is refused. The server sends a greeting, echoes the
/// first message, and disconnects; `received` counts the messages.
fn client(received: &Arc<AtomicUsize>) -> Reconnecting {
    let (attempts, received) = (AtomicUsize::new(0), received.clone());
    Reconnecting::new(Client::new("ws://example.com/")).connect_by(move |client| {
        let refused = attempts.fetch_add(1, Ordering::SeqCst) % 2 == 1;
        let received = received.clone();
        async move {
            if refused {
                return Err(ConnectError::Io(io::ErrorKind::ConnectionRefused.into()));
            }
            let (near, far) = duplex(4096);
            tokio::spawn(async move {
                let mut ws = Upgrader::new().accept(far).await?;
                ws.send("welcome").await?;
                if let Some(message) = ws.recv().await? {
                    received.fetch_add(1, Ordering::SeqCst);
                    ws.send(message).await?;
                }
                Ok::<_, sockeye::Error>(())
            });
            client.handshake(Trickle::new(near, STEP)).await
        }
    })
}

/// Returns a description of the event without its random delay.
fn describe(event: Option<Event>) -> String {
    match event {
        Some(Event::Scheduled { attempt, .. }) => format!("scheduled {attempt}"),
        event => format!("{event:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn events_come_once_and_in_order() {
    at_every_poll(async |canceller| {
        let received = Arc::default();
        let mut client = client(&received);
        let mut events = Vec::new();
        while events.len() < 20 {
            let event = canceller.retry(async || client.next().await).await.unwrap();
            if matches!(&event, Some(Event::Message(message)) if message == "welcome") {
                // The connection is open and has capacity, so the cancelled call has taken the
                // message.
                canceller.wait(client.send("hello")).await;
            }
            events.push(describe(event));
        }
        (events, received.load(Ordering::SeqCst))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_send_was_dropped_is_sent_once_or_not_at_all() {
    at_every_poll(async |canceller| {
        let (taken, mut arrived) = tokio::sync::mpsc::unbounded_channel();
        let attempts = AtomicUsize::new(0);
        let mut client =
            Reconnecting::new(Client::new("ws://example.com/")).connect_by(move |client| {
                let refused = attempts.fetch_add(1, Ordering::SeqCst) == 0;
                let taken = taken.clone();
                async move {
                    if refused {
                        return Err(ConnectError::Io(io::ErrorKind::ConnectionRefused.into()));
                    }
                    let (near, far) = duplex(4096);
                    tokio::spawn(async move {
                        let mut ws = Upgrader::new().accept(far).await?;
                        while let Some(message) = ws.recv().await? {
                            taken.send(message.to_string()).unwrap();
                        }
                        Ok::<_, sockeye::Error>(())
                    });
                    client.handshake(Trickle::new(near, STEP)).await
                }
            });
        let mut sent = Vec::new();
        for number in 100..150 {
            if canceller.wait(client.send(number.to_string())).await.is_some() {
                sent.push(number.to_string());
            }
        }
        let close = async || client.close(CloseCode::NORMAL_CLOSURE, "").await;
        canceller.retry(close).await.unwrap();
        drop(client);
        let mut numbers = Vec::new();
        while let Some(number) = arrived.recv().await {
            numbers.push(number);
        }
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
        assert!(sent.iter().all(|number| numbers.contains(number)), "{sent:?}, {numbers:?}");
    })
    .await;
}
