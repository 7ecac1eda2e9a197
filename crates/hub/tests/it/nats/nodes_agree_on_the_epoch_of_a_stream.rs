use std::sync::Arc;
use std::time::Duration;

use sockeye_hub::bus::Bus;
use sockeye_hub::core::history::Retention;
use sockeye_hub::core::{Epoch, Publication};

use crate::broker::observer::{Observer, RETENTION, room};
use crate::nats::server::{self, Server};

with_each_server!(which_the_first_has_stored, which_outlives_the_bounds_of_the_stream);

/// The stream of [`RETENTION`], and the subject of its epoch.
const STREAM: &str = "hub_10000-600000ms";
const EPOCH: &str = "hub.in.10000-600000ms.stream.epoch";

async fn which_the_first_has_stored(server: Server) {
    let first = Observer::new(server.link().await, 1, 1_000);
    let room = room("log");
    let before = first.bus.top(&room, &RETENTION).await.unwrap();
    // Another time than the one that a server tells: the stream has an epoch that was stored when
    // its servers told that time.
    let reply = server.request(&format!("$JS.API.STREAM.PURGE.{STREAM}"), "").await;
    assert!(reply.contains("\"success\":true"), "{reply}");
    let reply = server.request(EPOCH, "\u{3}\0\0\0\0\0\0\0\u{7}").await;
    assert!(reply.contains("\"seq\""), "{reply}");
    let second = Observer::new(server.link().await, 2, 1_000);
    for node in [&second, &first] {
        let top = node.bus.top(&room, &RETENTION).await.unwrap();
        assert_eq!(top.epoch, Epoch(7));
        assert_ne!(top.epoch, before.epoch);
    }
    // A stream that is made again has an epoch of its own.
    server.request(&format!("$JS.API.STREAM.DELETE.{STREAM}"), "").await;
    let after = second.bus.top(&room, &RETENTION).await.unwrap();
    assert_ne!(after.epoch, Epoch(7));
    assert_ne!(after.epoch, before.epoch);
    assert_eq!(first.bus.top(&room, &RETENTION).await.unwrap().epoch, after.epoch);
}

async fn which_outlives_the_bounds_of_the_stream(server: Server) {
    let options = server::options().max_bytes(Some(64 << 10));
    let node = Observer::new(server.link_with(options.clone()).await, 1, 1_000);
    let room = room("log");
    let start = node.bus.top(&room, &RETENTION).await.unwrap();
    for _ in 0..3 {
        // Twice what the stream holds.
        for _ in 0..128 {
            let publication = Arc::new(Publication::new("x".repeat(1_024)));
            node.bus.publish(&room, publication, Some(&RETENTION)).await.unwrap();
        }
        let top = node.bus.top(&room, &RETENTION).await.unwrap();
        assert_eq!(top.epoch, start.epoch);
        let last = format!("{{\"last_by_subj\":\"{EPOCH}\"}}");
        let reply = server.request(&format!("$JS.API.STREAM.MSG.GET.{STREAM}"), &last).await;
        assert!(reply.contains("\"data\""), "the epoch was stored again: {reply}");
    }
    let other = Observer::new(server.link_with(options).await, 2, 1_000);
    assert_eq!(other.bus.top(&room, &RETENTION).await.unwrap().epoch, start.epoch);
    // Of another retention is another stream.
    let shorter = Retention { age: Duration::from_secs(60), ..RETENTION };
    assert_ne!(other.bus.top(&room, &shorter).await.unwrap().epoch, start.epoch);
}
