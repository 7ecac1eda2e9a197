use std::io;
use std::time::Duration;

use http::HeaderValue;
use sockeye::handshake::RequestError;
use sockeye::reconnect::Event;
use sockeye::{ConnectError, Error, Stage};
use tokio::time::Instant;

use super::script::{Heads, Step, next, recorded, scripted};

const UNAVAILABLE: &str = "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn headers_are_fresh_for_each_attempt() {
    let heads = Heads::default();
    let mut client = recorded([Step::Answer(UNAVAILABLE), Step::Answer(UNAVAILABLE)], &heads)
        .before_attempt(|attempt, mut headers| async move {
            // Each attempt starts from the client's headers.
            assert!(headers.is_empty());
            headers.insert("x-token", HeaderValue::from(attempt));
            Ok(headers)
        });
    for expected in ["scheduled 1", "failed", "scheduled 2", "failed"] {
        assert!(next(&mut client).await.starts_with(expected));
    }
    let heads = heads.take();
    assert_eq!(heads.len(), 2);
    for (head, line) in heads.iter().zip(["\r\nx-token: 1\r\n", "\r\nx-token: 2\r\n"]) {
        assert!(head.contains(line), "{head}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_costs_an_attempt() {
    let mut client = scripted([])
        .before_attempt(|_, _| async { Err(io::Error::from(io::ErrorKind::NotConnected).into()) });
    assert_eq!(next(&mut client).await, "scheduled 1");
    let event = client.next().await.unwrap();
    assert!(matches!(event, Some(Event::Failed(ConnectError::Hook(_)))), "{event:?}");
    assert_eq!(next(&mut client).await, "scheduled 2");
}

#[tokio::test(start_paused = true)]
async fn a_hook_has_as_much_time_as_a_connection() {
    let mut client = scripted([]).before_attempt(|_, _| std::future::pending());
    assert_eq!(next(&mut client).await, "scheduled 1");
    let start = Instant::now();
    let event = client.next().await.unwrap();
    let after = Duration::from_secs(20);
    assert!(
        matches!(
            event,
            Some(Event::Failed(ConnectError::TimedOut { stage: Stage::Hook, after: a }))
                if a == after
        ),
        "{event:?}"
    );
    assert_eq!(start.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn headers_of_the_handshake_cannot_come_from_a_hook() {
    let mut client = scripted([]).before_attempt(|_, mut headers| async move {
        headers.insert("upgrade", HeaderValue::from_static("h2c"));
        Ok(headers)
    });
    assert_eq!(next(&mut client).await, "scheduled 1");
    let error = client.next().await.unwrap_err();
    assert!(
        matches!(error, Error::Connect(ConnectError::Request(RequestError::ReservedHeader { .. }))),
        "{error:?}"
    );
}
