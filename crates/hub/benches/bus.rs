//! The throughput and the latency of a bus over a broker, of publications of 128 bytes, with and
//! without history:
//!
//! ```text
//! cargo bench -p sockeye-hub --features nats,redis --bench bus -- redis://127.0.0.1:6379
//! cargo bench -p sockeye-hub --features nats,redis --bench bus -- nats://127.0.0.1:4222
//! ```
//!
//! Throughput: each of 512 publishers waits for its acknowledgement, as one connection of
//! `redis-benchmark -P 512` does; without history, until the publication was sent. Latency: from
//! the call of one publisher to its acknowledgement, and to the event of another node. What is
//! stored on the broker begins with `bench`.

#![allow(clippy::unwrap_used, reason = "a failure ends the benchmark")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use sockeye_hub::bus::nats::{ConnectOptions, Nats, NatsOptions};
use sockeye_hub::bus::redis::{Redis, RedisOptions};
use sockeye_hub::bus::{Bus, BusEvent, EventReceiver, events};
use sockeye_hub::core::history::Retention;
use sockeye_hub::core::{NodeId, Publication, RoomName};
use tokio::task::JoinSet;

const PUBLISHERS: usize = 512;
const ROOMS: usize = 100;
const TIME: Duration = Duration::from_secs(5);

/// The number of publications whose latency is measured.
const PUBLICATIONS: usize = 5_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let Some(url) = std::env::args().find(|argument| argument.contains("://")) else {
        println!("no URL of a broker: nothing is measured");
        return;
    };
    let stored = Some(Retention { count: 100, ..Retention::default() });
    for (name, retention) in [("with history", stored), ("without history", None)] {
        let rate = throughput(connect(&url).await, retention).await;
        println!("{name}: {rate:.0} publications a second");
        let [mut acknowledged, mut delivered] = latency(&url, retention).await;
        print("acknowledged", &mut acknowledged);
        print("delivered", &mut delivered);
    }
}

async fn connect(url: &str) -> Arc<dyn Bus> {
    if url.starts_with("redis") {
        let options = RedisOptions::new().prefix("bench:");
        return Arc::new(Redis::connect_with(url, options).await.unwrap());
    }
    let options = NatsOptions::new().prefix("bench");
    Arc::new(Nats::connect_with(url, options, ConnectOptions::new()).await.unwrap())
}

fn publication() -> Arc<Publication> {
    Arc::new(Publication::new("x".repeat(128)))
}

/// Returns the publications a second.
async fn throughput(bus: Arc<dyn Bus>, retention: Option<Retention>) -> f64 {
    let (sender, _receiver) = events(1);
    bus.attach(NodeId(1), sender);
    let end = Instant::now() + TIME;
    let mut publishing = JoinSet::new();
    for number in 0..PUBLISHERS {
        let bus = bus.clone();
        publishing.spawn(async move {
            let room = RoomName::new(&format!("room:{}", number % ROOMS)).unwrap();
            let publication = publication();
            let mut count = 0_u32;
            while Instant::now() < end {
                bus.publish(&room, publication.clone(), retention.as_ref()).await.unwrap();
                count += 1;
                // A publication that is only handed to the client does not wait.
                tokio::task::yield_now().await;
            }
            count
        });
    }
    let mut count = 0;
    while let Some(published) = publishing.join_next().await {
        count += published.unwrap();
    }
    f64::from(count) / TIME.as_secs_f64()
}

/// Returns the times to the acknowledgements, and to the events of another node.
async fn latency(url: &str, retention: Option<Retention>) -> [Vec<Duration>; 2] {
    let (publisher, subscriber) = (connect(url).await, connect(url).await);
    let (sender, _receiver) = events(1);
    publisher.attach(NodeId(1), sender);
    let (sender, mut receiver) = events(1_024);
    subscriber.attach(NodeId(2), sender);
    let room = RoomName::new("latency").unwrap();
    subscriber.subscribe(&room, retention.as_ref()).await.unwrap();
    let publication = publication();
    let [mut acknowledged, mut delivered] = [const { Vec::new() }; 2];
    for _ in 0..PUBLICATIONS {
        let begun = Instant::now();
        let publish = async {
            publisher.publish(&room, publication.clone(), retention.as_ref()).await.unwrap();
            begun.elapsed()
        };
        let deliver = async {
            next_publication(&mut receiver).await;
            begun.elapsed()
        };
        let times = tokio::join!(publish, deliver);
        acknowledged.push(times.0);
        delivered.push(times.1);
    }
    [acknowledged, delivered]
}

async fn next_publication(events: &mut EventReceiver) {
    loop {
        let event = events.recv().await.expect("the bus is in use");
        if matches!(event, BusEvent::Live { .. } | BusEvent::Stored { .. }) {
            return;
        }
    }
}

fn print(name: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |permille: usize| times[times.len() * permille / 1_000].as_micros();
    println!("  {name} after {} us, 99th percentile {} us", at(500), at(990));
}
