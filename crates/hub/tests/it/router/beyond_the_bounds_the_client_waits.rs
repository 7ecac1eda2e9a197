use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sockeye_hub::router::{Router, State, Text};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::router::connection::{Connected, connect};

#[derive(Clone)]
struct Work {
    begun: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

async fn wait(State(work): State<Work>, _: Text) {
    work.begun.fetch_add(1, Ordering::SeqCst);
    work.gate.acquire().await.unwrap().forget();
}

/// Returns the state, and a router of endpoints that wait.
fn router() -> (Work, Router<Work>) {
    let work = Work { begun: Arc::default(), gate: Arc::new(Semaphore::new(0)) };
    let router = Router::new(work.clone()).on("wait", wait).on("now", async || ());
    (work, router)
}

/// Sends commands with contents of these lengths, each with an id of its own; returns how many
/// begin.
async fn begun(work: &Work, connected: &mut Connected, lengths: &[usize]) -> usize {
    for (id, length) in lengths.iter().enumerate() {
        let content = "x".repeat(length - 2);
        connected.send(format!(r#"{{"id":{id},"cmd":"wait","data":"{content}"}}"#)).await;
    }
    // Paused, time goes on only when nothing else does.
    sleep(Duration::from_millis(1)).await;
    work.begun.load(Ordering::SeqCst)
}

/// Ends commands one by one; returns the number that has begun after each.
async fn ends(work: &Work, connected: &mut Connected, count: usize) -> Vec<usize> {
    let mut begun = Vec::new();
    for _ in 0..count {
        work.gate.add_permits(1);
        connected.recv().await;
        sleep(Duration::from_millis(1)).await;
        begun.push(work.begun.load(Ordering::SeqCst));
    }
    begun
}

#[tokio::test(start_paused = true)]
async fn for_a_command_to_end() {
    let (work, router) = router();
    let mut connected = connect(&router.max_commands(3)).await;
    assert_eq!(begun(&work, &mut connected, &[2; 6]).await, 3);
    assert_eq!(ends(&work, &mut connected, 6).await, [4, 5, 6, 6, 6, 6]);
}

#[tokio::test(start_paused = true)]
async fn also_when_the_commands_have_no_id() {
    let (work, router) = router();
    let mut connected = connect(&router.max_commands(3)).await;
    for _ in 0..6 {
        connected.send(r#"{"cmd":"wait"}"#).await;
    }
    connected.send(r#"{"id":1,"cmd":"now"}"#).await;
    for ended in 0..3 {
        sleep(Duration::from_millis(1)).await;
        assert_eq!(work.begun.load(Ordering::SeqCst), ended + 1);
        work.gate.add_permits(1);
    }
    // One runs and two wait: the command with an id cannot be read before one more ends.
    sleep(Duration::from_millis(1)).await;
    assert_eq!(work.begun.load(Ordering::SeqCst), 4);
    work.gate.add_permits(1);
    assert_eq!(connected.recv().await, r#"{"id":1,"data":null}"#);
}

#[tokio::test(start_paused = true)]
async fn with_32_commands_by_default() {
    let (work, router) = router();
    let mut connected = connect(&router).await;
    assert_eq!(begun(&work, &mut connected, &[2; 40]).await, 32);
}

#[tokio::test(start_paused = true)]
async fn for_bytes_and_a_longer_command_is_served_alone() {
    let (work, router) = router();
    let mut connected = connect(&router.max_command_bytes(10)).await;
    assert_eq!(begun(&work, &mut connected, &[4, 5, 20, 3, 7]).await, 2);
    assert_eq!(ends(&work, &mut connected, 5).await, [2, 3, 5, 5, 5]);
}

#[tokio::test(start_paused = true)]
async fn at_least_one_command_is_served() {
    let (work, router) = router();
    let mut connected = connect(&router.max_commands(0).max_command_bytes(0)).await;
    assert_eq!(begun(&work, &mut connected, &[2; 3]).await, 1);
    assert_eq!(ends(&work, &mut connected, 3).await, [2, 3, 3]);
}

#[tokio::test(start_paused = true)]
async fn and_cancellations_before_that_command_are_read() {
    let (work, router) = router();
    let mut connected = connect(&router.max_commands(2)).await;
    assert_eq!(begun(&work, &mut connected, &[2; 2]).await, 2);
    let cancelled = r#"{"id":1,"error":{"code":499,"message":"cancelled"}}"#;
    connected.expect(r#"{"cancel":1}"#, cancelled).await;
    connected.expect(r#"{"id":1,"cmd":"now"}"#, r#"{"id":1,"data":null}"#).await;
}
