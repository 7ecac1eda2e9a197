use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use sockeye_hub::bus::nats::{ConnectOptions, Nats};
use sockeye_hub::bus::{Bus, BusEvent};
use sockeye_hub::core::{NodeId, Publication};

use crate::broker::observer::{Observer, room};
use crate::nats::proxy::Proxy;
use crate::nats::server::{Server, options};

const OUTAGES: usize = 10;

with_each_server!(and_the_new_connections_messages_follow_up);

/// Messages that a node receives while its link is down would be taken for all there were, and the
/// check that follows `Up` would come after them.
async fn and_the_new_connections_messages_follow_up(server: Server) {
    let proxy = Proxy::before(server.port).await;
    let link = Nats::connect_with(&proxy.url(), options(), ConnectOptions::new()).await.unwrap();
    let mut node = Observer::new(link, 1, 100_000);
    let room = room("busy");
    node.bus.subscribe(&room, None).await.unwrap();
    let ended = Arc::<AtomicBool>::default();
    let publishing = {
        let publisher = Observer::new(server.link().await, 2, 10);
        let (room, ended) = (room.clone(), ended.clone());
        tokio::spawn(async move {
            while !ended.load(Ordering::Relaxed) {
                let publication = Arc::new(Publication::new("flood"));
                publisher.bus.publish(&room, publication, None).await.unwrap();
                publisher.bus.send(Some(NodeId(1)), Bytes::from_static(b"flood")).await.unwrap();
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
        })
    };
    let (mut is_up, mut outages, mut received) = (true, 0, 0);
    while outages < OUTAGES {
        match node.event().await {
            BusEvent::Down => {
                assert!(is_up, "told once");
                is_up = false;
            }
            BusEvent::Up => {
                assert!(!is_up, "told once");
                is_up = true;
                outages += 1;
                received = 0;
            }
            BusEvent::Live { .. } | BusEvent::Message { .. } => {
                assert!(is_up, "received while the link was down");
                received += 1;
                if received == 50 {
                    proxy.end_connections();
                }
            }
            _ => {}
        }
    }
    ended.store(true, Ordering::Relaxed);
    publishing.await.unwrap();
}
