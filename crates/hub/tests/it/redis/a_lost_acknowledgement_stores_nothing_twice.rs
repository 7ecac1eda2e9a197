use std::sync::Arc;
use std::time::Duration;

use sockeye_hub::bus::Bus;
use sockeye_hub::bus::redis::Redis;
use sockeye_hub::core::history::{Limit, Range};
use sockeye_hub::core::{Publication, PublicationId, RoomName};

use crate::broker::observer::{Observer, RETENTION, room};
use crate::redis::cluster::{Cluster, until};
use crate::redis::proxy::Proxy;
use crate::redis::server::Server;

#[tokio::test]
async fn with_and_without_an_id() {
    let Some(server) = Server::start().await else { return };
    let proxy = Proxy::before(server.port).await;
    let bus = Redis::connect(&format!("redis://127.0.0.1:{}", proxy.port)).await.unwrap();
    let node = Observer::new(bus, 1, 1_000);
    let room = room("orders");
    node.store(&room, "before").await;
    check(&node, &room, &proxy).await;
}

#[tokio::test]
async fn and_in_a_cluster() {
    let Some(cluster) = Cluster::start(0, Duration::from_secs(15)).await else { return };
    let mut proxies = Vec::new();
    for server in &cluster.servers {
        let proxy = Proxy::before(server.port).await;
        let announce = format!("CONFIG SET cluster-announce-port {}", proxy.port);
        server.command::<String>(&announce).await;
        proxies.push(proxy);
    }
    for server in &cluster.servers {
        until(|| async {
            let nodes = server.command::<String>("CLUSTER NODES").await;
            proxies.iter().all(|proxy| nodes.contains(&format!(":{}@", proxy.port)))
        })
        .await;
    }
    let url = format!("redis+cluster://127.0.0.1:{}", cluster.servers[1].port);
    let node = Observer::new(Redis::connect(&url).await.unwrap(), 1, 1_000);
    let room = room("orders");
    node.store(&room, "before").await;
    let primary = cluster.primary_of("orders").await;
    check(&node, &room, &proxies[primary]).await;
}

/// Publishes to a room that has one publication, and loses the acknowledgements.
async fn check(node: &Observer<Redis>, room: &RoomName, proxy: &Proxy) {
    let with_id = Publication { id: Some(PublicationId::new("7")), ..Publication::new("with id") };
    let mut positions = Vec::new();
    for (lost, publication) in [(1, with_id.clone()), (2, Publication::new("without id"))] {
        proxy.lose_next_reply();
        let published = node.bus.publish(room, Arc::new(publication), Some(&RETENTION)).await;
        positions.push(published.unwrap().unwrap());
        assert_eq!(proxy.lost(), lost, "the reply was lost");
    }
    let again = node.bus.publish(room, Arc::new(with_id), Some(&RETENTION)).await.unwrap();
    assert_eq!(again, Some(positions[0]), "an id is known after the publication of others");
    let page = node.read(room, Range::forwards(Limit::NONE)).await;
    let texts: Vec<_> =
        page.entries.iter().map(|entry| entry.publication.message.to_string()).collect();
    assert_eq!(texts, ["before", "with id", "without id"]);
    let found: Vec<_> =
        page.entries[1..].iter().map(|entry| entry.position(page.top.epoch)).collect();
    assert_eq!(found, positions);
}

#[tokio::test]
async fn and_an_id_of_a_lost_history_hides_nothing() {
    let Some(server) = Server::start().await else { return };
    let node = Observer::new(server.link().await, 1, 1_000);
    let room = room("orders");
    node.store(&room, "before").await;
    let id = Some(PublicationId::new("7"));
    let with_id = Arc::new(Publication { id, ..Publication::new("with id") });
    let publish = || node.bus.publish(&room, with_id.clone(), Some(&RETENTION));
    let lost = publish().await.unwrap().unwrap();
    assert_eq!(server.command::<i64>("DEL sockeye:m:orders").await, 1);
    // Another epoch begins.
    node.bus.top(&room, &RETENTION).await.unwrap();
    let stored = publish().await.unwrap().unwrap();
    assert_ne!(stored.epoch, lost.epoch);
    assert_eq!(stored.offset, 1);
    let page = node.read(&room, Range::forwards(Limit::NONE)).await;
    assert_eq!((page.top, page.entries.len()), (stored, 1));
    assert_eq!(publish().await.unwrap(), Some(stored), "the id is known again");
}
