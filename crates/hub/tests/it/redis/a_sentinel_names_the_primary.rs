use std::sync::Arc;
use std::time::Duration;

use sockeye_hub::bus::redis::{ConnectError, Redis};
use sockeye_hub::bus::{Bus, BusEvent};
use sockeye_hub::core::Publication;
use sockeye_hub::core::history::{GapReason, Limit, Range};
use sockeye_hub::{Hub, JoinOptions, Recovered};

use crate::broker::observer::{Observer, RETENTION, room};
use crate::broker::presence::{members, nobody_leaves, nodes, publications_arrive};
use crate::redis::sentinel::Watched;
use crate::support::{connect, hub, line};

#[tokio::test]
async fn and_a_failover_by_command_is_followed() {
    let Some(watched) = Watched::start().await else { return };
    let mut node = Observer::new(Redis::connect(&watched.url()).await.unwrap(), 1, 1_000);
    let room = room("log");
    node.bus.subscribe(&room, Some(&RETENTION)).await.unwrap();
    let before = node.store(&room, "before").await;
    watched.until_replicated().await;
    watched.fail_over().await;
    node.until(|event| matches!(event, BusEvent::Down)).await;
    node.until(|event| matches!(event, BusEvent::Up)).await;
    // The sentinel lets the former primary take writes for some seconds more.
    let former = watched.servers[0].command::<String>("INFO replication").await;
    assert!(former.contains("role:master"), "{former}");
    let after = node.store(&room, "after").await;
    assert_eq!((after.epoch, after.offset), (before.epoch, 2));
    node.until(|event| matches!(event, BusEvent::Stored { .. })).await;
    let page = node.read(&room, Range::forwards(Limit::NONE).at(before.offset)).await;
    assert_eq!(page.after(&before).unwrap().len(), 1);
    assert_eq!(watched.servers[1].command::<i64>("XLEN sockeye:s:log").await, 2);
}

#[tokio::test]
#[ignore = "slow: ci/redis-faults.sh"]
async fn and_when_it_is_killed_nobody_leaves_and_publications_arrive_again() {
    let Some(mut watched) = Watched::start().await else { return };
    let mut links = Vec::new();
    for _ in 0..2 {
        links.push(Redis::connect(&watched.url()).await.unwrap());
    }
    let nodes = nodes(links);
    let mut members = members(&nodes).await;
    publications_arrive(&nodes, &mut members, "before").await;
    watched.until_replicated().await;
    watched.servers[0].kill().await;
    watched.until_replica_is_primary().await;
    // Longer than a lease after the last node has returned.
    nobody_leaves(&nodes, Duration::from_secs(10)).await;
    publications_arrive(&nodes, &mut members, "after").await;
}

/// A replica that stands still acknowledges nothing, and the primary does not wait for it.
#[tokio::test]
#[ignore = "slow: ci/redis-faults.sh"]
async fn and_what_its_replica_had_not_received_is_told_as_a_gap() {
    const SIZE: usize = 1 << 20;

    let Some(mut watched) = Watched::start().await else { return };
    let node: Hub = hub().bus(Redis::connect(&watched.url()).await.unwrap()).build();
    let (mut client, session) = connect(&node).await;
    session.join("log").await.unwrap();
    assert_eq!(line(&mut client).await, "log joined 0");
    let saved = node.room("log").publish("saved").await.unwrap().unwrap();
    assert_eq!(line(&mut client).await, "log 1 saved");
    watched.until_replicated().await;
    watched.servers[1].signal("STOP");
    // More than the system keeps of a connection: some of them never leave the primary.
    let mut lost = saved;
    for _ in 0..24 {
        lost = node.room("log").publish("x".repeat(SIZE)).await.unwrap().unwrap();
        assert!(line(&mut client).await.ends_with('x'));
    }
    watched.servers[0].kill().await;
    watched.servers[1].signal("CONT");
    watched.until_replica_is_primary().await;
    assert_eq!(line(&mut client).await, "log missed None Gap(RolledBack)");
    let (_client, session) = connect(&node).await;
    let joined = session.join_with("log", JoinOptions::new().from(lost)).await.unwrap();
    // The node has replaced the epoch.
    assert_eq!(joined.recovery, Recovered::Gap(GapReason::Epoch));
}

#[tokio::test]
async fn and_an_unknown_service_is_an_error() {
    let Some(watched) = Watched::start().await else { return };
    let url = watched.url().replace("/hub", "/other");
    let error = Redis::connect(&url).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, ConnectError::Server { .. }), "{error:?}");
    assert!(text.contains("other") && text.contains(&watched.sentinel.port.to_string()), "{text}");
    // A sentinel is no server of histories.
    let url = format!("redis://127.0.0.1:{}", watched.sentinel.port);
    let error = Redis::connect(&url).await.unwrap_err();
    assert!(matches!(&error, ConnectError::Mode { mode } if mode == "sentinel"), "{error:?}");
    assert!(error.to_string().contains("redis+sentinel://"), "{error}");
}

#[tokio::test]
async fn and_without_a_sentinel_the_link_stays() {
    let Some(mut watched) = Watched::start().await else { return };
    let mut node = Observer::new(Redis::connect(&watched.url()).await.unwrap(), 1, 1_000);
    let room = room("log");
    node.store(&room, "before").await;
    watched.sentinel.kill().await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let publication = Arc::new(Publication::new("on"));
        node.bus.publish(&room, publication, Some(&RETENTION)).await.unwrap();
    }
    assert!(!matches!(node.events.try_recv(), Some(BusEvent::Down)));
}
