use std::time::Duration;

use sockeye::CloseCode;
use sockeye::reconnect::Backoff;

use super::script::{Step, next, next_delay, scripted, serve};

const SECOND: Duration = Duration::from_secs(1);

async fn delay_after(step: Step) -> Duration {
    let mut client = scripted([step]);
    assert_eq!(next(&mut client).await, "scheduled 1");
    next_delay(&mut client).await
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_the_least_wait_and_cut_to_the_cap() {
    for (answer, least) in [
        ("HTTP/1.1 503 x\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", 7),
        ("HTTP/1.1 429 x\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n", 30),
        ("HTTP/1.1 503 x\r\nRetry-After: 99999999999999999999\r\nContent-Length: 0\r\n\r\n", 30),
        ("HTTP/1.1 503 x\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n", 0),
        ("HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n", 0),
    ] {
        let delay = delay_after(Step::Answer(answer)).await;
        assert!((least * SECOND..=(least + 1) * SECOND).contains(&delay), "{answer}: {delay:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_restarts_or_is_overloaded_is_left_alone_for_a_while() {
    for (code, reason, least) in [
        (CloseCode::SERVICE_RESTART, "", 5),
        (CloseCode::TRY_AGAIN_LATER, "", 5),
        (CloseCode::GOING_AWAY, "", 0),
        (CloseCode::GOING_AWAY, "retry after 8.0 s", 8),
        (CloseCode::SERVICE_RESTART, "retry after 2.0 s", 2),
        (CloseCode::SERVICE_RESTART, "retry after 9999.0 s", 30),
        (CloseCode::SERVICE_RESTART, "retry after inf s", 5),
    ] {
        let closing = serve(move |mut ws| async move { ws.close(code, reason).await.unwrap() });
        let delay = delay_after(closing).await;
        assert!((least * SECOND..=(least + 1) * SECOND).contains(&delay), "{code}: {delay:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_cap_is_the_programs() {
    let answer = "HTTP/1.1 503 x\r\nRetry-After: 100\r\nContent-Length: 0\r\n\r\n";
    let backoff = Backoff::new().base(Duration::ZERO).cap(60 * SECOND);
    let mut client = scripted([Step::Answer(answer)]).backoff(backoff);
    assert_eq!(next(&mut client).await, "scheduled 1");
    assert_eq!(next_delay(&mut client).await, 60 * SECOND);
}
