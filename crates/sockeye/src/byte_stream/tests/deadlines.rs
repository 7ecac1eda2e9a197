//! Deadlines as points in time, before and after the halves were moved to separate tasks.

use tokio::task::yield_now;
use tokio::time::{Instant, advance, sleep};

use super::*;

fn assert_passed<T: std::fmt::Debug>(result: io::Result<T>) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(matches!(cause(&error), Error::DeadlinePassed), "{error:?}");
}

fn in_seconds(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_read_that_waits_ends_at_its_deadline_and_the_stream_goes_on() {
    let (mut client, mut server) = streams(1000);
    let deadlines = server.deadlines();
    let (mut reads, mut writes) = split(server);
    deadlines.set_read(Some(in_seconds(3)));
    let begun = Instant::now();
    let mut bytes = [0; 10];
    assert_passed(reads.read(&mut bytes).await);
    assert_eq!(begun.elapsed().as_secs(), 3);
    // Not even available bytes are read.
    client.write_all(b"late").await.unwrap();
    client.flush().await.unwrap();
    assert_passed(reads.read(&mut bytes).await);
    // The other direction has a deadline of its own.
    writes.write_all(b"answer").await.unwrap();
    writes.flush().await.unwrap();
    deadlines.set_read(Some(in_seconds(3)));
    assert_eq!(reads.read(&mut bytes).await.unwrap(), 4);
    deadlines.set_read(None);
    assert!(timeout(Duration::from_secs(20), reads.read(&mut bytes)).await.is_err());
    let mut answer = [0; 6];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"answer");
}

#[tokio::test(start_paused = true)]
async fn a_read_that_waits_is_woken_by_a_deadline_in_the_past() {
    let (_client, mut server) = streams(1000);
    let deadlines = server.deadlines();
    let (mut reads, _writes) = split(server);
    let reading = tokio::spawn(async move { reads.read(&mut [0; 10]).await });
    yield_now().await;
    let begun = Instant::now();
    deadlines.clone().set(Some(begun));
    assert_passed(reading.await.unwrap());
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_may_be_moved_while_a_read_waits() {
    let (_client, mut server) = streams(1000);
    let deadlines = server.deadlines();
    deadlines.set_read(Some(in_seconds(3)));
    let begun = Instant::now();
    let reading = tokio::spawn(async move { server.read(&mut [0; 10]).await });
    sleep(Duration::from_secs(2)).await;
    deadlines.set_read(Some(in_seconds(7)));
    sleep(Duration::from_secs(2)).await;
    assert!(!reading.is_finished());
    assert_passed(reading.await.unwrap());
    assert_eq!(begun.elapsed().as_secs(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_waits_ends_at_its_deadline_and_nothing_is_lost() {
    let (mut client, mut server) = streams(100);
    let deadlines = client.deadlines();
    let (mut reads, mut writes) = split(client);
    let reading = tokio::spawn(async move { reads.read(&mut [0; 10]).await });
    yield_now().await;
    deadlines.set_write(Some(in_seconds(3)));
    writes.write_all(&[7; 10_000]).await.unwrap();
    assert_passed(writes.flush().await);
    assert_passed(writes.write(b"more").await);
    assert_passed(writes.shutdown().await);
    deadlines.set_write(Some(in_seconds(3)));
    let receiving = tokio::spawn(async move {
        let mut bytes = Vec::new();
        server.read_to_end(&mut bytes).await.unwrap();
        server.shutdown().await.unwrap();
        bytes
    });
    writes.write_all(b"more").await.unwrap();
    writes.shutdown().await.unwrap();
    assert_eq!(receiving.await.unwrap(), [&[7; 10_000][..], b"more"].concat());
    assert_eq!(reading.await.unwrap().unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_stream_that_moves_on_is_no_hindrance() {
    let (mut client, mut server) = streams(1000);
    server.deadlines().set(Some(in_seconds(3)));
    for _ in 0..100 {
        client.write_all(b"x").await.unwrap();
        client.flush().await.unwrap();
        advance(Duration::from_millis(20)).await;
        assert_eq!(server.read(&mut [0; 10]).await.unwrap(), 1);
    }
}
