//! Connections that the broker ends, and a broker that stands still, while publishers and members
//! on three nodes go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sockeye_hub::bus::redis::Redis;
use sockeye_hub::{Hub, JoinOptions, Recovered};

use crate::broker::one_order::{PUBLISHERS, receive_everything_once, recovers_everything};
use crate::redis::cluster::Cluster;
use crate::redis::server::Server;
use crate::support::{connect, hub};

/// Ends connections and stops the broker until told otherwise.
async fn disturb(server: Arc<Server>, over: Arc<AtomicBool>) {
    let mut round = 0;
    while !over.load(Ordering::Relaxed) {
        // A node waits longer and longer for the next link, as no link lasts.
        tokio::time::sleep(Duration::from_secs(1)).await;
        round += 1;
        if round % 5 == 0 {
            server.signal("STOP");
            tokio::time::sleep(Duration::from_secs(4)).await;
            server.signal("CONT");
        }
        server.end_connections().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_in_the_same_order() {
    let Some(server) = Server::start().await else { return };
    let server = Arc::new(server);
    let mut nodes: Vec<Hub> = Vec::new();
    for _ in 0..PUBLISHERS {
        nodes.push(hub().bus(server.link().await).build());
    }
    let disturb = |over| tokio::spawn(disturb(server.clone(), over));
    let (start, texts) = receive_everything_once(&nodes, 0, disturb).await;
    // A client that missed all of it.
    let (mut client, session) = connect(&nodes[1]).await;
    let joined = session.join_with("log", JoinOptions::new().from(start)).await.unwrap();
    assert_eq!(joined.recovery, Recovered::All);
    recovers_everything(&mut client, 0, &texts).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: ci/redis-faults.sh"]
async fn and_in_a_cluster() {
    let Some(cluster) = Cluster::start(0, Duration::from_secs(15)).await else { return };
    let cluster = Arc::new(cluster);
    let mut nodes: Vec<Hub> = Vec::new();
    for _ in 0..PUBLISHERS {
        nodes.push(hub().bus(Redis::connect(&cluster.url()).await.unwrap()).build());
    }
    let disturb = |over: Arc<AtomicBool>| {
        tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_secs(2)).await;
                cluster.end_connections().await;
            }
        })
    };
    receive_everything_once(&nodes, 0, disturb).await;
}
