use std::sync::Arc;

use sockeye_hub::bus::nats::Nats;
use sockeye_hub::bus::{Bus, BusError};
use sockeye_hub::core::history::{Limit, Range};
use sockeye_hub::core::{Publication, PublicationId};

use crate::broker::observer::{Observer, RETENTION, room};
use crate::nats::proxy::Proxy;
use crate::nats::server::Server;

with_each_server!(with_an_id_and_without);

async fn with_an_id_and_without(server: Server) {
    let proxy = Proxy::before(server.port).await;
    let node = Observer::new(Nats::connect(&proxy.url()).await.unwrap(), 1, 1_000);
    let room = room("orders");
    node.store(&room, "before").await;
    let with_id = Publication { id: Some(PublicationId::new("7")), ..Publication::new("with id") };
    proxy.lose_next_acknowledgement();
    let position = node.bus.publish(&room, Arc::new(with_id.clone()), Some(&RETENTION)).await;
    let position = position.unwrap().unwrap();
    assert_eq!(proxy.lost(), 1, "the acknowledgement was lost");
    let again = node.bus.publish(&room, Arc::new(with_id), Some(&RETENTION)).await.unwrap();
    assert_eq!(again, Some(position));

    // Without an id the publisher is told that nothing is known.
    proxy.lose_next_acknowledgement();
    let without_id = Arc::new(Publication::new("without id"));
    let unknown = node.bus.publish(&room, without_id, Some(&RETENTION)).await;
    assert!(matches!(unknown, Err(BusError::Down | BusError::TimedOut)), "{unknown:?}");
    assert_eq!(proxy.lost(), 2);
    let reader = Observer::new(server.link().await, 2, 1_000);
    let page = reader.read(&room, Range::forwards(Limit::NONE)).await;
    let texts: Vec<_> =
        page.entries.iter().map(|entry| entry.publication.message.to_string()).collect();
    assert_eq!(texts, ["before", "with id", "without id"]);
    assert_eq!(page.entries[1].position(page.top.epoch), position);
}
