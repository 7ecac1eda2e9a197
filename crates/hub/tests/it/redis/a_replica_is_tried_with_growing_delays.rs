use std::sync::Arc;
use std::time::Duration;

use sockeye_hub::bus::redis::RedisOptions;
use sockeye_hub::bus::{Bus, BusEvent};
use sockeye_hub::core::Publication;

use crate::broker::observer::{Observer, RETENTION, room};
use crate::redis::server::Server;

#[tokio::test]
async fn and_used_again_when_it_is_a_primary() {
    let Some(server) = Server::start().await else { return };
    let options = RedisOptions::new().timeout(Duration::from_secs(2));
    let mut node = Observer::new(server.link_with(options).await, 1, 10_000);
    let room = room("log");
    node.store(&room, "before").await;
    // Of a primary that does not exist.
    server.command::<String>("REPLICAOF 127.0.0.1 1").await;
    let publication = Arc::new(Publication::new("refused"));
    // Each link is broken by the publication, which is sent again.
    node.bus.publish(&room, publication, Some(&RETENTION)).await.unwrap_err();
    let mut downs = 0;
    while let Some(event) = node.events.try_recv() {
        downs += usize::from(matches!(event, BusEvent::Down));
    }
    // After 50, 100, 200, 400, 800 and 1,600 ms, or the halves.
    assert!((1..=8).contains(&downs), "{downs} times down");
    server.command::<String>("REPLICAOF NO ONE").await;
    loop {
        let publication = Arc::new(Publication::new("after"));
        if node.bus.publish(&room, publication, Some(&RETENTION)).await.is_ok() {
            break;
        }
    }
}
