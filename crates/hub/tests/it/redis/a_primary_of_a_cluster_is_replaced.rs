//! A primary is killed, or hands over to its replica.

use std::time::Duration;

use sockeye_hub::bus::redis::Redis;
use sockeye_hub::{Hub, JoinOptions, Recovered};

use crate::broker::presence::{members, nobody_leaves, nodes, publications_arrive};
use crate::redis::cluster::{Cluster, until};
use crate::support::{connect, hub, line};

#[tokio::test]
#[ignore = "slow: ci/redis-faults.sh"]
async fn when_it_is_killed_nobody_leaves_and_publications_arrive_again() {
    let Some(mut cluster) = Cluster::start(1, Duration::from_secs(2)).await else { return };
    let mut links = Vec::new();
    for _ in 0..2 {
        links.push(Redis::connect(&cluster.url()).await.unwrap());
    }
    let nodes = nodes(links);
    let mut members = members(&nodes).await;
    publications_arrive(&nodes, &mut members, "before").await;
    let primary = cluster.primary_of("log").await;
    cluster.replicate(3, primary).await;
    cluster.servers[primary].kill().await;
    let replica = &cluster.servers[3];
    let failover = until(|| async {
        let info = replica.command::<String>("INFO replication").await;
        info.contains("role:master")
    });
    failover.await;
    // Longer than a lease after the last node has returned.
    nobody_leaves(&nodes, Duration::from_secs(10)).await;
    publications_arrive(&nodes, &mut members, "after").await;
}

#[tokio::test]
async fn when_it_hands_over_nothing_is_missed() {
    let Some(cluster) = Cluster::start(1, Duration::from_secs(15)).await else { return };
    let node: Hub = hub().bus(Redis::connect(&cluster.url()).await.unwrap()).build();
    let (mut client, session) = connect(&node).await;
    session.join("log").await.unwrap();
    assert_eq!(line(&mut client).await, "log joined 0");
    let start = node.room("log").publish("1").await.unwrap().unwrap();
    cluster.replicate(3, cluster.primary_of("log").await).await;
    cluster.servers[3].command::<String>("CLUSTER FAILOVER").await;
    until(|| async {
        let info = cluster.servers[3].command::<String>("INFO replication").await;
        info.contains("role:master")
    })
    .await;
    for number in 2..=5 {
        let position = node.room("log").publish(number.to_string()).await.unwrap().unwrap();
        assert_eq!((position.epoch, position.offset), (start.epoch, number));
    }
    for number in 1..=5 {
        assert_eq!(line(&mut client).await, format!("log {number} {number}"));
    }
    let (_client, session) = connect(&node).await;
    let joined = session.join_with("log", JoinOptions::new().from(start)).await.unwrap();
    assert_eq!(joined.recovery, Recovered::All);
}
