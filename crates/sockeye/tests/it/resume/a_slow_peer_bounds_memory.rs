use std::time::Duration;

use sockeye::MemoryBudget;
use sockeye::resume::{Limits, ResumableStream, ResumeError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::proxy::Proxy;
use super::{client, pair, pattern, serve, session_error};

const KIB: usize = 1024;

#[tokio::test]
async fn a_peer_that_does_not_read_makes_the_writer_wait() {
    let budget = MemoryBudget::new(64 << 20);
    let limits = Limits::new().buffer(64 * 1024).window(64 * 1024);
    let mut serving = {
        let budget = budget.clone();
        serve(|sessions| sessions.limits(limits).memory_budget(budget)).await
    };
    let proxy = Proxy::start(serving.address).await;
    let connecting = ResumableStream::connect_with(client(proxy.address), limits);
    let mut client = connecting.await.unwrap();
    let mut server = serving.listener.accept().await.unwrap();
    let bytes = pattern(1 << 20);
    let sent = bytes.clone();
    let mut writing = tokio::spawn(async move {
        server.write_all(&sent).await.unwrap();
        server.shutdown().await.unwrap();
        server.acknowledged().await.unwrap();
    });
    // Cuts do not make the buffers grow: what was sent again replaces what was lost.
    for ended in 1..=3 {
        assert!(timeout(Duration::from_millis(50), &mut writing).await.is_err());
        assert!(budget.held() <= 2 * 64 * KIB, "{}", budget.held());
        proxy.cut();
        proxy.ended(ended).await;
    }
    let mut received = Vec::new();
    client.read_to_end(&mut received).await.unwrap();
    assert!(received == bytes);
    client.shutdown().await.unwrap();
    writing.await.unwrap();
    assert_eq!(budget.held(), 0);
}

#[tokio::test]
async fn the_session_that_holds_the_most_ends_when_the_budget_is_used_up() {
    let budget = MemoryBudget::new(1000 * KIB);
    let mut serving = {
        let budget = budget.clone();
        serve(|sessions| sessions.memory_budget(budget)).await
    };
    let address = serving.address;
    let [mut small_client, mut small] = pair(&mut serving, address).await;
    let [mut large_client, mut large] = pair(&mut serving, address).await;
    small.write_all(&vec![1; 10 * KIB]).await.unwrap();
    let error = large.write_all(&vec![2; 4000 * KIB]).await.unwrap_err();
    assert_eq!(session_error(&error), ResumeError::OverBudget);
    let error = large_client.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(session_error(&error), ResumeError::OverBudget);
    small_client.read_exact(&mut vec![0; 10 * KIB]).await.unwrap();
    assert!(budget.held() < 1000 * KIB && budget.closed() == 1);
}
