//! The faults. Each case injects one, ends it, and says which effects it may have had.

use std::time::Duration;

use tokio::time::sleep;

use super::network::Cut;
use super::world::{Effects, World};

/// A time below the lease of the presence, 7 s: a node may be silent for 2 s before the fault.
const SHORT: Duration = Duration::from_secs(3);

/// A time above the lease.
const LONG: Duration = Duration::from_secs(12);

/// The node that faults hit.
const NODE: usize = 0;

/// The lease of the node that is hit may end.
const EXPIRES: Effects =
    Effects { loses: false, drops: false, expired: &[NODE], slower_by: Duration::ZERO };

/// The store loses publications.
const LOSES: Effects =
    Effects { loses: true, drops: false, expired: &[], slower_by: Duration::ZERO };

/// Nodes of different servers of a cluster do not reach each other for [`LONG`]. The servers wait
/// for TCP to send again, whose pauses double.
const SPLIT: Effects = Effects { loses: false, drops: false, expired: &[0, 1, 2], slower_by: LONG };

async fn packets_to_the_broker(world: World, time: Duration, effects: Effects) {
    let cut = world.cut_to_brokers(NODE);
    sleep(time).await;
    drop(cut);
    world.recovers(effects).await;
}

async fn packets_from_the_broker(world: World, time: Duration, effects: Effects) {
    let cut = world.cut_from_brokers(NODE);
    sleep(time).await;
    drop(cut);
    world.recovers(effects).await;
}

async fn packets_both_ways(world: World, time: Duration, effects: Effects) {
    let cut = (world.cut_to_brokers(NODE), world.cut_from_brokers(NODE));
    sleep(time).await;
    drop(cut);
    world.recovers(effects).await;
}

pub(crate) async fn packets_to_the_broker_were_lost_for_3_s(world: World) {
    packets_to_the_broker(world, SHORT, Effects::default()).await;
}

pub(crate) async fn packets_to_the_broker_were_lost_for_12_s(world: World) {
    packets_to_the_broker(world, LONG, EXPIRES).await;
}

pub(crate) async fn packets_from_the_broker_were_lost_for_3_s(world: World) {
    packets_from_the_broker(world, SHORT, Effects::default()).await;
}

pub(crate) async fn packets_from_the_broker_were_lost_for_12_s(world: World) {
    packets_from_the_broker(world, LONG, EXPIRES).await;
}

pub(crate) async fn packets_both_ways_were_lost_for_3_s(world: World) {
    packets_both_ways(world, SHORT, Effects::default()).await;
}

pub(crate) async fn packets_both_ways_were_lost_for_12_s(world: World) {
    packets_both_ways(world, LONG, EXPIRES).await;
}

/// TCP repeats what was not acknowledged after 0.2, 0.4, 0.8, 1.6, 3.2 and 6.4 s. What was on its
/// way when the fault began would arrive 12.6 s later, behind what the node has published since.
pub(crate) async fn packets_both_ways_were_lost_until_tcp_sent_them_late(world: World) {
    let cut = (world.cut_to_brokers(NODE), world.cut_from_brokers(NODE));
    sleep(Duration::from_secs(8)).await;
    drop(cut);
    sleep(Duration::from_secs(7)).await;
    world.recovers(EXPIRES).await;
}

pub(crate) async fn an_acknowledgement_was_lost(world: World) {
    // The publication leaves at once: TCP sends nothing new after 0.2 s without an acknowledgement.
    world.pause_publishers().await;
    let cut = world.cut_from_brokers(NODE);
    world.resume_publishers();
    let publisher = &world.publishers[NODE];
    let acknowledged = publisher.acknowledged().len();
    // By then the node has given up the connection, over which TCP would send it again.
    sleep(SHORT + Duration::from_secs(1)).await;
    let id = publisher.current_id();
    let (log, _) = world.history(1).await;
    assert!(log.iter().any(|stored| stored.id == id), "{id} was stored");
    let further = publisher.acknowledged().len() - acknowledged;
    assert!(further <= 1, "the node got {further} acknowledgements over a cut link");
    drop(cut);
    world.recovers(EXPIRES).await;
}

pub(crate) async fn a_node_stood_still_for_12_s(world: World) {
    world.nodes[NODE].signal("STOP");
    sleep(LONG).await;
    world.nodes[NODE].signal("CONT");
    world.recovers(EXPIRES).await;
}

