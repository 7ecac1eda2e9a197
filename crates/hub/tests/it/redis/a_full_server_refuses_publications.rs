use std::sync::Arc;

use sockeye_hub::bus::{Bus, BusError};
use sockeye_hub::core::history::{Limit, Range};
use sockeye_hub::core::{Publication, PublicationId};

use crate::broker::observer::{Observer, RETENTION, room};
use crate::redis::server::Server;

#[tokio::test]
async fn and_keeps_what_it_has() {
    let Some(server) = Server::start().await else { return };
    let node = Observer::new(server.link().await, 1, 1_000);
    let room = room("log");
    let first = node.store(&room, "first").await;
    let last = node.store(&room, "last").await;
    server.command::<()>("CONFIG SET maxmemory 1").await;
    for id in [None, Some(PublicationId::new("id"))] {
        let publication = Publication { id, ..Publication::new("too much") };
        let published = node.bus.publish(&room, Arc::new(publication), Some(&RETENTION)).await;
        assert!(matches!(published, Err(BusError::Broker(_))), "{published:?}");
    }
    server.command::<()>("CONFIG SET maxmemory 0").await;
    let page = node.read(&room, Range::forwards(Limit::NONE)).await;
    assert_eq!((page.entries.len(), page.top), (2, last));
    assert_eq!(page.after(&first).map(<[_]>::len), Ok(1));
    node.store(&room, "again").await;
    let page = node.read(&room, Range::forwards(Limit::NONE)).await;
    assert_eq!(page.after(&last).map(<[_]>::len), Ok(1));
}
