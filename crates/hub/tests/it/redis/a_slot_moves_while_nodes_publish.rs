use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use sockeye_hub::bus::redis::Redis;
use sockeye_hub::bus::{Bus, BusEvent};
use sockeye_hub::core::history::{Limit, Range};
use sockeye_hub::{Hub, JoinOptions, Recovered};

use crate::broker::observer::{Observer, RETENTION, room};
use crate::broker::one_order::{PUBLISHERS, receive_everything_once, recovers_everything};
use crate::redis::cluster::{Cluster, until};
use crate::support::{connect, hub};

/// No server counts as failed because the machine is loaded.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Moves the slot of the room from server to server until told otherwise.
async fn disturb(cluster: Arc<Cluster>, over: Arc<AtomicBool>, moves: Arc<AtomicUsize>) {
    let (slot, mut from) = (cluster.slot_of("log").await, cluster.primary_of("log").await);
    while !over.load(Ordering::Relaxed) {
        let to = (from + 1) % 3;
        cluster.move_slot(slot, from, to).await;
        from = to;
        moves.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(2_500)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_members_receive_everything_once_in_one_order() {
    let Some(cluster) = Cluster::start(0, TIMEOUT).await else { return };
    let cluster = Arc::new(cluster);
    let mut nodes: Vec<Hub> = Vec::new();
    for _ in 0..PUBLISHERS {
        nodes.push(hub().bus(Redis::connect(&cluster.url()).await.unwrap()).build());
    }
    let moves = Arc::<AtomicUsize>::default();
    let disturb = |over| tokio::spawn(disturb(cluster.clone(), over, moves.clone()));
    let (start, texts) = receive_everything_once(&nodes, 0, disturb).await;
    assert!(moves.load(Ordering::Relaxed) >= 2, "the slot has moved");
    // A client that missed all of it.
    let (mut client, session) = connect(&nodes[1]).await;
    let joined = session.join_with("log", JoinOptions::new().from(start)).await.unwrap();
    assert_eq!(joined.recovery, Recovered::All);
    recovers_everything(&mut client, 0, &texts).await;
}

/// The keys of a room may be moved long before those of the other rooms in its slot.
#[tokio::test]
async fn and_a_room_is_read_before_its_slot_has_moved() {
    // The last server has no slots yet.
    let Some(cluster) = Cluster::start(1, TIMEOUT).await else { return };
    let node = Observer::new(Redis::connect(&cluster.url()).await.unwrap(), 1, 1_000);
    let room = room("log");
    let mut position = node.store(&room, "before").await;
    let (slot, mut from) = (cluster.slot_of("log").await, cluster.primary_of("log").await);
    for to in [(from + 1) % 3, 3] {
        cluster.move_keys(slot, from, to).await;
        let top = async || node.bus.top(&room, &RETENTION).await.unwrap();
        assert_eq!(top().await, position);
        // The server that imports the slot may lose its scripts.
        cluster.servers[to].command::<String>("SCRIPT FLUSH").await;
        assert_eq!(top().await, position);
        let page = node.read(&room, Range::forwards(Limit::NONE)).await;
        assert_eq!(page.entries.last().unwrap().position(page.top.epoch), position);
        // A node that joins.
        let other = Observer::new(Redis::connect(&cluster.url()).await.unwrap(), 2, 1_000);
        assert_eq!(other.bus.subscribe(&room, Some(&RETENTION)).await.unwrap(), Some(position));
        cluster.end_move(slot, from, to).await;
        position = node.store(&room, "after").await;
        from = to;
    }
}

/// A server that moves the slot by which a node checks it is still of use.
#[tokio::test]
async fn and_the_link_stays_while_the_slot_of_its_checks_moves() {
    let Some(cluster) = Cluster::start(0, TIMEOUT).await else { return };
    let mut node = Observer::new(Redis::connect(&cluster.url()).await.unwrap(), 1, 1_000);
    node.store(&room("log"), "before").await;
    // The slot of the first partition that the first server has.
    let mut slots = Vec::new();
    for partition in 0..256 {
        let slot = format!("CLUSTER KEYSLOT {{p{partition}}}");
        slots.push(cluster.servers[1].command::<u16>(&slot).await);
    }
    let slot = slots.into_iter().find(|slot| *slot < 16_384 / 3).unwrap();
    cluster.move_keys(slot, 0, 1).await;
    let other = Observer::new(Redis::connect(&cluster.url()).await.unwrap(), 2, 1_000);
    other.store(&room("log"), "while it moves").await;
    // Longer than the interval of the checks.
    let down = node.until(|event| matches!(event, BusEvent::Down));
    assert!(tokio::time::timeout(Duration::from_secs(3), down).await.is_err());
    cluster.end_move(slot, 0, 1).await;
    node.until(|event| matches!(event, BusEvent::Up)).await;
}

#[tokio::test]
async fn and_a_node_that_only_listens_follows_it() {
    let Some(cluster) = Cluster::start(0, TIMEOUT).await else { return };
    let publisher = Observer::new(Redis::connect(&cluster.url()).await.unwrap(), 1, 1_000);
    let mut listener = Observer::new(Redis::connect(&cluster.url()).await.unwrap(), 2, 1_000);
    let room = room("log");
    publisher.store(&room, "before").await;
    listener.bus.subscribe(&room, None).await.unwrap();
    let (slot, from) = (cluster.slot_of("log").await, cluster.primary_of("log").await);
    cluster.move_slot(slot, from, (from + 1) % 3).await;
    // The server that loses the slot ends the subscription. The connections are replaced.
    listener.until(|event| matches!(event, BusEvent::Down)).await;
    listener.until(|event| matches!(event, BusEvent::Up)).await;
    publisher.store(&room, "after").await;
    listener.until(|event| matches!(event, BusEvent::Stored { .. })).await;
    // It is subscribed at the new server only, and at none once it has unsubscribed.
    let channels = |server: usize| {
        let cluster = &cluster;
        async move {
            let channels = cluster.servers[server].command::<Vec<String>>("PUBSUB SHARDCHANNELS");
            channels.await.iter().filter(|channel| channel.ends_with("r:log")).count()
        }
    };
    assert_eq!(channels((from + 1) % 3).await, 1);
    assert_eq!(channels(from).await, 0);
    listener.bus.unsubscribe(&room).await.unwrap();
    until(|| async { channels((from + 1) % 3).await == 0 }).await;
}