pub(crate) async fn a_node_was_killed(mut world: World) {
    world.nodes[NODE].kill();
    // The others notice it.
    sleep(LONG).await;
    world.nodes[NODE].restart();
    world.recovers(Effects::default()).await;
}

pub(crate) async fn the_broker_stood_still_for_12_s(world: World) {
    world.brokers[0].signal("STOP");
    sleep(LONG).await;
    world.brokers[0].signal("CONT");
    world.recovers(Effects::default()).await;
}

pub(crate) async fn the_broker_was_down_for_12_s(mut world: World) {
    world.pause_publishers().await;
    world.brokers[0].save();
    world.brokers[0].kill();
    world.resume_publishers();
    sleep(LONG).await;
    world.brokers[0].restart();
    world.recovers(Effects::default()).await;
}

pub(crate) async fn the_broker_was_rolled_back(mut world: World) {
    world.brokers[0].save();
    world.publish_more(50).await;
    world.brokers[0].roll_back();
    world.publish_more(50).await;
    world.recovers(LOSES).await;
}

pub(crate) async fn the_broker_was_restarted_empty(mut world: World) {
    world.brokers[0].restart_empty();
    world.recovers(LOSES).await;
}

pub(crate) async fn the_store_was_cleared(world: World) {
    world.brokers[0].clear();
    world.recovers(LOSES).await;
}

/// Stops reading at an observer of [`NODE`] while more is published than the buffers between hold,
/// and returns once it reads again. On a slow machine the node ends the observer's connection
/// meanwhile, which the observer notices later than the others.
async fn stop_reading(world: &World) {
    const SIZE: usize = 16 << 10;
    // More than the outbox, 1 MiB, the sockets and the client hold, 4 MiB each.
    const BYTES: usize = 12 << 20;

    let (slow, others) = world.observers.split_first().expect("there are observers");
    slow.set_reading(false);
    world.publishers.iter().for_each(|publisher| publisher.set_size(SIZE));
    for _ in 0..8 {
        world.publish_more(BYTES / SIZE / 8).await;
    }
    world.publishers.iter().for_each(|publisher| publisher.set_size(0));
    let longest = others.iter().map(|observer| observer.record().longest_delay).max();
    let longest = longest.expect("there are others");
    assert!(longest < Duration::from_secs(5), "a slow observer delayed others by {longest:?}");
    slow.set_reading(true);
}

pub(crate) async fn an_observer_was_slow(world: World) {
    stop_reading(&world).await;
    world.recovers(Effects { drops: true, ..EXPIRES }).await;
}

/// In a room with the policy to catch up, nothing is dropped.
pub(crate) async fn an_observer_was_slow_and_caught_up(world: World) {
    stop_reading(&world).await;
    world.recovers(EXPIRES).await;
}

/// Drops all packets from the other servers of the cluster to the first.
fn cut_to_server(world: &World) -> Vec<Cut> {
    let (server, others) = world.brokers.split_first().expect("there are servers");
    others.iter().map(|other| other.host.cut_to(&server.host)).collect()
}

/// Drops all packets from the first server of the cluster to the others.
fn cut_from_server(world: &World) -> Vec<Cut> {
    let (server, others) = world.brokers.split_first().expect("there are servers");
    others.iter().map(|other| server.host.cut_to(&other.host)).collect()
}

async fn a_server_was_cut_off(world: World, time: Duration) {
    let cut = (cut_to_server(&world), cut_from_server(&world));
    sleep(time).await;
    drop(cut);
    world.recovers(SPLIT).await;
}

pub(crate) async fn a_server_was_cut_off_for_3_s(world: World) {
    a_server_was_cut_off(world, SHORT).await;
}

pub(crate) async fn a_server_was_cut_off_for_12_s(world: World) {
    a_server_was_cut_off(world, LONG).await;
}

pub(crate) async fn packets_to_a_server_were_lost_for_12_s(world: World) {
    let cut = cut_to_server(&world);
    sleep(LONG).await;
    drop(cut);
    world.recovers(SPLIT).await;
}

pub(crate) async fn packets_from_a_server_were_lost_for_12_s(world: World) {
    let cut = cut_from_server(&world);
    sleep(LONG).await;
    drop(cut);
    world.recovers(SPLIT).await;
}

pub(crate) async fn a_server_was_killed(mut world: World) {
    world.brokers[0].kill();
    sleep(LONG).await;
    world.brokers[0].restart();
    world.recovers(Effects { slower_by: LONG, ..Effects::default() }).await;
}
