use std::time::Duration;

use sockeye::CloseCode;
use sockeye::reconnect::Event;
use tokio::time::{Instant, sleep};

use super::script::{Step, next, scripted, serve};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn each_attempt_is_reported_and_messages_continue() {
    let mut client = scripted([
        serve(|mut ws| async move { ws.send("one").await.unwrap() }),
        Step::Refuse,
        serve(|mut ws| async move {
            ws.send("two").await.unwrap();
            ws.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
        }),
    ]);
    for expected in [
        "scheduled 1",
        "connected",
        "message: one",
        "lost: the connection ended without a closing handshake",
        "scheduled 2",
        "failed: the transport failed during the opening handshake: connection refused",
        "scheduled 3",
        "connected",
        "message: two",
        "closed: 1000 (Normal Closure)",
        "over",
        "over",
    ] {
        assert_eq!(next(&mut client).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn messages_alone_come_over_all_connections() {
    let mut client = scripted([
        serve(|mut ws| async move { ws.send("one").await.unwrap() }),
        Step::Refuse,
        serve(|mut ws| async move {
            ws.send("two").await.unwrap();
            ws.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
        }),
    ]);
    assert_eq!(client.recv().await.unwrap(), Some("one".into()));
    assert_eq!(client.recv().await.unwrap(), Some("two".into()));
    assert_eq!(client.recv().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn the_first_attempt_is_made_at_once_and_others_after_their_wait() {
    let mut client = scripted([]);
    let mut longest = Duration::ZERO;
    for attempt in 1..=10 {
        let Event::Scheduled { attempt: reported, delay } = client.next().await.unwrap().unwrap()
        else {
            panic!("an attempt is to be made");
        };
        assert_eq!(reported, attempt);
        assert!(delay <= longest, "{delay:?} before attempt {attempt}");
        longest = if longest.is_zero() { SECOND } else { (2 * longest).min(30 * SECOND) };
        let start = Instant::now();
        assert!(matches!(client.next().await.unwrap(), Some(Event::Failed(_))));
        // Timers have a resolution of a millisecond.
        let late = start.elapsed().checked_sub(delay).expect("the wait was waited for");
        assert!(late <= Duration::from_millis(1), "{late:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_open_for_long_begins_a_new_row() {
    let open_for = |seconds| {
        serve(move |ws| async move {
            sleep(seconds * SECOND).await;
            drop(ws);
        })
    };
    let mut client = scripted([open_for(9), open_for(11), open_for(1)]);
    let mut attempts = Vec::new();
    while attempts.len() < 4 {
        if let Event::Scheduled { attempt, .. } = client.next().await.unwrap().unwrap() {
            attempts.push(attempt);
        }
    }
    assert_eq!(attempts, [1, 2, 1, 2]);
}
