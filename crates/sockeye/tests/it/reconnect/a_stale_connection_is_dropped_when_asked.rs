use std::future::pending;
use std::time::Duration;

use sockeye::reconnect::Event;
use tokio::time::Instant;

use super::script::{Step, next, scripted, serve};

fn silent() -> Step {
    serve(|mut ws| async move {
        ws.send("hello").await.unwrap();
        pending::<()>().await;
    })
}

#[tokio::test(start_paused = true)]
async fn a_stale_connection_is_dropped_and_another_made_at_once() {
    let mut client = scripted([silent(), silent()]);
    for expected in ["scheduled 1", "connected", "message: hello"] {
        assert_eq!(next(&mut client).await, expected);
    }
    let start = Instant::now();
    client.reconnect();
    assert_eq!(next(&mut client).await, "lost: the connection ended without a closing handshake");
    for expected in ["scheduled 2", "connected", "message: hello"] {
        assert_eq!(next(&mut client).await, expected);
    }
    // Time is paused and advances only when all tasks wait.
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_cut_short_and_its_attempt_made() {
    let mut client = scripted([Step::Refuse, silent()]);
    while !matches!(client.next().await.unwrap(), Some(Event::Scheduled { attempt: 2, .. })) {}
    let start = Instant::now();
    client.reconnect();
    for expected in ["scheduled 2", "connected"] {
        assert_eq!(next(&mut client).await, expected);
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn after_the_end_nothing_is_made_again() {
    let mut client = scripted([silent()]);
    client.close(sockeye::CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    client.reconnect();
    assert_eq!(next(&mut client).await, "over");
}
