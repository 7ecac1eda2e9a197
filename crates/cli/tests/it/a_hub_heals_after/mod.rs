//! Faults between three processes `sockeye serve` and real brokers, each of them in a network
//! namespace: partitions in each direction, processes that stand still or are killed, stores that
//! lose everything or go back in time, lost acknowledgements, slow readers. Clients of each node
//! record their events, and checkers compare the records with the log of the room and with the
//! sessions that there were.
//!
//! The cases need root and minutes: `ci/hub-faults.sh` runs them. The checkers have tests of their
//! own, which run with all others.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod broker;
mod cases;
mod checker;
mod members;
mod network;
mod observer;
mod world;

/// Makes each case a test with a kind of broker, or with a cluster of three. The room of a case is
/// `log`, unless the case names another one.
macro_rules! cases {
    ($module:ident: $kind:ident, $brokers:literal; $($case:ident $(in $room:literal)?),+ $(,)?) => {
        mod $module {
            use super::broker::BrokerKind;
            use super::cases;
            use super::world::World;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[ignore = "needs root and minutes: ci/hub-faults.sh runs it"]
                async fn $case() {
                    let name = stringify!($case).replace('_', " ");
                    let room = [$($room,)? "log"][0];
                    let world = World::start(&name, BrokerKind::$kind, $brokers, room).await;
                    cases::$case(world).await;
                }
            )+
        }
    };
}

macro_rules! cases_of_one_broker {
    ($($module:ident: $kind:ident),+) => {
        $(
            cases! { $module: $kind, 1;
                packets_to_the_broker_were_lost_for_3_s,
                packets_to_the_broker_were_lost_for_12_s,
                packets_from_the_broker_were_lost_for_3_s,
                packets_from_the_broker_were_lost_for_12_s,
                packets_both_ways_were_lost_for_3_s,
                packets_both_ways_were_lost_for_12_s,
                packets_both_ways_were_lost_until_tcp_sent_them_late,
                an_acknowledgement_was_lost,
                a_node_stood_still_for_12_s,
                a_node_was_killed,
                the_broker_stood_still_for_12_s,
                the_broker_was_down_for_12_s,
                the_broker_was_rolled_back,
                the_broker_was_restarted_empty,
                the_store_was_cleared,
                an_observer_was_slow,
                an_observer_was_slow_and_caught_up in "caught:log",
            }
        )+
    };
}

macro_rules! cases_of_a_cluster {
    ($($module:ident: $kind:ident),+) => {
        $(
            cases! { $module: $kind, 3;
                a_server_was_cut_off_for_3_s,
                a_server_was_cut_off_for_12_s,
                packets_to_a_server_were_lost_for_12_s,
                packets_from_a_server_were_lost_for_12_s,
                a_server_was_killed,
            }
        )+
    };
}

cases_of_one_broker! { redis: Redis, nats: Nats, newer_nats: NewerNats }
cases_of_a_cluster! { nats_cluster: Nats, newer_nats_cluster: NewerNats }
