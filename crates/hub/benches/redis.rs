//! Publications per second through the bus over Redis, into histories:
//!
//!     cargo bench -p sockeye-hub --features redis --bench redis -- redis://127.0.0.1:6379
//!
//! Each of 512 publishers waits for its acknowledgement, as one connection of `redis-benchmark -P
//! 512` does. The keys begin with
//! `bench:`.

#![allow(clippy::unwrap_used, reason = "a failure ends the benchmark")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use sockeye_hub::bus::redis::{Redis, RedisOptions};
use sockeye_hub::bus::{Bus, events};
use sockeye_hub::core::history::Retention;
use sockeye_hub::core::{NodeId, Publication, RoomName};

const PUBLISHERS: usize = 512;
const ROOMS: usize = 100;
const TIME: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let Some(url) = std::env::args().find(|argument| argument.contains("://")) else {
        println!("no URL of a Redis server: nothing is measured");
        return;
    };
    let options = RedisOptions::new().prefix("bench:");
    let bus = Arc::new(Redis::connect_with(&url, options).await.unwrap());
    let (sender, _receiver) = events(1);
    bus.attach(NodeId(1), sender);
    let retention = Retention { count: 100, ..Retention::default() };
    let end = Instant::now() + TIME;
    let mut publishing = tokio::task::JoinSet::new();
    for number in 0..PUBLISHERS {
        let bus = bus.clone();
        publishing.spawn(async move {
            let room = RoomName::new(&format!("room:{}", number % ROOMS)).unwrap();
            let publication = Arc::new(Publication::new("x".repeat(128)));
            let mut count = 0_u32;
            while Instant::now() < end {
                bus.publish(&room, publication.clone(), Some(&retention)).await.unwrap();
                count += 1;
            }
            count
        });
    }
    let mut count = 0;
    while let Some(published) = publishing.join_next().await {
        count += published.unwrap();
    }
    println!("{:.0} publications of 128 bytes a second", f64::from(count) / TIME.as_secs_f64());
}
