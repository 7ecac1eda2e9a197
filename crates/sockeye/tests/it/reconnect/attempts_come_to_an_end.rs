use std::time::Duration;

use sockeye::handshake::HandshakeError;
use sockeye::reconnect::{Backoff, Event, Reconnecting};
use sockeye::{Client, CloseCode, ConnectError, Error};
use tokio::time::Instant;

use super::script::{Step, next, scripted, serve};

const UNAUTHORIZED: &str = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";

async fn end(client: &mut Reconnecting) -> ConnectError {
    loop {
        match client.next().await {
            Ok(Some(_)) => {}
            Err(Error::Connect(error)) => return error,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded_in_number() {
    let mut client = scripted([]).backoff(Backoff::new().max_attempts(Some(3)));
    for expected in ["scheduled 1", "failed", "scheduled 2", "failed", "scheduled 3"] {
        assert!(next(&mut client).await.starts_with(expected));
    }
    let error = end(&mut client).await;
    let ConnectError::GaveUp { attempts: 3, last } = &error else { panic!("{error:?}") };
    assert!(matches!(**last, Event::Failed(ConnectError::Io(_))), "{last:?}");
    assert_eq!(error.to_string(), format!("gave up after 3 attempts in a row: {last}"));
    assert_eq!(next(&mut client).await, "over");
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded_in_time() {
    let minute = Duration::from_secs(60);
    let backoff = Backoff::new().max_attempts(None).max_elapsed(Some(minute));
    let mut client = scripted([]).backoff(backoff);
    let start = Instant::now();
    assert!(matches!(end(&mut client).await, ConnectError::GaveUp { .. }));
    assert!(start.elapsed() <= minute + Duration::from_millis(100), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn by_default_attempts_are_bounded() {
    assert!(matches!(end(&mut scripted([])).await, ConnectError::GaveUp { attempts: 20, .. }));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_up_at_once_is_not_tried_without_end() {
    let steps = (0..100).map(|_| serve(|ws| async move { drop(ws) }));
    let error = end(&mut scripted(steps)).await;
    let ConnectError::GaveUp { attempts: 20, last } = &error else { panic!("{error:?}") };
    assert!(matches!(**last, Event::Lost(Error::Disconnected)), "{last:?}");
}

#[tokio::test(start_paused = true)]
async fn a_permanent_error_is_not_retried() {
    let mut client = scripted([Step::Answer(UNAUTHORIZED)]);
    let error = end(&mut client).await;
    let ConnectError::Handshake(HandshakeError::Status { status, .. }) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*status, 401);
    assert_eq!(next(&mut client).await, "over");
    let mut client = Reconnecting::new(Client::new("http://example.com/"));
    assert!(matches!(end(&mut client).await, ConnectError::Request(_)));
}

#[tokio::test(start_paused = true)]
async fn the_program_may_judge_otherwise() {
    let mut client = scripted([Step::Answer(UNAUTHORIZED)]).retry_when(|_| true);
    let failed = "failed: the opening handshake failed: the server opened no WebSocket, but answered \
                  401 Unauthorized";
    for expected in ["scheduled 1", failed, "scheduled 2"] {
        assert_eq!(next(&mut client).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_permanent_close_is_distinguished_from_a_temporary_one() {
    let closing = |code: u16| {
        serve(move |mut ws| async move { ws.close(CloseCode::from(code), "").await.unwrap() })
    };
    for (code, again) in [
        (1000, false),
        (1001, true),
        (1002, false),
        (1003, false),
        (1007, false),
        (1008, false),
        (1009, false),
        (1010, false),
        (1011, true),
        (1012, true),
        (1013, true),
        (1014, true),
        (3000, true),
        (4999, true),
    ] {
        let mut client = scripted([closing(code)]);
        for expected in ["scheduled 1", "connected", "closed"] {
            assert!(next(&mut client).await.starts_with(expected), "{code}");
        }
        let expected = if again { "scheduled 2" } else { "over" };
        assert_eq!(next(&mut client).await, expected, "{code}");
    }
    let mut client = scripted([closing(4003)])
        .reopen_when(|frame| frame.is_none_or(|frame| u16::from(frame.code) != 4003));
    for expected in ["scheduled 1", "connected", "closed: 4003", "over"] {
        assert_eq!(next(&mut client).await, expected);
    }
}
