use std::error::Error;
use std::sync::Arc;

use sockeye_hub::bus::nats::{ConnectOptions, Nats, NatsError, NatsOptions};
use sockeye_hub::bus::{Bus, BusError, BusEvent};
use sockeye_hub::core::Publication;

use crate::broker::observer::{Observer, RETENTION, room};
use crate::nats::server::{NEW, OLD, Server, options};

fn cause(error: &BusError) -> Option<NatsError> {
    let BusError::Broker(error) = error else { return None };
    let error: &(dyn Error + 'static) = &**error;
    error.downcast_ref().cloned()
}

#[tokio::test]
async fn addresses_prefixes_and_servers_that_are_not_there() {
    let error = Nats::connect("nats://127.0.0.1:port").await.unwrap_err();
    assert_eq!(cause(&error), Some(NatsError::Address { index: 0 }));
    let error = Nats::connect("nats://127.0.0.1:1").await.unwrap_err();
    assert!(matches!(error, BusError::Broker(_)), "{error}");
    let options = NatsOptions::new().prefix("a.b");
    let error = Nats::connect_with("nats://127.0.0.1:1", options, ConnectOptions::new()).await;
    assert_eq!(cause(&error.unwrap_err()), Some(NatsError::Prefix("a.b".into())));
}

#[tokio::test]
async fn without_jetstream_rooms_have_no_history_and_live_rooms_work() {
    for programs in [OLD, NEW] {
        let Some(server) = Server::start_with(programs, &[]).await else { continue };
        let publisher = Observer::new(server.link().await, 1, 100);
        let mut member = Observer::new(server.link().await, 2, 100);
        let error = publisher.bus.check_jetstream().await.unwrap_err();
        assert!(matches!(cause(&error), Some(NatsError::NoJetStream(_))), "{error}");
        let room = room("room");
        let error = publisher.bus.subscribe(&room, Some(&RETENTION)).await.unwrap_err();
        assert!(matches!(cause(&error), Some(NatsError::NoJetStream(_))), "{error}");
        assert_eq!(member.bus.subscribe(&room, None).await.unwrap(), None);
        publisher.bus.publish(&room, Arc::new(Publication::new("live")), None).await.unwrap();
        assert!(matches!(member.event().await, BusEvent::Live { .. }));
    }
}

with_each_server!(a_stream_with_other_properties, and_other_hubs_are_not_heard);

async fn a_stream_with_other_properties(server: Server) {
    let stream = "hub_10000-600000ms";
    let config = format!("{{\"name\":\"{stream}\",\"subjects\":[\"hub.in.10000-600000ms.>\"]}}");
    server.request(&format!("$JS.API.STREAM.CREATE.{stream}"), &config).await;
    let node = Observer::new(server.link().await, 1, 100);
    node.bus.check_jetstream().await.unwrap();
    let error = node.bus.subscribe(&room("room"), Some(&RETENTION)).await.unwrap_err();
    match cause(&error) {
        Some(NatsError::Stream { stream: found, expected }) => {
            assert_eq!(&*found, stream);
            assert!(expected.contains("republish"), "{expected}");
        }
        cause => panic!("{cause:?}"),
    }
}

async fn and_other_hubs_are_not_heard(server: Server) {
    let (live, stored) = (room("live"), room("stored"));
    let mut nodes = Vec::new();
    for (number, prefix) in (1..).zip(["hub", "hub2"]) {
        let bus = server.link_with(options().prefix(prefix)).await;
        let node = Observer::new(bus, number, 100);
        node.bus.subscribe(&live, None).await.unwrap();
        node.bus.subscribe(&stored, Some(&RETENTION)).await.unwrap();
        nodes.push(node);
    }
    nodes[0].bus.publish(&live, Arc::new(Publication::new("other")), None).await.unwrap();
    nodes[0].bus.send(None, "other".into()).await.unwrap();
    nodes[0].store(&stored, "other").await;
    nodes[1].store(&stored, "own").await;
    match nodes[1].event().await {
        BusEvent::Stored { entry, .. } => {
            assert_eq!(entry.publication.message.to_string(), "own");
        }
        event => panic!("{event:?}"),
    }
}
