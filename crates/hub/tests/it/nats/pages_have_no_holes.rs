use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sockeye_hub::bus::nats::{ConnectOptions, Nats};
use sockeye_hub::bus::{Bus, Source};
use sockeye_hub::core::Publication;
use sockeye_hub::core::history::{Limit, Range, Retention};

use crate::broker::observer::{Observer, room};
use crate::nats::proxy::Proxy;
use crate::nats::server::{self, NEW, Server};

with_each_server!(while_old_publications_are_removed, of_any_length);

async fn of_any_length(server: Server) {
    const COUNT: usize = 700;
    let node = Observer::new(server.link().await, 1, 10_000);
    let (room, other) = (room("log"), room("5"));
    let mut expected = Vec::new();
    for number in 0..COUNT {
        // Some are too large for many to be in one batch.
        let length = if number % 100 < 4 { 400 << 10 } else { 10 };
        let text = format!("{number} {}", "x".repeat(length));
        expected.push(node.store(&room, &text).await.offset);
        if number % 7 == 0 {
            node.store(&other, "between").await;
        }
    }
    let page = node.read(&room, Range::forwards(Limit::NONE)).await;
    let mut read: Vec<_> = page.entries.iter().map(|entry| entry.offset).collect();
    let mut next = page.next_range();
    while let Some(range) = next {
        let page = node.read(&room, range).await;
        read.extend(page.entries.iter().map(|entry| entry.offset));
        next = page.next_range();
    }
    assert_eq!(read, expected);
    let page = node.read(&room, Range::backwards(Limit::NONE)).await;
    let read: Vec<_> = page.entries.iter().rev().map(|entry| entry.offset).collect();
    assert_eq!((read, page.remaining), (expected.clone(), 0));
    let middle = Range::forwards(Limit { count: 50, bytes: usize::MAX }).at(expected[300]);
    let page = node.read(&room, middle).await;
    assert_eq!((page.entries.len(), page.remaining), (50, 350));
    assert_eq!(page.entries[0].offset, expected[300]);
}

async fn while_old_publications_are_removed(server: Server) {
    let retention = Retention { count: 20, age: Duration::from_secs(600), bytes: 1 << 20 };
    let reader = Observer::new(server.link().await, 1, 10_000);
    let room = room("busy");
    // No other room: each offset is one more than the one before.
    reader.bus.top(&room, &retention).await.unwrap();
    let ended = Arc::<AtomicBool>::default();
    let mut publishing = tokio::task::JoinSet::new();
    for number in 2..6 {
        let publisher = Observer::new(server.link().await, number, 10_000);
        let (room, ended) = (room.clone(), ended.clone());
        publishing.spawn(async move {
            while !ended.load(Ordering::Relaxed) {
                let publication = Arc::new(Publication::new("flood"));
                publisher.bus.publish(&room, publication, Some(&retention)).await.unwrap();
            }
        });
    }
    let mut read = 0;
    for number in 0..200 {
        let range = match number % 2 {
            0 => Range::forwards(Limit::NONE),
            _ => Range::backwards(Limit::NONE),
        };
        let page = reader.bus.read(&room, &retention, range, Source::Any).await.unwrap();
        assert!(page.entries.len() <= retention.count, "{} entries", page.entries.len());
        for pair in page.entries.windows(2) {
            assert_eq!(pair[0].offset.abs_diff(pair[1].offset), 1, "{page:?}");
        }
        read += page.entries.len();
    }
    ended.store(true, Ordering::Relaxed);
    while let Some(published) = publishing.join_next().await {
        published.unwrap();
    }
    assert!(read > 0);
    // When nothing is removed meanwhile, the page is the whole history.
    let all = Range::forwards(Limit::NONE);
    let page = reader.bus.read(&room, &retention, all, Source::Leader).await.unwrap();
    assert_eq!((page.entries.len(), page.remaining), (retention.count, 0));
    assert_eq!(page.entries.last().unwrap().offset, page.top.offset);
}

#[tokio::test]
async fn when_the_first_reply_of_a_batch_is_lost() {
    // An older server sends no batches.
    let Some(server) = Server::start(NEW).await else { return };
    let proxy = Proxy::before(server.port).await;
    let (url, options) = (proxy.url(), server::options());
    let link = Nats::connect_with(&url, options, ConnectOptions::new()).await.unwrap();
    let node = Observer::new(link, 1, 1_000);
    let room = room("log");
    for _ in 0..10 {
        node.store(&room, "kept").await;
    }
    proxy.lose_first_reply();
    let page = node.read(&room, Range::forwards(Limit::NONE)).await;
    assert_eq!((page.entries.len(), page.remaining), (10, 0));
    assert_eq!(proxy.lost(), 1);
}
