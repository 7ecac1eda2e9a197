use std::sync::Arc;

use sockeye_hub::bus::Bus;
use sockeye_hub::bus::redis::Redis;
use sockeye_hub::core::history::{Limit, Range};
use sockeye_hub::core::{Publication, PublicationId};

use crate::observer::{Observer, RETENTION, room};
use crate::proxy::Proxy;
use crate::server::Server;

#[tokio::test]
async fn with_and_without_an_id() {
    let Some(server) = Server::start().await else { return };
    let proxy = Proxy::before(server.port).await;
    let bus = Redis::connect(&format!("redis://127.0.0.1:{}", proxy.port)).await.unwrap();
    let node = Observer::new(bus, 1, 1_000);
    let room = room("orders");
    node.store(&room, "before").await;
    let with_id = Publication { id: Some(PublicationId::new("7")), ..Publication::new("with id") };
    let mut positions = Vec::new();
    for (lost, publication) in [(1, with_id.clone()), (2, Publication::new("without id"))] {
        proxy.lose_next_reply();
        let published = node.bus.publish(&room, Arc::new(publication), Some(&RETENTION)).await;
        positions.push(published.unwrap().unwrap());
        assert_eq!(proxy.lost(), lost, "the reply was lost");
    }
    let again = node.bus.publish(&room, Arc::new(with_id), Some(&RETENTION)).await.unwrap();
    assert_eq!(again, Some(positions[0]), "an id is known after the publication of others");
    let page = node.read(&room, Range::forwards(Limit::NONE)).await;
    let texts: Vec<_> =
        page.entries.iter().map(|entry| entry.publication.message.to_string()).collect();
    assert_eq!(texts, ["before", "with id", "without id"]);
    let found: Vec<_> =
        page.entries[1..].iter().map(|entry| entry.position(page.top.epoch)).collect();
    assert_eq!(found, positions);
}
