//! The bus over Redis, with real servers: one for each test, which ends with the test.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../broker/observer.rs"]
mod observer;
#[path = "../broker/one_order.rs"]
mod one_order;
#[path = "../broker/presence.rs"]
mod presence;
mod proxy;
mod server;
#[path = "../it/support.rs"]
#[allow(dead_code, reason = "the tests of the bus use a part of it")]
mod support;

mod a_full_server_refuses_publications;
mod a_loss_of_the_store_is_found;
mod a_lost_acknowledgement_stores_nothing_twice;
mod a_replica_is_tried_with_growing_delays;
mod an_outage_of_the_broker_ends_nobodys_presence;
mod checks_of_idle_rooms_write_nothing;
mod connecting_refuses_what_cannot_work;
mod members_receive_everything_once_whatever_breaks;
mod the_contract_of_a_bus_is_kept;
mod what_a_node_does_not_read_is_reported_as_lost;
