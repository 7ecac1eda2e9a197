//! Three servers keep the histories: one may be killed.

use std::time::Duration;

use sockeye_hub::bus::Bus;
use sockeye_hub::bus::kit::{Case, Kit};
use sockeye_hub::bus::nats::{ConnectOptions, Nats};
use sockeye_hub::core::history::Retention;
use sockeye_hub::core::{Epoch, RoomName};
use sockeye_hub::{Hub, Recovered};

use crate::broker::observer::{Observer, RETENTION, room};
use crate::nats::server::{NEW, OLD, Programs, Server, options};
use crate::nats::what_was_stored_is_recovered_after_a_restart::{
    members, publish, recovered, until,
};
use crate::support::hub;

/// Returns the link of one more node, once the cluster has elected its leaders.
async fn link(urls: &str) -> Nats {
    let options = options().replicas(3).timeout(Duration::from_secs(10));
    loop {
        let options = options.clone();
        match Nats::connect_with(urls, options, ConnectOptions::new()).await {
            Ok(bus) => return bus,
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Waits until the cluster has made a stream of three replicas.
async fn ready(servers: &[Server]) -> String {
    let urls: Vec<_> = servers.iter().map(Server::url).collect();
    let urls = urls.join(",");
    let bus = link(&urls).await;
    let (events, _receiver) = sockeye_hub::bus::events(10);
    bus.attach(sockeye_hub::core::NodeId(1), events);
    let made = async {
        while let Err(error) = bus.top(&room("ready"), &RETENTION).await {
            eprintln!("the cluster is not ready: {error}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), made).await.expect("the cluster is ready");
    urls
}

/// Waits until all servers have what a stream has stored: one of them may be killed then. Without
/// it, servers of version 2.9 may elect no leader any more.
async fn all_current(servers: &[Server], retention: &Retention) {
    let stream = format!("hub_{}-{}ms", retention.count, retention.age.as_millis());
    let subject = format!("$JS.API.STREAM.INFO.{stream}");
    let current = async {
        loop {
            // While there is no leader, nobody may answer.
            let info = servers[0].request(&subject, "");
            match tokio::time::timeout(Duration::from_secs(2), info).await {
                Ok(info) if info.contains("\"leader\":") && !info.contains("\"current\":false") => {
                    return;
                }
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), current).await.expect("within a minute");
}

async fn keeps_the_contract(programs: Programs) {
    let Some(servers) = Server::start_cluster(programs).await else { return };
    let urls = ready(&servers).await;
    Kit::new(move || {
        let urls = urls.clone();
        async move { link(&urls).await }
    })
    .without(Case::RetentionByBytes)
    .run()
    .await
    .unwrap();
}

async fn misses_nothing(programs: Programs) {
    let Some(mut servers) = Server::start_cluster(programs).await else { return };
    let urls = ready(&servers).await;
    let nodes: [Hub; 2] =
        [hub().bus(link(&urls).await).build(), hub().bus(link(&urls).await).build()];
    let (mut members, seen) = members(&nodes).await;
    for index in 0..servers.len() {
        all_current(&servers, &RETENTION).await;
        servers[index].kill().await;
        for number in 0..20 {
            publish(&nodes[number % 2], &format!("missed {number}")).await;
        }
        servers[index].restart().await;
        for (client, _) in &mut members {
            // One that was not acknowledged is published twice: the test gives no ids.
            let told = until(client, "missed 19").await;
            assert!(!told.iter().any(|line| line.contains("Gap")), "{told:?}");
        }
    }
    for node in &nodes {
        assert_eq!(recovered(node, seen).await, Recovered::All);
    }
}

/// Nodes of different servers create a stream at the same moment: servers before 2.14.5 may then
/// disagree about the time of its creation, also after restarts.
async fn has_one_epoch(programs: Programs) {
    let Some(mut servers) = Server::start_cluster(programs).await else { return };
    ready(&servers).await;
    let mut nodes = Vec::new();
    for (number, server) in (1..).zip(&servers) {
        nodes.push(Observer::new(link(&server.url()).await, number, 1_000));
    }
    let room = room("log");
    let mut epochs = Vec::new();
    for count in 1..=3 {
        let retention = Retention { count, ..RETENTION };
        let [first, second, third] = &nodes[..] else { panic!("three nodes") };
        let (first, second, third) = tokio::join!(
            epoch(first, &room, &retention),
            epoch(second, &room, &retention),
            epoch(third, &room, &retention),
        );
        assert_eq!((first, first), (second, third), "stream {count}");
        epochs.push((retention, first));
    }
    for (retention, _) in &epochs {
        all_current(&servers, retention).await;
    }
    servers[0].kill().await;
    servers[0].restart().await;
    for (retention, expected) in &epochs {
        for node in &nodes {
            assert_eq!(epoch(node, &room, retention).await, *expected);
        }
    }
}

/// Returns the epoch of a room's history as soon as the cluster answers.
async fn epoch(node: &Observer<Nats>, room: &RoomName, retention: &Retention) -> Epoch {
    let answered = async {
        loop {
            match node.bus.top(room, retention).await {
                Ok(top) => return top.epoch,
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), answered).await.expect("within a minute")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_has_one_epoch_2_9() {
    has_one_epoch(OLD).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_has_one_epoch_newer() {
    has_one_epoch(NEW).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_keeps_the_contract_2_9() {
    keeps_the_contract(OLD).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_keeps_the_contract_newer() {
    keeps_the_contract(NEW).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_which_members_miss_nothing_when_servers_are_killed_2_9() {
    misses_nothing(OLD).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_which_members_miss_nothing_when_servers_are_killed_newer() {
    misses_nothing(NEW).await;
}
